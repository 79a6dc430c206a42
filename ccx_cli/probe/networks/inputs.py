"""What networks of other code take in place of three color channels in float32."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.description import SINGLE, NetworkDescription
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.layouts import first_tensor

# Of red, green and blue, as in Pillow and the standard ITU-R 601.
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class Input:
    """How a network takes images: ``channels`` 3 or, as gray values, 1, and the type of numbers."""

    channels: int = 3
    dtype: torch.dtype = torch.float32

    def describe(self) -> str:
        """Return what is unusual: ``gray values in float64``."""
        kind = "gray values" if self.channels == 1 else "colors"
        return f"{kind} in {str(self.dtype).removeprefix('torch.')}"


USUAL = Input()


def fit_input(module: nn.Module, choice: NetworkDescription, device: torch.device) -> Input:
    """Find what a network takes by trying it, and let it convert the images that it gets.

    A network that takes three channels in float32 stays as it is, and so does one that takes none
    of these. A gray value is the luminance of the colors, normalized by the luminance of mean and
    standard deviation. UsageError if a network in another type is to compute in half precision.
    """
    if choice.is_own:
        # Code of the user's own may normalize the images in place.
        module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].clone(), *inputs[1:]))
    types = {each.dtype for each in module.parameters() if each.is_floating_point()}
    others = sorted(types - {torch.float32}, key=str)
    height, width = choice.input_size
    for channels, dtype in product((3, 1), (torch.float32, *others)):
        images = torch.zeros(1, channels, height, width, dtype=dtype, device=device)
        try:
            with computing(SINGLE, device):
                answer = first_tensor(module(images))
        except Exception:  # noqa: S112 - what is wrong with it is said where images are run.
            continue
        if isinstance(answer, torch.Tensor) and answer.shape[:1] not in {(), (1,)}:
            continue  # Its own reshaping made several images of the channels.
        found = Input(channels, dtype)
        if found != USUAL:
            _convert(module, found, choice)
        return found
    return USUAL


def _convert(module: nn.Module, wanted: Input, choice: NetworkDescription) -> None:
    if wanted.dtype != torch.float32 and choice.precision != SINGLE:
        raise UsageError(
            f"`precision` {choice.precision} is for networks in float32, and {choice.name} takes "
            f"{wanted.describe()}: leave it out."
        )
    weights = torch.tensor(_LUMINANCE) * torch.tensor(choice.std)
    weights = (weights / weights.sum()).reshape(3, 1, 1)

    def convert(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        images = inputs[0]
        if wanted.channels == 1:
            images = (images * weights.to(images.device)).sum(1, keepdim=True)
        return (images.to(wanted.dtype), *inputs[1:])

    module.register_forward_pre_hook(convert)
