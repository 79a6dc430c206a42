"""The formulas of a run as masks of its images: which are left to do, on which images, and how.

What comes of a formula is kept beside the run as soon as all its images went through the network.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.design import duration
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines
from ccx_cli.runs.answers import Key, range_of
from ccx_cli.runs.dask_worker import kept
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.runs.inputs_on_dask import NetworkCheck, StoredInputs, one_pass
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.workers import Tasks, side_by_side
from ccx_cli.store.locks import writing
from ccx_cli.store.steps import Step
from ccx_cli.threads import threads

if TYPE_CHECKING:
    from ccx_cli.study.masking import MaskedFormula, MaskedStudy

R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)
class MaskedRun(Generic[R, T]):
    """What is done with the formulas of a run, on at most so many ``images`` of each, 0 for all.

    ``batch_size`` is how many of these are masked together, ``most`` how many versions of them go
    through the network at once; ``lines`` keep what comes of it. ``title`` is of progress,
    ``fewer`` the end of the note that says how long it will take.
    """

    inputs: RunInputs
    study: MaskedStudy[R, T]
    lines: RecordLines[R]
    images: int
    seed: int
    batch_size: int
    most: int
    title: str
    fewer: str

    def known(self) -> dict[Key, R]:
        """Read what is kept, by ``(unit, cluster)``."""
        return {range_of(record): record for record in self.lines.read()}

    def found(
        self,
        units: Sequence[int],
        device: str,
        workers: int,
        progress: Progress,
        cluster: DaskCluster | None = None,
    ) -> dict[Key, R]:
        """Do what is left of the units' formulas; return all that is kept."""
        _, missing = self._formulas(units)
        if not missing:
            return self.known()
        with writing(self.inputs.kept, progress):
            self.lines.drop_torn_line()
            self._run(missing, device, workers, progress, cluster)
        return self.known()

    def step(self, units: Sequence[int], device: str) -> Step:
        """Say how many formulas still have to go through the network, and how long it takes."""
        total, missing = self._formulas(units)
        name = self.title.lower()
        step = Step(name, self.lines.path, "formulas", total, total - len(missing))
        if not missing:
            return step
        # Here and below: torch takes seconds to import, and metrics of pixels do without.
        from ccx_cli.probe.networks.loading import load_network
        from ccx_cli.study.masking import seconds_an_image

        network = load_network(self.study.choice(self.inputs), device)
        index = self.inputs.index
        images = sum(len(self._images(holds(some[0], index), index)) for some in missing)
        seconds = images * seconds_an_image(network, self.study.masking(network), self.most)
        return replace(step, seconds=seconds)

    def _formulas(self, units: Sequence[int]) -> tuple[int, list[list[ExplanationRecord]]]:
        """Count the units' distinct formulas; return the explanations of each not done yet."""
        by_formula: dict[str, list[ExplanationRecord]] = defaultdict(list)
        for unit in units:
            for record in self.inputs.run.units[unit]:
                if record.labels is not None:
                    by_formula[json.dumps(record.labels)].append(record)
        known = self.known()
        return len(by_formula), [
            records
            for records in by_formula.values()
            if any((record.unit, record.cluster) not in known for record in records)
        ]

    def _images(self, where: NDArray[np.bool_], index: ConceptIndex) -> NDArray[np.int64]:
        """Sample the images that contain a formula."""
        images = np.flatnonzero(index.pixels_by_image(where))
        if self.images and len(images) > self.images:
            random = np.random.default_rng(self.seed)
            images = np.sort(random.choice(images, self.images, replace=False))
        return images

    def _run(
        self,
        wanted: Sequence[Sequence[ExplanationRecord]],
        device: str,
        workers: int,
        progress: Progress,
        cluster: DaskCluster | None,
    ) -> None:
        """Run the network over the formulas and store what each of their ranges comes to."""
        from ccx_cli.study.masking import by_formula, opened_masker, seconds_an_image

        index = self.inputs.index
        formulas = [
            _masked(records, self._images(holds(records[0], index), index), index)
            for records in wanted
        ]
        order = [(place, int(image)) for place, one in enumerate(formulas) for image in one.images]
        about = f"{self.title}: {len(formulas):,} formulas on {len(order):,} images in all"
        found: Iterator[tuple[int, list[T]]]
        with ExitStack() as opened:
            if cluster is None:
                masker = opened_masker(self.inputs, self.study, device, self.batch_size, self.most)
                seconds = seconds_an_image(masker.network, masker.masking, self.most) * len(order)
                about += f", about {duration(seconds)}"
                pool = opened.enter_context(threads(workers))
                pixels = masker.read([image for _, image in order], pool)
                found = enumerate(masker.outcomes(formulas, order, pixels))
            else:
                check = NetworkCheck.of(self.study.choice(self.inputs))
                stored = StoredInputs.of(self.inputs)
                tasks = opened.enter_context(cluster.tasks(stored.header, check=check))
                found = self._outcomes_on(tasks, stored, wanted, order, device)
            progress.note(f"{about}; {self.fewer}.")
            task = opened.enter_context(progress.task(self.title, len(order)))

            def each_image() -> Iterator[tuple[int, list[T]]]:
                for place, of_ranges in found:
                    yield place, of_ranges
                    task.advance()

            for place, of_ranges in by_formula(formulas, each_image()):
                self.lines.append(
                    self.study.record_of(record, of_images)
                    for record, of_images in zip(wanted[place], of_ranges, strict=True)
                )

    def _outcomes_on(
        self,
        tasks: Tasks,
        stored: StoredInputs,
        wanted: Sequence[Sequence[ExplanationRecord]],
        order: Sequence[tuple[int, int]],
        device: str,
    ) -> Iterator[tuple[int, list[T]]]:
        """Yield what comes of images on workers, by place in ``order``, a batch a task."""
        sizes = self.batch_size, self.most

        def begin(start: int) -> Future[list[list[T]]]:
            some = order[start : start + self.batch_size]
            batch = [(wanted[position], image) for position, image in some]
            return tasks.begin(_outcomes_there, stored, self.study, device, sizes, batch)

        def name(start: int) -> str:
            position, image = order[start]
            row = self.inputs.dataset.rows[image].image
            return f"{self.title} of the formula of unit {wanted[position][0].unit} in {row}"

        starts = range(0, len(order), self.batch_size)
        for start, outcomes in side_by_side(starts, begin, tasks, name):
            yield from enumerate(outcomes, start)


