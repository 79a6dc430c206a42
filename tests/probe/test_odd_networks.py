"""Networks of a user's own whose layers share memory, draw random numbers or look at a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccx_cli.errors import CcxError
from ccx_cli.probe import attribution
from ccx_cli.probe.interventions import Intervention, has_classes
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import Network, layer_activations, load_network
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import SilentProgress
from ccx_cli.study.importance import cluster_importance, unit_importance
from ccx_cli.study.input_masks import InputMasking

SOURCE = """
import torch
from torch import nn


class Odd(nn.Module):
    def __init__(self, kind="", double=False):
        super().__init__()
        torch.manual_seed(0)
        self.kind = kind
        self.conv, self.fc = nn.Conv2d(3, 4, 3, 2), nn.Linear(4, 3)
        self.relu, self.same = nn.ReLU(inplace=True), nn.Identity()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)
        if double:
            self.double()

    def forward(self, images):
        if self.kind == "normalizes":
            images -= 0.5
        maps = self.conv(images)
        if self.kind == "batch":
            maps = self.norm(maps)
        after = self.relu(maps)
        if self.kind == "unused":
            after = maps
        if self.kind == "around":
            after = maps + after
        same = self.same(after)
        if self.kind == "renamed":
            after += 1
        pooled = same.mean((2, 3))
        if self.kind == "random":
            pooled = pooled + torch.rand_like(pooled)
        if self.kind == "centered":
            pooled = pooled - pooled.mean(0)
        scores = self.fc(pooled)
        return scores.softmax(1) if self.kind == "probabilities" else scores
"""

IMAGES = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
RANGES = {1: (Range(0.05, 10.0),)}


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    path = tmp_path / "odd_nets.py"
    path.write_text(SOURCE)
    return path


def odd(nets: Path, kind: str = "", layer: str = "relu", *, double: bool = False) -> Network:
    words = (f"kind={kind}", f"double={double}")
    request = NetworkRequest(f"{nets}:Odd", None, layer, model_args=words)
    return load_network(replace(choose_network(Path("nowhere"), request), resized=(16, 16)))


@pytest.mark.parametrize(("kind", "times"), [("", 1), ("unused", 1), ("around", 2)])
def test_a_layer_in_place_is_changed_for_all_that_have_its_input(
    nets: Path, kind: str, times: int
) -> None:
    network = odd(nets, kind)
    module: Any = network.module
    maps = module.conv(IMAGES).relu().detach()
    left = maps.clone()
    left[:, 1][(maps[:, 1] > 0.05) & (maps[:, 1] < 10)] = 0
    plain, after = (module.fc((each * times).mean((2, 3))).softmax(1) for each in (maps, left))
    (found,) = unit_importance(network, [IMAGES], RANGES)
    drops = (plain - after).gather(1, plain.argmax(1)[:, None])
    assert abs(float(drops.mean())) > 1e-3
    assert found.drop == pytest.approx(float(drops.mean()), abs=1e-6)
    effects = attribution.unit_importance(network, [IMAGES], 3, SilentProgress())
    weights = module.fc.weight[plain.argmax(1)]
    np.testing.assert_allclose(
        effects, (times * weights * maps.mean((2, 3))).abs().mean(0), rtol=1e-4
    )


@pytest.mark.parametrize("kind", ["random", "centered"])
def test_scores_that_depend_on_chance_or_other_images_are_refused(nets: Path, kind: str) -> None:
    network = odd(nets, kind)
    said = "other class scores at another forward pass, or with other images in its batch"
    with pytest.raises(CcxError, match=said):
        Intervention(network)
    with pytest.raises(CcxError, match=said):
        has_classes(network)


def test_a_layer_that_depends_on_other_images_is_refused(nets: Path) -> None:
    odd(nets, "batch", "conv")
    with pytest.raises(CcxError, match="other values for an image that has others in its batch"):
        odd(nets, "batch")


def test_a_layer_that_is_written_into_later_cannot_be_changed(nets: Path) -> None:
    network = odd(nets, "renamed", "same")
    assert float(layer_activations(network, IMAGES).min()) == 0
    with pytest.raises(CcxError, match="later writes into the output of same by another name"):
        Intervention(network)


def test_probabilities_go_through_no_other_softmax(nets: Path) -> None:
    scores, probabilities = odd(nets), odd(nets, "probabilities")
    wanted, found = (unit_importance(each, [IMAGES], RANGES) for each in (scores, probabilities))
    assert wanted[0].drop == pytest.approx(found[0].drop, abs=1e-6)
    masking = InputMasking("mean", 0, True, torch.device("cpu"))
    masks, maps = np.ones((4, 8, 8), np.float32), np.zeros((6, 7, 7), np.float32)
    of_each = [
        masking.outcome(maps, each.module(IMAGES).repeat(2, 1).numpy(), masks, Range(0, 1))
        for each in (scores, probabilities)
    ]
    np.testing.assert_allclose(of_each[0].values, of_each[1].values, rtol=1e-5)


def test_ends_of_ranges_in_double_precision_are_those_of_what_is_stored(nets: Path) -> None:
    network = odd(nets, double=True)
    module: Any = network.module
    exact = module.conv(IMAGES.double()).relu()[:, 1]
    stored = layer_activations(network, IMAGES)[:, 1].double()
    ends = float(stored[exact > stored].min()), float(stored[exact < stored].max())
    inside = (stored > ends[0]) & (stored < ends[1])
    assert ((exact > ends[0]) & (exact < ends[1])).sum() > inside.sum()
    ranges = {1: (Range(*ends),)}
    (found,) = cluster_importance(network, [IMAGES], ranges)
    assert found.zeroed == pytest.approx(float(inside.double().mean()), abs=1e-12)


def test_a_network_may_normalize_its_images_in_place(nets: Path) -> None:
    images = IMAGES.clone()
    network = odd(nets, "normalizes")
    first, second = (layer_activations(network, images) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(images, IMAGES)
