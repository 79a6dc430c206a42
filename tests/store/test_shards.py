from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError
from ccx_cli.store.digests import file_digest
from ccx_cli.store.shards import MANIFEST, ShardedCache, read_manifest
from ccx_cli.version import __version__

KIND = "ccx-test"
REBUILD = "ccx cache build --subset demo"
MADE_FROM = {"subset": "demo", "mask_shape": [112, 112], "std": [0.5, 0.25]}


def cache_in(directory: Path, **changes: Any) -> ShardedCache:
    """The cache as a fresh process sees it."""
    fields: dict[str, Any] = {
        "kind": KIND,
        "version": 3,
        "made_from": MADE_FROM,
        "rebuild": REBUILD,
    }
    cache = ShardedCache(directory, **(fields | changes))
    cache.refresh()
    return cache


def write(cache: ShardedCache, name: str, value: int) -> None:
    with cache.write(name) as file:
        file["values"] = np.full(100, value)


def write_half(cache: ShardedCache, name: str) -> None:
    with cache.write(name) as file:
        file["values"] = np.zeros(100)
        raise ZeroDivisionError


def values_in(cache: ShardedCache, name: str) -> set[int]:
    with cache.read(name) as file:
        return set(file["values"][()].tolist())


def path_of(cache: ShardedCache, name: str) -> Path:
    return cache.directory / cache.shards[name].file


@pytest.fixture
def whole(tmp_path: Path) -> ShardedCache:
    """A cache of three shards, as a fresh process sees it."""
    cache = cache_in(tmp_path)
    for value, name in enumerate("abc"):
        write(cache, name, value)
    return cache_in(tmp_path)


def test_what_is_written_is_read_by_another_process(whole: ShardedCache) -> None:
    assert list(whole.shards) == ["a", "b", "c"]
    assert "b" in whole
    assert "d" not in whole
    assert [values_in(whole, name) for name in "abc"] == [{0}, {1}, {2}]
    assert all(whole.fault(name) is None for name in "abc")


def test_a_lock_of_another_program_is_none_of_its_readers(whole: ShardedCache) -> None:
    with path_of(whole, "b").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert values_in(whole, "b") == {1}


def test_where_locks_are_asked_for_they_are_named(
    whole: ShardedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = h5py.File
    monkeypatch.setattr(h5py, "File", lambda path, mode, locking: opening(path, mode, locking=True))
    with path_of(whole, "b").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CcxError, match=r"cannot be locked \(errno 11, .*HDF5_USE_FILE_LOCKING"):
            values_in(whole, "b")


def test_the_manifest_names_every_shard_with_its_size_and_digest(whole: ShardedCache) -> None:
    manifest = json.loads((whole.directory / MANIFEST).read_text())
    shard = path_of(whole, "b")
    assert manifest["shards"]["b"] == {
        "file": shard.name,
        "size": shard.stat().st_size,
        "sha256": file_digest(shard),
    }
    assert {key: manifest[key] for key in ("format", "version", "program", "made_from")} == {
        "format": KIND,
        "version": 3,
        "program": __version__,
        "made_from": MADE_FROM,
    }
    with h5py.File(shard) as file:
        assert dict(file.attrs) == {"format": KIND, "version": 3, "shard": "b"}


def test_a_directory_without_a_manifest_is_an_empty_cache(tmp_path: Path) -> None:
    assert cache_in(tmp_path / "new").shards == {}
    with pytest.raises(MissingInputError) as raised:
        read_manifest(tmp_path)
    assert str(raised.value) == (
        f"There is no cache in {tmp_path}: `ccx cache list` shows the ones there are."
    )


def test_a_cache_describes_itself_in_its_manifest(whole: ShardedCache) -> None:
    found = read_manifest(whole.directory)
    assert (found.kind, found.version, found.made_from, found.rebuild) == (
        KIND,
        3,
        MADE_FROM,
        REBUILD,
    )
    assert found.shards == whole.shards


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


FAULTS = [
    (truncate, "is damaged ({less} bytes where the manifest says {size})"),
    (grow, "is damaged ({more} bytes where the manifest says {size})"),
    (flip, "is damaged (its SHA-256 is not the manifest's)"),
    (Path.unlink, "is missing"),
]


@pytest.mark.parametrize(("spoil", "fault"), FAULTS)
def test_a_damaged_shard_is_named_with_the_command_that_rebuilds_it(
    whole: ShardedCache, spoil: Callable[[Path], None], fault: str
) -> None:
    path = path_of(whole, "b")
    size = path.stat().st_size
    spoil(path)
    fault = fault.format(size=f"{size:,}", less=f"{size - 7:,}", more=f"{size + 1:,}")
    assert whole.fault("b") == fault
    with pytest.raises(DamagedDataError) as raised, whole.read("b"):
        pass
    assert str(raised.value) == f"{path} {fault}: rebuild it with `{REBUILD}`."
    assert [values_in(whole, name) for name in "ac"] == [{0}, {2}]


def test_every_byte_of_a_shard_counts(whole: ShardedCache) -> None:
    path = path_of(whole, "a")
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 128]) + content[place + 1 :])
        assert whole.fault("a") == "is damaged (its SHA-256 is not the manifest's)"
    path.write_bytes(content)
    assert values_in(whole, "a") == {0}


