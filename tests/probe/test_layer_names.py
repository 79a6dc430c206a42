"""The table of layers that completion reads, against the networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.layer_names import TABLE, layer_names
from ccx_cli.probe.networks.layers import list_layers
from ccx_cli.probe.networks.torchvision_models import DEFAULT_LAYERS, MODELS
from tools.name_layers import name_layers, table_text, write_tree


@pytest.mark.parametrize("model", ["demo", "resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_are_those_that_are_listed(model: str) -> None:
    pretrained = "demo" if model == "demo" else "none"
    choice = choose_network(Path(), NetworkRequest(model, pretrained))
    assert layer_names(model) == [layer.name for layer in list_layers(choice)]


@pytest.mark.parametrize("model", ["vgg11", "vit_b_32", "regnet_x_400mf"])
def test_are_those_of_this_torchvision(model: str) -> None:
    assert layer_names(model) == name_layers(model)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_its_default_layer(model: str) -> None:
    family = next(name for name in DEFAULT_LAYERS if model.startswith(name))
    assert DEFAULT_LAYERS[family] in layer_names(model)


def test_an_unknown_model_has_none() -> None:
    assert layer_names("resnet") == []


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", "b.0", "b.1"], "a b-(0..1)"),
        (["f0", "f0.x", "f1", "f1.x", "f2"], "f0..1(x) f2"),
        (["b.0", "b.2"], "b-(0 2)"),
        (["x-0", "x-1.y"], "x-0 x-1-(y)"),
        (["l01", "l02"], "l01 l02"),
        ([], ""),
    ],
)
def test_a_tree(
    names: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_tree(names) == text
    table = tmp_path / "table.txt"
    table.write_text(f"one two: {text}\n")
    monkeypatch.setattr("ccx_cli.probe.networks.layer_names.TABLE", table)
    assert layer_names("two") == names


@pytest.mark.slow
def test_the_table_is_current() -> None:
    made = TABLE.read_text(encoding="utf-8")
    assert made == table_text(), "run: python -m tools.name_layers"
