"""``ccx render``: a stored run as figures, a report or a LaTeX table."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ccx_cli.cli.commands.look import RenderOptions
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import OutputOptions, PlaceOptions
from ccx_cli.cli.output import UNIT, Column, Record
from ccx_cli.cli.output_files import check_free, write_document, writing_to
from ccx_cli.cli.reading import tolerance_of
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.cli.stored import check_explained
from ccx_cli.cli.units import chosen_of_run, parse_ranges
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress
from ccx_cli.render.captions import table_caption
from ccx_cli.render.figure_files import Drawing, FileType, Kind
from ccx_cli.render.latex import bibtex, commented, latex_table
from ccx_cli.render.report.unit_part import Choice
from ccx_cli.render.report.writing import check_report_path, write_report
from ccx_cli.render.style import Style, style_of
from ccx_cli.render.wording import Units, readable
from ccx_cli.runs.answers import KEPT_STABILITY
from ccx_cli.runs.chance import kept_against_null, kept_chance
from ccx_cli.runs.findings import leading_units, sort_key
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.methods.paragraph import run_references
from ccx_cli.runs.run import Run
from ccx_cli.study.unit_images import Show

REPORT = "report.html"
MOST_UNITS = 4096
"""Units of a report for which none were named: a page of more is too large for a browser."""
_NOT_OF_A_REPORT = (
    *("--kind", "--dir-images", "--filename-figure", "--file-type", "--ranges", "--paper"),
    *("--width", "--font", "--dpi", "--no-title", "--simplest", "--sort"),
)


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
    if options.bib is not None and options.form != "latex":
        raise UsageError("--bib needs --format latex: add it.")
    style = style_of(
        options.paper, options.width, options.font, options.dpi, title=not options.no_title
    )
    tolerance = tolerance_of(options.reading)
    stem, file_type = _name_and_type(options.filename_figure, options.file_type, style)
    with reporting(options.messages) as progress:
        roots = options.places.roots
        run = Run(find_run(roots.results, options.which.run_name).directory, shown=True)
        check_explained(run, progress)
        units = chosen_of_run(options.units, options.seed, run.units, run.called)
        inputs = RunInputs(run, roots, progress=progress).against_chance()
        is_named = options.units.units is not None or options.units.random_units
        if options.html is not None and not is_named and len(units) > MOST_UNITS:
            progress.note(
                f"The report has the {MOST_UNITS:,} of {len(units):,} units whose MCC is highest: "
                "choose others with --units."
            )
            units = leading_units(inputs.run, MOST_UNITS)
        explained = inputs.run.units
        shown = _of_ranges({unit: explained[unit] for unit in units}, options.ranges)
        if options.form == "latex":
            _write_table(inputs, shown, style, tolerance, options, progress)
            return
        out = OutputOptions(options.form, options.output, options.force)
        with writing_to(out, COLUMNS, no_color=options.messages.no_color) as writer:
            if options.html is not None:
                shows = tuple(Show) if options.show is None else (Show(options.show),)
                written = write_report(
                    inputs,
                    options.html,
                    units=units,
                    choice=Choice(shows, options.top_k, options.seed),
                    workers=options.parallel.cores,
                    progress=progress,
                    force=options.force,
                )
                writer.write([_row(None, "report", written.page, written.problems)])
                return
            directory = options.dir_images or Path(f"ccx-{run.called}")
            default = "sample" if options.kind is Kind.PUBLISHED else "top"
            show = Show(options.show or default)
            drawing = Drawing(
                options.kind, show, options.top_k, options.seed, file_type, tolerance, style
            )
            figures = _draw(inputs, shown, options, drawing, directory, stem, progress)
            records = writer.write(figures)
        kept = sum(not record["drawn"] for record in records)
        progress.note(
            f"{len(records):,} {'figure' if len(records) == 1 else 'figures'} in {directory}"
            + (f", {kept:,} of them from before (--force redraws them)." if kept else ".")
        )


def _row(
    unit: int | None, kind: str, path: Path, lacks: Sequence[str], drawn: bool = True
) -> Record:
    said = {"unit": unit, "kind": kind, "path": str(path), "drawn": drawn, "lacks": list(lacks)}
    return {**said, "caption": None}


def _of_ranges(units: Units, chosen: str | None) -> Units:
    """Keep the explanations of the ranges that ``--ranges`` names, and the units that have any."""
    if chosen is None:
        return units
    numbers = parse_ranges(chosen)
    kept = {
        unit: own
        for unit, records in units.items()
        if (own := [record for record in records if record.cluster in numbers])
    }
    if missing := numbers - {record.cluster for own in kept.values() for record in own}:
        raise UsageError(
            f"--ranges {chosen}: the chosen units have no range {min(missing)}: name others."
        )
    return kept


def _draw(
    inputs: RunInputs,
    units: Units,
    options: RenderOptions,
    drawing: Drawing,
    directory: Path,
    stem: str | None,
    progress: Progress,
) -> Iterator[Record]:
    # Matplotlib takes long to import: the report and the table do without.
    from ccx_cli.render.figures import make_figures

    for figure in make_figures(
        inputs,
        units,
        drawing,
        directory,
        stem,
        force=options.force,
        workers=options.parallel.cores,
        progress=progress,
    ):
        for problem in figure.problems:
            progress.note(problem)
        row = _row(figure.unit, options.kind.value, figure.path, figure.problems, figure.drawn)
        yield row | {"caption": None if figure.caption is None else str(figure.caption)}


def _check_report(options: RenderOptions, out: Path) -> None:
    """Refuse options that do not apply to a report, and a path that is taken."""
    wrong = [name for name in _NOT_OF_A_REPORT if is_typed(name)]
    wrong += ["--format latex"] if options.form == "latex" else []
    if wrong:
        raise UsageError(f"{wrong[0]} does not apply to a report: leave out it or --html.")
    check_report_path(out, options.force)


def show_report(stored: Run, places: PlaceOptions, workers: int, progress: Progress) -> None:
    """Write a run's report beside its lines and open it; without a display, print its address."""
    run = Run(stored.directory, shown=True)
    inputs = RunInputs(run, places.roots, progress=progress)
    written = write_report(
        inputs,
        stored.directory / REPORT,
        units=list(inputs.run.units),
        workers=workers,
        progress=progress,
        force=True,
    )
    page = written.page.absolute().as_uri()
    # Without a display, a browser would run in this terminal.
    has_display = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not (has_display and webbrowser.open(page)):
        progress.note(f"No browser could be opened here: {page}")


