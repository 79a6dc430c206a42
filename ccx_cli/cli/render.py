"""``ccx render``: a stored run as pictures, plots, a page to share and a table for a paper."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    OUTPUT,
    RUNNING,
    Format,
    OutputOptions,
    PlaceOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.stored import StoredOptions
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.render.figure_files import FileType, Kind

if TYPE_CHECKING:
    from ccx_cli.render.figures import FigureFile

_PICTURES = "Pictures"


def _state(record: Record) -> str:
    if record["lacks"]:
        return "with gaps"
    return "now" if record["drawn"] else "before"


COLUMNS = (
    Column("unit", "unit", right=True),
    Column("kind", "kind"),
    Column("file", "path", style="bold", whole=True),
    Column("drawn", "drawn", show=_state),
)


class Images(StrEnum):
    """Which images of a range are shown."""

    SAMPLE = "sample"
    TOP = "top"
    MISSES = "misses"
    FALSE_ALARMS = "false-alarms"


class Form(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    LATEX = "latex"


def render(
    *,
    which: StoredOptions,
    kind: Annotated[
        Kind,
        typer.Option(
            help="panel: images with hits and formula; published: as the paper's program drew it; "
            "distribution: of a unit's activations; categories, iou: of all units together.",
            rich_help_panel=_PICTURES,
        ),
    ] = Kind.PANEL,
    show: Annotated[
        Images | None,
        typer.Option(
            help="Images of each range: the most active; a sample of those explained well; hits "
            "without the formula (misses); the formula without hits (false alarms).",
            rich_help_panel=_PICTURES,
            show_default="top; sample for published; all in a report",
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(min=1, max=50, help="Images per range.", rich_help_panel=_PICTURES)
    ] = 5,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Make a report instead, to be opened in a browser: one file if OUT ends in "
            ".html, else a folder, which suits large runs.",
            rich_help_panel=_PICTURES,
            show_default=False,
            autocompletion=completing.files,
        ),
    ] = None,
    dir_images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the figures go.",
            rich_help_panel=_PICTURES,
            show_default="ccx-RUN here",
            autocompletion=completing.directories,
        ),
    ] = None,
    filename_figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the files are called, with {unit}, {k}, {show} and {kind} filled in.",
            rich_help_panel=_PICTURES,
            show_default="unit_{unit}_c_{k} and more",
        ),
    ] = None,
    file_type: Annotated[
        FileType | None,
        typer.Option(
            help="Form of the figures.",
            rich_help_panel=_PICTURES,
            show_default="as --filename-figure ends, or png",
        ),
    ] = None,
    units: UnitOptions,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            "-f",
            help="Form of the list of files; latex: a table of the explanations instead.",
            rich_help_panel=OUTPUT,
        ),
    ] = Form.TABLE,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="A file to write the list or table to; - for stdout.",
            rich_help_panel=OUTPUT,
            autocompletion=completing.files,
        ),
    ] = "-",
    bib: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --format latex: write the BibTeX of the methods here.",
            rich_help_panel=OUTPUT,
            show_default="as comments of the table",
            autocompletion=completing.files,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Overwrite files.", rich_help_panel=OUTPUT)
    ] = False,
    talk: TalkOptions,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of samples and of random units.", rich_help_panel=RUNNING),
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0 for one a core.", rich_help_panel=RUNNING)
    ] = 0,
    places: PlaceOptions,
) -> None:
    """Draw what a stored run found.

    A panel shows one unit: for each range the formula, and images with the
    hits outlined and the formula's pixels tinted, below the distribution of
    the unit's activations. Figures that are there already stay.

    [bold]Examples[/bold]

      ccx render --units 3,7
      ccx render demo-demo --show misses --random-units 10
      ccx render --kind published --top-k 5 --dir-images figures
      ccx render --kind iou --file-type pdf
      ccx render --html report.html
      ccx render --format latex -o table.tex --bib methods.bib
    """
    from ccx_cli.cli.places import available_cores, roots_of
    from ccx_cli.cli.render_page import check_alone, make_page
    from ccx_cli.cli.render_table import write_table
    from ccx_cli.cli.units import chosen_of_run
    from ccx_cli.render.figure_files import Drawing
    from ccx_cli.runs.run import find_run
    from ccx_cli.runs.viewed import view_run
    from ccx_cli.study.unit_images import Show

    if html is not None:
        check_alone(
            html,
            force,
            {
                "--kind": kind is not Kind.PANEL,
                "--format latex": form is Form.LATEX,
                "--dir-images": dir_images is not None,
                "--filename-figure": filename_figure is not None,
                "--file-type": file_type is not None,
            },
        )
    if bib is not None and form is not Form.LATEX:
        raise UsageError("--bib goes with --format latex: add it.")
    stem, ending = _name_and_ending(filename_figure, file_type)
    asked = show
    if show is None:
        show = Images.SAMPLE if kind is Kind.PUBLISHED else Images.TOP
    with reporting(talk) as progress:
        roots = roots_of(places)
        run = view_run(find_run(roots.results, which.run_name), roots)
        for note in run.notes:
            progress.note(note)
        if not run.units:
            raise MissingInputError(
                f"{run.name} has no explanation yet: make some with `ccx explain`."
            )
        chosen = chosen_of_run(units, seed, run.units, run.name)
        if form is Form.LATEX:
            out = OutputOptions(Format.TABLE, output, force)
            write_table(run, chosen, out, bib, progress)
            return
        out = OutputOptions(Format(form.value), output, force)
        if html is not None:
            # Here, not above: it imports what is compiled.
            from ccx_cli.render.report.unit_part import Choice

            with writing_to(out, COLUMNS, no_color=talk.no_color) as writer:
                made_page = make_page(
                    run,
                    html,
                    chosen,
                    Choice(tuple(Show) if asked is None else (Show(asked.value),), top_k, seed),
                    force=force,
                    workers=workers or available_cores(),
                    progress=progress,
                )
                writer.line(made_page)
                writer.rest([made_page])
            return
        # Only here: the report and the table do without Matplotlib.
        from ccx_cli.render.figures import make_figures

        directory = Path(f"ccx-{run.name}") if dir_images is None else dir_images
        records: list[Record] = []
        with writing_to(out, COLUMNS, no_color=talk.no_color) as writer:
            for made in make_figures(
                run,
                chosen,
                Drawing(kind, Show(show.value), top_k, seed, ending),
                directory,
                stem,
                force=force,
                workers=workers or available_cores(),
                progress=progress,
            ):
                for trouble in made.problems:
                    progress.note(trouble)
                records.append(figure_record(made, kind))
                writer.line(records[-1])
            writer.rest(records)
        kept = sum(not record["drawn"] for record in records)
        progress.note(
            f"{len(records):,} {'figure' if len(records) == 1 else 'figures'} in {directory}"
            + (f", {kept:,} of them from before (--force draws them anew)." if kept else ".")
        )


def figure_record(made: FigureFile, kind: Kind) -> Record:
    """Return the row of one figure."""
    return {
        "unit": made.unit,
        "kind": kind.value,
        "path": str(made.path),
        "drawn": made.drawn,
        "lacks": list(made.problems),
    }


def _name_and_ending(name: str | None, given: FileType | None) -> tuple[str | None, FileType]:
    """Part a file's name from its ending, which may be given apart.

    Raises
    ------
    UsageError
        If the two contradict each other.
    """
    for ending in FileType:
        if name is not None and name.lower().endswith(f".{ending}"):
            if given not in (None, ending):
                raise UsageError(
                    f"--filename-figure {name} and --file-type {given} are two forms: give one."
                )
            return name[: -len(ending) - 1], ending
    return name, given or FileType.PNG
