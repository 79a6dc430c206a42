"""Options and help of the commands that show what there is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.completing.shells import Shell
from ccx_cli.cli.completing.stored import one_unit, runs
from ccx_cli.cli.completing.values import directories, one_of
from ccx_cli.cli.options import (
    OUTPUT,
    RUNNING,
    OutputOptions,
    PlaceOptions,
    StoredOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.stdout import print_text
from ccx_cli.config import user_file
from ccx_cli.render.figure_files import FileType, Kind

SCHEMA_NAMES = (
    "analyze",
    "cache",
    "cache-clear",
    "cluster",
    "compare-heuristics",
    "compare-runs",
    "compare-thresholds",
    "concepts",
    "config",
    "dry-run",
    "explain",
    "fetch",
    "import",
    "importance",
    "info",
    "layers",
    "metrics",
    "render",
    "rerun",
    "roles",
    "schema",
    "score",
    "summary",
)


_PICTURES = "Pictures"


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


def _show_path(wanted: bool) -> None:
    if wanted:
        print_text(str(user_file()))
        raise typer.Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class TuiOptions:
    """Browse stored explanations in the terminal.

    Lists the runs, their units and concepts; shows a unit's ranges, histogram,
    formulas, metrics and images, scores formulas that you type, and puts two
    runs side by side. Nothing stored is changed. Press ? for the keys.

    [bold]Examples[/bold]

      ccx tui
      ccx tui demo-demo --unit 33
    """

    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A stored run, by name, the beginning of it, or directory.",
            show_default="the list of all; with --unit the last one",
            autocompletion=runs,
        ),
    ] = None
    unit: Annotated[
        int | None,
        typer.Option(min=0, metavar="UNIT", help="Begin with this unit.", autocompletion=one_unit),
    ] = None
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
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

    which: StoredOptions
    kind: Annotated[
        Kind,
        typer.Option(
            help="panel: images with hits and formula; published: as the paper's program drew it; "
            "distribution: of a unit's activations; categories, iou: of all units together.",
            rich_help_panel=_PICTURES,
        ),
    ] = Kind.PANEL
    show: Annotated[
        Images | None,
        typer.Option(
            help="Images of each range: the most active; a sample of those explained well; hits "
            "without the formula (misses); the formula without hits (false alarms).",
            rich_help_panel=_PICTURES,
            show_default="top; sample for published; all in a report",
        ),
    ] = None
    top_k: Annotated[
        int, typer.Option(min=1, max=50, help="Images per range.", rich_help_panel=_PICTURES)
    ] = 5
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
    ] = None
    dir_images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the figures go.",
            rich_help_panel=_PICTURES,
            show_default="ccx-RUN here",
            autocompletion=completing.directories,
        ),
    ] = None
    filename_figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the files are called, with {unit}, {k}, {show} and {kind} filled in.",
            rich_help_panel=_PICTURES,
            show_default="unit_{unit}_c_{k} and more",
        ),
    ] = None
    file_type: Annotated[
        FileType | None,
        typer.Option(
            help="Form of the figures.",
            rich_help_panel=_PICTURES,
            show_default="as --filename-figure ends, or png",
        ),
    ] = None
    units: UnitOptions
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            "-f",
            help="Form of the list of files; latex: a table of the explanations instead.",
            rich_help_panel=OUTPUT,
        ),
    ] = Form.TABLE
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="A file to write the list or table to; - for stdout.",
            rich_help_panel=OUTPUT,
            autocompletion=completing.files,
        ),
    ] = "-"
    bib: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --format latex: write the BibTeX of the methods here.",
            rich_help_panel=OUTPUT,
            show_default="as comments of the table",
            autocompletion=completing.files,
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Overwrite files.", rich_help_panel=OUTPUT)
    ] = False
    talk: TalkOptions
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of samples and of random units.", rich_help_panel=RUNNING),
    ] = 0
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0 for one a core.", rich_help_panel=RUNNING)
    ] = 0
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoOptions:
    """Tell what a stored run is and how it was made.

    Network, data set, ranges, search, units, sessions, digests, and whether
    what it was made from is still there (by names and sizes; ccx cache verify
    reads the files). What is damaged is shown as far as it goes.

    [bold]Examples[/bold]

      ccx info
      ccx info --all
      ccx info demo-demo --methods
      ccx info demo-demo --bibtex -o references.bib
    """

    stored: StoredOptions
    everything: Annotated[bool, typer.Option("--all", metavar="", help="List all runs.")] = False
    methods: Annotated[
        bool,
        typer.Option(
            "--methods",
            metavar="",
            help="Write the paragraph of a paper instead, with its references.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    latex: Annotated[
        bool,
        typer.Option(
            "--latex", metavar="", help="The paragraph for LaTeX.", rich_help_panel=OUTPUT
        ),
    ] = False
    bibtex: Annotated[
        bool,
        typer.Option(
            "--bibtex", metavar="", help="The references for BibTeX.", rich_help_panel=OUTPUT
        ),
    ] = False
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOptions:
    """Print the JSON Schema of a command's records.

    It describes one record: a line of --format jsonl, an item of --format json.
    A change that could break a reader raises the version, the end of its $id.

    [bold]Examples[/bold]

      ccx schema
      ccx schema explain
      ccx schema metrics -o metrics.schema.json
    """

    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help=f"One of {', '.join(SCHEMA_NAMES)}.",
            show_default="list them",
            autocompletion=one_of(*SCHEMA_NAMES),
        ),
    ] = None
    out: OutputOptions
    talk: TalkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """Show what the options are set to, and by what.

    An option is what its flag says, else its variable, such as CCX_NUM_CLUSTERS,
    else the project's ccx.toml in the working directory, else the user's
    config.toml. A key in a file is an option's name without dashes in front,
    for all commands that have it; in a table that is called explain or
    cache.build, for that command only. A preset stands right behind what is
    spelled out where it is named. Without a command, what is not set anywhere
    is left out.

    [bold]Examples[/bold]

      ccx config
      ccx config explain --format json
      ccx config explain -- --preset cce --length 2
      $EDITOR "$(ccx config --path)"
    """

    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="A command; after --, options to see it with.",
            show_default="all commands",
        ),
    ] = None
    everything: Annotated[
        bool,
        typer.Option(
            "--all", metavar="", help="Of all commands, the defaults too.", rich_help_panel=OUTPUT
        ),
    ] = False
    path: Annotated[
        bool,
        typer.Option(
            "--path",
            # The files are not read for it: one of them may be what has to be mended.
            is_eager=True,
            callback=_show_path,
            metavar="",
            help="Only where the user's file is, or would be.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionOptions:
    r"""Print the script that completes ccx's command lines in bash, zsh or fish.

    It completes commands, options and their values: networks and layers,
    subsets, concepts, stored runs and their units.

    [bold]Examples[/bold]

      ccx completion bash > ~/.local/share/bash-completion/completions/ccx
      ccx completion zsh > "${fpath\[1]}/_ccx"
      ccx completion fish > ~/.config/fish/completions/ccx.fish
      ccx completion --into completions
    """

    shell: Annotated[Shell | None, typer.Argument(help="The shell whose script is printed.")] = None
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Write the scripts of all shells there, under the names that shells look for.",
            autocompletion=directories,
        ),
    ] = None
