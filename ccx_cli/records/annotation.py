"""How labels were made that nobody drew: what a dataset and the runs on it keep of that."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ccx_cli.records.fields import Proportion, Record, doc


class AnnotatedWord(Record):
    """A word that photographs were searched for."""

    category: Annotated[str, doc("Its category.")] = ""
    name: Annotated[str, doc("Its name.")] = ""
    prompts: Annotated[list[str], doc("What the engine was asked for.")] = msgspec.field(
        default_factory=list
    )
    owner: Annotated[str | None, doc("The word inside whose pixels alone it is.")] = None
    threshold: Annotated[Proportion | None, doc("Least score of its pixels.")] = None
    iou: Annotated[Proportion | None, doc("IoU with human labels; null where unknown.")] = None

    @property
    def text(self) -> str:
        """The word in a line: ``part wheel of car: a wheel (score 0.5, IoU 0.41)``."""
        owner = "" if self.owner is None else f" of {self.owner}"
        asked = "" if self.prompts in ([], [self.name]) else f": {' | '.join(self.prompts)}"
        numbers = [
            f"{what} {value:g}"
            for what, value in (("score", self.threshold), ("IoU", self.iou))
            if value is not None
        ]
        return f"{self.category} {self.name}{owner}{asked} ({', '.join(numbers)})"


class AnnotationRecord(Record):
    """What predicted the labels of a dataset, which people did not draw."""

    engine: Annotated[str, doc("The engine.")] = ""
    checkpoint: Annotated[str, doc("Its checkpoint, or the file and function of one's own.")] = ""
    revision: Annotated[str, doc("Revision of the checkpoint, or a digest of the files.")] = ""
    license: Annotated[str, doc("License of the weights; empty where nothing says it.")] = ""
    precision: Annotated[str, doc("Number type that it computed in: single or half.")] = "single"
    check: Annotated[str | None, doc("The check that gave thresholds and IoU; null for none.")] = (
        None
    )
    words: Annotated[list[AnnotatedWord], doc("The words.")] = msgspec.field(default_factory=list)

    @property
    def sentence(self) -> str:
        """Say that people did not draw the labels."""
        engine = f"{self.engine} {self.checkpoint}".rstrip()
        return f"The labels of words were predicted by {engine}, not drawn by people."


class TablesRecord(Record):
    """How tables of attributes label whole images."""

    categories: Annotated[list[str], doc("Categories of the attributes.")] = msgspec.field(
        default_factory=list
    )
    threshold: Annotated[float | None, doc("Least score of a present one; null for none.")] = None
    missing: Annotated[
        Literal["no", "drop"] | None,
        doc("Whether missing values count as absent or drop their images; null for none missing."),
    ] = None
