"""The demo network: a small convolutional classifier of the demo scenes."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.networks.description import DEMO_WEIGHTS
from ccx_cli.probe.networks.torchvision_models import DEMO, DEMO_CLASSES
from ccx_cli.probe.weights.fitting import load_into
from ccx_cli.probe.weights.weight_sets import find_weights

LAYER4_UNITS = 48


class DemoNetwork(nn.Module):
    """A classifier of the demo scenes, in the order of ``DEMO_CLASSES``.

    Input of shape ``(n, 3, height, width)`` with ImageNet's mean and standard deviation; four
    blocks, the last of which gives maps of ``(n, 48, height / 8, width / 8)``; their means decide
    the class.
    """

    def __init__(self, num_classes: int = len(DEMO_CLASSES)) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(_block(3, 16, stride=2))
        self.layer2 = nn.Sequential(_block(16, 32, stride=2), _block(32, 32))
        self.layer3 = nn.Sequential(
            _block(32, 64, stride=2), _block(64, 64, dilation=2), _block(64, 64, dilation=4)
        )
        self.layer4 = _block(64, LAYER4_UNITS)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(LAYER4_UNITS, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the maps of ``layer4``, of shape ``(n, 48, height / 8, width / 8)``."""
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(images))))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores of the classes, of shape ``(n, num_classes)``."""
        scores: Tensor = self.fc(torch.flatten(self.avgpool(self.features(images)), 1))
        return scores


def _block(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(
        inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )
    return nn.Sequential(
        OrderedDict(conv=convolution, norm=nn.BatchNorm2d(outputs), relu=nn.ReLU())
    )


def load_demo_network(weights: Path = DEMO_WEIGHTS) -> DemoNetwork:
    """Return the trained demo network in evaluation mode, in float32."""
    network = DemoNetwork()
    try:
        load_into(network, find_weights(weights, network).tensors, weights, DEMO)
    except (MissingInputError, DamagedDataError) as error:
        raise type(error)(
            f"The demo network's weights {weights} cannot be read: reinstall ccx-cli, or make it "
            "anew with python -m tools.train_demo."
        ) from error
    return network.eval()
