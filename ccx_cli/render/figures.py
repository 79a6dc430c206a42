"""Draws the figures of a run, those of several units in parallel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from ccx_cli.concepts.processes import in_processes
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import same_everywhere, write_figure
from ccx_cli.render.captions import caption_of
from ccx_cli.render.distribution import plot_distribution
from ccx_cli.render.figure_files import Drawing, Kind, existing_figures, figure_names
from ccx_cli.render.layout import Layout, pages_of
from ccx_cli.render.panel import draw_panel, draw_published, rows_of
from ccx_cli.render.plots import categories_of, plot_categories, plot_ious
from ccx_cli.render.wording import Units, network_text, readable
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.store.atomic import replacing
from ccx_cli.store.paths import Roots
from ccx_cli.study.unit_images import look_at_unit

# Every process opens the caches again, which pays only for several units.
_UNITS_PER_PROCESS = 4
# Of the height of a page, in inches: what is left for a panel's caption.
_CAPTION = 1.8


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure that exists now, and its caption if it has one; ``unit`` is its only one.

    ``drawn`` tells whether it was drawn now rather than before, ``problems`` has a sentence for
    everything that it lacks.
    """

    unit: int | None
    path: Path
    caption: Path | None = None
    drawn: bool = True
    problems: tuple[str, ...] = ()


class _Wanted(NamedTuple):
    """A figure to draw: the units it shows, its file, and the fingerprint of what it shows."""

    units: dict[int, Sequence[ExplanationRecord]]
    path: Path
    digest: str


def _draw(inputs: RunInputs, drawing: Drawing, wanted: _Wanted) -> list[str]:
    """Draw and write a figure and its caption; return a sentence for everything that it lacks."""
    style, problems = drawing.style, list[str]()
    as_found = drawing.kind is Kind.PUBLISHED
    units = wanted.units if as_found else readable(inputs, wanted.units, drawing.tolerance)
    network = network_text(inputs.run.header)
    records = [record for own in units.values() for record in own]
    title = f"{network} ({len(units):,} unit{'s' * (len(units) != 1)})"
    with same_everywhere(style):
        match drawing.kind:
            case Kind.PANEL | Kind.PUBLISHED:
                figure, problems = _draw_images(inputs, drawing, units)
            case Kind.DISTRIBUTION:
                (unit,) = units
                ranged = [record for record in records if record.range is not None]
                maps = dense_maps(inputs.activations.unit(unit))
                figure = plot_distribution(f"Unit {unit} of {network}", maps, ranged, style)
            case Kind.CATEGORIES:
                category_of, names = categories_of(inputs, records), inputs.dataset.categories
                figure = plot_categories(title, records, category_of, names, style)
            case Kind.IOU:
                figure = plot_ious(title, records, style)
        whole = not problems
        write_figure(figure, wanted.path, drawing.file_type, wanted.digest, whole=whole)
    if style.in_paper:
        with replacing(_caption_file(wanted.path)) as beside:
            text = caption_of(inputs.run, units, drawing)
            beside.write_text(f"{text}\n", encoding="utf-8")
    return problems


def draw_unit(
    inputs: RunInputs, unit: int, records: Sequence[ExplanationRecord], drawing: Drawing
) -> tuple[Figure, list[str]]:
    """Draw the panel of one unit, as its file shows it, and say what it lacks."""
    with same_everywhere(drawing.style):
        units = readable(inputs, {unit: records}, drawing.tolerance)
        return _draw_images(inputs, drawing, units)


def _draw_images(inputs: RunInputs, drawing: Drawing, units: Units) -> tuple[Figure, list[str]]:
    paths = [inputs.dataset.image_path(row.image) for row in inputs.dataset.rows]
    shown, problems = [], list[str]()
    for unit, records in units.items():
        found = look_at_unit(unit, records, inputs.index, inputs.activations)
        rows, lacks = rows_of(found, paths, drawing.show, drawing.top_k, drawing.seed)
        shown.append((found, rows))
        problems += lacks
    if drawing.kind is Kind.PUBLISHED:
        layout = Layout.of(drawing.style, drawing.top_k, words=False)
        return draw_published(shown[0][1], layout), problems
    layout = Layout.of(drawing.style, drawing.top_k)
    network = network_text(inputs.run.header)
    return draw_panel(network, shown, drawing.show, layout), list(dict.fromkeys(problems))


