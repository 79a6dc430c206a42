from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.formulas.formula import from_json, to_text
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import SilentProgress
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.store import steps
from ccx_cli.study import matching
from ccx_cli.study.matching import (
    NO_UNIT,
    Best,
    Layer,
    area_weights,
    match_layers,
    matching_step,
    overlaps,
    standardized,
    sum_up,
    unit_records,
)
from ccx_cli.study.null import permutation

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.labelled_pixels import LabelledPixels, random_pixels
    from tests.sparse_activations import sparse_of
else:
    from explanations import explanation
    from labelled_pixels import LabelledPixels, random_pixels
    from sparse_activations import sparse_of

N_IMAGES = 7
GRID = (3, 4)


def _formula(labels: Any) -> dict[str, Any]:
    text = None if labels is None else to_text(from_json(labels), lambda number: f"c{number}")
    return {"formula": text, "labels": labels}


def layer_of(
    maps: dict[int, Maps], formulas: dict[int, Any], pixels: LabelledPixels, grid: tuple[int, int]
) -> Layer:
    """Make a layer with the units of ``maps``, of which some have a formula, as JSON."""
    records = {
        unit: [explanation(unit, 1, mcc=0.2), explanation(unit, 1, mcc=0.5, **_formula(labels))]
        if (labels := formulas.get(unit))
        else [explanation(unit, 1, mcc=None, **_formula(None))]
        for unit in maps
    }
    identity = SimpleNamespace(activations={"name": id(maps)})
    run = SimpleNamespace(units=records, identity=identity)
    activations = SimpleNamespace(unit=maps.__getitem__)
    inputs = cast(RunInputs, SimpleNamespace(run=run, activations=activations))
    return Layer(inputs, sorted(maps), pixels.index(), grid)


def random_layers(seed: int) -> tuple[Layer, Layer, list[NDArray[np.float64]]]:
    """Two layers of units in common and noise, and their maps as lines, dead units last."""
    random = np.random.default_rng(seed)
    pixels = random_pixels(random, N_IMAGES, (4, 4), [1, 2, 5])
    common = random.random((5, N_IMAGES, *GRID))
    sides, lines = [], []
    for n_units, dead in ((6, 4), (8, 2)):
        noise = random.random((n_units, N_IMAGES, *GRID))
        maps = (noise + common[random.integers(0, 5, n_units)]).astype(np.float32)
        maps *= 10.0 ** random.integers(-3, 4, n_units)[:, None, None, None]
        maps[dead] = 3
        units = {10 * number: each for number, each in enumerate(maps)}
        shapes: list[Any] = [1, 2, 5, ["OR", 1, 2], ["AND", 1, ["NOT", 5]], None]
        formulas = {unit: shapes[random.integers(0, 6)] for unit in units}
        sides.append(layer_of(cast(dict[int, Maps], units), formulas, pixels, GRID))
        lines.append(maps.reshape(n_units, -1).astype(np.float64))
    return sides[0], sides[1], lines


