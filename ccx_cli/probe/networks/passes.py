"""Runs images through a network, and hears what its layers give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import CcxError
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.layouts import first_tensor
from ccx_cli.probe.networks.own_networks import raised


class LayersDone(Exception):  # noqa: N818 - it ends a forward pass early, nothing is wrong
    """Raised where all outputs that were wanted are there."""


@contextmanager
def hearing(layers: Mapping[str, nn.Module], keep: Callable[[str, Any], None]) -> Iterator[None]:
    """Call ``keep`` with the name and each output of layers; it ends the pass by ``LayersDone``.

    Of a tuple, its first tensor counts, as is usual of attention and its weights.
    """

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _layer, _inputs, output: keep(name, first_tensor(output))

    hooks = [layer.register_forward_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    except LayersDone:
        pass
    finally:
        for each in hooks:
            each.remove()


def blank_images(
    choice: NetworkDescription, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a blank image of the input's size, and one of half of it, ``(1, 3, h, w)`` each."""
    height, width = choice.input_size
    blank = torch.zeros(1, 3, height, width, device=device)
    return blank, blank[:, :, : height // 2, : width // 2]


def noise_images(choice: NetworkDescription, device: torch.device) -> torch.Tensor:
    """Return two images of normal noise of the input's size, ``(2, 3, h, w)``."""
    noise = torch.randn(2, 3, *choice.input_size, generator=torch.Generator().manual_seed(0))
    return noise.to(device)


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Undo what forward passes set in a network, as Swin its window to that of a small image."""
    before = [(part, dict(vars(part))) for part in module.modules()]
    try:
        yield
    finally:
        for part, attributes in before:
            vars(part).clear()
            vars(part).update(attributes)


def run_blank(module: nn.Module, choice: NetworkDescription, images: torch.Tensor) -> None:
    """Run images through the whole network; CcxError if its forward pass fails."""
    with accepting(choice, images), computing(choice.precision, images.device):
        module(images)


_MENDS = (
    (
        "channels, but got [13] channels",
        "ccx gives it three color channels, or their gray value: let the factory return a network "
        "that makes its own channels of three",
    ),
    (
        "should be the same|the same dtype|scalar type",
        "its weights are of several types: return `network.float()` from the factory",
    ),
)
"""What to do where the error of a network of the user's own matches."""


@contextmanager
def accepting(choice: NetworkDescription, images: torch.Tensor) -> Iterator[None]:
    """Raise what a forward pass of ``images`` raises as a ``CcxError`` that names the network."""
    try:
        yield
    except (LayersDone, CcxError):
        raise
    except Exception as error:
        height, width = images.shape[2:]
        mend = "the traceback shows where"
        if choice.resized is not None:
            mend = f"try another `input_size`, or leave it out; {mend}"
        if choice.is_own and len(images) > 1:
            mend = f"if it takes one image at a time, add `batch_size` 1; {mend}"
        for pattern, own_mend in _MENDS:
            if choice.is_own and re.search(pattern, str(error)):
                mend = own_mend
        if choice.library is not None:
            mend = choice.library.mend_size(choice.model_args, (height, width)) or mend
        raise CcxError(
            f"{choice.name} cannot take {_said(len(images))} of {height} x {width} pixels, its "
            f"forward pass raises {raised(error)} ({mend})."
        ) from error


def _said(images: int) -> str:
    return "an image" if images == 1 else f"{images} images"


def check_repeats(first: torch.Tensor, second: torch.Tensor, choice: NetworkDescription) -> None:
    """Refuse a layer with other values for the same image."""
    if not alike(first, second):
        raise CcxError(
            f"Layer {choice.layer} of {choice.name} gives other values for the same image at each "
            "forward pass: leave out what draws random numbers there, such as dropout without "
            "`training=self.training`."
        )


def check_batch(alone: torch.Tensor, together: torch.Tensor, choice: NetworkDescription) -> None:
    """Refuse a layer with other values for the same image where another one is in its batch."""
    if len(together) in {1, 2} and not alike(alone, together[:1]):
        raise CcxError(
            f"Layer {choice.layer} of {choice.name} gives other values for an image that has "
            "others in its batch: leave out what computes over a batch, such as batch "
            "normalization without running statistics."
        )


def alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Tell whether tensors are equal but for last digits, in which batches and GPUs may differ."""
    finite = first[first.isfinite()]
    largest = float(finite.abs().max()) if len(finite) else 0.0
    return torch.allclose(first, second, rtol=0.01, atol=0.01 * largest, equal_nan=True)
