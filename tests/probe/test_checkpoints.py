import argparse
import io
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.networks.torchvision_models import NOT_BUILT
from ccx_cli.probe.weights.checkpoints import read_checkpoint
from ccx_cli.probe.weights.fitting import fit_into, load_into, num_outputs
from ccx_cli.probe.weights.weight_sets import find_weights


def small(num_classes: int = 5) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            fc=nn.Linear(4, num_classes),
        )
    )


def assert_same(left: nn.Module, right: nn.Module) -> None:
    ours, theirs = left.state_dict(), right.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".tar", ".pth.tar", ".bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_torch_saves(tmp_path: Path, suffix: str, zipped: bool) -> None:
    trained, blank = small(), small()
    file = tmp_path / f"w{suffix}"
    torch.save(trained.state_dict(), file, _use_new_zipfile_serialization=zipped)
    load_into(blank, find_weights(file, blank).tensors, file, "small")
    assert_same(blank, trained)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 90, "arch": "resnet18"},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"net": state, "optimizer": {"state": {0: torch.ones(2)}}, "epoch": 3},
        lambda state: {"epoch": 3, "state_dict": prefixed(state, "module.")},
        lambda state: prefixed(state, "_orig_mod.module."),
        lambda state: {re.sub(r"^conv", "conv.module", name): t for name, t in state.items()},
        lambda state: {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")},
    ],
    ids=[
        "state_dict",
        "model",
        "net",
        "data-parallel",
        "compiled",
        "parallel-inside",
        "old-batch-norm",
    ],
)
def test_reads_the_ways_a_state_is_wrapped(
    tmp_path: Path, wrap: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    trained, blank = small(), small()
    file = tmp_path / "w.pth"
    torch.save(wrap(trained.state_dict()), file)
    load_into(blank, find_weights(file, blank).tensors, file, "small")
    assert_same(blank, trained)


def test_reads_safetensors(tmp_path: Path) -> None:
    trained, blank = small(), small()
    file = tmp_path / "w.safetensors"
    save_file(prefixed(trained.state_dict(), "module."), file)
    load_into(blank, find_weights(file, blank).tensors, file, "small")
    assert_same(blank, trained)


def test_leaves_auxiliary_classifiers_out(tmp_path: Path) -> None:
    options = {"init_weights": False, "num_classes": 3}
    state = models.googlenet(aux_logits=True, **options).state_dict()
    blank = models.googlenet(aux_logits=False, **options)
    assert fit_into(blank, state, tmp_path / "w.pth", "googlenet", NOT_BUILT["googlenet"]) is None
    assert torch.equal(blank.fc.weight, state["fc.weight"])
    with pytest.raises(DamagedDataError, match="20 unexpected"):
        load_into(blank, state, tmp_path / "w.pth", "resnet18")


def test_loads_a_mnasnet_that_carries_no_version(tmp_path: Path) -> None:
    trained, blank = (models.mnasnet0_5(num_classes=3) for _ in range(2))
    file = tmp_path / "w.safetensors"
    save_file(trained.state_dict(), file)
    load_into(blank, find_weights(file, blank).tensors, file, "mnasnet0_5")
    assert_same(blank, trained)


class RunsCode:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_never_runs_what_a_pickle_names(tmp_path: Path, zipped: bool) -> None:
    file, trace = tmp_path / "w.pth", tmp_path / "trace"
    content = {"state_dict": small().state_dict(), "args": RunsCode(f"touch {trace}")}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DamagedDataError, match=r"more than weights.*posix\.system.*state_dict"):
        read_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_leaves_out_options_and_accuracies_beside_the_weights(tmp_path: Path, zipped: bool) -> None:
    trained, blank, file = small(), small(), tmp_path / "w.pth"
    content = {
        "state_dict": trained.state_dict(),
        "args": argparse.Namespace(lr=0.1, folder=Path("photos"), sizes={(1, 2): [3]}),
        "best": [np.float64(71.2), np.float32(0.5), np.int64(3)],
    }
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    load_into(blank, find_weights(file, blank).tensors, file, "small")
    assert_same(blank, trained)


def test_reads_averaged_weights(tmp_path: Path) -> None:
    trained, blank, file = small(), small(), tmp_path / "w.pth"
    torch.save(torch.optim.swa_utils.AveragedModel(trained).state_dict(), file)
    load_into(blank, find_weights(file, blank).tensors, file, "small")
    assert_same(blank, trained)


@pytest.mark.parametrize("prefix", ["model", "net", "lit.backbone"])
@pytest.mark.parametrize("num_classes", [5, 7])
def test_reads_the_weights_of_an_attribute(tmp_path: Path, prefix: str, num_classes: int) -> None:
    trained, blank, file = small(num_classes), small(), tmp_path / "w.ckpt"
    beside = {"loss.weight": torch.ones(3), f"{prefix}2.conv.weight": torch.ones(1)}
    torch.save({"state_dict": prefixed(trained.state_dict(), f"{prefix}.") | beside}, file)
    found = find_weights(file, blank)
    assert (found.key, found.prefix, found.others) == (f"state_dict.{prefix}", prefix, [])
    assert num_outputs(blank, found.tensors, 5) == num_classes
    blank = small(num_classes)
    load_into(blank, found.tensors, file, "small")
    assert_same(blank, trained)


