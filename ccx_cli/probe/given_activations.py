"""Activations that the user brings in a file, in the place of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import UsageError
from ccx_cli.probe.array_files import open_array, shape_text
from ccx_cli.probe.axes import Axes
from ccx_cli.probe.weights.known_digests import Stamp, known_digest
from ccx_cli.progress import Progress

GIVEN = "given"


@dataclass(frozen=True, slots=True)
class GivenActivations:
    """Activations in a file, where a ``NetworkChoice`` would name a network.

    Attributes
    ----------
    path
        The ``.npy`` or HDF5 file; it need not be there any more once it is imported.
    array
        The dataset in an HDF5 file; ``None`` for ``.npy``.
    axes
        Whether units or images come first in the file.
    sha256
        Of the file.
    layer
        What the units' layer is called in records.
    stamp
        Of the file that has the digest; ``None`` where it was not looked at.
    maps
        Units, height and width in the file; ``None`` where it was not looked at.
    """

    path: Path
    array: str | None
    axes: Axes
    sha256: str
    layer: str
    stamp: Stamp | None = field(default=None, compare=False)
    maps: tuple[int, int, int] | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """Begin the name of a run with it."""
        layer = re.sub(r"[^\w.-]+", "_", self.layer)[:64]
        return f"{GIVEN}-{layer}"

    def describe(self) -> str:
        """Return the activations in words: ``sae.h5 (given), features``."""
        return f"{self.path.name} ({GIVEN}), {self.layer}"

    def identity(self) -> dict[str, Any]:
        """Return what the maps depend on, but for the images: not the file's name or place."""
        return {GIVEN: self.sha256, "array": self.array, "axes": self.axes.value}

    def about(self) -> dict[str, Any]:
        """Return what a run's header says of where the activations come from."""
        return {
            "model": self.path.name,
            "pretrained": GIVEN,
            "weights": None,
            "seed": None,
            "layer": self.layer,
            GIVEN: {
                "file": str(self.path.absolute()),
                "array": self.array,
                "axes": self.axes.value,
                "sha256": self.sha256,
            },
        }

    @staticmethod
    def from_about(about: dict[str, Any]) -> GivenActivations:
        """Read what ``about`` wrote; raises what a part that is not there or not right does."""
        given = about[GIVEN]
        array = given["array"]
        return GivenActivations(
            path=Path(given["file"]),
            array=None if array is None else str(array),
            axes=Axes(given["axes"]),
            sha256=str(given["sha256"]),
            layer=str(about["layer"]),
        )


def choose_given(
    path: Path,
    name: str | None,
    axes: Axes | None,
    layer: str | None,
    dataset: BrodenDataset,
    memory: Path,
    progress: Progress,
) -> GivenActivations:
    """Look at the shape of the activations in a file, and read its digest.

    Parameters
    ----------
    path, name
        The file, and the dataset in it if one is named, from ``split_name``.
    axes
        What comes first; ``None`` for what the number of images says.
    layer
        Name of the units' layer; ``None`` for the dataset's, or the file's without its ending.
    dataset
        Its rows are the images, in their order.
    memory
        Where the digests of files are remembered.
    progress
        Told about bytes read.

    Raises
    ------
    UsageError
        If the array is not as many images as the data set has.
    DamagedDataError
        If the file holds no activations.
    """
    with open_array(path, name) as array:
        found = _axes(array.where, array.shape, axes, dataset)
        name, maps = array.name, maps_of(array.shape, found)
    sha256, stamp = known_digest(path, memory, progress)
    own_name = path.stem if name is None else name.replace("/", ".")
    return GivenActivations(path, name, found, sha256, layer or own_name, stamp, maps)


def maps_of(shape: tuple[int, ...], axes: Axes) -> tuple[int, int, int]:
    """Return units, height and width of an array's maps; vectors are maps of one pixel."""
    units = shape[1 if axes is Axes.IMAGES_FIRST else 0]
    height, width = shape[2:] or (1, 1)
    return units, height, width


def _axes(where: str, shape: tuple[int, ...], asked: Axes | None, dataset: BrodenDataset) -> Axes:
    """Tell which axis is the images'."""
    n_images = len(dataset.rows)
    fitting = [
        axes
        for axes, count in zip((Axes.IMAGES_FIRST, Axes.UNITS_FIRST), shape[:2], strict=True)
        if count == n_images
    ]
    there = f"--subset {dataset.subset} has {n_images:,} images"
    if not fitting:
        raise UsageError(
            f"{where} is {shape_text(shape)}, but {there}: one of the first two axes has to be "
            "the images, in the order of the index."
        )
    if asked is None and len(fitting) > 1:
        raise UsageError(
            f"{where} is {shape_text(shape)}, and {there}: say with --activations-axes whether it "
            "is units-first or images-first."
        )
    if asked is not None and asked not in fitting:
        raise UsageError(
            f"--activations-axes {asked} does not fit: {where} is {shape_text(shape)} and {there}, "
            f"so it is {fitting[0]}."
        )
    return asked or fitting[0]
