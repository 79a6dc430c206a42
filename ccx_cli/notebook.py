"""Explanations from arrays, without files: for notebooks and other programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ccx_cli.concepts.arrays import index_of_label_maps, index_of_masks
from ccx_cli.errors import UsageError
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import count_data
from ccx_cli.search.explain import Explainer
from ccx_cli.search.optimum import OptimumSettings
from ccx_cli.search.strategy import BeamStrategy, OptimalStrategy, Strategy
from ccx_cli.threads import threads


def explain(
    activations: ArrayLike,
    *,
    masks: ArrayLike | None = None,
    label_maps: ArrayLike | None = None,
    names: Sequence[str] | Mapping[int, str],
    num_clusters: int = 5,
    quantile: float = 0.005,
    ranges: Sequence[tuple[float, float]] | None = None,
    search: Literal["optimal", "beam"] = "optimal",
    length: int = 3,
    beam_limit: int = 5,
    units: Sequence[int] | None = None,
    layer: str = "",
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Find the formula of concepts that covers best where each unit fires.

    Parameters
    ----------
    activations
        ``(n_units, n_images, height, width)``, finite; upsampled bilinearly to the masks' size.
    masks
        ``(n_concepts, n_images, mask_height, mask_width)`` bool: where each concept is.
    label_maps
        Instead of masks ``(n_images, mask_height, mask_width)`` whole numbers, 0 for none, or
        ``(n_images, n_layers, mask_height, mask_width)`` where labels overlap.
    names
        Of the concepts: a list beside ``masks``, number to name beside ``label_maps``.
    num_clusters, quantile
        Ranges per unit: k-means clusters, or for 1 the top ``quantile``.
    ranges
        Ranges ``(lower, upper)`` to use for every unit instead; both ends are excluded.
    search, length, beam_limit
        ``optimal`` proves its answer up to length 3; ``beam`` is the published method.
    units
        Which ones; all by default.
    layer
        What to call the layer.
    workers
        Threads; one a core by default.

    Returns
    -------
    list of dict
        One explanation a range, by unit and cluster, with the keys of ``ccx explain --format
        jsonl``: ``unit``, ``cluster``, ``range``, ``hits``, ``formula``, ``iou``, ``proven``, ...

    Raises
    ------
    UsageError
        If an array has another shape or kind, or a number is out of bounds.
    """
    maps = np.asarray(activations, dtype=np.float32)
    if maps.ndim != 4 or 0 in maps.shape:
        raise UsageError(f"activations has to be (units, images, height, width), not {maps.shape}.")
    if not np.isfinite(maps).all():
        raise UsageError("activations holds values that are NaN or infinite.")
    if (masks is None) == (label_maps is None):
        raise UsageError("Give masks or label_maps, one of them.")
    if masks is not None:
        if isinstance(names, Mapping):
            raise UsageError("Beside masks, names is a list.")
        index = index_of_masks(masks, names)
    else:
        if not isinstance(names, Mapping):
            raise UsageError("Beside label_maps, names says each number's name.")
        index = index_of_label_maps(label_maps if label_maps is not None else (), names)
    if index.n_images != maps.shape[1]:
        raise UsageError(
            f"There are activations of {maps.shape[1]} images and labels of {index.n_images}."
        )
    chosen = range(len(maps)) if units is None else units
    for unit in chosen:
        if not 0 <= unit < len(maps):
            raise UsageError(f"Unit {unit} is not one of the {len(maps)} there are.")
    method = RangeMethod(num_clusters, quantile)
    by_hand = None if ranges is None else tuple(Range(low, high) for low, high in ranges)
    strategy: Strategy = (
        OptimalStrategy(OptimumSettings(length))
        if search == "optimal"
        else BeamStrategy(BeamSettings(length, beam_limit))
    )
    n_ranges = num_clusters if by_hand is None else len(by_hand)
    explainer = Explainer(index, count_data(index), layer, n_ranges, strategy)

    def work(unit: int) -> list[dict[str, Any]]:
        found = find_ranges(maps[unit], method) if by_hand is None else by_hand
        explained = explainer.explain(unit, maps[unit], found)
        return [each.to_record(explainer.names) for each in explained]

    with threads(workers or os.cpu_count() or 1) as pool:
        return [record for records in pool.map(work, chosen) for record in records]
