"""``ccx render``: a stored run as figures, a report or a LaTeX table."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.commands.look import Form, Images, RenderOptions
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import Format, OutputOptions, PlaceOptions
from ccx_cli.cli.output import UNIT, Column, Record, check_free, write_document, writing_to
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.progress import Progress
from ccx_cli.render.figure_files import Drawing, FileType, Kind
from ccx_cli.render.latex import bibtex, commented, latex_table
from ccx_cli.render.report.unit_part import Choice
from ccx_cli.render.report.writing import check_report_path, write_report
from ccx_cli.runs.finding import find_run
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.references import references_of
from ccx_cli.runs.run import Run
from ccx_cli.study.unit_images import Show

REPORT = "report.html"


def _state(record: Record) -> str:
    if record["lacks"]:
        return "with gaps"
    return "now" if record["drawn"] else "before"


COLUMNS = (
    UNIT,
    Column("kind", "kind"),
    Column("file", "path", style="bold", whole=True),
    Column("drawn", "drawn", show=_state),
)


def render(options: RenderOptions) -> None:
    """Draw figures, a report or a table of a stored run."""
    if options.html is not None:
        _check_report(options, options.html)
    if options.bib is not None and options.form is not Form.LATEX:
        raise UsageError("--bib needs --format latex: add it.")
    stem, file_type = _name_and_type(options.filename_figure, options.file_type)
    with reporting(options.messages) as progress:
        roots = roots_of(options.places)
        run = Run(find_run(roots.results, options.which.run_name).directory, shown=True)
        for note in run.notes:
            progress.note(note)
        if not run.units:
            raise MissingInputError(
                f"{run.name} has no explanations: make some with `ccx explain`."
            )
        units = chosen_of_run(options.units, options.seed, run.units, run.name)
        if options.form is Form.LATEX:
            _write_table(run, units, options, progress)
            return
        inputs = RunInputs(run, roots, progress=progress)
        directory = options.dir_images or Path(f"ccx-{run.name}")
        if options.html is not None:
            rows = _make_report(inputs, units, options, options.html, progress)
        else:
            show = options.show or (Images.SAMPLE if options.kind is Kind.PUBLISHED else Images.TOP)
            drawing = Drawing(
                options.kind, Show(show.value), options.top_k, options.seed, file_type
            )
            rows = _draw(inputs, units, options, drawing, directory, stem, progress)
        out = OutputOptions(Format(options.form.value), options.output, options.force)
        with writing_to(out, COLUMNS, no_color=options.messages.no_color) as writer:
            records = writer.write(rows)
        if options.html is None:
            kept = sum(not record["drawn"] for record in records)
            progress.note(
                f"{len(records):,} {'figure' if len(records) == 1 else 'figures'} in {directory}"
                + (f", {kept:,} of them from before (--force redraws them)." if kept else ".")
            )


def _draw(
    inputs: RunInputs,
    units: Sequence[int],
    options: RenderOptions,
    drawing: Drawing,
    directory: Path,
    stem: str | None,
    progress: Progress,
) -> Iterator[Record]:
    """Draw figures and yield the row that lists each."""
    # Matplotlib takes long to import: the report and the table do without.
    from ccx_cli.render.figures import make_figures

    for figure in make_figures(
        inputs,
        units,
        drawing,
        directory,
        stem,
        force=options.force,
        workers=options.workers or available_cores(),
        progress=progress,
    ):
        for problem in figure.problems:
            progress.note(problem)
        yield {
            "unit": figure.unit,
            "kind": options.kind.value,
            "path": str(figure.path),
            "drawn": figure.drawn,
            "lacks": list(figure.problems),
        }


def _check_report(options: RenderOptions, out: Path) -> None:
    """Refuse options that do not apply to a report, and a path that is taken."""
    for option, is_given in {
        "--kind": options.kind is not Kind.PANEL,
        "--format latex": options.form is Form.LATEX,
        "--dir-images": options.dir_images is not None,
        "--filename-figure": options.filename_figure is not None,
        "--file-type": options.file_type is not None,
    }.items():
        if is_given:
            raise UsageError(f"{option} does not apply to a report: leave out it or --html.")
    check_report_path(out, options.force)


def _make_report(
    inputs: RunInputs,
    units: Sequence[int],
    options: RenderOptions,
    out: Path,
    progress: Progress,
) -> Iterator[Record]:
    """Write the report and yield the row that lists it."""
    shows = tuple(Show) if options.show is None else (Show(options.show.value),)
    written = write_report(
        inputs,
        out,
        units=units,
        choice=Choice(shows, options.top_k, options.seed),
        workers=options.workers or available_cores(),
        progress=progress,
        force=options.force,
    )
    yield {
        "unit": None,
        "kind": "report",
        "path": str(written.page),
        "drawn": True,
        "lacks": list(written.problems),
    }


def show_report(stored: Run, places: PlaceOptions, workers: int, progress: Progress) -> None:
    """Write a run's report beside its lines and open it; without a display, print its address."""
    run = Run(stored.directory, shown=True)
    inputs = RunInputs(run, roots_of(places), progress=progress)
    written = write_report(
        inputs,
        stored.directory / REPORT,
        units=list(inputs.run.units),
        workers=workers,
        progress=progress,
        force=True,
    )
    page = written.page.absolute().as_uri()
    if not (_has_display() and webbrowser.open(page)):
        progress.note(f"No browser could be opened here: {page}")


def _has_display() -> bool:
    """Return whether a browser could open a window, rather than run in this terminal."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _write_table(
    run: Run, units: Sequence[int], options: RenderOptions, progress: Progress
) -> None:
    """Write the LaTeX table, and the BibTeX as comments of it or to a file of its own."""
    out = OutputOptions(Format.TABLE, options.output, options.force)
    references = references_of(run.about, run.identity)
    table = latex_table(run.header, {unit: run.units[unit] for unit in units}, references)
    entries = bibtex(references)
    if options.bib is None:
        table += f"\n\n{commented(entries)}"
    elif options.bib.absolute() == Path(out.output).absolute():
        raise UsageError(f"--output and --bib are both {options.bib}: name two files.")
    else:
        if out.output != "-":
            check_free(Path(out.output), out.force)
        write_document(replace(out, output=str(options.bib)), entries)
        progress.note(f"BibTeX: {options.bib}")
    write_document(out, table)
    if out.output != "-":
        progress.note(f"Table: {out.output}")


def _name_and_type(name: str | None, given: FileType | None) -> tuple[str | None, FileType]:
    """Return the name without its ending, and the file type: that of the ending, or ``given``."""
    for ending in FileType:
        if name is not None and name.lower().endswith(f".{ending}"):
            if given not in (None, ending):
                raise UsageError(
                    f"--filename-figure {name} and --file-type {given} differ: leave one out."
                )
            return name[: -len(ending) - 1], ending
    return name, given or FileType.PNG
