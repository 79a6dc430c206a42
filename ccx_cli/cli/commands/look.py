"""Options and help of the commands that show what there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import typer

from ccx_cli.cli.completing.shells import Shell
from ccx_cli.cli.options import (
    NETWORK,
    OUTPUT,
    RUNNING,
    ListOptions,
    MessageOptions,
    NamingOptions,
    OutputOptions,
    PlaceOptions,
    ReadingOptions,
    StoredOptions,
    UnitOptions,
    WorkerOptions,
    argument,
    flag,
    option,
)
from ccx_cli.cli.stdout import print_text
from ccx_cli.config import user_file
from ccx_cli.records.schema import SCHEMAS
from ccx_cli.render.figure_files import FileType, Kind
from ccx_cli.render.style import Font, Venue

SCHEMA_NAMES = tuple(SCHEMAS)
_PICTURES, _PAPER = "Pictures", "In a paper"


Images = Literal["sample", "top", "misses", "false-alarms"]
Form = Literal["table", "json", "jsonl", "csv", "parquet", "latex"]
"""How data is written to stdout."""


To = Literal["csv", "parquet", "cosy", "neuronpedia-json"]


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

    run_name: str | None = argument(
        "Stored run: name, beginning of the name, or directory.",
        None,
        shown="the list of all; with --unit the last one",
    )
    unit: int | None = option("Unit to show first.", min=0)
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Draw figures, a report or a table of a stored run.

    A panel shows a unit's ranges: the formula of each, and images with the hits
    in true color and the formula's pixels outlined.

    Formulas are the shortest within 1% of the best; those of the published kind,
    which looks as in the paper's program, are the best. Misses are hits without
    the formula, false alarms the formula without hits. Existing figures are kept.

    With --paper or --width, figures have their final size and text of 7 and 8
    points that stays text, and each has a file with its caption for LaTeX.

    [bold]Examples[/bold]

      ccx render --units 3,7
      ccx render demo-demo --show misses --random-units 10
      ccx render --units 3,7 --ranges 3,4 --paper icml
      ccx render --html report.html
      ccx render --format latex -o table.tex --bib methods.bib
    """

    panel: ClassVar[str] = _PICTURES
    which: StoredOptions
    kind: Kind = option(
        "panel, published or distribution: of a unit; categories or iou: of all units.", Kind.PANEL
    )
    show: Images | None = option(
        "top (most active), sample, misses or false-alarms.",
        shown="top; sample for published; all in a report",
    )
    top_k: int = option("Number of images per range.", 5, min=1, max=50)
    html: Path | None = option(
        "Write a report instead: one file if OUT ends in .html, else a folder.", shown=False
    )
    dir_images: Path | None = option("Directory of the figures.", rare=True, shown="ccx-RUN here")
    filename_figure: str | None = option(
        "Pattern of file names with {unit}, {k}, {show} and {kind}.",
        rare=True,
        shown="unit_{unit}_c_{k} and more, {kind} in print",
    )
    file_type: FileType | None = option(
        "Format of the figures.",
        shown="as --filename-figure ends, else png, pdf in print",
        rare=True,
    )
    units: UnitOptions
    ranges: str | None = option("Ranges by number, such as 3,4.", shown="all", panel=NETWORK)
    paper: Venue | None = option("Set for print: neurips, icml, cvpr or iclr.", panel=_PAPER)
    width: str | None = option(
        "Width in print: column or text of the venue, or a length such as 5.5in.",
        shown="column with --paper",
        panel=_PAPER,
        rare=True,
    )
    font: Font | None = option(
        "Typeface.", shown="serif with --paper, else sans", panel=_PAPER, rare=True
    )
    dpi: int | None = option(
        "Dots per inch of images.",
        min=50,
        max=1200,
        shown="300 in print, else 100",
        panel=_PAPER,
        rare=True,
    )
    no_title: bool = flag("Leave out the title, as --paper does.", panel=_PAPER, rare=True)
    form: Form = option(
        "Format of the list of files (latex: a table of the explanations instead).",
        "table",
        "--format",
        "-f",
        panel=OUTPUT,
    )
    output: str = option("File of the list (-: stdout).", "-", "--output", "-o", panel=OUTPUT)
    bib: Path | None = option(
        "With --format latex: file for the BibTeX of the methods.",
        panel=OUTPUT,
        rare=True,
        shown="as comments of the table",
    )
    reading: ReadingOptions
    force: bool = flag("Overwrite files.", panel=OUTPUT, rare=True)
    messages: MessageOptions
    seed: int = option("Seed of the random images and units.", 0, min=0, panel=RUNNING, rare=True)
    parallel: WorkerOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Write the text of each unit for benchmarks and dashboards.

    csv and parquet: a row a range, with the metrics that are kept of it and the
    formula in words; beside it, in FILE-unit.csv, a row a unit with the formula
    that it responds to. cosy and neuronpedia-json: that formula in words, or the
    sentence, as CoSy's evaluation (Kopf et al., 2024) and Neuronpedia read it;
    units without one are left out.

    [bold]Examples[/bold]

      ccx export demo-demo -o demo.csv
      ccx export demo-demo --to cosy -o demo-layer4.csv
      ccx export --to neuronpedia-json --sentence | jq '.[].description'
    """

    which: StoredOptions
    to: To | None = option(
        "Form: csv, parquet, cosy or neuronpedia-json.",
        panel=OUTPUT,
        shown="csv, or parquet by the ending of --output",
    )
    sentence: bool = flag("With cosy, neuronpedia-json: a sentence, not a formula.", panel=OUTPUT)
    simplest: str = option(
        "Take the shortest formula this near the best (0: the best).", "1%", panel=OUTPUT, rare=True
    )
    units: UnitOptions
    output: str = option("Output file (-: stdout).", "-", "--output", "-o", panel=OUTPUT)
    force: bool = flag("Overwrite the output file.", panel=OUTPUT, rare=True)
    messages: MessageOptions
    seed: int = option("Seed of the random units.", 0, min=0, panel=RUNNING, rare=True)
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoOptions(ListOptions):
    """Show what a stored run is and how it was made.

    Network, dataset, ranges, search, units, sessions, digests, and whether its
    inputs are still there (by names and sizes; ccx cache verify reads the
    files). A damaged run is shown as far as possible.

    [bold]Examples[/bold]

      ccx info
      ccx info --all
      ccx info demo-demo --name first-try
      ccx info first-try --methods
      ccx info first-try --bibtex -o references.bib
    """

    stored: StoredOptions
    everything: bool = flag("List all runs.", "--all")
    naming: NamingOptions
    methods: bool = flag("Write a methods paragraph with its references instead.", panel=OUTPUT)
    latex: bool = flag("Write the paragraph for LaTeX.", panel=OUTPUT)
    bibtex: bool = flag("Write the references for BibTeX.", panel=OUTPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOptions(ListOptions):
    """Show how far runs are, and what is working on them.

    What is done of the concept index, the activations, the units and the studies
    of each run; the process that works on it, its pace and the time left. Those
    in progress come first, then the newest. Caches that are not whole have a
    table of their own: of a new run they are made first. Only files are read, and
    no process waits for it.

    [bold]Examples[/bold]

      ccx status
      ccx status demo-demo
      ccx status -f json | jq '.[] | select(.working == "yes")'
    """

    runs: list[str] | None = argument(
        "Stored runs: name, beginning of the name, or directory.", None, shown="all"
    )


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

    schema: str | None = argument(
        "Name of a schema; `ccx schema` without one lists them all.", None, shown="list them"
    )
    out: OutputOptions
    messages: MessageOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOptions(ListOptions):
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
    words: list[str] | None = argument(
        "Command; after --, options to resolve it with.", None, shown="all commands"
    )
    everything: bool = flag("Show the defaults too.", "--all")
    path: bool = flag(
        "Print only the path of the user's settings file.",
        "--path",
        is_eager=True,  # The files are not read for it: one of them may have to be mended.
        callback=_show_path,
        panel=OUTPUT,
    )


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

    shell: Shell | None = argument("Shell whose script to print.", None)
    into: Path | None = option(
        "Write the scripts of all shells there, under the file names they expect."
    )
