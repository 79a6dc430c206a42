"""How much a network's answers depend on the activations in a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from msgspec.structs import replace

from ccx_cli.probe.images import image_batches
from ccx_cli.probe.interventions import Change, Intervention
from ccx_cli.probe.networks.class_names import class_name
from ccx_cli.probe.networks.loading import Network, load_network
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.studies import ClassDrop, ClusterImportanceRecord, RangeImportanceRecord
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.threads import threads

MOST_CLASSES = 3


def cluster_importance(
    network: Network,
    batches: Iterable[torch.Tensor],
    ranges: Mapping[int, Sequence[Range]],
    *,
    seed: int = 0,
    progress: Progress | None = None,
    n_images: int = 0,
) -> list[ClusterImportanceRecord]:
    """Ablate the selected units in their range of each number, and compare predictions.

    The published definition (La Rosa et al., NeurIPS 2023), with ranges numbered from the lowest.
    ``batches`` are images, ``(n, 3, side, side)`` float32, normalized, ``n_images`` in all;
    ``ranges`` are by selected unit, from the lowest up; ``seed`` is of the randomly sampled
    activations that are ablated for comparison.
    """
    intervention = Intervention(network)
    units = torch.tensor(sorted(ranges), dtype=torch.int64)
    n_clusters = max((len(found) for found in ranges.values()), default=0)
    lower, upper = _ends(ranges, n_clusters)
    generator = torch.Generator().manual_seed(seed)
    changed = np.zeros((2, n_clusters), dtype=np.int64)
    zeroed = torch.zeros(n_clusters, dtype=torch.int64)
    activations = images_seen = 0

    def change(chosen: torch.Tensor) -> torch.Tensor:
        nonlocal activations
        activations += chosen.numel()
        versions = [chosen]
        for cluster in range(n_clusters):
            inside = (chosen > lower[cluster].to(chosen)) & (chosen < upper[cluster].to(chosen))
            zeroed[cluster] += int(inside.sum())
            versions += [
                chosen.masked_fill(mask, 0) for mask in (inside, _shuffled(inside, generator))
            ]
        return torch.stack(versions)

    with (progress or SilentProgress()).task("Importance", n_images) as task:
        for images in batches:
            scores = intervention.scores(images, change, 2 * n_clusters + 1, units)
            predicted = scores.argmax(2)
            differs = (predicted[1:] != predicted[0]).sum(1).numpy()
            changed += differs.reshape(n_clusters, 2).T
            images_seen += len(images)
            task.advance(len(images))
    return [
        ClusterImportanceRecord(
            cluster=cluster,
            images=images_seen,
            changed=int(changed[0, cluster]),
            changed_at_random=int(changed[1, cluster]),
            zeroed=float(zeroed[cluster]) / activations if activations else 0.0,
            share=int(changed[0, cluster]) / images_seen,
            share_at_random=int(changed[1, cluster]) / images_seen,
        )
        for cluster in range(n_clusters)
    ]


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
    intervention = Intervention(network)
    jobs = [(unit, k, r) for unit in sorted(ranges) for k, r in enumerate(ranges[unit])]
    tallies = [_Tally() for _ in jobs]
    with (progress or SilentProgress()).task("Importance per unit", n_images) as task:
        for images in batches:
            for start in range(0, max(len(jobs), 1), versions):
                some = jobs[start : start + versions]
                fires: list[torch.Tensor] = []
                units = sorted({unit for unit, _, _ in some})
                change = _zeroing(some, units, fires)
                scores = intervention.scores(
                    images, change, len(some) + 1, torch.tensor(units, dtype=torch.int64)
                ).softmax(2)
                for tally, after, fired in zip(
                    tallies[start : start + versions], scores[1:], fires, strict=True
                ):
                    tally.add(scores[0][fired], after[fired])
            task.advance(len(images))
    return [tally.result(*job, class_names) for job, tally in zip(jobs, tallies, strict=True)]


def _zeroing(
    jobs: Sequence[tuple[int, int, Range]], units: Sequence[int], fires: list[torch.Tensor]
) -> Change:
    """Return what zeroes one unit in one range a version, given the maps of the ``units``."""
    places = {unit: place for place, unit in enumerate(units)}

    def change(chosen: torch.Tensor) -> torch.Tensor:
        changed = chosen.repeat(len(jobs) + 1, 1, 1, 1, 1)
        for position, (unit, _, found) in enumerate(jobs, start=1):
            maps = chosen[:, places[unit]]
            inside = (maps > found.lower) & (maps < found.upper)
            changed[position, :, places[unit]].masked_fill_(inside, 0)
            fires.append(inside.flatten(1).any(1).cpu())
        return changed

    return change


class _Tally:
    """Adds up one range's effects over batches."""

    def __init__(self) -> None:
        self.images = self.changed = 0
        self.drop = 0.0
        self.by_class: dict[int, list[float]] = {}

    def add(self, before: torch.Tensor, after: torch.Tensor) -> None:
        """Add the probabilities, ``(n_images, n_classes)``, of the images where the unit fires."""
        predicted = before.argmax(1)
        drops = (before - after).gather(1, predicted[:, None])[:, 0]
        self.images += len(before)
        self.changed += int((after.argmax(1) != predicted).sum())
        self.drop += float(drops.sum())
        for label, drop in zip(predicted.tolist(), drops.tolist(), strict=True):
            self.by_class.setdefault(label, []).append(drop)

    def result(
        self, unit: int, cluster: int, ablated: Range, names: Sequence[str]
    ) -> RangeImportanceRecord:
        """Return the effects of all batches."""
        means = {label: float(np.mean(drops)) for label, drops in self.by_class.items()}
        worst = sorted(means.items(), key=lambda item: (-item[1], item[0]))[:MOST_CLASSES]
        return RangeImportanceRecord(
            unit=unit,
            cluster=cluster,
            images=self.images,
            changed=self.changed,
            drop=self.drop / self.images if self.images else None,
            classes=[
                ClassDrop(class_=class_name(label, names), drop=drop)
                for label, drop in worst
                if drop > 0
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
) -> Sequence[ClusterImportanceRecord | RangeImportanceRecord]:
    """Run ``cluster_importance`` or ``unit_importance`` on the ranges of a stored run."""
    ranges = {unit: inputs.ranges_of(unit) for unit in units}
    choice = inputs.network("importance")
    network = load_network(choice, device)
    n_images = len(inputs.dataset.rows)
    with threads(workers) as pool:
        batches = image_batches(inputs.dataset, choice, range(n_images), batch_size, pool)
        if not per_unit:
            return cluster_importance(
                network, batches, ranges, seed=seed, progress=progress, n_images=n_images
            )
        found = unit_importance(
            network, batches, ranges, class_names=class_names, progress=progress, n_images=n_images
        )
    return [
        replace(each, formula=inputs.run.units[each.unit][each.cluster].formula) for each in found
    ]
