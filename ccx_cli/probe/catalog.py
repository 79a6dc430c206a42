"""Which networks there are, and what a request for one means, told without importing torch.

Help, shell completion and the planning of a run read this module; only the run itself loads torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.probe.own_networks import (
    is_own,
    own_weights_sha256,
    read_arguments,
    resolve_own,
    short_name,
    source_sha256,
)
from ccx_cli.probe.preprocessing import Channels, Preprocessing, own_normalisation, own_size
from ccx_cli.probe.weight_files import weights_file

DEMO = "demo"

# fmt: off
MODELS: tuple[str, ...] = (
    "alexnet",
    "convnext_base", "convnext_large", "convnext_small", "convnext_tiny",
    "densenet121", "densenet161", "densenet169", "densenet201",
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l", "efficientnet_v2_m",
    "efficientnet_v2_s",
    "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    "regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf", "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf",
    "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1",
    "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32",
    "wide_resnet101_2", "wide_resnet50_2",
    DEMO,
)
# fmt: on

PRETRAINED = ("places365", "imagenet", "none", "demo", "own")

# The last convolutional block, of a vision transformer the last encoder block, by the beginning of
# the model's name.
_DEFAULT_LAYERS = {
    "alexnet": "features",
    "convnext": "features",
    DEMO: "layer4",
    "densenet": "features",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features",
    "swin": "permute",  # its `features` give (images, height, width, units)
    "vgg": "features",
    "vit_b": "encoder.layers.encoder_layer_11",
    "vit_h": "encoder.layers.encoder_layer_31",
    "vit_l": "encoder.layers.encoder_layer_23",
    "wide_resnet": "layer4",
}

DEMO_WEIGHTS = Path(__file__).parent / "demo" / "weights.safetensors"
# The number of demo scenes, repeated here because their package takes long to import.
DEMO_CLASSES = 9


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network that was asked for, resolved without loading anything.

    Attributes
    ----------
    model : str
        One of ``MODELS``, or a factory of the user's own, such as ``/home/me/nets.py:make``.
    pretrained : str
        One of ``PRETRAINED``; ``own`` for the weights that a factory gives, or a file for it.
    layer : str
        Dotted path of the module whose output channels are the units.
    weights : Path or None
        The file of the weights; None for ``none``, ``demo`` and those that a factory gives.
    seed : int
        Seed of the random weights, used for ``none`` and for factories only.
    input_side : int
        Height and width of the images of the data set that is made for the network, in pixels.
    mean, std : tuple of float
        What an image in [0, 1] is normalised with, per colour channel.
    num_classes : int
        Outputs of the classifier; a file of weights with another number of them overrules it.
        0 for a factory's network, which has its own number.
    model_args : tuple of str
        Arguments of the factory, as ``key=value``.
    resized : tuple of int or None
        Height and width that the images are resized to, where that is not ``input_side``.
    """

    model: str
    pretrained: str
    layer: str
    weights: Path | None
    seed: int
    input_side: int
    mean: Channels
    std: Channels
    num_classes: int
    model_args: tuple[str, ...] = ()
    resized: tuple[int, int] | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self.resized or (self.input_side, self.input_side)

    @property
    def is_own(self) -> bool:
        """Whether the user's own code makes the network."""
        return is_own(self.model)

    @property
    def name(self) -> str:
        """The model's name, fit for a directory."""
        return short_name(self.model) if self.is_own else self.model

    def describe(self) -> str:
        """Return the network in words: ``resnet18 (places365), layer4``."""
        return f"{self.name} ({self.pretrained}), {self.layer}"


