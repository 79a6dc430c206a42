"""What views are made of, without the application."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ccx_cli.formulas.formula import Concept
from ccx_cli.records import lines
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.stability import StabilityRecord
from ccx_cli.runs.answers import KEPT_MASKING
from ccx_cli.store.paths import Roots
from ccx_cli.tui import compare, concepts, runs, unit, unit_data, units
from ccx_cli.tui.filters import Filter
from ccx_cli.tui.formula_box import completed, vocabulary
from ccx_cli.tui.gallery import fit_grid
from ccx_cli.tui.histogram import draw_histogram
from ccx_cli.tui.lists import ListView, sort_rows
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.pictures import fitted, half_block_strips
from ccx_cli.tui.record_text import best_of_units, describe_range, formula_text
from ccx_cli.tui.table import Column
from ccx_cli.tui.unit_data import Trial, count_activations

NAMES = ["sky", "street-s", "ceiling fan", "door, glass", "skyscraper"]


def _record(unit: int, cluster: int, iou: float = 0.5, **other: Any) -> ExplanationRecord:
    fields = {
        "formula": "sky AND NOT sea",
        "labels": ["AND", 1, ["NOT", 2]],
        **other,
    }
    return ExplanationRecord(
        unit=unit,
        layer="last",
        cluster=cluster,
        num_clusters=5,
        num_ranges=5,
        range=[float(cluster), float(cluster + 1)],
        hits=9,
        iou=iou,
        mcc=iou / 2,
        length=2,
        search="optimal",
        visited=1,
        **fields,
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("sk", "sky"),
        ("water OR (Str", "water OR (Street-s"),
        ("NOT ceiling f", "NOT ceiling fan"),
        ('sky AND "door', 'sky AND "door, glass"'),
        ("sky AND door", None),
        ("sky AND ", None),
        ('"sky"', None),
        ('"sky" OR str', '"sky" OR street-s'),
        ("", None),
        ("sky", "skyscraper"),
        ("water", None),
    ],
)
def test_last_name_is_completed(text: str, whole: str | None) -> None:
    assert completed(text, NAMES) == whole


def test_trial_scores_as_the_run_does(run: OpenRun) -> None:
    run.as_stored = True
    data = run.read_unit(2)
    assert data is not None
    for record in run.run.units[2]:
        assert record.formula is not None
        trial = data.try_formula(record.formula, run.with_inputs(vocabulary))
        assert trial.ious[record.cluster] == pytest.approx(record.iou)
        assert record.cluster in trial.same_as
        assert trial.text == record.formula
        assert trial.outside == ""
    everything = f"{record.formula} OR NOT ({record.formula})"
    trial = data.try_formula(everything, run.with_inputs(vocabulary))
    is_better = any(trial.ious[each.cluster] > each.iou for each in run.run.units[2])
    assert bool(trial.outside) == is_better


def test_unit_is_kept_and_not_read_if_it_is_not_wanted(run: OpenRun) -> None:
    assert run.read_unit(2, lambda: False) is None
    assert run.read_unit(2) is run.read_unit(2)


def test_metrics_are_of_the_formula_that_is_shown(run: OpenRun) -> None:
    shown = []
    for run.as_stored in (False, True):
        data = run.read_unit(2)
        assert data is not None
        shown.append(run.records_of(2))
        for record in shown[-1]:
            assert data.metrics[record.cluster]["iou"] == pytest.approx(record.iou)
    assert shown[0] != shown[1]


def test_stability_is_shown_of_the_formula_that_it_is_of(
    run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(_: Path, records: Sequence[ExplanationRecord]) -> Any:
        measured = {"equivalent": 0.125, "out_of_bag_iou": None}
        stability = StabilityRecord(
            **dict.fromkeys(StabilityRecord.__struct_fields__) | measured  # type: ignore[arg-type]
        )
        return {(record.unit, record.cluster): stability for record in records[:1]}

    monkeypatch.setattr(unit_data, "KEPT_STABILITY", SimpleNamespace(of_formulas=kept))
    data = run.read_unit(2)
    assert data is not None
    (metrics,) = (each for each in data.metrics.values() if "equivalent" in each)
    record = run.records_of(2)[0]
    shown = Console(width=100, file=StringIO())
    shown.print(describe_range(record, run, metrics, "", with_meanings=False))
    text = cast(StringIO, shown.file).getvalue()
    assert re.search(r"Stability +12\.5%", text)
    assert re.search(r"Out-of-bag IoU +–", text)


def test_a_run_is_read_once_and_its_lists_keep_one_formula_a_range(
    run: OpenRun, roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Mock(wraps=lines.decode)
    monkeypatch.setattr(lines, "decode", decode)
    opened = OpenRun(run.run.directory, roots)
    rows = list(opened.shown.values())
    assert decode.call_count == len(rows)
    assert not any(row.by_length for row in rows)
    assert [(row.unit, row.formula, row.mcc) for row in rows] == [
        (each.unit, each.formula, each.mcc)
        for unit in opened.run.units
        for each in opened.records_of(unit)
    ]


def test_both_spellings_of_a_name_are_found(run: OpenRun) -> None:
    run.learn()
    table = units.columns(run, lambda _: "")
    rows = run.shown.values()
    for long, short in run.short.items():
        found = [
            [row for row in rows if Filter.read(f'concept="{name}"', table).passes(row, "")]
            for name in (long, short)
        ]
        assert found[0] == found[1]
        formulas = [
            [row for row in rows if Filter.read(f'formula:"{name} OR"', table).passes(row, "")]
            for name in (long, short)
        ]
        assert formulas[0] == formulas[1]


def test_stored_masking_is_read_and_damage_passed_over(tmp_path: Path) -> None:
    line = '{{"unit": {}, "cluster": {}, "num_ranges": 2, "label_masking": {}}}'
    lines = [line.format(3, 1, 0.5), '{"unit": 3, "clu', '{"unit": 3, }', line.format(33, 0, 0.1)]
    (tmp_path / "masking-0.jsonl").write_text("\n".join([*lines, ""]))
    (tmp_path / "masking-1.jsonl").write_text("{\n")
    problems: list[str] = []
    found = KEPT_MASKING.fullest(tmp_path, problems)
    assert {key: one.label_masking for key, one in found.items()} == {(3, 1): 0.5, (33, 0): 0.1}
    assert [problem.partition(" is damaged")[0][-6:] for problem in problems] == [
        "line 2",
        "line 3",
        "line 1",
    ]


@given(
    st.lists(st.floats(-5, 50, width=32), min_size=1, max_size=60),
    st.integers(10, 90),
)
def test_histogram_counts_every_activation_once(values: list[float], width: int) -> None:
    maps = np.array(values, dtype=np.float32).reshape(1, 1, -1)
    found = count_activations(maps)
    if found is None:
        assert not (maps > 0).any()
        return
    assert found.columns(width).sum() == pytest.approx(maps.size - found.zeros)
    lines = draw_histogram(found, [], None, width, 8).plain.split("\n")
    assert len(lines) == 8
    assert max(map(len, lines)) <= width
    tallest = int(found.columns(width).argmax())
    assert lines[0][tallest] == "█"


def test_columns_of_a_histogram_lie_where_their_values_do() -> None:
    maps = np.array([[[1, 1, 1, 9, 9]]], dtype=np.float32)
    found = count_activations(maps)
    assert found is not None
    assert found.columns(8).round(6).tolist() == [3, 0, 0, 0, 0, 0, 0, 2]
    assert [found.column_of(value, 8) for value in (1.0, 5.0, 9.0, None)] == [0, 4, 7, 0]
    assert found.column_of(None, 8, above=True) == 7


def test_half_blocks_hold_two_pixels_a_cell() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    strips = half_block_strips(pixels)
    assert [strip.cell_length for strip in strips] == [2, 2]
    style = next(iter(strips[1])).style
    assert style is not None
    assert style.color is not None
    assert style.bgcolor is not None
    assert tuple(style.color.triplet or ()) == (12, 13, 14)
    assert tuple(style.bgcolor.triplet or ()) == (18, 19, 20)


@given(st.tuples(st.integers(1, 900), st.integers(1, 900)), st.integers(2, 200), st.integers(1, 90))
def test_pictures_fit_their_cells(shape: tuple[int, int], columns: int, lines: int) -> None:
    height, width = fitted(shape, columns, lines)
    assert height % 2 == 0
    assert 1 <= width <= columns
    assert 2 <= height <= 2 * lines


@given(st.integers(2, 220), st.integers(2, 90))
def test_frames_fit_the_gallery(width: int, height: int) -> None:
    size = fit_grid(width, height)
    assert size.columns * (size.side + 2) - 2 <= max(width, 2)
    assert size.rows * (size.lines + 1) <= max(height, 2)


def _columns(run: OpenRun) -> dict[type[ListView] | None, Sequence[Column]]:
    trial = Trial("", Concept(1), {}, (), ())
    return {
        concepts.ConceptsView: concepts.columns({}, {}),
        compare.CompareView: compare.columns(run, run),
        runs.RunsView: runs.COLUMNS,
        units.UnitsView: units.columns(run, lambda _: ""),
        None: unit.columns(run, trial),
    }


def test_columns_fit_the_width_from_which_they_are_shown(run: OpenRun) -> None:
    for shown in _columns(run).values():
        for width in {71, 80, *(each.min_table_width for each in shown)} - set(range(71)):
            fitting = [each for each in shown if each.width and each.min_table_width <= width]
            assert 1 + sum(column.width + 2 for column in fitting) - 2 <= width


def test_lists_sort_by_columns_that_have_a_value(run: OpenRun) -> None:
    for view, shown in _columns(run).items():
        if view is not None:
            values = {column.key: column.value for column in shown}
            assert view.SORT_KEYS
            assert all(values[key] is not None for key in view.SORT_KEYS)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", [0, 1, 2]),
        ("SKY", [0, 1, 2]),
        ("1", [1]),
        ("iou>0.2", [1, 2]),
        ("iou>=0.2 iou<0.5", [0, 1]),
        ("iou:0.5", [2]),
        ("mcc:0.1", [0]),
        ("unit:0,2", [0, 2]),
        ("range:4", []),
        ("cat:object", [0, 2]),
        ("category:object,part sky", [0, 1, 2]),
        ("concept:se", [0, 1, 2]),
        ("concept=se", []),
        ('concept="sea"', [0, 1, 2]),
        ('"sky and not"', [0, 1, 2]),
        ("iou>", [0, 1, 2]),
        ("sky ocean", []),
    ],
)
def test_filters_take_words_and_comparisons(run: OpenRun, typed: str, found: list[int]) -> None:
    def category(record: ExplanationRecord) -> str:
        return "part" if record.unit == 1 else "object"

    wanted = Filter.read(typed, units.columns(run, category))
    records = [_record(0, 0, 0.2), _record(1, 1, 0.4), _record(2, 2, 0.5)]
    passing = [each.unit for each in records if wanted.passes(each, each.formula or "")]
    assert passing == found
    assert not wanted.problem


def test_filters_say_what_they_do_not_understand_and_mark_what_they_find(run: OpenRun) -> None:
    columns = units.columns(run, lambda _: "")
    assert "No column is called 'likeness': unit" in Filter.read("likeness>1 sky", columns).problem
    assert "iou>0.1" in Filter.read("iou>high", columns).problem
    assert Filter.read("Sky iou>0.1 concept:sea,5 7", columns).marked == ("sky", "sea")


def test_what_the_untrained_network_has_too_is_marked_and_found(run: OpenRun) -> None:
    run.common = {(0, 0)}
    columns = units.columns(run, lambda _: "")
    wanted = Filter.read("untrained:common", columns)
    assert [wanted.passes(_record(0, cluster), "") for cluster in (0, 1)] == [True, False]


def test_operators_and_names_that_add_little_are_dimmed() -> None:
    text = formula_text('sky AND NOT "sea AND air"', dimmed=["sky"])
    assert [text.plain[span.start : span.end] for span in text.spans] == ["AND NOT", "sky"]


def test_rows_without_a_value_come_last_whichever_is_first() -> None:
    rows = [3, None, 1]
    assert sort_rows(rows, lambda row: row, largest_first=True) == [3, 1, None]
    assert sort_rows(rows, lambda row: row, largest_first=False) == [1, 3, None]


def test_thousands_of_rows_are_filtered_and_sorted_at_once(run: OpenRun) -> None:
    draw = random.Random(0)
    records = [_record(unit, cluster, draw.random()) for unit in range(512) for cluster in range(5)]
    columns = units.columns(run, lambda _: "object")
    began = time.thread_time()
    wanted = Filter.read("SKY category:object mcc>0.0001", columns)
    passing = [each for each in records if wanted.passes(each, each.formula or "")]
    found = sort_rows(best_of_units(passing), lambda record: record.mcc, largest_first=True)
    assert time.thread_time() - began < 0.5
    assert len(found) == 512
    ious = [record.iou for record in found]
    assert ious == sorted(ious, reverse=True)
    for best in found[:20]:
        assert best.iou == max(record.iou for record in records if record.unit == best.unit)
