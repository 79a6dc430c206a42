"""How labels were predicted from words: what a dataset and the runs on it keep of that."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET

from ccx_cli.records.fields import Maybe, Proportion, Record, doc


class AnnotatedWord(Record):
    """A word that photographs were searched for."""

    category: Annotated[str, doc("Its category.")]
    name: Annotated[str, doc("Its name.")]
    prompts: Annotated[list[str], doc("What the engine was asked for.")]
    threshold: Annotated[Proportion, doc("Least score of its pixels.")]
    owner: Maybe[Annotated[str, doc("The word inside whose pixels alone it may be.")]] = UNSET
    iou: Maybe[Annotated[Proportion, doc("IoU with human labels, where it was checked.")]] = UNSET


class AnnotationRecord(Record):
    """What predicted the labels of a dataset."""

    engine: Annotated[str, doc("The engine.")]
    checkpoint: Annotated[str, doc("Its checkpoint, or the file and function of one's own.")]
    revision: Annotated[str, doc("Revision of the checkpoint, or a digest of the files.")]
    license: Annotated[str, doc("License of the weights; empty where nothing says it.")]
    precision: Annotated[str, doc("Number type that the engine computed in: single or half.")]
    words: Annotated[list[AnnotatedWord], doc("The words.")]
