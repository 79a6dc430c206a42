"""Options that commands share, as groups.

A command takes a group as one parameter; ``with_groups`` shows Typer the group's fields instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.completing import values as completing
from ccx_cli.errors import UsageError
from ccx_cli.probe.axes import Axes

PLACES = "Places"
NETWORK = "Network"
DATA = "Data set"
RANGES = "Ranges"
OUTPUT = "Output"
RUNNING = "Running"

ALL_BLOCKS = "all-blocks"

LARGEST_SEED = 2**63 - 1
"""All sources of random numbers take seeds up to this, and none below 0."""


class Format(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Precision(StrEnum):
    """In which type of number the network computes."""

    SINGLE = "single"
    HALF = "half"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Kmeans(StrEnum):
    """How activations are clustered."""

    EXACT = "exact"
    SKLEARN = "sklearn"


Device = Annotated[
    str,
    typer.Option(
        help="cpu, cuda, cuda:N, or auto.",
        rich_help_panel=NETWORK,
        autocompletion=completing.devices,
    ),
]
BatchSize = Annotated[
    int, typer.Option(min=1, help="Images per forward pass.", rich_help_panel=NETWORK)
]


def _root(name: str, what: str) -> Any:
    return typer.Option(
        f"--root-{name}",
        envvar=f"CCX_ROOT_{name.upper()}",
        help=f"{what} [dim](default: {name} under --data-dir)[/dim]",
        rich_help_panel=PLACES,
        show_default=False,
        show_envvar=False,
        autocompletion=completing.directories,
    )


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """Where things are read from and written to."""

    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="CCX_DATA_DIR",
            help="Directory of everything ccx keeps.",
            rich_help_panel=PLACES,
            show_default="the user's data directory",
            autocompletion=completing.directories,
        ),
    ] = None
    root_datasets: Annotated[Path | None, _root("datasets", "Labelled image sets.")] = None
    root_models: Annotated[Path | None, _root("models", "Published weights.")] = None
    root_segmentations: Annotated[Path | None, _root("segmentations", "Concept indexes.")] = None
    root_activations: Annotated[Path | None, _root("activations", "Activations, ranges.")] = None
    root_results: Annotated[Path | None, _root("results", "Explanations.")] = None


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which images."""

    subset: Annotated[
        str,
        typer.Option(
            help="Images whose path contains this name (ade20k, pascal, ...), all, or demo.",
            rich_help_panel=DATA,
            autocompletion=completing_stored.subsets,
        ),
    ] = "ade20k"
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch",
            metavar="",
            help="Get the published data set and weights first where they are missing.",
            rich_help_panel=DATA,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Which network, and which of its layers."""

    model: Annotated[
        str,
        typer.Option(
            help="A torchvision classifier, demo, timm:NAME, or a callable of yours that returns "
            "a torch.nn.Module: file.py:factory or package.module:factory.",
            rich_help_panel=NETWORK,
            autocompletion=completing.models,
        ),
    ] = "resnet18"
    model_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An argument of your own factory, or of timm's; repeat it for more.",
            rich_help_panel=NETWORK,
            show_default=False,
            autocompletion=completing.model_arguments,
        ),
    ] = None
    pretrained: Annotated[
        str | None,
        typer.Option(
            help="Published weights: places365, imagenet, none (seeded random ones), demo, timm "
            "(which timm downloads); or own, what your factory gives.",
            rich_help_panel=NETWORK,
            show_default="places365; demo for demo, own for yours",
            autocompletion=completing.pretrained,
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A file of weights: .pth, .pt, .tar or .safetensors.", rich_help_panel=NETWORK
        ),
    ] = None
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            metavar="LAYER",
            help="Dotted path of a module that gives maps, tokens on a grid or a vector. "
            "`ccx explain`, `cluster` and `cache build` take several, and run the network once "
            "for all; all-blocks means those that `ccx layers --layer all-blocks` lists.",
            rich_help_panel=NETWORK,
            show_default="the last convolutional block, vit: encoder block",
            autocompletion=completing_stored.layers,
        ),
    ] = None
    input_size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the input images, or height x width such as 224x160.",
            rich_help_panel=NETWORK,
            show_default="what the network was trained on",
        ),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Mean of each colour channel, for values in 0 to 1.",
            rich_help_panel=NETWORK,
            show_default="ImageNet's; 0.5 for untrained networks",
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Deviation of each colour channel.",
            rich_help_panel=NETWORK,
            show_default="as for --mean",
        ),
    ] = None
    activations: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Activations of your own instead of a network: .npy, .h5, .hdf5 or "
            "FILE.h5:DATASET; units by images by height by width, or units by images. --layer "
            "names their layer.",
            rich_help_panel=NETWORK,
            show_default=False,
            autocompletion=completing.files,
        ),
    ] = None
    activations_axes: Annotated[
        Axes | None,
        typer.Option(
            help="What comes first in that file: units-first or images-first.",
            rich_help_panel=NETWORK,
            show_default="what the number of images says",
        ),
    ] = None
    device: Device = "cpu"
    batch_size: BatchSize = 32
    precision: Annotated[
        Precision,
        typer.Option(
            help="Numbers of the forward pass: single, float16, bfloat16, or half, which is "
            "float16 on a GPU and bfloat16 on the CPU.",
            rich_help_panel=NETWORK,
        ),
    ] = Precision.SINGLE

    @property
    def distinct_layers(self) -> list[str]:
        """The layers in the order given, each once."""
        return list(dict.fromkeys(self.layers or ()))

    @property
    def layer(self) -> str | None:
        """The one layer that is given, if any; UsageError if there are more."""
        distinct = self.distinct_layers
        if len(distinct) > 1 or ALL_BLOCKS in distinct:
            raise UsageError(
                f"--layer {' --layer '.join(distinct)}: this takes one layer only: name one; "
                "`ccx explain`, `ccx cluster` and `ccx cache build` take several."
            )
        return distinct[0] if distinct else None


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """Which units."""

    units: Annotated[
        str | None,
        typer.Option(
            help="Units by number, such as 1,5,10-20.",
            rich_help_panel=NETWORK,
            show_default="all",
            autocompletion=completing_stored.run_units,
        ),
    ] = None
    random_units: Annotated[
        int,
        typer.Option(
            min=0, help="So many units drawn at random; 0 for all.", rich_help_panel=NETWORK
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class RangeOptions:
    """Which ranges of activation."""

    num_clusters: Annotated[
        int,
        typer.Option(
            help="Ranges per unit: 1 for the top quantile, more for k-means clusters.",
            rich_help_panel=RANGES,
        ),
    ] = 5
    quantile: Annotated[
        float,
        typer.Option(
            help="Share of activations in the top range, with one cluster.", rich_help_panel=RANGES
        ),
    ] = 0.005
    kmeans: Annotated[
        Kmeans,
        typer.Option(help="The exact optimum, or scikit-learn's answer.", rich_help_panel=RANGES),
    ] = Kmeans.EXACT
    n_init: Annotated[
        int,
        typer.Option(help="scikit-learn's number of starts.", rich_help_panel=RANGES),
    ] = 10


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run."""

    seed: Annotated[
        int,
        typer.Option(
            help="Seed of untrained networks and of random units.", rich_help_panel=RUNNING
        ),
    ] = 0
    workers: Annotated[
        int,
        typer.Option(
            min=0, help="Processes or threads; 0 for one a core.", rich_help_panel=RUNNING
        ),
    ] = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UsageError(f"--seed {self.seed} has to be 0 to {LARGEST_SEED:,}.")


