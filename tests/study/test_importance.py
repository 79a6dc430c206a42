from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
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


def _network(module: nn.Module, layer: str, map_shape: tuple[int, int], calls: int = 1) -> Network:
    choice = replace(golden_classifier("none").choice, layer=layer)
    layout = Layout(MAPS, 4, map_shape)
    return Network(choice, module.eval(), torch.device("cpu"), "x", layout, calls)


def test_a_path_around_the_layer_is_no_obstacle() -> None:
    torch.manual_seed(0)
    module = _Around()
    network = _network(module, "layer", (112, 112))
    images = torch.rand(3, 3, 224, 224)
    scores = Intervention(network).scores(
        images, lambda output: torch.stack([output, output * 0]), 2
    )
    with torch.inference_mode():
        expected = module(images)
    # Convolutions of other batch sizes may sum in another order.
    np.testing.assert_allclose(scores[0], expected, atol=1e-6)
    assert not np.allclose(scores[1], expected, atol=1e-4)


class _Shared(nn.Module):
    """A network that runs its layer at two places, on maps of two sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.second = nn.Conv2d(4, 4, 3, 2, 1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(8, 5)

    def forward(self, images: torch.Tensor, low: float = 0, high: float = 0) -> torch.Tensor:
        """Class scores, without what of unit 1 lies between ``low`` and ``high`` at the end."""
        first = self.relu(self.first(images))
        last = self.relu(self.second(first)).clone()
        last[:, 1][(last[:, 1] > low) & (last[:, 1] < high)] = 0
        scores: torch.Tensor = self.fc(torch.cat([first.mean((2, 3)), last.mean((2, 3))], 1))
        return scores


def test_of_a_layer_that_runs_twice_the_last_output_is_ablated() -> None:
    torch.manual_seed(0)
    module = _Shared().requires_grad_(False)
    network = _network(module, "relu", (56, 56), calls=2)
    images = torch.rand(3, 3, 224, 224)
    low, high = 0.05, 10.0
    ranges = {1: (Range(low, high),)}
    last = module.relu(module.second(module.relu(module.first(images))))[:, 1]
    inside = (last > low) & (last < high)
    assert inside.flatten(1).any(1).all()
    plain, after = module(images).softmax(1), module(images, low, high).softmax(1)
    drops = (plain - after).gather(1, plain.argmax(1)[:, None])
    (unit,) = unit_importance(network, [images], ranges)
    (cluster,) = cluster_importance(network, [images], ranges)
    assert unit.images == 3
    assert unit.drop == pytest.approx(float(drops.mean()), abs=1e-6)
    assert cluster.zeroed == pytest.approx(float(inside.float().mean()))


def test_a_layer_that_runs_more_often_than_on_a_blank_image_is_refused() -> None:
    network = _network(_Shared(), "relu", (56, 56), calls=1)
    with pytest.raises(CcxError, match=r"relu .* \(2\) as for a blank one \(1\)"):
        unit_importance(network, [torch.rand(3, 3, 224, 224)], {1: (Range(0.05, 10.0),)})
