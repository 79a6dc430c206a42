"""Units on images: the panel of ccx, and the one of the published program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ccx_cli.design import CONTROL, FORMULA_EDGE, NEVER_FIRES, SOFT, activation, iou
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import FAINT, PER_INCH, Canvas, Words, line_height, shortened, wrapped
from ccx_cli.render.distribution import color_of, draw_histogram
from ccx_cli.render.layout import ABOVE_IMAGES, CAPTION, Layout
from ccx_cli.render.overlay import Mask, Pixels, blacked, fitted, overlaid, read_picture
from ccx_cli.render.wording import formula_text
from ccx_cli.runs.findings import unit_sentence
from ccx_cli.study.unit_images import Show, UnitImages

_TITLE = 20
_LEGEND, _STRIP, _AXIS = 42, 80, 58
_EDGE = 0.6  # points, of a formula's edge in a paper
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
    """One image of a row, ``picture`` ``None`` if it cannot be read."""

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
    """Choose and read the images of every range of a unit, the highest range first."""
    problems: list[str] = []

    @cache
    def picture(image: int) -> Pixels | None:
        try:
            return read_picture(paths[image])
        except (MissingInputError, DamagedDataError) as error:
            problems.append(str(error))
            return None

    def shot(index: int, image: int) -> Shot:
        peak = activation(float(found.maps[image].max()))
        caption = f"IoU {iou(found.counts[index].ious[image])} · peak {peak}"
        hits, formula = found.hit_mask(index, image), found.formula_mask(index, image)
        return Shot(picture(image), hits, formula, caption)

    rows = []
    for index in reversed(range(len(found.records))):
        images = found.choose(index, show, top_k, seed).tolist()
        rows.append(Row(found.records[index], tuple(shot(index, image) for image in images)))
    return rows, problems


def draw_panel(
    network: str, units: Sequence[tuple[UnitImages, Sequence[Row]]], show: Show, layout: Layout
) -> Figure:
    """Draw units' ranges, a row each, with its formula and images.

    In a paper that is all, and the caption says the rest; on a screen there is one unit, below its
    activations.
    """
    in_paper, margin = layout.style.in_paper, layout.margin
    blocks: list[tuple[float, str, Row | None]] = []
    for found, rows in units:
        name = f"Unit {found.unit}" if in_paper else ""
        for row in rows:
            height = layout.height(row.record, _tallest(row, layout), named=bool(name))
            blocks.append((height, name, row))
            name = ""
        if not rows:
            blocks.append((layout.never, name, None))
    header = _header(network, units[0][0], show, layout)
    above = 0 if in_paper else _LEGEND + _STRIP + _AXIS
    height = above + sum(each.height for each in header) + sum(block[0] for block in blocks)
    whole = round(height + 2 * margin - layout.gap)
    canvas = Canvas.of_size(layout.width, whole, layout.style)
    y = canvas.words(header, margin, margin)
    if not in_paper:
        _draw_above(canvas, units[0][0], y + 8, layout)
    y += above
    for height, name, shown in blocks:
        if shown is None:
            never = f"{name or 'This unit'} has no range: it {NEVER_FIRES}."
            canvas.text(never, margin, y, layout.formula)
        else:
            _draw_row(canvas, shown, name, y, show, layout)
        y += height
    return canvas.figure


def _tallest(row: Row, layout: Layout) -> float:
    return max((layout.size(shot.picture)[0] for shot in row.shots), default=0)


def _header(network: str, found: UnitImages, show: Show, layout: Layout) -> list[Words]:
    """Return the title of a panel, and a sentence on the unit where all its ranges are there."""
    if not layout.style.title:
        return []
    if layout.style.in_paper:
        lines = wrapped(network, layout.room, layout.note)
        return [Words([*lines, ""], layout.note, color=FAINT)]
    below = wrapped(f"{network} · images: {_SHOWN[show]}", layout.room, layout.note)
    title = wrapped(f"Unit {found.unit}", layout.room, _TITLE, bold=True)
    words = [Words(title, _TITLE, bold=True)]
    if found.records and len(found.records) == found.records[0].num_ranges:
        said = unit_sentence(found.unit, found.records, tolerance=0)
        words.append(Words(wrapped(said, layout.room, layout.note), layout.note))
    return [*words, Words(below, layout.note, color=FAINT)]


def _draw_above(canvas: Canvas, found: UnitImages, y: float, layout: Layout) -> None:
    """Draw what a screen has above the ranges: the legend, and the unit's activations."""
    x, note = layout.margin, layout.note
    swatch = np.full((14, 28, 3), (96, 156, 214), np.uint8)
    left_half = np.tile(np.arange(28) < 14, (14, 1))
    canvas.picture(overlaid(swatch, left_half), x, y, 28, 14)
    canvas.text("hits: activation in range (the rest is dimmed)", x + 36, y - 1, note)
    canvas.box(x + 373, y + 1, 14, 12, edge=FORMULA_EDGE, line=2)
    canvas.text("edge of where the formula holds", x + 396, y - 1, note)
    axes = canvas.axes(x + 56, y + _LEGEND, layout.room - 66, _STRIP)
    draw_histogram(axes, found.maps, found.records)
    axes.set_xlabel("activation (count on a logarithmic scale)", labelpad=1)


