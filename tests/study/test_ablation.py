from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.images import read_image
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.ranges import Range
from ccx_cli.records.ablation import MEASURES, AblationRecord, Change, Fill
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.study.ablation_changes import (
    CONTROLS,
    MaskedImage,
    ablation_record,
    means_over_units,
    with_q_values,
)
from ccx_cli.study.input_masks import InputMasking, control_masks, filling
from ccx_cli.study.masking import MaskedFormula, by_formula, outcomes
from ccx_cli.study.unit_images import mask_of

if TYPE_CHECKING:
    from tests.golden_classifier import golden_classifier
else:
    from golden_classifier import golden_classifier

RANGES = ((0, Range(5.0, 30.0)), (3, Range(-1.0, 1e9)))
CPU = torch.device("cpu")
# Convolutions of other batch sizes sum in another order.
ROUNDING = 1e-4


def _formulas(index: ConceptIndex) -> list[MaskedFormula]:
    some = np.random.default_rng(0).random(len(index.sets)) < 0.4
    return [
        MaskedFormula(some, np.array([1, 4, 6]), RANGES),
        MaskedFormula(np.zeros_like(some), np.zeros(0, dtype=np.int64), RANGES),
        MaskedFormula(~some, np.array([2, 7]), RANGES[:1]),
        MaskedFormula(np.ones_like(some), np.array([5]), RANGES[:1]),
    ]


def _picture(network: Network, data: BrodenDataset, image: int) -> torch.Tensor:
    choice = network.choice
    path = data.image_path(data.rows[image].image)
    return torch.from_numpy(read_image(path, 224, choice.mean, choice.std))


def _measured(
    network: Network, data: BrodenDataset, index: ConceptIndex, masking: InputMasking, size: int
) -> dict[int, list[list[MaskedImage]]]:
    formulas = _formulas(index)
    images = (
        (place, int(image), _picture(network, data, int(image)))
        for place, one in enumerate(formulas)
        for image in one.images
    )
    found = outcomes(network, formulas, images, index, masking, size)
    return dict(by_formula(formulas, enumerate(found)))


