"""Explanations and scores from arrays, without files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccx_cli.concepts.arrays import index_of_label_maps, index_of_masks
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.notebook.checking import (
    check_numbers,
    check_texts,
    check_wholes,
    check_workers,
    choose_units,
    formula_texts,
    is_whole,
    read_ranges,
)
from ccx_cli.probe.activation_sums import ActivationSummer
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.records.fields import to_json
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.registry import make_search
from ccx_cli.search.scoring import FormulaOnData, check_seen, score_units
from ccx_cli.search.strategy import Strategy
from ccx_cli.threads import threads


def explain_arrays(given: GivenArrays, strategy: Strategy, layer: str) -> list[dict[str, Any]]:
    """Explain units by arrays alone, as ``explain`` says."""
    index = given.index
    counts, summer = DataCounts(index), ActivationSummer(index)
    explainer = Explainer(index, counts, layer, given.num_clusters, strategy, summer=summer)

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
    method = range_method(num_clusters, quantile)
    given = GivenArrays(activations, (masks, label_maps), names, method, ranges, units, workers)
    numbered = names if isinstance(names, Mapping) else dict(enumerate(names, start=1))
    vocabulary = Vocabulary({int(number): str(name) for number, name in numbered.items()})
    texts = formula_texts(formulas)
    typed = [FormulaOnData.read(text, vocabulary, given.index) for text in texts]
    check_seen(typed)
    maps = given.maps.__getitem__
    found = score_units(given.units, typed, given.index, maps, given.ranges, given.workers)
    return [line for unit in found for line in unit.records(typed, layer, given.num_clusters)]


def range_method(num_clusters: int, quantile: float) -> RangeMethod:
    """Say how ranges are found; UsageError if there is no such way."""
    check_wholes(num_clusters=num_clusters)
    check_numbers(quantile=quantile)
    return RangeMethod(int(num_clusters), float(quantile))


def strategy_of(
    search: str, length: int, beam_limit: int, objective: str, min_coverage: float
) -> Strategy:
    """Make the search; UsageError if there is none such."""
    if objective != "iou" and search == "beam":
        raise UsageError(f"objective {objective} works only with search optimal.")
    check_texts(objective=objective)
    check_wholes(length=length, beam_limit=beam_limit)
    check_numbers(min_coverage=min_coverage)
    bounds = {
        "length": int(length),
        "beam_limit": int(beam_limit),
        "min_coverage": float(min_coverage),
    }
    return make_search(search, {**bounds, "objective": objective})


class GivenArrays:
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
        self._method = method
        self._by_hand = None if ranges is None else read_ranges(ranges)
        self.num_clusters = method.num_clusters if self._by_hand is None else len(self._by_hand)
        self.units = range(n_units) if units is None else choose_units(units, n_units)
        self.workers = check_workers(workers)

    def ranges(self, _: int, maps: Maps) -> tuple[Range, ...]:
        """Return the ranges of a unit's maps."""
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
    if names is None:
        raise UsageError("names is needed: what the concepts of masks or label_maps are called.")
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
        return index_of_masks(_array("masks", masks), list(map(str, texts)))
    if not isinstance(names, Mapping):
        raise UsageError(
            "With label_maps, names must map each number to its name, such as {1: 'cat'}."
        )
    for number in names:
        if not is_whole(number):
            raise UsageError(f"names has the key {number!r}, which is not a whole number.")
    numbered = {int(number): str(name) for number, name in names.items()}
    return index_of_label_maps(_array("label_maps", label_maps), numbered)
