from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.layers import list_layers, main_blocks


def blocks_of(model: str) -> list[str]:
    choice = choose_network(Path("nowhere"), NetworkRequest(model, "none", ""))
    return [layer.name for layer in list_layers(choice) if layer.is_block]


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        ("resnet18", ["layer1", "layer2", "layer3", "layer4"]),
        ("squeezenet1_1", [f"features.{place}" for place in (3, 4, 6, 7, 9, 10, 11, 12)]),
        ("regnet_x_400mf", [f"trunk_output.block{place}" for place in (1, 2, 3, 4)]),
        ("shufflenet_v2_x0_5", ["conv1", "stage2", "stage3", "stage4", "conv5"]),
        ("alexnet", ["features.1", "features.4", "features.11", "avgpool"]),
        pytest.param(
            "vit_b_32",
            [f"encoder.layers.encoder_layer_{place}" for place in range(12)],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "convnext_tiny",
            [f"features.{place}" for place in range(8)],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_known_networks(model: str, blocks: list[str]) -> None:
    assert blocks_of(model) == blocks


def conv(units: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(units, units, 1), nn.ReLU())


def maps_of(module: nn.Module) -> dict[str, tuple[int, int]]:
    return {name: (4, 4) for name, _ in module.named_modules() if name}


def test_the_outermost_module_with_three_blocks_has_them() -> None:
    body = nn.Sequential(*(nn.Sequential(conv(2), conv(2), conv(2)) for _ in range(3)))
    module = nn.Sequential(conv(2), body, nn.Linear(2, 2))
    assert main_blocks(module, maps_of(module)) == ["1.0", "1.1", "1.2"]


class Stem(nn.Module):
    """A block that is no sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)


def test_stages_in_one_sequence_between_stem_and_head_are_blocks_themselves() -> None:
    stages = nn.Sequential(conv(2), conv(2), conv(2))
    module = nn.Sequential(Stem(), stages, Stem())
    assert main_blocks(module, maps_of(module)) == ["0", "1.0", "1.1", "1.2", "2"]
    module = nn.Sequential(Stem(), nn.Sequential(conv(2), conv(2)), Stem())
    assert main_blocks(module, maps_of(module)) == ["0", "1", "2"]


def test_two_blocks_are_taken_where_no_module_has_three() -> None:
    module = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(conv(2), conv(2)))
    assert main_blocks(module, maps_of(module)) == ["1.0", "1.1"]


def test_modules_without_weights_inside_or_of_one_pixel_are_no_blocks() -> None:
    activation = nn.Sequential(nn.ReLU(), nn.Identity())
    module = nn.Sequential(conv(2), activation, conv(2), conv(2), conv(2))
    maps = maps_of(module) | {"4": (1, 1)}
    assert main_blocks(module, maps) == ["0", "2", "3"]


def test_a_plain_chain_gives_the_last_layer_of_each_size() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    maps = {"0": (4, 4), "1": (4, 4), "2": (2, 2), "3": (1, 1)}
    assert main_blocks(module, maps) == ["1", "2"]
    assert main_blocks(module, {"3": (1, 1)}) == []
