from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.probe.ranges import Range
from ccx_cli.probe.soft_hits import Quanta, sum_by_image
from ccx_cli.probe.upsampling import upsample
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.simulation import StoredSimulation
from ccx_cli.study import simulation
from ccx_cli.study.null import permutation
from ccx_cli.study.simulation import Sides, layer_records, simulate, unit_record

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from tests.sparse_activations import sparse_of
else:
    from explanations import explanation
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from sparse_activations import sparse_of

ENDS: list[list[float | None]] = [[-10.0, 0.5], [0.5, 2.5], [2.5, None]]
KEYS = ("correlation", "image_correlation", "fitted_correlation")


@dataclass(frozen=True)
class Case:
    """Activations, labels, formulas of three ranges, and images that are searched or measured."""

    maps: NDArray[np.float32]
    pixels: LabelledPixels
    concepts: list[tuple[int, int | None] | None]
    sides: Sides

    @property
    def records(self) -> list[ExplanationRecord]:
        return [
            explanation(7, number, range=ends, num_ranges=3, **_formula(concepts))
            for number, (ends, concepts) in enumerate(zip(ENDS, self.concepts, strict=True))
        ]


def _formula(concepts: tuple[int, int | None] | None) -> dict[str, Any]:
    if concepts is None:
        return {"formula": None, "labels": None}
    first, other = concepts
    if other is None:
        return {"formula": f"c{first}", "labels": first}
    return {"formula": f"c{first} AND NOT c{other}", "labels": ["AND", first, ["NOT", other]]}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pixels = draw(labelled_pixels(6))
    n_images = len(pixels.images)
    shape = (n_images, *draw(st.tuples(st.integers(1, 5), st.integers(1, 5))))
    maps = draw(hnp.arrays(np.float32, shape, elements=st.integers(-2, 5).map(float)))
    if draw(st.booleans()):
        maps[draw(hnp.arrays(np.bool_, shape))] = 0
    concept = st.sampled_from(pixels.numbers or [1])
    formula = st.none() | st.tuples(concept, st.none() | concept)
    marks = np.array(draw(st.lists(st.booleans(), min_size=n_images, max_size=n_images)))
    searched = measured = np.arange(n_images)
    if marks.any() and not marks.all():
        searched, measured = np.flatnonzero(marks), np.flatnonzero(~marks)
    orders = [np.arange(len(measured)), permutation(len(measured), 1, 0)]
    return Case(
        maps,
        pixels,
        draw(st.lists(formula, min_size=3, max_size=3)),
        Sides(pixels.index(), searched, measured, orders),
    )


def dense_twin(case: Case) -> dict[str, Any]:
    """Predict and correlate pixel by pixel."""
    n_images = len(case.maps)
    searched, measured = case.sides.searched, case.sides.measured
    real = upsample(case.maps, case.pixels.shape).reshape(n_images, -1).astype(np.float64)
    labels = np.array(case.pixels.pixels, dtype=object).reshape(n_images, -1)
    holds: list[NDArray[np.bool_]] = []
    levels: list[float] = []
    for ends, concepts in zip(ENDS, case.concepts, strict=True):
        lower, upper = Range.from_json(ends).lower, Range.from_json(ends).upper
        seen = case.maps[searched].astype(np.float64)
        inside = seen[(seen > lower) & (seen < upper)]
        if concepts is not None and len(inside):
            held = [
                [concepts[0] in one and concepts[1] not in one for one in row] for row in labels
            ]
            holds.append(np.array(held))
            levels.append(float(inside.mean()))
    predicted = np.empty_like(real)
    fitted = np.empty_like(real)
    combinations = np.array(holds).reshape(len(holds), *real.shape)
    for image, pixel in np.ndindex(real.shape):
        own = combinations[:, image, pixel]
        alike = (combinations == own[:, None, None]).all(axis=0)[searched]
        known = real[searched]
        fitted[image, pixel] = known[alike].mean() if alike.any() else known.mean()
        which = np.flatnonzero(own)
        predicted[image, pixel] = levels[which[-1]] if len(which) else fitted[image, pixel]
    real, predicted, fitted = real[measured], predicted[measured], fitted[measured]
    return {
        "correlation": correlated(real, predicted),
        "image_correlation": correlated(real.mean(1), predicted.mean(1)),
        "fitted_correlation": correlated(real, fitted),
        "shuffled": [correlated(real, predicted[order]) for order in case.sides.permutations],
        "formulas": len(levels),
    }


