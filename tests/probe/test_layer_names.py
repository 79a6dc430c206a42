"""The table of layers that completion reads, against the networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.layer_names import layer_names
from ccx_cli.probe.networks.layers import list_layers
from ccx_cli.probe.networks.torchvision_models import DEFAULT_LAYERS, KNOWN
from tools.name_layers import name_layers


@pytest.mark.parametrize("model", ["demo", "resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_are_those_that_are_listed(model: str) -> None:
    pretrained = "demo" if model == "demo" else "none"
    choice = choose_network(Path(), NetworkRequest(model, pretrained))
    assert layer_names(model) == [layer.name for layer in list_layers(choice)]


@pytest.mark.parametrize("model", KNOWN)
def test_every_model_has_its_default_layer(model: str) -> None:
    family = next(name for name in DEFAULT_LAYERS if model.startswith(name))
    assert DEFAULT_LAYERS[family] in layer_names(model)


def test_an_unknown_model_has_none() -> None:
    assert layer_names("resnet") == []


@pytest.mark.parametrize(
    "model",
    [
        model
        if model
        in {"vgg11", "vit_b_32", "regnet_x_400mf", "ssd300_vgg16", "lraspp_mobilenet_v3_large"}
        else pytest.param(model, marks=pytest.mark.slow)
        for model in KNOWN
    ],
)
def test_the_table_is_current(model: str) -> None:
    assert layer_names(model) == name_layers(model), "run: python -m tools.name_layers"
