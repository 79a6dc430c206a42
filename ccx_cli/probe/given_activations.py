"""Precomputed activations described once: what a header, a cache key and texts say of them.

It imports neither torch nor NumPy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import UNSET

from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.records.header import About

GIVEN = "given"


class Axes(StrEnum):
    """What comes first in an array of activations."""

    UNITS_FIRST = "units-first"
    IMAGES_FIRST = "images-first"


@dataclass(frozen=True, slots=True)
class PrecomputedActivations:
    """Activations that the user brings in a file, in place of a network.

    ``path`` is a ``.npy``, ``.npz`` or HDF5 file, which need not be there once it is imported,
    ``array`` the dataset in an HDF5 file, ``grid`` height and width of the cells of an image in a
    ``.npz`` file, ``layer`` what the units' layer is called in records. ``stamp`` is that of the
    file that has the digest, ``maps`` units, height and width in it, ``n_values`` how many a
    ``.npz`` file holds; None where nobody looked.
    """

    path: Path
    array: str | None
    axes: Axes
    sha256: str
    layer: str
    grid: tuple[int, int] | None = None
    stamp: bytes | None = field(default=None, compare=False)
    maps: tuple[int, int, int] | None = field(default=None, compare=False)
    n_values: int | None = field(default=None, compare=False)

    @property
    def location(self) -> str:
        """The file, and the dataset in it, as `activations` takes them."""
        inside = "" if self.array is None else f":{self.array}"
        return f"{self.path.absolute()}{inside}"

    @property
    def title(self) -> str:
        """Begin the names of its activations and runs with it."""
        layer = re.sub(r"[^\w.-]+", "_", self.layer)[:64]
        return f"{GIVEN}-{layer}"

    def describe(self) -> str:
        """Return the activations in words: ``sae.h5 (precomputed), features``."""
        return f"{self.path.name} (precomputed), {self.layer}"

    def identity(self) -> dict[str, Any]:
        """Return what the maps depend on, but for the images: not the path of the file."""
        return {GIVEN: self.sha256, "array": self.array, "axes": self.axes.value, **self._grid()}

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
                **self._grid(),
            },
        }

    def _grid(self) -> dict[str, Any]:
        return {} if self.grid is None else {"grid": list(self.grid)}

    @staticmethod
    def from_header(about: About) -> PrecomputedActivations:
        """Read what ``about`` wrote; ValueError if a part is missing or not right."""
        if about.given is None or about.layer is None:
            raise ValueError("the header names no file and layer")
        grid = None
        if about.given.grid is not UNSET:
            height, width = about.given.grid
            grid = height, width
        return PrecomputedActivations(
            path=Path(about.given.file),
            array=about.given.array,
            axes=Axes(about.given.axes),
            sha256=about.given.sha256,
            layer=about.layer,
            grid=grid,
        )


ActivationSource = NetworkDescription | PrecomputedActivations
"""Where a layer's activations come from."""
