"""The golden networks themselves, rebuilt from their recorded weights."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.layouts import MAPS, Layout
from ccx_cli.probe.networks.loading import Network

GOLDEN = Path(__file__).with_name("golden")
_HALF = (0.5, 0.5, 0.5)


class RecordedMaps(nn.Module):
    """Puts the recorded maps in place of this machine's, which may differ in the last bits.

    Recorded ranges end at recorded activations, so that a last bit moves a pixel in or out.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        recorded = np.load(GOLDEN / f"activations_{name}.npy").swapaxes(0, 1)
        self.maps = torch.from_numpy(recorded.copy())

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Replace those of ``(n, 24, 7, 7)`` maps that are a recorded image's, but for rounding."""
        off = (maps[:, None] - self.maps).abs().amax((2, 3, 4))
        nearest = off.min(dim=1)
        # Sums of 147 to 216 products, each rounded to float32: 1e-5 is some hundred roundings.
        same = nearest.values <= 1e-5 * self.maps.abs().max()
        return torch.where(same[:, None, None, None], self.maps[nearest.indices], maps)


class GoldenClassifier(nn.Module):
    """The network of ``tests/golden/README.md``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 7, 4, 3)
        self.conv2 = nn.Conv2d(12, 24, 3, 2, 1)
        self.layer4 = nn.Sequential(
            nn.Conv2d(24, 24, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), RecordedMaps(name)
        )
        self.fc = nn.Linear(24, 365)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores of ``(n, 3, 224, 224)`` normalised images."""
        low = torch.relu(self.conv2(torch.relu(self.conv1(images))))
        scores: torch.Tensor = self.fc(self.layer4(low).mean((2, 3)))
        return scores


def golden_classifier(name: str) -> Network:
    """Load ``none`` or ``places365``."""
    module = GoldenClassifier(name).eval().requires_grad_(False)
    with np.load(GOLDEN / f"weights_{name}.npz") as weights:
        module.load_state_dict({key: torch.from_numpy(weights[key]) for key in weights})
    mean, std = (_HALF, _HALF) if name == "none" else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    choice = NetworkDescription("golden", name, "layer4", None, 0, 224, mean, std, 365)
    return Network(choice, module, torch.device("cpu"), "golden", Layout(MAPS, 24, (7, 7)))


@contextmanager
def golden_batches(network: Network, dataset: BrodenDataset) -> Iterator[Iterator[torch.Tensor]]:
    """All images, normalised for a network, in batches of 16."""
    with ThreadPoolExecutor(2) as pool:
        yield image_batches(dataset, network.choice, range(len(dataset.rows)), 16, pool)
