"""Folders of photographs whose labels are in folders of label PNGs, or in the folders' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.sources import (
    SCENE,
    TRAIN,
    VAL,
    Source,
    SourceImage,
    VocabularyBuilder,
    find_files,
    find_photographs,
    name_in,
)
from ccx_cli.errors import DamagedDataError, MissingInputError

VOID = 255
"""The value of Pascal VOC's outlines, and of what others leave open: no label."""

_SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """A folder of label PNGs, at the paths that the photographs have in theirs.

    ``names`` has the name of each value; an empty name is no label.
    """

    category: str
    folder: Path
    names: Mapping[int, str]


def read_label_folders(
    photographs: Path,
    folders: Sequence[LabelFolder],
    void: Sequence[int] = (VOID,),
    kind: str = "folder",
) -> Source:
    """Pair photographs with their label PNGs; those without any are counted in a note.

    Without ``folders``, all photographs are taken, to be given colors only. The values of ``void``
    have no label, whatever the names say of them, nor has 0 unless it has a name.
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
                    f"The label PNG {path} has no photograph {name} in {photographs}: give the "
                    "folder that contains it, or remove the label PNG."
                )
            added = (*image.annotations, LabelPng(each.category, path, numbers))
            found[name] = replace(image, annotations=added)
    images = tuple(image for image in found.values() if image.annotations or not folders)
    notes = []
    if len(images) < total:
        skipped = total - len(images)
        notes.append(f"Skipped {skipped:,} of {total:,} photographs, which have no label PNG.")
    return Source(kind, vocabulary.labels(), images, tuple(notes))


def read_image_folders(root: Path, category: str = SCENE) -> Source:
    """Read photographs in folders, one folder a label (torchvision's ``ImageFolder``).

    Where all folders at the top are called train, val, test or the like, the labels are the
    folders in those, and the top ones say the split. Folders below the labels' are followed.
    """
    paths = find_photographs(root)
    parts = [path.relative_to(root).parts for path in paths]
    has_splits = all(len(each) > 2 and each[0].lower() in _SPLITS for each in parts)
    depth = int(has_splits)
    for path, each in zip(paths, parts, strict=True):
        if len(each) < depth + 2:
            raise DamagedDataError(
                f"{path} is in no folder whose name could be its label: move it into one."
            )
    vocabulary = VocabularyBuilder()
    numbers = {
        label: vocabulary.number(label, category)
        for label in sorted({each[depth] for each in parts})
    }
    images = tuple(
        SourceImage(
            name_in(root, path),
            path,
            _SPLITS[each[0].lower()] if has_splits else "",
            ((category, numbers[each[depth]]),),
        )
        for path, each in zip(paths, parts, strict=True)
    )
    return Source("imagefolder", vocabulary.labels(), images)
