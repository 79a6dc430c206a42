"""``ccx concepts``: lists, searches, co-occurrences, implications and images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import PROGRAM, CommandLine, environment
else:
    from command_line import PROGRAM, CommandLine, environment

TINY = ["concepts", "--subset", "tiny"]


def test_all_concepts_are_listed_the_commonest_first(fresh: CommandLine) -> None:
    ended = fresh(*TINY, "-f", "jsonl")
    assert ended.code == 0
    assert {line["concept"]: line["images"] for line in ended.lines} == {
        "square": 4,
        "field-s": 3,
        "green-c": 3,
        "red-c": 3,
        "ball": 2,
    }
    images = [line["images"] for line in ended.lines]
    assert images == sorted(images, reverse=True)
    square = ended.lines[0]
    assert square["pixels"] == 4 * 144
    assert square["coverage"] == pytest.approx(4 * 144 / (6 * 28 * 28))
    assert square["coverage_where_present"] == pytest.approx(144 / (28 * 28))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["square"], ["square"]),
        (["BALL"], ["ball"]),
        (["re"], ["square", "red-c", "green-c"]),
        (["--category", "color", "--sort", "name"], ["green-c", "red-c"]),
        (["--category", "color", "--category", "scene", "--top", "1"], ["red-c"]),
        (["--min-images", "4"], ["square"]),
        (["--sort", "number"], ["red-c", "green-c", "square", "ball", "field-s"]),
    ],
)
def test_concepts_are_searched_and_sorted(
    arguments: list[str], names: list[str], ccx: CommandLine
) -> None:
    ended = ccx(*TINY, *arguments, "-f", "jsonl")
    assert [line["concept"] for line in ended.lines] == names


def test_what_goes_with_a_concept(ccx: CommandLine) -> None:
    ended = ccx(*TINY, "--with", "field", "-f", "jsonl")
    by_name = {line["concept"]: line for line in ended.lines}
    assert by_name["red-c"]["share_of_other"] == 1.0
    assert by_name["red-c"]["share"] == pytest.approx(144 / (28 * 28))
    assert by_name["red-c"]["images"] == 3
    assert "green-c" not in by_name
    table = ccx(*TINY, "--with", "field").out
    assert "of field is this" in table


def test_implications(ccx: CommandLine) -> None:
    ended = ccx(*TINY, "--implications", "-f", "jsonl")
    assert {(line["premise"], line["conclusion"]) for line in ended.lines} == {("red-c", "field-s")}
    near = ccx(*TINY, "--implications", "--min-share", "0.5", "-f", "jsonl").lines
    found = {(line["premise"], line["conclusion"]): line["share"] for line in near}
    assert found["red-c", "square"] == pytest.approx(2 / 3)
    assert ccx(*TINY, "--implications", "--min-images", "4", "-f", "jsonl").lines == []


def test_images_with_a_concept(ccx: CommandLine) -> None:
    ended = ccx(*TINY, "--images", "ball", "-f", "jsonl")
    assert [line["image"] for line in ended.lines] == ["tiny/000.png", "tiny/003.png"]
    assert all(Path(line["path"]).is_file() for line in ended.lines)
    assert ended.lines[0]["share"] == pytest.approx(144 / (28 * 28))


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_every_form_holds_the_same_concepts(form: str, ccx: CommandLine) -> None:
    out = ccx(*TINY, "-f", form).out
    for name in ("square", "ball", "red-c", "green-c", "field-s"):
        assert name in out
    if form == "json":
        assert len(json.loads(out)) == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sqare"], "did you mean square?"),
        (["--with", "bal"], "did you mean ball?"),
        (["--images", "unicorn"], "No concept is called"),
        (["--category", "colour"], "did you mean color?"),
        (["--with", "ball", "--images", "ball"], "--with and --images are mutually exclusive"),
        (["ball", "--implications"], "searches the list of concepts"),
        (["--side", "227"], "ccx fetch broden227"),
    ],
)
def test_mistyped_names_and_options_are_mended(
    arguments: list[str], sentence: str, ccx: CommandLine
) -> None:
    ended = ccx(*TINY, *arguments)
    assert ended.code in (2, 3)
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_the_index_is_made_without_torch_and_mended(fresh: CommandLine) -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main;"
        f"main({[*TINY, '-q', '-f', 'json', '--data-dir', str(fresh.data)]!r});"
        "sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)) == 5
    shard = fresh.file("segmentations/*/images-00000*.h5")
    shard.write_bytes(shard.read_bytes()[:-9])
    damaged = fresh(*TINY)
    assert damaged.code == 4
    command = damaged.err.partition("`ccx ")[2].partition("`")[0].split()
    cleared = subprocess.run(
        [*PROGRAM, *command], env=environment(fresh.data), capture_output=True, text=True
    )
    assert cleared.returncode == 0, cleared.stderr
    assert fresh(*TINY).code == 0
