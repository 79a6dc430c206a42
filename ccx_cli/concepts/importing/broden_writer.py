"""Writes a source of annotated photographs as a data set in Broden's layout.

The data set is made in a folder beside its place, with a journal of the photographs that are done,
and takes its place when it is whole: a run that was killed is never taken for one that was not,
and the same run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial
from hashlib import sha256
from pathlib import Path

from ccx_cli.concepts.importing.import_tables import (
    MARKER,
    VERSION,
    ImportSettings,
    ImportSummary,
    read_summary,
    write_tables,
)
from ccx_cli.concepts.importing.journal import JOURNAL, Journal, fingerprint, remove_painted
from ccx_cli.concepts.importing.naming import name_images
from ccx_cli.concepts.importing.painting import Frame, PaintedImage, paint
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.processes import in_processes
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.atomic import move_directory_into_place, naming
from ccx_cli.store.locks import writing

SMALLEST_SIDE, LARGEST_SIDE = 2, 4096
_CHUNK = 16
_IN_PROCESS = 2 * _CHUNK


def check_settings(settings: ImportSettings) -> None:
    """Refuse settings that cannot be meant.

    Raises
    ------
    UsageError
        If one is out of bounds.
    """
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in settings.size):
        height, width = settings.size
        given = height if height == width else f"{height}x{width}"
        raise UsageError(
            f"--side {given} is not from {SMALLEST_SIDE} to {LARGEST_SIDE}: "
            "networks mostly take 224."
        )
    if settings.val_share is not None and not 0 <= settings.val_share <= 1:
        raise UsageError(f"--val-share {settings.val_share} is no share: give one from 0 to 1.")


def check_free_directory(datasets: Path, side: int, force: bool) -> Path:
    """Return where a data set goes, unless another is there that must not be overwritten.

    Raises
    ------
    UsageError
        If something is there, and ``force`` is not given or it is not an import's work.
    """
    target = datasets / f"broden1_{side}"
    if target.exists():
        if not (target / MARKER).is_file():
            raise UsageError(
                f"{target} holds a data set that ccx import did not make, and is never "
                "overwritten: give the import a place of its own with --root-datasets."
            )
        if not force:
            raise UsageError(
                f"{target} is there already: add --force to overwrite it, or give the import a "
                "place of its own with --root-datasets."
            )
    return target


def find_made(
    source: Source, datasets: Path, settings: ImportSettings, force: bool
) -> ImportSummary | None:
    """Return what the same import, of the same files, has made before; ``None`` to go ahead.

    Raises
    ------
    UsageError
        As ``check_free_directory``.
    """
    target = datasets / f"broden1_{settings.side}"
    if not force and target.exists():
        made = read_summary(target, _made_from(_prepared(source, settings)[0], settings))
        if made is not None:
            return made
    check_free_directory(datasets, settings.side, force)
    return None


def write_broden(
    source: Source,
    datasets: Path,
    settings: ImportSettings,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> ImportSummary:
    """Write ``datasets/broden1_<side>``; what the same import has made before is left as it is.

    Parameters
    ----------
    source
        From one of the readers.
    datasets
        The directory that holds the data sets; made where it is missing.
    settings
        How to.
    force
        Whether an import that is there is overwritten, whatever it was made from.
    workers
        Processes that read and write pictures.
    progress
        Told of each picture.

    Raises
    ------
    UsageError
        If a setting cannot be meant, or another data set is in the place.
    MissingInputError, DamagedDataError
        If a file of the source is not there or not what it should be.
    """
    progress = progress or SilentProgress()
    check_settings(settings)
    source, colors = _prepared(source, settings)
    made = find_made(source, datasets, settings, force)
    if made is not None:
        return made
    name = f"broden1_{settings.side}"
    with naming(datasets / name), writing(datasets, progress, name):
        made = find_made(source, datasets, settings, force)
        if made is not None:
            return made
        target = datasets / name
        partial_directory = datasets / f".{name}.partial"
        frame = Frame(partial_directory / "images", settings.size, settings.fit, colors)
        made_from = _made_from(source, settings)
        painted = _paint_all(source, settings, frame, workers, progress)
        summary = write_tables(source, painted, frame, settings, target, made_from)
        (partial_directory / JOURNAL).unlink()
        move_directory_into_place(partial_directory, target)
    return summary


def _prepared(source: Source, settings: ImportSettings) -> tuple[Source, tuple[int, ...]]:
    """Add colours and split as the settings say; also the colours' numbers."""
    colors: tuple[int, ...] = ()
    if settings.colors:
        source, colors = source.with_colors()
    return source.drawn_split(settings.val_share, settings.seed), colors


def _paint_all(
    source: Source, settings: ImportSettings, frame: Frame, workers: int, progress: Progress
) -> list[PaintedImage]:
    """Write the pictures that a run before has not, and return all in the order of the source."""
    stems = name_images([image.name for image in source.images], settings.subset, source.categories)
    identity = _identity(source, settings)
    journal = Journal(frame.images.parent, identity)
    prints = [fingerprint(image) for image in source.images]
    done = journal.read()
    by_stem = {
        stem: done[stem][1]
        for stem, print_ in zip(stems, prints, strict=True)
        if stem in done and done[stem][0] == print_
    }
    for stem in done.keys() - by_stem.keys():
        remove_painted(frame.images, done[stem][1])
    missing = [place for place, stem in enumerate(stems) if stem not in by_stem]
    chunks = [
        [(stems[place], source.images[place]) for place in missing[start : start + _CHUNK]]
        for start in range(0, len(missing), _CHUNK)
    ]
    printed = dict(zip(stems, prints, strict=True))
    processes = workers if len(missing) > _IN_PROCESS else 1
    with progress.task("Importing", len(stems), done=len(by_stem)) as task:
        for chunk, painted in in_processes(partial(_paint_chunk, frame), chunks, processes):
            made = {stem: each for (stem, _), each in zip(chunk, painted, strict=True)}
            journal.append([(stem, printed[stem], each) for stem, each in made.items()])
            by_stem |= made
            task.advance(len(made))
    return [by_stem[stem] for stem in stems]


def _paint_chunk(frame: Frame, chunk: Sequence[tuple[str, SourceImage]]) -> list[PaintedImage]:
    return [paint(frame, stem, image) for stem, image in chunk]


def _made_from(source: Source, settings: ImportSettings) -> str:
    """Digest of all that a data set depends on."""
    images = [(image.name, image.split, fingerprint(image)) for image in source.images]
    return sha256(json.dumps([_identity(source, settings), images]).encode()).hexdigest()


def _identity(source: Source, settings: ImportSettings) -> str:
    """Digest of what all pictures of a data set depend on."""
    parts = [
        VERSION,
        source.kind,
        settings.subset,
        settings.size,
        settings.fit.value,
        settings.colors,
        [astuple(label) for label in source.vocabulary],
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()
