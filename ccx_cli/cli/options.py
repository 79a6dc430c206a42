"""Options that commands share, as groups: a command takes a group as one parameter."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.errors import UsageError

PLACES = "Places"
NETWORK = "Network"
DATA = "Dataset"
RANGES = "Ranges"
OUTPUT = "Output"
RUNNING = "Running"

LARGEST_SEED = 2**63 - 1
"""All sources of random numbers take seeds up to this, and none below 0."""


class Format(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Kmeans(StrEnum):
    """How activations are clustered."""

    EXACT = "exact"
    SKLEARN = "sklearn"


def _root(name: str, what: str) -> Any:
    shown = f"{name} under --data-dir"
    return typer.Option(help=what, show_default=shown, autocompletion=completing.directories)


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """Where things are read from and written to."""

    panel: ClassVar[str] = PLACES
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Directory of all data that ccx keeps.",
            show_default="the user's data directory",
            autocompletion=completing.directories,
        ),
    ] = None
    root_datasets: Annotated[Path | None, _root("datasets", "Labelled image sets.")] = None
    root_models: Annotated[Path | None, _root("models", "Published weights.")] = None
    root_segmentations: Annotated[Path | None, _root("segmentations", "Concept indexes.")] = None
    root_activations: Annotated[Path | None, _root("activations", "Activations, ranges.")] = None
    root_results: Annotated[Path | None, _root("results", "Explanations.")] = None

    def given(self) -> dict[str, str]:
        """Return the absolute paths that are given, by option, but for that of the results."""
        paths = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            f"--{name.replace('_', '-')}": str(path.absolute())
            for name, path in paths.items()
            if path is not None and name != "root_results"
        }


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which images."""

    panel: ClassVar[str] = DATA
    subset: Annotated[
        str,
        typer.Option(
            help="Images whose path contains this name (ade20k, pascal, ...), all, or demo.",
            autocompletion=completing.subsets,
        ),
    ] = "ade20k"
    fetch: Annotated[
        bool, typer.Option(help="Download the published dataset and weights if they are missing.")
    ] = False


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """Which units."""

    panel: ClassVar[str] = NETWORK
    units: Annotated[
        str | None,
        typer.Option(
            help="Units by number, such as 1,5,10-20.",
            show_default="all",
            autocompletion=completing.run_units,
        ),
    ] = None
    random_units: Annotated[
        int, typer.Option(min=0, help="Number of randomly sampled units (0: all).")
    ] = 0


@dataclass(frozen=True, slots=True)
class RangeOptions:
    """Which ranges of activation."""

    panel: ClassVar[str] = RANGES
    num_clusters: Annotated[
        int,
        typer.Option(
            help="Number of ranges per unit (1: the top quantile, more: k-means clusters)."
        ),
    ] = 5
    quantile: Annotated[
        float, typer.Option(help="Share of activations in the top range, with --num-clusters 1.")
    ] = 0.005
    kmeans: Annotated[Kmeans, typer.Option(help="Exact k-means, or scikit-learn's.")] = Kmeans.EXACT
    n_init: Annotated[int, typer.Option(help="Number of starts of scikit-learn's k-means.")] = 10


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run."""

    panel: ClassVar[str] = RUNNING
    seed: Annotated[int, typer.Option(help="Seed of untrained networks and of random units.")] = 0
    workers: Annotated[
        int, typer.Option(min=0, help="Number of processes or threads (0: one per core).")
    ] = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UsageError(f"--seed {self.seed} must be 0 to {LARGEST_SEED:,}.")


@dataclass(frozen=True, slots=True)
class FormOptions:
    """In what form data is written, to stdout or to a file."""

    panel: ClassVar[str] = OUTPUT
    format: Annotated[
        Format,
        typer.Option("--format", "-f", help="Output format: table, json, jsonl, csv or parquet."),
    ] = Format.TABLE
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Output file (-: stdout).", autocompletion=completing.files
        ),
    ] = "-"


@dataclass(frozen=True, slots=True)
class OutputOptions(FormOptions):
    """The same, for commands that only write."""

    force: Annotated[
        bool, typer.Option(help="Overwrite the output file.", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """What is said on stderr."""

    panel: ClassVar[str] = OUTPUT
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress and notes.")] = False
    no_color: Annotated[bool, typer.Option(help="Disable colors.")] = False
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False


@dataclass(frozen=True, slots=True)
class DryRunOptions:
    """Whether only to show the plan."""

    dry_run: Annotated[
        bool,
        typer.Option(
            help="Show what would be made, how large and where; write nothing.",
            rich_help_panel=RUNNING,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class StoredOptions:
    """Which run."""

    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Stored run: name, beginning of the name, or directory.",
            show_default="the last one",
            autocompletion=completing.runs,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class PipedOptions(StoredOptions):
    """Which run, or which records of it."""

    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|-",
            help="Stored run: name, its beginning, or directory; -: JSON Lines from stdin.",
            show_default="the last one",
            autocompletion=completing.runs,
        ),
    ] = None
    run_of_records: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="With -: run that the explanations are from.",
            show_default="the last one that holds them",
            autocompletion=completing.runs,
        ),
    ] = None
