"""Gets what is published here, whole, from the first host or file that has it."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.fetching.connections import HostFailedError
from ccx_cli.fetching.holdings import Holding, Receipt, digest_of, receipt_path, verify
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.transfer import Patience, download, forget
from ccx_cli.fetching.unpacking import ArchiveError, Limits, unpack
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import move_into_place
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import Roots

_CHUNK = 1 << 20
_SPARE = 50_000_000
"""Bytes to leave free on the disk."""

# What `read_broden` cannot do without.
_REQUIRED = ("index.csv", "label.csv", "category.csv")


@dataclass(frozen=True, slots=True)
class Ways:
    """How files are got.

    Attributes
    ----------
    mirrors
        Web folders to try before the published host.
    handed
        A file, or a directory of files under their published names, to take instead.
    sha256
        What the file's must be, in hexadecimal.
    force
        Get it even where it is here.
    patience
        How long to wait for hosts.
    limits
        What archives must stay under.
    is_complete
        Asked about a directory that ccx did not unpack.
    """

    mirrors: Sequence[str] = ()
    handed: Path | None = None
    sha256: str | None = None
    force: bool = False
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)
    is_complete: Callable[[Path], bool] = lambda _: True


class _WrongFileError(Exception):
    """A file that is not the one published; the text is what is wrong with it."""


def obtain(source: Source, roots: Roots, ways: Ways, progress: Progress) -> Holding:
    """Get a source to where it belongs, or check that it is there already.

    Parameters
    ----------
    source
        What to get.
    roots
        Where it belongs.
    ways
        Where to get it from.
    progress
        Told about bytes, hosts that fail and other processes that are at it.

    Raises
    ------
    CcxError
        If no host gives it, or there is no room for it.
    MissingInputError
        If the file that was to be handed over is not there.
    DamagedDataError
        If what is here, or what every host gives, is not what was published.
    """
    here = source.found(roots)
    if here is not None and not ways.force:
        return _checked(source, here, ways, progress)
    target = source.target(roots)
    with writing(target.parent, progress, source.file_name):
        here = source.found(roots)
        if here is not None and not ways.force:
            return _checked(source, here, ways, progress)
        if ways.handed is None:
            return _from_hosts(source, roots, ways, progress)
        return _from_file(source, roots, ways.handed, ways, progress)


def handed_file(source: Source, handed: Path) -> Path:
    """Return the file to take: ``handed`` itself, or the one of the published name in it.

    Raises
    ------
    MissingInputError
        If it is not there.
    UsageError
        If it is the directory that the archive unpacks to.
    """
    if handed.is_file():
        return handed
    if not handed.is_dir():
        raise MissingInputError(f"--from {handed} is not there: check the path.")
    for place in (source.file_name, f"{source.name.partition('/')[0]}/{source.file_name}"):
        if (handed / place).is_file():
            return handed / place
    if source.is_archive and (handed / _REQUIRED[0]).is_file():
        raise UsageError(
            f"--from {handed} is unpacked already: use it where it is, as {source.place} in the "
            "folder that --root-datasets names."
        )
    raise MissingInputError(
        f"--from {handed} has no {source.file_name}, which is {source.name}: give the file itself "
        "if it has another name."
    )


def _checked(source: Source, here: Path, ways: Ways, progress: Progress) -> Holding:
    holding = verify(
        source, here, progress, sha256=ways.sha256, whole=False, is_complete=ways.is_complete
    )
    return replace(holding, state="here")


def _from_hosts(source: Source, roots: Roots, ways: Ways, progress: Progress) -> Holding:
    """Try the hosts one by one; a host that gives another file has failed as well."""
    failures: list[str] = []
    wrong = False
    folder = source.target(roots).parent
    for addresses in source.hosts(ways.mirrors):
        for url in addresses:
            # A part for each address: another host's file may be another.
            tag = hashlib.sha256(url.encode()).hexdigest()[:8]
            part = folder / f".{source.file_name}.{tag}.part"
            try:
                download(
                    url,
                    part,
                    what=f"Fetching {source.name}",
                    patience=ways.patience,
                    progress=progress,
                    check_room=lambda size: _check_room(folder, size, source),
                )
                return _land(source, roots, part, url, ways, progress)
            except HostFailedError as failure:
                failures.append(f"{url} {failure}")
                progress.note(f"{failures[-1]}.")
                if not failure.absent:
                    break
            except _WrongFileError as failure:
                forget(part)
                wrong = True
                failures.append(f"{url} gives a file that {failure}")
                progress.note(f"{failures[-1]}.")
                break
    kind = DamagedDataError if wrong else CcxError
    raise kind(
        f"{source.name} could not be fetched ({'; '.join(failures)}): try again later, name "
        f"another host with --mirror URL, or give {source.file_name} with --from FILE."
    )


def _from_file(
    source: Source, roots: Roots, handed: Path, ways: Ways, progress: Progress
) -> Holding:
    file = handed_file(source, handed)
    folder = source.target(roots).parent
    try:
        if source.is_archive:
            return _land(source, roots, file, str(file.absolute()), ways, progress)
        size = file.stat().st_size
        _check_room(folder, size, source)
        part = folder / f".{source.file_name}.handed.part"
        with (
            file.open("rb") as given,
            part.open("wb") as copy,
            progress.task(f"Copying {file.name}", size, unit="bytes") as task,
        ):
            while chunk := given.read(_CHUNK):
                copy.write(chunk)
                task.advance(len(chunk))
        return _land(source, roots, part, str(file.absolute()), ways, progress)
    except _WrongFileError as fault:
        raise DamagedDataError(
            f"--from {file} {fault}: it is not {source.name}, give another file."
        ) from fault
    finally:
        forget(folder / f".{source.file_name}.handed.part")


def _land(
    source: Source, roots: Roots, file: Path, url: str, ways: Ways, progress: Progress
) -> Holding:
    """Put a file that has arrived where it belongs, if it is the right one."""
    target = source.target(roots)
    receipt = receipt_path(source, target)
    digest = _accept(source, file, receipt, ways, progress)
    size = file.stat().st_size
    if source.is_archive:
        try:
            unpacked = unpack(file, target, _REQUIRED, progress, ways.limits)
        except ArchiveError as error:
            raise _WrongFileError(str(error)) from error
        made = Receipt(source.name, url, size, digest, unpacked.files, unpacked.size)
        kept = unpacked.size
    else:
        move_into_place(file, target)
        made, kept = Receipt(source.name, url, size, digest), size
    made.write(receipt)
    # Of all hosts, with what is kept beside them.
    for left in target.parent.glob(f".{source.file_name}.*.part*"):
        left.unlink(missing_ok=True)
    return Holding(source, "fetched", target, kept, digest, url)


def _accept(source: Source, file: Path, receipt: Path, ways: Ways, progress: Progress) -> str:
    """Return the file's SHA-256, if the file can be the published one."""
    _recognise(source, file)
    digest = digest_of(source, file, progress)
    if ways.sha256:
        if digest != ways.sha256:
            raise _WrongFileError(f"has the SHA-256 {digest}, not {ways.sha256}")
        return digest
    if not digest.startswith(source.digest_start):
        raise _WrongFileError(f"has the SHA-256 {digest}, not {source.digest_start}...")
    known = Receipt.read(receipt)
    if known is not None and known.sha256 != digest:
        raise _WrongFileError(
            f"has the SHA-256 {digest}, at first it was {known.sha256} (--sha256 {digest} "
            "accepts it)"
        )
    return digest


def _recognise(source: Source, file: Path) -> None:
    """Refuse what is at first sight no such file: most of all a web page that says sorry."""
    with file.open("rb") as opened:
        start = opened.read(512)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise _WrongFileError("is a web page")
    if source.is_archive or start.startswith(b"PK"):
        if not zipfile.is_zipfile(file):
            raise _WrongFileError("is no whole zip archive")
    # A pickle, as torch wrote weights before 2020, or a tar, as it did before 2017.
    elif not (start.startswith(b"\x80") or start[257:262] == b"ustar"):
        raise _WrongFileError("is no checkpoint of torch")


def _check_room(folder: Path, size: int, source: Source) -> None:
    """Refuse to begin what cannot end: an archive of pictures unpacks to its own size again."""
    free = shutil.disk_usage(folder).free
    needed = size * (2 if source.is_archive else 1) + _SPARE
    if needed > free:
        raise CcxError(
            f"{source.name} needs {needed:,} bytes in {folder} and {free:,} are free: make room, "
            f"or choose another place with --root-{source.root}."
        )
