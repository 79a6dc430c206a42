"""Two runs range by range, as rows of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ccx_cli.printable import printable
from ccx_cli.runs.stored import StoredRun
from ccx_cli.study.run_comparison import RangePair, Tally, compare_runs, tally
from ccx_cli.tui.rows import Sorting, sort_rows

if TYPE_CHECKING:
    from ccx_cli.runs.viewed import ViewedRun


@dataclass(frozen=True)
class Comparison:
    """What two runs say of the same ranges.

    Attributes
    ----------
    pairs
        By unit and cluster.
    tally
        Summed up.
    notes
        What the runs do not share.
    """

    pairs: tuple[RangePair, ...]
    tally: Tally
    notes: tuple[str, ...]

    def select(self, text: str, sorting: Sorting, *, differing: bool) -> list[RangePair]:
        """Return the pairs whose unit or formulas have ``text``, sorted.

        Parameters
        ----------
        text
            A unit's number, or part of a formula, whatever its case.
        sorting
            By a key of ``KEYS``.
        differing
            Leave out those whose formulas are equivalent.
        """
        folded = text.strip().casefold()
        pairs = [
            pair
            for pair in self.pairs
            if not (differing and pair.equal)
            and (
                not folded
                or (str(pair.unit) == folded if folded.isdigit() else folded in _text(pair))
            )
        ]
        return sort_rows(pairs, KEYS[sorting.key], descending=sorting.descending)


def compare(a: ViewedRun, b: ViewedRun) -> Comparison:
    """Match two runs' ranges by unit and cluster."""
    pairs = tuple(compare_runs(_stored(a), _stored(b)))
    notes = []
    for key in ("model", "pretrained", "layer", "subset", "num_clusters"):
        if a.about.get(key) != b.about.get(key):
            said = [printable(str(run.about.get(key, "?"))) for run in (a, b)]
            alone = ": units are matched by number only" if key in {"model", "layer"} else ""
            notes.append(f"{key.replace('_', ' ')}: {said[0]} and {said[1]}{alone}")
    if a.identity.get("search") != b.identity.get("search"):
        names = [printable(str(_search(run).get("name", "?"))) for run in (a, b)]
        notes.append(
            f"search: {names[0]} and {names[1]}"
            if names[0] != names[1]
            else "what the search was set to"
        )
    return Comparison(pairs, tally(pairs), tuple(notes))


def _search(view: ViewedRun) -> dict[str, Any]:
    search = view.identity.get("search")
    return search if isinstance(search, dict) else {}


def _stored(view: ViewedRun) -> StoredRun:
    return StoredRun(view.directory, view.about, view.identity, view.units)


def _size(pair: RangePair) -> float | None:
    return None if pair.difference is None else abs(pair.difference)


def _text(pair: RangePair) -> str:
    formulas = [record["formula"] or "" for record in (pair.a, pair.b) if record is not None]
    return " ".join(formulas).casefold()


def _formula(side: str) -> Callable[[RangePair], str | None]:
    def formula(pair: RangePair) -> str | None:
        record = getattr(pair, side)
        return None if record is None else record["formula"]

    return formula


KEYS: dict[str, Callable[[RangePair], Any]] = {
    "unit": lambda pair: (pair.unit, -1 if pair.cluster is None else pair.cluster),
    "cluster": lambda pair: pair.cluster,
    "size": _size,
    "difference": lambda pair: pair.difference,
    "iou_a": lambda pair: pair.ious[0],
    "iou_b": lambda pair: pair.ious[1],
    "formula_a": _formula("a"),
    "formula_b": _formula("b"),
    "equal": lambda pair: pair.equal,
}


def pair_rows(pairs: Sequence[RangePair]) -> list[dict[str, Any]]:
    """Write pairs as rows of a file."""
    return [
        {
            "unit": pair.unit,
            "cluster": pair.cluster,
            "formula_a": KEYS["formula_a"](pair),
            "formula_b": KEYS["formula_b"](pair),
            "equal": pair.equal,
            "iou_a": pair.ious[0],
            "iou_b": pair.ious[1],
            "difference": pair.difference,
        }
        for pair in pairs
    ]
