"""Networks in memory and files of activations are explained as the command line does."""

from __future__ import annotations

import json
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccx_cli
from ccx_cli.errors import CcxError, UsageError
from ccx_cli.notebook.stored_run import StoredRun
from tests.cli.command_line import CommandLine

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.BatchNorm2d(8), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(8, 4, 3, 2), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, images):
        return self.last(self.first(images)).mean((2, 3))

def make():
    torch.manual_seed(3)
    return Net()
"""


@pytest.fixture
def net() -> nn.Module:
    names: dict[str, Any] = {"__name__": "nets"}
    exec(SOURCE, names)
    made: nn.Module = names["make"]()
    return made


def same(ours: StoredRun, lines: list[dict[str, Any]]) -> bool:
    mine = [{**each, "layer": ""} for each in ours.records()]
    return mine == [{**each, "layer": ""} for each in lines]


def test_a_network_in_memory_is_explained_as_one_in_a_file(
    ccx: CommandLine, net: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text(SOURCE)
    ended = ccx(
        *("explain", "--model", f"{tmp_path / 'nets.py'}:make", "--layer", "last"),
        *("--subset", "tiny", "-f", "jsonl", "-q"),
    )
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    run = ccx_cli.explain(model=net, layer="last", subset="tiny", data_dir=ccx.data, name="mine")
    assert same(run, ended.lines)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not [module for module in net.modules() if module._forward_hooks]
    net(torch.zeros(2, 3, 64, 64)).sum().backward()
    assert ccx_cli.load_run("mine", data_dir=ccx.data).records() == run.records()
    folder = ccx.data / "activations" / "modules"
    assert not list(folder.glob("*.npy"))
    (folder / "Killed.npy").write_bytes(b"half")
    ccx_cli.explain(model=net, layer="last", subset="tiny", data_dir=ccx.data)
    assert not list(folder.glob("*.npy"))
    # Every command that needs no network takes it.
    for command in (["summary"], ["metrics"], ["score"], ["info", "--methods"], ["cache", "list"]):
        words = [*command, *(["mine"] if command[0] != "cache" else [])]
        assert ccx(*words, *(["red"] if command == ["score"] else [])).code == 0
    assert "has no network" in ccx("importance", "mine").err
    run.panel(0, top_k=1)


def test_the_same_network_again_is_the_same_run_and_another_is_not(
    ccx: CommandLine, net: nn.Module
) -> None:
    def explain(**how: Any) -> StoredRun:
        return ccx_cli.explain(model=net, subset="tiny", data_dir=ccx.data, **how)

    first = explain(layer="last", units=[0, 1])
    assert first.units == [0, 1]
    assert explain(layer="last").directory == first.directory
    assert explain(layer="last").units == [0, 1, 2, 3]
    assert explain(layer="first").directory != first.directory
    assert explain(layer="last", mean=[0, 0, 0], std=[1, 1, 1]).directory != first.directory
    # What no digest of weights would tell: the same weights, applied otherwise.
    net.first[0].stride = (2, 2)  # type: ignore[index,method-assign]
    assert explain(layer="last").directory != first.directory


def test_it_is_stored_as_the_command_stores_it(ccx: CommandLine, tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 8, 7, 7)).astype(np.float32)
    path = tmp_path / "maps.npy"
    np.save(path, maps)
    for how, words in (
        ({}, []),
        ({"num_clusters": 1, "quantile": 0.1, "length": 2}, [
            *("--num-clusters", "1", "--quantile", "0.1", "--length", "2"),
        ]),
        ({"ranges": [(1, np.inf), (0, 1)]}, ["--ranges", "0:1,1:inf"]),
        ({"search": "beam", "beam_limit": 3}, ["--search", "beam", "--beam-limit", "3"]),
        ({"objective": "mcc", "min_coverage": 0.05}, [
            *("--objective", "mcc", "--min-coverage", "0.05"),
        ]),
    ):  # fmt: skip
        run = ccx_cli.explain(path, subset="tiny", layer="made", data_dir=ccx.data, **how)
        header = json.loads((run.directory / "header.json").read_text())
        ended = ccx(
            *("explain", "--activations", str(path), "--subset", "tiny", "--layer", "made"),
            *("-f", "jsonl", *words),
        )
        assert str(run.directory) in ended.err
        assert run.records() == ended.lines
        after = json.loads((run.directory / "header.json").read_text())
        assert after["identity"] == header["identity"]
        assert after["about"] == header["about"]


def test_images_in_a_tensor_are_explained_by_arrays_of_labels(net: nn.Module) -> None:
    images = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = np.random.default_rng(0).random((2, 5, 16, 16)) < 0.3
    net.eval()
    with torch.no_grad():
        maps = net.last(net.first(images)).transpose(0, 1).numpy()  # type: ignore[operator]
    labels: dict[str, Any] = {"masks": masks, "names": ["cat", "dog"]}
    by_hand = ccx_cli.explain(maps, layer="last", **labels)
    for given in (images, images.numpy(), images.double().numpy()):
        net.train()
        found = ccx_cli.explain(model=net, layer="last", images=given, batch_size=2, **labels)
        assert [each["formula"] for each in found] == [each["formula"] for each in by_hand]
        assert [each["iou"] for each in found] == pytest.approx([each["iou"] for each in by_hand])


def test_gray_networks_and_vectors_are_explained(ccx: CommandLine) -> None:
    gray = nn.Sequential(nn.Conv2d(1, 4, 5, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in ("1", "3"):
        run = ccx_cli.explain(model=gray, layer=layer, subset="tiny", data_dir=ccx.data)
        assert len(run.units) == 4
    assert not gray._forward_pre_hooks
    masks = np.ones((1, 3, 8, 8), bool)
    images = torch.rand(3, 1, 32, 32)
    assert ccx_cli.explain(model=gray, layer="1", images=images, masks=masks, names=["all"])


def test_an_interrupted_pass_leaves_nothing_behind(ccx: CommandLine, net: nn.Module) -> None:
    given: dict[str, Any] = {"subset": "tiny", "layer": "0", "data_dir": ccx.data}
    interrupting = nn.Sequential(net, Interrupting())
    with pytest.raises(KeyboardInterrupt):
        ccx_cli.explain(model=interrupting, batch_size=2, **given)
    assert not list((ccx.data / "activations" / "modules").glob("*.npy"))
    assert not list((ccx.data / "activations").glob("given-*"))
    assert ccx_cli.explain(model=nn.Sequential(net), batch_size=2, **given).units == [0, 1, 2, 3]


class Interrupting(nn.Module):
    """A user presses Ctrl-C in the third batch that is no try."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches += len(images) > 1
        if self.batches == 3:
            raise KeyboardInterrupt
        return images


