"""Options and help of the commands that show what there is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.completing.shells import Shell
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
    formulas, metrics and images; scores formulas that you type; and shows two
    runs side by side. Nothing stored is changed. Press ? for the keys.

    [bold]Examples[/bold]

      ccx tui
      ccx tui demo-demo --unit 33
    """

    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Stored run: name, beginning of the name, or directory.",
            show_default="the list of all; with --unit the last one",
            autocompletion=completing.runs,
        ),
    ] = None
    unit: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="UNIT", help="Unit to show first.", autocompletion=completing.one_unit
        ),
    ] = None
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Draw figures, a report or a table of a stored run.

    A panel shows one unit: for each range the formula, and images with the hits
    outlined and the formula's pixels tinted, above the distribution of the
    unit's activations. The published kind looks as in the paper's program.
    Misses are hits without the formula, false alarms the formula without hits.
    Existing figures are kept.

    [bold]Examples[/bold]

      ccx render --units 3,7
      ccx render demo-demo --show misses --random-units 10
      ccx render --kind published --top-k 5 --dir-images figures
      ccx render --kind iou --file-type pdf
      ccx render --html report.html
      ccx render --format latex -o table.tex --bib methods.bib
    """

    panel: ClassVar[str] = _PICTURES
    which: StoredOptions
    kind: Annotated[
        Kind,
        typer.Option(
            help="panel, published or distribution: of a unit; categories or iou: of all units."
        ),
    ] = Kind.PANEL
    show: Annotated[
        Images | None,
        typer.Option(
            help="Images of each range: most active, random, misses or false alarms.",
            show_default="top; sample for published; all in a report",
        ),
    ] = None
    top_k: Annotated[int, typer.Option(min=1, max=50, help="Number of images per range.")] = 5
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write a report instead: one file if OUT ends in .html, else a folder.",
            show_default=False,
            autocompletion=completing.files,
        ),
    ] = None
    dir_images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory of the figures.",
            show_default="ccx-RUN here",
            autocompletion=completing.directories,
        ),
    ] = None
    filename_figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Pattern of file names with {unit}, {k}, {show} and {kind}.",
            show_default="unit_{unit}_c_{k} and more",
        ),
    ] = None
    file_type: Annotated[
        FileType | None,
        typer.Option(
            help="Format of the figures.", show_default="as --filename-figure ends, or png"
        ),
    ] = None
    units: UnitOptions
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            "-f",
            help="Format of the list of files (latex: a table of the explanations instead).",
            rich_help_panel=OUTPUT,
        ),
    ] = Form.TABLE
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="File of the list or table (-: stdout).",
            rich_help_panel=OUTPUT,
            autocompletion=completing.files,
        ),
    ] = "-"
    bib: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --format latex: file for the BibTeX of the methods.",
            rich_help_panel=OUTPUT,
            show_default="as comments of the table",
            autocompletion=completing.files,
        ),
    ] = None
    force: Annotated[bool, typer.Option(help="Overwrite files.", rich_help_panel=OUTPUT)] = False
    talk: TalkOptions
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the random images and units.", rich_help_panel=RUNNING),
    ] = 0
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of processes (0: one per core).", rich_help_panel=RUNNING),
    ] = 0
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoOptions:
    """Show what a stored run is and how it was made.

    Network, dataset, ranges, search, units, sessions, digests, and whether its
    inputs are still there (by names and sizes; ccx cache verify reads the
    files). A damaged run is shown as far as possible.

    [bold]Examples[/bold]

      ccx info
      ccx info --all
      ccx info demo-demo --methods
      ccx info demo-demo --bibtex -o references.bib
    """

    stored: StoredOptions
    everything: Annotated[bool, typer.Option("--all", help="List all runs.")] = False
    methods: Annotated[
        bool,
        typer.Option(
            help="Write a methods paragraph with its references instead.", rich_help_panel=OUTPUT
        ),
    ] = False
    latex: Annotated[
        bool, typer.Option(help="Write the paragraph for LaTeX.", rich_help_panel=OUTPUT)
    ] = False
    bibtex: Annotated[
        bool, typer.Option(help="Write the references for BibTeX.", rich_help_panel=OUTPUT)
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
            help="Name of a schema; `ccx schema` without one lists them all.",
            show_default="list them",
            autocompletion=completing.one_of(*SCHEMA_NAMES),
        ),
    ] = None
    out: OutputOptions
    talk: TalkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions:
    """Show the values of options and where they are set.

    An option's value comes from its flag, else its variable, such as
    CCX_NUM_CLUSTERS, else ccx.toml in the working directory, else the user's
    config.toml, else its default. A key in a file is an option's long name
    without dashes, for all commands that have it; in a table such as [explain]
    or [cache.build], for that command only. A preset applies after the options
    set in the same place. Without a command, only options that are set are
    shown.

    [bold]Examples[/bold]

      ccx config
      ccx config explain --format json
      ccx config explain -- --preset cce --length 2
      $EDITOR "$(ccx config --path)"
    """

    panel: ClassVar[str] = OUTPUT
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="Command; after --, options to resolve it with.",
            show_default="all commands",
        ),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="Show the defaults too.")] = False
    path: Annotated[
        bool,
        typer.Option(
            "--path",
            # The files are not read for it: one of them may be what has to be mended.
            is_eager=True,
            callback=_show_path,
            metavar="",
            help="Print only the path of the user's settings file.",
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

    shell: Annotated[Shell | None, typer.Argument(help="Shell whose script to print.")] = None
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Write the scripts of all shells there, under the file names they expect.",
            autocompletion=completing.directories,
        ),
    ] = None
