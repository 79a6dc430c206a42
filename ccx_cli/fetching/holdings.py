"""What is here of what is published, and whether it is still what was fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.unpacking import LISTING
from ccx_cli.progress import Progress, Task
from ccx_cli.store.atomic import write_text
from ccx_cli.store.paths import Roots

_FORMAT = "ccx-download"
_VERSION = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a file since it was first seen here; kept beside it as JSON.

    Attributes
    ----------
    name
        Of the source.
    url
        Where it came from; a path for a file that was handed over, null for one found in place.
    size
        Bytes of the published file.
    sha256
        Of the published file: of the archive, where it was unpacked.
    unpacked_files, unpacked_bytes
        What came out of an archive.
    """

    name: str
    url: str | None
    size: int
    sha256: str
    unpacked_files: int | None = None
    unpacked_bytes: int | None = None

    def write(self, path: Path) -> None:
        """Write it beside the file."""
        content = {"format": _FORMAT, "version": _VERSION, **asdict(self)}
        write_text(path, json.dumps(content, indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> Receipt | None:
        """Read it, None if there is none.

        Raises
        ------
        DamagedDataError
            If there is something else.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if (content.pop("format"), content.pop("version")) != (_FORMAT, _VERSION):
                raise ValueError("another format")
            if not isinstance(content["sha256"], str) or not isinstance(content["size"], int):
                raise TypeError("sha256 is text and size a number")
            return Receipt(**content)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedDataError(
                f"{path} is no record of a download: remove it, and the next `ccx fetch` makes it "
                "anew."
            ) from error


@dataclass(frozen=True, slots=True)
class Holding:
    """A source, and what is here of it.

    Attributes
    ----------
    source
        What is published.
    state
        ``here``, ``partial``, ``missing``, ``fetched`` (just now), ``whole`` (just verified) or
        ``damaged``.
    path
        Where it is, or belongs.
    size
        Bytes here: unpacked ones of an archive; None if nobody counted.
    sha256
        Of the published file, once known.
    url
        Where it came from.
    fault
        What is wrong with it.
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


def parts(source: Source, roots: Roots) -> list[Path]:
    """Return the parts of unfinished downloads."""
    return sorted(source.target(roots).parent.glob(f".{source.file_name}.*.part"))


def inspect(source: Source, roots: Roots) -> Holding:
    """Say what is here of a source, without reading it."""
    path = source.found(roots)
    if path is None:
        arrived = max((part.stat().st_size for part in parts(source, roots)), default=0)
        state = "partial" if arrived else "missing"
        return Holding(source, state, source.target(roots), arrived or None)
    try:
        receipt = Receipt.read(receipt_path(source, path))
    except DamagedDataError as error:
        return Holding(source, "damaged", path, fault=str(error))
    size = path.stat().st_size if path.is_file() else None
    if receipt is None:
        return Holding(source, "here", path, size)
    size = receipt.unpacked_bytes if size is None else size
    return Holding(source, "here", path, size, receipt.sha256, receipt.url)


def verify(
    source: Source,
    path: Path,
    progress: Progress,
    *,
    sha256: str | None = None,
    whole: bool = True,
    is_complete: Callable[[Path], bool] = lambda _: True,
) -> Holding:
    """Compare what is at ``path`` with its receipt; what has none gets one.

    Parameters
    ----------
    source
        What it should be.
    path
        Where it is.
    progress
        Told about bytes read.
    sha256
        What the published file's must be, if that is known.
    whole
        Read every file of an unpacked archive; else their sizes are compared only.
    is_complete
        Asked about a directory that nobody knows the files of.

    Raises
    ------
    DamagedDataError
        If it is not what it was, or should be.
    """
    receipt = Receipt.read(receipt_path(source, path))
    if source.is_archive:
        holding = _verify_directory(source, path, receipt, progress, whole, is_complete)
        if sha256 and holding.sha256 != sha256:
            known = f"has the SHA-256 {holding.sha256}" if holding.sha256 else "is not known"
            raise _other(path, source, f"the archive it was unpacked from {known}, not {sha256}")
        return holding
    digest = digest_of(source, path, progress)
    recorded = receipt.sha256 if receipt else digest
    if sha256 and digest != sha256:
        raise _other(path, source, f"its SHA-256 is {digest}, not {sha256}")
    if not digest.startswith(source.digest_start):
        raise _other(path, source, f"its SHA-256 is {digest}, not {source.digest_start}...")
    if digest != recorded:
        raise _other(path, source, f"its SHA-256 is {digest}, at first it was {recorded}")
    size = path.stat().st_size
    if receipt is None:
        # A place that may not be written to is as good to read from.
        with suppress(OSError):
            Receipt(source.name, None, size, digest).write(receipt_path(source, path))
    return Holding(source, "whole", path, size, digest, receipt.url if receipt else None)


def digest_of(source: Source, path: Path, progress: Progress) -> str:
    """Return the SHA-256 of a source's file in hexadecimal."""
    with progress.task(f"Checking {source.name}", path.stat().st_size, unit="bytes") as task:
        return _digest(path, task)


def _verify_directory(
    source: Source,
    directory: Path,
    receipt: Receipt | None,
    progress: Progress,
    whole: bool,
    is_complete: Callable[[Path], bool],
) -> Holding:
    holding = Holding(source, "whole", directory)
    if receipt is not None:
        holding = replace(holding, sha256=receipt.sha256, url=receipt.url)
    try:
        known = list(_listed(directory))
    except FileNotFoundError:
        if not is_complete(directory):
            raise _other(directory, source, "it is not whole, and ccx did not unpack it") from None
        return replace(holding, size=_list_files(source, directory, progress))
    except ValueError as error:
        raise _other(directory, source, f"its {LISTING} cannot be read") from error
    lost = []
    with progress.task(
        f"Checking {source.name}", sum(size for _, size, _ in known), unit="bytes"
    ) as task:
        for digest, size, name in known:
            path = directory / name
            if not path.is_file() or path.stat().st_size != size:
                lost.append(name)
            elif not whole:
                task.advance(size)
            elif _digest(path, task) != digest:
                lost.append(name)
    if lost:
        files = "1 file is" if len(lost) == 1 else f"{len(lost):,} files are"
        raise _other(directory, source, f"{files} missing or changed, {lost[0]} the first")
    return replace(holding, size=sum(size for _, size, _ in known))


def _listed(directory: Path) -> Iterator[tuple[str, int, str]]:
    for line in (directory / LISTING).read_text(encoding="utf-8").splitlines():
        digest, size, name = line.split("\t", 2)
        yield digest, int(size), name


def _list_files(source: Source, directory: Path, progress: Progress) -> int:
    """List the files of a directory as they are, and return their bytes."""
    sizes = {
        path: path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != LISTING
    }
    with progress.task(f"Checking {source.name}", sum(sizes.values()), unit="bytes") as task:
        lines = [
            f"{_digest(path, task)}\t{size}\t{path.relative_to(directory).as_posix()}\n"
            for path, size in sizes.items()
        ]
    with suppress(OSError):
        write_text(directory / LISTING, "".join(lines))
    return sum(sizes.values())


def _digest(path: Path, task: Task) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            task.advance(len(chunk))
    return digest.hexdigest()


def _other(path: Path, source: Source, fault: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} is not what was published ({fault}): `ccx fetch --force {source.name}` gets it "
        "anew and replaces it."
    )
