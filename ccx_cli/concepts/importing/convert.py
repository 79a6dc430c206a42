"""Converts one photograph and its labels to files of a dataset, and counts the labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden_tables import count_labels, write_layers
from ccx_cli.concepts.color_names import name_colors, shrink
from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.pictures import (
    Photograph,
    pack_layers,
    read_photograph,
    read_png_orientation,
    same_shape,
    sample,
    window,
)
from ccx_cli.concepts.importing.settings import ImportSettings, LabelOrientation
from ccx_cli.concepts.importing.sources import COLOR, SourceImage
from ccx_cli.errors import DamagedDataError

_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class ConvertedImage:
    """What was written of one photograph: its path ``image``, and its labels by category.

    ``cells`` are those of the index, ``pixels`` those of each label, and ``labelled`` those with
    any label; ``together`` are the pixels of each label in all categories at once.
    """

    image: str
    cells: dict[str, str]
    pixels: dict[str, dict[int, int]]
    together: dict[int, int]
    labelled: dict[str, int]

    scaled: str = ""
    """The sizes of its labels and of the photograph, where they differ."""


def convert(
    images: Path, settings: ImportSettings, colors: Sequence[int], stem: str, source: SourceImage
) -> ConvertedImage:
    """Write a photograph and its label PNGs as ``stem``, a path under ``images`` without a suffix.

    ``colors`` are label numbers of the basic colors, to name those of all pixels; empty for none.
    """
    found = [(each, numbers) for each in source.annotations for numbers in each.read()]
    shape = found[0][1].shape if found else None
    pngs = [each.file for each in source.annotations if isinstance(each, LabelPng)]
    turns = {file: read_png_orientation(file) for file in pngs}
    # Labels and photograph with one orientation in their EXIF are stored alike.
    given = LabelOrientation.STORED if max(turns.values(), default=1) > 1 else None
    orientation = given or settings.label_orientation
    photograph = read_photograph(source.path, settings.size, settings.fit, shape, orientation)
    for file, turn in turns.items():
        if turn not in {1, photograph.turn}:
            raise DamagedDataError(
                f"{file} is turned by its EXIF (orientation {turn}), unlike {source.path} "
                f"({photograph.turn}): save it without the EXIF, the way up of its photograph."
            )
    maps: dict[str, list[NDArray[np.uint16]]] = {}
    scaled = ""
    for annotation, numbers in found:
        (height, width), (full_height, full_width) = numbers.shape, photograph.size
        if not same_shape(numbers.shape, photograph.size):
            raise DamagedDataError(
                f"{annotation.file} labels {height}x{width} pixels but {source.path} has "
                f"{full_height}x{full_width}: give it labels of the same shape."
            )
        if numbers.shape != photograph.size:
            scaled = f"{height}x{width} for {full_height}x{full_width}"
        box = window(numbers.shape, settings.size, settings.fit)
        maps.setdefault(annotation.category, []).append(sample(numbers, settings.mask_size, box))
    return write_image(images, settings, colors, stem, photograph, maps, source.labels, scaled)


def write_image(
    images: Path,
    settings: ImportSettings,
    colors: Sequence[int],
    stem: str,
    photograph: Photograph,
    maps: dict[str, list[NDArray[np.uint16]]],
    labels: Sequence[tuple[str, int]],
    scaled: str = "",
) -> ConvertedImage:
    """Write a photograph and its labels, as ``convert`` does.

    ``maps`` are label numbers by category, of the shape of the label PNGs, to which those of colors
    are added; ``labels`` are of the whole photograph.
    """
    if colors:
        named = name_colors(shrink(photograph.pixels, settings.mask_size))
        maps.setdefault(COLOR, []).append(np.array(colors, dtype=np.uint16)[named])
    (images / stem).parent.mkdir(parents=True, exist_ok=True)
    name = f"{stem}{'.png' if photograph.lossless else '.jpg'}"
    if photograph.kept is not None:
        (images / name).write_bytes(photograph.kept)
    else:
        # A PNG has no quality to lose.
        Image.fromarray(photograph.pixels).save(images / name, quality=_JPEG_QUALITY)
    cells: dict[str, list[str]] = {}
    pixels: dict[str, dict[int, int]] = {}
    labelled: dict[str, int] = {}
    layers_of = {category: pack_layers(own) for category, own in maps.items()}
    together = count_labels(layer for layers in layers_of.values() for layer in layers)
    size = math.prod(settings.mask_size)
    for category, number in labels:
        cells.setdefault(category, []).append(str(number))
        pixels.setdefault(category, {})[number] = together[number] = labelled[category] = size
    for category, layers in layers_of.items():
        # A PNG is the dominant layer where there is also a label of the whole.
        files = write_layers(images, stem, category, layers)
        if files:
            cells[category] = [*files, *cells.get(category, [])]
            pixels[category] = count_labels(layers) | pixels.get(category, {})
            labelled.setdefault(category, int(np.any(layers, axis=0).sum()))
    return ConvertedImage(
        name,
        {category: ";".join(own) for category, own in cells.items()},
        pixels,
        dict(sorted(together.items())),
        labelled,
        scaled,
    )
