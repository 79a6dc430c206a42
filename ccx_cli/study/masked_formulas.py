"""The formulas of a run as masks of its images: which are left to do, on which images, and how.

What comes of a formula is kept beside the run as soon as all its images went through the network.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.design import duration
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines
from ccx_cli.runs.answers import Key, range_of
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.store.locks import writing
from ccx_cli.store.steps import Step
from ccx_cli.threads import threads

if TYPE_CHECKING:
    import torch

    from ccx_cli.probe.networks.loading import Network
    from ccx_cli.study.masking import Masking

R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True)
class MaskedRun(Generic[R, T]):
    """What is done with the formulas of a run, on at most so many ``images`` of each, 0 for all.

    ``batch_size`` is how many of these are masked together, ``most`` how many versions of them go
    through the network at once.

    ``masking`` makes what masks, once the network is loaded; ``record_of`` makes what is kept of a
    range from what came of its images, ``lines`` keep it. ``title`` is of progress, ``fewer`` the
    end of the note that says how long it will take.
    """

    inputs: RunInputs
    choice: Callable[[], NetworkDescription]
    lines: RecordLines[R]
    images: int
    seed: int
    batch_size: int
    most: int
    masking: Callable[[Network], Masking[T]]
    record_of: Callable[[ExplanationRecord, Sequence[T]], R]
    title: str
    fewer: str

    def known(self) -> dict[Key, R]:
        """Read what is kept, by ``(unit, cluster)``."""
        return {range_of(record): record for record in self.lines.read()}

    def found(
        self, units: Sequence[int], device: str, workers: int, progress: Progress
    ) -> dict[Key, R]:
        """Do what is left of the units' formulas; return all that is kept."""
        _, missing = self._formulas(units)
        if not missing:
            return self.known()
        with writing(self.inputs.kept, progress):
            self.lines.drop_torn_line()
            self._run(missing, device, workers, progress)
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

        network = load_network(self.choice(), device)
        index = self.inputs.index
        images = sum(len(self._images(holds(some[0], index), index)) for some in missing)
        seconds = images * seconds_an_image(network, self.masking(network), self.most)
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
    ) -> None:
        """Run the network over the formulas and store what each of their ranges comes to."""
        from ccx_cli.probe.images import image_batches
        from ccx_cli.probe.networks.loading import load_network
        from ccx_cli.study.masking import MaskedFormula, outcomes, seconds_an_image

        index, choice = self.inputs.index, self.choice()
        network = load_network(choice, device)
        masking = self.masking(network)
        formulas = []
        for records in wanted:
            where = holds(records[0], index)
            formulas.append(
                MaskedFormula(
                    where,
                    self._images(where, index),
                    tuple(
                        (record.unit, Range.from_json(record.range))
                        for record in records
                        if record.range is not None
                    ),
                )
            )
        order = [
            (position, int(image)) for position, one in enumerate(formulas) for image in one.images
        ]
        seconds = seconds_an_image(network, masking, self.most) * len(order)
        progress.note(
            f"{self.title}: {len(formulas):,} formulas on {len(order):,} images in all, about "
            f"{duration(seconds)}; {self.fewer}."
        )
        with threads(workers) as pool, progress.task(self.title, len(order)) as task:
            batches = image_batches(
                self.inputs.dataset, choice, [image for _, image in order], self.batch_size, pool
            )
            pixels = (image for batch in batches for image in batch)

            def each_image() -> Iterator[tuple[int, int, torch.Tensor]]:
                for (position, image), one in zip(order, pixels, strict=True):
                    yield position, image, one
                    task.advance()

            found = outcomes(
                network, formulas, each_image(), index, masking, self.batch_size, self.most
            )
            for position, of_ranges in found:
                self.lines.append(
                    self.record_of(record, of_images)
                    for record, of_images in zip(wanted[position], of_ranges, strict=True)
                )
