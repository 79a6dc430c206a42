"""HDF5 caches in shards, with a manifest that names each with its size and digest.

On disk a cache is a directory with ``manifest.json`` and one HDF5 file a shard. A shard counts
only once the manifest names it, so a killed run leaves whole shards and nothing else. HDF5's own
checksums do not cover metadata, hence the SHA-256 of every file, checked when a process first
opens it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import remove_files, replacing, write_text
from ccx_cli.store.digests import file_digest, json_digest
from ccx_cli.store.locks import writing
from ccx_cli.version import __version__

if TYPE_CHECKING:
    import h5py

MANIFEST = "manifest.json"
# What ccx calls the files of a shard, and what a killed writer leaves.
_SHARD_FILE = re.compile(r".+\.[0-9a-f]{12}\.h5")
_LEFT_FILE = re.compile(r"\.lock|\..+\.(part|proof)")
_KINDS = {
    "ccx-activations",
    "ccx-concept-index",
    "ccx-ranges",
    "ccx-shapes",
    "ccx-unit-activity",
}


class Shard(msgspec.Struct, frozen=True):
    """What the manifest says of one file."""

    file: str
    size: int
    sha256: str


class _Manifest(msgspec.Struct):
    format: str
    version: int
    made_from: dict[str, Any]
    rebuild: str
    shards: dict[str, Shard]
    sha256: str | None = None  # Manifests of older versions have none.


@dataclass
class ShardedCache:
    """A directory of HDF5 shards.

    ``kind`` and ``version`` are the format's, such as ``ccx-concept-index``; ``made_from`` is
    everything the content depends on (JSON values), as a cache made from anything else is another
    cache, in another directory. ``rebuild`` is the command line that makes the cache, for errors.
    """

    directory: Path
    kind: str
    version: int
    made_from: Mapping[str, Any]
    rebuild: str
    shards: dict[str, Shard] = field(default_factory=dict)
    _verified: set[str] = field(default_factory=set)
    _is_apart: bool = False

    def apart(self) -> Self:
        """Return the same directory to write shards to that another process registers, anywhere."""
        directory = self.directory.absolute()
        return replace(self, directory=directory, shards={}, _verified=set(), _is_apart=True)

    def register(self, shards: Mapping[str, Shard]) -> None:
        """Name shards in the manifest that were written apart; hold the directory's lock."""
        self.shards |= shards
        self._verified |= shards.keys()
        self._write_manifest()

    def refresh(self) -> None:
        """Read the manifest again; DamagedDataError if it is not one of this cache."""
        path = self.directory / MANIFEST
        if not path.exists():
            self.shards = {}
            self._verified.clear()
            return
        manifest = read_manifest(self.directory)
        if (manifest.kind, manifest.version) != (self.kind, self.version):
            raise DamagedDataError(
                f"{path} is of format {manifest.kind} {manifest.version}, not {self.kind} "
                f"{self.version}: remove it with `{_clearing(self.directory)}`."
            )
        if dict(manifest.made_from) != json.loads(json.dumps(dict(self.made_from))):
            raise DamagedDataError(
                f"{path} was made from other inputs than its name says: remove it with "
                f"`{_clearing(self.directory)}`."
            )
        self._verified &= {
            name for name, shard in manifest.shards.items() if self.shards.get(name) == shard
        }
        self.shards = manifest.shards

    def __contains__(self, name: str) -> bool:
        return name in self.shards

    @contextmanager
    def write(self, name: str) -> Iterator[h5py.File]:
        """Write shard ``name``: it lands whole when the block ends; hold the directory's lock.

        Of a cache that is written ``apart``, the file is there then, and in no manifest. The file's
        name carries its digest, so that a new version never takes the old one's place
        before the manifest does. HDF5 writes to memory: a disk that fills under an open file
        leaves the library in a state that later crashes the process.
        """
        import h5py  # Takes long to import; looking at manifests does without it.

        with h5py.File(f"{name}.h5", "w", driver="core", backing_store=False) as file:
            file.attrs["format"] = self.kind
            file.attrs["version"] = self.version
            file.attrs["shard"] = name
            yield file
            file.flush()
            content = file.id.get_file_image()
        digest = hashlib.sha256(content).hexdigest()
        shard = Shard(f"{name}.{digest[:12]}.h5", len(content), digest)
        with replacing(self.directory / shard.file) as beside:
            beside.write_bytes(content)
        if self._is_apart:
            self.shards[name] = shard
        else:
            self.register({name: shard})
            self.remove_unnamed()

    @contextmanager
    def read(self, name: str) -> Iterator[h5py.File]:
        """Open shard ``name``; DamagedDataError if it is not the file that the manifest names."""
        shard = self.shards[name]
        if name not in self._verified:
            if fault := self.fault(name):
                raise self._damaged(shard, fault)
            self._verified.add(name)
        try:
            # What the manifest names is never written again, so locks say nothing of it.
            opened = open_hdf5(self.directory / shard.file, locking=False)
        except OSError as error:  # Removed or replaced since it was checked.
            raise self.unreadable(name) from error
        with opened as file:
            yield file

    def fault(self, name: str) -> str | None:
        """Say what is wrong with shard ``name``, or ``None``; reads the whole file."""
        shard = self.shards[name]
        path = self.directory / shard.file
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return "is missing"
        if size != shard.size:
            return f"is damaged ({size:,} bytes where the manifest says {shard.size:,})"
        if file_digest(path) != shard.sha256:
            return "is damaged (its SHA-256 is not the manifest's)"
        return None

    def _damaged(self, shard: Shard, fault: str) -> DamagedDataError:
        return DamagedDataError(
            f"{self.directory / shard.file} {fault}: rebuild it with `{self.rebuild}`."
        )

    def unreadable(self, name: str) -> DamagedDataError:
        """Return the error that a shard, once verified, could not be read any more."""
        return self._damaged(self.shards[name], self.fault(name) or "cannot be opened")

    def unfinished(self) -> MissingInputError:
        """Return the error that shards are missing, for readers that need them all."""
        return MissingInputError(
            f"{self.directory} is incomplete: finish it with `{self.rebuild}`."
        )

    def drop(self, names: list[str]) -> None:
        """Forget shards and remove their files; hold the directory's lock."""
        for name in names:
            shard = self.shards.pop(name)
            self._verified.discard(name)
            (self.directory / shard.file).unlink(missing_ok=True)
        self._write_manifest()

    def remove_unnamed(self) -> None:
        """Remove the files that no manifest names, left by killed runs; hold the lock."""
        named = {shard.file for shard in self.shards.values()}
        for path in (*self.directory.glob("*.h5"), *self.directory.glob(".*.part")):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def _write_manifest(self) -> None:
        manifest: dict[str, Any] = {
            "format": self.kind,
            "version": self.version,
            "program": __version__,
            "made_from": dict(self.made_from),
            "rebuild": self.rebuild,
            "shards": {
                name: msgspec.structs.asdict(shard) for name, shard in sorted(self.shards.items())
            },
        }
        manifest["sha256"] = _manifest_digest(manifest)
        write_text(self.directory / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def open_hdf5(path: Path, locking: bool | None = None) -> h5py.File:
    """Open an HDF5 file to read it; CcxError if another program has locked it."""
    import h5py  # Takes long to import; looking at manifests does without it.

    try:
        return h5py.File(path, "r", locking=locking)
    except OSError as error:
        if "unable to lock file" not in str(error):
            raise
        raise CcxError(
            f"{path} cannot be locked (errno {error.errno}, {os.strerror(error.errno or 0)}): end "
            "the program that has it open, or set HDF5_USE_FILE_LOCKING=FALSE in the environment."
        ) from error


def read_manifest(directory: Path) -> ShardedCache:
    """Open a cache by its manifest; MissingInputError or DamagedDataError if that is none."""
    path = directory / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = msgspec.convert(content, _Manifest)
        if manifest.sha256 not in (None, _manifest_digest(content)):
            raise ValueError("another digest")
        if any("/" in shard.file or "\\" in shard.file for shard in manifest.shards.values()):
            raise ValueError("a shard outside its directory")
    except FileNotFoundError as error:
        raise MissingInputError(
            f"There is no cache in {directory}: `ccx cache list` shows the ones there are."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DamagedDataError(
            f"{path} is damaged: remove the cache with `{_clearing(directory)}`; "
            "the next command makes it anew."
        ) from error
    return ShardedCache(
        directory,
        manifest.format,
        manifest.version,
        manifest.made_from,
        manifest.rebuild,
        manifest.shards,
    )


def is_cache(directory: Path) -> bool:
    """Return whether a directory is a cache that ccx made.

    Its manifest says so. One that is damaged does not, and then there must be a shard that is named
    as ccx names them, and no file that is not.
    """
    try:
        return read_manifest(directory).kind in _KINDS
    except MissingInputError:
        return False
    except (DamagedDataError, OSError):
        files = [path.name for path in directory.rglob("*") if not path.is_dir()]
        return any(map(_SHARD_FILE.fullmatch, files)) and all(map(_is_named_so, files))


def cache_files(directory: Path) -> list[Path]:
    """Return the files of a cache that are ccx's, those of caches inside it first."""
    inside = [
        path
        for path in sorted(directory.glob("*/"))
        if is_cache(path) or all(_LEFT_FILE.fullmatch(each.name) for each in path.iterdir())
    ]
    return [
        path
        for folder in (*inside, directory)
        for path in sorted(folder.iterdir())
        if _is_named_so(path.name)
    ]


def _is_named_so(name: str) -> bool:
    """Tell whether a file in a cache is named as ccx names them."""
    return name == MANIFEST or bool(_SHARD_FILE.fullmatch(name) or _LEFT_FILE.fullmatch(name))


def remove_cache(directory: Path, progress: Progress) -> None:
    """Remove the files of a cache once nobody writes in it, and what directories are empty then."""
    with writing(directory, progress):
        remove_files(directory, cache_files(directory))


def _clearing(directory: Path) -> str:
    """Return the command line that removes the cache in ``directory``."""
    return shlex.join(["ccx", "cache", "clear", "--yes", str(directory)])


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of what a manifest says, in hexadecimal, its own digest left out."""
    return json_digest({key: value for key, value in manifest.items() if key != "sha256"})
