"""Caltech-UCSD Birds 200-2011: a mask of the bird, its species, and 312 attributes.

The README of the dataset describes its files. Its masks are gray, not black and white: the bird is
where they are more white than black, as others who use them have it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.sources import TRAIN, Source, SourceImage, VocabularyBuilder
from ccx_cli.concepts.importing.text_files import read_columns
from ccx_cli.errors import DamagedDataError, MissingInputError

_NOT_VISIBLE = "1"
_ATTRIBUTE = re.compile(r"has_(?P<kind>\w+)::(?P<value>.+)")
_LABELS = "image_attribute_labels.txt"


def read_cub(folder: Path) -> Source:
    """Read CUB-200-2011 as its two archives unpack.

    Each kind of attribute is a category, such as ``wing-color``, and so is the species; both label
    whole photographs. Photographs that ``images.txt`` does not list are left out.
    """
    root = folder / "CUB_200_2011"
    vocabulary = VocabularyBuilder()
    bird = vocabulary.number("bird", "object")
    levels = {level: bird if level > 127 else 0 for level in range(256)}
    species = {
        key: ("species", vocabulary.number(name.partition(".")[2].replace("_", " "), "species"))
        for key, name in read_columns(root / "classes.txt", 2)
    }
    attributes = _read_attributes(folder, vocabulary)
    present = _read_present(root / "attributes" / _LABELS, attributes)
    of = dict(read_columns(root / "image_class_labels.txt", 2))
    in_training = dict(read_columns(root / "train_test_split.txt", 2))
    images = []
    for key, path in read_columns(root / "images.txt", 2):
        if of.get(key) not in species or key not in in_training:
            raise DamagedDataError(
                f"{root}: the image {key} of images.txt has no species or no split: restore "
                "image_class_labels.txt, classes.txt and train_test_split.txt."
            )
        photograph = root / "images" / path
        mask = (folder / "segmentations" / path).with_suffix(".png")
        if not (photograph.is_file() and mask.is_file()):
            missing = mask if photograph.is_file() else photograph
            raise MissingInputError(f"{missing} is missing: restore it.")
        labels = (species[of[key]], *(attributes[each] for each in present[key]))
        split = TRAIN if in_training[key] == "1" else "test"
        annotation = LabelPng("object", mask, levels, Coding.GRAY)
        name = path.removesuffix(".jpg")
        images.append(SourceImage(name, photograph, split, labels, (annotation,)))
    return Source("cub200", vocabulary.labels(), tuple(images))


def _read_attributes(folder: Path, vocabulary: VocabularyBuilder) -> dict[str, tuple[str, int]]:
    """Return category and label number by the attribute's number."""
    file = next(iter(sorted(folder.rglob("attributes.txt"))), folder / "attributes.txt")
    found = {}
    for key, name in read_columns(file, 2):
        match = _ATTRIBUTE.fullmatch(name)
        if match is None:
            raise DamagedDataError(f"{file}: {name!r} is not has_KIND::VALUE: restore it.")
        kind, value = match["kind"].replace("_", " "), match["value"].replace("_", " ")
        category = match["kind"].replace("_", "-")
        found[key] = category, vocabulary.number(f"{kind}: {value}", category)
    return found


def _read_present(file: Path, attributes: dict[str, tuple[str, int]]) -> dict[str, list[str]]:
    """Return the attributes that each image has, by their numbers.

    A line has the image, the attribute, whether it is present, how certain that is, and seconds;
    before those some lines have a 0 too many. What was marked as not visible is not there.
    """
    present: dict[str, list[str]] = defaultdict(list)
    for image, attribute, is_present, certainty in read_columns(file, 4):
        if attribute not in attributes or is_present not in {"0", "1"}:
            raise DamagedDataError(
                f"{file}: the attribute {attribute} of image {image} is not in attributes.txt, or "
                "neither 0 nor 1: restore it."
            )
        if is_present == "1" and certainty != _NOT_VISIBLE:
            present[image].append(attribute)
    return present
