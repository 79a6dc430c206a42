"""Loads a network and runs images through it, up to one layer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import CcxError, UsageError, suggestion
from ccx_cli.probe.building import load_module
from ccx_cli.probe.catalog import NetworkChoice
from ccx_cli.probe.layouts import MAPS, Layout, layout_of


@dataclass(frozen=True)
class Network:
    """A loaded network, ready to be probed at one layer.

    Attributes
    ----------
    choice : NetworkChoice
        What was asked for.
    module : torch.nn.Module
        The network, in evaluation mode, on ``device``, without gradients.
    device : torch.device
        Where it runs.
    weights_sha256 : str
        SHA-256 of the weights' file, ``seed:<n>`` for an untrained network, or the SHA-256 of the
        state dict that a factory gave.
    units : int
        Channels of the layer's output.
    map_shape : tuple of int
        Height and width of a unit's map, for inputs of ``choice.input_size``.
    layout : Layout or None
        Where in the layer's output the units are; None for ``(images, units, height, width)``.
    layer_calls : int
        How often one forward pass runs the layer (a ReLU may be shared); its last output counts.
    """

    choice: NetworkChoice
    module: nn.Module
    device: torch.device
    weights_sha256: str
    units: int
    map_shape: tuple[int, int]
    layer_calls: int = 1
    layout: Layout | None = None

    def maps(self, output: torch.Tensor) -> torch.Tensor:
        """Return the layer's output as ``(images, units, h, w)``."""
        return output if self.layout is None else self.layout.maps(output)

    def output(self, maps: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        """Return other maps as the layer's output, as ``Layout.output`` does."""
        return maps if self.layout is None else self.layout.output(maps, plain)


class _LayerDone(Exception):  # noqa: N818 - it ends a forward pass early, nothing is wrong
    pass


def load_network(choice: NetworkChoice, device: str = "cpu") -> Network:
    """Build the network that was chosen, with its weights, and try its layer on a blank image.

    Parameters
    ----------
    choice : NetworkChoice
        From ``choose_network``.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    UsageError
        If the device is not there, or the layer is not, or gives no maps.
    MissingInputError
        If the file of the weights is not there.
    DamagedDataError
        If that file cannot be read or does not fit the model.
    CcxError
        If the layer's output is not finite, or the network cannot take an image.
    """
    place = resolve_device(device)
    module, identity = load_module(choice, place)
    layer = _find_layer(module, choice)
    layout, calls = _try_layer(module, layer, choice, place)
    return Network(
        choice=choice,
        module=module,
        device=place,
        weights_sha256=identity,
        units=layout.units,
        map_shape=layout.map_shape,
        layer_calls=calls,
        layout=None if layout.kind == MAPS else layout,
    )


def layer_activations(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Return what the layer of ``network`` answers to ``images``.

    Parameters
    ----------
    network : Network
        From ``load_network``.
    images : torch.Tensor, float32, shape (n_images, 3, height, width)
        Normalised images, on any device.

    Returns
    -------
    torch.Tensor, float32, shape (n_images, units, height, width)
        On the CPU, contiguous.

    Raises
    ------
    CcxError
        If a value is NaN or infinite.
    """
    layer = network.module.get_submodule(network.choice.layer)
    outputs, _ = _run_layer(
        network.module, layer, images.to(network.device), stop_after=network.layer_calls
    )
    maps = network.maps(_finite(outputs, network.choice))
    return maps.to("cpu", torch.float32).contiguous()


def resolve_device(name: str) -> torch.device:
    """Return the device called ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` (a GPU if there is one).

    Raises
    ------
    UsageError
        If the name is none of these, or there is no such GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not re.fullmatch(r"cuda(:\d{1,3})?", name, re.ASCII):
        raise UsageError(f"--device {name} is not known: it is cpu, cuda, cuda:N or auto.")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UsageError(f"--device {name}: there is no CUDA GPU here, take --device cpu.")
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise UsageError(f"--device {name}: the last GPU here is cuda:{count - 1}.")
    return device


def _find_layer(module: nn.Module, choice: NetworkChoice) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    layers.pop("", None)
    if choice.layer not in layers:
        children = ", ".join(name for name, _ in module.named_children())
        near = suggestion(choice.layer, layers) or f": it has {children}, and what is in them."
        words = ["ccx", "layers", "--model", choice.model]
        words += [word for given in choice.model_args for word in ("--model-arg", given)]
        raise UsageError(
            f"--layer {choice.layer} is not a layer of {choice.name} (`{shlex.join(words)}` lists "
            f"them){near}"
        )
    return layers[choice.layer]


def blank_images(choice: NetworkChoice, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a blank image of the input's size, and one of half of it, ``(1, 3, h, w)`` each."""
    height, width = choice.input_size
    blank = torch.zeros(1, 3, height, width, device=device)
    return blank, blank[:, :, : height // 2, : width // 2]


def run_blank(module: nn.Module, choice: NetworkChoice, images: torch.Tensor) -> None:
    """Run images through the whole network.

    Raises
    ------
    CcxError
        If its forward pass fails.
    """
    with _accepting(choice, images), torch.inference_mode(), _full_precision(images.device):
        module(images)


@contextmanager
def _accepting(choice: NetworkChoice, images: torch.Tensor) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        height, width = images.shape[2:]
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise CcxError(
            f"{choice.name} cannot take an image of {height} x {width} pixels, its forward pass "
            f"raises {type(error).__name__}: {said} (--debug shows where)."
        ) from error


def _try_layer(
    module: nn.Module, layer: nn.Module, choice: NetworkChoice, device: torch.device
) -> tuple[Layout, int]:
    """Return how the layer's output is laid out, and how often the layer ran."""
    blank, half = blank_images(choice, device)
    with _accepting(choice, blank):
        output, calls = _run_layer(module, layer, blank)
    if calls == 0:
        raise UsageError(
            f"--layer {choice.layer} of {choice.name} does nothing in a forward pass: name one "
            "that does with --layer."
        )
    if not isinstance(output, torch.Tensor):
        raise _no_maps(choice, f"a {type(output).__name__}")
    shape = tuple(output.shape)
    if not output.is_floating_point():
        raise _no_maps(choice, f"{shape} of {output.dtype}")
    other: tuple[int, ...] | None = None
    with suppress(Exception):  # A network for one input size only.
        smaller, _ = _run_layer(module, layer, half, stop_after=calls)
        other = tuple(smaller.shape)
    layout = layout_of(shape, choice.input_size, other)
    if layout is None:
        raise _no_maps(choice, f"{shape}")
    _finite(output, choice)
    return layout, calls


def _run_layer(
    module: nn.Module, layer: nn.Module, images: torch.Tensor, stop_after: int | None = None
) -> tuple[Any, int]:
    """Return the last output of the layer and how often it ran, ending after ``stop_after``."""
    output: Any = None
    calls = 0

    def keep(_layer: nn.Module, _inputs: Any, result: Any) -> None:
        nonlocal output, calls
        output = result
        calls += 1
        if calls == stop_after:
            raise _LayerDone

    hook = layer.register_forward_hook(keep)
    try:
        with torch.inference_mode(), _full_precision(images.device):
            module(images)
    except _LayerDone:
        pass
    finally:
        hook.remove()
    return output, calls


def _full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Keep a GPU to float32: by default its convolutions round to the 10 bits of TF32."""
    if device.type != "cuda":
        return nullcontext()
    return _cudnn_float32()


@contextmanager
def _cudnn_float32() -> Iterator[None]:
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


def _finite(output: torch.Tensor, choice: NetworkChoice) -> torch.Tensor:
    if not bool(torch.isfinite(output).all()):
        raise CcxError(
            f"Layer {choice.layer} of {choice.name} gives values that are NaN or infinite: check "
            f"the weights in {choice.weights or 'use'}."
        )
    return output


def _no_maps(choice: NetworkChoice, shape: str) -> UsageError:
    return UsageError(
        f"--layer {choice.layer} of {choice.name} gives {shape} for one image, neither maps "
        "(images, units, height, width) nor tokens on a grid nor a vector: name another with "
        "--layer."
    )
