"""Builds a network, loads its weights and runs images through it, up to one layer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import CcxError, UsageError, suggestion
from ccx_cli.probe.catalog import DEMO, NetworkChoice, weights_sha256
from ccx_cli.probe.checkpoints import load_into, load_state, num_outputs


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
        SHA-256 of the weights' file, or ``seed:<n>`` for an untrained network.
    units : int
        Channels of the layer's output.
    map_shape : tuple of int
        Height and width of a unit's map, for inputs of ``choice.input_side``.
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
        If the layer's output is not finite.
    """
    place = resolve_device(device)
    module = _with_weights(choice)
    layer = _find_layer(module, choice)
    module.requires_grad_(False).eval().to(place)
    shape, calls = _try_layer(module, layer, choice, place)
    return Network(
        choice=choice,
        module=module,
        device=place,
        weights_sha256=weights_sha256(choice),
        units=shape[1],
        map_shape=(shape[2], shape[3]),
        layer_calls=calls,
    )


def layer_activations(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Return what the layer of ``network`` answers to ``images``.

    Parameters
    ----------
    network : Network
        From ``load_network``.
    images : torch.Tensor, float32, shape (n_images, 3, side, side)
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
    return _finite(outputs, network.choice).to("cpu", torch.float32).contiguous()


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


def _with_weights(choice: NetworkChoice) -> nn.Module:
    if choice.pretrained == "none":
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: it would also seed the GPUs, whose state is not restored.
            torch.default_generator.manual_seed(choice.seed)
            return _build(choice, choice.num_classes)
    if choice.weights is None:
        from ccx_cli.probe.demo.network import load_demo_network

        return load_demo_network()
    state = load_state(choice.weights)
    with torch.random.fork_rng(devices=[]):
        module = _build(choice, choice.num_classes)
        num_classes = num_outputs(module, state, choice.num_classes)
        if num_classes != choice.num_classes:
            module = _build(choice, num_classes)
    load_into(module, state, choice.weights, choice.model)
    return module


def _build(choice: NetworkChoice, num_classes: int) -> nn.Module:
    if choice.model == DEMO:
        from ccx_cli.probe.demo.network import DemoNetwork

        return DemoNetwork(num_classes)
    # The demo network must not wait for torchvision's import.
    from torchvision import models

    options: dict[str, Any] = {}
    if choice.model in {"googlenet", "inception_v3"}:
        # Their ImageNet weights expect inputs in [-1, 1], which `transform_input` makes of ours.
        is_published = choice.pretrained == "imagenet"
        options = {
            "aux_logits": False,
            "init_weights": False,
            "transform_input": is_published,
        }
    module: nn.Module = models.get_model(
        choice.model, weights=None, num_classes=num_classes, **options
    )
    return module


def _find_layer(module: nn.Module, choice: NetworkChoice) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    layers.pop("", None)
    if choice.layer not in layers:
        children = ", ".join(name for name, _ in module.named_children())
        near = suggestion(choice.layer, layers) or f": it has {children}, and what is in them."
        raise UsageError(f"--layer {choice.layer} is not a layer of {choice.model}{near}")
    return layers[choice.layer]


def _try_layer(
    module: nn.Module, layer: nn.Module, choice: NetworkChoice, device: torch.device
) -> tuple[torch.Size, int]:
    """Return the shape of the layer's output for one image, and how often the layer ran."""
    side = choice.input_side
    output, calls = _run_layer(module, layer, torch.zeros(1, 3, side, side, device=device))
    if calls == 0:
        raise UsageError(
            f"--layer {choice.layer} of {choice.model} does nothing in a forward pass: name one "
            "that does with --layer."
        )
    if not isinstance(output, torch.Tensor):
        raise _no_maps(choice, f"a {type(output).__name__}")
    shape = output.shape
    if len(shape) != 4 or shape[0] != 1 or not output.is_floating_point():
        kind = "" if output.is_floating_point() else f" of {output.dtype}"
        raise _no_maps(choice, f"{tuple(shape)}{kind}")
    # Where the channels come last, the second axis is a height, and shrinks with the image.
    half = torch.zeros(1, 3, side // 2, side // 2, device=device)
    try:
        smaller, _ = _run_layer(module, layer, half, stop_after=calls)
    except (AssertionError, RuntimeError, ValueError):
        pass  # A network for one input size only.
    else:
        if isinstance(smaller, torch.Tensor) and smaller.shape[1] != shape[1]:
            raise _no_maps(choice, f"{tuple(shape)}, the units not second,")
    _finite(output, choice)
    return shape, calls


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
            f"Layer {choice.layer} of {choice.model} gives values that are NaN or infinite: check "
            f"the weights in {choice.weights or 'use'}."
        )
    return output


def _no_maps(choice: NetworkChoice, shape: str) -> UsageError:
    return UsageError(
        f"--layer {choice.layer} of {choice.model} gives {shape} for one image, not (images, "
        "units, height, width): name a convolutional layer with --layer."
    )
