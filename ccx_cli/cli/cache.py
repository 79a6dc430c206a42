"""``ccx cache``: what is kept between runs."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Any

from ccx_cli.cli.commands.data import CacheClearOptions, CacheListOptions, CacheVerifyOptions
from ccx_cli.cli.diagnostics import answering, reporting
from ccx_cli.cli.options import PlaceOptions
from ccx_cli.cli.output import Column, Record
from ccx_cli.cli.remove import Removable, remove
from ccx_cli.concepts.fingerprints import BY_SIZE, is_by_size
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.store.paths import rebuilt_here
from ccx_cli.store.shards import MANIFEST, cache_files, is_cache, read_manifest

SIZE = "size"


def _state(record: Record) -> str:
    older = " (of ccx 0.1, files by size)" if record["files_by"] == SIZE else ""
    return f"{record['state']}{older}"


COLUMNS = (
    Column("cache", "name"),
    Column("holds", "holds"),
    Column("files", "files", right=True),
    Column("MB", "megabytes", right=True, decimals=1),
    Column("state", "state", show=_state),
)


def list_caches(options: CacheListOptions) -> None:
    """List the caches."""
    directories = _caches(options.places)
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        writer.write(describe(directory, options.places) for directory in directories)
    if not directories:
        progress.note(_none_there(options.places))


def verify(options: CacheVerifyOptions) -> None:
    """Read every cache completely and verify its digests."""
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        directories = _caches(options.places)
        records = []
        with progress.task("Verifying", len(directories), unit="caches") as task:
            for directory in directories:
                records.append(describe(directory, options.places, whole=True))
                writer.line(records[-1])
                task.advance()
        writer.rest(records)
    damaged = [record for record in records if record["state"] != "whole"]
    if damaged:
        what = "; ".join(f"{record['directory']}: {record['state']}" for record in damaged)
        mends = " and ".join(f"`{command}`" for command in {_mend(r): 0 for r in damaged})
        raise DamagedDataError(
            f"{len(damaged)} of {len(records)} caches are damaged ({what}): rebuild with {mends}."
        )


def clear(options: CacheClearOptions) -> None:
    """Remove caches; results are kept."""
    there = {directory.name: directory for directory in _caches(options.places)}
    if options.older and options.caches:
        raise UsageError("--older and names of caches are mutually exclusive.")
    if options.older:
        there = {name: path for name, path in there.items() if _files_by(path) == SIZE}
    chosen = []
    for name in options.caches or sorted(there):
        directory = there.get(name, Path(name))
        if name not in there and not is_cache(directory):
            near = suggestion(directory.name, there) or ": see `ccx cache list`."
            raise MissingInputError(f"There is no cache {name}{near}")
        chosen.append(directory)
    if not chosen:
        with reporting(options.messages) as progress:
            none = "There are no caches of ccx 0.1." if options.older else None
            progress.note(none or _none_there(options.places))
        return
    remove([Removable(path, partial(cache_files, path), path) for path in chosen], options)


def _caches(places: PlaceOptions) -> list[Path]:
    roots = places.roots
    return [
        path.parent
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob(f"*/{MANIFEST}"))
        if is_cache(path.parent)
    ]


def _none_there(places: PlaceOptions) -> str:
    roots = places.roots
    return f"There are no caches in {roots.segmentations} or {roots.activations}."


def describe(directory: Path, places: PlaceOptions, *, whole: bool = False) -> dict[str, Any]:
    """Describe a cache and the range caches inside it; ``whole`` checks every digest."""
    files = list(directory.rglob("*.h5"))
    size = sum(path.stat().st_size for path in files if path.is_file())
    holds, rebuild = "?", shlex.join(["ccx", "cache", "clear", "--yes", str(directory)])
    faults = []
    for manifest in (directory / MANIFEST, *sorted(directory.glob(f"*/{MANIFEST}"))):
        place = manifest.parent.relative_to(directory)
        try:
            cache = read_manifest(manifest.parent)
        except CcxError:
            faults.append(f"{place / MANIFEST} is damaged")
            continue
        if manifest.parent == directory:
            holds = cache.kind.removeprefix("ccx-").replace("-", " ")
            rebuild = rebuilt_here(cache.rebuild, places.roots)
        if whole:
            faults += [
                f"{place / shard.file} {fault}"
                for name, shard in cache.shards.items()
                if (fault := cache.fault(name))
            ]
    return {
        "name": directory.name,
        "holds": holds,
        "files": len(files),
        "megabytes": round(size / 1e6, 1),
        "state": "; ".join(faults) or ("whole" if whole else "there"),
        "rebuild": rebuild,
        "directory": str(directory),
        "files_by": _files_by(directory),
    }


def _mend(record: Record) -> str:
    """Return the command that makes a damaged cache anew."""
    command: str = record["rebuild"]
    is_older = record["files_by"] == SIZE and "build" in command and BY_SIZE not in command
    return f"{command} {BY_SIZE}" if is_older else command


def _files_by(directory: Path) -> str | None:
    """Say how a cache tells the files apart that it was made from, where that can be read."""
    try:
        fingerprint = read_manifest(directory).made_from.get("fingerprint")
    except (CcxError, OSError):
        return None
    if fingerprint is None:
        return None
    return SIZE if is_by_size(fingerprint) else "contents"
