"""From inputs to a run of explanations."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.cli.called import command_line
from ccx_cli.cli.inputs.gathering import Inputs, concept_cache, prepare_activations, prepare_index
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.description import PrecomputedActivations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.runs.job import ExplainJob, Split
from ccx_cli.runs.provenance import PACKAGES
from ccx_cli.runs.results import ResultsRun
from ccx_cli.search.counts import DataCounts, count_data
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.shards import ShardedCache


@dataclass(frozen=True, slots=True)
class Concepts:
    """The concepts that are searched, the same for all layers on one data set.

    Attributes
    ----------
    cache
        Of the concept index.
    index
        Of the images that are searched.
    counts
        Its counts.
    parted
        Which images are searched, if not all are.
    """

    cache: ShardedCache
    index: ConceptIndex
    counts: DataCounts
    parted: Split | None


def prepare_concepts(inputs: Inputs, split: str | None, progress: Progress) -> Concepts:
    """Build what the concept index lacks, and part it where only a ``split`` is to be searched."""
    cache = concept_cache(inputs)
    index = prepare_index(inputs, progress, cache)
    parted = None if split is None else _split(inputs.dataset, index, split)
    if parted is not None:
        index = index.of_images(parted.images)
    return Concepts(cache, index, count_data(index), parted)


def prepare_job(
    inputs: Inputs,
    method: RangeMethod,
    by_hand: Sequence[Range] | None,
    choose_strategy: Callable[[ConceptIndex], Strategy],
    progress: Progress,
    *,
    ties: bool = False,
    split: str | None = None,
    made_for: str | None = None,
    concepts: Concepts | None = None,
) -> ExplainJob:
    """Build what is missing, and name the run that the options describe.

    Parameters
    ----------
    inputs
        Data set and network.
    method
        How ranges are found.
    by_hand
        Ranges to use for every unit instead.
    choose_strategy
        Makes the search, once the concepts of the data set are known.
    progress
        Told about what is built.
    ties
        Store the formulas that score the same, not only their number.
    split
        Search only the images that the data set marks so, and score on the others as well.
    made_for
        The run that this one is only made to be compared with.
    concepts
        From ``prepare_concepts`` with the same data set and split, where they are known already.
    """
    # The network first: a layer that is not there shows at once, and the index takes minutes.
    activations = prepare_activations(inputs, progress)
    concepts = concepts or prepare_concepts(inputs, split, progress)
    cache, index = concepts.cache, concepts.index
    strategy = choose_strategy(index)
    choice, dataset = inputs.choice, inputs.dataset
    num_clusters = method.num_clusters if by_hand is None else len(by_hand)
    about = {
        **choice.about(),
        "units": activations.units,
        "num_clusters": num_clusters,
        "subset": dataset.subset,
        "dataset": str(dataset.directory.absolute()),
        "images": len(dataset.rows),
        "concepts": len(index.concepts),
        "mask_size": list(dataset.mask_shape),
        "segmentation": str(cache.directory.absolute()),
        "activations": str(activations.cache.directory.absolute()),
        "split": split,
        "made_for": made_for,
        "rebuild": inputs.rebuild,
    }
    return ExplainJob(
        explainer=Explainer(
            index, concepts.counts, choice.layer, num_clusters, strategy, inputs.device
        ),
        activations=activations,
        ranges=RangeCache(activations, method, progress, split=split)
        if by_hand is None
        else tuple(by_hand),
        results=name_run(
            inputs, method, by_hand, strategy, cache, activations.cache, ties=ties, split=split
        ),
        about=about,
        ties=ties,
        split=concepts.parted,
    )


def name_run(
    inputs: Inputs,
    method: RangeMethod,
    by_hand: Sequence[Range] | None,
    strategy: Strategy,
    index: ShardedCache,
    activations: ShardedCache,
    *,
    ties: bool,
    split: str | None,
) -> ResultsRun:
    """Name the run that the options describe, by the caches it comes from, made or not."""
    choice = inputs.choice
    num_clusters = method.num_clusters if by_hand is None else len(by_hand)
    search = strategy.identity()
    identity = {
        "segmentation": index.made_from["fingerprint"],
        "activations": dict(activations.made_from),
        "ranges": method.identity()
        if by_hand is None
        else {"by_hand": [found.to_json() for found in by_hand]},
        "search": search | ({"ties": True} if ties else {}),
        **({} if split is None else {"split": split}),
        # What a network's activations are made from says its layer already.
        **({"layer": choice.layer} if isinstance(choice, PrecomputedActivations) else {}),
    }
    title = "-".join(
        [
            choice.title,
            inputs.dataset.subset,
            f"k{num_clusters}",
            f"{strategy.name}{search['length']}",
            *([] if split is None else [split]),
        ]
    )
    return ResultsRun.named(inputs.roots.results, title, identity)


def _split(dataset: BrodenDataset, index: ConceptIndex, name: str) -> Split:
    """Part the images into those that the data set marks ``name``, and the others."""
    images, others = split_images(dataset, name)
    return Split(name, images, others, index.of_images(others))


def split_images(dataset: BrodenDataset, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the images that the data set marks ``name``, and of the others.

    Raises
    ------
    UsageError
        If there are none of either.
    """
    marks = np.array([row.split for row in dataset.rows])
    images, others = np.flatnonzero(marks == name), np.flatnonzero(marks != name)
    if not len(images) or not len(others):
        known = ", ".join(sorted(set(marks.tolist())))
        raise UsageError(
            f"--split {name} leaves no images to search or none to score on: the images are "
            f"marked {known}."
        )
    return images, others


def session_of(inputs: Inputs) -> dict[str, Any]:
    """Say in a run's header how it was called, and by which versions.

    Batch size and threads change the last digits of activations in some networks.
    """
    torch = sys.modules.get("torch")  # Not loaded for caches that are there.
    return {
        "command": command_line(),
        "batch_size": inputs.batch_size,
        "threads": None if torch is None else torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