def _by_hand(
    network: Network, picture: torch.Tensor, hidden: torch.Tensor, fill: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's maps and class probabilities of one image, part of which is hidden."""
    seen: list[torch.Tensor] = []
    layer = network.module.get_submodule(network.choice.layer)
    hook = layer.register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    soft = torch.nn.functional.interpolate(hidden[None, None].float(), (224, 224), mode="bilinear")
    with torch.inference_mode():
        scores = network.module(picture[None] * (1 - soft) + fill[None] * soft)
    hook.remove()
    return seen[0][0], scores.softmax(1)[0]


@pytest.mark.parametrize("fill", ["mean", "noise", "blur"])
def test_what_is_measured_is_what_a_plain_loop_measures(
    fill: Fill, golden: BrodenDataset, golden_index: ConceptIndex
) -> None:
    network = golden_classifier("places365")
    masking = InputMasking(fill, 3, True, CPU)
    found = _measured(network, golden, golden_index, masking, 2)
    assert found[1] == [[], []]
    for place, formula in enumerate(_formulas(golden_index)):
        for row, image in enumerate(formula.images.tolist()):
            picture = _picture(network, golden, image)
            filled = filling(picture[None], fill, [[3, image, 0]])[0]
            inside = mask_of(formula.holds, golden_index, image)
            masks = masking.masks(inside, image)
            assert (masks[0] == inside).all()
            hidden = [np.zeros_like(inside), inside, ~inside, *masks[1:]]
            seen = [_by_hand(network, picture, torch.from_numpy(m), filled) for m in hidden]
            predicted = int(seen[0][1].argmax())
            for (unit, ends), of_images in zip(formula.ranges, found[place], strict=True):
                levels = np.array(
                    [
                        [
                            float(maps[unit].max()),
                            float(maps[unit].mean()),
                            float(((maps[unit] > ends.lower) & (maps[unit] < ends.upper)).sum()),
                            float(probabilities[predicted]),
                            float(int(probabilities.argmax()) != predicted),
                        ]
                        for maps, probabilities in seen
                    ]
                )
                expected = [*levels[:3], levels[3:].mean(0)]
                values = of_images[row].values.T
                if masks[1:].any():
                    np.testing.assert_allclose(values, expected, rtol=ROUNDING, atol=ROUNDING)
                else:
                    np.testing.assert_allclose(values[:3], expected[:3], rtol=ROUNDING)
                    assert np.isnan(values[3]).all()
                    assert of_images[row].overlap is None
    # The last formula holds on the whole image: with all else masked, nothing is.
    whole, formula_masked, rest_masked, _ = found[3][0][0].values.T
    np.testing.assert_allclose(rest_masked, whole, rtol=ROUNDING)
    assert abs(formula_masked[0] - whole[0]) > 0.1


def test_without_class_scores_the_network_runs_to_the_layer(
    golden: BrodenDataset, golden_index: ConceptIndex
) -> None:
    network = golden_classifier("places365")
    with_classes, without = (
        _measured(network, golden, golden_index, InputMasking("mean", 0, classes, CPU), 4)
        for classes in (True, False)
    )
    for place in (0, 2):
        for one, other in zip(with_classes[place][0], without[place][0], strict=True):
            np.testing.assert_allclose(one.values[:3], other.values[:3], rtol=ROUNDING)
            assert np.isnan(other.values[3:]).all()


def test_neither_batches_nor_what_else_is_left_matter_and_seeds_do(
    golden: BrodenDataset, golden_index: ConceptIndex
) -> None:
    network = golden_classifier("places365")

    def values(seed: int, size: int) -> NDArray[np.float64]:
        masking = InputMasking("noise", seed, True, CPU)
        found = _measured(network, golden, golden_index, masking, size)
        return np.array([image.values for image in [*found[0][0], *found[2][0]]])

    first = values(0, 4)
    np.testing.assert_array_equal(values(0, 4), first)  # Two images have no control, NaN.
    for size in (1, 3, 16):
        np.testing.assert_allclose(values(0, size), first, rtol=ROUNDING, atol=ROUNDING)
    # Another seed has other noise and other controls; whole images stay.
    other = values(1, 4)
    assert (other[:, :, 0] == first[:, :, 0]).all()
    assert (other[:, 1, 1:] != first[:, 1, 1:]).all()


@given(st.data())
def test_controls_are_the_mask_rolled_to_where_it_meets_least_of_itself(
    data: st.DataObject,
) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    cells = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(cells).reshape(height, width)
    if not mask.any():
        mask[0, 0] = True
    size = int(mask.sum())
    rolls = [np.roll(mask, (r, c), (0, 1)) for r in range(height) for c in range(width)]
    overlaps = sorted(int((roll & mask).sum()) for roll in rolls)
    fitting = [each for each in overlaps if each <= size / 2][:CONTROLS]
    controls = control_masks(mask, np.random.default_rng(0))
    assert controls.shape == (CONTROLS, height, width)
    if not fitting:
        assert not controls.any()
        return
    assert (controls.sum((1, 2)) == size).all()
    assert all(any((control == roll).all() for roll in rolls) for control in controls)
    met = [int((control & mask).sum()) for control in controls]
    assert sorted(met) == sorted(np.resize(fitting, CONTROLS).tolist())


def test_controls_are_sampled_anew_by_seed() -> None:
    mask = np.zeros((40, 50), dtype=np.bool_)
    mask[10:20, 5:15] = True
    first, again, other = (control_masks(mask, np.random.default_rng(s)) for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any((1, 2)).all()
    assert not (first & mask).any()


def test_fills_are_what_they_say() -> None:
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.normal(2, 3, (2, 3, 60, 80)).astype(np.float32))
    means = filling(pixels, "mean", [[0], [1]])
    np.testing.assert_allclose(means[:, :, 0, 0], pixels.mean((2, 3)), rtol=1e-6)
    assert (means == means[:, :, :1, :1]).all()

    noise = filling(pixels, "noise", [[0], [1]])
    assert (filling(pixels[1:], "noise", [[1]])[0] == noise[1]).all()
    # 4,800 values: a standard error of 3 / 69 each.
    np.testing.assert_allclose(noise.mean((2, 3)), pixels.mean((2, 3)), atol=0.2)
    np.testing.assert_allclose(noise.std((2, 3)), pixels.std((2, 3)), atol=0.2)
    flat = noise[0].flatten(1)
    assert np.abs(np.corrcoef(flat) - np.eye(3)).max() < 0.1


def test_a_blur_is_a_gaussian_of_a_twentieth_of_the_shorter_side() -> None:
    random = np.random.default_rng(0)
    pixels = random.normal(size=(2, 3, 60, 80))
    weights = np.exp(-0.5 * (np.arange(-9, 10) / 3.0) ** 2)
    weights /= weights.sum()
    expected = np.zeros_like(pixels)
    padded = np.pad(pixels, ((0, 0), (0, 0), (9, 9), (9, 9)), mode="edge")
    for row, above in enumerate(weights):
        for column, beside in enumerate(weights):
            expected += above * beside * padded[:, :, row : row + 60, column : column + 80]
    found = filling(torch.from_numpy(pixels.astype(np.float32)), "blur", [[0], [1]])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _record(unit: int, cluster: int) -> ExplanationRecord:
    return ExplanationRecord(
        unit=unit, layer="l", cluster=cluster, num_clusters=2, num_ranges=2, range=[1.0, None],
        hits=5, formula="sky", iou=0.5, length=1, search="optimal", visited=1, labels=7,
    )  # fmt: skip


def _images(formula: list[float], control: list[float]) -> list[MaskedImage]:
    """Images whose measures are all 10, 4 with all else masked."""
    columns = (np.full(len(formula), 10.0), formula, np.full(len(formula), 4.0), control)
    return [
        MaskedImage(np.tile(row, (len(MEASURES), 1)), None if np.isnan(row[3]) else 0.25)
        for row in np.column_stack(columns)
    ]


def test_changes_are_compared_over_images_that_have_controls() -> None:
    record = ablation_record(_record(2, 1), _images([1, 3, 2, 8], [9, 9, np.nan, 9]), "mean", 0)
    assert (record.unit, record.cluster, record.range) == (2, 1, [1.0, None])
    assert (record.images, record.controlled, record.overlap) == (4, 3, 0.25)
    peak = record.peak
    assert peak is not None
    assert (peak.whole, peak.formula, peak.rest, peak.control) == (10, -6.5, -6, -1)
    assert peak.difference == pytest.approx((-8 - 6 - 1) / 3)
    # All eight flips of signs: these and their mirror image are the extreme ones.
    assert peak.p == 2 / 8
    assert peak.difference_interval is not None
    low, high = (float(end or 0) for end in peak.difference_interval)
    assert -8 <= low < -5 < high <= -1


def test_what_cannot_be_compared_is_null() -> None:
    nowhere = ablation_record(_record(2, 1), [], "mean", 0)
    assert (nowhere.images, nowhere.peak, nowhere.flipped) == (0, None, None)
    full = ablation_record(_record(2, 1), _images([1, 3], [np.nan, np.nan]), "mean", 0)
    assert full.peak == Change(
        whole=10, formula=-8, rest=-6, control=None, difference=None, difference_interval=None,
        p=None,
    )  # fmt: skip
    assert (full.controlled, full.overlap) == (0, None)
    alone = ablation_record(_record(2, 1), _images([1], [9]), "mean", 0).peak
    assert alone is not None
    assert (alone.difference, alone.difference_interval, alone.p) == (-8, None, 1)
    without = _images([1, 3], [9, 9])
    for image in without:
        image.values[3:] = np.nan
    activation = ablation_record(_record(2, 1), without, "mean", 0)
    assert activation.peak is not None
    assert (activation.probability, activation.flipped) == (None, None)


def test_means_are_over_units_and_relative_where_units_differ_in_scale() -> None:
    def record(unit: int, cluster: int, scale: float, formula: float) -> AblationRecord:
        images = [
            MaskedImage(image.values * scale, image.overlap)
            for image in _images([formula] * 10, [9.0] * 10)
        ]
        return ablation_record(_record(unit, cluster), images, "mean", 0)

    records = [record(0, 0, 1, 5), record(0, 1, 1, 1), record(1, 1, 100, 9)]
    dead = replace(record(3, 1, 1, 1), peak=None, in_range=None)
    records = with_q_values([*records, dead])
    one = records[0].peak
    assert one is not None
    assert one.p == 2 / 2**10
    assert one.q == one.p * 3 / 2  # the third differs in nothing
    of_all = means_over_units(records, 0)
    assert [(each.cluster, each.ranges) for each in of_all] == [(1, 3), (0, 1), (None, 4)]
    peak, cells = of_all[-1].peak, of_all[-1].in_range
    assert peak is not None
    assert cells is not None
    assert (peak.ranges, peak.tested, peak.significant) == (3, 3, 2)
    assert peak.formula == pytest.approx(((-0.5 - 0.9) / 2 + -0.1) / 2)
    assert peak.control == pytest.approx(-0.1)
    assert peak.difference == pytest.approx(((-0.4 - 0.8) / 2 + 0) / 2)
    assert peak.p == 1
    assert cells.formula == pytest.approx(((-5 - 9) / 2 + -100) / 2)
    assert means_over_units([], 0) == []


@pytest.mark.slow
def test_the_overlap_of_controls_counts_past_24_bits() -> None:
    masking = InputMasking("mean", 0, False, CPU)
    masks = np.ones((2, 1, 2**24 + 3), dtype=np.float32)
    masks[0, 0, :2] = 0
    maps = np.zeros((masking.n_versions, 1, 1), dtype=np.float32)
    assert masking.outcome(maps, None, masks, Range(0, 1)).overlap == (2**24 + 1) / (2**24 + 3)