def _masked(
    records: Sequence[ExplanationRecord], images: NDArray[np.int64], index: ConceptIndex
) -> MaskedFormula:
    """Return the formula that explanations share, to be masked in images."""
    from ccx_cli.study.masking import MaskedFormula

    ranges = ((record.unit, record.range) for record in records)
    return MaskedFormula(
        holds(records[0], index),
        images,
        tuple((unit, Range.from_json(ends)) for unit, ends in ranges if ends is not None),
    )


def _outcomes_there(
    stored: StoredInputs,
    study: MaskedStudy[R, T],
    device: str,
    sizes: tuple[int, int],
    batch: Sequence[tuple[Sequence[ExplanationRecord], int]],
) -> list[list[T]]:
    """Mask a batch of images on a worker, each with the formula of some explanations."""
    from ccx_cli.study.masking import opened_masker

    masker = kept(
        (stored, study, device, sizes),
        lambda: opened_masker(stored.opened(), study, device, *sizes),
    )
    formulas = [
        _masked(records, np.array([image]), masker.inputs.index) for records, image in batch
    ]
    order = [(place, image) for place, (_, image) in enumerate(batch)]
    with threads(1) as pool:
        pixels = list(masker.read([image for _, image in batch], pool))
    with one_pass:
        return list(masker.outcomes(formulas, order, pixels))
