from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from ccx_cli.cli.commands.study import MetricsSort
from ccx_cli.records.metrics import METRICS

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, cells
else:
    from command_line import CommandLine, cells

QUIET = ("-q", "--format", "jsonl")


def test_metrics_of_a_run_agree_with_its_explanations(ccx: CommandLine) -> None:
    explained = ccx.explain("--units", "0-3", *QUIET).lines
    lines = ccx("metrics", "--no-label-masking", *QUIET).lines
    measured = [line for line in lines if line["unit"] is not None]
    for ours, theirs in zip(measured, explained, strict=True):
        assert (ours["unit"], ours["cluster"]) == (theirs["unit"], theirs["cluster"])
        if theirs["formula"] is not None:
            assert ours["iou"] == theirs["iou"]
            assert ours["f1"] == theirs["f1"]
            for key in ("pearson", "cosine"):
                assert ours[key] == pytest.approx(theirs[key], rel=0, abs=1e-5)
        else:
            assert ours["iou"] is None or ours["iou"] == 0
    summary = [line for line in lines if line["unit"] is None]
    assert {line["statistic"] for line in summary} == {"mean", "deviation"}
    total = next(s for s in summary if s["cluster"] is None and s["statistic"] == "mean")
    ious = [line["iou"] for line in measured if line["iou"] is not None]
    assert total["iou"] == pytest.approx(sum(ious) / len(ious))


def test_every_order_of_the_table(ccx: CommandLine) -> None:
    keys = get_args(MetricsSort)
    assert set(keys) <= {"hits", "length", "unit", *(metric.key for metric in METRICS)}
    ccx.explain("--units", "0-3", "-q")
    lines = ccx("metrics", *QUIET).lines
    measured = [line for line in lines if line["unit"] is not None]
    for key in keys:
        ended = ccx("metrics", "--sort", key, "-q")
        assert ended.code == 0
        values = {(str(line["unit"]), str(line["cluster"])): line.get(key) for line in measured}
        shown = [values[row[0], row[1]] for row in cells(ended.out) if tuple(row[:2]) in values]
        known = [value for value in shown if value is not None]
        assert len(shown) >= len(known) > 0 or key == "length"
        assert known == sorted(known, reverse=key != "unit")
        assert shown[: len(known)] == known


def test_what_is_measured_is_kept(ccx: CommandLine) -> None:
    first = ccx("metrics", "--label-masking", *QUIET)
    assert first.code == 0
    assert any(line.get("label_masking") is not None for line in first.lines)
    for cache in ("activations/*", "segmentations/*"):
        for directory in ccx.files(cache):
            for shard in directory.glob("images-*.h5"):
                shard.write_bytes(b"")
    # Nothing but the concept index is read again, and that only for what masking would take.
    kept = ccx("metrics", *QUIET)
    assert kept.code == 0
    # Older command lines and settings may say so.
    assert ccx("metrics", "--label-masking", "--no-label-masking", *QUIET).lines == kept.lines
    plain = [{k: v for k, v in line.items() if k != "label_masking"} for line in first.lines]
    assert kept.lines == plain


@pytest.mark.parametrize(
    "words",
    [
        ("metrics", "--masking-images", "1", "--null", "2"),
        ("stability", "--resamples", "3"),
        ("simulate", "--shuffles", "2"),
        ("ablate", "--images", "1"),
    ],
    ids=lambda words: words[0],
)
def test_a_run_that_cannot_be_written_is_studied(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    words = (*words, "--units", "0-1", "-f", "jsonl")
    if words[0] == "metrics":
        assert ccx("metrics", "--no-label-masking", "-q").code == 0
    before = {path: path.read_bytes() for path in ccx.files("results/*/*")}
    # Tests may be run by root, who may write anywhere.
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "results" not in str(path) and access(path, mode)
    )
    ended = ccx(*words)
    assert (ended.code, "not kept" in ended.err, "cannot be written" in ended.err) == (
        0,
        True,
        True,
    )
    assert {path: path.read_bytes() for path in ccx.files("results/*/*")} == before
    monkeypatch.undo()
    again = ccx(*words)
    assert (again.out, "not kept" in again.err) == (ended.out, False)


