"""Public labeled sets, as their archives unpack: which labels are of which category.

Names are those that the sets have, but for the parts of PASCAL-Part. What COCO calls stuff has a
category of its own: to Broden, materials are what things are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ccx_cli.concepts.importing.coco import read_coco
from ccx_cli.concepts.importing.coco_stuff_names import NAMES as COCO_STUFF_NAMES
from ccx_cli.concepts.importing.coco_stuff_names import THINGS
from ccx_cli.concepts.importing.cub import read_cub
from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.names_file import read_names
from ccx_cli.concepts.importing.pascal_parts import PARTS, PartMasks
from ccx_cli.concepts.importing.sources import (
    SCENE,
    TRAIN,
    VAL,
    Annotation,
    Source,
    SourceImage,
    VocabularyBuilder,
)
from ccx_cli.concepts.importing.text_files import read_columns
from ccx_cli.errors import MissingInputError

OBJECT, PART, STUFF = "object", "part", "stuff"
_VOID = 255

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""By the value in the label PNGs, from 1; 0 is background, 255 the outlines (torchvision's
``VOCSegmentation``, the development kit of VOC)."""


def read_set(name: str, folder: Path) -> Source:
    """Read the set that ``ccx fetch`` calls so, unpacked in a folder."""
    return replace(_READERS[name](folder), kind=name)


def _read_ade20k_challenge(folder: Path) -> Source:
    """Read ADEChallengeData2016: its 0 is "other objects" (README of CSAILVision/sceneparsing)."""
    root = folder / "ADEChallengeData2016"
    vocabulary = VocabularyBuilder()
    numbers = {0: 0}
    for value, text in read_names(root / "objectInfo150.txt").numbers.items():
        first, *others = (word.strip() for word in text.split(","))
        numbers[value] = vocabulary.number(first, OBJECT, others)
    scenes = dict(read_columns(root / "sceneCategories.txt", 2))
    scene_numbers = {
        scene: vocabulary.number(scene, SCENE) for scene in sorted(set(scenes.values()))
    }
    images = []
    for part, split in (("training", TRAIN), ("validation", VAL)):
        for png in _files(root / "annotations" / part, ".png"):
            labels = ((SCENE, scene_numbers[scenes[png.stem]]),) if png.stem in scenes else ()
            photograph = root / "images" / part / f"{png.stem}.jpg"
            annotation = LabelPng(OBJECT, png, numbers)
            images.append(SourceImage(png.stem, photograph, split, labels, (annotation,)))
    return _source("ade20k-challenge", vocabulary, images)


def _read_coco_panoptic(folder: Path) -> Source:
    source = read_coco(
        folder / "annotations" / "panoptic_val2017.json",
        folder / "val2017",
        folder / "panoptic_val2017",
        stuff=STUFF,
    )
    return replace(source, images=tuple(replace(image, split=VAL) for image in source.images))


def _read_coco_stuff(folder: Path) -> Source:
    vocabulary = VocabularyBuilder()
    numbers: dict[str, dict[int, int]] = {OBJECT: {}, STUFF: {}}
    for value, name in enumerate(COCO_STUFF_NAMES):
        category = OBJECT if value < THINGS else STUFF
        number = vocabulary.number(name, category)
        for own, table in numbers.items():
            table[value] = number if own == category else 0
    for table in numbers.values():
        table[_VOID] = 0
    return _source(
        "coco-stuff-val",
        vocabulary,
        [
            SourceImage(
                png.stem,
                png.with_suffix(".jpg"),
                VAL,
                (),
                tuple(LabelPng(category, png, table) for category, table in numbers.items()),
            )
            for png in _files(folder / "val2017", ".png")
        ],
    )


def _read_voc2012(folder: Path) -> Source:
    root = folder / "VOCdevkit" / "VOC2012"
    vocabulary = VocabularyBuilder()
    numbers = {0: 0, _VOID: 0}
    for value, name in enumerate(VOC_CLASSES, 1):
        numbers[value] = vocabulary.number(name, OBJECT)
    images = _of_voc(
        root,
        "Segmentation",
        root / "SegmentationClass",
        ".png",
        lambda png: (LabelPng(OBJECT, png, numbers),),
    )
    return _source("voc2012", vocabulary, images)


def _read_pascal_parts(folder: Path) -> Source:
    root = folder / "VOCdevkit" / "VOC2010"
    vocabulary = VocabularyBuilder()
    objects = {name: vocabulary.number(name, OBJECT) for name in VOC_CLASSES}
    objects["table"] = objects["diningtable"]
    parts = {name: vocabulary.number(name, PART) for name in sorted(set(PARTS.values()))}

    def annotations(mat: Path) -> tuple[Annotation, ...]:
        return (
            PartMasks(OBJECT, mat, objects, of_parts=False),
            PartMasks(PART, mat, parts, of_parts=True),
        )

    images = _of_voc(root, "Main", folder / "Annotations_Part", ".mat", annotations)
    return _source("pascal-parts", vocabulary, images)


def _of_voc(
    root: Path,
    lists: str,
    labels: Path,
    suffix: str,
    annotations: Callable[[Path], tuple[Annotation, ...]],
) -> Iterator[SourceImage]:
    """Yield the photographs of VOC that files label; its lists of names say the split."""
    splits: Mapping[str, str] = {
        row[0]: split
        for split in (VAL, TRAIN)
        for row in read_columns(root / "ImageSets" / lists / f"{split}.txt", 1)
    }
    for file in _files(labels, suffix):
        photograph = root / "JPEGImages" / f"{file.stem}.jpg"
        yield SourceImage(file.stem, photograph, splits.get(file.stem, ""), (), annotations(file))


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{suffix}"))


def _source(name: str, vocabulary: VocabularyBuilder, images: Iterable[SourceImage]) -> Source:
    """Return a source whose photographs are all there."""
    found = tuple(images)
    for image in found:
        if not image.path.is_file():
            raise MissingInputError(f"The photograph {image.path} is missing: restore it.")
    return Source(name, vocabulary.labels(), found)


_READERS: Mapping[str, Callable[[Path], Source]] = {
    "ade20k-challenge": _read_ade20k_challenge,
    "coco-panoptic-val": _read_coco_panoptic,
    "coco-stuff-val": _read_coco_stuff,
    "voc2012": _read_voc2012,
    "pascal-parts": _read_pascal_parts,
    "cub200": read_cub,
}
