"""What figures there are, and in what form they are written."""

from __future__ import annotations

from enum import StrEnum


class FileType(StrEnum):
    """In what form a figure is written."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class Kind(StrEnum):
    """What a figure shows."""

    PANEL = "panel"
    PUBLISHED = "published"
    DISTRIBUTION = "distribution"
    CATEGORIES = "categories"
    IOU = "iou"

    @property
    def of_one_unit(self) -> bool:
        """Whether there is a figure a unit, not one of all."""
        return self in {Kind.PANEL, Kind.PUBLISHED, Kind.DISTRIBUTION}

    @property
    def stem(self) -> str:
        """What its files are called."""
        return {
            Kind.PANEL: "unit_{unit}_c_{k}_{show}",
            Kind.PUBLISHED: "unit_{unit}_c_{k}",
            Kind.DISTRIBUTION: "unit_{unit}_c_{k}_distribution",
            Kind.CATEGORIES: "categories",
            Kind.IOU: "iou",
        }[self]
