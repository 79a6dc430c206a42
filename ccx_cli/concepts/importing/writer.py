"""Writes a source of annotated photographs as a dataset in Broden's layout.

The dataset is made in a folder beside its final one, with a journal of the photographs that are
done, and moved there once it is whole: a run that was killed is never taken for one that was not,
and the same run goes on where it stopped.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from ccx_cli.concepts.broden_csv import read_categories, read_labels, read_rows
from ccx_cli.concepts.broden_tables import ANY, Tally, WrittenLabel, write_tables
from ccx_cli.concepts.color_rules import COLOR_BOXES, COLOR_RULE
from ccx_cli.concepts.datasets import check_free_name, read_marker
from ccx_cli.concepts.importing.convert import ConvertedImage, convert
from ccx_cli.concepts.importing.journal import (
    JOURNAL,
    Entry,
    fingerprint,
    read_journal,
    remove_files,
)
from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import COLOR, Source, SourceImage
from ccx_cli.concepts.processes import in_processes
from ccx_cli.errors import CcxError, DamagedDataError, UsageError, few
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.fields import to_json
from ccx_cli.records.listings import ImportedCategoryRecord
from ccx_cli.store.atomic import move_directory_into_place, naming
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import IMPORT_MARKER, is_imported

VERSION = 1

_CHUNK = 16
_IN_PROCESS = 2 * _CHUNK
_COMMONEST = 5
_LOOKED_AT = 100
_SHOWN = 8
# A semicolon separates layers in the index, a backslash folders elsewhere.
_UNFIT = re.compile(r"[;\\\x00-\x1f\x7f]")


class ImportSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was made: photographs by split, and the concepts that some pixel carries.

    Concepts of the source that are ``unused`` are left out; ``unlabelled`` photographs are not.
    ``made_before`` tells that the same import had made it already and nothing was written;
    ``notes`` are sentences about labels that may be meant otherwise.
    """

    splits: Mapping[str, int]
    concepts: int
    unused: int
    unlabelled: int
    categories: list[ImportedCategoryRecord]
    made_before: bool = False
    notes: tuple[str, ...] = ()


class PreparedImport:
    """A source as the settings want it, and the digests of what a dataset of it depends on.

    ``identity`` is of what all pictures depend on, ``made_from`` of all that the dataset does.
    """

    def __init__(self, source: Source, settings: ImportSettings) -> None:
        self.settings = settings
        self.colors: tuple[int, ...] = ()
        if settings.colors:
            source, self.colors = source.with_colors()
        self.source = source.with_splits(settings.val_share, settings.seed)
        known: dict[int, str] = {}
        self.prints = [fingerprint(image, known) for image in self.source.images]
        parts = [
            VERSION,
            source.kind,
            settings.subset,
            settings.size,
            settings.fit.value,
            COLOR_RULE if settings.colors else False,
            source.vocabulary,
        ]
        if settings.label_orientation is not None:
            parts.append(settings.label_orientation)
        if source.annotation is not None:
            parts.append(to_json(source.annotation))
        self.identity = sha256(json.dumps(parts).encode()).hexdigest()
        pairs = zip(self.source.images, self.prints, strict=True)
        images = [(image.name, image.split, print_) for image, print_ in pairs]
        self.made_from = sha256(json.dumps([self.identity, images]).encode()).hexdigest()

    def find_made(self, datasets: Path, force: bool) -> ImportSummary | None:
        """Return what the same import, of the same files, has made before; ``None`` to go ahead."""
        if not force:
            directory = check_free_name(datasets, self.settings.subset, self.settings.side)
            marker = read_marker(directory / IMPORT_MARKER)
            with suppress(KeyError, TypeError, msgspec.ValidationError):
                if marker["made_from"] == self.made_from:
                    summary = {**marker["summary"], "made_before": True}
                    return msgspec.convert(summary, ImportSummary)
        check_free_directory(datasets, self.settings, force=force)
        return None


Conversion = Callable[
    [Path, PreparedImport, Sequence[tuple[str, SourceImage]]], Iterator[dict[str, ConvertedImage]]
]
"""Writes photographs with their labels under ``images/``, each called by its stem, some at once."""


def read_color_rule(directory: Path) -> str | None:
    """Return how an import named the colors of a dataset; ``None`` where no import did."""
    marker = read_marker(directory / IMPORT_MARKER)
    return str(marker.get("color_rule", COLOR_BOXES)) if marker.get("colors") else None


