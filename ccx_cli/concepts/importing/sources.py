"""What every reader of annotations yields: concepts, photographs, and where their labels are."""

from __future__ import annotations

import os
import random
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from PIL import Image

from ccx_cli.concepts.broden_csv import LARGEST_LABEL
from ccx_cli.concepts.broden_tables import WrittenLabel
from ccx_cli.concepts.color_names import COLOR_NAMES
from ccx_cli.concepts.importing.coco_regions import InstanceRegions
from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.pascal_parts import PartMasks
from ccx_cli.concepts.importing.pictures import reading
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.formulas.parse import with_suffix
from ccx_cli.records.annotation import AnnotationRecord, TablesRecord

SCENE = "scene"
COLOR = "color"
BRODEN_CATEGORIES = (COLOR, "object", "part", "material", SCENE, "texture")
"""Broden's six, in its order; others may be made, and follow them."""

TRAIN, VAL = "train", "val"
_OF_SYSTEMS = {"__MACOSX", "@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN"}
_OF_SYSTEMS |= {"lost+found", "System Volume Information"}
"""Folders that systems make in others; they hold thumbnails, forks and what was removed."""

_NO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))

_JPEGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}
PICTURES = {
    *_JPEGS,
    *(".png", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".tga", ".webp"),
    *(".jp2", ".jxl", ".avif", ".heic", ".heif"),
}
"""Some of them may not be readable here, which is said rather than that they are left out."""

Annotation = LabelPng | InstanceRegions | PartMasks
"""Labels of the pixels of one photograph, in one category, that are still to be read."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One photograph and its labels: those of the whole by category, and where its pixels' are.

    ``name`` is its path in the source without the suffix, with ``/``; ``split`` is ``train``,
    ``val`` or whatever the source says, empty where it says nothing.
    """

    name: str
    path: Path
    split: str = ""
    labels: tuple[tuple[str, int], ...] = ()
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A set of annotated photographs, at least one, by name.

    ``kind`` says which reader made it, ``vocabulary`` has all concepts there may be, from number 1,
    and ``notes`` are sentences about what was left out or taken for granted.
    """

    kind: str
    vocabulary: tuple[WrittenLabel, ...]
    images: tuple[SourceImage, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[int, str], ...] = ()
    """Label numbers, and what to say if no pixel carries them."""
    annotation: AnnotationRecord | None = None
    """What predicted the labels, where people did not make them."""
    tables: TablesRecord | None = None
    """How tables label whole images, where some do; no part of what identifies an import."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the concepts: Broden's in its order, then others by name."""
        there = {category for label in self.vocabulary for category in label.categories}
        return (
            *(category for category in BRODEN_CATEGORIES if category in there),
            *sorted(there.difference(BRODEN_CATEGORIES)),
        )

    def with_colors(self) -> tuple[Source, tuple[int, ...]]:
        """Add the basic colors to the concepts; also their numbers, in the order of the names."""
        vocabulary = VocabularyBuilder(self.vocabulary)
        numbers = tuple(vocabulary.number(name, COLOR) for name in COLOR_NAMES)
        return replace(self, vocabulary=vocabulary.labels()), numbers

    def with_splits(self, val_share: float | None, seed: int) -> Source:
        """Choose a share of the images at random for validation.

        ``None`` keeps what the source says, and is ``train`` where it says nothing.
        """
        if val_share is None:
            splits = [image.split or TRAIN for image in self.images]
        else:
            n_images = len(self.images)
            chosen = random.Random(seed).sample(range(n_images), round(val_share * n_images))
            splits = [TRAIN] * n_images
            for index in chosen:
                splits[index] = VAL
        pairs = zip(self.images, splits, strict=True)
        return replace(self, images=tuple(replace(image, split=split) for image, split in pairs))


class VocabularyBuilder:
    """Numbers concepts as they come: one number a name, whatever its categories, as in Broden."""

    def __init__(self, labels: Iterable[WrittenLabel] = ()) -> None:
        self._labels = {label.name: label for label in labels}
        self._given: dict[str, str] = {}

    def number(self, name: str, category: str, synonyms: Sequence[str] = ()) -> int:
        """Return the number of a concept, given to it now if it is new.

        Scenes get Broden's suffix ``-s`` and colors ``-c``, so that a street as a scene is
        not the street in it. Letters are composed; spaces around a name and letters without a width
        are dropped.

        Raises
        ------
        UsageError
            If a name is no text, or differs from an earlier one in such letters or in spaces only.
        """
        given = unicodedata.normalize("NFC", name)
        name = given.translate(_NO_WIDTH).strip()
        if not name or "\0" in name or any("\ud800" <= each <= "\udfff" for each in name):
            raise UsageError(
                f"{given!r} cannot be the name of a concept of the category {category}: rename it."
            )
        known_as = self._given.setdefault(re.sub(r"[^\S\r\n]+", " ", name), given)
        if known_as != given:
            raise UsageError(
                f"The concepts {known_as!r} and {given!r} differ only in spaces or letters without "
                "a width: rename one."
            )
        name = with_suffix(name, category)
        known = self._labels.get(name)
        if known is None:
            number = len(self._labels) + 1
            if number > LARGEST_LABEL:
                raise UsageError(
                    f"There are more than {LARGEST_LABEL:,} concepts, which label PNGs cannot hold:"
                    " import fewer categories."
                )
            known = WrittenLabel(number, name, (category,), tuple(synonyms))
        elif category not in known.categories:
            known = known._replace(categories=(*known.categories, category))
        self._labels[name] = known
        return known.number

    def labels(self) -> tuple[WrittenLabel, ...]:
        """All concepts so far, by number."""
        return tuple(self._labels.values())


