"""``ccx render``: a stored run as pictures, plots, a page to share and a table for a paper."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.cli.commands.look import Form, Images, RenderOptions
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    Format,
    OutputOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.cli.render_table import write_table
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.render.figure_files import Drawing, FileType, Kind
from ccx_cli.runs.run import find_run
from ccx_cli.runs.viewed import view_run
from ccx_cli.study.unit_images import Show


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


def render(options: RenderOptions) -> None:
    """Draw what a stored run found."""
    show = options.show

    if options.html is not None:
        # The report measures units by compiled code: figures and tables do without.
        from ccx_cli.cli import render_page

        render_page.check_alone(
            options.html,
            options.force,
            {
                "--kind": options.kind is not Kind.PANEL,
                "--format latex": options.form is Form.LATEX,
                "--dir-images": options.dir_images is not None,
                "--filename-figure": options.filename_figure is not None,
                "--file-type": options.file_type is not None,
            },
        )
    if options.bib is not None and options.form is not Form.LATEX:
        raise UsageError("--bib goes with --format latex: add it.")
    stem, ending = _name_and_ending(options.filename_figure, options.file_type)
    asked = show
    if show is None:
        show = Images.SAMPLE if options.kind is Kind.PUBLISHED else Images.TOP
    with reporting(options.talk) as progress:
        roots = roots_of(options.places)
        run = view_run(find_run(roots.results, options.which.run_name), roots)
        for note in run.notes:
            progress.note(note)
        if not run.units:
            raise MissingInputError(
                f"{run.name} has no explanation yet: make some with `ccx explain`."
            )
        chosen = chosen_of_run(options.units, options.seed, run.units, run.name)
        if options.form is Form.LATEX:
            out = OutputOptions(Format.TABLE, options.output, options.force)
            write_table(run, chosen, out, options.bib, progress)
            return
        out = OutputOptions(Format(options.form.value), options.output, options.force)
        if options.html is not None:
            with writing_to(out, COLUMNS, no_color=options.talk.no_color) as writer:
                made_page = render_page.make_page(
                    run,
                    options.html,
                    chosen,
                    shows=tuple(Show) if asked is None else (Show(asked.value),),
                    top_k=options.top_k,
                    seed=options.seed,
                    force=options.force,
                    workers=options.workers or available_cores(),
                    progress=progress,
                )
                writer.line(made_page)
                writer.rest([made_page])
            return
        # Matplotlib takes long to import: the report and the table do without.
        from ccx_cli.render.figures import make_figures

        directory = Path(f"ccx-{run.name}") if options.dir_images is None else options.dir_images
        records: list[Record] = []
        with writing_to(out, COLUMNS, no_color=options.talk.no_color) as writer:
            for made in make_figures(
                run,
                chosen,
                Drawing(options.kind, Show(show.value), options.top_k, options.seed, ending),
                directory,
                stem,
                force=options.force,
                workers=options.workers or available_cores(),
                progress=progress,
            ):
                for trouble in made.problems:
                    progress.note(trouble)
                records.append(
                    {
                        "unit": made.unit,
                        "kind": options.kind.value,
                        "path": str(made.path),
                        "drawn": made.drawn,
                        "lacks": list(made.problems),
                    }
                )
                writer.line(records[-1])
            writer.rest(records)
        kept = sum(not record["drawn"] for record in records)
        progress.note(
            f"{len(records):,} {'figure' if len(records) == 1 else 'figures'} in {directory}"
            + (f", {kept:,} of them from before (--force draws them anew)." if kept else ".")
        )


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
