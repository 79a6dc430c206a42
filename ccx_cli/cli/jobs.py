"""From inputs to a run of explanations."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version

import numpy as np

from ccx_cli.cli.called import command_line
from ccx_cli.cli.inputs import Inputs, concept_cache, prepare_activations, prepare_index
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.search.counts import count_data
from ccx_cli.search.explain import Explainer
from ccx_cli.search.job import ExplainJob, Split
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.results import ResultsRun


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
    """
    # The network first: a layer that is not there shows at once, and the index takes minutes.
    activations = prepare_activations(inputs, progress)
    cache = concept_cache(inputs)
    index = prepare_index(inputs, progress, cache)
    parted = None if split is None else _split(inputs.dataset, index, split)
    if parted is not None:
        index = index.of_images(parted.images)
    strategy = choose_strategy(index)
    choice, dataset = inputs.choice, inputs.dataset
    num_clusters = method.num_clusters if by_hand is None else len(by_hand)
    search = strategy.identity()
    identity = {
        "segmentation": cache.made_from["fingerprint"],
        "activations": dict(activations.cache.made_from),
        "ranges": method.identity()
        if by_hand is None
        else {"by_hand": [found.to_json() for found in by_hand]},
        "search": search | ({"ties": True} if ties else {}),
        **({} if split is None else {"split": split}),
    }
    title = "-".join(
        [
            choice.name,
            choice.pretrained,
            choice.layer,
            dataset.subset,
            f"k{num_clusters}",
            f"{strategy.name}{search['length']}",
            *([] if split is None else [split]),
        ]
    )
    about = {
        "model": choice.model,
        **({"model_args": list(choice.model_args)} if choice.is_own else {}),
        "pretrained": choice.pretrained,
        "weights": None if choice.weights is None else str(choice.weights.absolute()),
        "seed": choice.seed,
        "input_size": list(choice.input_size),
        "mean": list(choice.mean),
        "std": list(choice.std),
        "layer": choice.layer,
        "units": activations.units,
        "num_clusters": num_clusters,
        "subset": dataset.subset,
        "dataset": str(dataset.directory.absolute()),
        "images": len(dataset.rows),
        "concepts": len(index.concepts),
        "segmentation": str(cache.directory.absolute()),
        "activations": str(activations.cache.directory.absolute()),
        "split": split,
        "made_for": made_for,
        "rebuild": inputs.rebuild,
    }
    return ExplainJob(
        explainer=Explainer(
            index, count_data(index), choice.layer, num_clusters, strategy, inputs.device
        ),
        activations=activations,
        ranges=RangeCache(activations, method, progress, split=split)
        if by_hand is None
        else tuple(by_hand),
        results=ResultsRun.named(inputs.roots.results, title, identity),
        about=about,
        ties=ties,
        split=parted,
    )


def _split(dataset: BrodenDataset, index: ConceptIndex, name: str) -> Split:
    """Part the images into those that the data set marks ``name``, and the others."""
    marks = np.array([row.split for row in dataset.rows])
    images, others = np.flatnonzero(marks == name), np.flatnonzero(marks != name)
    if not len(images) or not len(others):
        known = ", ".join(sorted(set(marks.tolist())))
        raise UsageError(
            f"--split {name} leaves no images to search or none to score on: the images are "
            f"marked {known}."
        )
    return Split(name, images, others, index.of_images(others))


def session_of() -> dict[str, str]:
    """Say in a run's header how it was called, and by which versions."""
    return {
        "command": command_line(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "torch", "scikit-learn")},
    }
