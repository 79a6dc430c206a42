"""One unit on images: the panel of ccx, and the one of the published program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import FAINT, Canvas, line_height, shortened, wrapped
from ccx_cli.render.distribution import draw_histogram, range_colors
from ccx_cli.render.overlay import (
    FORMULA,
    Mask,
    Pixels,
    blacked,
    fitted,
    overlaid,
    read_picture,
)
from ccx_cli.render.wording import formula_text, iou_text, range_text
from ccx_cli.study.unit_images import Show, UnitImages

SIDE = 224
_MARGIN, _GAP = 20, 10
_TITLE, _FORMULA, _TEXT, _SMALL = 20, 16, 13, 12
_STRIP, _AXIS = 80, 50
_SHOWN = {
    Show.TOP: "highest activation (highest range), or most hits",
    Show.SAMPLE: "random sample of those with a higher IoU than the explanation",
    Show.MISSES: "most hits outside the formula",
    Show.FALSE_ALARMS: "most pixels of the formula without hits",
}
_NONE = {
    Show.TOP: "No image has hits.",
    Show.SAMPLE: "No image has a higher IoU than the explanation.",
    Show.MISSES: "The formula holds on all hits.",
    Show.FALSE_ALARMS: "All pixels of the formula are hits.",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One image of a row, ``picture`` ``None`` if it cannot be read.

    ``hits`` and ``formula`` are masks on the mask grid.
    """

    picture: Pixels | None
    hits: Mask
    formula: Mask
    caption: str


@dataclass(frozen=True, slots=True)
class Row:
    """The explanation of one range, and the images chosen for it."""

    record: ExplanationRecord
    shots: tuple[Shot, ...]


def rows_of(
    found: UnitImages, paths: Sequence[Path], show: Show, top_k: int, seed: int
) -> tuple[list[Row], list[str]]:
    """Choose and read the images of every range of a unit, the highest range first.

    Returns a row for each range, and a sentence for every image that cannot be read. See
    ``UnitImages.choose`` for which images.
    """
    problems: dict[int, str] = {}
    pictures: dict[int, Pixels | None] = {}
    rows = []
    for index in reversed(range(len(found.records))):
        shots = []
        for image in found.choose(index, show, top_k, seed).tolist():
            if image not in pictures:
                try:
                    pictures[image] = read_picture(paths[image])
                except (MissingInputError, DamagedDataError) as error:
                    pictures[image], problems[image] = None, str(error)
            shots.append(
                Shot(
                    pictures[image],
                    found.hit_mask(index, image),
                    found.formula_mask(index, image),
                    _caption(found, index, image),
                )
            )
        rows.append(Row(found.records[index], tuple(shots)))
    return rows, list(problems.values())


def _caption(found: UnitImages, index: int, image: int) -> str:
    counts = found.counts[index]
    both = int(counts.both[image])
    union = int(counts.in_range[image] + counts.formula[image]) - both
    peak = float(found.maps[image].max())
    return f"IoU {both / union if union else 0:.4f} · peak {peak:.4g}"


def draw_panel(
    title: str, network: str, found: UnitImages, rows: Sequence[Row], show: Show, top_k: int
) -> Figure:
    """Draw a unit's ranges, each with its formula and images, below its activations."""
    width = 2 * _MARGIN + max(3, top_k) * (SIDE + _GAP) - _GAP
    room = width - 2 * _MARGIN
    heading = wrapped(title, room, _TITLE, bold=True)
    below = wrapped(f"{network} · images: {_SHOWN[show]}", room, _TEXT)
    headers = [wrapped(formula_text(row.record), room, _FORMULA, bold=True) for row in rows]
    top = _MARGIN + len(heading) * line_height(_TITLE) + len(below) * line_height(_TEXT) + 8
    legend = top + 2 * line_height(_TEXT)
    start = legend + _STRIP + _AXIS
    heights = [_row_height(row, lines) for row, lines in zip(rows, headers, strict=True)]
    canvas = Canvas.of_size(width, round(start + (sum(heights) or 40) + _MARGIN - _GAP))
    canvas.text(heading, _MARGIN, _MARGIN, _TITLE, bold=True)
    canvas.text(
        below, _MARGIN, _MARGIN + len(heading) * line_height(_TITLE) + 2, _TEXT, color=FAINT
    )
    _draw_legend(canvas, top)
    axes = canvas.axes(_MARGIN + 56, legend, room - 66, _STRIP)
    draw_histogram(axes, found.maps, found.records, 8.5)
    axes.set_xlabel("activation (count on a logarithmic scale)", fontsize=8.5, color=FAINT)
    axes.xaxis.labelpad = 1
    colors = range_colors(len(rows))[::-1]
    y = start
    for row, lines, color, height in zip(rows, headers, colors, heights, strict=True):
        _draw_row(canvas, row, lines, color, y, show, top_k)
        y += height
    if not rows:
        canvas.text("This unit has no range: it never fires.", _MARGIN, start, _FORMULA)
    return canvas.figure


