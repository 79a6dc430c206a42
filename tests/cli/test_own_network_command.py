"""``--model file.py:factory`` through the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from ccx_cli.probe.networks.made_networks import build_own

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

SOURCE = """
from torch import nn


class Small(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, units, 8, 16), nn.ReLU())
        self.fc = nn.Linear(units, 4)

    def forward(self, images):
        return self.fc(self.block(images).mean((2, 3)))


def small(units=3):
    print("not data")
    return Small(units)


def unseeded():
    import random
    network = Small(3)
    nn.init.constant_(network.fc.bias, random.random())
    return network
"""


ODD = """
import torch
from torch import nn
from torch.nn import functional


class Odd(nn.Module):
    def __init__(self, kind="", channels=3, dtype=torch.float32):
        super().__init__()
        self.kind = kind
        self.block = nn.Conv2d(channels, 4, 8, 16, dtype=dtype)

    def forward(self, images):
        if self.kind == "dropout":
            images = functional.dropout(images + 1)
        if self.kind == "one by one":
            return [self.block(image[None]) for image in images]
        return self.block(images)


def gray():
    return Odd(channels=1, dtype=torch.float64)


def two():
    return Odd(channels=2)


def mixed():
    network = Odd(dtype=torch.float64)
    network.block.bias = nn.Parameter(network.block.bias.half())
    return network


def dropout():
    return Odd("dropout")


def one_by_one():
    return Odd("one by one")
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "nets.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def explain(ccx: CommandLine, model: str, *more: str) -> list[dict[str, object]]:
    words = ["--subset", "tiny", "--layer", "block", "-f", "jsonl", "--num-clusters", "2"]
    ended = ccx("explain", "--model", model, *words, *more)
    assert ended.code == 0, ended.err
    return ended.lines


def test_a_factory_of_ones_own_is_explained_and_studied(
    fresh: CommandLine, nets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nets.parent)
    lines = explain(fresh, "nets.py:small", "--model-arg", "units=5")
    assert {line["unit"] for line in lines} <= set(range(5))
    assert max(int(str(line["unit"])) for line in lines) == 4
    directory = fresh.file("results/*/header.json").parent
    assert directory.name.startswith("nets.small-own-block-tiny-k2")
    monkeypatch.chdir(nets.parent.parent)
    about = json.loads((directory / "header.json").read_text())["about"]
    assert about["model"] == f"{nets}:small"
    assert f"--model {nets}:small --model-arg units=5" in about["rebuild"]
    for command in (["metrics"], ["importance", "--units", "0"], ["analyze"]):
        ended = fresh(*command, directory.name, "-f", "json")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)
    untrained = json.loads(fresh.file("results/nets.small-none-*/header.json").read_text())
    assert untrained["about"]["model_args"] == ["units=5"]


def test_what_is_kept_serves_the_same_network_alone(fresh: CommandLine, nets: Path) -> None:
    model = f"{nets}:small"
    first = explain(fresh, model)
    kept = fresh.files("activations/*")
    assert explain(fresh, model) == first
    assert fresh.files("activations/*") == kept
    explain(fresh, model, "--seed", "1")
    explain(fresh, model, "--model-arg", "units=2")
    explain(fresh, model, "--pretrained", "none")
    weights = nets.parent / "w.pth"
    torch.save(build_own(model, (), 9).state_dict(), weights)
    explain(fresh, model, "--weights", str(weights))
    assert len(fresh.files("activations/*")) == 5
    nets.write_text(SOURCE.replace("nn.ReLU()", "nn.Tanh()"))
    explain(fresh, model)
    assert len(fresh.files("activations/*")) == 6


def test_weights_that_change_at_each_call_are_refused(fresh: CommandLine, nets: Path) -> None:
    ended = fresh(
        "explain", "--model", f"{nets}:unseeded", "--subset", "tiny", "--layer", "block", "-q"
    )
    assert ended.code == 1
    assert "makes different weights at each call" in ended.err


