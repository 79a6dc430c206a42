"""Images and figures of one unit of a run, as the command line chooses and draws them."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ccx_cli.errors import CcxError, UsageError
from ccx_cli.notebook.checking import check_numbers, check_texts, is_whole, one_of
from ccx_cli.notebook.opened import OpenedRun, warn
from ccx_cli.records.explanation import TOLERANCE
from ccx_cli.render.figure_files import Drawing, FileType, Kind
from ccx_cli.render.figures import draw_unit
from ccx_cli.render.overlay import fitted, overlaid, read_picture
from ccx_cli.render.style import Venue, style_of
from ccx_cli.study.unit_images import Show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_IMAGES = 50
_THUMBNAILS, _SIDE = 4, 112


def images_of(
    opened: OpenedRun, unit: int, number: int | None, kind: str, limit: int, seed: int
) -> list[dict[str, Any]]:
    """Choose images for a range of a unit, as ``StoredRun.images`` says."""
    show = one_of("kind", kind, Show)
    looked = opened.look_at(unit)
    position = opened.position(looked, number)
    counts, dataset = looked.counts[position], opened.inputs.dataset
    return [
        {
            "image": image,
            "name": dataset.rows[image].image,
            "path": dataset.image_path(dataset.rows[image].image),
            "hits": int(counts.in_range[image]),
            "total": int(counts.formula[image]),
            "both": int(counts.both[image]),
            "iou": float(counts.ious[image]),
            "peak": float(looked.maps[image].max()),
        }
        for image in looked.choose(position, show, _checked("limit", limit), seed).tolist()
    ]


def panel_of(
    opened: OpenedRun,
    unit: int,
    kind: str = "top",
    *,
    top_k: int = 5,
    seed: int = 0,
    paper: str | None = None,
    width: str | None = None,
    simplest: float = TOLERANCE,
) -> Figure:
    """Draw a unit's ranges on images, as ``StoredRun.panel`` says."""
    show, top_k = one_of("kind", kind, Show), _checked("top_k", top_k)
    check_numbers(simplest=simplest)
    if width is not None:
        check_texts(width=width)
    if not 0 <= simplest < 1:
        raise UsageError(f"simplest must be a share below 1, such as 0.01, not {simplest}.")
    venue = None if paper is None else one_of("paper", paper, Venue)
    style = style_of(venue, width, None, None, title=True)
    drawing = Drawing(Kind.PANEL, show, top_k, seed, FileType.PNG, simplest, style)
    records = opened.records_of(unit)
    with opened.lock:
        figure, problems = draw_unit(opened.inputs, unit, records, drawing)
    for problem in problems:
        warn(problem)
    return figure


def thumbnails(opened: OpenedRun, unit: int) -> list[tuple[str, str]]:
    """Draw the top images of a unit's highest range: the name of each, and a small JPEG as a URL.

    There are none where the images, or what the run was made from, are gone.
    """
    drawn = []
    with suppress(CcxError):
        looked = opened.look_at(unit)
        last = len(looked.records) - 1
        for image in images_of(opened, unit, None, "top", _THUMBNAILS, 0) if last >= 0 else ():
            path: Path = image["path"]
            place = last, image["image"]
            small = fitted(read_picture(path), _SIDE)
            picture = overlaid(small, looked.hit_mask(*place), looked.formula_mask(*place))
            content = BytesIO()
            Image.fromarray(picture).save(content, "JPEG", quality=80)
            coded = b64encode(content.getvalue()).decode()
            drawn.append((path.name, f"data:image/jpeg;base64,{coded}"))
    return drawn


def _checked(name: str, number: int) -> int:
    if not is_whole(number) or not 1 <= number <= _MOST_IMAGES:
        raise UsageError(f"{name} must be 1 to {_MOST_IMAGES}, not {number!r}.")
    return number
