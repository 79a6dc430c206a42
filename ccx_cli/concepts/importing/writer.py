"""Writes a source of annotated photographs as a dataset in Broden's layout.

The dataset is made in a folder beside its final one, with a journal of the photographs that are
done, and moved there once it is whole: a run that was killed is never taken for one that was not,
and the same run goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ccx_cli.concepts.importing.convert import ConvertedImage, convert
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.importing.summary import (
    MARKER,
    VERSION,
    ImportSummary,
    read_summary,
    write_tables,
)
from ccx_cli.concepts.processes import in_processes
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.atomic import move_directory_into_place, naming
from ccx_cli.store.locks import writing

JOURNAL = "journal.jsonl"

_CHUNK = 16
_IN_PROCESS = 2 * _CHUNK
# A semicolon separates layers in the index, a backslash folders elsewhere.
_UNFIT = re.compile(r"[;\\\x00-\x1f\x7f]")


class _Prepared:
    """A source as the settings want it, and the digests of what a dataset of it depends on."""

    def __init__(self, source: Source, settings: ImportSettings) -> None:
        settings.check()
        self.colors: tuple[int, ...] = ()
        if settings.colors:
            source, self.colors = source.with_colors()
        self.source = source.with_splits(settings.val_share, settings.seed)
        self.prints = [_fingerprint(image) for image in self.source.images]
        parts = [
            VERSION,
            source.kind,
            settings.subset,
            settings.size,
            settings.fit.value,
            settings.colors,
            [astuple(label) for label in source.vocabulary],
        ]
        self.identity = sha256(json.dumps(parts).encode()).hexdigest()
        """Digest of what all pictures depend on."""

        pairs = zip(self.source.images, self.prints, strict=True)
        images = [(image.name, image.split, print_) for image, print_ in pairs]
        self.made_from = sha256(json.dumps([self.identity, images]).encode()).hexdigest()
        """Digest of all that the dataset depends on."""


def check_free_directory(datasets: Path, side: int, force: bool) -> Path:
    """Return where a dataset goes, unless another is there that must not be overwritten.

    Raises
    ------
    UsageError
        If something is there, and ``force`` is not given or it is not an import's work.
    """
    target = datasets / f"broden1_{side}"
    if target.exists():
        if not (target / MARKER).is_file():
            raise UsageError(
                f"{target} contains a dataset that ccx import did not write and never overwrites: "
                "import into another folder with `datasets`."
            )
        if not force:
            raise UsageError(
                f"{target} already exists: set `force` to overwrite it, or import into another "
                "folder with `datasets`."
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
    return _find_made(_Prepared(source, settings), datasets, settings, force)


def _find_made(
    prepared: _Prepared, datasets: Path, settings: ImportSettings, force: bool
) -> ImportSummary | None:
    target = datasets / f"broden1_{settings.side}"
    made = None if force else read_summary(target, prepared.made_from)
    if made is None:
        check_free_directory(datasets, settings.side, force)
    return made


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
        The directory that holds the datasets; made where it is missing.
    settings
        Of the dataset.
    force
        Whether an import that is there is overwritten, whatever it was made from.
    workers
        Processes that read and write pictures.
    progress
        Shows the pictures that are done.

    Raises
    ------
    UsageError
        If a setting is out of bounds, or another dataset is there.
    MissingInputError, DamagedDataError
        If a file of the source is not there or not what it should be.
    """
    progress = progress or SilentProgress()
    prepared = _Prepared(source, settings)
    made = _find_made(prepared, datasets, settings, force)
    if made is not None:
        return made
    name = f"broden1_{settings.side}"
    with naming(datasets / name), writing(datasets, progress, name):
        made = _find_made(prepared, datasets, settings, force)
        if made is not None:
            return made
        beside = datasets / f".{name}.partial"
        converted = _convert_all(prepared, settings, beside, workers, progress)
        summary = write_tables(beside, prepared.source, converted, settings, prepared.made_from)
        (beside / JOURNAL).unlink()
        move_directory_into_place(beside, datasets / name)
    return summary


