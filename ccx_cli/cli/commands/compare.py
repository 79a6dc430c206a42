"""Options and help of ``ccx compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    NETWORK,
    OUTPUT,
    By,
    DataOptions,
    ListOptions,
    PlannedOptions,
    RangeOptions,
    RankedUnitOptions,
    StoredOptions,
    UnitOptions,
    WorkOptions,
    argument,
    flag,
    option,
)
from ccx_cli.cli.search_options import SearchOptions, VocabularyOptions

Per = Literal["unit", "cluster", "range", "run"]


HEURISTIC_UNITS, THRESHOLD_UNITS = 100, 50


def _drawn(count: int) -> Any:
    shown = f"{count}, or all if there are fewer"
    return option("Number of randomly sampled units (0: all).", min=0, shown=shown)


@dataclass(frozen=True, slots=True)
class DrawnUnitOptions:
    """Which units, a random sample by default."""

    panel: ClassVar[str] = NETWORK
    units: str | None = option("Units such as 1,5,10-20, or top:N by --by.")
    random_units: int | None = _drawn(HEURISTIC_UNITS)
    by: By | None = option(
        "What --units top:N ranks units by.", None, shown="activation", rare=True
    )

    @property
    def given(self) -> RankedUnitOptions:
        """The units that are given, all of them by default."""
        return RankedUnitOptions(self.units, self.random_units or 0, self.by)

    def among(self, available: int, default: int) -> RankedUnitOptions:
        """Resolve the default number of units for a layer of so many."""
        if self.units is None and self.random_units is None:
            return RankedUnitOptions(None, min(default, available))
        return self.given


@dataclass(frozen=True, slots=True)
class TopRangeOptions(RangeOptions):
    """Which ranges, the top one by default."""

    num_clusters: int = option(
        "Number of ranges per unit (1: the top quantile, more: k-means clusters).", 1
    )


@dataclass(frozen=True, slots=True)
class FewUnitOptions(DrawnUnitOptions):
    """Which units, a smaller random sample by default."""

    random_units: int | None = _drawn(THRESHOLD_UNITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareHeuristicsOptions(WorkOptions):
    """Compare the published search heuristics: formulas visited, and time.

    mmesh, cfh and areas order the candidates of a beam by estimates and stop
    early; none visits them all. beam is the same search without estimates, as
    in ccx explain (beam:15 for another width than --beam-limit); optimal proves
    its formula. A search misses a range where another one finds a larger IoU.

    A formula of two or more concepts counts as visited if its exact IoU is
    computed. Times are processor times, without those for hits and shapes.

    [bold]Examples[/bold]

      ccx compare heuristics --model demo --subset demo
      ccx compare heuristics --heuristic beam,beam:15,optimal --plot all.png
    """

    panel: ClassVar[str] = "Search"
    heuristic: str = option("Searches to compare.", "mmesh,cfh,areas,none,beam,optimal")
    length: int = option("Most concepts in a formula.", 3)
    beam_limit: int = option("Number of formulas that the beam keeps at each step.", 5, rare=True)
    data: DataOptions
    network: NetworkOptions
    units: DrawnUnitOptions
    ranges: TopRangeOptions
    each: bool = flag("List every search of every range.", panel=OUTPUT)
    plot: Path | None = option("Draw the comparison: .png, .svg or .pdf.", panel=OUTPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareObjectivesOptions(WorkOptions):
    """Compare what objectives find in the same units, and how often they agree.

    iou, f-beta:2 and mcc search each unit's highest range; soft-iou, pearson
    and cosine its whole activation. Concepts, operators and length (3 at most)
    are those of the run, whatever it was searched by. IoU, MCC and lift are of
    the highest range for all. Two objectives agree if their formulas are
    logically equivalent.

    [bold]Examples[/bold]

      ccx compare objectives demo-demo
      ccx compare objectives resnet18-places365 --random-units 50 -f csv
    """

    panel: ClassVar[str] = OUTPUT
    stored: StoredOptions
    units: UnitOptions
    each: bool = flag("List the formulas of every unit too.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareThresholdsOptions(WorkOptions):
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
    each: bool = flag("List the formula of every unit too.")
    plot: Path | None = option("Draw the shares to a .png, .svg or .pdf file.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRunsOptions(ListOptions):
    """Compare the explanations of two stored runs, range by range.

    Ranges are matched by unit and cluster. Formulas are equal if they are
    logically equivalent; better and worse compare the IoU in B with that in A. A
    range without a formula in one run counts as only in the other. Then tests
    whether MCC, coverage, IoU and the share of explained units differ: unit by
    unit where the layer is the same, else between two samples of units.

    [bold]Examples[/bold]

      ccx compare runs demo-demo demo-none
      ccx compare runs resnet18-places365 resnet18-imagenet --per range -f csv
    """

    a: str = argument("Stored run: name, beginning of the name, or directory.")
    b: str = argument("Another stored run.")
    per: Per = option("Summarize units, clusters or the run, or list ranges.", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareUnitsOptions(PlannedOptions):
    """Match the units of two layers or networks, by activation and by formula.

    For each unit of A the unit of B whose activation correlates most on the same
    images, and the one whose leading formula holds on most of the same pixels;
    whether the first is mutual, and whether both are one unit. Maps of other
    sizes are averaged to the smaller grid. Chance is the same with the images of
    A permuted.

    [bold]Examples[/bold]

      ccx compare units resnet18-places365 resnet18-imagenet
      ccx compare units demo-demo demo-none --units 0-9 --format csv
    """

    a: str = argument("Stored run: name, beginning of the name, or directory.")
    b: str = argument("Another stored run, on the same images.")
    shuffles: int = option(
        "Permutations of the images of A, for chance (0: none).", 1, min=0, max=1000
    )
    units: UnitOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareLayersOptions(ListOptions):
    """Compare the layers of a network, a stored run each.

    A row has the units of a layer by their leading explanations, those with the
    largest MCC. A unit is explained if its formula beats the baseline, the IoU
    of a formula that all labeled pixels satisfy. Layers of a network that ccx
    knows by name are in their order, others as they are given.

    [bold]Examples[/bold]

      ccx compare layers demo-demo
      ccx compare layers 'resnet18-places365-layer*' --plot layers.pdf
    """

    panel: ClassVar[str] = OUTPUT
    runs: list[str] = argument(
        "Stored runs: names, beginnings or patterns of names, or directories."
    )
    plot: Path | None = option("Draw the comparison: .png, .svg or .pdf.")