def test_lines_that_lack_a_metric_are_measured_again(ccx: CommandLine) -> None:
    first = ccx("metrics", "--no-label-masking", *QUIET)
    (file,) = ccx.files("results/*/metrics-*.jsonl")
    whole = file.read_text().splitlines()
    lines = [json.loads(text) for text in whole]
    of_unit = [line for line in lines if line["unit"] == 1]
    for line in of_unit:
        del line["overlap_size"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan = ccx("metrics", "--no-label-masking", "--dry-run", *QUIET).lines
    assert [(step["total"], step["done"]) for step in plan if step["step"] == "metrics"] == [(4, 3)]
    again = ccx("metrics", "--no-label-masking", *QUIET)
    assert (again.code, again.lines) == (0, first.lines)
    appended = file.read_text().splitlines()[len(whole) :]
    assert appended == [text for text in whole if json.loads(text)["unit"] == 1]


def test_seeds_sample_and_interval(ccx: CommandLine) -> None:
    def masking(*options: str) -> list[float | None]:
        lines = ccx("metrics", "--label-masking", *options, *QUIET).lines
        return [line["label_masking"] for line in lines if line["unit"] is not None]

    assert masking("--seed", "1") == masking("--seed", "1")
    assert masking("--seed", "1") != masking("--seed", "2")
    assert masking("--masking-images", "1") != masking()
    for line in ccx("metrics", "--no-label-masking", "--bootstrap", "50", *QUIET).lines:
        interval = line.get("iou_interval")
        if interval is not None:
            assert interval[0] <= line["iou"] <= interval[1]


def test_the_null_counts_the_search(ccx: CommandLine) -> None:
    lines = ccx("metrics", "--no-label-masking", "--null", "4", "--units", "1", *QUIET).lines
    for line in lines:
        if line["unit"] is None:
            continue
        assert 1 / 5 <= line["p_value"] <= line["q_value"] <= 1
        assert line["null_mean"] >= 0
    (file,) = ccx.files("results/*/null-*.jsonl")
    stored = [json.loads(text) for text in file.read_text().splitlines()]
    assert all(len(line["null_ious"]) == 4 for line in stored)
    again = ccx("metrics", "--no-label-masking", "--null", "4", "--units", "1", *QUIET).lines
    assert again == lines


def test_how_many_ranges_exceed_chance_is_said(ccx: CommandLine) -> None:
    words = ("metrics", "--no-label-masking", "--units", "1")
    assert "4 permutations of the images are too few" in ccx(*words, "--null", "4").out
    measured = ccx(*words, "--null", "19").out
    (exceeding, of) = re.findall(r"^(\d) of (\d) ranges exceed chance", measured, re.M)[0]
    noted = ccx(*words, "--null", "19", "-f", "jsonl").err
    assert f"{exceeding} of {of} ranges exceed chance" in noted
    for said in (ccx("summary").out, ccx("summary", "-f", "jsonl").err):
        assert re.search(rf"^{exceeding} of the {of} ranges \(of \d+\) whose null", said, re.M)
    (found,) = ccx("info", "-f", "jsonl").lines
    assert found["found"]["chance"]["exceeding"] == int(exceeding)


def test_the_tables_of_a_null_have_one_order(ccx: CommandLine) -> None:
    words = ("--null", "3", "--bootstrap", "5", "--units", "0-1", "-q")
    out = ccx("metrics", *words).out
    assert out.startswith("Metrics of the stored formulas.\n")
    rows = cells(out)
    wide = [row for row in rows if len(row) > 12]
    narrow = [row for row in rows if len(row) < 12]
    assert [row[:2] for row in narrow] == [row[:2] for row in wide if row[0].isdigit()]
    assert all(any(cell != "–" for cell in row[6:]) for row in rows)
    assert all((row[2] != "–") == row[0].isdigit() for row in rows)
    assert {row[0] for row in wide} == {"0", "1", "mean", "std. dev."}
    assert all(len(end) == 6 for row in narrow for end in row[5:])
    intervals = [row[6] for row in wide if row[6] != "–"]
    assert intervals
    assert all(re.fullmatch(r"0\.\d{4} … 0\.\d{4}", each) for each in intervals)


def test_a_run_on_one_split_is_scored_on_the_other(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "1", "--split", "train", *QUIET)
    assert ended.code == 2
    assert "--split train leaves no images to search or none to score on" in ended.err


def test_importance_per_cluster_and_per_unit(ccx: CommandLine) -> None:
    clusters = ccx("importance", *QUIET).lines
    assert [line["cluster"] for line in clusters] == list(range(len(clusters)))
    for line in clusters:
        assert line["images"] == 6
        assert line["share"] == line["changed"] / 6
        assert 0 <= line["changed_at_random"] <= 6
    units = ccx("importance", "--per", "unit", "--units", "1", *QUIET).lines
    assert {line["unit"] for line in units} == {1}
    assert all(line["changed"] <= line["images"] <= 6 for line in units)
    assert ccx("importance", "-q").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("metrics", "nothing"), 3, "There is no run nothing in "),
        (("importance", "nothing"), 3, "There is no run nothing in "),
        (("metrics", "--units", "40"), 2, "--units 40 goes past the end of the run "),
        (("metrics", "--units", "1", "--random-units", "2"), 2, "--units and --random-units"),
        (("metrics", "--random-units", "9"), 2, "--random-units 9 is more than the 4 units of"),
        (("metrics", "--null", "-1"), 2, "Invalid value for '--null'"),
    ],
)
def test_bad_input(ccx: CommandLine, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    ended = ccx(*arguments, "-q")
    assert ended.code == code
    assert ended.err.startswith(f"Error: {sentence}")
    assert len(ended.err.splitlines()) == 1


def test_without_results_the_way_to_some_is_told(unused: CommandLine) -> None:
    ended = unused("metrics")
    assert ended.code == 3
    assert "make some with `ccx explain`, or with `ccx demo`" in ended.err


def test_a_header_without_what_is_needed_is_named(ccx: CommandLine) -> None:
    path = ccx.file("results/*/header.json")
    header = json.loads(path.read_text())
    del header["about"]["weights"]
    path.write_text(json.dumps(header))
    ended = ccx("metrics", "-q")
    assert ended.code == 4
    assert str(path) in ended.err
    assert "run `ccx explain` again" in ended.err


def test_gone_caches_are_named_with_what_makes_them(fresh: CommandLine) -> None:
    fresh.explain("--units", "1", "-q")
    assert fresh("cache", "clear", "--yes", "-q").code == 0
    ended = fresh("metrics", "--no-label-masking", "-q")
    assert ended.code == 3
    assert "ccx cache build" in ended.err


def test_a_moved_data_directory_is_opened_where_it_is_now(
    ccx: CommandLine, tiny_data: Path
) -> None:
    for file in ccx.files("segmentations/*/images-*.h5"):
        file.write_bytes(b"")
    ended = ccx("metrics", "--no-label-masking", "-q")
    assert ended.code == 4
    assert str(ccx.data) in ended.err
    assert str(tiny_data) not in ended.err.split("`")[0]


def test_roles_name_what_units_speak_for(ccx: CommandLine, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("field\n" + "".join(f"class{n}\n" for n in range(1, 365)))
    plot = tmp_path / "roles.svg"
    ended = ccx("roles", "--class-names", str(names), "--plot", str(plot), *QUIET)
    assert ended.code == 0
    assert ended.lines
    for line in ended.lines:
        assert 0 <= line["labelled"] <= line["images"] <= 6
        assert all(each["class"].startswith(("field", "class")) for each in line["classes"])
    assert plot.read_bytes().startswith(b"<?xml")
    again = ccx("roles", "--plot", str(plot), "-q")
    assert again.err == f"Error: {plot} exists: add --force to overwrite it.\n"
    unknown = ccx("roles", "--plot", str(tmp_path / "other.svg"), "-q")
    assert unknown.code == 2
    assert "--plot draws accuracies, but the true class of no image is known" in unknown.err
    (tmp_path / "folder.svg").mkdir()
    folder = ccx("roles", "--plot", str(tmp_path / "folder.svg"), "-q")
    assert folder.err == f"Error: --plot {tmp_path}/folder.svg is a directory: name a file.\n"
    names.write_text("one\ntwo\n")
    few = ccx("roles", "--class-names", str(names), "-q")
    assert few.code == 2
    assert few.err.startswith("Error: There are 2 class names for 365 classes")