def find_files(folder: Path, suffixes: set[str], what: str) -> list[Path]:
    """Return the files below a folder with one of some suffixes, at least one, by path."""
    if not folder.is_dir():
        fault = "is a file" if folder.exists() else "does not exist"
        raise MissingInputError(f"The folder {folder} {fault}: give the folder of the {what}.")
    files = sorted(walk_files(folder))
    found = [path for path in files if path.suffix.lower() in suffixes]
    if not found:
        others = sorted({path.suffix for path in files if path.suffix})[:3]
        fault, mend = f"contains no {what} ({', '.join(sorted(suffixes))})", "give another folder"
        if others:
            fault, mend = f"{fault}, only {', '.join(others)}", f"{mend}, or convert these"
        raise MissingInputError(f"{folder} {fault}: {mend}.")
    return found


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, of links to folders too, but none that is hidden."""

    def fail(error: OSError) -> None:
        raise MissingInputError(
            f"{error.filename} cannot be listed ({error.strerror}): make it readable."
        ) from error

    for directory, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        # Links to a folder that they are in, or were followed from, have no end.
        above = Path(directory).resolve()
        above_all = {above, *above.parents}
        above_all |= {each.resolve() for each in Path(directory).parents}
        folders[:] = [
            name
            for name in folders
            if is_shown(above / name) and (above / name).resolve() not in above_all
        ]
        for name in files:
            path = Path(directory, name)
            if name.startswith("."):
                continue
            if path.is_file():
                yield path
            elif path.is_symlink() and path.suffix.lower() in {"", *PICTURES}:
                raise MissingInputError(
                    f"{path} links to {path.readlink()}, which is missing: correct or remove it."
                )


def is_shown(path: Path) -> bool:
    """Tell whether a folder is neither hidden nor one that systems make."""
    return not path.name.startswith(".") and path.name not in _OF_SYSTEMS


def find_photographs(
    folder: Path, excluding: Sequence[Path] = (), label_pngs: Collection[Path] = ()
) -> list[Path]:
    """Return the photographs below a folder, at least one, by path.

    ``excluding`` are folders of other pictures that may be inside it, ``label_pngs`` such pictures.

    Raises
    ------
    UsageError
        If no label PNGs are known, and each PNG is a gray or palette picture beside a photograph
        of its name.
    """
    root = folder.resolve()
    inner = [path.resolve() for path in excluding]
    inner = [path.relative_to(root) for path in inner if path != root and path.is_relative_to(root)]
    found = [
        path
        for path in find_files(folder, PICTURES, "photographs")
        if path not in label_pngs
        and not any(path.relative_to(folder).is_relative_to(each) for each in inner)
    ]
    if not found:
        raise MissingInputError(
            f"{folder} contains only PNGs that are taken for label PNGs: give another folder, or "
            "say how the names of label PNGs end with `suffix`."
        )
    if not excluding and not label_pngs:
        _refuse_masks(found)
    return found


def _refuse_masks(found: Sequence[Path]) -> None:
    """Refuse PNGs of which half or more are gray and called as a photograph beside them."""
    by_stem = {path.with_suffix(""): path for path in found}
    by_stem |= {path.with_suffix(""): path for path in found if path.suffix.lower() != ".png"}

    def photograph(png: Path) -> Path | None:
        stem = png.stem
        names = (
            png.with_name(stem[:end]) for end in range(len(stem), 0, -1) if _ends_at(stem, end)
        )
        return next((by_stem[each] for each in names if by_stem.get(each, png) != png), None)

    pngs = [path for path in found if path.suffix.lower() == ".png"]
    pairs = [(png, beside) for png in pngs if (beside := photograph(png)) is not None]
    alone = set(pngs).difference(*pairs)
    if pairs and len(pairs) >= len(alone):
        png, beside = pairs[0]
        if _is_gray(png) and not (beside.suffix.lower() == ".png" and _is_gray(beside)):
            raise UsageError(
                f"{png} looks like a label PNG beside its photograph {beside}: move the label PNGs "
                "to a folder of their own, and give them with `labels`."
            )


def _is_gray(path: Path) -> bool:
    with reading(path), Image.open(path) as picture:
        return picture.mode in {"1", "L", "P"} or picture.mode.startswith("I")


def _ends_at(stem: str, end: int) -> bool:
    return end == len(stem) or stem[end] in "_-."


def loosely(name: str) -> str:
    """Return what names of files share that differ in case, blanks, ``%20`` or the ending only."""
    stem = PurePosixPath(unquote(unicodedata.normalize("NFC", name))).stem
    return re.sub(r"[\s_+]+", "", stem).casefold()


def name_in(folder: Path, path: Path) -> str:
    """Return a file's path in a folder without its suffix, with ``/`` and composed letters.

    A Mac decomposes letters in the names of files, so that labels from there are called otherwise.
    """
    name = path.relative_to(folder).with_suffix("").as_posix()
    return unicodedata.normalize("NFC", name)
