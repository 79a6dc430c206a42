"""Draws the figures of a run, those of several units in parallel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from ccx_cli.concepts.processes import in_processes
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import same_everywhere, write_figure
from ccx_cli.render.distribution import plot_distribution
from ccx_cli.render.figure_files import Drawing, Kind, existing_figures, figure_names
from ccx_cli.render.panel import draw_panel, draw_published, rows_of
from ccx_cli.render.plots import categories_of, plot_categories, plot_ious
from ccx_cli.render.wording import network_text
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots
from ccx_cli.study.unit_images import look_at_unit

# Every process opens the caches again, which pays only for several units.
_UNITS_PER_PROCESS = 4


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure that exists now; ``unit`` is ``None`` for a figure of all units.

    ``drawn`` tells whether it was drawn now rather than before, ``problems`` has a sentence for
    everything that it lacks.
    """

    unit: int | None
    path: Path
    drawn: bool = True
    problems: tuple[str, ...] = ()


class _UnitFigure(NamedTuple):
    """A unit's figure to draw: its records, its file, and the fingerprint of what it shows."""

    unit: int
    records: Sequence[ExplanationRecord]
    path: Path
    digest: str


def _draw_unit(run: Path, roots: Roots, drawing: Drawing, wanted: _UnitFigure) -> list[str]:
    """Draw and write a figure, in any process; return a sentence for everything that it lacks."""
    inputs = _opened(run, roots)
    title, network = f"Unit {wanted.unit}", network_text(inputs.run.header)
    problems: list[str] = []
    with same_everywhere():
        if drawing.kind is Kind.DISTRIBUTION:
            ranged = [record for record in wanted.records if record.range is not None]
            maps = inputs.activations.unit(wanted.unit)
            figure = plot_distribution(f"{title} of {network}", maps, ranged)
        else:
            found = look_at_unit(wanted.unit, wanted.records, inputs.index, inputs.activations)
            paths = [inputs.dataset.image_path(row.image) for row in inputs.dataset.rows]
            rows, problems = rows_of(found, paths, drawing.show, drawing.top_k, drawing.seed)
            if drawing.kind is Kind.PUBLISHED:
                figure = draw_published(rows, drawing.top_k)
            else:
                figure = draw_panel(title, network, found, rows, drawing.show, drawing.top_k)
        write_figure(figure, wanted.path, drawing.file_type, wanted.digest, whole=not problems)
    return problems


@lru_cache(maxsize=1)
def _opened(run: Path, roots: Roots) -> RunInputs:
    return RunInputs(Run(run, shown=True), roots, compared=True)


def _draw_units(
    inputs: RunInputs, drawing: Drawing, figures: Sequence[_UnitFigure], workers: int
) -> Iterator[list[str]]:
    """Draw figures, and yield what each lacks, in the order given."""
    draw = partial(_draw_unit, inputs.run.directory.absolute(), inputs.roots, drawing)
    drawn = in_processes(draw, figures, min(workers, -(-len(figures) // _UNITS_PER_PROCESS)))
    done: dict[int, list[str]] = {}
    for figure in figures:
        while figure.unit not in done:
            another, problems = next(drawn)
            done[another.unit] = problems
        yield done.pop(figure.unit)


def make_figures(
    inputs: RunInputs,
    units: Sequence[int],
    drawing: Drawing,
    dir_images: Path,
    filename_figure: str | None,
    *,
    force: bool = False,
    workers: int = 1,
    progress: Progress,
) -> Iterator[FigureFile]:
    """Draw the figures of units, or the one of all of them; existing ones are kept.

    Raises ``UsageError`` if the names are not possible or another file exists without
    ``force``, ``MissingInputError`` or ``DamagedDataError`` if what the run was made from is
    missing or has changed.
    """
    run = inputs.run
    records = {unit: run.units[unit] for unit in units}
    names = figure_names(filename_figure, drawing, records)
    if not drawing.kind.of_one_unit:
        yield _draw_whole(inputs, records, drawing, dir_images / names[units[0]], force)
        return
    figures = [
        _UnitFigure(unit, own, dir_images / names[unit], drawing.digest(run, own))
        for unit, own in records.items()
    ]
    existing = existing_figures(
        [(each.path, each.digest) for each in figures], dir_images, force=force
    )
    missing = [each for each in figures if each.path not in existing]
    if missing:
        # In this process first: missing inputs show before others are started.
        _ = inputs.activations
        _ = inputs.index if drawing.kind is not Kind.DISTRIBUTION else None
    drawn = _draw_units(inputs, drawing, missing, workers)
    with progress.task("Figures", len(figures), unit="units", done=len(existing)) as task:
        for figure in figures:
            if figure.path in existing:
                yield FigureFile(figure.unit, figure.path, drawn=False)
                continue
            problems = tuple(next(drawn))
            task.advance()
            yield FigureFile(figure.unit, figure.path, problems=problems)


def _draw_whole(
    inputs: RunInputs,
    units: Mapping[int, Sequence[ExplanationRecord]],
    drawing: Drawing,
    path: Path,
    force: bool,
) -> FigureFile:
    records = [record for own in units.values() for record in own]
    digest = drawing.digest(inputs.run, records)
    if path in existing_figures([(path, digest)], path.parent, force=force):
        return FigureFile(None, path, drawn=False)
    title = f"{network_text(inputs.run.header)} ({len(units):,} unit{'s' * (len(units) != 1)})"
    with same_everywhere():
        if drawing.kind is Kind.IOU:
            figure = plot_ious(title, records)
        else:
            category_of = categories_of(inputs, records)
            figure = plot_categories(title, records, category_of, inputs.dataset.categories)
        write_figure(figure, path, drawing.file_type, digest)
    return FigureFile(None, path)
