"""A figure laid out in pixels: pictures, boxes and wrapped text, written as PNG, SVG or PDF."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import CcxError
from ccx_cli.render.kinds import FileType
from ccx_cli.render.overlay import Pixels
from ccx_cli.store.atomic import replacing
from ccx_cli.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
INK, FAINT = "#1a1a1a", "#5f5f5f"
FONT = "DejaVu Sans"  # comes with matplotlib: the same letters on every machine
_SPACING = 1.35
_LARGEST = 65_000


@dataclass(frozen=True, slots=True)
class Canvas:
    """A figure whose coordinates are pixels from its upper left corner.

    Attributes
    ----------
    figure
        Of ``width`` by ``height`` pixels.
    sheet
        Covers all of it.
    width, height
        In pixels.
    """

    figure: Figure
    sheet: Axes
    width: int
    height: int

    @classmethod
    def of_size(cls, width: int, height: int) -> Canvas:
        """Return an empty one.

        Raises
        ------
        CcxError
            If no picture can be that large.
        """
        if max(width, height) > _LARGEST:
            raise CcxError(
                f"A figure of {width:,} x {height:,} pixels is too large: lower --top-k, or "
                "explain with fewer --num-clusters."
            )
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        sheet = figure.add_axes((0, 0, 1, 1))
        sheet.set_axis_off()
        sheet.set_xlim(0, width)
        sheet.set_ylim(height, 0)
        sheet.set_autoscale_on(False)
        return cls(figure, sheet, width, height)

    def text(
        self,
        lines: str | Sequence[str],
        x: float,
        y: float,
        size: float,
        *,
        bold: bool = False,
        color: str = INK,
        align: str = "left",
    ) -> None:
        """Write lines below ``y``; ``size`` is that of the font, in pixels."""
        for place, line in enumerate([lines] if isinstance(lines, str) else lines):
            self.sheet.text(
                x,
                y + place * line_height(size),
                line,
                fontsize=_points(size),
                fontfamily=FONT,
                fontweight="bold" if bold else "normal",
                color=color,
                ha=align,
                va="top",
                parse_math=False,
            )

    def picture(self, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Show pixels in a box, which begins at a whole pixel: else a row would be lost."""
        left, top = round(x), round(y)
        self.sheet.imshow(
            pixels,
            extent=(left, left + width, top + height, top),
            interpolation="none",
            aspect="auto",
        )
        # Showing a picture fits the axes to it.
        self.sheet.set_xlim(0, self.width)
        self.sheet.set_ylim(self.height, 0)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str | None = None,
        edge: str | None = None,
        line: float = 1,
    ) -> None:
        """Draw a rectangle; ``line`` is its edge's width in pixels."""
        from matplotlib.patches import Rectangle

        self.sheet.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor=fill or "none",
                edgecolor=edge or "none",
                linewidth=_points(line) if edge else 0,
            )
        )

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Return axes of their own in a box."""
        return self.figure.add_axes(
            (
                x / self.width,
                1 - (y + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )


def line_height(size: float) -> float:
    """Return the distance of lines of text, in pixels."""
    return size * _SPACING


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Cut a text into lines at most ``width`` pixels long; a word longer than that is cut too."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold=bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while text_width(word, size, bold=bold) > width and len(word) > 1:
            head = _longest(word, width, size, bold)
            lines.append(word[:head])
            word = word[head:]
        line = word
    return [*lines, line] if line or not lines else lines


def shortened(text: str, width: float, size: float) -> str:
    """Return a text with its middle left out as far as ``width`` pixels need it."""
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        if text_width(shorter, size) <= width:
            return shorter
    return "…"


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Measure a line, in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, weight="bold" if bold else "normal", size=_points(size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks
        points: float = text_to_path.get_text_width_height_descent(text, font, False)[0]
    return points * DPI / 72


def fingerprint(**shown: Any) -> str:
    """Return a digest of what a figure shows and of the program that draws it."""
    said = json.dumps([__version__, shown], sort_keys=True, default=str)
    return f"ccx-{hashlib.sha256(said.encode()).hexdigest()[:24]}"


def is_same_figure(path: Path, digest: str, *, whole: bool) -> bool:
    """Tell whether a file is a figure that was written with this digest.

    Parameters
    ----------
    path
        Any file.
    digest
        From ``fingerprint``.
    whole
        Whether it also has to show all it should.
    """
    try:
        return _description(digest, whole=True).encode() in (content := path.read_bytes()) or (
            not whole and digest.encode() in content
        )
    except OSError:
        return False


def _description(digest: str, *, whole: bool) -> str:
    return f"{digest} {'whole' if whole else 'with gaps'}"


def write_figure(
    figure: Figure, path: Path, kind: FileType, digest: str, *, whole: bool = True
) -> None:
    """Write a figure, whole or not at all; ``same_everywhere`` the same one gives the same bytes.

    Parameters
    ----------
    figure
        The figure.
    path
        Where to.
    kind
        In what form.
    digest
        Is kept in the file for ``is_same_figure``.
    whole
        Whether the figure shows all it should.
    """
    said = _description(digest, whole=whole)
    metadata: dict[FileType, dict[str, Any]] = {
        FileType.PNG: {"Software": "ccx", "Description": said},
        FileType.SVG: {"Date": None, "Creator": "ccx", "Description": said},
        FileType.PDF: {"CreationDate": None, "Creator": "ccx", "Subject": said},
    }
    # Pillow's own level takes twice as long for a tenth less.
    quick = {"pil_kwargs": {"compress_level": 4}} if kind is FileType.PNG else {}
    how: dict[str, Any] = {"metadata": metadata[kind], **quick}
    with warnings.catch_warnings(), replacing(path) as beside:
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks
        figure.savefig(beside, format=kind, **how)


@contextmanager
def same_everywhere() -> Iterator[None]:
    """Draw and write figures inside without the user's settings, dates and random names."""
    from matplotlib import rc_context, style

    with (
        style.context("default"),
        rc_context(
            {
                "font.family": FONT,
                "svg.hashsalt": "ccx",
                "svg.fonttype": "path",
                "pdf.fonttype": 42,
                "image.composite_image": False,
            }
        ),
    ):
        yield


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


def _longest(word: str, width: float, size: float, bold: bool) -> int:
    """Count the letters of a word's beginning that fit."""
    for length in range(len(word) - 1, 1, -1):
        if text_width(word[:length], size, bold=bold) <= width:
            return length
    return 1
