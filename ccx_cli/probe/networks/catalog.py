"""Which networks there are, and what a request for one means, told without importing torch.

Help, shell completion and the planning of a run read this module; only the run itself loads torch.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.probe.networks.own_networks import (
    is_own,
    own_weights_sha256,
    read_arguments,
    resolve_own,
    short_name,
    source_sha256,
)
from ccx_cli.probe.networks.preprocessing import (
    Channels,
    Preprocessing,
    own_normalisation,
    own_size,
)
from ccx_cli.probe.networks.timm_networks import (
    is_timm,
    timm_name,
    timm_preprocessing,
    timm_size,
    timm_weights_sha256,
)
from ccx_cli.probe.networks.torchvision_models import DEFAULT_LAYERS, DEMO_CLASSES, MODELS
from ccx_cli.probe.weights.pretrained import check_pretrained, usual_weights
from ccx_cli.probe.weights.weight_files import weights_file

SINGLE = "single"

DEMO_WEIGHTS = Path(__file__).parents[1] / "demo" / "weights.safetensors"


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network that was asked for, resolved without loading anything.

    Attributes
    ----------
    model : str
        One of ``MODELS``, ``timm:NAME``, or a factory of the user's own, such as
        ``/home/me/nets.py:make``.
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
        0 for a network of timm or a factory, which has its own number.
    model_args : tuple of str
        Arguments of the factory, or of ``timm.create_model``, as ``key=value``.
    resized : tuple of int or None
        Height and width that the images are resized to, where that is not ``input_side``.
    precision : str
        ``single``, or the type of number that the forward pass takes where it can: ``float16``
        or ``bfloat16``.
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
    precision: str = SINGLE

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self.resized or (self.input_side, self.input_side)

    @property
    def is_own(self) -> bool:
        """Whether the user's own code makes the network."""
        return is_own(self.model)

    @property
    def is_timm(self) -> bool:
        """Whether timm makes the network."""
        return is_timm(self.model)

    @property
    def gives_weights(self) -> bool:
        """Whether whatever makes the network gives its weights too, with no file or seed alone."""
        return self.weights is None and (self.is_own or self.pretrained == "timm")

    @property
    def name(self) -> str:
        """The model's name, fit for a directory."""
        if self.is_timm:
            return timm_name(self.model)
        return short_name(self.model) if self.is_own else self.model

    def describe(self) -> str:
        """Return the network in words: ``resnet18 (places365), layer4``."""
        return f"{self.describe_network()}, {self.layer}"

    def describe_network(self) -> str:
        """Return the network without its layer in words: ``resnet18 (places365, float16)``."""
        precision = "" if self.precision == SINGLE else f", {self.precision}"
        return f"{self.name} ({self.pretrained}{precision})"

    @property
    def title(self) -> str:
        """Begin the names of its activations and runs with it."""
        return f"{self.name}-{self.pretrained}-{self.layer}"

    def about(self) -> dict[str, Any]:
        """Return what a run's header says of the network."""
        return {
            "model": self.model,
            **({"model_args": list(self.model_args)} if self.is_own or self.model_args else {}),
            "pretrained": self.pretrained,
            "weights": None if self.weights is None else str(self.weights.absolute()),
            "seed": self.seed,
            "input_size": list(self.input_size),
            "mean": list(self.mean),
            "std": list(self.std),
            "precision": self.precision,
            "layer": self.layer,
        }


def choose_network(
    models_root: Path,
    model: str,
    pretrained: str | None,
    layer: str | None,
    weights: Path | None,
    seed: int,
    model_args: Sequence[str] = (),
    asked: Preprocessing | None = None,
    precision: str = SINGLE,
) -> NetworkChoice:
    """Resolve the options that name a network, looking up the file of its weights.

    Parameters
    ----------
    models_root : Path
        Where published weights lie, in ``places365/`` and ``imagenet/``.
    model : str
        One of ``MODELS``, ``timm:NAME``, or ``file.py:factory`` or ``package.module:factory``: a
        callable that returns a ``torch.nn.Module``.
    pretrained : str or None
        One of ``PRETRAINED``; None means ``demo`` for the demo network, ``own`` for a factory or
        a network of timm with a file of weights, else ``places365``.
    layer : str or None
        Dotted path of a module; None means the default layer of the model, which networks of
        timm and of factories have not.
    weights : Path or None
        A file to use in place of the published one.
    seed : int
        Seed of an untrained network.
    model_args : sequence of str
        Arguments of a factory, or of ``timm.create_model``, as ``key=value``.
    asked : Preprocessing or None
        Input size and normalisation to take in place of the network's own.
        Unless it says all, those of a network of timm are asked of timm, which imports torch.
    precision : str
        ``single``, ``float16`` or ``bfloat16``.

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
    elif is_timm(model):
        read_arguments(model_args)
    elif model not in MODELS:
        raise UsageError(f"--model {model} is not known{_mend(model)}")
    elif model_args:
        raise UsageError(
            f"--model-arg {model_args[0]} is for a factory of your own or a network of timm: leave "
            f"it out for {model}."
        )
    if pretrained is None:
        pretrained = usual_weights(model, weights)
    check_pretrained(model, pretrained, weights)
    if layer is None:
        layer = default_layer(model)
    asked = asked or Preprocessing()
    file = weights_file(models_root, model, pretrained, weights)
    side = 227 if model == "alexnet" else 224
    if is_timm(model):
        asked = _filled_in(asked, model, model_args)
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
        if is_own(model) or is_timm(model)
        else {"imagenet": 1000, "demo": len(DEMO_CLASSES)}.get(pretrained, 365),
        model_args=tuple(model_args),
        resized=None if size == (side, side) else size,
        precision=precision,
    )


def _filled_in(asked: Preprocessing, model: str, model_args: Sequence[str]) -> Preprocessing:
    asked = replace(asked, size=asked.size or timm_size(model_args))
    if asked.size and asked.mean and asked.std:
        return asked
    own = timm_preprocessing(model)
    return Preprocessing(asked.size or own.size, asked.mean or own.mean, asked.std or own.std)


def default_layer(model: str) -> str:
    """Return the path of the last convolutional, or encoder, block of ``model``.

    Raises
    ------
    UsageError
        If it is timm's or a factory's, which have none, or the model is not known.
    """
    for family, layer in DEFAULT_LAYERS.items():
        if model.startswith(family) and ":" not in model:
            return layer
    raise UsageError(
        f"--model {model} needs --layer, one of those that `ccx layers --model "
        f"{shlex.quote(model)}` lists, or all-blocks."
    )


def weights_sha256(choice: NetworkChoice) -> str:
    """Return the SHA-256 of the weights' file in hexadecimal, or ``seed:<n>`` for untrained ones.

    For a factory without a file, and for what timm published, it is that of the state dict, for
    which the network is built.

    Raises
    ------
    MissingInputError
        If the file is not there any more.
    DamagedDataError
        If it cannot be read.
    CcxError
        If the factory fails.
    """
    if choice.pretrained == "timm":
        return timm_weights_sha256(choice.model, choice.model_args)
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
