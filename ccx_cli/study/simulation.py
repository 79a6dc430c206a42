"""How well do a unit's formulas predict its activation? The score of language-model simulators.

A unit's formulas and ranges predict its activation at every pixel: the mean activation of the
highest range whose formula holds there, and where none holds the mean activation of such pixels.
The means are of the images that were searched. The score is the Pearson correlation of predicted
and real activations (Bills et al., Language models can explain neurons in language models, 2023),
against that of predictions from the formulas of other images.

A prediction is the same for all pixels of a label set, so sums of activations by image and label
set give the score. For permuted images they do not; but as upsampling is linear, the product of an
upsampled map and a prediction is that of the map and the prediction that is summed to its cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.soft_hits import Quanta, sum_by_image
from ccx_cli.probe.sparse_maps import Maps, SparseMaps, dense_maps
from ccx_cli.probe.upsampling import axis_weights
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.simulation import LayerSimulation, StoredSimulation, UnitSimulation
from ccx_cli.runs.answers import KEPT_SIMULATION
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.runs.splits import split_images
from ccx_cli.study.kept import Measure, UnitStudy
from ccx_cli.study.null import permutation
from ccx_cli.study.resampling import of_known

Floats = NDArray[np.float64]
_IMAGES_AT_ONCE = 64
_CELLS_AT_ONCE = 1 << 18
_DIGITS = 6
_OF_RUN = ("images", "held_out")
CORRELATIONS = ("correlation", "image_correlation", "fitted_correlation")


@dataclass(frozen=True)
class Sides:
    """The images whose activations are known to the predictor, and those that it is measured on.

    Attributes
    ----------
    index
        The dataset.
    searched, measured
        Indices of images, ascending; the same where nothing was held out.
    permutations
        Positions in ``measured``: whose predictions each of them has.
    """

    index: ConceptIndex
    searched: NDArray[np.int64]
    measured: NDArray[np.int64]
    permutations: Sequence[NDArray[np.int64]]

    @cached_property
    def is_searched(self) -> NDArray[np.bool_]:
        """Which rows of the images' tables are of images that were searched."""
        return self._rows(self.searched)

    @cached_property
    def is_measured(self) -> NDArray[np.bool_]:
        """Which rows of the images' tables are of images that are measured."""
        return self._rows(self.measured)

    def _rows(self, images: NDArray[np.int64]) -> NDArray[np.bool_]:
        chosen = np.zeros(self.index.n_images, dtype=np.bool_)
        chosen[images] = True
        return np.repeat(chosen, np.diff(self.index.offsets))


@dataclass(frozen=True, slots=True)
class Predictions:
    """What is predicted on every label set, ``(n_sets,)`` float64.

    ``by_range`` are the means of ranges, ``fitted`` those of all pixels where the same formulas
    hold. ``formulas`` counts those that predict.
    """

    by_range: Floats
    fitted: Floats
    formulas: int


def predict(
    maps: Maps, quanta: Quanta, records: Sequence[ExplanationRecord], sides: Sides
) -> Predictions:
    """Predict a unit's activation from its explanations, in quanta.

    ``maps`` are its activations on all images, ``records`` its explanations from the lowest range
    up. A formula in whose range no activation of the searched images lies predicts nothing.
    """
    index = sides.index
    seen = maps if len(sides.searched) == len(maps) else maps[sides.searched]
    levels = []
    for record in records:
        if record.tree is None or record.range is None:
            continue
        mean = Range.from_json(record.range).mean(seen)
        if mean is not None:
            levels.append((holds(record, index), (mean - quanta.least) / quanta.step))
    which = np.zeros(len(index.sets), dtype=np.int64)
    for held, _ in levels:
        which = np.unique(2 * which + held, return_inverse=True)[1]
    sums, pixels = (
        np.bincount(index.local_sets, np.where(sides.is_searched, each, 0), len(index.sets))
        for each in (quanta.sums, index.local_totals)
    )
    overall = sums.sum() / pixels.sum()
    sums, pixels = (np.bincount(which, each) for each in (sums, pixels))
    fitted = np.divide(sums, pixels, out=np.full(len(sums), overall), where=pixels > 0)[which]
    by_range = fitted.copy()
    for held, level in levels:
        by_range[held] = level
    return Predictions(by_range, fitted, len(levels))


