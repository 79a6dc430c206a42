"""Options that name a network and its layers, or precomputed activations in its place."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from ccx_cli.cli.options import NETWORK, flag, option
from ccx_cli.errors import UsageError
from ccx_cli.probe.given_activations import Axes, PrecomputedActivations
from ccx_cli.probe.networks.description import SINGLE, NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.torchvision_models import Channels

ALL_BLOCKS = "all-blocks"


class Precision(StrEnum):
    """Number type of the forward pass."""

    SINGLE = "single"
    HALF = "half"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


def device_option() -> Any:
    """Declare ``--device``."""
    return option("cpu, cuda, cuda:N, or auto.", "cpu", panel=NETWORK, rare=False)


def trust_option() -> Any:
    """Declare ``--trust``."""
    what = "Run the network code that the run names, if you did not name it before."
    return flag(what, "--trust", panel=NETWORK, rare=True)


def _batch_size() -> Any:
    return option("Images per forward pass.", 32, min=1, panel=NETWORK, rare=True)


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Which network, and which of its layers."""

    panel: ClassVar[str] = NETWORK
    rare: ClassVar[bool] = True
    model: str = option(
        "Torchvision name, timm:NAME, hf:NAME, or FILE.py:FACTORY.",
        "resnet18",
        rare=False,
    )
    model_arg: list[str] | None = option(
        "An argument of your own factory, or of timm's; repeat it for more.", shown=False
    )
    pretrained: str | None = option(
        "places365, imagenet, coco, timm, own, none.",
        rare=False,
        shown="places365; own for --weights or a factory, demo for demo",
    )
    weights: Path | None = option("Weights: .pth, .pt, .tar or .safetensors.", rare=False)
    weights_key: str | None = option(
        "Which of several sets of weights in the file, such as model_ema.",
        shown="the usual one, which a note names",
    )
    ignore_head: bool = flag(
        "Leave out a classifier after the layer that does not fit.",
        "--ignore-head",
    )
    revision: str | None = option(
        "Commit, branch or tag of a network of the Hugging Face hub.", shown="its newest"
    )
    layers: list[str] | None = option(
        "Layer (see `ccx layers`), or all-blocks.",
        None,
        "--layer",
        rare=False,
        shown="the last convolutional block, vit: encoder block",
    )
    sae: Path | None = option("Sparse autoencoder; its latents are units.", rare=False)
    sae_map: list[str] | None = option(
        "A tensor or setting of --sae, as W_enc=NAME or activation=topk; repeatable.",
        shown="what the file says",
    )
    input_size: str | None = option(
        "Side of the input images, or height x width such as 224x160.",
        shown="what the network was trained on",
    )
    mean: str | None = option(
        "Mean of each color channel, for values in 0 to 1.",
        shown="ImageNet's; 0.5 for untrained networks",
    )
    std: str | None = option("Standard deviation of each color channel.", shown="as for --mean")
    activations: str | None = option(
        "Precomputed activations, not a network: .npy, .npz, .hdf5, or FILE.h5:DATASET.",
        shown=False,
    )
    activations_axes: Axes | None = option(
        "What comes first in that file: units-first or images-first.",
        shown="what the number of images says",
    )
    grid: str | None = option(
        "Rows x columns of an image's cells in a .npz file, such as 16x16.", shown="a square"
    )
    device: str = device_option()
    batch_size: int = _batch_size()
    precision: Precision = option(
        "Number type of the forward pass (half: float16 on a GPU, bfloat16 on the CPU).",
        Precision.SINGLE,
    )

    @property
    def distinct_layers(self) -> list[str]:
        """The layers in the order given, each once."""
        return list(dict.fromkeys(self.layers or ()))

    @property
    def has_several_layers(self) -> bool:
        """Whether more than one layer is given."""
        return len(self.distinct_layers) > 1 or ALL_BLOCKS in self.distinct_layers

    @property
    def layer(self) -> str | None:
        """The one layer that is given, if any; UsageError if there are more."""
        distinct = self.distinct_layers
        if self.has_several_layers:
            raise UsageError(
                f"--layer {' --layer '.join(distinct)}: this takes one layer only: name one; "
                "`ccx explain`, `ccx cluster` and `ccx cache build` take several."
            )
        return distinct[0] if distinct else None

    def request(self, seed: int, layer: str | None) -> NetworkRequest:
        """Return the request for the network, with one ``layer`` in place of those given."""
        size, mean, std = self.input_size, self.mean, self.std
        return NetworkRequest(
            model=self.model,
            pretrained=self.pretrained,
            layer=layer,
            weights=self.weights,
            seed=seed,
            model_args=tuple(self.model_arg or ()),
            input_size=None if size is None else parse_size(size),
            mean=None if mean is None else parse_channels(mean, "--mean"),
            std=None if std is None else parse_channels(std, "--std"),
            precision=self._number_type(),
            weights_key=self.weights_key,
            ignore_head=self.ignore_head,
            revision=self.revision,
            sae=self.sae,
            sae_map=tuple(self.sae_map or ()),
        )

    def _number_type(self) -> str:
        """Return the number type that half precision is on the device."""
        if self.precision is not Precision.HALF:
            return self.precision.value
        # A GPU that is named may be one of a worker's elsewhere.
        on_gpu = self.device.startswith("cuda") or device_of(self.device) != "cpu"
        return (Precision.FLOAT16 if on_gpu else Precision.BFLOAT16).value

    @classmethod
    def of(
        cls,
        source: NetworkRequest | PrecomputedActivations,
        device: str = "cpu",
        batch_size: int = 32,
    ) -> NetworkOptions:
        """Return the options that ask for a network or for precomputed activations."""
        if isinstance(source, PrecomputedActivations):
            return cls(
                activations=source.location,
                activations_axes=source.axes if source.grid is None else None,
                grid=_listed(source.grid, "x"),
                layers=[source.layer],
                device=device,
                batch_size=batch_size,
            )
        return cls(
            model=source.model,
            model_arg=list(source.model_args),
            pretrained=source.pretrained,
            weights=source.weights,
            layers=None if source.layer is None else [source.layer],
            input_size=_listed(source.input_size, "x"),
            mean=_listed(source.mean, ","),
            std=_listed(source.std, ","),
            device=device,
            batch_size=batch_size,
            precision=Precision(source.precision),
            weights_key=source.weights_key,
            ignore_head=source.ignore_head,
            revision=source.revision,
            sae=source.sae,
            sae_map=list(source.sae_map),
        )

    def resolved(self, network: NetworkDescription) -> NetworkOptions:
        """Return the options as they were resolved; a layer that was left out stays so."""
        return replace(
            self,
            model=network.model,
            revision=network.revision,
            precision=Precision(network.precision),
            layers=[network.layer] if self.layers else self.layers,
            sae_map=list(network.sae_map) or None,
        )

    def words(self) -> list[str]:
        """Return the command line that gives these options again, but for how it is computed."""
        given: list[tuple[str, object]] = [
            ("--activations", self.activations),
            ("--activations-axes", self.activations_axes),
            ("--grid", self.grid),
            ("--model", self.model if self.activations is None else None),
            *(("--model-arg", word) for word in self.model_arg or ()),
            ("--pretrained", self.pretrained),
            ("--weights", None if self.weights is None else self.weights.absolute()),
            ("--weights-key", self.weights_key),
            ("--revision", self.revision),
            ("--layer", self.layer),
            ("--sae", None if self.sae is None else self.sae.absolute()),
            *(("--sae-map", word) for word in self.sae_map or ()),
            ("--input-size", self.input_size),
            ("--mean", self.mean),
            ("--std", self.std),
            ("--precision", None if self.precision == SINGLE else self.precision),
        ]
        words = [
            word for option, value in given if value is not None for word in (option, str(value))
        ]
        return [*words, "--ignore-head"] if self.ignore_head else words


