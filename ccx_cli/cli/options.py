"""Options that commands share, as groups: a command takes a group as one parameter."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

import typer

from ccx_cli.errors import UsageError
from ccx_cli.store.paths import ROOT_NAMES, Roots, resolve_roots
from ccx_cli.threads import cores

DIRECTORIES = "Directories"
NETWORK = "Network"
DATA = "Dataset"
RANGES = "Ranges"
OUTPUT = "Output"
RUNNING = "Running"

LARGEST_SEED = 2**63 - 1
"""All sources of random numbers take seeds up to this, and none below 0."""


Format = Literal["table", "json", "jsonl", "csv", "parquet"]
Kmeans = Literal["exact", "sklearn"]
"""How activations are clustered."""


REQUIRED = MISSING
"""In place of a default: without a value, the command is refused."""


def option(help_text: str, default: Any = None, *names: str, **how: Any) -> Any:
    """Declare an option of a class of options; ``how`` it looks is as in Typer.

    ``panel`` and ``shown`` stand for ``rich_help_panel`` and ``show_default``. ``--help`` leaves
    out what is ``rare``; where an option does not say so, its class may, by a ``ClassVar``.
    """
    return _declared(typer.Option, help_text, default, names, how)


def flag(help_text: str, *names: str, **how: Any) -> Any:
    """Declare an option without a value."""
    return _declared(typer.Option, help_text, False, names, how)


def argument(help_text: str, default: Any = REQUIRED, **how: Any) -> Any:
    """Declare an argument of a class of options, as ``option`` does an option."""
    return _declared(typer.Argument, help_text, default, (), how)


def _declared(
    kind: Any, help_text: str, default: Any, names: tuple[str, ...], how: dict[str, Any]
) -> Any:
    short = {"panel": "rich_help_panel", "shown": "show_default"}
    named = {short.get(name, name): value for name, value in how.items() if name != "rare"}
    declared = kind(*names, help=help_text, **named)
    rare = {"rare": how["rare"]} if "rare" in how else {}
    return field(default=default, metadata={"typer": declared, **rare})


def _root(name: str, what: str) -> Any:
    return option(what, shown=f"{name} under --data-dir")


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """Where things are read from and written to."""

    panel: ClassVar[str] = DIRECTORIES
    rare: ClassVar[bool] = True
    data_dir: Path | None = option(
        "Directory of all data that ccx keeps.", shown="the user's data directory"
    )
    root_datasets: Path | None = _root("datasets", "Labeled datasets.")
    root_models: Path | None = _root("models", "Published weights.")
    root_segmentations: Path | None = _root("segmentations", "Concept indexes.")
    root_activations: Path | None = _root("activations", "Activations, ranges.")
    root_results: Path | None = _root("results", "Explanations.")

    @property
    def roots(self) -> Roots:
        """The five roots."""
        roots = {name: getattr(self, f"root_{name}") for name in ROOT_NAMES}
        return resolve_roots(self.data_dir, **roots)

    def given(self) -> dict[str, str]:
        """Return the absolute paths that are given, by option, but for that of the results."""
        paths = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            f"--{name.replace('_', '-')}": str(path.absolute())
            for name, path in paths.items()
            if path is not None and name != "root_results"
        }


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which images."""

    panel: ClassVar[str] = DATA
    subset: str = option("Images whose path contains this name, all, or demo.", "ade20k")
    memory: str | None = option(
        "Memory for the concept index, such as 8GB; a quarter of all without it.", rare=True
    )
    fetch: bool = flag("Download the published dataset and weights if they are missing.", rare=True)
    by_size: bool = flag(
        "Tell files apart by size alone, to use caches and runs of ccx 0.1.", hidden=True
    )

    @property
    def bytes_of_memory(self) -> int | None:
        """What ``load_index`` may take, if it is said."""
        if self.memory is None:
            return None
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?([MGT])B", self.memory, re.ASCII)
        if match is None:
            raise UsageError(f"--memory {self.memory} is not an amount: write it as 8GB or 500MB.")
        return int(float(match[1]) * 1e6 * 1000 ** "MGT".index(match[2]))


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """Which units."""

    panel: ClassVar[str] = NETWORK
    units: str | None = option("Units by number, such as 1,5,10-20.", shown="all")
    random_units: int = option("Number of randomly sampled units (0: all).", 0, min=0, shown=False)


By = Literal["activation", "frequency", "importance"]


@dataclass(frozen=True, slots=True)
class RankedUnitOptions(UnitOptions):
    """Which units, by rank as well."""

    units: str | None = option("Units such as 1,5,10-20, or top:N by --by.", shown="all")
    by: By | None = option(
        "What --units top:N ranks units by.", None, shown="activation", rare=True
    )


