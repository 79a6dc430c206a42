"""A run of explanations: what is stored already, what is missing, and the threads that find it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.run import Run
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.scoring import iou_elsewhere
from ccx_cli.store.locks import writing
from ccx_cli.threads import threads


@dataclass(frozen=True)
class Split:
    """Images to search, and images to see whether what was found holds there too.

    Attributes
    ----------
    name
        As the dataset marks the searched ones: ``train`` or ``val``.
    images
        Positions of the searched images.
    held_out
        Positions of the others.
    elsewhere
        The concept index of the others.
    """

    name: str
    images: NDArray[np.int64]
    held_out: NDArray[np.int64]
    elsewhere: ConceptIndex


@dataclass(frozen=True)
class ExplainJob:
    """Explanations of a layer's units, stored as they are found.

    Attributes
    ----------
    explainer
        Dataset, layer and search.
    activations
        The layer's maps.
    ranges
        Where ranges are found and kept, or ranges given by hand for every unit.
    results
        Where the lines are stored.
    about
        What the header says of the run.
    split
        The images that are searched, if not all are, and those that are held out. The explainer's
        index is then of the searched ones only.
    """

    explainer: Explainer
    activations: Activations
    ranges: RangeCache | Sequence[Range]
    results: Run
    about: Mapping[str, Any]
    split: Split | None = None

    def explain(
        self, units: Sequence[int], workers: int, session: Mapping[str, Any], progress: Progress
    ) -> Generator[list[ExplanationRecord], None, None]:
        """Yield every unit's records in the order of ``units``, finding what is not stored yet.

        Parameters
        ----------
        units
            Distinct numbers.
        workers
            Threads; each holds one unit's maps and counts, and kernels run side by side.
        session
            What the header says of this process.
        progress
            Told about every unit.
        """
        stored = self.results.finished()
        if all(unit in stored for unit in units) and self.results.has_header():
            yield from (stored[unit] for unit in units)
            return
        with writing(self.results.directory, progress):
            self.results.drop_torn_line()
            stored = self.results.finished()
            missing = [unit for unit in units if unit not in stored]
            asked = {"asked": write_spans(units), "workers": workers}
            device = {"device": self.explainer.device}
            self.results.begin_session(self.about, {**session, **asked, **device})
            began = time.monotonic()
            try:
                with closing(self._find(missing, workers, len(units), progress)) as finding:
                    for unit in units:
                        while unit not in stored:
                            found, records = next(finding)
                            stored[found] = records
                        yield stored[unit]
            finally:
                if isinstance(self.ranges, RangeCache):
                    self.ranges.save()
            seconds = round(time.monotonic() - began, 1)
            self.results.end_session(units=len(missing), seconds=seconds)

    def _find(
        self, units: Sequence[int], workers: int, n_units: int, progress: Progress
    ) -> Generator[tuple[int, list[ExplanationRecord]], None, None]:
        """Explain units side by side; store and yield each as it is finished."""
        done = n_units - len(units)
        with (
            threads(workers) as pool,
            progress.task("Explanations", n_units, done=done, unit="units") as task,
        ):
            for future in as_completed([pool.submit(self._explain, unit) for unit in units]):
                unit, records = future.result()
                self.results.append(records)
                task.advance()
                yield unit, records

    def _explain(self, unit: int) -> tuple[int, list[ExplanationRecord]]:
        everywhere = self.activations.unit(unit)
        maps = everywhere if self.split is None else everywhere[self.split.images]
        ranges = self.ranges.of(unit, maps) if isinstance(self.ranges, RangeCache) else self.ranges
        records = self.explainer.explain(unit, maps, ranges)
        if self.split is not None:
            records = self._with_held_out(records, ranges, everywhere[self.split.held_out])
        return unit, records

    def _with_held_out(
        self,
        records: Sequence[ExplanationRecord],
        ranges: Sequence[Range],
        maps: NDArray[np.float32],
    ) -> list[ExplanationRecord]:
        """Add what the formulas score on the images that were held out."""
        assert self.split is not None
        index = self.split.elsewhere
        hits = count_hits(maps, ranges, index) if ranges else None
        found = []
        for record in records:
            iou, formula = None, record.tree
            if formula is not None and hits is not None and record.cluster is not None:
                iou = iou_elsewhere(formula, index, hits.per_set[record.cluster])
            found.append(replace(record, split=self.split.name, held_out_iou=iou))
        return found
