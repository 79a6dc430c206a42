"""How good an engine's words are, as ``ccx annotate --check`` prints and stores it."""

from __future__ import annotations

from typing import Annotated, Literal

from ccx_cli.records.fields import Proportion, Record, count, doc, share

Threshold = Annotated[float, share("Least score of a pixel that has the word.")]
Curve = Annotated[
    list[float | None], doc("The same at each of the thresholds 0.02, 0.04 ... 0.98.")
]


class WordQualityRecord(Record):
    """A word's pixels against those of its human label, on the images that chose no threshold."""

    kind: Annotated[Literal["word"], doc("word.")]
    category: Annotated[str, doc("Its category.")]
    word: Annotated[str, doc("Its name.")]
    prompts: Annotated[list[str], doc("What the engine was asked for.")]
    owner: Annotated[str | None, doc("The word inside whose pixels alone it is.")]
    images: Annotated[int, count("Images that have the label, of those measured on.")]
    pixels: Annotated[int, count("Their pixels with the label.")]
    threshold: Threshold
    iou: Annotated[Proportion | None, doc("Intersection over union; null where none is labeled.")]
    precision: Annotated[Proportion | None, doc("Share of the word's pixels that are labeled.")]
    recall: Annotated[Proportion | None, doc("Share of the labeled pixels that have the word.")]
    common_iou: Annotated[Proportion | None, doc("IoU at the threshold common to all words.")]
    ious: Curve
    precisions: Curve
    recalls: Curve


class AllWordsQualityRecord(Record):
    """All words: means over those with an IoU."""

    kind: Annotated[Literal["all"], doc("all.")]
    words: Annotated[int, count("Words with an IoU.")]
    images: Annotated[int, count("Images that were measured on.")]
    threshold: Annotated[float, share("The threshold common to all words.")]
    iou: Annotated[Proportion | None, doc("Mean IoU, each word at its own threshold.")]
    common_iou: Annotated[Proportion | None, doc("Mean IoU at the common threshold.")]


class CheckedEngine(Record):
    """What was checked, and against which labels."""

    engine: Annotated[str, doc("Its kind.")]
    checkpoint: Annotated[str, doc("Its checkpoint or file.")]
    revision: Annotated[str, doc("The checkpoint's revision, or a digest of its files.")]
    license: Annotated[str, doc("License of the weights.")]
    precision: Annotated[str, doc("Number type that it computed in: single or half.")]
    subset: Annotated[str, doc("The labeled images.")]
    dataset: Annotated[str, doc("Name of their dataset.")]
    images: Annotated[str, doc("Fingerprint of the images.")]
    labels: Annotated[str, doc("Fingerprint of their labels.")]
    seed: Annotated[int, doc("Seed of the halves.")]


class StoredQuality(Record):
    """The file of a check."""

    format: Literal["ccx-word-quality"]
    version: Literal[1]
    program: str
    about: CheckedEngine
    all: AllWordsQualityRecord
    words: list[WordQualityRecord]