@dataclass(frozen=True, slots=True)
class RangeOptions:
    """Which ranges of activation."""

    panel: ClassVar[str] = RANGES
    rare: ClassVar[bool] = True
    num_clusters: int = option("Number of ranges per unit.", 5, rare=False)
    quantile: float = option(
        "Share of activations in the one range of --num-clusters 1.", 0.005, rare=True
    )
    kmeans: Kmeans = option("Exact k-means, or scikit-learn's, for more ranges than one.", "exact")
    n_init: int = option("Number of starts of scikit-learn's k-means.", 10)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How much to do at once."""

    panel: ClassVar[str] = RUNNING
    workers: int = option("Number of processes or threads (0: one per core).", 0, min=0, rare=True)

    @property
    def cores(self) -> int:
        """The number of workers, resolved."""
        return self.workers or cores()


@dataclass(frozen=True, slots=True)
class DaskOptions:
    """Where else to work."""

    panel: ClassVar[str] = RUNNING
    dask: str | None = option(
        "Work on a Dask cluster: its address, scheduler file, or local:N.", rare=True
    )
    dask_timeout: float = option(
        "Seconds to wait for Dask's scheduler, and for workers.", 60.0, min=1, rare=True
    )


@dataclass(frozen=True, slots=True)
class RunOptions(WorkerOptions):
    """How to run."""

    seed: int = option("Seed of untrained networks and of random units.", 0, rare=True)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UsageError(f"--seed {self.seed} must be 0 to {LARGEST_SEED:,}.")


Sort = Literal["mcc", "lift", "iou", "hits", "length", "unit"]
"""By what tables of explanations are sorted: measures from the largest down."""


@dataclass(frozen=True, slots=True)
class SortOptions:
    """How rows are sorted."""

    panel: ClassVar[str] = OUTPUT
    sort: Sort = option("Order of the rows of a table.", "mcc", rare=True)


@dataclass(frozen=True, slots=True)
class ReadingOptions(SortOptions):
    """How tables show explanations."""

    simplest: str = option(
        "Show in tables the shortest formula this near the best (0: the best).", "1%", rare=True
    )


@dataclass(frozen=True, slots=True)
class FormOptions:
    """In what form data is written, to stdout or to a file."""

    panel: ClassVar[str] = OUTPUT
    format: Format = option(
        "Format: table, json, jsonl, csv or parquet.",
        "table",
        "--format",
        "-f",
        shown="by the ending of --output, else table",
    )
    output: str = option("Output file (-: stdout).", "-", "--output", "-o")


@dataclass(frozen=True, slots=True)
class OutputOptions(FormOptions):
    """The same, for commands that only write."""

    force: bool = flag("Overwrite the output file.", panel=OUTPUT, rare=True)


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """Which messages appear on stderr, and how."""

    panel: ClassVar[str] = OUTPUT
    quiet: bool = flag("Hide progress and notes.", "--quiet", "-q", rare=True)
    no_color: bool = flag("Disable colors.", rare=True)
    debug: bool = flag("Show the traceback of an error.", rare=True)


@dataclass(frozen=True, slots=True)
class DryRunOptions:
    """Whether only to show the plan."""

    dry_run: bool = flag("Show what would be made; write nothing.", panel=RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What commands take, after their own options, that only read and write."""

    out: OutputOptions
    messages: MessageOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """The same, for commands that compute."""

    out: OutputOptions
    messages: MessageOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOptions:
    """The same, for commands that say beforehand what they will do."""

    out: OutputOptions
    messages: MessageOptions
    dry: DryRunOptions
    run: RunOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True)
class StoredOptions:
    """Which run."""

    run_name: str | None = argument(
        "Stored run: name, beginning of the name, or directory.", None, shown="the last one"
    )


@dataclass(frozen=True, slots=True)
class NamingOptions:
    """What a run is called."""

    name: str | None = option("What to call the run: a name for RUN.", panel=OUTPUT)
    note: str | None = option("What to note about the run.", panel=OUTPUT, rare=True)


@dataclass(frozen=True, slots=True)
class PipedOptions(StoredOptions):
    """Which run, or which records of it."""

    run_name: str | None = argument(
        "Stored run: name, its beginning, or directory; -: JSON Lines from stdin.",
        None,
        metavar="RUN|-",
        shown="the last one",
    )
    run_of_records: str | None = option(
        "With -: run that the explanations are from.",
        None,
        "--run",
        rare=True,
        shown="the last one that holds them",
    )