@dataclass(frozen=True, slots=True)
class FormOptions:
    """In what form data is written, to stdout or to a file."""

    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="Form of the data: table, json, jsonl, csv or parquet.",
            rich_help_panel=OUTPUT,
        ),
    ] = Format.TABLE
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="A file to write to; - for stdout.",
            rich_help_panel=OUTPUT,
            autocompletion=completing.files,
        ),
    ] = "-"


@dataclass(frozen=True, slots=True)
class OutputOptions(FormOptions):
    """The same, for commands that only write."""

    force: Annotated[
        bool,
        typer.Option(
            "--force", metavar="", help="Overwrite the output file.", rich_help_panel=OUTPUT
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """What is said on stderr."""

    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", metavar="", help="No progress, no notes.", rich_help_panel=OUTPUT
        ),
    ] = False
    no_color: Annotated[
        bool, typer.Option("--no-color", metavar="", help="No colours.", rich_help_panel=OUTPUT)
    ] = False
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", metavar="", help="Show the traceback of an error.", rich_help_panel=OUTPUT
        ),
    ] = False


@cache
def _field_hints(group: type[Any]) -> dict[str, Any]:
    return get_type_hints(group, include_extras=True)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Show the fields of a command's option groups as options of its own."""
    hints = get_type_hints(command, include_extras=True)
    shown: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        annotation = hints[parameter.name]
        if not (isinstance(annotation, type) and is_dataclass(annotation)):
            shown.append(parameter.replace(annotation=annotation, kind=parameter.KEYWORD_ONLY))
            continue
        field_hints = _field_hints(annotation)
        names = [field.name for field in fields(annotation)]
        groups[parameter.name] = (annotation, names)
        shown += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=field_hints[field.name],
            )
            for field in fields(annotation)
        ]

    @wraps(command)
    def run(**values: Any) -> None:
        gathered = {
            name: group(**{field: values.pop(field) for field in names})
            for name, (group, names) in groups.items()
        }
        command(**gathered, **values)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run
