"""A stored run that is read from Python, and what is asked for of it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from ccx_cli.design import NEVER_FIRES
from ccx_cli.errors import CcxError, MissingInputError, UsageError, suggestion
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.notebook.checking import formula_texts, is_whole
from ccx_cli.progress import SilentProgress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.findings import short_names, simplified
from ccx_cli.runs.run import Run
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.runs.inputs import RunInputs
    from ccx_cli.search.scoring import FormulaOnData
    from ccx_cli.study.unit_images import UnitImages

_KEPT_UNITS = 8
_NEEDED = ("dataset", "weights", "segmentation", "activations", "rebuild")


def warn(text: str) -> None:
    """Warn, naming the line of the user's that led here."""
    frame, level, outermost = inspect.currentframe(), 1, 1
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("ccx_cli."):
            outermost = level
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=outermost + 1)


class Warnings(SilentProgress):
    """Says what the command line would note as a warning of Python."""

    def note(self, text: str) -> None:
        """Warn."""
        warn(text)


class OpenedRun:
    """A run and what was read for it so far; several threads may ask."""

    def __init__(self, run: Run, roots: Roots) -> None:
        self.run = run
        self.roots = roots
        self.lock = RLock()
        self._opened: RunInputs | None = None
        self._looked: dict[int, UnitImages] = {}

    @property
    def inputs(self) -> RunInputs:
        """The finished units, with lift and MCC, and what they were made from."""
        from ccx_cli.runs.inputs import RunInputs

        with self.lock:
            if not self.run.directory.is_dir():
                raise MissingInputError(
                    f"The run {self.run.called} is gone from {self.run.directory}."
                )
            if self._opened is None:
                opened = RunInputs(self.run.strict(*_NEEDED), self.roots, progress=Warnings())
                self._opened = opened.against_chance()
            return self._opened

    @property
    def short_names(self) -> dict[str, str]:
        """What people read for each concept: ``street`` for ``street-s``; as far as is known."""
        with suppress(CcxError):
            return short_names(self.inputs.dataset.labels)
        return {}

    def records_of(self, unit: int) -> list[ExplanationRecord]:
        """Return a unit's explanations as they are stored; UsageError if there are none."""
        units = self.inputs.run.units
        if not is_whole(unit) or unit not in units:
            known = write_spans(sorted(units))
            raise UsageError(f"Unit {unit} is not in the run {self.run.called}, which has {known}.")
        return units[unit]

    def look_at(self, unit: int) -> UnitImages:
        """Return a unit's maps, and its pixels in every range and formula, image by image.

        The formulas are the simplest, as people read them.
        """
        from ccx_cli.study.unit_images import look_at_unit

        stored = self.records_of(unit)
        with self.lock:
            if unit not in self._looked:
                records = list(map(simplified, stored))
                inputs = self.inputs
                found = look_at_unit(unit, records, inputs.index, inputs.activations)
                if len(self._looked) >= _KEPT_UNITS:
                    del self._looked[next(iter(self._looked))]
                self._looked[unit] = found
            return self._looked[unit]

    def position(self, looked: UnitImages, number: int | None) -> int:
        """Return where a range is among those of a unit, ``None`` being the highest."""
        clusters = [record.cluster for record in looked.records]
        if not clusters:
            raise UsageError(f"Unit {looked.unit} has no range: it {NEVER_FIRES}.")
        if number is None:
            return len(clusters) - 1
        if not is_whole(number) or number not in clusters:
            raise UsageError(
                f"Unit {looked.unit} has no range {number}: it has {', '.join(map(str, clusters))}."
            )
        return clusters.index(number)

    def typed(self, formulas: str | Sequence[str], index: ConceptIndex) -> list[FormulaOnData]:
        """Read formulas as ``ccx score`` does."""
        from ccx_cli.search.scoring import FormulaOnData, check_seen

        labels = self.inputs.dataset.labels
        vocabulary = Vocabulary({label.number: label.name for label in labels})
        typed = [FormulaOnData.read(text, vocabulary, index) for text in formula_texts(formulas)]
        check_seen(typed)
        return typed

    def image(self, image: int | str | PathLike[str]) -> int:
        """Return an image's number, by that or by its file's name or path."""
        dataset = self.inputs.dataset
        names = [row.image for row in dataset.rows]
        if isinstance(image, str | PathLike):
            wanted = Path(image)
            name = wanted.as_posix()
            fitting = [
                position
                for position, each in enumerate(names)
                if each == name
                or f"/{each}".endswith(f"/{name}")
                or dataset.image_path(each) == wanted
            ]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                some = " or ".join(names[position] for position in fitting[:3])
                raise UsageError(f"The image {name} may be {some}: write more of its path.")
            near = suggestion(name, names) or f": they are such as {names[0]}."
            raise UsageError(f"There is no image {name} in {dataset.directory}{near}")
        if not is_whole(image) or not 0 <= image < len(names):
            raise UsageError(f"There is no image {image}: they are 0 to {len(names) - 1}.")
        return int(image)
