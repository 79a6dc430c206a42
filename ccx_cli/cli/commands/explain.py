"""Options and help of the commands that explain units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.completing.stored import run_units
from ccx_cli.cli.network_options import Device, NetworkOptions, Trust
from ccx_cli.cli.options import (
    NETWORK,
    RUNNING,
    DataOptions,
    DryRunOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    StoredOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.search_options import PresetOptions, SearchOptions, VocabularyOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersOptions:
    """List the layers of a network that can be explained.

    A blank image is run through the network. The kind says how a layer's
    output becomes one map for each unit: maps are maps already; tokens are
    laid on their grid, class and register tokens dropped; a vector is one
    pixel for each unit. With --layer, what is inside that layer.

    --layer all-blocks lists the network's main blocks: the children of one
    module that give maps of more than one pixel and hold weights inside, of
    the outermost that has at least three, else of the first that has two; in
    a plain chain of layers, those after which the size of the maps changes.

    [bold]Examples[/bold]

      ccx layers --model resnet18
      ccx layers --model nets.py:make --format csv
    """

    network: NetworkOptions
    out: OutputOptions
    talk: TalkOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Find the ranges of activation of each unit.

    Beside each range stand how many of the unit's activations lie strictly
    inside it, and what share of all of them that is. Of several layers, each
    named by a --layer of its own, the network runs once for all.

    [bold]Examples[/bold]

      ccx cluster --model demo --subset demo --units 0-4
      ccx cluster --model resnet18 --num-clusters 1 --quantile 0.005 --format csv
    """

    data: DataOptions
    network: NetworkOptions
    units: UnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    out: OutputOptions
    talk: TalkOptions
    dry: DryRunOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """Find the formula of concepts that covers best where each unit fires.

    What is missing on the way (concept index, activations, ranges) is made and
    kept. Every finished unit is stored: the same command, interrupted or with
    more units, goes on from there. Of several layers, each named by a --layer
    of its own or all by all-blocks, the network runs once for all, and each
    is a run of its own.

    [bold]Examples[/bold]

      ccx explain --model demo --subset demo --units 0-4
      ccx explain --model resnet18 --random-units 10 --num-clusters 1
      ccx explain --model resnet18 --layer layer3 --layer layer4 --units 0-9
      ccx explain --model demo --subset demo --format jsonl | jq .formula
    """

    data: DataOptions
    split: Annotated[
        str | None,
        typer.Option(
            help="Search only the images marked so, train or val, and score on the others too.",
            rich_help_panel="Data set",
            autocompletion=completing.one_of("train", "val"),
        ),
    ] = None
    network: NetworkOptions
    units: UnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    by_hand: Annotated[
        str | None,
        typer.Option(
            "--ranges",
            help="Ranges by hand instead, such as 0:1.5,1.5:inf.",
            rich_help_panel="Ranges",
        ),
    ] = None
    search: SearchOptions
    vocabulary: VocabularyOptions
    out: OutputOptions
    talk: TalkOptions
    dry: DryRunOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """Score formulas that you write.

    With --unit on each range of one unit, beside the best formula there is;
    otherwise on all units and ranges of the layer, best first: which unit
    detects it best? Formulas that are equivalent, or that differ on no pixel of
    this data set, are said to be.

    [bold]Examples[/bold]

      ccx score "wheel OR hub" --model demo --subset demo --unit 33
      ccx score "sky AND NOT cloud" --model demo --subset demo --top 5
    """

    formulas: Annotated[
        list[str],
        typer.Argument(
            metavar="FORMULA",
            help='Such as "(water OR river) AND NOT blue"; names with commas or parentheses in '
            "double quotes.",
            autocompletion=completing_stored.formula,
        ),
    ]
    unit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="One unit, with its best formulas beside.",
            metavar="UNIT",
            autocompletion=completing_stored.one_unit,
        ),
    ] = None
    top: Annotated[int, typer.Option(min=0, help="So many of the best ranges; 0 for all.")] = 20
    data: DataOptions
    network: NetworkOptions
    units: UnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    out: OutputOptions
    talk: TalkOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunOptions:
    """Run a stored run again, exactly as its header describes it.

    Units that are finished are not done twice: a run that was cut off is
    completed. In another --data-dir it is made anew, under the same name. With
    --check its lines are found again in a temporary place (TMPDIR) and
    compared; exits with 1 if one differs, with 4 if an input changed.

    [bold]Examples[/bold]

      ccx rerun
      ccx rerun demo-demo --check --units 0-3
      ccx rerun old/results/NAME --data-dir new
    """

    stored: StoredOptions
    check: Annotated[
        bool,
        typer.Option(
            "--check", metavar="", help="Find its lines again, elsewhere, and compare them."
        ),
    ] = False
    without_caches: Annotated[
        bool,
        typer.Option(
            "--without-caches",
            metavar="",
            help="With --check, also make the concept index, activations and ranges again.",
        ),
    ] = False
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            metavar="",
            help="Go on where an input changed since; what is found is another run then.",
        ),
    ] = False
    units: Annotated[
        str | None,
        typer.Option(
            help="Only these units, such as 1,5,10-20.",
            show_default="those the run asked for",
            autocompletion=run_units,
        ),
    ] = None
    trust: Trust = False
    device: Device = "cpu"
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images per forward pass.",
            show_default="that of the run",
            rich_help_panel=NETWORK,
        ),
    ] = None
    workers: Annotated[
        int,
        typer.Option(
            min=0, help="Processes or threads; 0 for one a core.", rich_help_panel=RUNNING
        ),
    ] = 0
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions
