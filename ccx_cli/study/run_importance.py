"""The importance of the ranges of a stored run, found here or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from msgspec.structs import replace

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.loading import Network, load_network
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress, Task
from ccx_cli.records.studies import ClusterImportanceRecord, RangeImportanceRecord
from ccx_cli.runs.dask_worker import kept
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.inputs_on_dask import NetworkCheck, StoredInputs, one_pass
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.unit_spans import read_spans, write_spans
from ccx_cli.runs.workers import Tasks, side_by_side
from ccx_cli.study.importance import (
    ClusterAblation,
    ClusterCounts,
    Effects,
    UnitAblation,
    cluster_importance,
    cluster_records,
    jobs_of,
    range_records,
    unit_importance,
)
from ccx_cli.threads import threads

T = TypeVar("T")
_DRAWN_AT_ONCE = 1 << 20


def importance_of_run(
    inputs: RunInputs,
    units: Sequence[int],
    *,
    per_unit: bool,
    class_names: Sequence[str],
    seed: int,
    device: str,
    batch_size: int,
    workers: int,
    progress: Progress,
    cluster: DaskCluster | None = None,
) -> Sequence[ClusterImportanceRecord | RangeImportanceRecord]:
    """Run ``cluster_importance`` or ``unit_importance`` on the ranges of a stored run."""
    ranges = {unit: inputs.ranges_of(unit) for unit in units}
    choice = inputs.network("importance")
    n_images = len(inputs.dataset.rows)
    if cluster is not None:
        counting = _Counting(StoredInputs.of(inputs), write_spans(units), device)
        batches = [
            range(start, min(start + batch_size, n_images))
            for start in range(0, n_images, batch_size)
        ]
        check = NetworkCheck.of(choice)
        with cluster.tasks(counting.stored.header, check=check) as tasks:
            on_cluster = _OnCluster(inputs, tasks, progress)
            if not per_unit:
                return cluster_records(on_cluster.clusters(counting, batches, seed))
            found = range_records(jobs_of(ranges), on_cluster.units(counting, batches), class_names)
    else:
        network = load_network(choice, device)
        with threads(workers) as pool:
            images = image_batches(inputs.dataset, choice, range(n_images), batch_size, pool)
            if not per_unit:
                return cluster_importance(
                    network, images, ranges, seed=seed, progress=progress, n_images=n_images
                )
            found = unit_importance(
                network,
                images,
                ranges,
                class_names=class_names,
                progress=progress,
                n_images=n_images,
            )
    return [
        replace(each, formula=inputs.run.units[each.unit][each.cluster].formula) for each in found
    ]


@dataclass(frozen=True, slots=True)
class _Counting:
    """What the workers of a cluster ablate: the ranges of a run's ``units``, written as spans."""

    stored: StoredInputs
    units: str
    device: str

    def opened(self, ablation: Callable[[Network, Mapping[int, Sequence[Range]]], T]) -> _Opened[T]:
        """Return, on a worker, ``ClusterAblation`` or ``UnitAblation`` of the network."""

        def make() -> _Opened[T]:
            inputs = self.stored.opened()
            units = read_spans(self.units, 1 + max(inputs.run.units))
            network = load_network(inputs.network("importance"), self.device)
            ranges = {unit: inputs.ranges_of(unit) for unit in units}
            return _Opened(inputs.dataset, network.choice, ablation(network, ranges))

        return kept((self, ablation), make)


@dataclass(frozen=True, slots=True)
class _Opened(Generic[T]):
    dataset: BrodenDataset
    choice: NetworkDescription
    ablation: T

    def read(self, images: range) -> torch.Tensor:
        """Read a batch of images."""
        with threads(1) as pool:
            return next(image_batches(self.dataset, self.choice, images, len(images), pool))


def _count_clusters(counting: _Counting, images: range, state: bytes) -> ClusterCounts:
    """Ablate ranges by number on a worker, with the random numbers that come next."""
    opened = counting.opened(ClusterAblation)
    pixels, generator = opened.read(images), torch.Generator()
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    with one_pass:
        return opened.ablation.count(pixels, generator)


def _count_units(counting: _Counting, images: range) -> list[Effects]:
    """Ablate one range at a time on a worker."""
    opened = counting.opened(UnitAblation)
    pixels = opened.read(images)
    with one_pass:
        return opened.ablation.count(pixels)


@dataclass(frozen=True, slots=True)
class _OnCluster:
    """Counts batches of the images of a run on a cluster."""

    inputs: RunInputs
    tasks: Tasks
    progress: Progress

    def units(self, counting: _Counting, batches: Sequence[range]) -> list[list[Effects]]:
        """Return the effects on each batch, in order."""
        with self._task("Importance per unit") as task:
            return self._each(
                batches, lambda images: self.tasks.begin(_count_units, counting, images), task
            )

    def clusters(
        self, counting: _Counting, batches: Sequence[range], seed: int
    ) -> list[ClusterCounts]:
        """Return the counts of each batch, in order.

        A batch uses the random numbers after those of the batches before: the first one tells how
        many an image takes.
        """
        generator = torch.Generator().manual_seed(seed)

        def begin(images: range) -> Future[ClusterCounts]:
            state = generator.get_state().numpy().tobytes()
            if counts:
                _draw(generator, len(images) * counts[0].drawn // counts[0].images)
            return self.tasks.begin(_count_clusters, counting, images, state)

        counts: list[ClusterCounts] = []
        with self._task("Importance") as task:
            counts += self._each(batches[:1], begin, task)
            _draw(generator, counts[0].drawn)
            counts += self._each(batches[1:], begin, task)
        if any(each.drawn * counts[0].images != counts[0].drawn * each.images for each in counts):
            raise CcxError(
                f"The layer of {self.inputs.run.name} is not of the same size for all images: "
                "leave --dask out, which counts with one row of random numbers."
            )
        return counts

    def _task(self, title: str) -> AbstractContextManager[Task]:
        return self.progress.task(title, len(self.inputs.dataset.rows))

    def _each(
        self, batches: Sequence[range], begin: Callable[[range], Future[T]], task: Task
    ) -> list[T]:
        """Return what comes of each batch, in order."""
        rows, counts = self.inputs.dataset.rows, {}
        for images, found in side_by_side(
            batches, begin, self.tasks, lambda images: f"Importance in {rows[images[0]].image}"
        ):
            counts[images.start] = found
            task.advance(len(images))
        return [counts[images.start] for images in batches]


def _draw(generator: torch.Generator, count: int) -> None:
    """Pass over random numbers."""
    for start in range(0, count, _DRAWN_AT_ONCE):
        torch.empty(min(_DRAWN_AT_ONCE, count - start)).uniform_(generator=generator)
