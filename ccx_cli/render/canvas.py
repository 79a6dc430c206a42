"""A figure laid out by hand: pictures, boxes and wrapped text; written as PNG, SVG or PDF.

Lengths are in pixels of a screen, 100 to the inch, whatever the resolution of the figure.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context, rcParams, style
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from ccx_cli import design
from ccx_cli.errors import CcxError
from ccx_cli.render.figure_files import FileType, description
from ccx_cli.render.overlay import Pixels
from ccx_cli.render.style import SCREEN, Font, Style
from ccx_cli.store.atomic import replacing

PER_INCH = 100
INK, FAINT = design.INK.light, design.DIM.light
# The first of each ships with Matplotlib: the same glyphs on every machine. Where an SVG is shown
# without it, the next is near; DejaVu Sans has the letters that STIX lacks.
_FAMILIES = {
    Font.SANS: ("sans-serif", ["DejaVu Sans", "Verdana", "Arial", "Helvetica"]),
    Font.SERIF: ("serif", ["STIXGeneral", "STIX Two Text", "Times New Roman", "Times"]),
}
_SPACING = {Font.SANS: 1.35, Font.SERIF: 1.2}
_LARGEST = 65_000


class StyledFigure(Figure):
    """A figure that looks as it was set, whatever the user's settings are when it is drawn.

    A notebook shows it once: pyplot does not know of it.
    """

    how = SCREEN

    def draw(self, renderer: RendererBase) -> None:
        """Draw it in its style."""
        with same_everywhere(self.how):
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # characters that the font lacks
            self.savefig(content, format="png", dpi=self.dpi)
        return content.getvalue()


class Words(NamedTuple):
    """Lines of text of one size."""

    lines: Sequence[str]
    size: float
    bold: bool = False
    color: str = INK

    @property
    def height(self) -> float:
        """Height of all lines."""
        return len(self.lines) * line_height(self.size)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A figure measured from its upper left corner; ``sheet`` are axes over all of it.

    ``scale`` is how many of its own pixels one of a screen is.
    """

    figure: Figure
    sheet: Axes
    width: float
    height: float
    scale: float

    @classmethod
    def of_size(cls, width: float, height: float, how: Style = SCREEN) -> Canvas:
        """Return an empty canvas; raises ``CcxError`` if no figure can be that large."""
        dpi = how.dots(PER_INCH)
        if max(width, height) * dpi / PER_INCH > _LARGEST:
            raise CcxError(
                f"A figure of {width:,.0f} x {height:,.0f} pixels is too large: lower `top_k`, or "
                "explain with fewer `num_clusters`."
            )
        size = width / PER_INCH, height / PER_INCH
        figure = StyledFigure(figsize=size, dpi=dpi, facecolor="white")
        figure.how = how
        sheet = figure.add_axes((0, 0, 1, 1))
        sheet.set_axis_off()
        sheet.set_xlim(0, width)
        sheet.set_ylim(height, 0)
        sheet.set_autoscale_on(False)
        return cls(figure, sheet, width, height, dpi / PER_INCH)

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
        """Write lines below ``y``; ``size`` is that of the font."""
        for index, line in enumerate([lines] if isinstance(lines, str) else lines):
            self.sheet.text(
                x,
                y + index * line_height(size),
                line,
                fontsize=_points(size),
                fontweight="bold" if bold else "normal",
                color=color,
                ha=align,
                va="top",
                parse_math=False,
            )

    def words(self, words: Iterable[Words], x: float, y: float) -> float:
        """Write texts below each other, and return where they end."""
        for each in words:
            self.text(each.lines, x, y, each.size, bold=each.bold, color=each.color)
            y += each.height
        return y

    def picture(self, pixels: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Show pixels in a box, moved to a whole pixel: otherwise a row would be lost."""
        left, top = (round(end * self.scale) / self.scale for end in (x, y))
        self.sheet.imshow(
            pixels,
            extent=(left, left + width, top + height, top),
            interpolation="none",
            aspect="auto",
        )
        # imshow changes the limits of the axes.
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
        """Draw a rectangle; ``line`` is the width of its edge."""
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

    def mark(self, x: float, y: float, size: float, color: str) -> None:
        """Draw a square beside a line of text that is written below ``y``."""
        _, height, descent = _metrics("lp", size)
        _, small, _ = _metrics("x", size)
        side = 0.75 * size
        self.box(x, y + height - descent - (small + side) / 2, side, side, fill=color)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes in a box."""
        return self.figure.add_axes(
            (
                x / self.width,
                1 - (y + height) / self.height,
                width / self.width,
                height / self.height,
            )
        )


def line_height(size: float) -> float:
    """Return the distance between lines of text."""
    return size * _SPACING[Font.SERIF if "serif" in rcParams["font.family"] else Font.SANS]


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Break a text into lines of at most ``width``; words longer than that are split."""
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
            heads = (word[:length] for length in range(len(word) - 1, 1, -1))
            fitting = (head for head in heads if text_width(head, size, bold=bold) <= width)
            head = next(fitting, word[:1])
            lines.append(head)
            word = word.removeprefix(head)
        line = word
    return [*lines, line] if line or not lines else lines


def shortened(text: str, width: float, size: float) -> str:
    """Return a text, its middle replaced by an ellipsis where it exceeds ``width``."""
    shorter = (
        f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        for kept in range(len(text) - 1, 1, -1)
    )
    return next((each for each in (text, *shorter) if text_width(each, size) <= width), "…")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text."""
    return _metrics(text, size, "bold" if bold else "normal")[0]


def _metrics(text: str, size: float, weight: str = "normal") -> tuple[float, float, float]:
    """Return width, height, and descent of a line of text."""
    font = FontProperties(weight=weight, size=_points(size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # characters that the font lacks
        width, height, descent = text_to_path.get_text_width_height_descent(text, font, False)
    scale = PER_INCH / 72
    return width * scale, height * scale, descent * scale


def write_figure(
    figure: Figure, path: Path, kind: FileType, digest: str, *, whole: bool = True
) -> None:
    """Write a figure atomically; the same figure gives the same bytes ``same_everywhere``.

    ``digest`` is from ``fingerprint`` and goes into the file's metadata, with ``whole``:
    whether the figure shows everything it should.
    """
    stored = description(digest, whole=whole)
    metadata: dict[FileType, dict[str, Any]] = {
        FileType.PNG: {"Software": "ccx", "Description": stored},
        FileType.SVG: {"Date": None, "Creator": "ccx", "Description": stored},
        FileType.PDF: {"CreationDate": None, "Creator": "ccx", "Subject": stored},
    }
    # Pillow's default level takes twice as long and saves a tenth.
    options: dict[str, Any] = {"pil_kwargs": {"compress_level": 4}} if kind is FileType.PNG else {}
    with warnings.catch_warnings(), replacing(path) as beside:
        warnings.simplefilter("ignore", UserWarning)  # characters that the font lacks
        figure.savefig(beside, format=kind, metadata=metadata[kind], **options)


@contextmanager
def same_everywhere(how: Style = SCREEN) -> Iterator[None]:
    """Draw and write in a style, without the user's settings, dates and random identifiers.

    Text stays text in SVG and PDF.
    """
    family, names = _FAMILIES[how.font]
    small = {f"{axis}tick.labelsize": how.small for axis in "xy"} | {"legend.fontsize": how.small}
    lines = {"axes.linewidth": 0.5, "xtick.major.width": 0.5, "ytick.major.width": 0.5}
    settings: Any = {
        "font.family": [family, "DejaVu Sans"],
        f"font.{family}": names,
        "font.size": how.text,
        "axes.titlesize": how.text,
        "axes.labelsize": how.text,
        **small,
        **(lines | {"xtick.major.size": 2, "ytick.major.size": 2} if how.in_paper else {}),
        "svg.hashsalt": "ccx",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "image.composite_image": False,
    }
    with style.context("default"), rc_context(settings):
        yield


def _points(pixels: float) -> float:
    return pixels * 72 / PER_INCH