def correlated(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    if np.ptp(a) < 1e-5 or np.ptp(b) < 1e-5:
        return None
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@given(cases())
@settings(max_examples=300, deadline=None)
def test_sums_by_label_set_correlate_as_pixels_do(case: Case) -> None:
    expected = dense_twin(case)
    for maps in (case.maps, sparse_of(case.maps)):
        found = simulate(maps, case.records, case.sides)
        for key in KEYS:
            value = expected[key]
            if value is not None:
                assert getattr(found, key) == pytest.approx(value, abs=2e-4), key
        if np.ptp(case.maps):
            assert found.formulas == expected["formulas"]
        if expected["correlation"] is None:
            continue
        # No permutation is the correlation itself, found in another way.
        assert found.shuffled[0] == pytest.approx(found.correlation, abs=2e-5)
        assert found.shuffled == pytest.approx(expected["shuffled"], abs=2e-4)


@given(cases())
def test_sums_past_64_bits_correlate_as_small_ones(case: Case) -> None:
    """Of 2^24 pixels for every pixel; sums of quanta stay below 2^53."""
    index = case.sides.index
    many = replace(
        case.sides,
        permutations=[],
        index=replace(
            index,
            sets=replace(index.sets, totals=index.sets.totals << 24),
            local_totals=index.local_totals << 24,
        ),
    )

    def scaled(maps: Any, index: Any) -> Quanta:
        few = sum_by_image(maps, index)
        high, low = few.squares.T
        squares = np.stack([(high << 24) + (low >> 8), (low & 255) << 24], axis=1)
        return few._replace(sums=few.sums << 24, squares=squares)

    found = simulate(case.maps, case.records, replace(case.sides, permutations=[]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "sum_by_image", scaled)
        scaled_up = simulate(case.maps, case.records, many)
    for key in KEYS:
        expected = getattr(found, key)
        want = None if expected is None else pytest.approx(expected, rel=1e-12)
        assert getattr(scaled_up, key) == want, key


def two_levels(n_images: int, seed: int) -> tuple[NDArray[np.float32], LabelledPixels]:
    """Maps of 1 where a pixel has the label 1, 5 where it has 2, and 0 elsewhere."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, (n_images, 6, 6))
    sets = [frozenset[int](), frozenset({1}), frozenset({2})]
    pixels = LabelledPixels([[sets[kind] for kind in image.ravel()] for image in kinds], (6, 6))
    return np.array([0, 1, 5], dtype=np.float32)[kinds], pixels


def test_a_perfect_predictor_has_one_and_other_images_about_none() -> None:
    maps, pixels = two_levels(60, 3)
    every = np.arange(60)
    orders = [permutation(60, 0, number) for number in range(40)]
    case = Case(
        maps, pixels, [None, (1, None), (2, None)], Sides(pixels.index(), every, every, orders)
    )
    found = simulate(maps, case.records, case.sides)
    assert [getattr(found, key) for key in KEYS] == pytest.approx([1, 1, 1])
    assert not found.held_out
    record = unit_record(found)
    assert abs(record.shuffled_mean) < 0.02
    assert record.shuffled_percentile_95 < 0.1
    # With the formulas exchanged, the high level is predicted where the low one is.
    wrong = Case(maps, pixels, [None, (2, None), (1, None)], case.sides)
    crossed = simulate(maps, wrong.records, case.sides)
    assert crossed.correlation == pytest.approx(dense_twin(wrong)["correlation"], abs=1e-5)
    assert crossed.correlation is not None
    assert crossed.correlation < 0.2
    assert crossed.fitted_correlation == pytest.approx(1)


def test_held_out_images_change_no_prediction() -> None:
    pixels = random_pixels(np.random.default_rng(0), 8, (5, 5), [1, 2, 5])
    random = np.random.default_rng(1)
    maps = random.random((8, 3, 3)).astype(np.float32) * 4
    searched, measured = np.arange(5), np.arange(5, 8)
    sides = Sides(pixels.index(), searched, measured, [])
    concepts: list[tuple[int, int | None] | None] = [(1, None), (2, None), (5, None)]
    case = Case(maps, pixels, concepts, sides)
    found = simulate(maps, case.records, sides)
    assert (found.held_out, found.images, found.shuffled) == (True, 3, [])
    # An affine change of what is measured alone leaves the correlation as it is.
    other = maps.copy()
    other[measured] = 3 * other[measured] + 7
    again = simulate(other, case.records, sides)
    assert again.correlation == pytest.approx(found.correlation, abs=1e-5)
    assert again.image_correlation == pytest.approx(found.image_correlation, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_what_is_constant_has_no_correlation(value: float) -> None:
    pixels = random_pixels(np.random.default_rng(0), 2, (3, 3), [1, 2])
    every = np.arange(2)
    maps = np.full((2, 2, 2), value, dtype=np.float32)
    sides = Sides(pixels.index(), every, every, [every])
    dead = simulate(maps, [explanation(3, None)], sides)
    assert [getattr(dead, key) for key in (*KEYS, "shuffled")] == [None, None, None, []]
    maps[0, 0, 0] = 9
    nothing = simulate(maps, [explanation(3, 0, **_formula(None))], sides)
    assert [getattr(nothing, key) for key in (*KEYS, "shuffled")] == [None, None, None, []]
    assert nothing.formulas == 0


def test_a_layer_is_the_mean_and_the_median_of_its_units() -> None:
    def of(
        unit: int, r: float | None, of_images: float | None, *shuffled: float
    ) -> StoredSimulation:
        return StoredSimulation(
            unit=unit, formulas=1, images=9, held_out=True, correlation=r,
            image_correlation=of_images, fitted_correlation=r, shuffled=list(shuffled),
        )  # fmt: skip

    units = [of(0, 0.1, None, 0.0, 0.1), of(1, 0.3, 0.5, 0.2, 0.1), of(2, 0.8, 0.7, 0.1, 0.7)]
    mean, median = layer_records([*units, of(3, None, None)])
    assert (mean.units, mean.left_out, mean.held_out) == (3, 1, True)
    assert mean.correlation == pytest.approx(0.4)
    assert median.correlation == pytest.approx(0.3)
    assert mean.image_correlation == pytest.approx(0.6)
    # The means of the two permutations are 0.1 and 0.3, the medians 0.1 and 0.1.
    assert mean.shuffled_mean == pytest.approx(0.2)
    assert mean.shuffled_percentile_95 == pytest.approx(0.29)
    assert median.shuffled_percentile_95 == pytest.approx(0.1)
    assert layer_records([of(3, None, None)]) == []
    plain = layer_records([of(0, 0.5, 0.5)])[0]
    assert (plain.correlation, plain.shuffled_mean) == (0.5, None)


def test_the_mean_of_a_range_counts_zeros_of_sparse_maps() -> None:
    maps = np.array([0, 0, 1, 2, 4, -1], dtype=np.float32).reshape(1, 2, 3)
    for ends, mean in (((-0.5, 1.5), 1 / 3), ((0, np.inf), 7 / 3), ((-1, 0), None), ((4, 9), None)):
        for each in (maps, sparse_of(maps)):
            found = Range(*ends).mean(each)
            assert found == (mean if mean is None else pytest.approx(mean))
