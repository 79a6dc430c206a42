"""Which units of two layers or networks are alike: by activation, and by formula.

Activations are compared on the same images, by the Pearson correlation over images and cells, as
Li et al., Convergent learning: do different neural networks learn the same representations?
(ICLR 2016) match units. Maps of other sizes are averaged over the cells of the smaller grid, by
area. Formulas are compared by the pixels on which the leading one of each unit holds.

All pairs are products of matrices, of so many units at a time that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.probe.sparse_maps import Maps, dense_maps
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.matching import AllMatches, MatchedUnit
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.store.steps import Step
from ccx_cli.study.leads import lead_of
from ccx_cli.study.null import permutation
from ccx_cli.study.resampling import of_known
from ccx_cli.threads import map_in_order

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

_BYTES_AT_ONCE = 1 << 28
_DIGITS = 6
NO_UNIT = -1
# Below all correlations.
_LEAST = -2.0


@dataclass(frozen=True, slots=True)
class Layer:
    """Units of one run to be matched, all on one ``index``.

    ``grid`` is what their maps are averaged to, height and width.
    """

    inputs: RunInputs
    units: Sequence[int]
    index: ConceptIndex
    grid: tuple[int, int]

    def activations(self, unit: int) -> Matrix:
        """Return what ``standardized`` makes of a unit's maps."""
        return standardized(self.inputs.activations.unit(unit), self.grid)

    def lead(self, unit: int) -> ExplanationRecord | None:
        """Return a unit's leading explanation."""
        return lead_of(self.inputs.run.units[unit])

    def formulas(self, units: Sequence[int]) -> NDArray[np.bool_]:
        """Return on which label sets the units' leading formulas hold, ``(n_units, n_sets)``."""
        held = np.zeros((len(units), len(self.index.sets)), dtype=np.bool_)
        for row, unit in zip(held, units, strict=True):
            lead = self.lead(unit)
            if lead is not None:
                row[:] = holds(lead, self.index)
        return held


def standardized(maps: Maps, grid: tuple[int, int]) -> Matrix:
    """Average maps to a grid, and scale them so that products are correlations.

    Returns
    -------
    ``(n_images, n_cells)`` float32 of mean 0 and square sum 1; zeros where the maps are constant.
    """
    dense = dense_maps(maps)
    values = np.asarray(dense, dtype=np.float64)
    if dense.shape[1:] != grid:
        rows, columns = (
            area_weights(n_in, n_out) for n_in, n_out in zip(dense.shape[1:], grid, strict=True)
        )
        values = rows @ values @ columns.T
    values = values.reshape(len(dense), -1)
    largest = float(np.abs(values).max(initial=0))
    # Averages of constant maps differ by roundings.
    if np.ptp(values) <= 1e-12 * largest:
        return np.zeros(values.shape, dtype=np.float32)
    values = values / largest
    values -= values.mean()
    values /= np.sqrt((values**2).sum())
    return values.astype(np.float32)


def area_weights(n_in: int, n_out: int) -> Floats:
    """Weights that average ``n_in`` cells of an axis over ``n_out`` wider ones by their overlap.

    Returns
    -------
    ``(n_out, n_in)`` float64; every row sums to 1.
    """
    ends = np.arange(n_out + 1) * n_in / n_out
    cells = np.arange(n_in)
    overlap = np.minimum(ends[1:, None], cells + 1) - np.maximum(ends[:-1, None], cells)
    weights: Floats = np.maximum(overlap, 0) * n_out / n_in
    return weights


def overlaps(a: NDArray[np.bool_], b: NDArray[np.bool_], totals: NDArray[np.int64]) -> Floats:
    """IoU of all pairs of formulas, by where they hold, ``(n, n_sets)``; -1 where one is nowhere.

    ``totals`` are the pixels of the label sets.
    """
    weighted = a * totals.astype(np.float64)
    both = weighted @ b.T.astype(np.float64)
    union = weighted.sum(axis=1)[:, None] + b @ totals - both
    found: Floats = np.full(both.shape, -1.0)
    is_there = _somewhere(a)[:, None] & _somewhere(b) & (union > 0)
    found[is_there] = both[is_there] / union[is_there]
    return found