def check_free_directory(datasets: Path, settings: ImportSettings, *, force: bool) -> Path:
    """Return where a dataset goes.

    Raises ``UsageError`` if something is there, and ``force`` is not given or it is not an
    import's work, or if the name is taken.
    """
    target = check_free_name(datasets, settings.subset, settings.side)
    if target.exists():
        if not is_imported(target):
            raise UsageError(
                f"{target} contains a dataset that ccx import did not write and never overwrites: "
                "choose another name with `subset`, or import into another folder with `datasets`."
            )
        if not force:
            raise UsageError(
                f"{target} already exists, imported from other files, with other options or by "
                "another version of ccx: set `force` to overwrite it, or choose another name with "
                "`subset`."
            )
    return target


def write_broden(
    source: Source,
    datasets: Path,
    settings: ImportSettings,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
    convert: Conversion | None = None,
) -> ImportSummary:
    """Write ``datasets/<subset>/broden1_<side>``; what the same import has made before is kept.

    With ``force``, an import that is there is overwritten, whatever it was made from. ``workers``
    processes read and write pictures, unless ``convert`` does.
    """
    progress = progress or SilentProgress()
    convert = convert or partial(_convert_in_processes, workers)
    prepared = PreparedImport(source, settings)
    made = prepared.find_made(datasets, force)
    if made is not None:
        return made
    target = check_free_directory(datasets, settings, force=True)
    with naming(target), writing(target.parent, progress, target.name):
        made = prepared.find_made(datasets, force)
        if made is not None:
            return made
        beside = target.with_name(f".{target.name}.partial")
        converted = _convert_all(prepared, beside, convert, progress)
        summary = _write_tables(beside, prepared, converted)
        (beside / JOURNAL).unlink()
        move_directory_into_place(beside, target)
    return summary


def _convert_all(
    prepared: PreparedImport, directory: Path, convert: Conversion, progress: Progress
) -> list[ConvertedImage]:
    """Write the pictures that a run before has not, and return all in the order of the source."""
    source, subset, images = prepared.source, prepared.settings.subset, directory / "images"
    stems = name_images([image.name for image in source.images], subset, source.categories)
    prints = dict(zip(stems, prepared.prints, strict=True))
    converted: dict[str, ConvertedImage] = {}
    for entry in read_journal(directory / JOURNAL, prepared.identity):
        if prints.get(entry.stem) == entry.files:
            converted[entry.stem] = entry.made
        else:
            remove_files(images, entry.made)
    pairs = zip(stems, source.images, strict=True)
    missing = [(stem, image) for stem, image in pairs if stem not in converted]
    what = "Importing" if source.annotation is None else "Annotating"
    with progress.task(what, len(stems), done=len(converted)) as task:
        for made in convert(images, prepared, missing):
            entries = [Entry(stem, prints[stem], image) for stem, image in made.items()]
            with (directory / JOURNAL).open("ab") as file:
                file.write(msgspec.json.Encoder().encode_lines(entries))
            converted |= made
            task.advance(len(made))
    return [converted[stem] for stem in stems]


def _convert_in_processes(
    workers: int, images: Path, prepared: PreparedImport, missing: Sequence[tuple[str, SourceImage]]
) -> Iterator[dict[str, ConvertedImage]]:
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    processes = workers if len(missing) > _IN_PROCESS else 1
    convert_chunk = partial(_convert_chunk, images, prepared.settings, prepared.colors)
    for _, made in in_processes(convert_chunk, chunks, processes):
        yield made


def _convert_chunk(
    images: Path,
    settings: ImportSettings,
    colors: Sequence[int],
    chunk: Sequence[tuple[str, SourceImage]],
) -> dict[str, ConvertedImage]:
    return {stem: convert(images, settings, colors, stem, image) for stem, image in chunk}


def name_images(names: Sequence[str], subset: str, categories: Sequence[str]) -> list[str]:
    """Name each picture in the folder ``subset``, without a suffix.

    Names of the source are kept, unless a label PNG of one of the categories, beside another
    picture, would be called the same, or another picture is.
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


def _write_tables(
    directory: Path, prepared: PreparedImport, converted: Sequence[ConvertedImage]
) -> ImportSummary:
    """Write the tables of a dataset and its marker beside its images, and sum them up."""
    source, settings = prepared.source, prepared.settings
    size = math.prod(settings.mask_size)
    tally = Tally()
    images: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for each in converted:
        tally.add({**each.pixels, ANY: each.together}, size)
        images.update(each.labelled.keys())
        labelled.update(each.labelled)
    there = [category for category in source.categories if images[category]]
    labels = [
        label._replace(categories=tuple(c for c in there if (c, label.number) in tally.frequency))
        for label in source.vocabulary
        if (ANY, label.number) in tally.frequency
    ]
    notes = _describe_unlabelled(source, images)
    notes += _describe_missed(source, labels)
    if not labels:
        why = notes[0] if notes else "give their labels, or set `colors`."
        raise UsageError(f"None of the photographs has a label: {why}")
    notes = [f"{note[0].upper()}{note[1:]}" for note in notes]
    notes += [note for number, note in source.doubts if (ANY, number) not in tally.frequency]
    scaled = [pair for pair in zip(source.images, converted, strict=True) if pair[1].scaled]
    if scaled:
        image, first = scaled[0]
        notes.append(
            f"Labels of another size than their photograph were scaled to it in {len(scaled):,} of "
            f"{len(converted):,} images, such as {image.path} ({first.scaled} pixels)."
        )
    sizes = (*settings.size, *settings.mask_size)
    rows = [
        [each.image, image.split, *sizes, *(each.cells.get(category, "") for category in there)]
        for image, each in zip(source.images, converted, strict=True)
    ]
    write_tables(directory, there, labels, tally, rows)
    _read_back(directory, labels, [str(row[0]) for row in rows])
    categories = []
    for category in there:
        own = [label for label in labels if category in label.categories]
        own.sort(key=lambda label: (-tally.frequency[category, label.number], label.number))
        record = ImportedCategoryRecord(
            category=category,
            concepts=len(own),
            images=images[category],
            coverage=labelled[category] / (size * len(converted)),
            commonest=[label.name for label in own[:_COMMONEST]],
        )
        categories.append(record)
    summary = ImportSummary(
        splits=dict(sorted(Counter(image.split for image in source.images).items())),
        concepts=len(labels),
        unused=len(source.vocabulary) - len(labels),
        unlabelled=sum(not each.together for each in converted),
        categories=categories,
        notes=tuple(notes),
    )
    marker = {
        "format": "ccx import",
        "version": VERSION,
        "source": source.kind,
        **asdict(settings),
        **({"color_rule": COLOR_RULE} if settings.colors else {}),
        **({"annotation": to_json(source.annotation)} if source.annotation else {}),
        **({"tables": to_json(source.tables)} if source.tables else {}),
        "images": len(converted),
        "concepts": len(labels),
        "made_from": prepared.made_from,
        "summary": msgspec.to_builtins(summary),
    }
    (directory / IMPORT_MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    return summary


def _read_back(directory: Path, labels: Sequence[WrittenLabel], images: Sequence[str]) -> None:
    """Read tables that were just written, so that no import is done that cannot be used."""
    files = {path.name for path in directory.iterdir()}
    try:
        categories = read_categories(directory / "category.csv")
        names = {label.number: label.name for label in read_labels(directory, categories, files)}
        rows = read_rows(directory, "all", files, categories, names)
    except CcxError as error:
        raise DamagedDataError(
            f"The tables that were written cannot be read ({error}): rename what they name there."
        ) from error
    wanted = {label.number: label.name for label in labels}
    pairs = [*zip(images, [row.image for row in rows], strict=True)]
    pairs += [(name, names.get(number, "")) for number, name in wanted.items()]
    for written, read in pairs:
        if written != read:
            raise DamagedDataError(
                f"The name {written!r} was written to {directory} and read as {read!r}: rename it."
            )


def _describe_missed(source: Source, labels: Collection[WrittenLabel]) -> Iterator[str]:
    """Say which words were found nowhere; UsageError if all are."""
    if source.annotation is None:
        return
    found = {label.number for label in labels}
    words = [label for label in source.vocabulary if label.categories != (COLOR,)]
    missed = [label.name for label in words if label.number not in found]
    if len(missed) == len(words):
        raise UsageError(
            "No word was found in any photograph: lower `threshold`, or give other words or "
            "prompts."
        )
    if missed:
        yield (
            f"Found in no photograph: {few(missed)} (a lower `threshold` or other prompts may find "
            "more)."
        )


def _describe_unlabelled(source: Source, labelled: Mapping[str, int]) -> list[str]:
    """Say what the label PNGs of categories hold of which no pixel has a label."""
    held: dict[str, set[int]] = {}
    for image in source.images[:_LOOKED_AT]:
        for annotation in image.annotations:
            if isinstance(annotation, LabelPng) and not labelled[annotation.category]:
                values = np.unique(annotation.values()).tolist()
                held.setdefault(annotation.category, set()).update(values)
    return [
        f"the label PNGs of {category} hold no value that has a name and is not left out, only "
        f"{', '.join(map(str, sorted(values)[:_SHOWN]))}: name those that are labels in the names "
        "file (255 is left out unless it has a name)."
        for category, values in held.items()
    ]
