from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.concepts.label_sets import LabelSets, collapse_image, merge_tables
from ccx_cli.errors import CcxError

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelSet, sets_of, table_of
else:
    from labelled_pixels import LabelSet, sets_of, table_of

LABELS = st.sampled_from([0, 0, 1, 2, 3, 256, 65535])
LAYERS = hnp.arrays(
    np.uint16, st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(1, 5)), elements=LABELS
)
IMAGE_LABELS = st.lists(LABELS, max_size=3).map(lambda found: np.array(found, dtype=np.uint16))


def pixel_sets(layers: NDArray[np.uint16], image_labels: NDArray[np.uint16]) -> list[LabelSet]:
    """Every pixel's set, in row order."""
    columns = layers.reshape(len(layers), layers.shape[1] * layers.shape[2]).T.tolist()
    return [frozenset([*column, *image_labels.tolist()]) - {0} for column in columns]


@given(LAYERS, IMAGE_LABELS)
@settings(max_examples=150)
def test_an_image_collapses_to_the_sets_of_its_pixels(
    layers: NDArray[np.uint16], image_labels: NDArray[np.uint16]
) -> None:
    expected = pixel_sets(layers, image_labels)
    local, table = collapse_image(layers, image_labels)
    distinct = list(dict.fromkeys(expected))
    assert sets_of(table) == distinct
    assert [distinct[place] for place in local] == expected
    assert table.totals.tolist() == [expected.count(labels) for labels in distinct]
    assert local.dtype == table.labels.dtype == np.uint16
    assert table.indptr.dtype == table.totals.dtype == np.int64
    for start, stop in zip(table.indptr[:-1], table.indptr[1:], strict=True):
        assert (np.diff(table.labels[start:stop].astype(int)) > 0).all()


def test_layers_in_another_order_are_the_same_sets() -> None:
    layers = np.array([[[1, 2, 2]], [[2, 1, 0]]], dtype=np.uint16)
    local, table = collapse_image(layers, np.array([], dtype=np.uint16))
    assert local.tolist() == [0, 0, 1]
    assert sets_of(table) == [frozenset({1, 2}), frozenset({2})]
    assert table.lengths().tolist() == [2, 1]


def test_an_image_without_label_pngs_carries_its_whole_image_labels_everywhere() -> None:
    none = np.zeros((0, 2, 3), dtype=np.uint16)
    local, table = collapse_image(none, np.array([7, 3, 7], dtype=np.uint16))
    assert local.tolist() == [0] * 6
    assert sets_of(table) == [frozenset({3, 7})]
    assert table.totals.tolist() == [6]


def test_an_image_without_any_label_is_one_empty_set() -> None:
    for layers in (np.zeros((0, 2, 3), np.uint16), np.zeros((2, 2, 3), np.uint16)):
        local, table = collapse_image(layers, np.array([], dtype=np.uint16))
        assert local.tolist() == [0] * 6
        assert sets_of(table) == [frozenset()]
        assert table.totals.tolist() == [6]


def test_an_image_of_as_many_sets_as_pixels_keeps_them_all() -> None:
    layers = np.arange(1, 40001, dtype=np.uint16).reshape(1, 200, 200)
    local, table = collapse_image(layers, np.array([], dtype=np.uint16))
    assert local.tolist() == list(range(40000))
    assert table.labels.tolist() == list(range(1, 40001))


@given(
    st.lists(
        st.tuples(st.frozensets(st.integers(0, 65535), max_size=4), st.integers(0, 2**40)),
        min_size=1,
        max_size=30,
    ).flatmap(lambda rows: st.lists(st.sampled_from(rows), min_size=1, max_size=60))
)
@settings(max_examples=150)
def test_merging_adds_up_equal_rows(rows: list[tuple[LabelSet, int]]) -> None:
    table = table_of([labels for labels, _ in rows], [total for _, total in rows])
    sets, place = merge_tables(table)
    summed: dict[LabelSet, int] = {}
    for labels, total in rows:
        summed[labels] = summed.get(labels, 0) + total
    assert sets_of(sets) == list(summed)
    assert sets.totals.tolist() == list(summed.values())
    assert [sets_of(sets)[found] for found in place] == [labels for labels, _ in rows]
    assert place.dtype == np.int32


def test_more_rows_than_32_bits_number_are_refused() -> None:
    nothing = np.zeros(1, dtype=np.int64)
    many = LabelSets(nothing, nothing.astype(np.uint16), np.broadcast_to(nothing, 1 << 31))
    with pytest.raises(CcxError, match="take a smaller `subset`"):
        merge_tables(many)


def test_merging_many_rows_keeps_what_a_hash_would_confuse() -> None:
    rng = np.random.default_rng(0)
    rows = [frozenset(rng.integers(0, 30, 3).tolist()) for _ in range(20000)]
    table = table_of(rows, [1] * len(rows))
    sets, place = merge_tables(table)
    found = sets_of(sets)
    assert found == list(dict.fromkeys(rows))
    assert [found[row] for row in place] == rows