def test_a_damaged_shard_is_whole_again_once_dropped_and_written(whole: ShardedCache) -> None:
    flip(path_of(whole, "b"))
    whole.drop(["b"])
    assert "b" not in cache_in(whole.directory)
    write(whole, "b", 7)
    assert values_in(cache_in(whole.directory), "b") == {7}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe garbage",
        b'{"format": "ccx-test", "version": 3, "made_from": {}, "rebuild": "", "shards": []}',
        b'{"format": "ccx-test", "version": 3, "made_from": 1, "rebuild": "", "shards": {}}',
        b'{"format": "ccx-test", "version": "x", "made_from": {}, "rebuild": "", "shards": {}}',
        b'{"format": "ccx-test", "version": 3, "made_from": {}, "rebuild": "", "shards": {"a": 1}}',
        b'{"format": "ccx-test", "version": 3, "made_from": {}, "rebuild": "",'
        b' "shards": {"a": {"file": "../../a.h5", "size": 1, "sha256": ""}}}',
    ],
)
def test_a_damaged_manifest_is_named_with_the_command_that_removes_it(
    whole: ShardedCache, content: bytes
) -> None:
    path = whole.directory / MANIFEST
    path.write_bytes(content)
    with pytest.raises(DamagedDataError) as raised:
        whole.refresh()
    assert str(raised.value) == (
        f"{path} is damaged: remove the cache with `ccx cache clear --yes {whole.directory}`; "
        "the next command makes it anew."
    )


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [({"version": 4}, "ccx-test 4"), ({"kind": "ccx-other"}, "ccx-other 3")],
)
def test_a_cache_of_another_format_is_not_read(
    whole: ShardedCache, changes: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(DamagedDataError) as raised:
        cache_in(whole.directory, **changes)
    assert str(raised.value) == (
        f"{whole.directory / MANIFEST} is of format ccx-test 3, not {wanted}: remove it with "
        f"`ccx cache clear --yes {whole.directory}`."
    )


@pytest.mark.parametrize(
    "made_from", [{}, MADE_FROM | {"subset": "all"}, MADE_FROM | {"layer": "layer4"}]
)
def test_a_cache_made_from_something_else_is_not_read(
    whole: ShardedCache, made_from: dict[str, Any]
) -> None:
    with pytest.raises(DamagedDataError) as raised:
        cache_in(whole.directory, made_from=made_from)
    assert str(raised.value) == (
        f"{whole.directory / MANIFEST} was made from other inputs than its name says: remove it "
        f"with `ccx cache clear --yes {whole.directory}`."
    )


def test_origins_are_compared_as_json(whole: ShardedCache) -> None:
    as_tuples = MADE_FROM | {"mask_shape": (112, 112), "std": (0.5, 0.25)}
    assert values_in(cache_in(whole.directory, made_from=as_tuples), "a") == {0}


def test_a_reader_sees_a_shard_only_when_it_is_whole(whole: ShardedCache) -> None:
    reader = cache_in(whole.directory)
    with whole.write("d") as file:
        file["values"] = np.zeros(10)
        reader.refresh()
        assert "d" not in reader
        with pytest.raises(ZeroDivisionError):
            write_half(whole, "a")
        assert values_in(reader, "a") == {0}
    reader.refresh()
    assert values_in(reader, "d") == {0}


def test_a_failed_write_leaves_nothing(whole: ShardedCache) -> None:
    before = sorted(whole.directory.iterdir())
    for name in ("b", "new"):
        with pytest.raises(ZeroDivisionError):
            write_half(whole, name)
    assert sorted(whole.directory.iterdir()) == before
    assert values_in(whole, "b") == {1}
    assert "new" not in whole


def test_a_shard_written_anew_takes_the_old_ones_place(whole: ShardedCache) -> None:
    old = path_of(whole, "b")
    write(whole, "b", 9)
    assert not old.exists()
    assert values_in(cache_in(whole.directory), "b") == {9}
    assert len(list(whole.directory.glob("*.h5"))) == 3


def test_a_shard_that_another_process_replaced_is_checked_again(whole: ShardedCache) -> None:
    assert values_in(whole, "b") == {1}
    writer = cache_in(whole.directory)
    write(writer, "b", 9)
    flip(path_of(writer, "b"))
    whole.refresh()
    with pytest.raises(DamagedDataError), whole.read("b"):
        pass
    assert values_in(whole, "a") == {0}


KILLED = """
import os, sys
from pathlib import Path
from ccx_cli.store.shards import ShardedCache
cache = ShardedCache(Path(sys.argv[1]), "ccx-test", 3, {}, "")
for name in ("a", "b", "c"):
    with cache.write(name) as file:
        file["values"] = list(range(1000))
        file.flush()
        if name == "c":
            os._exit(9)
"""


def test_a_killed_writer_keeps_its_finished_shards_and_leaves_nothing_else(
    tmp_path: Path,
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ended.returncode == 9
    found = cache_in(tmp_path, made_from={})
    assert list(found.shards) == ["a", "b"]
    assert found.fault("b") is None
    write(found, "d", 1)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {MANIFEST, *(shard.file for shard in found.shards.values())}


def test_files_that_no_manifest_names_are_removed_by_the_next_writer(
    whole: ShardedCache,
) -> None:
    orphan = whole.directory / "b.0123456789ab.h5"
    orphan.write_bytes(b"left by a writer that was killed before the manifest")
    other = whole.directory / "notes.txt"
    other.touch()
    write(whole, "d", 3)
    assert not orphan.exists()
    assert other.exists()
    assert [values_in(whole, name) for name in "abcd"] == [{0}, {1}, {2}, {3}]
