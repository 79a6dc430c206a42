from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.study.masked_formulas import MaskedRun

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, cells
    from tests.cli.tiny_set import Picture, draw_pictures, write_set
else:
    from command_line import CommandLine, cells
    from tiny_set import Picture, draw_pictures, write_set

ONE_AT_A_TIME = """
from torch import nn


class Alone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 8, 16)

    def forward(self, images):
        return self.conv(images.reshape(1, 3, 224, 224))
"""
ABLATE = ("ablate", "--images", "2")
QUIET = ("-f", "jsonl", "-q")
MEASURES = ("peak", "mean", "in_range", "probability", "flipped")


def _kinds(lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ranges, means = ([one for one in lines if one["kind"] == kind] for kind in ("range", "layer"))
    return ranges, means


def test_every_explanation_has_a_line_and_the_layer_follows(ccx: CommandLine) -> None:
    explained = [line for line in ccx.explain(*QUIET, "--units", "0-3").lines if line["formula"]]
    ended = ccx(*ABLATE, *QUIET)
    assert (ended.code, ended.err) == (0, "")
    ranges, means = _kinds(ended.lines)
    assert ended.lines == [*ranges, *means]
    for ours, theirs in zip(ranges, explained, strict=True):
        for key in ("unit", "cluster", "num_ranges", "range", "formula"):
            assert ours[key] == theirs[key]
        assert 1 <= ours["images"] <= 2
        assert 0 <= ours["controlled"] <= ours["images"]
        for measure in MEASURES:
            change = ours[measure]
            assert (change["control"] is None) == (ours["controlled"] == 0)
            if change["p"] is not None:
                assert change["p"] <= change["q"] <= 1
        assert 0 <= ours["probability"]["whole"] <= 1
        assert ours["flipped"]["whole"] == 0
    clusters = {one["cluster"] for one in ranges}
    assert [one["cluster"] for one in means] == [*sorted(clusters, reverse=True), None]
    assert means[-1]["ranges"] == len(ranges)


def test_what_was_kept_is_not_measured_again(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ccx(*ABLATE, *QUIET)
    (file,) = ccx.files("results/*/ablation-*.jsonl")
    whole = file.read_bytes()
    monkeypatch.setattr(MaskedRun, "_run", None)
    again = ccx(*ABLATE, *QUIET)
    assert again.out == first.out
    assert file.read_bytes() == whole
    steps = ccx(*ABLATE, "--dry-run", *QUIET).lines
    (step,) = [one for one in steps if one["step"] == "ablation"]
    assert (step["state"], step["path"]) == ("there", str(file))


@pytest.mark.slow
@pytest.mark.parametrize("fill", ["mean", "noise", "blur"])
def test_a_kill_in_the_middle_changes_nothing(fill: str, ccx: CommandLine) -> None:
    words = (*ABLATE, "--fill", fill, "--batch-size", "16", *QUIET)
    first = ccx(*words)
    (file,) = ccx.files("results/*/ablation-*.jsonl")
    whole = file.read_bytes()
    for length in (0, 40, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert ccx(*words).out == first.out
        assert sorted(file.read_bytes().splitlines()) == sorted(whole.splitlines())


@pytest.mark.slow
def test_fills_seeds_and_images_are_kept_apart(ccx: CommandLine) -> None:
    asked: tuple[list[str], ...] = (
        [],
        ["--fill", "blur"],
        ["--fill", "noise"],
        ["--seed", "1"],
        ["--images", "1"],
    )
    found = [ccx(*ABLATE, *words, *QUIET).out for words in asked]
    assert len(set(found)) == len(asked)
    assert len(ccx.files("results/*/ablation-*.jsonl")) == len(asked)
    assert [ccx(*ABLATE, *words, *QUIET).out for words in asked] == found


@pytest.mark.slow
def test_the_batch_size_changes_nothing_but_rounding(ccx: CommandLine) -> None:
    first, _ = _kinds(ccx(*ABLATE, *QUIET).lines)
    ccx.file("results/*/ablation-*.jsonl").unlink()
    other, _ = _kinds(ccx(*ABLATE, "--batch-size", "1", *QUIET).lines)
    for one, two in zip(first, other, strict=True):
        for measure in ("peak", "mean", "probability"):
            for key in ("whole", "formula", "rest"):
                # Convolutions of other batch sizes sum in another order.
                assert one[measure][key] == pytest.approx(two[measure][key], rel=1e-3, abs=1e-4)


def test_a_network_may_take_one_image_at_a_time_and_have_no_classes(
    fresh: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "nets.py"
    file.write_text(ONE_AT_A_TIME)
    own = ["--model", f"{file}:Alone", "--pretrained", "none", "--subset", "tiny"]
    one = ["--batch-size", "1"]
    assert fresh("explain", *own, "--layer", "conv", *one, "-q").code == 0
    ended = fresh(*ABLATE, *one, "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert "The network gives no class scores: only activations are measured." in ended.err
    ranges, means = _kinds(ended.lines)
    assert {(line["probability"], line["flipped"]) for line in [*ranges, *means]} == {(None, None)}
    assert all(line["peak"] for line in ranges)
    assert fresh(*ABLATE, *one, "-q").code == 0
    assert fresh("metrics", "--masking-images", "2", *one, "-q").code == 0
    refused = fresh("ablate", "--images", "1", "--units", "0", "-q")
    assert refused.code == 1
    assert "if it takes one image at a time, add --batch-size 1" in refused.err


def test_the_table_says_what_it_shows(ccx: CommandLine) -> None:
    ended = ccx(*ABLATE, "--units", "1")
    assert ended.out.startswith("Mean changes of the unit's largest activation (peak)")
    assert "Means over units" in ended.out
    assert "Next: ccx render" in ended.err
    assert "No difference is significant with 2 images per formula: --images 6" in ended.err
    ranges, _ = _kinds(ccx(*ABLATE, "--units", "1", *QUIET).lines)
    rows = [row for row in cells(ended.out) if row[0] == "1" and len(row) > 18]
    assert [row[1] for row in rows] == [str(one["cluster"]) for one in ranges]
    peak = ranges[-1]["peak"]
    assert rows[-1][4] == f"{peak['formula'] / peak['whole']:+.1%}".replace("-", "−")
    read = list(csv.DictReader(io.StringIO(ccx(*ABLATE, "--units", "1", "-q", "-f", "csv").out)))
    assert [row["formula"] for row in read][: len(ranges)] == [one["formula"] for one in ranges]


def test_the_report_shows_it(ccx: CommandLine, tmp_path: Path) -> None:
    ranges, _ = _kinds(ccx(*ABLATE, *QUIET).lines)
    page = tmp_path / "page.html"
    assert ccx("render", "--html", str(page), "--top-k", "1", "-q").code == 0
    text = page.read_text(encoding="utf-8")
    assert '"Ablation of the input"' in text
    assert '"Peak, formula masked"' in text
    peak = ranges[0]["peak"]
    assert json.dumps(peak["formula"] / peak["whole"])[:8] in text


def test_a_methods_section_says_what_was_masked(ccx: CommandLine) -> None:
    assert "masked" not in ccx("info", "--methods").out
    ranges, _ = _kinds(ccx("ablate", "--images", "3", "--fill", "noise", *QUIET).lines)
    text = " ".join(ccx("info", "--methods").out.split())
    assert f"For {len(ranges):,} ranges, the pixels of the formula were masked in the input" in text
    assert "in at most 3 images each, with noise with the mean" in text
    lower = [
        one["peak"]["q"] <= 0.05 and one["peak"]["difference"] < 0
        for one in ranges
        if one["peak"]["p"] is not None
    ]
    assert f"in {sum(lower):,} of {len(lower):,} ranges masking the formula lowers it" in text
    assert "Visualizing and Understanding Convolutional Networks" in text
    bibtex = ccx("info", "--bibtex").out
    assert bibtex.count("@inproceedings{zeiler2014visualizing,") == 1


def test_without_any_formula_there_is_nothing_to_mask(unused: CommandLine) -> None:
    pictures = [Picture(picture.pixels) for picture in draw_pictures(2)]
    write_set(unused.data / "datasets", pictures)
    assert unused.explain("--units", "0-2", "-q").code == 0
    ended = unused(*ABLATE, "-f", "jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert "No unit has a formula to mask." in ended.err
    assert unused(*ABLATE).code == 0


def test_skipped_ranges_soft_objectives_and_one_image(fresh: CommandLine) -> None:
    for words in (["--skip-zero-range"], ["--objective", "soft-iou"]):
        lines = fresh.explain("--units", "0-1", *words, *QUIET).lines
        ranges, _ = _kinds(fresh("ablate", "--images", "1", *QUIET).lines)
        assert len(ranges) == sum(line["formula"] is not None for line in lines)
        assert all(one["images"] == 1 for one in ranges)
        assert all(one["peak"]["difference_interval"] is None for one in ranges)