def simulate(maps: Maps, records: Sequence[ExplanationRecord], sides: Sides) -> StoredSimulation:
    """Measure how well explanations of one unit, of which there is at least one, predict it."""
    index = sides.index
    quanta = sum_by_image(maps, index)
    nothing = StoredSimulation(
        unit=records[0].unit,
        formulas=0,
        images=len(sides.measured),
        held_out=not np.array_equal(sides.searched, sides.measured),
        correlation=None,
        image_correlation=None,
        fitted_correlation=None,
        shuffled=[],
    )
    if not quanta.step:
        return nothing
    found = predict(maps, quanta, records, sides)
    by_range, fitted = (each[index.local_sets] for each in (found.by_range, found.fitted))
    shuffled = _shuffled(maps, quanta, by_range, sides)
    return replace(
        nothing,
        formulas=found.formulas,
        correlation=_correlation(quanta, by_range, sides),
        image_correlation=_image_correlation(quanta, by_range, sides),
        fitted_correlation=_correlation(quanta, fitted, sides),
        shuffled=[round(each, _DIGITS) for each in shuffled],
    )


def _spreads(quanta: Quanta, predicted: Floats, sides: Sides) -> tuple[Floats, float, float]:
    """Return centered predictions by row, and the square sums about the means of both."""
    pixels = np.where(sides.is_measured, sides.index.local_totals, 0)
    n = int(pixels.sum())
    total = int(quanta.sums[sides.is_measured].sum())
    # Whole numbers: what is constant has a spread of exactly 0.
    real = n * quanta.square_sum(sides.measured) - total**2
    if np.ptp(predicted[sides.is_measured]) == 0:
        return predicted, real / n, 0.0
    centered = predicted - (pixels @ predicted) / n
    return centered, real / n, float(pixels @ centered**2)


def _correlation(quanta: Quanta, predicted: Floats, sides: Sides) -> float | None:
    """Pearson correlation over the pixels of the measured images."""
    centered, real, spread = _spreads(quanta, predicted, sides)
    if not (real and spread):
        return None
    sums = np.where(sides.is_measured, quanta.sums, 0)
    return _bounded(float(sums @ centered) / (real * spread) ** 0.5)


def _image_correlation(quanta: Quanta, predicted: Floats, sides: Sides) -> float | None:
    """Pearson correlation over the measured images, of means over their pixels."""
    starts, pixels = sides.index.offsets[:-1], sides.index.local_totals
    real, means = (
        np.add.reduceat(each, starts)[sides.measured].astype(np.float64)
        for each in (quanta.sums, pixels * predicted)
    )
    means /= sides.index.maps.shape[1]
    # Sums of the same levels in another order differ by roundings.
    if np.ptp(real) == 0 or np.ptp(means) <= 1e-12 * np.abs(means).max():
        return None
    return _bounded(float(np.corrcoef(real, means)[0, 1]))


def _bounded(correlation: float) -> float:
    return max(-1.0, min(1.0, correlation))


def _shuffled(maps: Maps, quanta: Quanta, predicted: Floats, sides: Sides) -> list[float]:
    """Return the correlation over pixels with the predictions of each permutation of the images."""
    centered, real, spread = _spreads(quanta, predicted, sides)
    if not (sides.permutations and real and spread):
        return []
    # Most pixels are predicted alike in many units: only the others are summed to cells.
    values, counts = np.unique(centered[sides.is_measured], return_counts=True)
    common = float(values[counts.argmax()])
    pooled = _pooled(centered - common, sides, maps.shape[1:])
    own = dense_maps(maps[sides.measured]).reshape(pooled.shape)
    # What rounds least: sparse maps keep their zeros.
    zero = 0.0 if isinstance(maps, SparseMaps) else quanta.least
    own -= np.float32(zero)
    n_pixels = sides.index.maps.shape[1] * len(own)
    sums = quanta.sums[sides.is_measured]
    total = float(sums.sum()) * quanta.step + (quanta.least - zero) * n_pixels
    active = np.flatnonzero(own.any(axis=1))
    n_blocks = 1 + own.size // _CELLS_AT_ONCE
    blocks = [(own[some], some) for some in np.array_split(active, n_blocks)]
    scale = quanta.step * (real * spread) ** 0.5
    return [
        _bounded(
            (common * total + sum(float(np.vdot(a, pooled[order[some]])) for a, some in blocks))
            / scale
        )
        for order in sides.permutations
    ]


