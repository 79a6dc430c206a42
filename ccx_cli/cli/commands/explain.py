"""Options and help of the commands that explain units."""

from __future__ import annotations

from dataclasses import dataclass

from ccx_cli.cli.network_options import NetworkOptions, device_option, trust_option
from ccx_cli.cli.options import (
    DATA,
    NETWORK,
    OUTPUT,
    RANGES,
    DaskOptions,
    DataOptions,
    ListOptions,
    NamingOptions,
    PlannedOptions,
    RangeOptions,
    RankedUnitOptions,
    ReadingOptions,
    SortOptions,
    StoredOptions,
    WorkerOptions,
    WorkOptions,
    argument,
    flag,
    option,
)
from ccx_cli.cli.search_options import PresetOptions, SearchOptions, VocabularyOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersOptions(WorkOptions):
    """List the layers of a network that can be explained.

    The network runs on a blank image. The kind says how a layer's output becomes
    one map per unit: maps are used as they are; tokens are laid out on their
    grid, without class and register tokens; a vector is one pixel per unit.
    --layer lists what is inside that layer.

    --layer all-blocks lists the network's main blocks: the children of one
    module that have weights and give maps of more than one pixel, of the
    outermost module with at least three of them, else of the first with two; in
    a plain chain of layers, those after which the size of the maps changes.

    [bold]Examples[/bold]

      ccx layers --model resnet18
      ccx layers --model nets.py:make --format csv
    """

    network: NetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions(PlannedOptions):
    """Find the activation ranges of each unit.

    Shows for each range how many of the unit's activations lie strictly inside
    it, and which share of all activations that is. With several layers (repeat
    --layer), the network runs once for all.

    [bold]Examples[/bold]

      ccx cluster --model demo --subset demo --units 0-4
      ccx cluster --model resnet18 --num-clusters 1 --quantile 0.005 --format csv
    """

    data: DataOptions
    network: NetworkOptions
    units: RankedUnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    cluster: DaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions(PlannedOptions):
    """Find the formula of concepts that best matches where each unit fires.

    Missing inputs (concept index, activations, ranges) are made and kept. Every
    finished unit is stored: the same command, after an interrupt or with more
    units, continues from there.

    With several layers (repeat --layer, or all-blocks), the network runs once
    for all, and each layer is a run of its own, called --name with the layer
    behind. --preset takes the ranges and the search of Network Dissection
    (netdissect), Compositional Explanations (compexp) or Clustered Compositional
    Explanations (cce).

    [bold]Examples[/bold]

      ccx explain --model demo --subset demo --units 0-4
      ccx explain --model resnet18 --random-units 10 --num-clusters 1
      ccx explain --model nets.py:make --layer all-blocks --name mine
      ccx explain --model demo --subset demo --format jsonl | jq .formula
    """

    data: DataOptions
    split: str | None = option(
        "Search only the train or val images, and score on the others too.", panel=DATA, rare=True
    )
    network: NetworkOptions
    units: RankedUnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    by_hand: str | None = option(
        "Explicit ranges instead, such as 0:1.5,1.5:inf.", None, "--ranges", panel=RANGES, rare=True
    )
    skip_zero_range: bool = flag(
        "Seek no formula for the range that holds zero.", panel=RANGES, rare=True
    )
    search: SearchOptions
    vocabulary: VocabularyOptions
    naming: NamingOptions
    everything: bool = flag("Show all ranges, not the 12 best.", "--all", panel=OUTPUT)
    reading: ReadingOptions
    cluster: DaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions(WorkOptions):
    """Score formulas that you write.

    After RUN, on what that run was made from; else on what the options name. With
    --unit, on each range of one unit, beside the best formula; otherwise on all
    units and ranges of the layer, best first: which unit detects it best?

    The best formula is the best left chain of up to three concepts, which a
    formula of another form may beat; a table has the shortest within 1% of it.
    Formulas that are equivalent, or that differ on no pixel of this dataset, are
    reported.

    [bold]Examples[/bold]

      ccx score demo-demo "wheel OR hub" --unit 33
      ccx score "sky AND NOT cloud" --model demo --subset demo --top 5
    """

    formulas: list[str] = argument(
        'Such as "(water OR river) AND NOT blue"; quotes around special names.'
    )
    unit: int | None = option("One unit, beside its best formulas.", min=0)
    top: int = option("Most ranges to list (0: all).", 20, min=0)
    data: DataOptions
    network: NetworkOptions
    trust: bool = trust_option()
    units: RankedUnitOptions
    preset: PresetOptions
    ranges: RangeOptions
    sorting: SortOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunOptions(ListOptions):
    """Run a stored run again, exactly as its header describes it.

    Finished units are not computed twice: an interrupted run is completed. In
    another --data-dir, it is made again under the same name. With --check, its
    lines are computed again in a temporary directory (TMPDIR) and compared; the
    exit code is 1 if one differs, 4 if an input changed.

    [bold]Examples[/bold]

      ccx rerun
      ccx rerun demo-demo --check --units 0-3
      ccx rerun old/results/NAME --data-dir new
    """

    stored: StoredOptions
    check: bool = flag("Recompute its lines elsewhere and compare them.")
    without_caches: bool = flag(
        "With --check: rebuild the concept index, activations and ranges too."
    )
    changed: bool = flag("Accept changed inputs; the result is another run.")
    units: str | None = option(
        "Units to run again, such as 1,5,10-20.", shown="those the run asked for"
    )
    trust: bool = trust_option()
    device: str = device_option()
    batch_size: int | None = option(
        "Images per forward pass.", min=1, shown="that of the run", panel=NETWORK
    )
    parallel: WorkerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions(ListOptions):
    """Merge stored runs, each of some units of a layer, into one.

    The runs are of the same ccx explain with other --units, each in its own
    --root-results: jobs of a cluster, say. A directory with one run in it stands
    for that run. Finished units are merged into the run of the same name in this
    --root-results, which may be there already; the others stay as they are. Runs
    that differ in anything else, and units whose lines differ, are refused.

    [bold]Examples[/bold]

      ccx explain --units 0-255 --root-results job-0
      ccx explain --units 256-511 --root-results job-1
      ccx merge job-*
    """

    runs: list[str] = argument("Stored runs: name, beginning of the name, or directory.")
