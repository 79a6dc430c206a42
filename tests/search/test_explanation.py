from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec import UNSET

from ccx_cli.formulas.formula import from_json, to_text
from ccx_cli.probe.activation_levels import count_levels
from ccx_cli.probe.activation_sums import ActivationSummer
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.records.columns import Columns
from ccx_cli.search.beam import BeamSettings, BeamStrategy, beam_search
from ccx_cli.search.chains import reordered
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.overlap import Overlap
from ccx_cli.search.scoring import holds_on
from ccx_cli.search.strategy import Strategy
from ccx_cli.study.detection import Detection

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from tests.sparse_activations import sparse_of
else:
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from sparse_activations import sparse_of

SETTINGS = BeamSettings(3, 5)


def explainer_of(pixels: LabelledPixels) -> Explainer:
    index = pixels.index()
    return Explainer(index, DataCounts(index), "layer4", 5, BeamStrategy(SETTINGS))


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    rng = np.random.default_rng(0)
    return explainer_of(random_pixels(rng, 4, (12, 12), [1, 2, 3, 5, 8, 13]))


def test_every_range_of_a_unit_is_explained_from_the_lowest_up(explainer: Explainer) -> None:
    maps = np.random.default_rng(1).exponential(1, (4, 12, 12)).astype(np.float32)
    ranges = find_ranges(maps, RangeMethod(5))
    records = explainer.explain(7, maps, ranges)
    hits = count_hits(maps, ranges, explainer.index)
    assert [record.cluster for record in records] == [0, 1, 2, 3, 4]
    for cluster, record in enumerate(records):
        counts = RangeCounts(explainer.data, hits.per_set[cluster])
        best = beam_search(counts, SETTINGS).best
        assert best is not None
        best = reordered(best, counts)
        formula = best.chain.formula(explainer.index.concepts)
        expected = {
            "unit": 7,
            "layer": "layer4",
            "num_clusters": 5,
            "num_ranges": 5,
            "range": ranges[cluster].to_json(),
            "hits": hits.totals[cluster],
            "formula": to_text(formula, explainer.index.name_of),
            "iou": best.iou,
            "length": len(best.chain),
            "search": "beam",
        }
        assert {key: getattr(record, key) for key in expected} == expected
        assert from_json(record.labels) == formula


def test_a_dead_unit_has_one_line_that_says_so(explainer: Explainer) -> None:
    maps = np.zeros((4, 6, 6), dtype=np.float32)
    (record,) = explainer.explain(3, maps, find_ranges(maps, RangeMethod(5)))
    expected = {
        "unit": 3,
        "layer": "layer4",
        "cluster": None,
        "num_clusters": 5,
        "num_ranges": 0,
        "range": None,
        "hits": 0,
        "formula": None,
        "iou": 0.0,
        "length": 0,
        "search": "beam",
        "visited": 0,
        "labels": None,
    }
    assert {key: getattr(record, key) for key in expected} == expected


def test_a_range_of_one_value_holds_no_pixel_and_has_no_formula(explainer: Explainer) -> None:
    maps = np.zeros((4, 6, 6), dtype=np.float32)
    maps[0, 0, 0] = 2
    ranges = find_ranges(maps, RangeMethod(5))
    assert ranges == (Range(2, 2),)
    (record,) = explainer.explain(3, maps, ranges)
    assert (record.cluster, record.num_ranges, record.range) == (0, 1, [2, 2])
    assert (record.hits, record.formula, record.iou) == (0, None, 0.0)


def test_hits_where_no_concept_is_have_no_formula() -> None:
    pixels = LabelledPixels([[frozenset({4})] * 4, [frozenset()] * 4], (2, 2))
    maps = np.array([[[0.0]], [[1.0]]], dtype=np.float32)
    explainer = explainer_of(pixels)
    records = explainer.explain(0, maps, [Range(0.5, math.inf), Range(-1.0, 0.5)])
    assert [record.hits for record in records] == [4, 4]
    assert [record.formula for record in records] == [None, '"label 4"']
    assert records[0].range == [0.5, None]
    assert records[1].iou == 1.0


def test_a_line_about_more_pixels_than_32_bits_count_has_all_of_them() -> None:
    pixels = LabelledPixels([[frozenset({4}), frozenset({7}), frozenset()]], (1, 3))
    index = pixels.index()
    index.sets.totals[:] = totals = [2**33, 2**32 + 1, 2**34]
    explainer = Explainer(index, DataCounts(index), "layer4", 5, BeamStrategy(SETTINGS))
    maps = sparse_of(np.array([[[2, 0, 0]]], dtype=np.float32))
    (record,) = explainer.explain(0, maps, [Range(-1.0, 1.0)])
    hits = sum(totals) - 1
    overlap = Overlap(hits, totals[0] + totals[1] - 1, totals[0] + totals[1], sum(totals))
    assert (record.hits, record.formula) == (hits, '"label 4" OR "label 7"')
    for key in ("iou", "baseline", "lift", "mcc", "f1"):
        assert getattr(record, key) == getattr(overlap, key), key
    assert Columns.unpacked(Columns.of([record]).packed())["hits"].tolist() == [hits]


STRATEGIES: list[Strategy] = [
    BeamStrategy(SETTINGS),
    *(
        OptimalStrategy(OptimumSettings(3, objective=name))
        for name in ("iou", "mcc", "soft-iou", "pearson", "cosine")
    ),
]


@given(labelled_pixels(), st.sampled_from(STRATEGIES), st.booleans(), st.data())
def test_lines_have_the_measures_of_the_activation_that_metrics_has(
    pixels: LabelledPixels, strategy: Strategy, is_sparse: bool, data: st.DataObject
) -> None:
    """Also of formulas of fewer concepts, whose F1 says what their IoU does."""
    index = pixels.index()
    shape = (len(pixels.images), *data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4))))
    least = data.draw(st.sampled_from([-2.0, 0.0, 3.0]))
    maps = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(least, 4, width=16)))
    explainer = replace(explainer_of(pixels), strategy=strategy, summer=ActivationSummer(index))
    ranges = find_ranges(maps, RangeMethod(2))
    for record in explainer.explain(0, sparse_of(maps) if is_sparse else maps, ranges):
        every: list[Any] = [record, *record.by_length]
        for found in every:
            if found.formula is None:
                nothing = None if ranges else UNSET
                assert (found.f1, found.pearson, found.cosine) == (None, nothing, nothing)
                continue
            holds = holds_on(from_json(found.labels), index)
            levels = count_levels(maps, [holds], index)
            assert levels is not None
            expected = Detection.of_levels(levels, 0, index.pixels_by_image(holds) > 0)
            for key in ("pearson", "cosine"):
                value = getattr(expected, key)
                near = None if value is None else pytest.approx(value, rel=0, abs=2e-5)
                assert getattr(found, key) == near
            assert found.f1 == pytest.approx(2 * found.iou / (1 + found.iou), rel=1e-12)
