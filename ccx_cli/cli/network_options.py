"""Options that name a network and its layers, or the activations in its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.options import NETWORK
from ccx_cli.errors import UsageError
from ccx_cli.probe.axes import Axes

ALL_BLOCKS = "all-blocks"


class Precision(StrEnum):
    """In which type of number the network computes."""

    SINGLE = "single"
    HALF = "half"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


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
