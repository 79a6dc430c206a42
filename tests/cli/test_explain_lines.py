"""What ``ccx explain`` writes, and what it does not do twice."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli import design

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

KEYS = {
    "unit", "layer", "cluster", "num_clusters", "num_ranges", "range", "hits", "formula", "iou",
    "length", "search", "visited", "labels",
}  # fmt: skip
FIRST_FOUR = "results/*/explanations.jsonl"


def stored(ccx: CommandLine) -> list[dict[str, Any]]:
    """The stored lines by unit, each unit's in the order of its clusters."""
    lines = [json.loads(line) for line in ccx.file(FIRST_FOUR).read_text().splitlines()]
    return sorted(lines, key=lambda record: (record["unit"], record["cluster"] or 0))


def test_lines_have_the_documented_keys(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "0-3", "-f", "jsonl", "-q")
    assert (ended.code, ended.err) == (0, "")
    assert [record["unit"] for record in ended.lines] == [u for u in range(4) for _ in range(5)]
    assert [record["cluster"] for record in ended.lines] == 4 * list(range(5))
    for record in ended.lines:
        assert record.keys() >= KEYS
        assert (record["layer"], record["num_clusters"], record["num_ranges"]) == ("layer4", 5, 5)
        lower, upper = record["range"]
        assert lower < upper
        assert 0 < record["iou"] <= 1
        assert 1 <= record["length"] <= 3
        assert record["hits"] > 0
        assert isinstance(record["formula"], str)


def test_jsonl_is_what_is_stored(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "0-3", "-f", "jsonl", "-q")
    assert ended.lines == stored(ccx)
    raw = ccx.file(FIRST_FOUR).read_text().splitlines()
    assert sorted(ended.out.splitlines()) == sorted(raw)


def test_all_formats_tell_the_same(ccx: CommandLine) -> None:
    def told(form: str) -> str:
        return ccx.explain("--units", "1", "-q", "-f", form).out

    lines = [json.loads(line) for line in told("jsonl").splitlines()]
    assert json.loads(told("json")) == lines
    rows = list(csv.DictReader(io.StringIO(told("csv"))))
    for row, line in zip(rows, lines, strict=True):
        assert line.keys() - row.keys() == {"range", "labels"}
        assert row["formula"] == line["formula"]
        assert float(row["iou"]) == line["iou"]
        assert [float(row["range_low"]), float(row["range_high"])] == line["range"]
        assert row["by_length"].split("; ") == [level["formula"] for level in line["by_length"]]
    table = ccx.explain("--units", "1", "-q", "--simplest", "0", "--sort", "unit").out.splitlines()
    assert len(table) == 1 + 3 + len(lines) + 1
    for shown, line in zip(table[4:], lines, strict=False):
        assert line["formula"].replace("-c", "").replace("-s", "") in shown
        for key in ("iou", "mcc", "lift"):
            assert design.measure(key, line[key]) in shown
        assert f"{line['hits']:,}" in shown


def test_the_table_leads_with_what_is_most_surprising(ccx: CommandLine) -> None:
    words = ("--units", "1-4")
    lines = ccx.explain(*words, "-q", "-f", "jsonl").lines

    def column(number: int, *more: str) -> list[str]:
        rows = ccx.explain(*words, "-q", "--all", *more).out.splitlines()[4:-1]
        return [row.split("│")[number].strip() for row in rows]

    mccs = [float(mcc.replace("−", "-")) for mcc in column(5, "--simplest", "0")]
    assert mccs == sorted((round(line["mcc"], 3) for line in lines), reverse=True)
    ious = column(7, "--simplest", "0", "--sort", "iou")
    assert ious == [f"{iou:.4f}" for iou in sorted((line["iou"] for line in lines), reverse=True)]
    for iou, best in zip(column(7, "--sort", "unit"), lines, strict=True):
        assert 0.99 * best["iou"] <= float(iou) + 5e-5
    shorter = " ".join(column(4)), " ".join(column(4, "--simplest", "0"))
    assert len(shorter[0]) < len(shorter[1])
    ended = ccx.explain(*words, "--simplest", "20 parts")
    assert (ended.code, ended.err) == (
        2,
        "Error: --simplest 20 parts is not a share below 1, such as 1% or 0.01.\n",
    )


def test_the_end_says_what_the_units_respond_to(ccx: CommandLine) -> None:
    err = ccx.explain("--units", "1-4").err
    said = [line for line in err.splitlines() if line.startswith("Unit ")]
    assert len(said) == 3
    assert all(" times chance)" in line for line in said)
    assert "Unit " not in ccx.explain("--units", "1-4", "-f", "jsonl").err


