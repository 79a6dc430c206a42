"""Explanations and scores from arrays, without files: for notebooks and other programs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import index as as_whole
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccx_cli.concepts.arrays import index_of_label_maps, index_of_masks
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.records.fields import to_json
from ccx_cli.search.counts import count_data
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.registry import make_search
from ccx_cli.search.scoring import FormulaOnData, check_seen, score_units
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
    search: str = "optimal",
    length: int = 3,
    beam_limit: int = 5,
    objective: str = "iou",
    min_coverage: float = 0.01,
    units: Sequence[int] | None = None,
    layer: str = "",
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Find the formula of concepts that best matches where each unit fires.

    Parameters
    ----------
    activations
        ``(n_units, n_images, height, width)``, or ``(n_units, n_images)`` for one value an image;
        finite. They are upsampled bilinearly to the masks' size.
    masks
        ``(n_concepts, n_images, mask_height, mask_width)`` bool: where each concept is.
    label_maps
        Instead of masks ``(n_images, mask_height, mask_width)`` whole numbers, 0 for none, or
        ``(n_images, n_layers, mask_height, mask_width)`` where labels overlap.
    names
        Of the concepts, each once: a list beside ``masks``, number to name beside ``label_maps``.
    num_clusters, quantile
        Ranges per unit: k-means clusters, or for 1 the top ``quantile``.
    ranges
        Ranges ``(lower, upper)`` to use for every unit instead; both ends are excluded.
    search, length, beam_limit
        ``optimal`` proves its answer up to length 3; ``beam`` is the published method.
    objective, min_coverage
        What ``optimal`` maximizes up to length 3: ``iou``, ``f-beta:2`` or any other beta, ``mcc``,
        ``soft-iou``, ``pearson`` or ``cosine``; by ``mcc`` and the last two over formulas that
        cover at least this share of the hits. The last three explain a unit's whole activation.
    units
        Which ones; all by default.
    layer
        What to call the layer.
    workers
        Threads; one for each core by default.

    Returns
    -------
    list of dict
        One explanation for each range, or unit, by unit and cluster, with the keys of
        ``ccx explain --format jsonl``: ``unit``, ``cluster``, ``range``, ``hits``, ``formula``,
        ``iou``, ``lift``, ``mcc``, ``proven``, ...

    Raises
    ------
    UsageError
        If an array has another shape or kind, or a number is out of bounds.
    """
    method = RangeMethod(num_clusters, quantile)
    given = _Given(activations, (masks, label_maps), names, method, ranges, units, workers)
    if objective != "iou" and search == "beam":
        raise UsageError(f"objective {objective} works only with search optimal.")
    bounds = {"length": length, "beam_limit": beam_limit, "min_coverage": min_coverage}
    strategy = make_search(search, {**bounds, "objective": objective})
    index = given.index
    explainer = Explainer(index, count_data(index), layer, given.num_clusters, strategy)

    def work(unit: int) -> list[dict[str, Any]]:
        maps = given.maps[unit]
        return [to_json(each) for each in explainer.explain(unit, maps, given.ranges(unit, maps))]

    with threads(given.workers) as pool:
        return [record for records in pool.map(work, given.units) for record in records]


