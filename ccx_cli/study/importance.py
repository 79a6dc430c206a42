"""How much a network's answers depend on the activations in a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.probe.interventions import Change, Intervention, are_probabilities
from ccx_cli.probe.networks.class_names import class_name
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.studies import ClassDrop, ClusterImportanceRecord, RangeImportanceRecord

MOST_CLASSES = 3


@dataclass(frozen=True, slots=True)
class ClusterCounts:
    """What ablating ranges by number did to a batch of images.

    Attributes
    ----------
    images, activations
        How many there are.
    changed
        ``(2, n_clusters)`` int64, changed predictions: by the ranges, and by the random samples.
    zeroed
        ``(n_clusters,)`` int64, activations in the ranges.
    drawn
        Random numbers that were used.
    """

    images: int
    activations: int
    changed: NDArray[np.int64]
    zeroed: NDArray[np.int64]
    drawn: int


class ClusterAblation:
    """Ablates the selected units in their range of each number, and compares predictions.

    The published definition (La Rosa et al., NeurIPS 2023), with ranges numbered from the lowest.
    """

    def __init__(self, network: Network, ranges: Mapping[int, Sequence[Range]]) -> None:
        """Take the ranges by selected unit, from the lowest up."""
        self._intervention = Intervention(network)
        self._units = torch.tensor(sorted(ranges), dtype=torch.int64)
        self._n_clusters = max((len(found) for found in ranges.values()), default=0)
        self._lower, self._upper = _ends(ranges, self._n_clusters)

    def count(self, images: torch.Tensor, generator: torch.Generator) -> ClusterCounts:
        """Count for images, ``(n, 3, side, side)`` float32, normalized.

        ``generator`` chooses the activations that are ablated for comparison.
        """
        n_clusters = self._n_clusters
        zeroed = np.zeros(n_clusters, dtype=np.int64)
        activations = drawn = 0

        def change(chosen: torch.Tensor) -> torch.Tensor:
            nonlocal activations, drawn
            activations += chosen.numel()
            values = chosen.float()  # As they are stored, which gave the ranges.
            versions = [chosen]
            for cluster in range(n_clusters):
                lower, upper = self._lower[cluster].to(values), self._upper[cluster].to(values)
                inside = (values > lower) & (values < upper)
                zeroed[cluster] += int(inside.sum())
                drawn += inside.numel()
                versions += [
                    chosen.masked_fill(mask, 0) for mask in (inside, _shuffled(inside, generator))
                ]
            return torch.stack(versions)

        scores = self._intervention.scores(images, change, 2 * n_clusters + 1, self._units)
        predicted = scores.argmax(2)
        differs = (predicted[1:] != predicted[0]).sum(1).numpy()
        changed = differs.reshape(n_clusters, 2).T.astype(np.int64)
        return ClusterCounts(len(images), activations, changed, zeroed, drawn)


def cluster_importance(
    network: Network,
    batches: Iterable[torch.Tensor],
    ranges: Mapping[int, Sequence[Range]],
    *,
    seed: int = 0,
    progress: Progress | None = None,
    n_images: int = 0,
) -> list[ClusterImportanceRecord]:
    """Do so for ``batches`` of images, ``n_images`` in all."""
    ablation, generator = ClusterAblation(network, ranges), torch.Generator().manual_seed(seed)
    counts = []
    with (progress or SilentProgress()).task("Importance", n_images) as task:
        for images in batches:
            counts.append(ablation.count(images, generator))
            task.advance(len(images))
    return cluster_records(counts)


def cluster_records(counts: Sequence[ClusterCounts]) -> list[ClusterImportanceRecord]:
    """Add up the counts of all images, of which there is at least one."""
    images = sum(each.images for each in counts)
    activations = sum(each.activations for each in counts)
    changed = np.sum([each.changed for each in counts], axis=0)
    zeroed = np.sum([each.zeroed for each in counts], axis=0)
    return [
        ClusterImportanceRecord(
            cluster=cluster,
            images=images,
            changed=int(changed[0, cluster]),
            changed_at_random=int(changed[1, cluster]),
            zeroed=float(zeroed[cluster]) / activations if activations else 0.0,
            share=int(changed[0, cluster]) / images,
            share_at_random=int(changed[1, cluster]) / images,
        )
        for cluster in range(len(zeroed))
    ]


@dataclass(frozen=True, slots=True)
class Effects:
    """What ablating one range did to the images of a batch in which its unit fires.

    ``predicted`` are the classes before, ``(n,)`` int64, ``drops`` how much less probable they are,
    ``(n,)`` float32, and ``drop`` is their sum.
    """

    predicted: NDArray[np.int64]
    drops: NDArray[np.float32]
    drop: float
    changed: int


class UnitAblation:
    """Ablates one unit in one range, ``versions`` of them at a time."""

    def __init__(
        self, network: Network, ranges: Mapping[int, Sequence[Range]], versions: int = 16
    ) -> None:
        """Take the ranges by selected unit, from the lowest up."""
        self._intervention = Intervention(network)
        self.jobs = jobs_of(ranges)
        self._versions = versions

    def count(self, images: torch.Tensor) -> list[Effects]:
        """Measure the effects on images, for each range."""
        effects = []
        for start in range(0, max(len(self.jobs), 1), self._versions):
            some = self.jobs[start : start + self._versions]
            fires: list[torch.Tensor] = []
            units = sorted({unit for unit, _, _ in some})
            change = _zeroing(some, units, fires)
            scores = self._intervention.scores(
                images, change, len(some) + 1, torch.tensor(units, dtype=torch.int64)
            )
            if not are_probabilities(scores):
                scores = scores.softmax(2)
            for after, fired in zip(scores[1:], fires, strict=True):
                effects.append(_effects(scores[0][fired], after[fired]))
        return effects


def _effects(before: torch.Tensor, after: torch.Tensor) -> Effects:
    """Compare the probabilities, ``(n_images, n_classes)``, of the images where the unit fires."""
    predicted = before.argmax(1)
    drops = (before - after).gather(1, predicted[:, None])[:, 0]
    changed = int((after.argmax(1) != predicted).sum())
    return Effects(predicted.numpy(), drops.numpy(), float(drops.sum()), changed)


def jobs_of(ranges: Mapping[int, Sequence[Range]]) -> list[tuple[int, int, Range]]:
    """Return what is ablated one at a time: unit, number of the range, range."""
    return [(unit, k, r) for unit in sorted(ranges) for k, r in enumerate(ranges[unit])]


def unit_importance(
    network: Network,
    batches: Iterable[torch.Tensor],
    ranges: Mapping[int, Sequence[Range]],
    *,
    class_names: Sequence[str] = (),
    versions: int = 16,
    progress: Progress | None = None,
    n_images: int = 0,
) -> list[RangeImportanceRecord]:
    """Ablate one unit in one range, ``versions`` of them at a time; formulas are ``None``."""
    ablation = UnitAblation(network, ranges, versions)
    counts = []
    with (progress or SilentProgress()).task("Importance per unit", n_images) as task:
        for images in batches:
            counts.append(ablation.count(images))
            task.advance(len(images))
    return range_records(ablation.jobs, counts, class_names)


def range_records(
    jobs: Sequence[tuple[int, int, Range]],
    counts: Sequence[Sequence[Effects]],
    class_names: Sequence[str],
) -> list[RangeImportanceRecord]:
    """Add up the effects on all batches, in order; formulas are ``None``."""
    return [
        _range_record(*job, effects, class_names)
        for job, effects in zip(jobs, zip(*counts, strict=True), strict=True)
    ]


def _zeroing(
    jobs: Sequence[tuple[int, int, Range]], units: Sequence[int], fires: list[torch.Tensor]
) -> Change:
    """Return what zeroes one unit in one range a version, given the maps of the ``units``."""
    places = {unit: place for place, unit in enumerate(units)}

    def change(chosen: torch.Tensor) -> torch.Tensor:
        changed = chosen.repeat(len(jobs) + 1, 1, 1, 1, 1)
        for position, (unit, _, found) in enumerate(jobs, start=1):
            maps = chosen[:, places[unit]].float()
            inside = (maps > found.lower) & (maps < found.upper)
            changed[position, :, places[unit]].masked_fill_(inside, 0)
            fires.append(inside.flatten(1).any(1).cpu())
        return changed

    return change


def _range_record(
    unit: int, cluster: int, ablated: Range, effects: Sequence[Effects], names: Sequence[str]
) -> RangeImportanceRecord:
    images, changed, drop = 0, 0, 0.0
    by_class: dict[int, list[float]] = {}
    for each in effects:
        images += len(each.drops)
        changed += each.changed
        drop += each.drop
        for label, less in zip(each.predicted.tolist(), each.drops.tolist(), strict=True):
            by_class.setdefault(label, []).append(less)
    means = {label: float(np.mean(drops)) for label, drops in by_class.items()}
    worst = sorted(means.items(), key=lambda item: (-item[1], item[0]))[:MOST_CLASSES]
    return RangeImportanceRecord(
        unit=unit,
        cluster=cluster,
        images=images,
        changed=changed,
        drop=drop / images if images else None,
        classes=[
            ClassDrop(class_=class_name(label, names), drop=less)
            for label, less in worst
            if less > 0
        ],
        range=ablated.to_json(),
        formula=None,
    )


def _ends(
    ranges: Mapping[int, Sequence[Range]], n_clusters: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ends of each cluster's range, ``(n_clusters, n_units, 1, 1)``; nothing is in range of NaN."""
    ends = np.full((2, n_clusters, len(ranges), 1, 1), np.nan)
    for position, unit in enumerate(sorted(ranges)):
        for cluster, found in enumerate(ranges[unit]):
            ends[:, cluster, position, 0, 0] = found.lower, found.upper
    return torch.from_numpy(ends[0]), torch.from_numpy(ends[1])


def _shuffled(mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each image's marks to random positions among the selected units' activations."""
    flat = mask.flatten(1)
    order = torch.rand(flat.shape, generator=generator).argsort(1).to(mask.device)
    return flat.gather(1, order).reshape(mask.shape)