def _caption_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}.caption.tex")


def _draw_anew(run: Path, roots: Roots, drawing: Drawing, wanted: _Wanted) -> list[str]:
    return _draw(_opened(run, roots), drawing, wanted)


@lru_cache(maxsize=1)
def _opened(run: Path, roots: Roots) -> RunInputs:
    return RunInputs(Run(run, shown=True), roots, compared=True)


def _draw_all(
    inputs: RunInputs, drawing: Drawing, figures: Sequence[_Wanted], workers: int
) -> Iterator[list[str]]:
    """Draw figures, and yield what each lacks, in the order given."""
    processes = min(workers, -(-sum(len(each.units) for each in figures) // _UNITS_PER_PROCESS))
    draw = partial(_draw, inputs, drawing)
    if processes > 1 and drawing.kind.of_one_unit:
        draw = partial(_draw_anew, inputs.run.directory.absolute(), inputs.roots, drawing)
    drawn = in_processes(draw, figures, processes)
    done: dict[Path, list[str]] = {}
    for figure in figures:
        while figure.path not in done:
            another, problems = next(drawn)
            done[another.path] = problems
        yield done.pop(figure.path)


def _grouped(inputs: RunInputs, units: Units, drawing: Drawing, name: str | None) -> list[Units]:
    """Distribute units over figures: each its own, all in one, or as pages of a paper hold them."""
    if not drawing.kind.of_one_unit:
        return [units]
    if not drawing.units_share(name):
        return [{unit: records} for unit, records in units.items()]
    layout = Layout.of(drawing.style, drawing.top_k)
    with same_everywhere(drawing.style):
        read = readable(inputs, units, drawing.tolerance)
        pages = pages_of(read, layout, drawing.style.height - _CAPTION)
    return [{unit: units[unit] for unit in page} for page in pages]


def make_figures(
    inputs: RunInputs,
    units: Units,
    drawing: Drawing,
    dir_images: Path,
    filename_figure: str | None,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Progress,
) -> Iterator[FigureFile]:
    """Draw the figures of units, by their explanations; existing ones are kept.

    In a paper, panels of several units share a figure as far as a page holds them, and each figure
    has a file with its caption. Raises ``UsageError`` if the names are not possible or another file
    exists without ``force``, ``MissingInputError`` or ``DamagedDataError`` if what the run was made
    from is missing or has changed.
    """
    groups = _grouped(inputs, units, drawing, filename_figure)
    names = figure_names(filename_figure, drawing, groups)
    figures = []
    for name, group in zip(names, groups, strict=True):
        records = [record for own in group.values() for record in own]
        digest = drawing.digest(inputs.run, records)
        figures.append(_Wanted(dict(group), dir_images / name, digest))
    existing = existing_figures(
        [(each.path, each.digest) for each in figures], dir_images, force=force
    )
    if drawing.style.in_paper:
        existing = {path for path in existing if _caption_file(path).exists()}
    missing = [each for each in figures if each.path not in existing]
    if missing and drawing.kind.of_one_unit:
        # In this process first: missing inputs show before others are started.
        _ = inputs.activations
        _ = inputs.index if drawing.kind is not Kind.DISTRIBUTION else None
    drawn = _draw_all(inputs, drawing, missing, workers)
    with progress.task("Figures", len(figures), unit="figures", done=len(existing)) as task:
        for figure in figures:
            only = next(iter(figure.units)) if len(figure.units) == 1 else None
            unit = only if drawing.kind.of_one_unit else None
            caption = _caption_file(figure.path) if drawing.style.in_paper else None
            if figure.path in existing:
                yield FigureFile(unit, figure.path, caption, drawn=False)
                continue
            problems = tuple(next(drawn))
            task.advance()
            yield FigureFile(unit, figure.path, caption, problems=problems)
