"""Options and help of ``ccx compare``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    NETWORK,
    OUTPUT,
    RANGES,
    DataOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.search_options import SearchOptions, VocabularyOptions


class Per(StrEnum):
    """What has a row of its own."""

    UNIT = "unit"
    CLUSTER = "cluster"
    RANGE = "range"
    RUN = "run"


HEURISTIC_UNITS = 100


@dataclass(frozen=True, slots=True)
class DrawnUnitOptions:
    """Which units, drawn at random by default."""

    panel: ClassVar[str] = NETWORK
    units: Annotated[
        str | None,
        typer.Option(
            help="Units by number instead, such as 1,5,10-20.",
            autocompletion=completing.run_units,
        ),
    ] = None
    random_units: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of randomly sampled units (0: all).",
            show_default=f"{HEURISTIC_UNITS}, or all if there are fewer",
        ),
    ] = None

    def among(self, available: int, default: int) -> UnitOptions:
        """Resolve the default number of units for a layer of so many."""
        if self.units is None and self.random_units is None:
            return UnitOptions(None, min(default, available))
        return UnitOptions(self.units, self.random_units or 0)


@dataclass(frozen=True, slots=True)
class TopRangeOptions(RangeOptions):
    """Which ranges, the top one by default."""

    num_clusters: Annotated[
        int,
        typer.Option(
            help="Number of ranges per unit (1: the top quantile, more: k-means clusters).",
            rich_help_panel=RANGES,
        ),
    ] = 1


THRESHOLD_UNITS = 50


@dataclass(frozen=True, slots=True)
class FewUnitOptions(DrawnUnitOptions):
    """Which units, fewer drawn at random by default."""

    random_units: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of randomly sampled units (0: all).",
            rich_help_panel=NETWORK,
            show_default=f"{THRESHOLD_UNITS}, or all if there are fewer",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareHeuristicsOptions:
    """Compare the published search heuristics: formulas visited, and time.

    mmesh, cfh and areas order the candidates of a beam by estimates and stop
    early; none visits them all. beam is the same search without estimates, as
    in ccx explain; optimal proves its formula. A formula of two or more concepts
    counts as visited if its exact IoU is computed; for optimal, triples count.
    Times are those of ccx, without the time for hits and shapes.

    [bold]Examples[/bold]

      ccx compare heuristics --model demo --subset demo
      ccx compare heuristics --heuristic mmesh,none --plot searches.png
    """

    panel: ClassVar[str] = "Search"
    heuristic: Annotated[
        str, typer.Option(help="Searches to compare.", rich_help_panel="Search")
    ] = "mmesh,cfh,areas,none,beam,optimal"
    length: Annotated[
        int, typer.Option(help="Maximum number of concepts in a formula.", rich_help_panel="Search")
    ] = 3
    beam_limit: Annotated[
        int,
        typer.Option(
            help="Number of formulas that the beam keeps at each step.", rich_help_panel="Search"
        ),
    ] = 5
    data: DataOptions
    network: NetworkOptions
    units: DrawnUnitOptions
    ranges: TopRangeOptions
    each: Annotated[
        bool, typer.Option(help="List every search of every range.", rich_help_panel=OUTPUT)
    ] = False
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the comparison to a .png, .svg or .pdf file.", rich_help_panel=OUTPUT
        ),
    ] = None
    out: OutputOptions
    talk: TalkOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareThresholdsOptions:
    """Compare what formulas are made of at eleven thresholds.

    For quantiles 0.005 to 0.5 of a unit's non-zero activations, the range above
    the threshold; for 0.8 to 0.995, the range below it. Shows the share of each
    category among the concepts of all units' best formulas (not those under
    NOT).

    [bold]Examples[/bold]

      ccx compare thresholds --model demo --subset demo
      ccx compare thresholds --model resnet18 --plot thresholds.pdf --format csv
    """

    panel: ClassVar[str] = OUTPUT
    data: DataOptions
    network: NetworkOptions
    units: FewUnitOptions
    search: SearchOptions
    vocabulary: VocabularyOptions
    each: Annotated[bool, typer.Option(help="List the formula of every unit too.")] = False
    plot: Annotated[
        Path | None, typer.Option(help="Draw the shares to a .png, .svg or .pdf file.")
    ] = None
    out: OutputOptions
    talk: TalkOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRunsOptions:
    """Compare the explanations of two stored runs, range by range.

    Ranges are matched by unit and cluster. Formulas are equal if they are
    logically equivalent; better and worse compare the IoU in B with that in A. A
    range without a formula in one run counts as only in the other.

    [bold]Examples[/bold]

      ccx compare runs demo-demo demo-none
      ccx compare runs resnet18-places365 resnet18-imagenet --per range -f csv
    """

    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Stored run: name, beginning of the name, or directory.",
            autocompletion=completing.runs,
        ),
    ]
    b: Annotated[
        str, typer.Argument(metavar="B", help="Another stored run.", autocompletion=completing.runs)
    ]
    per: Annotated[
        Per, typer.Option(help="Summarize units, clusters or the run, or list ranges.")
    ] = Per.UNIT
    out: OutputOptions
    talk: TalkOptions
    places: PlaceOptions
