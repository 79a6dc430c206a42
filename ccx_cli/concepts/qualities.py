"""How a dataset says that labels were made, and how good the words are that made them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.datasets import read_marker
from ccx_cli.errors import UsageError
from ccx_cli.formulas.parse import with_suffix
from ccx_cli.records.annotation import AnnotationRecord, TablesRecord
from ccx_cli.records.fields import Record
from ccx_cli.store.paths import IMPORT_MARKER

R = TypeVar("R", bound=Record)


def poor_words(dataset: BrodenDataset, least: float | None) -> tuple[str, ...]:
    """Return the names of the concepts from words whose IoU is below ``least``, or not known.

    Concepts that are from no word, such as colors, are none of them; without ``least`` there are
    none. Of a name in several categories the smallest IoU counts.

    Raises
    ------
    UsageError
        If no word of the dataset was checked.
    """
    if least is None:
        return ()
    annotation = read_annotation(dataset.directory)
    words = [] if annotation is None else annotation.words
    if all(word.iou is None for word in words):
        raise UsageError(
            f"`min_quality` {least:g} needs the quality of words, which {dataset.directory} does "
            "not have: leave it out, or check the engine with `ccx annotate --check` and annotate "
            "again."
        )
    known: dict[str, float] = {}
    for word in words:
        name, iou = with_suffix(word.name, word.category), -1.0 if word.iou is None else word.iou
        known[name] = min(known.get(name, iou), iou)
    names = (label.name for label in dataset.labels)
    return tuple(name for name in names if known.get(name, least) < least)


def read_annotation(directory: Path) -> AnnotationRecord | None:
    """Return what predicted the labels of a dataset; ``None`` where nothing says it."""
    return _read(directory, "annotation", AnnotationRecord)


def read_tables(directory: Path) -> TablesRecord | None:
    """Return how tables label images of a dataset; ``None`` where none do, or nothing says it."""
    return _read(directory, "tables", TablesRecord)


def _read(directory: Path, key: str, kind: type[R]) -> R | None:
    with suppress(msgspec.ValidationError):
        found = read_marker(directory / IMPORT_MARKER).get(key)
        return None if found is None else msgspec.convert(found, kind)
    return None
