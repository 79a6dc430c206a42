from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, cells
else:
    from command_line import ON_TINY, CommandLine, cells


def test_a_found_formula_scores_what_was_found(ccx: CommandLine) -> None:
    for found in ccx.explain("--units", "1", "-q", "--format", "jsonl").lines:
        ended = ccx("score", found["formula"], *ON_TINY, "--unit", "1", "-q", "--format", "jsonl")
        line = ended.lines[found["cluster"]]
        assert line["iou"] == found["iou"] == line["best_iou"]
        assert line["hits"] == found["hits"]
        assert line["both"] / (line["hits"] + line["total"] - line["both"]) == line["iou"]
        assert line["formula"] == line["best_formula"] == found["formula"]
        assert line["same_here"] is True


def test_ranges_are_ranked_best_first(ccx: CommandLine) -> None:
    everything = ccx("score", "red", *ON_TINY, "--top", "0", "-q", "--format", "jsonl").lines
    mccs = [line["mcc"] for line in everything]
    assert mccs == sorted(mccs, reverse=True)
    by_iou = ccx("score", "red", *ON_TINY, "--top", "5", "--sort", "iou", "-q", "-f", "jsonl").lines
    assert by_iou == sorted(everything, key=lambda line: -line["iou"])[:5]
    assert len({line["unit"] for line in everything}) > 40
    best = ccx("score", "red", *ON_TINY, "--top", "3", "-q", "--format", "jsonl").lines
    assert best == everything[:3]
    some = ccx("score", "red", *ON_TINY, "--units", "2,5", "-q", "--format", "jsonl").lines
    assert {line["unit"] for line in some} <= {2, 5}


def test_relations_between_formulas_are_told(ccx: CommandLine) -> None:
    ended = ccx("score", "red OR (red AND ball)", "red-c", "red AND NOT ball", "red AND square",
                *ON_TINY, "--unit", "1")  # fmt: skip
    assert "red OR (red AND ball) is, shorter, red." in ended.err
    assert "red OR (red AND ball) and red are equivalent." in ended.err
    assert "are the same here: they differ on no pixel." in ended.err


def test_a_formula_that_beats_the_best_is_outside_the_space(ccx: CommandLine) -> None:
    formula = "red-c OR NOT red-c"
    top, *_ = ccx("score", formula, *ON_TINY, "--top", "1", "-q", "--format", "jsonl").lines
    # A formula that all pixels satisfy is the baseline.
    assert top["baseline"] == top["iou"]
    ended = ccx("score", formula, "red", *ON_TINY, "--unit", str(top["unit"]), "--format", "jsonl")
    better = [str(line["cluster"]) for line in ended.lines if line["iou"] > line["best_iou"]]
    assert better
    assert f"red OR NOT red beats the best formula of range {', '.join(better)}: it is" in ended.err
    assert "(it is no left chain, ((a op b) op c) with OR, AND and AND NOT)." in ended.err
    assert ended.err.count(" beats ") == 1


def test_the_table_puts_the_formula_beside_that_people_read(ccx: CommandLine) -> None:
    ended = ccx("score", "red", *ON_TINY, "--unit", "1", "-q", "--sort", "unit")
    assert (ended.code, ended.err) == (0, "")
    assert "simplest formula" in ended.out
    read = cells(ccx.explain("--units", "1", "-q", "--all", "--sort", "unit").out)
    assert [row[7:9] for row in cells(ended.out)] == [[row[3], row[6]] for row in read]
    stored = cells(ccx.explain("--units", "1", "-q", "--sort", "unit", "--simplest", "0").out)
    assert stored != read


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("red AND",),
            "The formula ends after 'AND' at character 5, where a concept, NOT or \"(\" is "
            "expected.",
        ),
        (("red", "or", "blue"), 'Put a formula in quotes: "red or blue".'),
        (
            ("unicorn", "--unit", "1"),
            "No pixel of the scored images carries unicorn: write formulas of concepts that some "
            "pixel of them carries.",
        ),
        (
            ("red", "--unit", "1", "--units", "2"),
            "--unit and --units or --random-units are mutually exclusive.",
        ),
        (
            ("red", "--unit", "99"),
            "--unit 99 goes past the end of layer4, which has the units 0 to 47.",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(
    ccx: CommandLine, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = ccx("score", *arguments, *ON_TINY, "-q")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == f"Error: {sentence}\n"


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--num-clusters", "1", "--quantile", "0.1"],
        ["--ranges", "0.001:0.1,0.05:inf"],
        ["--split", "train", "--num-clusters", "2"],
    ],
    ids=["plain", "quantile", "by hand", "split"],
)
def test_a_run_says_what_to_score_on(given: list[str], ccx: CommandLine) -> None:
    index = ccx.file("datasets/*/index.csv")
    index.write_text(index.read_text().replace(",val,", ",train,", 4))
    words = ["--units", "1-2", "-f", "jsonl", "-q"]
    stored = ccx.explain(*words, *given, "--name", "mine")
    assert stored.code == 0, stored.err
    formulas = dict.fromkeys(line["formula"] for line in stored.lines if line["formula"])
    ended = ccx("score", "mine", *formulas, "--top", "0", *words)
    assert ended.code == 0, ended.err
    found = {(row["unit"], row["cluster"], row["formula"]): row for row in ended.lines}
    for line in (line for line in stored.lines if line["formula"]):
        row = found[line["unit"], line["cluster"], line["formula"]]
        same = ("iou", "hits", "range", "num_clusters")
        assert [row[key] for key in same] == [line[key] for key in same]


def test_options_say_otherwise_what_to_score_on(ccx: CommandLine) -> None:
    # A formula may be called like a run.
    assert ccx("info", "--name", "ball", "-q").code == 0
    words = ["--units", "1", "--top", "0", "-q", "-f", "jsonl"]
    both = ccx("score", "ball", "red", *ON_TINY, *words).lines
    assert {row["formula"] for row in both} == {"ball", "red-c"}
    on_run = ccx("score", "ball", "red", *words).lines
    assert on_run == [row for row in both if row["formula"] == "red-c"]
    ended = ccx("score", "nothing", "red", "-q")
    assert ended.code == 3  # The dataset that is taken without options is not there.


def test_a_run_that_is_not_there_is_named(unused: CommandLine) -> None:
    ended = unused("score", "frist", "red")
    assert ended.code == 3
    assert ended.err.startswith("Error: There is no run frist, and without one: The places365")
    assert "There is no run" not in unused("score", "red").err


def test_a_run_of_changed_images_is_refused(fresh: CommandLine) -> None:
    assert fresh.explain("--units", "1", "-q").code == 0
    image = fresh.file("datasets/*/images/tiny/*0.png")
    image.write_bytes(image.read_bytes() + b"0")
    ended = fresh("score", "demo-none", "red", "-q")
    assert (ended.code, ended.out) == (4, "")
    assert "changed since demo-none-layer4-tiny-k5-optimal3" in ended.err


def test_formulas_are_sorted_by_their_length(ccx: CommandLine) -> None:
    words = ("--sort", "length", "--units", "2,5", "-q", "-f", "jsonl")
    ended = ccx("score", "red AND ball", "red", *ON_TINY, *words)
    assert ended.code == 0
    lengths = [len(line["formula"].split(" AND ")) for line in ended.lines]
    assert lengths == sorted(lengths)
    assert set(lengths) == {1, 2}
