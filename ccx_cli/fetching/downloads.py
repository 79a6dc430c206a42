"""Gets published files, whole, from the first host or local file that has them."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.status import (
    DownloadStatus,
    Receipt,
    digest_fault,
    digest_of,
    receipt_path,
    verify,
)
from ccx_cli.fetching.transfer import HostFailedError, RetryPolicy, discard, download
from ccx_cli.fetching.unpacking import ArchiveError, unpack
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import move_into_place
from ccx_cli.store.digests import file_digest
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import Roots, is_imported

_SPARE = 50_000_000
"""Bytes to leave free on the disk."""

# What `read_broden` needs.
_REQUIRED = ("index.csv", "label.csv", "category.csv")


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to get files.

    ``mirrors`` are web folders to try before the published host; ``local`` is a file, or a
    directory of files under their published names, to take instead; ``sha256`` is what the file's
    must be. ``force`` gets it even where it is here. ``is_complete`` is called with a directory
    that ccx did not unpack.
    """

    mirrors: Sequence[str] = ()
    local: Path | None = None
    sha256: str | None = None
    force: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    is_complete: Callable[[Path], bool] = lambda _: True


class _WrongFileError(Exception):
    """A file that is not the one published; the text is what is wrong with it."""


def fetch(
    source: Source, roots: Roots, options: FetchOptions, progress: Progress
) -> DownloadStatus:
    """Get a source to where it belongs, or check that it is there already.

    Raises
    ------
    CcxError
        If no host gives it, or there is no room for it.
    MissingInputError
        If the local file is not there.
    DamagedDataError
        If what is here, or what every host gives, is not what was published.
    """
    if is_imported(source.target(roots)):
        raise UsageError(
            f"{source.target(roots)} contains an import of an older version of ccx, which `ccx "
            f"fetch` never overwrites: move it to NAME/{source.location} there, where NAME is the "
            "folder in its images/, or fetch into another folder with `root_datasets`."
        )
    if options.force or source.found(roots) is None:
        with writing(source.target(roots).parent, progress, source.file_name):
            if options.force or source.found(roots) is None:
                if options.local is None:
                    return _from_hosts(source, roots, options, progress)
                local = _find_local(source, options.local)
                return _from_file(source, roots, local, options, progress)
    here = source.found(roots) or source.target(roots)
    sha256, is_complete = options.sha256, options.is_complete
    status = verify(source, here, progress, sha256=sha256, whole=False, is_complete=is_complete)
    return replace(status, state="here")


def _find_local(source: Source, local: Path) -> Path:
    """Return the file to take: ``local`` itself, or the one of the published name in it."""
    if local.is_file():
        return local
    if not local.is_dir():
        raise MissingInputError(f"`local` {local} is not there: check the path.")
    for name in (source.file_name, f"{source.name.partition('/')[0]}/{source.file_name}"):
        if (local / name).is_file():
            return local / name
    if source.is_archive and (local / _REQUIRED[0]).is_file():
        raise UsageError(
            f"`local` {local} is unpacked already: use it where it is, as {source.location} in the "
            "folder that `root_datasets` names."
        )
    what = "an archive of" if source.is_kept else "which is"
    raise MissingInputError(
        f"`local` {local} has no {source.file_name}, {what} {source.name}: give the file itself "
        "if it has another name."
    )


def _from_hosts(
    source: Source, roots: Roots, options: FetchOptions, progress: Progress
) -> DownloadStatus:
    """Try the hosts one by one; a host that gives another file has failed as well."""
    failures: list[str] = []
    wrong = False
    folder = source.target(roots).parent
    for urls in source.hosts(options.mirrors):
        for url in urls:
            # A part for each address: another host's file may be another.
            tag = hashlib.sha256(url.encode()).hexdigest()[:8]
            part = folder / f".{source.file_name}.{tag}.part"
            try:
                download(
                    url,
                    part,
                    title=f"Fetching {source.title}",
                    retry=options.retry,
                    progress=progress,
                    check_room=lambda size: _check_room(folder, size, source),
                )
                return _install(source, roots, part, url, options, progress)
            except HostFailedError as error:
                failures.append(f"{url} {error}")
                progress.note(f"{failures[-1]}.")
                if not error.absent:
                    break
            except _WrongFileError as error:
                discard(part)
                wrong = True
                failures.append(f"{url} gives a file that {error}")
                progress.note(f"{failures[-1]}.")
                break
    kind = DamagedDataError if wrong else CcxError
    raise kind(
        f"{source.name} could not be fetched ({'; '.join(failures)}): try again later, name "
        f"another host with `mirrors`, or give {source.file_name} with `local`."
    )