def _draw_row(canvas: Canvas, row: Row, name: str, y: float, show: Show, layout: Layout) -> None:
    """Draw a range below ``y``, under the ``name`` of its unit if it has one."""
    record, left = row.record, layout.margin
    words = layout.words(record)
    mark = words[0].size
    top = y
    if name:
        canvas.text(name, left, y, layout.formula, bold=True)
        y += line_height(layout.formula)
    canvas.mark(left, y, mark, color_of(record))
    canvas.words(words[:1], left + layout.indent, y)
    below = canvas.words(words[1:], left, y + words[0].height)
    x, y = (
        (left + layout.beside + layout.gap, top) if layout.beside else (left, below + ABOVE_IMAGES)
    )
    if not row.shots:
        canvas.text(_NONE[show], x, y, mark, color=FAINT)
        return
    tallest = _tallest(row, layout)
    for shot in row.shots:
        _draw_shot(canvas, shot, x, y, layout)
        if not layout.style.in_paper:
            said = shortened(shot.caption, layout.side, CAPTION)
            canvas.text(said, x, y + tallest + 4, CAPTION, color=FAINT)
        x += layout.side + layout.gap
    if (few := len(row.shots)) < layout.top_k:
        only = f"only {few} such image{'s' * (few > 1)}"
        canvas.text(wrapped(only, layout.side, mark), x, y, mark, color=FAINT)


def _draw_shot(
    canvas: Canvas, shot: Shot, x: float, y: float, layout: Layout, *, black: bool = False
) -> None:
    """Draw an image with its overlay or, if ``black``, with everything outside the hits black."""
    height, width = layout.size(shot.picture)
    if shot.picture is None:
        canvas.box(x + 0.5, y + 0.5, width - 1, height - 1, fill=SOFT.light, edge=CONTROL.light)
        lines = wrapped("cannot be read", width, layout.note)
        top = y + (height - len(lines) * line_height(layout.note)) / 2
        canvas.text(lines, x + width / 2, top, layout.note, color=FAINT, align="center")
        return
    picture = fitted(shot.picture, round(layout.side * canvas.scale))
    line = round(_EDGE * PER_INCH * canvas.scale / 72) if layout.style.in_paper else None
    shown = (
        blacked(picture, shot.hits) if black else overlaid(picture, shot.hits, shot.formula, line)
    )
    canvas.picture(shown, x, y, width, height)


def draw_published(rows: Sequence[Row], layout: Layout) -> Figure:
    """Draw a row per range, titled with its formula; everything outside the hits is black."""
    size, note, gap, margin = layout.formula, layout.note, layout.gap, layout.margin
    room = layout.top_k * (layout.side + gap) - gap
    headers = [Words(wrapped(formula_text(row.record), room, size), size) for row in rows]
    heights = [
        words.height + 4 + (_tallest(row, layout) or line_height(note)) + 2 * gap
        for row, words in zip(rows, headers, strict=True)
    ]
    width = layout.width if layout.style.in_paper else 2 * margin + room
    height = round(2 * margin + (sum(heights) or 30) - gap)
    canvas = Canvas.of_size(width, height, layout.style)
    left = (width - room) / 2
    if not rows:
        canvas.text("no range", margin, margin, size)
    y = margin
    for row, words, own in zip(rows, headers, heights, strict=True):
        canvas.text(words.lines, canvas.width / 2, y, size, align="center")
        below = y + words.height + 4
        if not row.shots:
            canvas.text("no image", canvas.width / 2, below, note, color=FAINT, align="center")
        for index, shot in enumerate(row.shots):
            x = left + index * (layout.side + gap)
            _draw_shot(canvas, shot, x, below, layout, black=True)
        y += own
    return canvas.figure
