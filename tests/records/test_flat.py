"""Records as rows of a table."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ccx_cli.records.flat import flat

LISTED = [
    {"formula": "red", "iou": 0.25, "labels": 3},
    {"formula": "red OR sky", "iou": 0.5, "labels": ["or", 3, 7]},
]


@pytest.mark.parametrize(
    ("record", "row"),
    [
        (
            {"unit": 3, "range": [None, 1.5], "formula": None, "labels": None, "skipped": True},
            {"unit": 3, "range_low": None, "range_high": 1.5, "formula": None, "skipped": True},
        ),
        ({"range": None}, {"range_low": None, "range_high": None}),
        ({"range_a": [0, 1]}, {"range_a_low": 0, "range_a_high": 1}),
        ({"iou_interval": [0.1, 0.2]}, {"iou_low": 0.1, "iou_high": 0.2}),
        ({"iou_interval": None}, {"iou_low": None, "iou_high": None}),
        (
            {"by_length": LISTED},
            {"by_length": "red; red OR sky", "by_length_iou": "0.25; 0.5"},
        ),
        ({"tied": []}, {"tied": ""}),
        (
            {"classes": [{"class": 4, "drop": 0.5}, {"class": "a hen", "drop": -1e-09}]},
            {"classes": "4; a hen", "classes_drop": "0.5; -1e-09"},
        ),
        (
            {"others": [{"formula": "red", "share": 0.5}]},
            {"others": "red", "others_share": "0.5"},
        ),
        ({"points": [{"x": 1}, {"x": 2}]}, {}),
        ({"concepts": ["red", "sky"], "map": [13, 13]}, {"concepts": "red; sky", "map": "13; 13"}),
        ({"value": [True, None, "a"]}, {"value": "true; ; a"}),
        (
            {"ranges": {"by_hand": [[None, 0.5], [0.5, 2]]}, "network": {"sae": {"path": "x"}}},
            {"ranges.by_hand": ":0.5; 0.5:2", "network.sae.path": "x"},
        ),
    ],
)
def test_a_record_is_flat(record: dict[str, Any], row: dict[str, Any]) -> None:
    assert flat(record) == row
    assert list(flat(record)) == list(row)


KEYS = st.sampled_from(["range", "iou_interval", "labels", "by_length", "classes", "map", "a", "b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@example({"range": [[], {}], "classes": [{}, 1], "by_length": [{}]})
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_record_becomes_cells_that_csv_can_hold(record: dict[str, Any]) -> None:
    row = flat(record)
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    written = io.StringIO(newline="")
    csv.writer(written).writerows([row, [*map(str, row.values())]] if row else [])
    written.seek(0)
    assert len(list(csv.reader(written))) == (2 if row else 0)
