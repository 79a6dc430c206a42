"""How a set of photographs is made into a dataset, and which names Broden's layout can hold."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ccx_cli.concepts.datasets import DEMO_SUBSET, NAME
from ccx_cli.errors import UsageError

SMALLEST_SIDE, LARGEST_SIDE = 2, 4096

_CATEGORY = re.compile(r"[^\W_][\w-]*")
_COLUMNS = {"image", "split", "ih", "iw", "sh", "sw"}
_RESERVED = {"all", DEMO_SUBSET}


class Fit(StrEnum):
    """What becomes of a photograph of another shape than the dataset's, which is usually square.

    ``CROP`` keeps its largest part of that shape, in its middle; ``STRETCH`` squeezes all of it.
    """

    CROP = "crop"
    STRETCH = "stretch"


class LabelOrientation(StrEnum):
    """How the labels of a photograph lie that its EXIF turns: as viewers show it, or as stored."""

    SHOWN = "shown"
    STORED = "stored"


class Missing(StrEnum):
    """What a missing value means: the attribute is not there, or the image is left out."""

    NO = "no"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How a source is made into a dataset.

    ``subset`` is the name of the dataset, and of its folder under ``images/``,
    ``size`` their (height, width) in pixels, and ``val_share`` the share of them to choose at
    random for validation, ``None`` for what the source says. ``label_orientation`` is how labels
    lie where a turned photograph's shape does not tell; ``None`` refuses it.
    """

    subset: str
    size: tuple[int, int] = (224, 224)
    fit: Fit = Fit.CROP
    colors: bool = False
    val_share: float | None = None
    seed: int = 0
    label_orientation: LabelOrientation | None = None

    @property
    def side(self) -> int:
        """The longer side, by which a dataset is called: ``broden1_<side>``."""
        return max(self.size)

    @property
    def mask_size(self) -> tuple[int, int]:
        """(height, width) of the label PNGs, in pixels."""
        return self.size[0] // 2, self.size[1] // 2

    def about_bytes(self, images: int) -> int:
        """Return how large a dataset of so many images is, about.

        Measured: a photograph takes some 0.5 bytes a pixel, its label PNGs a tenth of that each.
        """
        return round(images * math.prod(self.size) * 0.7)

    def __post_init__(self) -> None:
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in self.size):
            height, width = self.size
            given = height if height == width else f"{height}x{width}"
            raise UsageError(
                f"`side` {given} must be from {SMALLEST_SIDE} to {LARGEST_SIDE}: "
                "most networks take 224."
            )
        if self.val_share is not None and not 0 <= self.val_share <= 1:
            raise UsageError(f"`val_share` {self.val_share} must be from 0 to 1.")


def check_subset(name: str) -> str:
    """Return a name that can be a folder and that ``--subset`` can choose, else raise."""
    if not NAME.fullmatch(name) or name.casefold() in _RESERVED:
        raise UsageError(
            f"`subset` {name!r} cannot name a dataset: use letters, digits, _, . and -, and not "
            f"{', '.join(sorted(_RESERVED))} or broden1_."
        )
    return name


def check_category(name: str) -> str:
    """Return a name that can be a column of the index and part of a file's name, else raise."""
    if not _CATEGORY.fullmatch(name) or name in _COLUMNS:
        raise UsageError(
            f"{name!r} cannot name a category: use letters, digits and -, such as object, "
            "part, material, scene or texture."
        )
    return name


def subset_of(folder: Path) -> str:
    """Derive the name of a dataset from the name of a folder."""
    name = re.sub(r"[^\w.+-]+", "-", folder.absolute().name).strip("-._+")
    if name.casefold().startswith("broden1_"):
        return f"images-{name}"
    return f"{name}-images" if name.casefold() in _RESERVED else name or "images"
