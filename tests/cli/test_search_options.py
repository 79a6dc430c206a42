from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

ONE = ("--units", "1", "-q", "--format", "jsonl")


def test_the_default_search_proves_its_answers(ccx: CommandLine) -> None:
    ended = ccx.explain(*ONE)
    assert ended.code == 0
    for line in ended.lines:
        assert line["search"] == "optimal"
        assert line["proven"] is True
        assert line["bound"] == line["score"] == line["iou"]
        assert line["gap"] == 0
        assert line["ties"] >= 1
        assert [level["length"] for level in line["by_length"]] == [1, 2, 3]
        assert sum(level["adds"] for level in line["by_length"]) == pytest.approx(line["iou"])
        assert line["by_length"][-1]["formula"] == line["formula"]


def test_the_optimum_is_never_below_the_beam(ccx: CommandLine) -> None:
    optimal = ccx.explain(*ONE).lines
    beam = ccx.explain(*ONE, "--search", "beam").lines
    assert [line["search"] for line in beam] == ["beam"] * len(optimal)
    assert "proven" not in beam[0]
    for ours, theirs in zip(optimal, beam, strict=True):
        assert ours["iou"] >= theirs["iou"]
        assert ours["range"] == theirs["range"]


def test_ties_are_listed_on_request(ccx: CommandLine) -> None:
    for line in ccx.explain(*ONE, "--ties").lines:
        assert len(line["tied"]) == line["ties"]
        assert line["tied"][0]["formula"] == line["formula"]
        assert {tied["iou"] for tied in line["tied"]} == {line["iou"]}


def test_near_formulas_stay_within_the_tolerance(ccx: CommandLine) -> None:
    lines = ccx.explain(*ONE, "--within", "20%").lines
    assert any(line["near"] for line in lines)
    for line in lines:
        ious = [near["iou"] for near in line["near"]]
        assert ious == sorted(ious, reverse=True)
        assert all(0.8 * line["iou"] <= iou <= line["iou"] for iou in ious)
    table = ccx.explain("--units", "1", "-q", "--within", "20%").out
    assert "~ " in table


def test_another_objective_finds_what_scores_best_by_it(ccx: CommandLine) -> None:
    by_iou = ccx.explain(*ONE).lines
    lines = ccx.explain(*ONE, "--objective", "mcc", "--min-coverage", "0").lines
    for line, theirs in zip(lines, by_iou, strict=True):
        assert line["objective"] == "mcc"
        assert "objective" not in theirs
        assert line["proven"] is True
        assert line["score"] == line["bound"] == pytest.approx(line["mcc"])
        assert line["score"] >= theirs["mcc"] - 1e-12
        assert line["iou"] <= theirs["iou"]
        assert line["by_length"][-1]["score"] == line["score"]
        assert sum(level["adds"] for level in line["by_length"]) == pytest.approx(line["score"])
    said = ccx("info", "--methods").out
    assert "largest Matthews correlation coefficient (MCC)" in said
    assert "cover" not in said
    near = ccx.explain(*ONE, "--objective", "f-beta:2", "--within", "20%").lines
    assert {line["objective"] for line in near} == {"f-beta:2"}
    assert any(line["near"] for line in near)


@pytest.mark.parametrize("objective", ["soft-iou", "pearson", "cosine"])
def test_a_soft_objective_explains_a_unit_once(ccx: CommandLine, objective: str) -> None:
    highest = ccx.explain(*ONE).lines[-1]
    (line,) = ccx.explain(*ONE, "--objective", objective, "--ties").lines
    assert line["objective"] == objective
    assert (line["cluster"], line["num_ranges"]) == (0, 1)
    assert [line[key] for key in ("range", "hits")] == [highest[key] for key in ("range", "hits")]
    assert line["proven"] is True
    assert line["by_length"][-1]["score"] == line["score"] == line["bound"] > 0
    assert line["iou"] <= highest["iou"]
    assert line["tied"][0]["iou"] == line["iou"]
    table = ccx.explain("--units", "1", "-q", "--objective", objective, "--simplest", "0").out
    assert f"{line['score']:.4f}" in table
    said = ccx("info", "--methods").out
    assert "For each unit we searched" in said
    assert "for every unit it is proven" in said
    refused = ccx("metrics", "--null", "2")
    assert (refused.code, refused.out) == (2, "")
    assert f"was searched by {objective}, of no range" in refused.err
    assert ccx("metrics", "--null", "2", "--dry-run").code == 2