def _from_file(
    source: Source, roots: Roots, file: Path, options: FetchOptions, progress: Progress
) -> DownloadStatus:
    folder = source.target(roots).parent
    copy = folder / f".{source.file_name}.local.part"
    try:
        given = file
        if not source.is_archive:
            _check_room(folder, file.stat().st_size, source)
            given = Path(shutil.copyfile(file, copy))
        return _install(source, roots, given, str(file.absolute()), options, progress)
    except _WrongFileError as error:
        raise DamagedDataError(
            f"`local` {file} {error}: it is not {source.name}, give another file."
        ) from error
    finally:
        copy.unlink(missing_ok=True)


def _install(
    source: Source, roots: Roots, file: Path, url: str, options: FetchOptions, progress: Progress
) -> DownloadStatus:
    """Put a file that has arrived where it belongs, if it is the right one."""
    target = source.target(roots)
    _check_kind(source, file)
    digest = digest_of(source, file, progress)
    known = Receipt.read(receipt_path(source, target))
    fault = digest_fault(source, digest, options.sha256, known)
    if source.md5 and known is None and not fault:
        md5 = file_digest(file, algorithm="md5")
        fault = None if md5 == source.md5 else f"has the MD5 {md5}, not {source.md5}"
    if fault and digest != options.sha256:
        accepted = f" (`sha256` {digest} accepts it)" if "at first" in fault else ""
        raise _WrongFileError(f"{fault}{accepted}")
    receipt = Receipt(name=source.name, url=url, size=file.stat().st_size, sha256=digest)
    kept = receipt.size
    if source.is_archive:
        try:
            files, kept = unpack(file, target, _REQUIRED, progress)
        except ArchiveError as error:
            raise _WrongFileError(str(error)) from error
        receipt = msgspec.structs.replace(receipt, unpacked_files=files, unpacked_bytes=kept)
    else:
        move_into_place(file, target)
    receipt.write(receipt_path(source, target))
    # Of all hosts, with what is kept beside them.
    for left in target.parent.glob(f".{source.file_name}.*.part*"):
        left.unlink(missing_ok=True)
    return DownloadStatus(source, "fetched", target, kept, digest, url)


def _check_kind(source: Source, file: Path) -> None:
    """Refuse what is obviously no such file: most of all a web page that says sorry."""
    with file.open("rb") as opened:
        start = opened.read(512)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise _WrongFileError("is a web page")
    named_zip = source.file_name.endswith(".zip")
    if named_zip or (start.startswith(b"PK") and not source.is_kept):
        if not zipfile.is_zipfile(file):
            raise _WrongFileError("is not a complete zip archive")
    elif source.is_kept:
        if not tarfile.is_tarfile(file):
            raise _WrongFileError("is not a tar archive")
    # A pickle, as torch wrote weights before 2020, or a tar, as it did before 2017.
    elif not (start.startswith(b"\x80") or start[257:262] == b"ustar"):
        raise _WrongFileError("is not a PyTorch checkpoint")


def _check_room(folder: Path, size: int, source: Source) -> None:
    """Refuse to begin what cannot end: an archive of pictures unpacks to its own size again."""
    free = shutil.disk_usage(folder).free
    needed = size * (2 if source.root == "datasets" else 1) + _SPARE
    if needed > free:
        raise CcxError(
            f"{source.name} needs {needed:,} bytes in {folder} and {free:,} are free: make room, "
            f"or choose another directory with `root_{source.root}`."
        )