def _convert_all(
    prepared: _Prepared,
    settings: ImportSettings,
    directory: Path,
    workers: int,
    progress: Progress,
) -> list[ConvertedImage]:
    """Write the pictures that a run before has not, and return all in the order of the source."""
    source = prepared.source
    stems = name_images([image.name for image in source.images], settings.subset, source.categories)
    prints = dict(zip(stems, prepared.prints, strict=True))
    journal = _Journal(directory, prepared.identity)
    converted: dict[str, ConvertedImage] = {}
    for entry in journal.read():
        if prints.get(entry.stem) == entry.files:
            converted[entry.stem] = entry.made
        else:
            _remove_files(directory / "images", entry.made)
    images = zip(stems, source.images, strict=True)
    missing = [(stem, image) for stem, image in images if stem not in converted]
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    processes = workers if len(missing) > _IN_PROCESS else 1
    convert_chunk = partial(_convert_chunk, directory / "images", settings, prepared.colors)
    with progress.task("Importing", len(stems), done=len(converted)) as task:
        for _, made in in_processes(convert_chunk, chunks, processes):
            journal.append(_Entry(stem, prints[stem], image) for stem, image in made.items())
            converted |= made
            task.advance(len(made))
    return [converted[stem] for stem in stems]


def _convert_chunk(
    images: Path,
    settings: ImportSettings,
    colors: Sequence[int],
    chunk: Sequence[tuple[str, SourceImage]],
) -> dict[str, ConvertedImage]:
    return {stem: convert(images, settings, colors, stem, image) for stem, image in chunk}


def name_images(names: Sequence[str], subset: str, categories: Sequence[str]) -> list[str]:
    """Name each picture, without a suffix, so that no two files of a dataset are called the same.

    Parameters
    ----------
    names
        In the source, with ``/``; they are kept where they can be.
    subset
        The folder they are put in.
    categories
        Whose label PNGs are beside the pictures.
    """
    label_map = re.compile(rf"(.+)_(?:{'|'.join(map(re.escape, categories))})(?:_\d+)?")
    fitting = [_fit(name) for name in names]
    bases = set(fitting)
    taken: set[str] = set()
    stems = []
    for name in fitting:
        match = label_map.fullmatch(name)
        free = name if match is None or match[1] not in bases else f"{name}-image"
        count = 1
        while free in taken:
            count += 1
            free = f"{name}-{count}"
        taken.add(free)
        stems.append(f"{subset}/{free}")
    return stems


def _fit(name: str) -> str:
    text = name.encode("utf-8", "replace").decode()
    parts = (_UNFIT.sub("_", part).strip() for part in text.split("/"))
    return "/".join(part if part not in {"", ".", ".."} else "_" for part in parts)


def _fingerprint(image: SourceImage) -> list[object]:
    """Say which files a picture is made of, so that a changed one is read again."""
    found: list[object] = [list(pair) for pair in image.labels]
    for path in (image.path, *(annotation.file for annotation in image.annotations)):
        try:
            status = path.stat()
        except OSError as error:
            raise MissingInputError(f"{path} is missing: restore it.") from error
        # A file's name need not be text, a journal's is.
        name = str(path.absolute()).encode("utf-8", "backslashreplace").decode()
        found.append([name, status.st_size, status.st_mtime_ns])
    return found


class _Entry(msgspec.Struct):
    """A line of the journal: a picture that is written, and a fingerprint of its files."""

    stem: str
    files: list[Any]
    made: ConvertedImage


class _Journal:
    """The pictures that are written, one per line, after a line that says how they were made."""

    def __init__(self, directory: Path, identity: str) -> None:
        self._path = directory / JOURNAL
        self._head = msgspec.json.encode({"identity": identity}) + b"\n"

    def read(self) -> list[_Entry]:
        """Return what an interrupted run has written; a directory of other pictures is cleared."""
        with suppress(OSError, ValueError, msgspec.MsgspecError):
            whole = self._path.read_bytes().rpartition(b"\n")[0]
            head, *lines = whole.split(b"\n")
            if json.loads(head) == json.loads(self._head):
                # The beginning of a line from a killed run would spoil the next one.
                os.truncate(self._path, len(whole) + 1)
                return [msgspec.json.decode(line, type=_Entry) for line in lines]
        shutil.rmtree(self._path.parent, ignore_errors=True)
        self._path.parent.mkdir(parents=True)
        self._path.write_bytes(self._head)
        return []

    def append(self, entries: Iterable[_Entry]) -> None:
        """Add pictures that are written."""
        with self._path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def _remove_files(images: Path, made: ConvertedImage) -> None:
    """Remove what was written of a photograph that has changed since, or is gone."""
    cells = [cell for own in made.cells.values() for cell in own.split(";")]
    for name in (made.image, *(cell for cell in cells if not cell.isdecimal())):
        (images / name).unlink(missing_ok=True)
