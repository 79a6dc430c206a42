from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Not, to_json
from ccx_cli.probe.activations import Activations
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.labelled_pixels import LabelledPixels, random_pixels
else:
    from explanations import explanation
    from labelled_pixels import LabelledPixels, random_pixels

SHAPE = (6, 8)
ENDS = [[0.2, 0.6], [0.6, None]]


class _Maps:
    """Activations that were read already."""

    def __init__(self, maps: NDArray[np.float32]) -> None:
        self._maps = maps

    def unit(self, unit: int) -> NDArray[np.float32]:
        assert unit == 7
        return self._maps


def _record(cluster: int, iou: float = 0.0) -> ExplanationRecord:
    labels = to_json(And(Concept(1), Not(Concept(2))))
    return explanation(
        7, cluster, range=ENDS[cluster], labels=labels, formula="one AND NOT two", iou=iou
    )


def _looked_at(iou: float = 0.0) -> tuple[UnitImages, LabelledPixels]:
    rng = np.random.default_rng(3)
    pixels = random_pixels(rng, 12, SHAPE, [1, 2, 3, 4])
    maps = rng.random((12, 3, 4), dtype=np.float32)
    maps[5] = 0
    records = [_record(0, iou), _record(1, iou)]
    found = look_at_unit(7, records, pixels.index(), cast(Activations, _Maps(maps)))
    return found, pixels


def test_masks_say_what_the_counts_say() -> None:
    found, pixels = _looked_at()
    for place in range(2):
        for image in range(12):
            hits, formula = found.hit_mask(place, image), found.formula_mask(place, image)
            labels = pixels.images[image]
            expected = np.array([1 in here and 2 not in here for here in labels]).reshape(SHAPE)
            np.testing.assert_array_equal(formula, expected)
            counts = found.counts[place]
            assert counts.in_range[image] == hits.sum()
            assert counts.formula[image] == formula.sum()
            assert counts.both[image] == (hits & formula).sum()


def test_choices_are_those_of_their_definitions() -> None:
    found, _ = _looked_at()
    for place, counts in enumerate(found.counts):
        missed = counts.in_range - counts.both
        chosen = found.choose(place, Show.MISSES, 4)
        assert missed[chosen].tolist() == sorted(missed.tolist(), reverse=True)[:4]
        alarms = counts.formula - counts.both
        chosen = found.choose(place, Show.FALSE_ALARMS, 4)
        assert alarms[chosen].tolist() == sorted(alarms.tolist(), reverse=True)[:4]
    peaks = found.maps.max(axis=(1, 2))
    assert found.choose(1, Show.TOP, 3).tolist() == np.argsort(-peaks)[:3].tolist()
    most = found.counts[0].in_range
    assert most[found.choose(0, Show.TOP, 3)].tolist() == sorted(most.tolist())[:-4:-1]


def test_image_without_hits_is_no_top_image() -> None:
    found, _ = _looked_at()
    assert 5 not in found.choose(0, Show.TOP, 12)
    assert 5 not in found.choose(1, Show.TOP, 12)


@pytest.mark.parametrize("seed", [0, 1])
def test_sample_holds_images_above_the_explanations_iou(seed: int) -> None:
    found, _ = _looked_at(iou=0.1)
    counts = found.counts[0]
    ious = counts.both / (counts.in_range + counts.formula - counts.both)
    fitting = {image for image in range(12) if counts.both[image] and ious[image] > 0.1}
    assert 3 < len(fitting) < 12
    assert set(found.choose(0, Show.SAMPLE, 99, seed).tolist()) == fitting
    drawn = found.choose(0, Show.SAMPLE, 3, seed)
    assert len(drawn) == 3
    assert set(drawn.tolist()) <= fitting
    assert ious[drawn].tolist() == sorted(ious[drawn].tolist(), reverse=True)
    np.testing.assert_array_equal(drawn, found.choose(0, Show.SAMPLE, 3, seed))


def test_samples_differ_by_seed() -> None:
    found, _ = _looked_at()
    draws = {tuple(found.choose(0, Show.SAMPLE, 3, seed).tolist()) for seed in range(10)}
    assert len(draws) > 1


def test_unit_without_ranges_has_nothing_to_look_at() -> None:
    rng = np.random.default_rng(0)
    pixels = random_pixels(rng, 2, SHAPE, [1, 2])
    dead = explanation(7, None)
    maps = cast(Activations, _Maps(np.zeros((2, 3, 4), np.float32)))
    found = look_at_unit(7, [dead], pixels.index(), maps)
    assert not found.records
    assert not found.counts
