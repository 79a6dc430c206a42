"""Folders of photographs whose labels are in folders of label PNGs, or in the folders' names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ccx_cli.concepts.importing.label_pngs import LabelPng, describe_palettes, packed, refuse_colors
from ccx_cli.concepts.importing.names_cells import Color
from ccx_cli.concepts.importing.sources import (
    SCENE,
    TRAIN,
    VAL,
    Source,
    SourceImage,
    VocabularyBuilder,
    find_files,
    find_photographs,
    is_shown,
    loosely,
    name_in,
)
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError

VOID = 255
"""The value of Pascal VOC's outlines, and of what others leave open: no label."""

_SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), VAL),
    **dict.fromkeys(("test", "testing"), "test"),
}
_BESIDE_SPLITS = {"set", "data", "dataset", "split", "seg", "images", "image", "imgs", "img", "jpg"}
"""Words beside that of a split, as in ``training_set``, ``seg_train`` and ``val2017``."""

_NO_CLASSES = {"images", "image", "imgs", "img", "jpegimages", "leftimg8bit"}
"""Folders that hold photographs without labels, as in Tiny ImageNet's ``val/images``."""

_MASKS = {"masks", "labels", "annotations", "segmentations", "segmentationclass", "gtfine"}
_MASKS |= {"groundtruth", "ground_truth", "gt", "trimaps", "labelids"}
"""Folders that hold label PNGs, as MVTec's ``bottle/ground_truth``."""


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """A folder of label PNGs, at the paths that the photographs have in theirs.

    ``names`` and ``colors`` have the name of each value, or color; an empty name is no label.
    ``names_file`` is where they are from, and ``counted`` says that it has names without values,
    numbered from 1.
    """

    category: str
    folder: Path
    names: Mapping[int, str]
    colors: Mapping[Color, str] = field(default_factory=dict)
    names_file: Path | None = None
    counted: bool = False


def read_label_folders(
    photographs: Path,
    folders: Sequence[LabelFolder],
    void: Sequence[int] | None = None,
    kind: str = "folder",
    suffix: str = "",
) -> Source:
    """Pair photographs with their label PNGs; those without any are counted in a note.

    Without ``folders``, all photographs are taken, to be given colors only. The values of ``void``,
    255 where it has no name, have no label, whatever the names say of them, nor has 0 unless it has
    a name. Only PNGs whose names end in ``suffix`` are label PNGs; a photograph's name lacks it.
    """
    vocabulary = VocabularyBuilder()
    suffix = unicodedata.normalize("NFC", suffix)
    files = {each.folder: _find_label_pngs(each.folder, suffix) for each in folders}
    found = _find_photographs(photographs, files)
    total = len(found)
    _refuse_doubtful_counts(folders, files, void or ())
    # Some call the label PNG of `1.jpg` `1.jpg.png`.
    by_file = {f"{name}{image.path.suffix}": name for name, image in found.items()}
    shared = _shared_ending(list(found)) if suffix else ""
    doubts = []
    notes: list[str] = []
    for each in folders:
        left_out = void if void is not None else [] if each.names.get(VOID) else [VOID]
        numbers = {0: 0} if each.names else {}
        for value, text in sorted(each.names.items()):
            given = text and value not in left_out
            numbers[value] = vocabulary.number(text, each.category) if given else 0
        largest = max(numbers, default=0)
        if each.names_file is not None and numbers.get(largest):
            doubts.append(
                (
                    numbers[largest],
                    f"No pixel that was imported of {each.folder} has the largest value of "
                    f"{each.names_file}, {largest} ({each.names[largest]}): if the names are off "
                    "by one, correct their numbers or `first`.",
                )
            )
        numbers |= dict.fromkeys(left_out, 0) if each.names else {}
        colors = {packed(0, 0, 0): 0} if each.colors else {}
        for color, text in each.colors.items():
            colors[packed(*color)] = vocabulary.number(text, each.category) if text else 0
        owners: dict[str, Path] = {}
        for path in files[each.folder]:
            name = name_in(each.folder, path).removesuffix(suffix)
            name = name if name in found else by_file.get(name, name + shared)
            image = found.get(name)
            if image is None:
                near = (each.path for each in found.values() if loosely(each.name) == loosely(name))
                there = next((f" (there is {each})" for each in near), "")
                raise MissingInputError(
                    f"The label PNG {path} has no photograph {name} in {photographs}{there}: give "
                    "the folder that contains it, say how the names of label PNGs end with "
                    "`suffix`, or remove the label PNG."
                )
            if name in owners:
                raise UsageError(
                    f"{owners[name]} and {path} are both label PNGs of {image.path}: remove one."
                )
            owners[name] = path
            annotation = LabelPng(each.category, path, numbers, colors=colors)
            found[name] = replace(image, annotations=(*image.annotations, annotation))
        if not each.colors:
            refuse_colors(files[each.folder])
            notes += describe_palettes(files[each.folder])
    images = tuple(image for image in found.values() if image.annotations or not folders)
    if len(images) < total:
        skipped = total - len(images)
        notes.append(f"Skipped {skipped:,} of {total:,} photographs, which have no label PNG.")
    return Source(kind, vocabulary.labels(), images, tuple(notes), tuple(doubts))