def choose_network(
    models_root: Path,
    model: str,
    pretrained: str | None,
    layer: str | None,
    weights: Path | None,
    seed: int,
    model_args: Sequence[str] = (),
    asked: Preprocessing | None = None,
) -> NetworkChoice:
    """Resolve the options that name a network, looking up the file of its weights.

    Parameters
    ----------
    models_root : Path
        Where published weights lie, in ``places365/`` and ``imagenet/``.
    model : str
        One of ``MODELS``, or ``file.py:factory`` or ``package.module:factory``: a callable that
        returns a ``torch.nn.Module``.
    pretrained : str or None
        One of ``PRETRAINED``; None means ``demo`` for the demo network, ``own`` for a factory,
        else ``places365``.
    layer : str or None
        Dotted path of a module; None means the default layer of the model, which a factory's
        network has not.
    weights : Path or None
        A file to use in place of the published one.
    seed : int
        Seed of an untrained network.
    model_args : sequence of str
        Arguments of a factory, as ``key=value``.
    asked : Preprocessing or None
        Input size and normalisation to take in place of the network's own.

    Raises
    ------
    UsageError
        If the options cannot be meant together.
    MissingInputError
        If the file of the weights is not there.
    """
    if is_own(model):
        model = resolve_own(model)
        read_arguments(model_args)
    elif model not in MODELS:
        raise UsageError(f"--model {model} is not known{_mend(model)}")
    elif model_args:
        raise UsageError(
            f"--model-arg {model_args[0]} is for a factory of your own: leave it out for {model}."
        )
    if pretrained is None:
        pretrained = {DEMO: "demo"}.get(model, "own" if is_own(model) else "places365")
    _check_pretrained(model, pretrained, weights)
    if layer is None:
        layer = default_layer(model)
    asked = asked or Preprocessing()
    file = weights_file(models_root, model, pretrained, weights)
    side = 227 if model == "alexnet" else 224
    size = asked.size or own_size(model, pretrained, None if file is None else file.name, side)
    mean, std = own_normalisation(model, pretrained)
    return NetworkChoice(
        model=model,
        pretrained=pretrained,
        layer=layer,
        weights=file,
        seed=seed,
        input_side=side,
        mean=asked.mean or mean,
        std=asked.std or std,
        num_classes=0
        if is_own(model)
        else {"imagenet": 1000, "demo": DEMO_CLASSES}.get(pretrained, 365),
        model_args=tuple(model_args),
        resized=None if size == (side, side) else size,
    )


def default_layer(model: str) -> str:
    """Return the path of the last convolutional, or encoder, block of ``model``.

    Raises
    ------
    UsageError
        If it is a factory's, which has none, or the model is not known.
    """
    for family, layer in _DEFAULT_LAYERS.items():
        if model.startswith(family):
            return layer
    raise UsageError(
        f"--model {model} needs --layer, one of those that `ccx layers --model {model}` lists."
    )


def weights_sha256(choice: NetworkChoice) -> str:
    """Return the SHA-256 of the weights' file in hexadecimal, or ``seed:<n>`` for untrained ones.

    For a factory without a file it is that of the state dict, for which the factory is called.

    Raises
    ------
    MissingInputError
        If the file is not there any more.
    DamagedDataError
        If it cannot be read.
    CcxError
        If the factory fails.
    """
    if choice.is_own and choice.weights is None:
        return own_weights_sha256(
            choice.model,
            choice.model_args,
            choice.seed,
            choice.pretrained == "none",
            source_sha256(choice.model),
        )
    if choice.pretrained == "none":
        return f"seed:{choice.seed}"
    path = DEMO_WEIGHTS if choice.weights is None else choice.weights
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        mend = "reinstall ccx-cli" if choice.weights is None else "check --weights"
        raise MissingInputError(f"There are no weights at {path}: {mend}.") from error
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error


def _mend(model: str) -> str:
    if model.endswith(".py"):
        return f": name the callable in it too, such as {model}:factory."
    return suggestion(model, MODELS) or ": `ccx explain --help` lists the models."


def _check_pretrained(model: str, pretrained: str, weights: Path | None) -> None:
    if pretrained not in PRETRAINED:
        known = suggestion(pretrained, PRETRAINED) or f": it is one of {', '.join(PRETRAINED)}."
        raise UsageError(f"--pretrained {pretrained} is not known{known}")
    if is_own(model):
        if pretrained == "demo" or (pretrained in {"places365", "imagenet"} and weights is None):
            raise UsageError(
                f"--pretrained {pretrained}: no such weights were published for {model}: give a "
                "file with --weights, or leave it out for the factory's own."
            )
        return
    if pretrained == "own":
        raise UsageError(
            f"--pretrained own belongs to a factory of your own: for {model} take places365, "
            "imagenet or none."
        )
    if pretrained == "demo" and model != DEMO:
        raise UsageError(
            f"--pretrained demo belongs to --model demo: for {model} take places365, imagenet or "
            "none."
        )
    if model == DEMO and pretrained not in {"demo", "none"}:
        raise UsageError(
            f"--model demo has no {pretrained} weights: take --pretrained demo or none."
        )