def test_a_longer_search_says_what_is_left(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "1", "--format", "jsonl", "--length", "5", "--node-limit", "0")
    lines = ended.lines
    assert any(not line["proven"] for line in lines)
    for line in lines:
        assert line["gap"] == line["bound"] - line["score"] >= 0
        assert [level["proven"] for level in line["by_length"]][:3] == [True] * 3
    assert "are not proven best: a larger --node-limit may narrow the bounds" in ended.err
    table = ccx.explain("--units", "1", "-q", "--length", "5", "--node-limit", "0").out
    assert "(at most" in table


def test_a_vocabulary_is_respected(ccx: CommandLine) -> None:
    def names(*options: str) -> set[str]:
        words = {
            word.strip("()")
            for line in ccx.explain(*ONE, *options).lines
            for word in (line["formula"] or "").split()
        }
        return words - {"AND", "OR", "NOT"}

    assert names("--categories", "object") <= {"square", "ball"}
    assert names("--concepts", "red,ball") <= {"red-c", "ball"}
    assert not names("--exclude", "red-c, square") & {"red-c", "square"}
    assert "ball" not in names("--min-frequency", "3")
    words = " ".join(line["formula"] for line in ccx.explain(*ONE, "--operators", "or").lines)
    assert "AND" not in words


def test_every_vocabulary_is_a_run_of_its_own(ccx: CommandLine) -> None:
    before = len(ccx.files("results/*"))
    ccx.explain(*ONE, "--exclude", "red")
    ccx.explain(*ONE, "--exclude", "ball")
    ccx.explain(*ONE, "--exclude", "red-c")
    assert len(ccx.files("results/*")) == before + 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--length", "0"), "--length 0 must be 1 or more."),
        (("--node-limit", "-1"), "--node-limit -1 must be 0 or more."),
        (("--time-limit", "-1"), "--time-limit -1 must be 0 or more."),
        (
            ("--length-penalty", "2"),
            "--length-penalty 2 must be above 0 and at most 1.",
        ),
        (
            ("--objective", "f1"),
            "--objective f1 must be iou, f-beta:B (such as f-beta:2), mcc, soft-iou, pearson or "
            "cosine, with B from 0.1 to "
            "100 and at most three decimals.",
        ),
        (
            ("--objective", "mcc", "--length", "4"),
            "--objective mcc works up to --length 3: longer formulas are searched by iou only.",
        ),
        (
            ("--min-coverage", "2%"),
            "--min-coverage works only with --objective mcc, pearson or cosine: add one, or leave "
            "it out.",
        ),
        (
            ("--search", "beam", "--objective", "mcc"),
            "--objective works only with --search optimal: add that, or leave it out.",
        ),
        (("--within", "near"), "--within near is not a share below 1, such as 1% or 0.01."),
        (("--within", "100%"), "--within 100% is not a share below 1, such as 1% or 0.01."),
        (
            ("--search", "beam", "--ties"),
            "--ties works only with --search optimal: add that, or leave it out.",
        ),
        (
            ("--search", "beam", "--within", "1%"),
            "--within works only with --search optimal: add that, or leave it out.",
        ),
        (
            ("--operators", "or,xor"),
            "--operators or,xor may name or, and and not, not xor.",
        ),
        (("--operators", ","), "--operators is empty: name some of or, and and not."),
        (
            ("--categories", "objects"),
            "--categories objects is no category of this dataset, did you mean object?",
        ),
        (
            ("--concepts", "blal"),
            "--concepts: No concept of the images that are searched is called 'blal', did you mean "
            "ball?",
        ),
        (
            ("--min-frequency", "1000"),
            "No concept is left to search with: loosen --categories, --concepts, --exclude, "
            "--min-frequency or --min-quality.",
        ),
    ],
)
def test_options_that_cannot_be_meant(
    ccx: CommandLine, options: tuple[str, ...], sentence: str
) -> None:
    ended = ccx.explain(*ONE, *options)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == f"Error: {sentence}\n"