def _refuse_doubtful_counts(
    folders: Sequence[LabelFolder], files: Mapping[Path, Sequence[Path]], void: Collection[int]
) -> None:
    """Refuse names without values unless a label PNG has the last one's, counted from 1."""
    for names_file in {each.names_file: None for each in folders if each.counted}:
        own = [each for each in folders if each.names_file == names_file]
        last = max(own[0].names)
        largest = 0
        for path in (path for each in own for path in files[each.folder]):
            values = LabelPng("", path, {}).values()
            largest = max(largest, int(values[values <= last].max(initial=0)))
            if largest == last and last not in void:
                break
        else:
            if largest:
                raise UsageError(
                    f"{names_file} has {last} names without values, and {own[0].folder} no label "
                    f"PNG with the value {last}, so it is not clear whether they count from 0 or "
                    f"1: say with `first` which value {own[0].names[1]} has, 0 or 1."
                )


def _find_label_pngs(folder: Path, suffix: str) -> list[Path]:
    found = [
        path
        for path in find_files(folder, {".png"}, "label PNGs")
        if name_in(folder, path).endswith(suffix)
    ]
    if not found:
        raise MissingInputError(
            f"{folder} contains no label PNG whose name ends in `suffix` {suffix}: give another."
        )
    return found


def _find_photographs(folder: Path, files: Mapping[Path, Sequence[Path]]) -> dict[str, SourceImage]:
    """Return the photographs by name, without label PNGs that are beside them."""
    beside = {path for path in files if path.resolve() == folder.resolve()}
    labels = {path for each in beside for path in files[each]}
    found: dict[str, SourceImage] = {}
    for path in find_photographs(folder, [each for each in files if each not in beside], labels):
        name = name_in(folder, path)
        if name in found and files:
            raise UsageError(
                f"{found[name].path} and {path} have the same name, so it is not clear which of "
                "them a label PNG is of: move one of them elsewhere."
            )
        found[name if name not in found else name + path.suffix] = SourceImage(name, path)
    return found


def _shared_ending(names: Sequence[str]) -> str:
    """Return what all names end in from the last underscore, such as ``_leftImg8bit``."""
    endings = {f"_{name.rpartition('_')[2]}" for name in names if "_" in name.rpartition("/")[2]}
    every = all("_" in name.rpartition("/")[2] for name in names)
    return endings.pop() if every and len(endings) == 1 else ""