def score(
    activations: ArrayLike,
    formulas: str | Sequence[str],
    *,
    masks: ArrayLike | None = None,
    label_maps: ArrayLike | None = None,
    names: Sequence[str] | Mapping[int, str],
    num_clusters: int = 5,
    quantile: float = 0.005,
    ranges: Sequence[tuple[float, float]] | None = None,
    units: Sequence[int] | None = None,
    layer: str = "",
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Score formulas that you write, such as ``"(cat OR dog) AND NOT grass"``, on every range.

    Parameters
    ----------
    formulas
        One or more.
    activations, masks, label_maps, names, num_clusters, quantile, ranges, units, layer, workers
        As in ``explain``.

    Returns
    -------
    list of dict
        One for each unit, formula and range, with the keys of ``ccx score --format jsonl``:
        ``formula``, ``unit``, ``cluster``, ``range``, ``hits``, ``both``, ``total``, ``iou``,
        ``lift``, ``mcc``

    Raises
    ------
    UsageError
        If an array has another shape or kind, a number is out of bounds, or a text is not a formula
        of concepts that some pixel carries.
    """
    method = RangeMethod(num_clusters, quantile)
    given = _Given(activations, (masks, label_maps), names, method, ranges, units, workers)
    texts = [formulas] if isinstance(formulas, str) else formulas
    numbered = names if isinstance(names, Mapping) else dict(enumerate(names, start=1))
    vocabulary = Vocabulary(numbered)
    typed = [FormulaOnData.read(text, vocabulary, given.index) for text in texts]
    check_seen(typed)
    maps = given.maps.__getitem__
    found = score_units(given.units, typed, given.index, maps, given.ranges, given.workers)
    return [line for unit in found for line in unit.records(typed, layer, given.num_clusters)]


class _Given:
    """The arguments that ``explain`` and ``score`` share, checked."""

    def __init__(
        self,
        activations: ArrayLike,
        labels: tuple[ArrayLike | None, ArrayLike | None],
        names: Sequence[str] | Mapping[int, str],
        method: RangeMethod,
        ranges: Sequence[tuple[float, float]] | None,
        units: Sequence[int] | None,
        workers: int | None,
    ) -> None:
        self.maps = _maps(activations)
        self.index = _index(*labels, names)
        n_units, n_images = self.maps.shape[:2]
        if self.index.n_images != n_images:
            raise UsageError(
                f"There are activations of {n_images} images and labels of {self.index.n_images}."
            )
        if workers is not None and workers < 1:
            raise UsageError(f"workers must be 1 or more, not {workers}.")
        self._method = method
        self._by_hand = None if ranges is None else _ranges(ranges)
        self.num_clusters = method.num_clusters if self._by_hand is None else len(self._by_hand)
        self.units = range(n_units) if units is None else _chosen(units, n_units)
        self.workers = workers or os.cpu_count() or 1

    def ranges(self, _: int, maps: Maps) -> tuple[Range, ...]:
        return find_ranges(maps, self._method) if self._by_hand is None else self._by_hand


def _maps(activations: ArrayLike) -> NDArray[np.float32]:
    """Return activations as ``(n_units, n_images, height, width)`` float32."""
    given = _array("activations", activations)
    if given.dtype.kind not in "fiub" or given.ndim not in (2, 4) or 0 in given.shape:
        raise UsageError(
            "activations must be (units, images, height, width) or (units, images) numbers, not "
            f"{given.dtype} {given.shape}."
        )
    with np.errstate(over="ignore"):
        maps = given.astype(np.float32)
    if not np.isfinite(maps).all():
        raise UsageError("activations holds values that are NaN or infinite as float32.")
    return maps if maps.ndim == 4 else maps[:, :, None, None]


def _array(name: str, given: ArrayLike | None) -> NDArray[Any]:
    try:
        return np.asarray(given)
    # What cannot be an array: lists of unequal lengths, tensors on a GPU or with a gradient.
    except (ValueError, TypeError, RuntimeError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise UsageError(f"{name} cannot be read as an array ({said}).") from error


def _index(
    masks: ArrayLike | None, label_maps: ArrayLike | None, names: Sequence[str] | Mapping[int, str]
) -> ConceptIndex:
    """Index the labels, in whichever form they are given."""
    if (masks is None) == (label_maps is None):
        raise UsageError("masks and label_maps are mutually exclusive: give one of them.")
    texts = list(names.values() if isinstance(names, Mapping) else names)
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"names holds {text!r}, which is not a name.")
    for text, count in Counter(texts).items():
        if count > 1:
            raise UsageError(f"names has {text!r} more than once: no formula could tell which.")
    if masks is not None:
        if isinstance(names, Mapping | str):
            raise UsageError("With masks, names must be a list, one name for each mask.")
        return index_of_masks(_array("masks", masks), names)
    if not isinstance(names, Mapping):
        raise UsageError(
            "With label_maps, names must map each number to its name, such as {1: 'cat'}."
        )
    for number in names:
        if not _is_whole(number):
            raise UsageError(f"names has the key {number!r}, which is not a whole number.")
    return index_of_label_maps(_array("label_maps", label_maps), names)


def _is_whole(number: Any) -> bool:
    try:
        as_whole(number)
    except TypeError:
        return False
    return True


def _chosen(units: Sequence[int], count: int) -> list[int]:
    chosen = np.atleast_1d(np.asarray(units, dtype=object)).tolist()
    for unit in chosen:
        if not _is_whole(unit) or not 0 <= unit < count:
            raise UsageError(f"Unit {unit} is not one of the {count} there are.")
    return list(map(int, chosen))


def _ranges(ranges: Sequence[tuple[float, float]]) -> tuple[Range, ...]:
    found = []
    for given in ranges:
        try:
            lower, upper = map(float, given)
        except (TypeError, ValueError):
            lower, upper = np.nan, np.nan
        if not lower < upper:
            raise UsageError(f"ranges holds {given!r}, which is not a (lower, upper) pair.")
        found.append(Range(lower, upper))
    if not found:
        raise UsageError("ranges is empty: leave it out, or give (lower, upper) at least once.")
    return tuple(found)