def test_layers_under_a_prefix_keep_their_versions(tmp_path: Path) -> None:
    class Lit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small()

    file = tmp_path / "w.pth"
    torch.save(Lit().state_dict(), file)
    state = find_weights(file, small()).tensors
    assert vars(state)["_metadata"] == vars(small().state_dict())["_metadata"]


NESTED = b")" + b"q\x00h\x00\x86" * 60  # a tuple of a tuple twice, and so on


@pytest.mark.parametrize(
    "pickled",
    [
        b"}" + NESTED + b"K\x01s.",
        b"}(" + NESTED + b"K\x01u.",
        b"ccollections\nOrderedDict\n]" + NESTED + b"K\x01\x86a\x85R.",
        b"ccollections\nCounter\n]" + NESTED + b"a\x85R.",
        b"((Vstorage\nctorch\nFloatStorage\n" + NESTED + b"Vcpu\nK\x01tQ.",
    ],
)
def test_refuses_nested_keys_whose_hash_takes_forever(tmp_path: Path, pickled: bytes) -> None:
    plain, file = tmp_path / "plain.pth", tmp_path / "w.pth"
    torch.save({"a": torch.ones(2)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(file, "w") as archive:
        for each in source.infolist():
            is_pickle = each.filename.endswith("data.pkl")
            archive.writestr(each, b"\x80\x02" + pickled if is_pickle else source.read(each))
    with pytest.raises(DamagedDataError, match="cannot be read as a checkpoint"):
        read_checkpoint(file)


def test_refuses_a_whole_pickled_network_in_an_archive(tmp_path: Path) -> None:
    file = tmp_path / "whole.pth"
    torch.save(small(), file)
    with pytest.raises(DamagedDataError, match=r"asks for torch\.nn\..*\.Sequential"):
        read_checkpoint(file)


def saved(zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(small().state_dict(), file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.pth", b""),
        ("w.pth", bytes(range(256)) * 40),
        ("w.pth", saved()[:-200]),
        ("w.pth", saved()[:300]),
        ("w.pth", saved(zipped=False)[:-50]),
        ("w.pth", saved(zipped=False)[:100]),
        ("w.safetensors", b""),
        ("w.safetensors", b"{}" * 100),
        ("w.safetensors", saved()),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DamagedDataError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(f"{file} cannot be read as a checkpoint")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], torch.zeros(3), {"state_dict": {}}])
def test_files_without_weights_are_named(tmp_path: Path, content: object) -> None:
    file = tmp_path / "w.pth"
    torch.save(content, file)
    with pytest.raises(DamagedDataError, match=r"w\.pth holds no named weights"):
        find_weights(file, small())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingInputError, match=name):
        read_checkpoint(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DamagedDataError, match=name):
        read_checkpoint(tmp_path / name)


def test_says_which_tensors_do_not_fit(tmp_path: Path) -> None:
    state = small().state_dict()
    state["conv.weight"] = torch.zeros(4, 3, 5, 5)
    del state["fc.bias"]
    state |= {f"extra.{number}": torch.zeros(1) for number in range(12)}
    with pytest.raises(DamagedDataError) as caught:
        load_into(small(), state, tmp_path / "w.pth", "resnet18")
    assert str(caught.value) == (
        f"{tmp_path}/w.pth does not fit resnet18, of its tensors are 1 missing (fc.bias), "
        "12 unexpected (extra.0, extra.1, extra.2, ...), "
        "1 of another shape (conv.weight (4, 3, 5, 5) for (4, 3, 3, 3)): "
        "check `model` and `weights`."
    )


def test_names_of_tensors_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    state = small().state_dict() | {"\x1b[2J\n" + "x" * 5000: torch.zeros(1)}
    with pytest.raises(DamagedDataError, match=r"1 unexpected \(\?\[2J\?x{95}\): check") as caught:
        load_into(small(), state, tmp_path / "w.pth", "resnet18")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("theirs", [5, 2, 9])
def test_takes_the_number_of_classes_from_the_classifier(theirs: int) -> None:
    assert num_outputs(small(5), small(theirs).state_dict(), 5) == theirs


def test_the_number_of_classes_stays_where_more_differs() -> None:
    other_body = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 6, 3), fc=nn.Linear(4, 9)))
    assert num_outputs(small(5), other_body.state_dict(), 5) == 5
    wider = {"fc.weight": torch.zeros(9, 8), "fc.bias": torch.zeros(9)}
    assert num_outputs(small(5), wider, 5) == 5
    scalar = {"fc.weight": torch.tensor(1.0)}
    assert num_outputs(small(5), scalar, 5) == 5


def test_a_pickle_by_hand_is_not_a_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    with pytest.raises(DamagedDataError, match=r"w\.bin"):
        read_checkpoint(file)
