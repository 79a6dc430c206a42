"""Folders of index PNGs: one label PNG a photograph and category, whose values a file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccx_cli.concepts.importing.pictures import read_values
from ccx_cli.concepts.importing.sources import (
    NumberMap,
    Source,
    SourceImage,
    VocabularyBuilder,
    damaged,
    find_files,
    find_photographs,
    name_in,
    numbers_of,
)
from ccx_cli.errors import MissingInputError

VOID = 255
"""The value of Pascal VOC's outlines, and of what others leave open: no label."""


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """A folder of label PNGs, at the paths that the photographs have in theirs.

    Attributes
    ----------
    names
        Value to name; an empty name is no label.
    """

    category: str
    folder: Path
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class IndexMap:
    """One label PNG.

    Attributes
    ----------
    numbers
        Value to label number, 0 for none.
    """

    category: str
    file: Path
    numbers: Mapping[int, int]

    def read(self) -> list[NumberMap]:
        """Read the label numbers of all pixels.

        Raises
        ------
        MissingInputError, DamagedDataError
            If the file is not there, no label PNG, or has a value without a name.
        """
        numbers, unknown = numbers_of(read_values(self.file), self.numbers)
        if unknown is not None:
            raise damaged(
                self.file,
                f"holds the value {unknown}, which the names file does not have: add it there, or "
                f"leave such pixels without a label with --void {unknown}",
            )
        return [NumberMap(self.category, numbers, self.file)]


def read_index_maps(
    photographs: Path,
    folders: Sequence[LabelFolder],
    void: Sequence[int] = (VOID,),
    kind: str = "folder",
) -> Source:
    """Pair photographs with their label PNGs.

    Parameters
    ----------
    photographs
        Their folder.
    folders
        Of the label PNGs; without any, all photographs are taken, to be given colours only.
    void
        Values without a label, whatever the names say of them; 0 is one unless it has a name.
    kind
        What the source calls itself.

    Returns
    -------
    Source
        Of the photographs that have a label PNG; of the others it tells the number.

    Raises
    ------
    MissingInputError
        If a folder is not there or empty, or a label PNG has no photograph.
    UsageError
        If there are too many concepts.
    """
    vocabulary = VocabularyBuilder()
    found: dict[str, SourceImage] = {}
    for path in find_photographs(photographs, [each.folder for each in folders]):
        name = name_in(photographs, path)
        # Of two that differ in their suffix only, the first has the label PNGs.
        found[name if name not in found else name + path.suffix] = SourceImage(name, path)
    total = len(found)
    for each in folders:
        numbers = {0: 0}
        for value, text in sorted(each.names.items()):
            given = text and value not in void
            numbers[value] = vocabulary.number(text, each.category) if given else 0
        numbers |= dict.fromkeys(void, 0)
        for path in find_files(each.folder, {".png"}, "label PNGs"):
            name = name_in(each.folder, path)
            image = found.get(name)
            if image is None:
                raise MissingInputError(
                    f"{path} has no photograph {name} in {photographs}: name the folder that has "
                    "it, or take the label PNG out."
                )
            added = (*image.annotations, IndexMap(each.category, path, numbers))
            found[name] = replace(image, annotations=added)
    images = tuple(image for image in found.values() if image.annotations or not folders)
    notes = (
        ()
        if len(images) == total
        else (
            f"Left out for want of a label PNG: {total - len(images):,} of {total:,} photographs.",
        )
    )
    return Source(kind, vocabulary.labels(), images, notes)