def _write_table(
    inputs: RunInputs,
    units: Units,
    style: Style,
    tolerance: float,
    options: RenderOptions,
    progress: Progress,
) -> None:
    """Write the LaTeX table, and the BibTeX as comments of it or to a file of its own."""
    out = OutputOptions("table", options.output, options.force)
    run = inputs.run
    against = kept_against_null(run, run.records)
    keys = [(record.unit, record.cluster) for own in units.values() for record in own]
    q_values = {key: against[key].q_value for key in keys if key in against}
    read = [each for own in readable(inputs, units, tolerance).values() for each in own]
    read.sort(key=sort_key(options.reading.sort))
    order = list(dict.fromkeys(record.unit for record in read))
    records = sorted(read, key=lambda record: order.index(record.unit))
    kept = KEPT_STABILITY.of_formulas(run.directory, chain.from_iterable(units.values()))
    resamples = max((one.resamples for one in kept.values()), default=0)
    caption = table_caption(
        run,
        records,
        tolerance,
        chance=kept_chance(run) if q_values else None,
        resamples=resamples,
    )
    stability = {key: one.equivalent for key, one in kept.items()}
    table = latex_table(caption, records, q_values, style.width, stability)
    entries = bibtex(run_references(run))
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


def _name_and_type(
    name: str | None, given: FileType | None, style: Style
) -> tuple[str | None, FileType]:
    """Return the name without its ending, and the file type: that of the ending, or ``given``."""
    for ending in FileType:
        if name is not None and name.lower().endswith(f".{ending}"):
            if given not in (None, ending):
                raise UsageError(
                    f"--filename-figure {name} and --file-type {given} differ: leave one out."
                )
            return name[: -len(ending) - 1], ending
    return name, given or (FileType.PDF if style.in_paper else FileType.PNG)
