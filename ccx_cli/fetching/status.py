"""What is here of what is published, and whether it is still what was downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from ccx_cli.errors import DamagedDataError
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.unpacking import LISTING, ListedFile, read_listing, write_listing
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import Roots


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file since it was first seen here; kept beside it as JSON.

    ``name`` is the source's; ``url`` is where it came from: a path for a local file, ``None`` for
    one found in place. ``size`` and ``sha256`` are of the published file, of the archive where it
    was unpacked.
    """

    format: Literal["ccx-download"] = "ccx-download"
    version: Literal[1] = 1
    name: str
    url: str | None
    size: int
    sha256: str
    unpacked_files: int | None = None
    unpacked_bytes: int | None = None

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(msgspec.structs.asdict(self), indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> Receipt | None:
        """Read a receipt, ``None`` if there is none; DamagedDataError if it is not one."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Receipt)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise DamagedDataError(
                f"{path} is not a record of a download: remove it, and the next `ccx fetch` writes "
                "a new one."
            ) from error


@dataclass(frozen=True, slots=True)
class DownloadStatus:
    """A source, and what is here of it.

    ``state`` is ``here``, ``partial``, ``missing``, ``fetched`` (just now), ``whole`` (just
    verified) or ``damaged``, with a ``fault``; ``path`` where it is, or belongs; ``size`` the bytes
    here, unpacked ones of an archive, if anyone counted. ``sha256`` and ``url`` are the published
    file's.
    """

    source: Source
    state: str
    path: Path
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    fault: str | None = None


def receipt_path(source: Source, path: Path) -> Path:
    """Return where the receipt of what is at ``path`` is kept."""
    return path.with_name(f"{source.file_name}.json")


def inspect(source: Source, roots: Roots) -> DownloadStatus:
    """Say what is here of a source, without reading it."""
    path, target = source.found(roots), source.target(roots)
    if path is None:
        parts = target.parent.glob(f".{source.file_name}.*.part")
        arrived = max((part.stat().st_size for part in parts), default=0)
        return DownloadStatus(source, "partial" if arrived else "missing", target, arrived or None)
    try:
        receipt = Receipt.read(receipt_path(source, path))
    except DamagedDataError as error:
        return DownloadStatus(source, "damaged", path, fault=str(error))
    size = path.stat().st_size if path.is_file() else None
    if receipt is None:
        return DownloadStatus(source, "here", path, size)
    size = receipt.unpacked_bytes if size is None else size
    return DownloadStatus(source, "here", path, size, receipt.sha256, receipt.url)


def verify(
    source: Source,
    path: Path,
    progress: Progress,
    *,
    sha256: str | None = None,
    whole: bool = True,
    is_complete: Callable[[Path], bool] = lambda _: True,
) -> DownloadStatus:
    """Compare what is at ``path`` with its receipt; what has none gets one.

    Of an unpacked archive every file is read where ``whole``, else only their sizes are compared.
    DamagedDataError if it is not what it was, or not what ``sha256`` says of the published file.
    """
    receipt = Receipt.read(receipt_path(source, path))
    if source.is_archive:
        status = _verify_directory(source, path, receipt, progress, whole, is_complete)
        if sha256 and status.sha256 != sha256:
            known = f"has the SHA-256 {status.sha256}" if status.sha256 else "is not known"
            raise _other(path, source, f"the archive it was unpacked from {known}, not {sha256}")
        return status
    digest = digest_of(source, path, progress)
    fault = digest_fault(source, digest, sha256, receipt)
    if fault:
        raise _other(path, source, f"it {fault}")
    size = path.stat().st_size
    if receipt is None:
        # A read-only directory serves as well.
        with suppress(OSError):
            made = Receipt(name=source.name, url=None, size=size, sha256=digest)
            made.write(receipt_path(source, path))
    return DownloadStatus(source, "whole", path, size, digest, receipt.url if receipt else None)


def digest_of(source: Source, path: Path, progress: Progress) -> str:
    """Return the SHA-256 of a source's file in hexadecimal."""
    with progress.task(f"Checking {source.title}", path.stat().st_size, unit="bytes") as task:
        return file_digest(path, task)


def digest_fault(
    source: Source, digest: str, required: str | None, receipt: Receipt | None
) -> str | None:
    """Say what is wrong with a file of this SHA-256: not required, published or first seen."""
    if required and digest != required:
        return f"has the SHA-256 {digest}, not {required}"
    if not digest.startswith(source.digest_start):
        more = "" if source.sha256 else "..."
        return f"has the SHA-256 {digest}, not {source.digest_start}{more}"
    if receipt is not None and digest != receipt.sha256:
        return f"has the SHA-256 {digest}, at first it was {receipt.sha256}"
    return None


def _verify_directory(
    source: Source,
    directory: Path,
    receipt: Receipt | None,
    progress: Progress,
    whole: bool,
    is_complete: Callable[[Path], bool],
) -> DownloadStatus:
    status = DownloadStatus(source, "whole", directory)
    if receipt is not None:
        status = replace(status, sha256=receipt.sha256, url=receipt.url)
    try:
        listed = read_listing(directory)
    except FileNotFoundError:
        if not is_complete(directory):
            raise _other(directory, source, "it is incomplete, and ccx did not unpack it") from None
        return replace(status, size=_list_files(source, directory, progress))
    except ValueError as error:
        raise _other(directory, source, f"its {LISTING} cannot be read") from error
    total = sum(file.size for file in listed)
    lost = []
    with progress.task(f"Checking {source.name}", total, unit="bytes") as task:
        for file in listed:
            path = directory / file.name
            if not path.is_file() or path.stat().st_size != file.size:
                lost.append(file.name)
            elif not whole:
                task.advance(file.size)
            elif file_digest(path, task) != file.sha256:
                lost.append(file.name)
    if lost:
        files = "1 file is" if len(lost) == 1 else f"{len(lost):,} files are"
        raise _other(directory, source, f"{files} missing or changed, {lost[0]} the first")
    return replace(status, size=total)


def _list_files(source: Source, directory: Path, progress: Progress) -> int:
    """List the files of a directory as they are, and return their bytes."""
    sizes = {
        path: path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != LISTING
    }
    total = sum(sizes.values())
    with progress.task(f"Checking {source.name}", total, unit="bytes") as task:
        files = [
            ListedFile(file_digest(path, task), size, path.relative_to(directory).as_posix())
            for path, size in sizes.items()
        ]
    with suppress(OSError):
        write_listing(directory, files)
    return total


def _other(path: Path, source: Source, fault: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} is not what was published ({fault}): `ccx fetch --force {source.name}` gets it "
        "anew and replaces it."
    )