@pytest.mark.parametrize(
    ("factory", "mend"),
    [
        ("two", "let the factory return a network that makes its own channels of three"),
        ("mixed", "return `network.float()` from the factory"),
        ("dropout", "gives other values for the same image at each forward pass"),
        ("one_by_one", "all images of a batch at once, or add --batch-size 1."),
    ],
)
def test_networks_that_take_something_else_say_what_to_do(
    factory: str, mend: str, fresh: CommandLine, nets: Path
) -> None:
    nets.write_text(ODD)
    words = ("--subset", "tiny", "--layer", "block", "-q")
    ended = fresh("explain", "--model", f"{nets}:{factory}", *words)
    assert (ended.code, ended.out) == (1, "")
    assert mend in ended.err
    assert ended.err.count("\n") == 1


def test_a_run_says_that_its_network_took_gray_values(fresh: CommandLine, nets: Path) -> None:
    nets.write_text(ODD)
    model = ["--model", f"{nets}:gray", "--subset", "tiny", "--layer", "block"]
    ended = fresh("explain", *model, "--num-clusters", "2", "--mean", "0.5", "--std", "0.25")
    assert ended.code == 0, ended.err
    assert "nets.gray takes gray values in float64, which ccx gives it." in ended.err
    network = json.loads(fresh("info", "-f", "json").out)[0]["network"]
    assert network["input_values"] == "gray values in float64"
    assert "The network took them as gray values in float64." in fresh("info", "--methods").out
    assert fresh("rerun", "--check", "-q").code == 0
    half = fresh("explain", *model, "--precision", "half", "-q")
    assert half.code == 2
    assert "--precision bfloat16 is for networks in float32" in half.err


def test_a_missing_file_is_named(fresh: CommandLine) -> None:
    ended = fresh("explain", "--model", "absent.py:make", "--subset", "tiny", "--layer", "block")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.count("\n") == 1
    assert "absent.py is not there" in ended.err


def test_small_and_rectangular_inputs(fresh: CommandLine, nets: Path) -> None:
    nets.write_text(SOURCE.replace("8, 16", "4, 4"))
    options = ["--input-size", "32x48", "--mean", "0.5", "--std", "0.25,0.5,1"]
    assert explain(fresh, f"{nets}:small", *options)
    directory = fresh.file("results/*/header.json").parent
    about = json.loads((directory / "header.json").read_text())["about"]
    assert about["input_size"] == [32, 48]
    assert (about["mean"], about["std"]) == ([0.5, 0.5, 0.5], [0.25, 0.5, 1.0])
    assert "--input-size 32x48 --mean 0.5 --std 0.25,0.5,1" in about["rebuild"]
    for command in (["metrics"], ["importance", "--units", "0"]):
        ended = fresh(*command, directory.name, "-f", "json")
        assert ended.code == 0, ended.err
    made_from = json.loads(fresh.file("activations/*/manifest.json").read_text())["made_from"]
    assert made_from["input_size"] == [32, 48]


def test_the_data_set_of_the_inputs_size_is_taken(fresh: CommandLine, nets: Path) -> None:
    datasets = fresh.data / "datasets"
    model = f"{nets}:small"
    explain(fresh, model, "--input-size", "64")
    shutil.copytree(datasets / "broden1_224", datasets / "broden1_32")
    explain(fresh, model, "--input-size", "32")
    (datasets / "broden1_224").rename(datasets / "broden1_100")
    explain(fresh, model, "--input-size", "70")
    taken = {}
    for path in fresh.files("results/*/header.json"):
        about = json.loads(path.read_text())["about"]
        taken[about["input_size"][0]] = Path(about["dataset"]).name
    assert taken == {64: "broden1_224", 32: "broden1_32", 70: "broden1_100"}


def test_inputs_that_cannot_be_meant(fresh: CommandLine, nets: Path) -> None:
    for option, value in (("--input-size", "big"), ("--mean", "1,2"), ("--std", "0")):
        ended = fresh("explain", "--model", f"{nets}:small", "--layer", "block", option, value)
        assert ended.code == 2
        assert ended.err.startswith(f"Error: {option} {value} is not ")
        assert ended.err.count("\n") == 1
