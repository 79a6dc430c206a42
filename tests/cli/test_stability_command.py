from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ccx_cli.runs.answers import KEPT_STABILITY
from ccx_cli.runs.run import Run

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, cells
else:
    from command_line import CommandLine, cells

QUIET = ("-q", "--format", "jsonl")


def test_the_stability_of_a_run_is_shown_wherever_its_formulas_are(ccx: CommandLine) -> None:
    explained = ccx.explain("--units", "0-3", *QUIET).lines
    ended = ccx("stability", "--resamples", "8", "-f", "jsonl")
    assert ended.code == 0
    assert "resamples" in ended.err
    assert [(line["unit"], line["cluster"], line["formula"]) for line in ended.lines] == [
        (line["unit"], line["cluster"], line["formula"]) for line in explained
    ]
    for line in ended.lines:
        if line["formula"] is not None:
            assert line["same"] <= line["equivalent"] <= 1
            low, high = line["out_of_bag_interval"]
            assert low <= line["out_of_bag_iou"] <= high
    rows = cells(ccx("stability", "--resamples", "8", "-q").out)
    assert [row[:2] for row in rows] == [
        [str(line["unit"]), "–" if line["cluster"] is None else str(line["cluster"])]
        for line in ended.lines
    ]
    assert "bootstrap samples of the images" in ccx("info", "--methods").out
    assert "meinshausen2010stability" in ccx("info", "--bibtex").out
    table = ccx("render", "--format", "latex", "-q").out
    assert r" & Lift & Stability \\" in table
    assert "stability is the share of 8 bootstrap samples" in table
    assert ccx("render", "--html", str(ccx.data / "report"), "-q").code == 0
    page = (ccx.data / "report" / "index.html").read_text()
    assert '"key":"equivalent","title":"Stability"' in page
    (study,) = (each for each in ccx("info", *QUIET).lines[0]["studies"])
    assert (study["study"], study["units"]) == ("stability", 4)


def test_the_fullest_file_counts_and_damaged_lines_do_not(ccx: CommandLine) -> None:
    for resamples, units in (("9", "0-1"), ("4", "0-3"), ("6", "0-3")):
        assert ccx("stability", "--resamples", resamples, "--units", units, "-q").code == 0
    directory = ccx.file("results/*")
    records = list(Run(directory).records)
    kept = KEPT_STABILITY.of_formulas(directory, records)
    assert {one.resamples for one in kept.values()} == {6}
    for path in directory.glob("stability-*.jsonl"):
        path.write_text("{\n" + path.read_text())
    assert KEPT_STABILITY.of_formulas(directory, records) == kept
    assert ccx("render", "--format", "latex", "-q").code == 0
    again = ccx("stability", "--resamples", "6")
    assert (again.code, again.out) == (4, "")
    assert "line 1 is damaged" in again.err


def test_workers_seeds_and_dry_run(ccx: CommandLine) -> None:
    words = ("stability", "--resamples", "5", *QUIET)
    (step,) = (each for each in ccx(*words, "--dry-run").lines if each["step"] == "stability")
    assert (step["state"], step["total"]) == ("to do", 4)
    assert step["seconds"] > 0
    assert not ccx.files("results/*/stability-*")
    first = ccx(*words, "--workers", "1").out
    (path,) = ccx.files("results/*/stability-*")
    path.unlink()
    assert ccx(*words, "--workers", "3").out == first
    (step,) = (each for each in ccx(*words, "--dry-run").lines if each["step"] == "stability")
    assert step["state"] == "there"
    assert ccx(*words, "--seed", "1").out != first
    assert len(ccx.files("results/*/stability-*")) == 2


@pytest.mark.parametrize("options", [("--split", "train"), ("--skip-zero-range",), ("--ties",)])
def test_runs_of_a_part_of_the_images_or_ranges(
    fresh: CommandLine, options: tuple[str, ...]
) -> None:
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text(index.read_text("utf-8").replace(",val,", ",train,", 3), "utf-8")
    explained = fresh.explain("--units", "0-2", *options, *QUIET).lines
    ended = fresh("stability", "--resamples", "4", *QUIET)
    assert ended.code == 0, ended.err
    for line, found in zip(ended.lines, explained, strict=True):
        assert (line["formula"], line["hits"]) == (found["formula"], found["hits"])
        assert (line["equivalent"] is None) == (found["formula"] is None)
    images = "those images" if "--split" in options else "the images"
    assert f"4 bootstrap samples of {images}:" in fresh("info", "--methods").out


def test_what_has_no_stability_is_refused(fresh: CommandLine) -> None:
    soft = fresh.explain("--units", "0", "--objective", "soft-iou", "-q")
    assert soft.code == 0
    ended = fresh("stability")
    assert (ended.code, ended.out) == (2, "")
    assert "was searched by soft-iou, of no range" in ended.err
    assert fresh("stability", "--resamples", "1").code == 2
