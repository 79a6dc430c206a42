"""One unit closely: its activations' histogram, its metrics, and formulas tried on its ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import concepts_of, length_of, names_in, to_text
from ccx_cli.printable import printable
from ccx_cli.runs.stored import formula_of
from ccx_cli.store.lines import Record

if TYPE_CHECKING:
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.formulas.parse import Vocabulary
    from ccx_cli.probe.activations import Activations
    from ccx_cli.runs.viewed import ViewedRun
    from ccx_cli.study.unit_images import UnitImages

_FINE_BINS = 2400


@dataclass(frozen=True)
class ActivationHistogram:
    """How often a unit's activation takes which value, in bins fine enough for any terminal.

    Attributes
    ----------
    low, high
        Ends of the axis.
    cumulative
        ``(n_bins + 1,)`` int64, activations below each edge.
    zeros
        Activations that are zero and left out, as after a ReLU.
    """

    low: float
    high: float
    cumulative: NDArray[np.int64]
    zeros: int

    @classmethod
    def of_maps(cls, maps: NDArray[np.float32]) -> ActivationHistogram | None:
        """Count a unit's activations, ``None`` for a unit that never fires."""
        from ccx_cli.probe.ranges import active_values
        from ccx_cli.study.histogram import count_in_bars

        values = active_values(maps)
        values = values[np.isfinite(values)]
        if not values.size:
            return None
        counts, edges = count_in_bars(values, _FINE_BINS)
        cumulative = np.concatenate([[0], np.cumsum(counts)])
        return cls(float(edges[0]), float(edges[-1]), cumulative, maps.size - values.size)

    def columns(self, width: int) -> NDArray[np.float64]:
        """Count by column of a drawing, ``(width,)`` float64."""
        edges = np.linspace(0, len(self.cumulative) - 1, width + 1)
        return np.diff(np.interp(edges, np.arange(len(self.cumulative)), self.cumulative))

    def column_of(self, value: float | None, width: int, *, above: bool = False) -> int:
        """Return the column in which a value falls; an open end is the axis's own."""
        if value is None:
            return width - 1 if above else 0
        place = int((value - self.low) / (self.high - self.low) * width)
        return min(max(place, 0), width - 1)


@dataclass(frozen=True)
class UnitLook:
    """What the view of a unit shows besides its lines.

    Attributes
    ----------
    images
        Its maps and pixels.
    histogram
        Of its activations; ``None`` for a unit that never fires.
    metrics
        By record, name to value; those that were stored beside the run as well.
    shorter
        By record, the shortest equivalent formula if it is shorter than the one found.
    """

    images: UnitImages
    histogram: ActivationHistogram | None
    metrics: tuple[dict[str, float | None], ...]
    shorter: tuple[str | None, ...]

    def place_of(self, cluster: int | None) -> int | None:
        """Return the place of a range among those that were counted, ``None`` if it was not."""
        clusters = [record["cluster"] for record in self.images.records]
        return clusters.index(cluster) if cluster in clusters else None


@dataclass(frozen=True, slots=True)
class Trial:
    """A formula that somebody typed, on the ranges of a unit.

    Attributes
    ----------
    text
        As the program writes it.
    ious
        By record of the unit.
    same_as
        Clusters whose own formula holds on the same pixels.
    unseen
        Names in it that no pixel of the data set carries.
    """

    text: str
    ious: tuple[float, ...]
    same_as: tuple[int, ...]
    unseen: tuple[str, ...]


def look_closely(
    view: ViewedRun,
    unit: int,
    records: Sequence[Record],
    index: ConceptIndex,
    activations: Activations,
) -> UnitLook:
    """Read a unit's maps, count its pixels and measure its explanations."""
    from ccx_cli.study.metrics import measure
    from ccx_cli.study.unit_images import look_at_unit

    images = look_at_unit(unit, records, index, activations)
    stored = stored_metrics(view.directory, unit)
    metrics = tuple(
        {**asdict(measure(counts)), **stored.get(record["cluster"], {})}
        for record, counts in zip(images.records, images.counts, strict=True)
    )
    return UnitLook(
        images,
        ActivationHistogram.of_maps(images.maps),
        metrics,
        tuple(shorter(record) for record in images.records),
    )


def shorter(record: Record) -> str | None:
    """Write the shortest formula equivalent to a record's, ``None`` unless it is shorter."""
    from ccx_cli.formulas.algebra import simplify

    formula = formula_of(record)
    if formula is None:
        return None
    short = simplify(formula)
    if length_of(short) >= length_of(formula):
        return None
    names = dict(zip(concepts_of(formula), names_in(record["formula"]), strict=True))
    return to_text(short, names.__getitem__)


def stored_metrics(directory: Path, unit: int) -> dict[int, dict[str, float | None]]:
    """Read what ``ccx metrics`` kept of label masking beside a run, by cluster.

    A line that cannot be read is passed over: it is no reason not to show the rest.
    """
    found: dict[int, dict[str, float | None]] = {}
    needle = f'"unit": {unit},'.encode()
    for path in sorted(directory.glob("masking-*.jsonl")):
        try:
            lines = [line for line in path.read_bytes().split(b"\n") if needle in line]
        except OSError:
            continue
        for line in lines:
            try:
                record: Any = json.loads(line)
                cluster, value = record["cluster"], record["label_masking"]
            except (ValueError, KeyError, TypeError):
                continue
            if record["unit"] == unit and type(cluster) is int and isinstance(value, float | None):
                found[cluster] = {"label_masking": value}
    return found


def try_formula(text: str, vocabulary: Vocabulary, look: UnitLook) -> Trial:
    """Score a formula on all ranges of a unit.

    Raises
    ------
    UsageError
        If the text is no formula.
    """
    from ccx_cli.formulas.parse import parse_formula
    from ccx_cli.search.scoring import FormulaOnData

    images = look.images
    found = FormulaOnData.of(parse_formula(text, vocabulary), images.index, vocabulary.name)
    return Trial(
        printable(found.text),
        tuple(found.score(in_range).iou for in_range in images.per_set),
        tuple(
            record["cluster"]
            for record, own in zip(images.records, images.holds, strict=True)
            if record["formula"] is not None and found.is_same_here(own)
        ),
        tuple(map(printable, found.unseen)),
    )
