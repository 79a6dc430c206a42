"""``ccx layers``: the layers of a network."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import load_network

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

SMALL = ["--model", "shufflenet_v2_x0_5"]


def test_every_listed_layer_is_what_loading_finds(unused: CommandLine) -> None:
    ended = unused("layers", *SMALL, "-f", "jsonl")
    assert ended.code == 0
    names = [line["layer"] for line in ended.lines]
    assert {"conv1", "conv1.0", "stage2.0.branch1.0", "fc"} <= set(names)
    assert [line["layer"] for line in ended.lines if line["default"]] == ["conv5"]
    for line in ended.lines[:: len(names) // 5]:
        choice = choose_network(Path("x"), NetworkRequest(SMALL[1], "none", line["layer"]))
        network = load_network(choice)
        assert [network.layout.units, *network.layout.map_shape] == [line["units"], *line["map"]]
    assert ended.lines[-1]["kind"] == "vector"
    assert ended.lines[-1]["output"] == [1, 365]


@pytest.mark.parametrize(
    ("model", "layer", "kind", "units", "shape"),
    [
        ("vit_b_32", "encoder.layers.encoder_layer_11", "tokens", 768, [7, 7]),
        ("swin_t", "features.7", "maps, units last", 768, [7, 7]),
    ],
)
def test_transformers(
    model: str, layer: str, kind: str, units: int, shape: list[int], unused: CommandLine
) -> None:
    ended = unused("layers", "--model", model, "--layer", layer, "-f", "json")
    first, *others = json.loads(ended.out)
    assert (first["layer"], first["kind"]) == (layer, kind)
    assert (first["units"], first["map"]) == (units, shape)
    assert first["default"] is (model == "vit_b_32")
    assert all(other["layer"].startswith(f"{layer}.") for other in others)


def test_forms(unused: CommandLine) -> None:
    table = unused("layers", "--model", "demo")
    assert "layer4 (default)" in table.out
    assert "can be explained" in table.err
    rows = list(csv.DictReader(io.StringIO(unused("layers", "--model", "demo", "-f", "csv").out)))
    assert [row["layer"] for row in rows if row["default"] == "true"] == ["layer4"]


def test_a_factory_of_ones_own(unused: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from torch import nn\n"
        "def make(units):\n"
        "    return nn.Sequential(nn.Conv2d(3, units, 32, 32), nn.Flatten(2))\n"
    )
    model = ["--model", f"{path}:make", "--model-arg", "units=4"]
    lines = unused("layers", *model, "-f", "jsonl").lines
    assert [(line["layer"], line["units"], line["default"]) for line in lines] == [("0", 4, False)]
    ended = unused("layers", *model, "--layer", "1")
    assert ended.code == 2
    assert "--layer 1 of mine.make gives no maps" in ended.err


def test_an_unknown_layer_names_the_command_that_lists_them(fresh: CommandLine) -> None:
    ended = fresh("explain", *SMALL, "--pretrained", "none", "--layer", "conv7", "--subset", "tiny")
    assert ended.code == 2
    assert "(`ccx layers --model shufflenet_v2_x0_5` lists them), did you mean conv" in ended.err