def test_people_read_a_headline_and_the_twelve_best(ccx: CommandLine) -> None:
    lines = ccx.explain("--units", "0-3", "-q", "-f", "jsonl").lines
    found = [line["iou"] for line in lines if line["formula"]]
    mean = f"IoU {sum(found) / len(found):.4f} on average, {max(found):.4f} at best."
    headline = f"4 units of layer4, {len(found)} of {len(lines)} ranges explained; {mean}"
    whole = ccx.explain("--units", "0-3", "-q", "--simplest", "0", "--all").out.splitlines()
    best = ccx.explain("--units", "0-3", "-q", "--simplest", "0").out.splitlines()
    assert whole[0] == best[0] == headline
    assert best[1] == "The first 12 by MCC; --all shows all."
    assert [line.split("│")[1:3] for line in best[5:-1]] == [
        line.split("│")[1:3] for line in whole[4:16]
    ]
    assert len(whole) == 4 + len(lines) + 1


def test_a_table_is_not_wrapped_where_there_is_no_terminal(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = ccx.explain("--units", "0-3", "--all", "-q").out
    assert len({len(line) for line in out.splitlines()[1:]}) == 1
    assert "\x1b" not in out
    assert not re.search(r"\S…", out)


def test_one_range_has_an_open_end(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "2", "--num-clusters", "1", "--quantile", "0.1", "-f", "jsonl")
    (record,) = ended.lines
    assert record["range"][1] is None
    assert record["num_clusters"] == record["num_ranges"] == 1
    assert "… ∞ " in ccx.explain("--units", "2", "--num-clusters", "1", "--quantile", "0.1").out


def test_ranges_by_hand(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "2", "--ranges", "0.001:inf,-1:0.0005", "-f", "jsonl")
    assert [record["range"] for record in ended.lines] == [[-1.0, 0.0005], [0.001, None]]
    assert [record["cluster"] for record in ended.lines] == [0, 1]
    assert {record["num_clusters"] for record in ended.lines} == {2}
    assert all(record["hits"] > 0 for record in ended.lines)


def test_a_range_that_no_pixel_is_in(ccx: CommandLine) -> None:
    (record,) = ccx.explain("--units", "2", "--ranges", "-2:-1", "-f", "jsonl").lines
    assert (record["hits"], record["formula"], record["iou"], record["length"]) == (0, None, 0.0, 0)
    assert ccx.explain("--units", "2", "--ranges", "-2:-1").code == 0


def test_random_units_are_the_published_programs(ccx: CommandLine) -> None:
    ended = ccx.explain("--random-units", "3", "--seed", "0", "-f", "jsonl", "-q")
    drawn = sorted(random.Random(0).sample(range(48), 3))
    assert sorted({record["unit"] for record in ended.lines}) == drawn


def test_the_seed_of_an_untrained_network_is_part_of_what_is_kept(ccx: CommandLine) -> None:
    one = ccx.explain("--units", "2", "-f", "jsonl").lines
    other = ccx.explain("--units", "2", "-f", "jsonl", "--seed", "1").lines
    assert [record["range"] for record in one] != [record["range"] for record in other]
    assert len(ccx.files("activations/*")) == 2


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_number_of_workers_changes_nothing(workers: str, fresh: CommandLine) -> None:
    ended = fresh.explain("--units", "0-7", "-f", "jsonl", "--workers", workers)
    assert ended.out == fresh.explain("--units", "0-7", "-f", "jsonl").out
    assert ended.lines == stored(fresh)


def test_notes_go_to_stderr_and_name_where_results_are(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "4", "-f", "jsonl")
    assert len(ended.lines) == 5
    assert f"1 of 48 units explained; stored in {ccx.file('results/*')}" in ended.err
    last = ended.err.splitlines()[-1]
    # The data directory was named on this line, so it is again; the last run needs no name.
    assert last.startswith(f"Next: ccx tui --data-dir {ccx.data}, or ccx render --html ")
    assert "Explanations: 1 of 1 units, " in ended.err
    assert "\x1b" not in ended.err


class TestOutputFile:
    def test_data_goes_to_the_file_alone(self, ccx: CommandLine, tmp_path: Path) -> None:
        path = tmp_path / "new" / "lines.jsonl"
        ended = ccx.explain("--units", "0", "-f", "jsonl", "-o", str(path))
        assert (ended.code, ended.out) == (0, "")
        assert path.read_text() == ccx.explain("--units", "0", "-f", "jsonl").out

    def test_nothing_is_overwritten_without_force(self, ccx: CommandLine, tmp_path: Path) -> None:
        path = tmp_path / "kept.csv"
        path.write_text("mine\n")
        ended = ccx.explain("--units", "0", "-f", "csv", "-o", str(path))
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"Error: {path} exists: add --force to overwrite it.\n"
        assert path.read_text() == "mine\n"
        assert ccx.explain("--units", "0", "-f", "csv", "-o", str(path), "--force").code == 0
        assert path.read_text().startswith("unit,layer,cluster,")

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_a_pipe_is_written_into(
        self, force: list[str], ccx: CommandLine, tmp_path: Path
    ) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            ended = ccx.explain("--units", "0", "-f", "csv", "-q", "-o", str(path), *force)
            read = os.read(reading, 100_000).decode()
        finally:
            os.close(reading)
        assert (ended.code, ended.err) == (0, "")
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert read == ccx.explain("--units", "0", "-f", "csv", "-q").out

    def test_a_directory_is_no_file(self, ccx: CommandLine, tmp_path: Path) -> None:
        ended = ccx.explain("--units", "0", "-o", str(tmp_path), "--force")
        assert ended.code == 2
        assert ended.err == f"Error: --output {tmp_path} is a directory: name a file.\n"

    def test_a_place_that_cannot_be_is_refused_before_any_work(
        self, unused: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        ended = unused.explain("-o", str(tmp_path / "file" / "lines"))
        assert ended.code == 2
        assert ended.err == (
            f"Error: --output {tmp_path}/file/lines: no file can be written in {tmp_path}/file, "
            "name another directory.\n"
        )

    def test_after_an_error_the_file_is_as_it_was(self, ccx: CommandLine, tmp_path: Path) -> None:
        path = tmp_path / "kept.csv"
        path.write_text("mine\n")
        assert ccx.explain("--units", "99", "-o", str(path), "--force").code == 2
        assert path.read_text() == "mine\n"
        assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "kept.csv"]


class TestResume:
    def test_finished_units_are_not_explained_again(self, ccx: CommandLine) -> None:
        before = ccx.file(FIRST_FOUR).read_bytes()
        ended = ccx.explain("--units", "0-7", "-f", "jsonl")
        after = ccx.file(FIRST_FOUR).read_bytes()
        assert after.startswith(before)
        assert len(after.splitlines()) == 8 * 5
        assert ended.lines == stored(ccx)
        assert "Explanations: 8 of 8 units" in ended.err

    def test_nothing_is_written_when_all_is_there(self, ccx: CommandLine) -> None:
        def state() -> dict[Path, tuple[int, int]]:
            kept = (path.stat() for path in ccx.files("**/*.*") if path.is_file())
            files = [path for path in ccx.files("**/*.*") if path.is_file()]
            return {f: (s.st_mtime_ns, s.st_size) for f, s in zip(files, kept, strict=True)}

        before = state()
        assert ccx.explain("--units", "0-3").code == 0
        assert state() == before

    @pytest.mark.parametrize("lost", [1, 40, 700])
    def test_a_torn_end_is_mended(self, lost: int, ccx: CommandLine) -> None:
        whole = ccx.explain("--units", "0-3", "-f", "jsonl").out
        path = ccx.file(FIRST_FOUR)
        path.write_bytes(path.read_bytes()[:-lost])
        ended = ccx.explain("--units", "0-3", "-f", "jsonl")
        assert (ended.code, ended.out) == (0, whole)
        assert ccx.explain("--units", "0-3", "-f", "jsonl").out == whole
        assert {record["unit"] for record in stored(ccx)} == {0, 1, 2, 3}

    def test_a_damaged_line_is_named(self, ccx: CommandLine) -> None:
        path = ccx.file(FIRST_FOUR)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:2], b"noise\n", *lines[3:]]))
        ended = ccx.explain("--units", "0-3")
        assert ended.code == 4
        assert ended.err == (
            f"Error: {path}, line 3 is damaged (JSON is malformed: invalid character (byte 4)): "
            "delete that line and run the command again, which computes its unit again.\n"
        )
        path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
        assert ccx.explain("--units", "0-3").code == 0

    def test_the_header_tells_how_the_lines_were_made(self, ccx: CommandLine) -> None:
        ccx.explain("--units", "5")
        header = json.loads(ccx.file("results/*/header.json").read_text())
        assert header["about"]["subset"] == "tiny"
        assert [session["units"] for session in header["sessions"]] == [4, 1]
        commands = [session["command"] for session in header["sessions"]]
        assert commands[0].startswith("ccx explain --model demo --pretrained none --subset tiny")
        assert commands[1].endswith(f"--units 5 --data-dir {ccx.data}")


def test_roots_given_on_their_own_win(
    ccx: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCX_ROOT_RESULTS", str(tmp_path / "from-environment"))
    monkeypatch.setenv("CCX_ROOT_SEGMENTATIONS", str(tmp_path / "segments"))
    given = ["--root-results", str(tmp_path / "given")]
    assert ccx("explain", *ON_TINY, "--units", "0", *given).code == 0
    assert len(list((tmp_path / "given").iterdir())) == 1
    assert len(list((tmp_path / "segments").iterdir())) == 1
    assert not (tmp_path / "from-environment").exists()
