"""``ccx remove``: sizes first, then what is ccx's own and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ccx_cli.fetching.unpacking import ListedFile, write_listing
from ccx_cli.progress import SilentProgress
from ccx_cli.store.digests import file_digest
from ccx_cli.store.locks import writing

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine


@pytest.fixture
def kept(ccx: CommandLine) -> Path:
    """The directory of the run that there is."""
    return ccx.file("results/*/header.json").parent


@pytest.fixture
def photos(unused: CommandLine, tmp_path: Path) -> Path:
    """The directory of an import of two photographs."""
    folder = tmp_path / "photos"
    for name in ("red", "blue"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (64, 64), name).save(folder / name / "1.png")
    ended = unused("import", "imagefolder", str(folder), "--side", "64", "-q")
    assert ended.code == 0
    return unused.data / "datasets" / "photos" / "broden1_64"


def test_a_run_goes_with_its_studies_and_name(ccx: CommandLine, kept: Path) -> None:
    assert ccx("metrics", "--no-label-masking", "-q").code == 0
    assert ccx("info", "--name", "first", "-q").code == 0
    asked = ccx("remove", "run", "first")
    assert (asked.code, asked.out) == (2, "")
    assert f"This would remove {kept} (" in asked.err
    assert (kept / "header.json").exists()
    (gone,) = ccx("remove", "run", "first", "--yes", "-f", "jsonl").lines
    assert gone == {"name": kept.name, "directory": str(kept), "megabytes": 0.0}
    assert not kept.exists()
    assert ccx("remove", "run", "first", "--yes").code == 3
    assert ccx.files("activations/*/manifest.json")


def test_a_users_files_stay(ccx: CommandLine, kept: Path) -> None:
    (kept / "notes.txt").write_text("mine")
    (kept / "report.html").write_text("mine")
    (kept / "more").mkdir()
    (kept / "more" / "header.json").write_text("mine")
    ended = ccx("remove", "run", kept.name, "--yes")
    assert ended.code == 0
    assert "holds files that are not ccx's: they stay." in ended.err
    left = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    assert left == ["more/header.json", "notes.txt", "report.html"]


def test_what_is_not_told_to_be_a_run_stays(ccx: CommandLine, kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(kept, other)
    assert ccx("remove", "run", str(other)).code == 2  # Renamed, but nothing else is in it.
    (other / "notes.txt").write_text("mine")
    ended = ccx("remove", "run", str(other), "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert f"{other} cannot be told to be ccx's" in ended.err
    (other / "notes.txt").unlink()
    (other / "header.json").write_text("{")
    assert ccx("remove", "run", str(other), "--yes").code == 0
    assert not other.exists()


def test_what_needs_it_is_said(ccx: CommandLine, kept: Path) -> None:
    for words in (["cache"], ["cache", *(path.name for path in ccx.files("activations/*"))]):
        ended = ccx("remove", *words)
        assert ended.code == 2
        assert f", which the run {kept.name[-10:]} needs for all but its formulas: add" in ended.err
    ccx.explain("--units", "0", "--num-clusters", "1", "-q")
    assert ", which 2 runs need for all but their formulas (" in ccx("remove", "cache").err
    gone = ccx("remove", "cache", "--yes", "-f", "jsonl").lines
    assert len(gone) == 2
    assert not ccx.files("*/*/manifest.json")


def test_what_is_being_read_stays(ccx: CommandLine, kept: Path) -> None:
    there = ccx.files("*/*/manifest.json")
    with writing(kept, SilentProgress()):
        for words in (["cache"], ["run", kept.name]):
            ended = ccx("remove", *words, "--yes")
            assert (ended.code, ended.out) == (1, "")
            assert re.search(r"is being (read for \S+|written): wait for the ccx that", ended.err)
    assert ccx.files("*/*/manifest.json") == there
    assert ccx("remove", "cache", "--yes").code == 0


def test_an_import_goes_and_what_is_beside_it_stays(unused: CommandLine, photos: Path) -> None:
    asked = unused("remove", "dataset", "photos")
    assert asked.code == 2
    assert f"This would remove {photos} (" in asked.err
    assert (photos / "index.csv").exists()
    assert unused("remove", "dataset", "photos", "--yes").code == 0
    assert not photos.parent.exists()
    ended = unused("remove", "dataset", "photos", "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert "There is no dataset photos" in ended.err


def test_an_import_names_no_files_elsewhere(
    unused: CommandLine, photos: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"mine")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "1.png").write_bytes(b"mine")
    (photos / "images" / "link").symlink_to(linked)
    (photos / "mine.txt").write_text("mine")
    index = photos / "index.csv"
    header, first, *_ = index.read_text().splitlines()
    rest = first.partition(",")[2]
    names = [str(precious), "../../../../precious.png", "link/1.png"]
    index.write_text("\n".join([header, first, *(f"{name},{rest}" for name in names)]) + "\n")
    assert unused("remove", "dataset", "photos", "--yes").code == 0
    assert precious.read_bytes() == (linked / "1.png").read_bytes() == b"mine"
    assert (photos / "mine.txt").exists()


def test_of_a_download_only_what_is_still_as_it_was_goes(unused: CommandLine) -> None:
    broden = unused.data / "datasets" / "broden1_224"
    (broden / "images").mkdir(parents=True)
    files = [broden / name for name in ("index.csv", "images/1.jpg", "images/2.jpg")]
    for path in files:
        path.write_text(path.name)
    write_listing(
        broden,
        [ListedFile(file_digest(path), 1, str(path.relative_to(broden))) for path in files],
    )
    files[2].write_text("changed")
    (broden / "images" / "3.jpg").write_text("mine")
    assert unused("remove", "dataset", "broden1_224", "--yes").code == 0
    left = sorted(path.name for path in broden.rglob("*") if path.is_file())
    assert left == ["2.jpg", "3.jpg"]


def test_a_dataset_of_others_stays(unused: CommandLine) -> None:
    other = unused.data / "datasets" / "mine" / "broden1_64"
    other.mkdir(parents=True)
    (other / "index.csv").write_text("image\n")
    ended = unused("remove", "dataset", "mine", "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert (other / "index.csv").exists()
