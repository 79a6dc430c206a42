"""The demo network: its shape and its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.networks.demo_network import DemoNetwork, load_demo_network
from ccx_cli.probe.networks.description import DEMO_WEIGHTS
from ccx_cli.probe.networks.torchvision_models import DEMO_CLASSES


@pytest.mark.parametrize(("side", "cells"), [(224, 28), (227, 29)])
def test_layer4_gives_maps_without_negative_values(side: int, cells: int) -> None:
    network = load_demo_network()
    seen: list[torch.Tensor] = []
    network.get_submodule("layer4").register_forward_hook(
        lambda _module, _inputs, output: seen.append(output)
    )
    with torch.no_grad():
        scores = network(torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, len(DEMO_CLASSES))
    assert seen[0].shape == (2, 48, cells, cells)
    assert seen[0].dtype == torch.float32
    assert float(seen[0].min()) == 0.0


def test_the_number_of_classes_can_be_chosen() -> None:
    assert DemoNetwork(365)(torch.zeros(1, 3, 224, 224)).shape == (1, 365)


def test_the_packaged_weights_are_small_and_in_evaluation_mode() -> None:
    assert DEMO_WEIGHTS.stat().st_size < 1_000_000
    network = load_demo_network()
    assert not network.training
    assert all(value.dtype == torch.float32 for value in network.parameters())


def test_missing_and_damaged_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"absent\.safetensors"):
        load_demo_network(tmp_path / "absent.safetensors")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(DEMO_WEIGHTS.read_bytes()[:1000])
    with pytest.raises(DamagedDataError, match=r"torn\.safetensors"):
        load_demo_network(torn)
