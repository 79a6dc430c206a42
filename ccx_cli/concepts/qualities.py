"""How good the words are that a dataset was annotated with: their IoU with human labels."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.datasets import read_marker
from ccx_cli.errors import UsageError
from ccx_cli.formulas.parse import with_suffix
from ccx_cli.records.annotation import AnnotationRecord
from ccx_cli.store.paths import IMPORT_MARKER


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
    with suppress(msgspec.ValidationError):
        found = read_marker(directory / IMPORT_MARKER).get("annotation")
        return None if found is None else msgspec.convert(found, AnnotationRecord)
    return None
