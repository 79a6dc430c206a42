"""Public labeled sets: fetched, unpacked and imported in one go."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from ccx_cli.cli.import_ import sentences
from ccx_cli.cli.inputs.sets import inspect_set, size_of, space
from ccx_cli.cli.option_names import with_options
from ccx_cli.concepts.datasets import read_marker
from ccx_cli.concepts.importing.published_sets import read_set
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.writer import check_free_directory, write_broden
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError
from ccx_cli.fetching.downloads import FetchOptions, fetch
from ccx_cli.fetching.members import unpack_members
from ccx_cli.fetching.sets import ARCHIVES, PublishedSet, Unpacking
from ccx_cli.fetching.sources import Source
from ccx_cli.fetching.status import DownloadStatus, Receipt, receipt_path
from ccx_cli.fetching.unpacking import ArchiveError
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import move_directory_into_place
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import IMPORT_MARKER, Roots


def fetch_set(
    published: PublishedSet,
    roots: Roots,
    settings: ImportSettings,
    options: FetchOptions,
    workers: int,
    progress: Progress,
) -> DownloadStatus:
    """Get the archives of a set and import it, unless that is done; a killed run is continued.

    Raises
    ------
    UsageError
        If another dataset has its name.
    DamagedDataError
        If an archive is not the one that was published.
    """
    _check_local(published, options)
    source = published.dataset(settings.side)
    try:
        target = check_free_directory(roots.datasets, settings, force=True)
    except UsageError as error:
        # An import may have another name instead.
        fault = str(error).rpartition(": ")[0]
        raise UsageError(
            f"{fault}: move it, or choose another folder with `root_datasets`."
        ) from error
    with writing(roots.datasets / ARCHIVES, progress, published.name):
        if not options.force and _is_made(target, published, settings):
            # Of a run that was killed once the dataset was whole.
            shutil.rmtree(published.unpacked(roots), ignore_errors=True)
            return replace(inspect_set(published, roots, settings.side), state="here")
        if target.exists() and not options.force:
            raise UsageError(
                f"{target} already exists, imported from other files, with other options or by "
                "another version of ccx: set `force` to overwrite it, or use it as it is."
            )
        progress.note(space(published, roots, settings))
        folder = _unpack(published, roots, options, progress)
        try:
            read = read_set(published.name, folder)
            for note in read.notes:
                progress.note(with_options(note))
            summary = write_broden(
                *(read, roots.datasets, settings),
                force=options.force,
                workers=workers,
                progress=progress,
            )
        except (DamagedDataError, MissingInputError) as error:
            shutil.rmtree(folder)
            for archive in published.archives:
                if not (archive.sha256 or archive.md5):
                    _forget(archive, roots)
            raise DamagedDataError(
                f"An archive of {published.name} is not the published one "
                f"({str(error).removesuffix('.')}): fetch it again, or give another with `local`."
            ) from error
        shutil.rmtree(folder)
    for sentence in sentences(summary, target):
        progress.note(sentence)
    return DownloadStatus(source, "fetched", target, size_of(target))


def _check_local(published: PublishedSet, options: FetchOptions) -> None:
    """Refuse a file or digest that may be any of several archives."""
    names = [archive.file_name for archive in published.archives]
    if len(names) == 1:
        return
    if options.sha256:
        raise UsageError(
            f"`sha256` is for one file, and {published.name} has {len(names)}: leave it out."
        )
    local = options.local
    if local is not None and local.is_file() and local.name not in names:
        raise UsageError(
            f"`local` {local} is called as none of the archives of {published.name} "
            f"({', '.join(names)}): rename it, or give the folder of all."
        )


def _is_made(target: Path, published: PublishedSet, settings: ImportSettings) -> bool:
    marker = read_marker(target / IMPORT_MARKER)
    wanted = {"source": published.name, **json.loads(json.dumps(asdict(settings)))}
    return all(marker.get(key) == value for key, value in wanted.items())


def _unpack(
    published: PublishedSet, roots: Roots, options: FetchOptions, progress: Progress
) -> Path:
    """Return the folder of what is read of the archives, which are fetched where it is missing."""
    folder = published.unpacked(roots)
    if folder.is_dir() and not options.force:
        return folder
    archives = published.archives
    statuses = [_fetch_archive(each, len(archives), roots, options, progress) for each in archives]
    if folder.is_dir() and all(status.state == "here" for status in statuses):
        return folder
    beside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for each in published.unpackings:
            archive = each.archive.found(roots) or each.archive.target(roots)
            try:
                _unpack_into(beside, archive, each, progress)
            except ArchiveError as error:
                raise _wrong_archive(each.archive, archive, roots, error) from error
        move_directory_into_place(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _unpack_into(beside: Path, archive: Path, unpacking: Unpacking, progress: Progress) -> None:
    if not unpacking.labeled_by:
        opened = beside / unpacking.inner if unpacking.inner else archive
        unpack_members(opened, beside, unpacking.patterns, progress)
        if unpacking.inner:
            opened.unlink()
        return
    labeled = {path.stem for path in beside.rglob(f"*{unpacking.labeled_by}")}

    def is_labeled(name: str) -> bool:
        return Path(name).stem in labeled

    unpack_members(archive, beside, unpacking.patterns, progress, is_wanted=is_labeled)


def _fetch_archive(
    archive: Source, n_archives: int, roots: Roots, options: FetchOptions, progress: Progress
) -> DownloadStatus:
    """Get one of so many archives; ``force`` replaces one that is damaged, or given anew."""
    local = options.local
    if n_archives > 1 and local is not None and local.is_file():
        local = local if local.name == archive.file_name else None
    force = options.force and local is not None
    try:
        return fetch(archive, roots, replace(options, local=local, force=force), progress)
    except DamagedDataError:
        if not options.force or force or archive.found(roots) is None:
            raise
        return fetch(archive, roots, replace(options, local=local), progress)


def _wrong_archive(
    archive: Source, path: Path, roots: Roots, error: ArchiveError
) -> DamagedDataError:
    """Return the error of an archive that cannot be used, and forget one that ccx fetched."""
    removed = " and was removed" if _forget(archive, roots) else ""
    return DamagedDataError(
        f"{path} {error}, so it is not the archive of {archive.name}{removed}: fetch it again, or "
        "give another with `local`."
    )


def _forget(archive: Source, roots: Roots) -> bool:
    """Forget the digest of an archive that turned out to be another; remove one ccx has fetched."""
    path = archive.target(roots)
    receipt = Receipt.read(receipt_path(archive, path))
    receipt_path(archive, path).unlink(missing_ok=True)
    is_fetched = receipt is not None and receipt.url is not None
    if is_fetched:
        path.unlink(missing_ok=True)
    return is_fetched