@dataclass(slots=True)
class Best:
    """The best match of each of so many units among those seen so far; ``at`` is its position.

    Of equal ``value`` the one with the larger ``tie`` is the best, then the first.
    """

    size: int
    value: Floats = field(init=False)
    tie: Floats = field(init=False)
    at: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.value, self.tie = (np.full(self.size, -np.inf) for _ in range(2))
        self.at = np.full(self.size, NO_UNIT)

    def see(self, own: slice, first: int, values: Floats, ties: Floats | None = None) -> None:
        """See the ``values`` of some with others from position ``first``; of -inf is none."""
        ties = np.zeros(values.shape) if ties is None else ties
        top = values.max(axis=1)
        at = np.where(values == top[:, None], ties, -np.inf).argmax(axis=1)
        tie = ties[np.arange(len(at)), at]
        known, known_tie = self.value[own], self.tie[own]
        is_better = (top > known) | ((top == known) & (top > -np.inf) & (tie > known_tie))
        self.value[own] = np.where(is_better, top, known)
        self.tie[own] = np.where(is_better, tie, known_tie)
        self.at[own] = np.where(is_better, first + at, self.at[own])


@dataclass(frozen=True, slots=True)
class Matches:
    """What all pairs of units have shown, by position.

    ``of_a`` and ``of_b`` are the best by activation: first of the images as they are, then of each
    permutation. ``by_formula`` are of A, with the correlation as tie; ``match_overlap`` is the IoU
    with the formula of the best by activation.
    """

    of_a: list[Best]
    of_b: list[Best]
    by_formula: Best
    match_overlap: Floats

    def see(
        self,
        own: slice,
        others: slice,
        products: Sequence[Floats],
        lacks: NDArray[np.bool_],
        overlap: Floats,
    ) -> None:
        """See some pairs, ``(n_own, n_others)``: correlations, which of them are none, overlaps."""
        for r, of_a, of_b in zip(products, self.of_a, self.of_b, strict=True):
            known = np.where(lacks, -np.inf, r)
            of_a.see(own, others.start, known)
            of_b.see(others, own.start, known.T)
        at = self.of_a[0].at[own] - others.start
        rows = np.flatnonzero((at >= 0) & (at < others.stop - others.start))
        self.match_overlap[own.start + rows] = overlap[rows, at[rows]]
        meets = np.where(overlap > 0, overlap, -np.inf)
        self.by_formula.see(own, others.start, meets, np.where(lacks, _LEAST, products[0]))


def match_layers(
    a: Layer, b: Layer, shuffles: int, seed: int, workers: int, progress: Progress
) -> Matches:
    """Compare every unit of ``a`` with every unit of ``b``.

    A unit is not matched with itself, where both layers are of the same activations.
    """
    n_images, totals = a.index.n_images, a.index.sets.totals
    # A single image has no other order.
    n_orders = shuffles if n_images > 1 else 0
    permuted = [permutation(n_images, seed, number) for number in range(n_orders)]
    orders = [np.arange(n_images), *permuted]
    found = Matches(
        [Best(len(a.units)) for _ in orders],
        [Best(len(b.units)) for _ in orders],
        Best(len(a.units)),
        np.full(len(a.units), -1.0),
    )
    is_same = a.inputs.run.identity.activations == b.inputs.run.identity.activations
    of_map, of_formula = 4 * n_images * a.grid[0] * a.grid[1], 8 * len(totals)
    parts = _parts(a, of_map * 2 + of_formula), _parts(b, 4 * of_map + of_formula)
    with progress.task("Matching", len(parts[0]) * len(b.units), unit="units") as task:
        for own in parts[0]:
            units = a.units[own]
            maps = np.stack(list(map_in_order(a.activations, units, workers)))
            held = a.formulas(units)
            for others in parts[1]:
                candidates = b.units[others]
                columns = np.stack(list(map_in_order(b.activations, candidates, workers)))
                products = [_correlations(maps[:, order], columns) for order in orders]
                is_self = np.equal.outer(units, candidates) & is_same
                lacks = is_self | ~(_somewhere(maps)[:, None] & _somewhere(columns))
                overlap = overlaps(held, b.formulas(candidates), totals)
                overlap[is_self] = -1
                found.see(own, others, products, lacks, overlap)
                task.advance(len(candidates))
    return found


