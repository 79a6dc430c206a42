"""Converts one photograph and its labels to files of a dataset, and counts the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden_tables import write_layers
from ccx_cli.concepts.color_names import name_colors
from ccx_cli.concepts.importing.pictures import (
    Photograph,
    pack_layers,
    read_photograph,
    same_shape,
    sample,
    window,
)
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import COLOR, SourceImage
from ccx_cli.errors import DamagedDataError

_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class ConvertedImage:
    """What was written of one photograph.

    Attributes
    ----------
    image
        Its path under ``images/``.
    cells
        The index's cell of each category it has labels in.
    pixels
        For each category the pixels of each of its labels.
    together
        The pixels of each label, in all categories at once.
    labelled
        For each category the pixels with any label of it.
    """

    image: str
    cells: dict[str, str]
    pixels: dict[str, dict[int, int]]
    together: dict[int, int]
    labelled: dict[str, int]


def convert(
    images: Path, settings: ImportSettings, colors: Sequence[int], stem: str, source: SourceImage
) -> ConvertedImage:
    """Write a photograph and its label PNGs.

    Parameters
    ----------
    images
        The directory ``images/`` to write below.
    settings
        Of the dataset.
    colors
        Label numbers of the basic colors, to name those of all pixels; empty for none.
    stem
        What to call the files: a path under ``images/`` without a suffix.
    source
        The photograph and its labels.

    Raises
    ------
    MissingInputError
        If a file is not there.
    DamagedDataError
        If one is not what it should be, or a label map does not have the photograph's shape.
    """
    found = [(each, numbers) for each in source.annotations for numbers in each.read()]
    shape = found[0][1].shape if found else None
    photograph = read_photograph(source.path, settings.size, settings.fit, shape)
    maps: dict[str, list[NDArray[np.uint16]]] = {}
    for annotation, numbers in found:
        _check_shape(numbers.shape, photograph.size, annotation.file, source.path)
        box = window(numbers.shape, settings.size, settings.fit)
        maps.setdefault(annotation.category, []).append(sample(numbers, settings.mask_size, box))
    if colors:
        maps.setdefault(COLOR, []).append(_colors(photograph, settings.mask_size, colors))
    (images / stem).parent.mkdir(parents=True, exist_ok=True)
    image = _write_photograph(images, stem, photograph)
    cells: dict[str, list[str]] = {}
    pixels: dict[str, dict[int, int]] = {}
    carried: dict[int, NDArray[np.bool_]] = {}
    labelled: dict[str, int] = {}
    everywhere = np.ones(settings.mask_size, dtype=np.bool_)
    for category, number in source.labels:
        cells.setdefault(category, []).append(str(number))
        pixels.setdefault(category, {})[number] = everywhere.size
        carried[number] = everywhere
        labelled[category] = everywhere.size
    for category, own in maps.items():
        layers = pack_layers(own)
        # A PNG is the dominant layer where there is also a label of the whole.
        names = write_layers(images, stem, category, layers)
        if names:
            cells[category] = [*names, *cells.get(category, [])]
        for number in sorted({int(n) for layer in layers for n in np.unique(layer)} - {0}):
            mask = np.logical_or.reduce([layer == number for layer in layers])
            pixels.setdefault(category, {}).setdefault(number, int(mask.sum()))
            carried[number] = carried[number] | mask if number in carried else mask
        if layers and category not in labelled:
            labelled[category] = int(np.logical_or.reduce([layer > 0 for layer in layers]).sum())
    return ConvertedImage(
        image,
        {category: ";".join(own) for category, own in cells.items()},
        pixels,
        {number: int(mask.sum()) for number, mask in sorted(carried.items())},
        labelled,
    )


def _check_shape(
    labels: tuple[int, int], photograph: tuple[int, int], label_file: Path, path: Path
) -> None:
    if not same_shape(labels, photograph):
        raise DamagedDataError(
            f"{label_file} labels {labels[0]}x{labels[1]} pixels but {path} has "
            f"{photograph[0]}x{photograph[1]}: give it labels of the same shape."
        )


def _colors(
    photograph: Photograph, mask_size: tuple[int, int], colors: Sequence[int]
) -> NDArray[np.uint16]:
    """Name the mean color under each pixel of the label PNGs."""
    small = Image.fromarray(photograph.pixels).resize(mask_size[::-1], Image.Resampling.BOX)
    return np.array(colors, dtype=np.uint16)[name_colors(np.asarray(small))]


def _write_photograph(images: Path, stem: str, photograph: Photograph) -> str:
    """Write the photograph without losing more of it than must be; return its name."""
    name = f"{stem}{'.png' if photograph.lossless else '.jpg'}"
    if photograph.kept is not None:
        (images / name).write_bytes(photograph.kept)
    elif photograph.lossless:
        Image.fromarray(photograph.pixels).save(images / name)
    else:
        Image.fromarray(photograph.pixels).save(images / name, quality=_JPEG_QUALITY)
    return name
