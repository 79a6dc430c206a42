"""Files are read once, and again whenever their contents may have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ccx_cli.errors import DamagedDataError
from ccx_cli.progress import SilentProgress
from ccx_cli.store import known_files
from ccx_cli.store.known_files import digest_files, look_at, size_of

NAMES = ["a/1.png", "a/2.png", "b/1.png", "top.png"]
LONG_AGO = 1_600_000_000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four files; times of change count as settled at once, since no test can set them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(known_files, "_SETTLED_NS", -1)
    for name in NAMES:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (LONG_AGO, LONG_AGO))
    return tmp_path / "files"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, as they are."""
    names: list[str] = []
    digest = known_files._digest

    def count(path: Path) -> bytes:
        names.append(path.name)
        return digest(path)

    monkeypatch.setattr(known_files, "_digest", count)
    return names


def digests(files: Path, *, names: list[str] = NAMES, remember: bool = True) -> list[bytes]:
    memory = files.parent / "memory"
    return digest_files(files, names, memory, SilentProgress(), remember=remember)


def by_hand(files: Path) -> list[bytes]:
    return [hashlib.sha256((files / name).read_bytes()).digest() for name in NAMES]


def test_no_file_is_read_twice(files: Path, opened: list[str]) -> None:
    assert digests(files) == by_hand(files)
    assert len(opened) == len(NAMES)
    assert digests(files) == by_hand(files)
    assert digests(files, names=NAMES[:2]) == by_hand(files)[:2]
    assert len(opened) == len(NAMES)
    assert not (files.parent / "memory").exists()
    assert {path.suffix for path in files.rglob("*") if path.is_file()} == {".png"}


def test_only_what_changed_is_read_again(files: Path, opened: list[str]) -> None:
    digests(files)
    opened.clear()
    (files / "b/1.png").write_bytes(b"b/2.png")
    assert digests(files) == by_hand(files)
    assert opened == ["1.png"]


def test_contents_of_the_same_size_under_the_same_time(files: Path, opened: list[str]) -> None:
    """What ``touch -r`` sets back is not all that counts: the time of change cannot be set."""
    digests(files)
    (files / "a/1.png").write_bytes(b"other!!")
    os.utime(files / "a/1.png", (LONG_AGO, LONG_AGO))
    assert digests(files) == by_hand(files)


def test_two_files_that_are_swapped(files: Path) -> None:
    before = digests(files)
    (files / "a/1.png").rename(files / "kept")
    (files / "b/1.png").rename(files / "a/1.png")
    (files / "kept").rename(files / "b/1.png")
    after = digests(files)
    assert after == by_hand(files)
    assert (after[0], after[2]) == (before[2], before[0])


def test_a_file_that_was_just_written_is_not_trusted(
    files: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "_SETTLED_NS", 3_600_000_000_000)
    digests(files)
    assert digests(files) == by_hand(files)
    assert len(opened) == 2 * len(NAMES)


@pytest.mark.parametrize("damage", [b"", b"x" * 31, b"x" * 500])
def test_a_damaged_memory_is_made_anew(files: Path, opened: list[str], damage: bytes) -> None:
    digests(files)
    (memory,) = (files.parent / "cache").rglob("*.bin")
    memory.write_bytes(damage)
    assert digests(files) == by_hand(files)
    assert len(opened) == 2 * len(NAMES)
    digests(files)
    assert len(opened) == 2 * len(NAMES)


def test_a_flipped_bit_of_the_memory_changes_no_digest(files: Path, opened: list[str]) -> None:
    digests(files)
    (memory,) = (files.parent / "cache").rglob("*.bin")
    content = bytearray(memory.read_bytes())
    content[-1] ^= 1
    memory.write_bytes(content)
    assert digests(files) == by_hand(files)


def test_what_two_processes_add_is_not_lost(files: Path, opened: list[str]) -> None:
    digests(files, names=NAMES[:2])
    digests(files, names=NAMES[2:])
    assert digests(files) == by_hand(files)
    assert len(opened) == len(NAMES)


def test_without_caches_of_the_user_the_memory_is_elsewhere(
    files: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.parent / "no-directory").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(files.parent / "no-directory"))
    digests(files)
    assert digests(files) == by_hand(files)
    assert len(opened) == len(NAMES)
    assert list((files.parent / "memory").rglob("*.bin"))


def test_a_dry_run_remembers_nothing(files: Path) -> None:
    digests(files, remember=False)
    assert not (files.parent / "cache").exists()


def test_what_is_finished_before_an_error_is_remembered(
    files: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "_BATCH", 1)
    monkeypatch.setattr(known_files, "_THREADS", 1)
    digest = known_files._digest

    def fail(path: Path) -> bytes:
        if path.name == "top.png":
            raise DamagedDataError("no")
        return digest(path)

    monkeypatch.setattr(known_files, "_digest", fail)
    with pytest.raises(DamagedDataError):
        digests(files)
    assert len(opened) == len(NAMES) - 1
    monkeypatch.setattr(known_files, "_digest", digest)
    digests(files)
    assert len(opened) == len(NAMES)


def test_what_is_no_file_is_named(files: Path) -> None:
    for name in ("a", "a/3.png", "c/1.png"):
        with pytest.raises(FileNotFoundError, match=str(files / name)):
            digests(files, names=[name])


def test_sizes_and_links(files: Path) -> None:
    (files / "link.png").symlink_to(files / "top.png")
    stamps = look_at(files, ["link.png", "top.png"])
    assert stamps["link.png"] == stamps["top.png"]
    assert size_of(stamps["top.png"]) == len("top.png")
