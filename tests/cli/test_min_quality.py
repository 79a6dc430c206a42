"""``--min-quality``: searches do without the words whose labels are poor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

ONE = ("--units", "1", "-f", "jsonl", "--num-clusters", "1", "--length", "2")
WORDS: list[dict[str, Any]] = [
    {"category": "object", "name": "square", "threshold": 0.5, "iou": 0.3},
    {"category": "object", "name": "ball", "threshold": 0.5, "iou": 0.29},
    {"category": "scene", "name": "field", "threshold": 0.5, "iou": None},
]


def mark(ccx: CommandLine, words: list[dict[str, Any]]) -> Path:
    marker = ccx.data / "datasets/broden1_224/ccx-import.json"
    words = [{"threshold": 0.5, **word} for word in words]
    engine = {"engine": "callable", "checkpoint": "rules.py:make", "revision": "sha256:01"}
    annotation = {**engine, "check": "human-callable-01234567", "words": words}
    marker.write_text(json.dumps({"subset": "tiny", "annotation": annotation}))
    return marker


def run_of(ccx: CommandLine, line: dict[str, Any]) -> Path:
    (run,) = {path.parent for path in ccx.files("results/*/header.json")}
    assert line["unit"] == 1
    return run


def test_poor_and_unchecked_words_are_left_out_as_if_excluded(fresh: CommandLine) -> None:
    mark(fresh, WORDS)
    ended = fresh.explain(*ONE, "--min-quality", "0.3")
    assert ended.code == 0
    assert "Left out by --min-quality: ball, field-s." in ended.err
    run = run_of(fresh, ended.lines[0])
    about = json.loads((run / "header.json").read_text())["about"]
    assert (about["min_quality"], about["left_out"]) == (0.3, ["ball", "field-s"])
    # The same space: the same run, which is there.
    excluded = fresh.explain(*ONE, "--exclude", "ball,field-s")
    assert excluded.lines == ended.lines
    assert run_of(fresh, excluded.lines[0]) == run
    (told,) = fresh("info", "-f", "jsonl").lines
    assert told["search"]["min_quality"] == 0.3
    assert told["search"]["left_out"] == ["ball", "field-s"]
    assert told["search"]["concepts"] == 3
    methods = " ".join(fresh("info", "--methods").out.split())
    assert (
        "of the check human-callable-01234567, the mean IoU of 2 of these words was 0.29" in methods
    )
    assert "Words whose labels have an IoU below 0.3 with human labels, or that" in methods


def test_a_rerun_does_without_the_same_words_whatever_the_dataset_says_now(
    fresh: CommandLine, tmp_path: Path
) -> None:
    mark(fresh, WORDS)
    lines = fresh.explain(*ONE, "--min-quality", "0.3").lines
    run = run_of(fresh, lines[0])
    mark(fresh, [{**word, "iou": 1.0} for word in WORDS])
    other = CommandLine(tmp_path / "other", fresh.capsys)
    again = other("rerun", str(run), "-q", "-f", "jsonl")
    assert (again.code, again.lines) == (0, lines)
    headers = [path / "header.json" for path in (run, run_of(other, lines[0]))]
    first, second = (json.loads(path.read_text())["about"] for path in headers)
    assert second["left_out"] == first["left_out"]


def test_no_word_is_left_out_where_all_are_good_enough(fresh: CommandLine) -> None:
    mark(fresh, WORDS[:1])
    ended = fresh.explain(*ONE, "--min-quality", "0.3")
    assert "Left out by --min-quality: no word." in ended.err
    assert ended.lines == fresh.explain(*ONE).lines


def test_thresholds_are_compared_without_poor_words_too(fresh: CommandLine) -> None:
    mark(fresh, [{**word, "iou": 0.1} for word in WORDS])
    command = ("compare", "thresholds", "--model", "demo", "--pretrained", "none", "--subset")
    ended = fresh(*command, "tiny", "--units", "1", "--min-quality", "0.2", "-f", "jsonl")
    assert ended.code == 0
    assert {line["object_share"] for line in ended.lines} <= {0, None}


@pytest.mark.parametrize("words", [[], [{"category": "object", "name": "ball"}], [{"name": 3}]])
def test_a_dataset_without_qualities_is_refused(
    fresh: CommandLine, words: list[dict[str, Any]]
) -> None:
    marker = mark(fresh, words)
    for dry in ((), ("--dry-run",)):
        ended = fresh.explain(*ONE, "--min-quality", "0.3", *dry)
        assert ended.code == 2
        assert ended.err.splitlines()[-1] == (
            f"Error: --min-quality 0.3 needs the quality of words, which {marker.parent} does not "
            "have: leave it out, or check the engine with `ccx annotate --check` and annotate "
            "again."
        )


def test_no_word_is_good_enough(fresh: CommandLine) -> None:
    names = {"red": "color", "green": "color", "square": "object", "ball": "object"}
    words = [{"category": of, "name": name, "iou": 0.1} for name, of in names.items()]
    mark(fresh, [*words, WORDS[2]])
    ended = fresh.explain(*ONE, "--min-quality", "1")
    assert ended.code == 2
    assert "--min-frequency or --min-quality." in ended.err