def read_image_folders(root: Path, category: str = SCENE) -> Source:
    """Read photographs in folders, one folder a label (torchvision's ``ImageFolder``).

    Where all folders at the top are called train, val, test or the like, the labels are the
    folders in those, and the top ones say the split; one without folders of labels, as of a test
    set, is skipped with a note. Folders below the labels' are followed, and say the split where
    all are called so.
    """
    paths = {path: path.relative_to(root).parts for path in find_photographs(root)}
    tops = {parts[0] for parts in paths.values() if len(parts) > 1}
    splits = {top: split for top in tops if (split := split_of(top))}
    depth = 0
    notes: list[str] = []
    if splits and len(splits) == len(tops):
        depth = 1
        paths, notes = _leave_out_unlabelled_splits(root, paths, splits)
    elif len(set(splits.values())) > 1 or any(
        parts[0] in splits and len(parts) > 2 and parts[1].lower() not in _NO_CLASSES
        for parts in paths.values()
    ):
        other = min(tops.difference(splits))
        raise UsageError(
            f"{root} has folders of splits ({', '.join(sorted(splits))}) beside others ({other}), "
            "so it is not clear which are labels: move the others elsewhere."
        )
    for path, parts in paths.items():
        if len(parts) < depth + 2:
            raise DamagedDataError(
                f"{path} is in no folder whose name could be its label: move it into one."
            )
    for parent in sorted({parts[:depth] for parts in paths.values()}):
        own = [parts[depth:] for parts in paths.values() if parts[:depth] == parent]
        inner = sorted({parts[1] for parts in own if len(parts) > 2})
        if len({parts[0] for parts in own}) == 1 and len(inner) > 1:
            raise UsageError(
                f"All photographs of {root.joinpath(*parent)} are in one folder, {own[0][0]}, with "
                f"folders in it ({inner[0]}, {inner[1]}), so it is not clear which are labels: "
                "give a folder that contains those of the labels, or of the splits."
            )
        within: dict[str, set[str]] = {parts[0]: set() for parts in own}
        for parts in own:
            within[parts[0]].update(parts[1:-1][:1])
        shared = sorted(
            each for each in set.intersection(*within.values()) if not _says_no_label(each)
        )
        if len(within) > 1 and len(shared) > 1:
            raise UsageError(
                f"The folders {', '.join(sorted(within)[:2])} of {root.joinpath(*parent)} have the "
                f"same folders in them ({shared[0]}, {shared[1]}), so it is not clear which are "
                "labels: give one of the first, or rename those in them."
            )
    below = {
        f"{parts[depth]}/{parts[depth + 1]}"
        for parts in paths.values()
        if len(parts) > depth + 2 and not _says_no_label(parts[depth + 1])
    }
    if below:
        notes.append(
            f"The folders in those of the labels, such as {min(below)}, were not taken as labels."
        )
    in_labels = all(len(parts) > 2 and split_of(parts[1]) for parts in paths.values())
    vocabulary = VocabularyBuilder()
    labels = {parts[depth] for parts in paths.values()}
    folders = {part for parts in paths.values() for part in parts[depth:-1]}
    unmeant = sorted(each for each in labels if each.lower() in _NO_CLASSES)
    unmeant += sorted(each for each in folders if each.lower() in _MASKS)
    if unmeant:
        raise UsageError(
            f"The folder {unmeant[0]} in {root} can hardly be a label: give the folder that "
            "contains those of the labels, or import label PNGs with `ccx import folder`."
        )
    parents = {root, *(root.joinpath(*parts[:depth]) for parts in paths.values())}
    found = (path for parent in parents for path in parent.iterdir() if is_shown(path))
    empty = sorted({path.name for path in found if path.is_dir()} - labels - tops)
    if empty:
        notes.append(f"Skipped folders without photographs: {', '.join(empty)}.")
    numbers = {label: vocabulary.number(label, category) for label in sorted(labels)}
    images = tuple(
        SourceImage(
            name_in(root, path),
            path,
            split_of(parts[0] if depth else parts[1]) or "" if depth or in_labels else "",
            ((category, numbers[parts[depth]]),),
        )
        for path, parts in paths.items()
    )
    return Source("imagefolder", vocabulary.labels(), images, tuple(notes))


def read_photographs(root: Path, kind: str) -> Source:
    """Read photographs without labels; the folders at the top say the split if all of them do."""
    found = _find_photographs(root, {})
    folders = {folder for name in found for folder in name.split("/")[:-1]}
    masks = sorted(folder for folder in folders if folder.lower() in _MASKS)
    if masks:
        raise UsageError(
            f"The folder {masks[0]} in {root} can hardly hold photographs: give the folder that "
            "holds them, or import label PNGs with `ccx import folder`."
        )
    tops = {name.partition("/")[0] for name in found}
    splits = {top: split_of(top) for top in tops}
    split_by_top = all(splits.values()) and all("/" in name for name in found)
    images = tuple(
        replace(image, split=splits[image.name.partition("/")[0]] or "") if split_by_top else image
        for image in found.values()
    )
    return Source(kind, (), images)


def split_of(folder: str) -> str | None:
    """Return the split that a folder's name says, if nothing else."""
    words = re.findall(r"[^\W\d_]+", folder.lower())
    said = [_SPLITS[word] for word in words if word in _SPLITS]
    others = {word for word in words if word not in _SPLITS}
    return said[0] if len(said) == 1 and others <= _BESIDE_SPLITS else None


def _says_no_label(folder: str) -> bool:
    return split_of(folder) is not None or folder.lower() in _NO_CLASSES


def _leave_out_unlabelled_splits(
    root: Path, paths: dict[Path, tuple[str, ...]], splits: Collection[str]
) -> tuple[dict[Path, tuple[str, ...]], list[str]]:
    """Leave out the splits without folders of labels, and say so."""
    notes = []
    for split in sorted(splits):
        own = [parts for parts in paths.values() if parts[0] == split]
        if {parts[1] for parts in own if len(parts) > 2} <= _NO_CLASSES:
            paths = {path: parts for path, parts in paths.items() if parts[0] != split}
            notes.append(
                f"Skipped the split {split}, which has no folders of labels (photographs: "
                f"{len(own):,})."
            )
    if not paths:
        raise UsageError(
            f"{root} has folders of splits ({', '.join(sorted(splits))}) without folders of labels "
            "in them: sort the photographs into one folder per label."
        )
    return paths, notes