def _parts(layer: Layer, of_unit: int) -> list[slice]:
    """Cut the units of a layer into parts that take so many bytes each."""
    step = max(1, _BYTES_AT_ONCE // of_unit)
    starts = range(0, len(layer.units), step)
    return [slice(start, min(start + step, len(layer.units))) for start in starts]


def _somewhere(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of each unit whether any of its values is not zero."""
    found: NDArray[np.bool_] = np.logical_or.reduce(values.reshape(len(values), -1) != 0, axis=1)
    return found


def _correlations(a: Matrix, b: Matrix) -> Floats:
    """Return the products of all pairs of standardized maps, ``(n, n_images, n_cells)``."""
    products = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
    return np.clip(products.astype(np.float64), -1, 1)


def open_layers(a: RunInputs, b: RunInputs, chosen: Sequence[int]) -> tuple[Layer, Layer]:
    """Return the ``chosen`` units of one run and all of another, to be compared.

    Raises
    ------
    UsageError
        If the runs are not of the same images and labels.
    """
    for what, of in (
        ("images", lambda run: (run.identity.images_fingerprint, run.about.subset)),
        ("labels", lambda run: run.identity.segmentation),
    ):
        if of(a.run) != of(b.run):
            raise UsageError(
                f"{a.run.name} and {b.run.name} are not of the same {what}: explain one of them "
                "again on those of the other."
            )
    shapes = np.array([a.activations.map_shape, b.activations.map_shape])
    height, width = shapes.min(axis=0).tolist()
    index, grid = a.index, (height, width)
    return (
        Layer(a.against_chance(), chosen, index, grid),
        Layer(b.against_chance(), sorted(b.run.units), index, grid),
    )


def matching_step(a: Layer, b: Layer, shuffles: int, workers: int) -> Step:
    """Say how many pairs of units there are, and about how long they take.

    A unit's maps are read once for all its pairs, which takes longer than a pair.
    """
    step = Step("matching", None, "pairs", len(a.units) * len(b.units), size=0)

    def read() -> list[Matrix]:
        return [layer.activations(layer.units[0])[None] for layer in (a, b)]

    maps = read()

    def match_one() -> None:
        for _ in range(1 + shuffles):
            _correlations(*maps)

    reading = step.timed(read, min(len(a.units), len(b.units)), workers).seconds or 0
    return replace(step, seconds=reading + (step.timed(match_one).seconds or 0))


def unit_records(a: Layer, b: Layer, found: Matches) -> list[MatchedUnit]:
    """Return what is said of every unit of ``a``."""
    records = []
    real, back, by_formula = found.of_a[0], found.of_b[0], found.by_formula
    for position, unit in enumerate(a.units):
        lead, at, of_formula = a.lead(unit), int(real.at[position]), int(by_formula.at[position])
        match = None if at == NO_UNIT else b.units[at]
        formula_match = None if of_formula == NO_UNIT else b.units[of_formula]
        other = None if match is None else b.lead(match)
        overlap, tie = float(found.match_overlap[position]), float(by_formula.tie[position])
        has_both = match is not None and formula_match is not None
        records.append(
            MatchedUnit(
                kind="unit",
                unit=unit,
                formula=None if lead is None else lead.formula,
                match=match,
                correlation=None if match is None else round(float(real.value[position]), _DIGITS),
                mutual=None if match is None else int(back.at[at]) == position,
                match_formula=None if other is None else other.formula,
                match_overlap=None if overlap < 0 else overlap,
                formula_match=formula_match,
                overlap=None if formula_match is None else float(by_formula.value[position]),
                formula_correlation=None if tie <= _LEAST else round(tie, _DIGITS),
                agree=match == formula_match if has_both else None,
            )
        )
    return records


def sum_up(records: Sequence[MatchedUnit], found: Matches) -> AllMatches:
    """Return what is said of all units of A, against permuted images."""
    known = [best.value[best.at != NO_UNIT] for best in found.of_a[1:]]
    by_chance = np.concatenate(known) if known else np.zeros(0)
    limit = float(np.quantile(by_chance, 0.95)) if len(by_chance) else None
    r = [each.correlation for each in records if each.correlation is not None]
    mutual = [
        back.at[best.at[there]] == np.flatnonzero(there)
        for best, back in zip(found.of_a[1:], found.of_b[1:], strict=True)
        if (there := best.at != NO_UNIT).any()
    ]
    return AllMatches(
        kind="all",
        units=len(records),
        candidates=found.of_b[0].size,
        matched=len(r),
        correlation_mean=of_known(r),
        correlation_by_chance=of_known(by_chance),
        percentile_95_by_chance=limit,
        above_chance=None if limit is None else sum(each > limit for each in r),
        mutual=of_known([each.mutual for each in records]),
        mutual_by_chance=of_known(np.concatenate(mutual)) if mutual else None,
        overlap_mean=of_known([each.overlap for each in records]),
        match_overlap_mean=of_known([each.match_overlap for each in records]),
        agree=of_known([each.agree for each in records]),
    )
