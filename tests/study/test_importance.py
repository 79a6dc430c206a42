from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.probe.interventions import Intervention
from ccx_cli.probe.networks.layouts import MAPS, Layout
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.ranges import Range
from ccx_cli.study.importance import cluster_importance, unit_importance

if TYPE_CHECKING:
    from tests.golden_classifier import golden_batches, golden_classifier
    from tests.golden_data import GoldenNetwork
else:
    from golden_classifier import golden_batches, golden_classifier
    from golden_data import GoldenNetwork


def test_changed_predictions_are_the_recorded_ones(
    golden_network: GoldenNetwork, golden: BrodenDataset
) -> None:
    network = golden_classifier(golden_network.name)
    units = golden_network.record["importance_units"]
    ranges = {unit: golden_network.ranges(5)[unit] for unit in units}
    with golden_batches(network, golden) as batches:
        found = cluster_importance(network, batches, ranges)
    assert [each.changed for each in found] == golden_network.record[
        "importance_changed_predictions"
    ]
    assert [each.images for each in found] == [48] * 5
    assert all(0 < each.zeroed < 1 for each in found)


def test_one_unit_at_a_time_is_what_a_hook_by_hand_gives(golden: BrodenDataset) -> None:
    network = golden_classifier("places365")
    ranges = {0: (Range(2.0, 20.0), Range(20.0, 90.0)), 2: (Range(1e8, 2e8),)}
    with golden_batches(network, golden) as batches:
        images = torch.cat(list(batches))
    found = unit_importance(network, [images[:20], images[20:]], ranges, versions=2)
    assert [(each.unit, each.cluster) for each in found] == [(0, 0), (0, 1), (2, 0)]

    module = network.module
    with torch.inference_mode():
        plain = module(images).softmax(1)
        predicted = plain.argmax(1)
    for each in found[:2]:
        r = ranges[0][each.cluster]
        fires = torch.zeros(len(images), dtype=torch.bool)

        def zero(_m: nn.Module, _i: object, output: torch.Tensor, r: Range = r,
                 fires: torch.Tensor = fires) -> torch.Tensor:  # fmt: skip
            output = output.clone()
            inside = (output[:, 0] > r.lower) & (output[:, 0] < r.upper)
            fires.copy_(inside.flatten(1).any(1))
            output[:, 0][inside] = 0
            return output

        hook = module.layer4.register_forward_hook(zero)  # type: ignore[union-attr]
        with torch.inference_mode():
            after = module(images).softmax(1)
        hook.remove()
        changed = (after.argmax(1) != predicted) & fires
        drops = (plain - after).gather(1, predicted[:, None])[:, 0][fires]
        assert each.images == int(fires.sum())
        assert each.changed == int(changed.sum())
        # Probabilities are float32, summed over up to 48 images.
        assert each.drop == pytest.approx(float(drops.mean()), abs=1e-6)
    assert found[2].images == 0
    assert found[2].drop is None
    assert found[2].classes == []


class _Around(nn.Module):
    """A network with a path around its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, 2, 1)
        self.fc = nn.Linear(4 + 3, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        around = images.mean((2, 3))
        scores: torch.Tensor = self.fc(torch.cat([self.layer(images).mean((2, 3)), around], 1))
        return scores


def test_a_path_around_the_layer_is_no_obstacle() -> None:
    torch.manual_seed(0)
    golden = golden_classifier("none")
    module = _Around().eval()
    choice = golden.choice.__class__(
        **{
            **{name: getattr(golden.choice, name) for name in golden.choice.__slots__},
            "layer": "layer",
        }
    )
    network = Network(choice, module, torch.device("cpu"), "x", Layout(MAPS, 4, (112, 112)))
    images = torch.rand(3, 3, 224, 224)
    scores = Intervention(network).scores(
        images, lambda output: torch.stack([output, output * 0]), 2
    )
    with torch.inference_mode():
        expected = module(images)
    # Convolutions of other batch sizes may sum in another order.
    np.testing.assert_allclose(scores[0], expected, atol=1e-6)
    assert not np.allclose(scores[1], expected, atol=1e-4)
