"""How the numbers of a network lie in memory."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from ccx_cli.probe.networks.description import SINGLE, NetworkDescription
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.torchvision_models import COCO_MODELS, DEMO


def put_channels_last(module: nn.Module, choice: NetworkDescription, device: torch.device) -> None:
    """Let convolutions compute with channels last: faster on a CPU, and equal but for rounding.

    Not in half precision, where rounding shows; not in the demo's network, whose numbers are
    written down; not in detectors, where data decide what runs; nor in a network of the user's
    own, which may take a ``view`` of maps that only works with channels first. Another that fails
    with it is left as it was.
    """
    first = choice.is_own or choice.model == DEMO or choice.model in COCO_MODELS
    if first or device.type != "cpu" or choice.precision != SINGLE:
        return
    convert_conv2d_weight_memory_format(module, torch.channels_last)
    # A ``view`` of one image may work where that of two does not.
    images = torch.zeros(2, 3, *choice.input_size)
    try:
        with computing(SINGLE, device):
            module(images)
    except Exception:
        convert_conv2d_weight_memory_format(module, torch.contiguous_format)
