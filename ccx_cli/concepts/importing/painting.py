"""Makes one photograph and its labels into files of a data set, and counts the labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden_tables import write_label_map
from ccx_cli.concepts.color_names import name_colors
from ccx_cli.concepts.importing.fit import Fit
from ccx_cli.concepts.importing.pictures import (
    Photograph,
    pack_layers,
    read_photograph,
    same_shape,
    sample,
    window,
)
from ccx_cli.concepts.importing.sources import COLOR, NumberMap, SourceImage
from ccx_cli.errors import DamagedDataError

_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Frame:
    """What all files of a data set have in common.

    Attributes
    ----------
    images
        The directory ``images/`` to write below.
    size
        (height, width) of the photographs, in pixels; label PNGs have half of it, rounded down.
    fit
        How photographs get its shape.
    colors
        Label numbers of the basic colours, to name those of all pixels; empty for none.
    """

    images: Path
    size: tuple[int, int]
    fit: Fit
    colors: tuple[int, ...] = ()

    @property
    def mask_size(self) -> tuple[int, int]:
        """(height, width) of the label PNGs, in pixels."""
        height, width = self.size
        return height // 2, width // 2


@dataclass(frozen=True, slots=True)
class PaintedImage:
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


def paint(frame: Frame, stem: str, source: SourceImage) -> PaintedImage:
    """Write a photograph and its label PNGs.

    Parameters
    ----------
    frame
        Where, and of what size.
    stem
        What to call them: a path under ``images/`` without a suffix.
    source
        The photograph and its labels.

    Raises
    ------
    MissingInputError
        If a file is not there.
    DamagedDataError
        If one is not what it should be, or a label map has not the photograph's shape.
    """
    maps = [found for annotation in source.annotations for found in annotation.read()]
    shape = maps[0].numbers.shape if maps else None
    photograph = read_photograph(source.path, frame.size, frame.fit, shape)
    by_category: dict[str, list[NDArray[np.uint16]]] = {}
    for found in maps:
        _check_shape(found, photograph, source.path)
        box = window(found.numbers.shape, frame.size, frame.fit)
        sampled = sample(found.numbers, frame.mask_size, box)
        by_category.setdefault(found.category, []).append(sampled)
    if frame.colors:
        by_category.setdefault(COLOR, []).append(_colors(frame, photograph))
    (frame.images / stem).parent.mkdir(parents=True, exist_ok=True)
    image = _write_photograph(frame, stem, photograph)
    cells: dict[str, list[str]] = {}
    pixels: dict[str, dict[int, int]] = {}
    carried: dict[int, NDArray[np.bool_]] = {}
    labelled: dict[str, int] = {}
    everywhere = np.ones(frame.mask_size, dtype=np.bool_)
    for category, number in source.labels:
        cells.setdefault(category, []).append(str(number))
        pixels.setdefault(category, {})[number] = everywhere.size
        carried[number] = everywhere
        labelled[category] = everywhere.size
    for category, painted in by_category.items():
        layers = pack_layers(painted)
        for level, layer in enumerate(layers, start=1):
            name = f"{stem}_{category}{f'_{level}' if level > 1 else ''}.png"
            write_label_map(frame.images / name, layer)
            # A PNG is the dominant layer where there is also a label of the whole.
            cells.setdefault(category, []).insert(level - 1, name)
        for number in sorted({int(n) for layer in layers for n in np.unique(layer)} - {0}):
            mask = np.logical_or.reduce([layer == number for layer in layers])
            pixels.setdefault(category, {}).setdefault(number, int(mask.sum()))
            carried[number] = carried[number] | mask if number in carried else mask
        if layers and category not in labelled:
            labelled[category] = int(np.logical_or.reduce([layer > 0 for layer in layers]).sum())
    return PaintedImage(
        image,
        {category: ";".join(own) for category, own in cells.items()},
        pixels,
        {number: int(mask.sum()) for number, mask in sorted(carried.items())},
        labelled,
    )


def _check_shape(found: NumberMap, photograph: Photograph, path: Path) -> None:
    height, width = found.numbers.shape
    if not same_shape((height, width), photograph.size):
        raise DamagedDataError(
            f"{found.file} labels {height}x{width} pixels but {path} has "
            f"{photograph.size[0]}x{photograph.size[1]}: give it labels of its own shape."
        )


def _colors(frame: Frame, photograph: Photograph) -> NDArray[np.uint16]:
    """Name the mean colour under each pixel of the label PNGs."""
    height, width = frame.mask_size
    small = Image.fromarray(photograph.pixels).resize((width, height), Image.Resampling.BOX)
    return np.array(frame.colors, dtype=np.uint16)[name_colors(np.asarray(small))]


def _write_photograph(frame: Frame, stem: str, photograph: Photograph) -> str:
    """Write the photograph without losing more of it than must be; return its name."""
    name = f"{stem}{'.png' if photograph.lossless else '.jpg'}"
    path = frame.images / name
    if photograph.kept is not None:
        path.write_bytes(photograph.kept)
    elif photograph.lossless:
        Image.fromarray(photograph.pixels).save(path)
    else:
        Image.fromarray(photograph.pixels).save(path, quality=_JPEG_QUALITY)
    return name