def _row_height(row: Row, header: Sequence[str]) -> float:
    words = line_height(_TEXT) + len(header) * line_height(_FORMULA) + 6
    if not row.shots:
        return words + line_height(_TEXT) + 2 * _GAP
    return words + _tallest(row.shots) + line_height(_SMALL) + 4 + 2 * _GAP


def _tallest(shots: Sequence[Shot]) -> int:
    return max(_size(shot)[0] for shot in shots)


def _size(shot: Shot) -> tuple[int, int]:
    """Return the height and width of an image in the figure."""
    if shot.picture is None:
        return SIDE, SIDE
    height, width = shot.picture.shape[:2]
    scale = SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _draw_legend(canvas: Canvas, y: float) -> None:
    swatch = np.full((14, 28, 3), (96, 156, 214), np.uint8)
    left_half = np.tile(np.arange(28) < 14, (14, 1))
    canvas.picture(overlaid(swatch, left_half), _MARGIN, y, 28, 14)
    canvas.text("hits: activation in range (the rest is dimmed)", _MARGIN + 36, y - 1, _TEXT)
    edge = "#{:02x}{:02x}{:02x}".format(*FORMULA)
    canvas.box(_MARGIN + 373, y + 1, 14, 12, edge=edge, line=2)
    canvas.text("edge of where the formula holds", _MARGIN + 396, y - 1, _TEXT)


def _draw_row(
    canvas: Canvas,
    row: Row,
    header: Sequence[str],
    color: str,
    y: float,
    show: Show,
    top_k: int,
) -> None:
    canvas.box(_MARGIN, y, 14, 14, fill=color)
    record = row.record
    line = f"range {record.cluster} · {range_text(record)} · {iou_text(record)}"
    canvas.text(line, _MARGIN + 24, y - 1, _TEXT, color=FAINT)
    y += line_height(_TEXT) + 2
    canvas.text(header, _MARGIN, y, _FORMULA, bold=True)
    y += len(header) * line_height(_FORMULA) + 4
    if not row.shots:
        canvas.text(_NONE[show], _MARGIN, y, _TEXT, color=FAINT)
        return
    tallest = _tallest(row.shots)
    for index in range(top_k):
        x = _MARGIN + index * (SIDE + _GAP)
        if index >= len(row.shots):
            only = f"only {len(row.shots)} such"
            canvas.text([only, "image" + "s" * (len(row.shots) > 1)], x, y, _TEXT, color=FAINT)
            break
        shot = row.shots[index]
        _draw_shot(canvas, shot, x, y)
        canvas.text(shortened(shot.caption, SIDE, _SMALL), x, y + tallest + 4, _SMALL, color=FAINT)


def _draw_shot(canvas: Canvas, shot: Shot, x: float, y: float, *, black: bool = False) -> None:
    """Draw an image with its overlay or, if ``black``, with everything outside the hits black."""
    if shot.picture is None:
        canvas.box(x + 0.5, y + 0.5, SIDE - 1, SIDE - 1, fill="#f0f0f0", edge="#9a9a9a")
        middle = x + SIDE / 2, y + SIDE / 2 - 8
        canvas.text("cannot be read", *middle, _TEXT, color=FAINT, align="center")
        return
    picture = fitted(shot.picture, SIDE)
    shown = blacked(picture, shot.hits) if black else overlaid(picture, shot.hits, shot.formula)
    height, width = _size(shot)
    canvas.picture(shown, x, y, width, height)


def draw_published(rows: Sequence[Row], top_k: int) -> Figure:
    """Draw a row per range, titled with its formula; everything outside the hits is black."""
    room = top_k * (SIDE + _GAP) - _GAP
    headers = [wrapped(formula_text(row.record), room, _FORMULA) for row in rows]
    heights = [
        len(lines) * line_height(_FORMULA)
        + 4
        + (_tallest(row.shots) if row.shots else line_height(_TEXT))
        + 2 * _GAP
        for row, lines in zip(rows, headers, strict=True)
    ]
    canvas = Canvas.of_size(2 * _MARGIN + room, round(2 * _MARGIN + (sum(heights) or 30) - _GAP))
    if not rows:
        canvas.text("no range", _MARGIN, _MARGIN, _FORMULA)
    y = float(_MARGIN)
    for row, lines, height in zip(rows, headers, heights, strict=True):
        canvas.text(lines, canvas.width / 2, y, _FORMULA, align="center")
        below = y + len(lines) * line_height(_FORMULA) + 4
        if not row.shots:
            canvas.text("no image", canvas.width / 2, below, _TEXT, color=FAINT, align="center")
        for index, shot in enumerate(row.shots):
            _draw_shot(canvas, shot, _MARGIN + index * (SIDE + _GAP), below, black=True)
        y += height
    return canvas.figure