class Random(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + torch.rand_like(images)


class Locked(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 2, 3)
        self.lock = threading.Lock()


def test_what_cannot_be_meant_is_refused(ccx: CommandLine, net: nn.Module, tmp_path: Path) -> None:
    on: dict[str, Any] = {"subset": "tiny", "data_dir": ccx.data}
    images, masks = torch.rand(2, 3, 32, 32), np.ones((1, 2, 8, 8), bool)
    np.save(tmp_path / "other.npy", np.ones((3, 5, 2, 2)))
    wide = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with warnings.catch_warnings(action="ignore"):  # Deprecated, but there are many.
        scripted = torch.jit.script(nn.Sequential(nn.ReLU()))
    nn.init.constant_(wide[0].weight, torch.nan)  # type: ignore[arg-type]
    cases: list[tuple[dict[str, Any], str]] = [
        (
            on | {"model": "resnet18", "layer": "layer4"},
            "must be a torch.nn.Module, not a str",
        ),
        (on | {"model": nn.Conv2d, "layer": "0"}, "must be a torch.nn.Module, not a type"),
        (on | {"model": scripted, "layer": "0"}, "is a TorchScript module"),
        (on | {"model": net}, "layer is needed: the model has first, last"),
        (
            on | {"model": net, "layer": "lost"},
            "lost is not a layer of .*, did you mean last",
        ),
        ({"model": net, "layer": "last", "data_dir": ccx.data}, "subset is needed"),
        (on | {"model": net, "layer": "last", "subset": "tinny"}, "tinny"),
        (on | {"model": net, "layer": "last", "units": [4]}, "Unit 4 is not one of the 4"),
        (on | {"model": net, "layer": "last", "mean": [0, 0]}, "mean must be a number for each"),
        (on | {"model": net, "layer": "last", "std": [1, 0, 1]}, "std must be a number for each"),
        (on | {"model": net, "layer": "last", "input_size": 0}, "input_size must be a side"),
        (on | {"model": net, "layer": "last", "input_size": "big"}, "input_size must be a side"),
        (on | {"model": net, "layer": "last", "batch_size": 0}, "batch_size must be 1 or more"),
        (on | {"model": net, "layer": "last", "device": "tpu"}, "`device` tpu is not known"),
        (on | {"model": net, "layer": "last", "input_size": 8}, "cannot take an image of 8 x 8"),
        (on | {"model": net, "layer": "last", "length": 0}, "length"),
        (on | {"model": net, "layer": "last", "name": "a/b"}, "is no name for a run"),
        (on | {"model": net, "layer": "last", "masks": masks}, "masks does not go with subset"),
        (on | {"model": net, "layer": "last", "axes": "x"}, "axes does not go with model"),
        (on | {"model": net, "layer": "last", "images": images}, "subset does not go with images"),
        (on | {"model": Random(), "layer": ""}, "has no layers in it: put it into"),
        (on | {"model": net, "layer": 1}, "layer must be text, not 1"),
        (on | {"model": net, "layer": "last", "name": 3}, "name must be text, not 3"),
        (on | {"model": net, "layer": "last", "note": 3}, "note must be text, not 3"),
        (on | {"model": net, "layer": "last", "num_clusters": 1.5}, "must be a whole number"),
        (on | {"model": nn.Sequential(Random()), "layer": "0"}, "gives other values for the same"),
        (on | {"model": nn.Sequential(Locked()), "layer": "0"}, "cannot be copied"),
        (on | {"model": wide, "layer": "1"}, "NaN or infinite"),
        (on | {"activations": tmp_path / "none.npy"}, "there is no file"),
        (on | {"activations": tmp_path / "other.npy"}, "one of the first two axes must be"),
        (on | {"activations": "maps.csv"}, "must be a .npy, .npz"),
        (on | {"activations": "m.npy", "mean": [0, 0, 0]}, "mean does not go with activations"),
        (on | {"activations": np.ones((2, 3))}, "subset does not go with activations"),
        ({"activations": np.ones((2, 3))}, "names is needed"),
        ({"model": net, "layer": "last", "images": images}, "names is needed"),
        (
            {"model": net, "layer": "last", "images": images.int(), "masks": masks, "names": ["a"]},
            "images must be .images, channels, height, width. floats",
        ),
        (
            {"model": net, "layer": "last", "images": images[:1], "masks": masks, "names": ["a"]},
            "activations of 1 images and labels of 2",
        ),
    ]
    for given, said in cases:
        with pytest.raises(CcxError, match=said):
            ccx_cli.explain(**given)
    with pytest.raises(UsageError, match="or model is needed"):
        ccx_cli.explain()  # type: ignore[call-overload]
    assert net.training


@pytest.mark.slow
def test_the_demo_is_drawn_where_it_is_missing(ccx: CommandLine, net: nn.Module) -> None:
    run = ccx_cli.explain(model=net, layer="last", subset="demo", units=[0], data_dir=ccx.data)
    assert run.info()["dataset"]["images"] == 288
