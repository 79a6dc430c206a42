"""Photographs sorted into folders: the folder's name is a label of the whole photograph."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.concepts.importing.sources import (
    SCENE,
    TRAIN,
    VAL,
    Source,
    SourceImage,
    VocabularyBuilder,
    find_photographs,
    name_in,
)
from ccx_cli.errors import DamagedDataError

_SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": "test",
    "testing": "test",
}


def read_image_folders(root: Path, category: str = SCENE) -> Source:
    """Read photographs in folders, one folder a label (torchvision's ``ImageFolder``).

    Where all folders at the top are called train, val, test or the like, the labels are the
    folders in those, and the top ones say the split. Folders below the labels' are followed.

    Parameters
    ----------
    root
        The folder of folders.
    category
        Of the labels.

    Raises
    ------
    MissingInputError
        If there are no photographs.
    DamagedDataError
        If a photograph is in no folder.
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
