"""Files like the published ones, each read into the network it was saved from."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torchvision import models

from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.networks.catalog import PLACES365_FILES, choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import load_network
from ccx_cli.probe.weights.fitting import load_into
from ccx_cli.probe.weights.stored_names import todays_name
from ccx_cli.probe.weights.weight_sets import find_weights

if TYPE_CHECKING:
    from tests.old_checkpoints import save_as_once, seeded, small_densenet, with_old_names
else:
    from old_checkpoints import save_as_once, seeded, small_densenet, with_old_names

# The dissection project's names of the layers of a VGG-16, in their order.
CAFFE_FEATURES = [
    f"{kind}{block}_{number}"
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1)
    for number in range(1, convolutions + 1)
    for kind in ("conv", "relu")
]
CAFFE_CLASSIFIER = ["fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8a"]


def caffe_names(vgg: models.VGG) -> nn.Module:
    names = iter(CAFFE_FEATURES)
    features = [
        (f"pool{index}" if isinstance(layer, nn.MaxPool2d) else next(names), layer)
        for index, layer in enumerate(vgg.features)
    ]
    classifier = zip(CAFFE_CLASSIFIER, vgg.classifier, strict=True)
    whole: OrderedDict[str, nn.Module] = OrderedDict(
        features=nn.Sequential(OrderedDict(features)),
        classifier=nn.Sequential(OrderedDict(classifier)),
    )
    return nn.Sequential(whole)


def parallel(state: dict[str, torch.Tensor]) -> dict[str, object]:
    """Wrap a state dict as the training script of Places365 did."""
    named = OrderedDict(
        (f"module.{name}", tensor)
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    )
    return {"epoch": 90, "arch": "resnet18", "best_prec1": 54.7, "state_dict": named}


def noise(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def assert_same_outputs(ours: nn.Module, theirs: nn.Module, side: int) -> None:
    images = noise(1, side)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("python_2", [True, False])
@pytest.mark.parametrize("cuda", [True, False])
@pytest.mark.parametrize("wrap", [lambda whole: whole, nn.DataParallel, lambda w: {"model": w}])
def test_a_whole_densenet_of_2017(
    tmp_path: Path, wrap: Callable[[nn.Module], object], cuda: bool, python_2: bool
) -> None:
    file = tmp_path / "whole.pth.tar"
    save_as_once(wrap(with_old_names(small_densenet())), file, cuda=cuda, python_2=python_2)
    written = file.read_bytes()
    for part in (b"norm.1", b"_get_thnn_function_backend", b"class _DenseLayer(nn.Module)"):
        assert part in written
    assert (b"torch.cuda" in written) == cuda
    blank = small_densenet(seed=5)
    load_into(blank, find_weights(file, blank).tensors, file, "densenet161")
    assert_same_outputs(blank, small_densenet(), 64)


@pytest.mark.parametrize("build", [small_densenet, lambda: seeded(models.resnet18(num_classes=3))])
def test_a_whole_network_of_today_in_the_old_format(
    tmp_path: Path, build: Callable[[], nn.Module]
) -> None:
    trained = build()
    file = tmp_path / "whole.pth"
    torch.save(trained, file, _use_new_zipfile_serialization=False)
    state = find_weights(file, trained).tensors
    assert list(state) == list(trained.state_dict())
    for name, tensor in trained.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_a_checkpoint_of_python_2(tmp_path: Path) -> None:
    trained = seeded(models.resnet18(num_classes=365))
    root = tmp_path / "places365"
    root.mkdir()
    file = root / PLACES365_FILES["resnet18"]
    save_as_once(parallel(trained.state_dict()), file, cuda=True, python_2=True)
    assert b"Umodule" not in file.read_bytes()
    assert b"module.conv1.weight" in file.read_bytes()
    network = load_network(choose_network(tmp_path, NetworkRequest("resnet18")))
    assert_same_outputs(network.module, trained, 224)


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(PLACES365_FILES))
def test_the_published_networks_at_full_size(tmp_path: Path, model: str) -> None:
    options = {"init_weights": False} if model == "vgg16" else {}
    trained = seeded(models.get_model(model, weights=None, num_classes=365, **options))
    root = tmp_path / "places365"
    root.mkdir()
    file = root / PLACES365_FILES[model]
    if model == "densenet161":
        whole = models.densenet161(num_classes=365)
        whole.load_state_dict(trained.state_dict())
        save_as_once(with_old_names(whole), file, cuda=True)
    elif model == "vgg16":
        torch.save(caffe_names(trained).state_dict(), file, _use_new_zipfile_serialization=False)
    else:
        save_as_once(parallel(trained.state_dict()), file, cuda=True, python_2=True)
    network = load_network(choose_network(tmp_path, NetworkRequest(model)))
    assert_same_outputs(network.module, trained, network.choice.input_side)


def test_the_dissection_projects_names_of_a_vgg16() -> None:
    with torch.device("meta"):
        vgg = models.vgg16()
        names = list(vgg.state_dict())
        theirs = list(caffe_names(vgg).state_dict())
    assert "features.conv5_3.bias" in theirs
    assert [todays_name(name) for name in theirs] == names
    assert [todays_name(f"module.{name}") for name in theirs] == names
    assert todays_name("features.conv3_3") == "features.14"


@pytest.mark.parametrize("model", ["alexnet", "densenet121", "resnet50", "swin_t", "vgg16_bn"])
def test_todays_names_stay(model: str) -> None:
    with torch.device("meta"):
        names = list(models.get_model(model, weights=None).state_dict())
    assert [todays_name(name) for name in names] == names


def test_says_what_of_an_old_file_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    save_as_once(with_old_names(small_densenet()), file)
    other = models.DenseNet(
        growth_rate=4, block_config=(1, 1), num_init_features=8, bn_size=1, num_classes=5
    )
    other.features.norm5.extra = nn.Parameter(torch.zeros(2))
    with pytest.raises(DamagedDataError) as caught:
        load_into(other, find_weights(file, other).tensors, file, "densenet161")
    assert re.fullmatch(
        rf"{re.escape(str(file))} does not fit densenet161, of its tensors are 1 missing "
        r"\(features\.norm5\.extra\), 10 unexpected \(features\.denseblock2\.denselayer2"
        r"\.norm1\.weight, .*, \.\.\.\), 5 of another shape \(features\.norm5\.weight \(14,\) for "
        r"\(10,\), .*, \.\.\.\): check `model` and `weights`\.",
        str(caught.value),
    )
