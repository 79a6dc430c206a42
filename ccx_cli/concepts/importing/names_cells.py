"""The parts of names files of all forms: their entries, the words of their columns, and colors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

Color = tuple[int, int, int]

NUMBER_COLUMNS = ["id", "idx", "index", "value", "number", "num", "code"]
NUMBER_COLUMNS += ["classid", "labelid", "classindex", "pixelvalue", "trainid"]
NAME_COLUMNS = ["name", "names", "classname", "labelname", "categoryname"]
EITHER_COLUMNS = ["class", "classes", "label", "labels", "category", "categories", "object"]
ONE_COLOR_COLUMN = ["color", "colour", "rgb", "colorrgb", "hex", "classcolor", "labelcolor"]

HEX = r"#[0-9a-fA-F]{6}"
INTEGER = re.compile(r"-?\d{1,9}")


class Entry(NamedTuple):
    """What one line says."""

    name: str
    number: int | None = None
    color: Color | None = None


def color_text(color: Iterable[int]) -> str:
    """Return a color as it is written in names files, ``128 0 0``."""
    return " ".join(map(str, color))


def parse_color(text: str) -> Color:
    """Read a color, ``is_color``."""
    if text.startswith("#"):
        text = " ".join(map(str, bytes.fromhex(text[1:])))
    red, green, blue = (int(part) for part in re.findall(r"\d+", text))
    return red, green, blue


def column(text: str) -> str:
    """Return the name of a column as the lists of columns have it."""
    return re.sub(r"[\W_]", "", text).casefold()


def is_color(text: str) -> bool:
    """Tell whether a text is three numbers and what is between them, or ``#800000``."""
    three = len(re.findall(r"\d+", text)) == 3 and not re.search(r"[^\d\s,;()\[\]]", text)
    return three or re.fullmatch(HEX, text) is not None
