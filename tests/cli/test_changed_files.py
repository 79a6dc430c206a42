"""Labels and photographs that are corrected in place, under the same names and in as many bytes.

Nothing is explained, measured or drawn from what was kept of the files that were there before.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ccx_cli.errors import DamagedDataError
from ccx_cli.runs import preparing
from ccx_cli.runs.lookup import find_run
from ccx_cli.store.paths import resolve_roots
from ccx_cli.tui.open_run import OpenRun

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
    from tests.cli.tiny_set import GREEN
else:
    from command_line import CommandLine
    from tiny_set import GREEN

FOUR = ("--units", "0-3", "-f", "jsonl", "-q")
STUDIES = {
    "metrics": ["metrics", "--no-label-masking"],
    "importance": ["importance"],
    "ablate": ["ablate"],
    "rerun": ["rerun"],
    "check": ["rerun", "--check"],
    "panel": ["render", "--dir-images", "FIGURES"],
    "distribution": ["render", "--kind", "distribution", "--dir-images", "FIGURES"],
    "roles": ["roles"],
    "stability": ["stability", "--resamples", "2"],
}


def put_in(path: Path, pixels: np.ndarray) -> None:
    """Write a flat picture with as many bytes as the one that was there, which had more detail."""
    size = path.stat().st_size
    written = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(written, "PNG")
    path.write_bytes(written.getvalue().ljust(size, b"\0"))
    assert path.stat().st_size == size


def change_photographs(ccx: CommandLine) -> None:
    for path in ccx.files("datasets/*/images/tiny/00?.png")[:2]:
        put_in(path, np.full((224, 224, 3), 90))


def correct_labels(ccx: CommandLine) -> None:
    for path in ccx.files("datasets/*/images/tiny/*_color.png"):
        pixels = np.zeros((28, 28, 3))
        pixels[..., 0] = GREEN
        put_in(path, pixels)


def from_nothing(ccx: CommandLine) -> str:
    """What is found without anything that was kept."""
    for name in ("segmentations", "activations", "results"):
        rmtree(ccx.data / name)
    return ccx.explain(*FOUR).out


def test_corrected_labels_make_another_index(ccx: CommandLine) -> None:
    before = ccx.explain(*FOUR)
    correct_labels(ccx)
    after = ccx.explain(*FOUR)
    assert after.code == 0, after.err
    assert after.out != before.out
    assert not any("red-c" in (line["formula"] or "") for line in after.lines)
    assert len(ccx.files("results/*/header.json")) == 2
    assert len(ccx.files("activations/*/manifest.json")) == 1
    assert from_nothing(ccx) == after.out


def test_label_files_that_are_swapped(ccx: CommandLine) -> None:
    one, two = ccx.files("datasets/*/images/tiny/00[01]_color.png")
    longer = max(one.stat().st_size, two.stat().st_size)
    for path in (one, two):
        path.write_bytes(path.read_bytes().ljust(longer, b"\0"))
    ccx.explain(*FOUR)
    made = len(ccx.files("segmentations/*"))
    one.rename(one.with_name("kept"))
    two.rename(one)
    one.with_name("kept").rename(two)
    assert ccx.explain(*FOUR).code == 0
    assert len(ccx.files("segmentations/*")) == made + 1


def test_changed_photographs_make_other_activations(ccx: CommandLine) -> None:
    before = ccx.explain(*FOUR)
    change_photographs(ccx)
    after = ccx.explain(*FOUR)
    assert after.out != before.out
    assert len(ccx.files("segmentations/*/manifest.json")) == 1
    assert from_nothing(ccx) == after.out


@pytest.mark.parametrize("study", STUDIES)
def test_every_command_refuses_changed_photographs(
    ccx: CommandLine, study: str, tmp_path: Path
) -> None:
    words = [word.replace("FIGURES", str(tmp_path / "figures")) for word in STUDIES[study]]
    change_photographs(ccx)
    ended = ccx(*words)
    assert (ended.code, ended.out) == (4, "")
    assert "images" in ended.err
    assert "changed since demo-none-layer4-tiny" in ended.err
    assert not list(tmp_path.rglob("figures/*"))


def test_figures_show_no_labels_that_changed(ccx: CommandLine, tmp_path: Path) -> None:
    correct_labels(ccx)
    ended = ccx("render", "--dir-images", str(tmp_path / "figures"))
    assert ended.code == 4
    assert "The labels changed since demo-none-layer4-tiny" in ended.err


def test_the_report_has_no_pictures_of_changed_photographs(
    ccx: CommandLine, tmp_path: Path
) -> None:
    change_photographs(ccx)
    ended = ccx("render", "--html", str(tmp_path / "report"))
    assert ended.code == 0
    assert "The report has no pictures, histograms or metrics: The images changed" in ended.err
    assert not list((tmp_path / "report/images").iterdir())


def test_the_terminal_interface_shows_none_either(ccx: CommandLine) -> None:
    change_photographs(ccx)
    roots = resolve_roots(ccx.data)
    opened = OpenRun(find_run(roots.results, None).directory, roots)
    with pytest.raises(DamagedDataError, match="The images changed since"):
        opened.read_unit(0)


def test_caches_of_an_older_version_are_named_and_not_used(fresh: CommandLine) -> None:
    older = fresh.explain(*FOUR, "--by-size")
    index, maps = fresh.file("segmentations/*"), fresh.file("activations/*")
    correct_labels(fresh)
    assert fresh.explain(*FOUR, "--by-size").out == older.out

    now = fresh.explain("--units", "0-3", "-f", "jsonl")
    assert now.out != older.out
    for cache in (index, maps):
        assert f"{cache} is not used: an older version of ccx made it" in now.err
    assert "is not used" not in fresh.explain("--units", "0-4", "-f", "jsonl").err

    listed = {line["name"]: line["files_by"] for line in fresh("cache", "list", *FOUR[2:]).lines}
    assert [name for name, by in listed.items() if by == "size"] == [index.name, maps.name]
    assert len(listed) == 4
    assert "(of ccx 0.1, files by size)" in fresh("cache", "list").out
    cleared = fresh("cache", "clear", "--older", "--yes", "-f", "jsonl", "-q")
    assert [line["name"] for line in cleared.lines] == [index.name, maps.name]
    assert not index.exists()
    assert not maps.exists()
    assert fresh("cache", "clear", "--older", "--yes").code == 0
    assert fresh("cache", "clear", "--older", "x", "--yes").code == 2
    assert fresh.explain("--units", "0-3", "-f", "jsonl").out == now.out


def test_runs_of_an_older_version_are_read_and_gone_on_with_as_they_were(
    fresh: CommandLine, tmp_path: Path
) -> None:
    fresh.explain("--units", "0-1", "-q", "--by-size")
    (older,) = fresh.files("results/*")
    now = fresh.explain("--units", "0-2", "-f", "jsonl", "-q")
    (other,) = set(fresh.files("results/*")) - {older}
    assert len((older / "explanations.jsonl").read_text().splitlines()) == 10
    ran = fresh("rerun", older.name, "--units", "0-2", "-f", "jsonl", "-q")
    assert (ran.code, ran.out) == (0, now.out)
    assert len((older / "explanations.jsonl").read_text().splitlines()) == 15
    for words in (
        ["metrics", older.name, "--units", "0-1", "--no-label-masking"],
        ["rerun", older.name, "--check"],
        ["render", older.name, "--units", "0", "--dir-images", str(tmp_path / "figures")],
    ):
        assert fresh(*words, "-q").code == 0, words
    identities = [
        json.loads((run / "header.json").read_text())["identity"] for run in (older, other)
    ]
    kinds = [identity["segmentation"].startswith("contents:") for identity in identities]
    assert kinds == [False, True]
    about = json.loads((older / "header.json").read_text())["about"]
    rmtree(about["segmentation"])
    gone = fresh("metrics", older.name, "--no-label-masking")
    assert gone.code == 3
    assert "--by-size`" in gone.err


@pytest.mark.parametrize(("made", "what"), [("build_index", "labels"), ("covers", "images")])
def test_files_that_change_while_a_cache_is_made_from_them(
    fresh: CommandLine, monkeypatch: pytest.MonkeyPatch, made: str, what: str
) -> None:
    work = getattr(preparing, made)

    def change(*arguments: object, **options: object) -> object:
        (correct_labels if what == "labels" else change_photographs)(fresh)
        return work(*arguments, **options)

    monkeypatch.setattr(preparing, made, change)
    ended = fresh.explain(*FOUR)
    assert ended.code == 1
    assert f"The {what} changed while " in ended.err
    monkeypatch.undo()
    after = fresh.explain(*FOUR)
    assert from_nothing(fresh) == after.out