@dataclass(frozen=True, slots=True)
class PassOptions:
    """How images go through the network."""

    device: str = device_option()
    batch_size: int = _batch_size()
    trust: bool = trust_option()


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """What classes are called."""

    class_names: Path | None = option(
        "Names of the classes, one a line.",
        shown="known for the demo and ImageNet",
        panel=NETWORK,
        rare=True,
    )


_SHARED = {"layers", "input_size", "activations", "activations_axes", "grid", "device"}
OF_A_NETWORK = tuple(
    f"--{field.name.replace('_', '-')}"
    for field in fields(NetworkOptions)
    if field.name not in _SHARED
)
"""The options that precomputed activations exclude."""

_MOST_PIXELS = 4096


def device_of(name: str) -> str:
    """Resolve a device's name; the CPU needs no torch to be sure of."""
    if name == "cpu":
        return name
    # torch takes a second to import.
    from ccx_cli.probe.networks.devices import resolve_device

    return str(resolve_device(name))


def parse_size(text: str, option: str = "--input-size", unit: str = "pixels") -> tuple[int, int]:
    """Read ``224``, or ``224x160`` for height and width in ``unit``, as ``option`` has it."""
    match = re.fullmatch(r"(\d{1,5})(?:[xX](\d{1,5}))?", text.strip(), re.ASCII)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (1 <= height <= _MOST_PIXELS and 1 <= width <= _MOST_PIXELS):
        raise UsageError(
            f"{option} {text} is not a size in {unit}, such as 224, or 224x160 for height x "
            f"width, of at most {_MOST_PIXELS}."
        )
    return height, width


def parse_channels(text: str, option: str) -> Channels:
    """Read ``0.485,0.456,0.406``, or one number for all three channels."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    finite = all(map(math.isfinite, numbers))
    if len(numbers) != 3 or not finite or (option == "--std" and min(numbers) <= 0):
        positive = " positive" if option == "--std" else ""
        raise UsageError(
            f"{option} {text} is not three{positive} numbers such as 0.485,0.456,0.406, or one."
        )
    red, green, blue = numbers
    return red, green, blue


def _listed(values: tuple[float, ...] | None, separator: str) -> str | None:
    return None if values is None else separator.join(map(str, values))