def _pooled(predicted: Floats, sides: Sides, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Sum predictions to the cells that each pixel is upsampled from, by its weights.

    Returns
    -------
    ``(n_measured, n_cells)`` float32: the product with a map is that of its upsampling with the
    predictions, given by row of the images' tables.
    """
    index = sides.index
    rows, columns = (
        _matrix(n_in, n_out) for n_in, n_out in zip(shape, index.mask_shape, strict=True)
    )
    values = predicted.astype(np.float32)
    pooled = np.zeros((len(sides.measured), *shape), dtype=np.float32)
    some = np.logical_or.reduceat(values != 0, index.offsets[:-1])[sides.measured]
    places = np.flatnonzero(some)
    for start in range(0, len(places), _IMAGES_AT_ONCE):
        block = places[start : start + _IMAGES_AT_ONCE]
        images = sides.measured[block]
        pixels = index.maps[images] + index.offsets[images, None]
        masks = values[pixels].reshape(len(block), *index.mask_shape)
        pooled[block] = rows.T @ (masks @ columns)
    return pooled.reshape(len(pooled), -1)


def _matrix(n_in: int, n_out: int) -> NDArray[np.float32]:
    """Write the weights of an axis as a matrix, ``(n_out, n_in)``."""
    weights, out = axis_weights(n_in, n_out), np.arange(n_out)
    matrix = np.zeros((n_out, n_in), dtype=np.float32)
    np.add.at(matrix, (out, weights.i0), weights.w0)
    np.add.at(matrix, (out, weights.i1), weights.w1)
    return matrix


def sides_of(inputs: RunInputs, shuffles: int, seed: int) -> Sides:
    """Return the images that a run searched and those that it held out; all are both without."""
    split = inputs.run.about.split
    searched = measured = np.arange(inputs.index.n_images)
    if split is not None:
        searched, measured = split_images(inputs.dataset, split)
    orders = [permutation(len(measured), seed, number) for number in range(shuffles)]
    return Sides(inputs.index, searched, measured, orders)


def simulation_study(inputs: RunInputs, shuffles: int, seed: int) -> UnitStudy[StoredSimulation]:
    """Return what measures how well every unit of a run is predicted."""
    lines = KEPT_SIMULATION.lines(inputs.kept, shuffles=shuffles, seed=seed)
    return UnitStudy(inputs, lines, "Simulation", _simulating, (shuffles, seed))


def _simulating(inputs: RunInputs, shuffles: int, seed: int) -> Measure[StoredSimulation]:
    sides, activations = sides_of(inputs, shuffles, seed), inputs.activations
    return lambda unit, explained: [simulate(activations.unit(unit), explained, sides)]


def unit_record(found: StoredSimulation) -> UnitSimulation:
    """Return what is said of one unit."""
    measured = {key: getattr(found, key) for key in (*_OF_RUN, *CORRELATIONS)}
    own = {"unit": found.unit, "formulas": found.formulas}
    return UnitSimulation(kind="unit", **own, **measured, **_against(found.shuffled))


def best_first(records: Iterable[UnitSimulation]) -> list[UnitSimulation]:
    """Sort what is said of units by the correlation over pixels; those without one come last."""
    return sorted(records, key=lambda one: (one.correlation is None, -(one.correlation or 0)))


def layer_records(every: Sequence[StoredSimulation]) -> list[LayerSimulation]:
    """Return mean and median over the units that have a correlation; none without any.

    Every permutation gives a mean and a median as well, which those of the units are against.
    """
    some = [found for found in every if found.correlation is not None]
    if not some:
        return []
    shuffled = np.array([found.shuffled for found in some])
    return [
        LayerSimulation(
            kind="layer",
            statistic=name,
            units=len(some),
            left_out=len(every) - len(some),
            **{key: getattr(some[0], key) for key in _OF_RUN},
            **{key: of_known((getattr(one, key) for one in some), of) for key in CORRELATIONS},
            **_against(of(shuffled, axis=0)),
        )
        for name, of in (("mean", np.mean), ("median", np.median))
    ]


def _against(shuffled: ArrayLike) -> dict[str, float | None]:
    values = np.asarray(shuffled)
    return {
        "shuffled_mean": float(values.mean()) if len(values) else None,
        "shuffled_percentile_95": float(np.quantile(values, 0.95)) if len(values) else None,
    }