def brute_correlations(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(lines[0], lines[1])[: len(lines[0]), len(lines[0]) :]
    return np.where(np.isnan(found), -np.inf, found)


def brute_overlaps(a: Layer, b: Layer) -> NDArray[np.float64]:
    """Count pixel by pixel; NaN without two formulas."""
    index = a.index
    rows = (index.maps.astype(np.int64) + index.offsets[:-1, None]).ravel()
    found = np.full((len(a.units), len(b.units)), np.nan)
    for place in np.ndindex(found.shape):
        leads = [layer.lead(layer.units[n]) for layer, n in zip((a, b), place, strict=True)]
        if None not in leads:
            one, other = (holds(lead, index)[index.local_sets][rows] for lead in leads if lead)
            if one.any() and other.any():
                found[place] = (one & other).sum() / (one | other).sum()
    return found


@pytest.mark.parametrize("at_once", [1, 3000, 1 << 28])
@pytest.mark.parametrize("seed", range(6))
def test_matches_are_those_of_all_pairs(
    seed: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_BYTES_AT_ONCE", at_once)
    a, b, lines = random_layers(seed)
    r, overlap = brute_correlations(lines), brute_overlaps(a, b)
    found = match_layers(a, b, 3, 5, 2, SilentProgress())
    records = unit_records(a, b, found)
    for position, record in enumerate(records):
        if not np.isfinite(r[position]).any():
            assert (record.match, record.correlation, record.mutual) == (None, None, None)
            assert record.agree is None
        else:
            at = int(r[position].argmax())
            assert record.match == b.units[at]
            assert record.correlation == pytest.approx(r[position, at], abs=2e-6)
            assert record.mutual == (r[:, at].argmax() == position)
            both = overlap[position, at]
            expected = None if np.isnan(both) else pytest.approx(both)
            assert record.match_overlap == expected
        own = np.nan_to_num(overlap[position])
        if not own.max() > 0:
            assert (record.formula_match, record.overlap) == (None, None)
            continue
        assert record.overlap == pytest.approx(own.max())
        equals = np.flatnonzero(own == own.max())
        at = equals[r[position, equals].argmax()]
        assert record.formula_match == b.units[at]
        if np.isfinite(r[position, at]):
            assert record.formula_correlation == pytest.approx(r[position, at], abs=2e-6)
            assert record.agree == (record.match == record.formula_match)
        else:
            assert record.formula_correlation is None

    total = sum_up(records, found)
    chance, mutual = [], []
    for number in range(3):
        order = permutation(N_IMAGES, 5, number)
        turned = lines[0].reshape(-1, N_IMAGES, 12)[:, order].reshape(len(lines[0]), -1)
        r = brute_correlations([turned, lines[1]])
        for row in np.flatnonzero(np.isfinite(r).any(axis=1)):
            chance.append(r[row].max())
            mutual.append(r[:, r[row].argmax()].argmax() == row)
    assert total.correlation_by_chance == pytest.approx(np.mean(chance), abs=2e-6)
    limit = np.quantile(chance, 0.95)
    assert total.percentile_95_by_chance == pytest.approx(limit, abs=2e-6)
    assert total.mutual_by_chance == pytest.approx(np.mean(mutual))
    known = [each.correlation for each in records if each.correlation is not None]
    assert (total.units, total.candidates, total.matched) == (6, 8, len(known))
    assert total.above_chance == sum(each > limit for each in known)
    assert total.correlation_mean == pytest.approx(np.mean(known))


def test_the_same_units_in_another_order_find_themselves() -> None:
    random = np.random.default_rng(0)
    pixels = random_pixels(random, N_IMAGES, (4, 4), [1, 2, 5])
    maps = random.random((6, N_IMAGES, *GRID)).astype(np.float32)
    order = random.permutation(6)
    formulas: list[Any] = [1, 2, 5, ["OR", 1, 2], ["OR", 1, 5], ["AND", 1, 2]]
    a = layer_of(dict(enumerate(maps)), dict(enumerate(formulas)), pixels, GRID)
    turned = {n: sparse_of(3 * maps[unit] + (n == 0)) for n, unit in enumerate(order)}
    b = layer_of(
        cast(dict[int, Maps], turned),
        {n: formulas[unit] for n, unit in enumerate(order)},
        pixels,
        GRID,
    )
    found = match_layers(a, b, 1, 0, 1, SilentProgress())
    records = unit_records(a, b, found)
    assert [order[cast(int, each.match)] for each in records] == list(range(6))
    assert [each.correlation for each in records] == pytest.approx([1] * 6)
    total = sum_up(records, found)
    assert (total.mutual, total.agree, total.overlap_mean, total.above_chance) == (1, 1, 1, 6)
    assert total.correlation_by_chance is not None
    assert total.correlation_by_chance < 0.5


def test_a_unit_is_not_matched_with_itself() -> None:
    a, _, lines = random_layers(1)
    found = unit_records(a, a, match_layers(a, a, 0, 0, 1, SilentProgress()))
    r = brute_correlations([lines[0], lines[0]])
    np.fill_diagonal(r, -np.inf)
    for position, each in enumerate(found):
        expected = a.units[int(r[position].argmax())] if np.isfinite(r[position]).any() else None
        assert each.match == expected
        assert each.formula_match != each.unit


def test_a_constant_unit_is_nobodys_match() -> None:
    maps = np.random.default_rng(4).random((1, 3, 2, 2)).astype(np.float32)
    pixels = random_pixels(np.random.default_rng(0), 3, (2, 2), [1])
    a = layer_of({0: maps[0], 1: np.zeros_like(maps[0])}, {}, pixels, (2, 2))
    b = layer_of({0: -maps[0], 1: np.ones_like(maps[0])}, {}, pixels, (2, 2))
    first, second = unit_records(a, b, match_layers(a, b, 1, 0, 1, SilentProgress()))
    assert (first.match, first.correlation, first.mutual) == (0, -1, True)
    assert (second.match, second.mutual) == (None, None)


def test_the_time_of_a_plan_reads_every_unit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    a, b, _ = random_layers(3)
    read = Layer.activations

    def read_slowly(layer: Layer, unit: int) -> NDArray[np.float32]:
        clock[0] += 5.0
        return read(layer, unit)

    monkeypatch.setattr(steps, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(Layer, "activations", read_slowly)
    most = max(len(a.units), len(b.units))
    assert min(len(a.units), len(b.units)) > 1
    assert matching_step(a, b, shuffles=1, workers=1).seconds == pytest.approx(10.0 * most)
    assert matching_step(a, b, shuffles=1, workers=2).seconds == pytest.approx(5.0 * most)


def test_one_image_has_no_chance_and_no_formula_no_overlap() -> None:
    pixels = random_pixels(np.random.default_rng(0), 1, (2, 2), [1])
    maps: dict[int, Maps] = {0: np.arange(4, dtype=np.float32).reshape(1, 2, 2)}
    a, b = (layer_of(dict(maps), {}, pixels, (2, 2)) for _ in range(2))
    found = match_layers(a, b, 5, 0, 1, SilentProgress())
    (record,) = unit_records(a, b, found)
    assert (record.match, record.correlation, record.mutual) == (0, 1, True)
    assert (record.formula_match, record.overlap, record.match_overlap) == (None, None, None)
    total = sum_up([record], found)
    assert (total.correlation_by_chance, total.above_chance) == (None, None)
    assert (total.mutual_by_chance, total.overlap_mean, total.agree) == (None, None, None)


@given(st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_cells_are_averaged_by_their_overlap(n_in: int, n_out: int) -> None:
    n_in, n_out = max(n_in, n_out), min(n_in, n_out)
    values = np.random.default_rng(n_in).random(n_in)
    # Every cell repeated so often that the wider cells are whole ones of them.
    expected = np.repeat(values, n_out).reshape(n_out, n_in).mean(axis=1)
    np.testing.assert_allclose(area_weights(n_in, n_out) @ values, expected)


@pytest.mark.parametrize("factor", [1.0, 1e30, 1e-30])
def test_maps_are_standardized_on_the_grid(factor: float) -> None:
    maps = np.random.default_rng(2).random((5, 6, 4)).astype(np.float32) * np.float32(factor)
    averaged = maps.astype(np.float64).reshape(5, 3, 2, 2, 2).mean(axis=(2, 4)).reshape(5, 6)
    expected = (averaged - averaged.mean()) / (averaged.std() * np.sqrt(averaged.size))
    for each in (maps, sparse_of(maps)):
        np.testing.assert_allclose(standardized(each, (3, 2)), expected, atol=1e-6)
    assert not standardized(np.full((2, 7, 7), 0.1, dtype=np.float32), (3, 2)).any()


def test_overlaps_need_two_formulas() -> None:
    a = np.array([[1, 1, 0], [0, 0, 0]], dtype=np.bool_)
    b = np.array([[0, 1, 1], [0, 0, 1]], dtype=np.bool_)
    for bits in (0, 40):
        assert overlaps(a, b, np.array([1, 2, 3]) << bits).tolist() == [[2 / 6, 0], [-1, -1]]


def test_of_equals_the_best_has_the_larger_tie_and_then_came_first() -> None:
    best = Best(2)
    both = slice(0, 2)
    best.see(both, 5, np.array([[1.0, 2.0], [-np.inf, -np.inf]]))
    assert best.at.tolist() == [6, NO_UNIT]
    best.see(both, 7, np.array([[2.0, 2.0], [0.5, 0.5]]), np.array([[0.1, 0.3], [0.0, 0.0]]))
    assert best.at.tolist() == [8, 7]
    best.see(both, 0, np.array([[2.0], [0.5]]), np.array([[0.3], [0.0]]))
    assert best.at.tolist() == [8, 7]
