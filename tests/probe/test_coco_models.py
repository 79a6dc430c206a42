"""torchvision's networks for segmentation and detection, against torchvision itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.ops import FrozenBatchNorm2d

from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.probe.interventions import class_scores
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import Network, layer_activations, load_network
from ccx_cli.probe.networks.torchvision_models import (
    COCO_MODELS,
    DETECTORS,
    SEGMENTERS,
    default_layer,
)


def plain(model: str, num_classes: int = 5) -> Any:
    """torchvision's own network, whose batch norms have seen something."""
    torch.manual_seed(0)
    module: Any = models.get_model(
        model, weights=None, weights_backbone=None, num_classes=num_classes
    )
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            each.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return module.eval()


def noise(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def choose(model: str, file: Path, layer: str | None = None, side: int = 96) -> NetworkDescription:
    request = NetworkRequest(model, "own", layer, weights=file, input_size=(side, side))
    return choose_network(Path("nowhere"), request)


def heard(module: Any, layer: str, images: torch.Tensor) -> torch.Tensor:
    outputs: list[torch.Tensor] = []
    module.get_submodule(layer).register_forward_hook(
        lambda _module, _inputs, output: outputs.append(output.clone())
    )
    with torch.inference_mode():
        module(images)
    return outputs[-1]


def test_lists_what_torchvision_has() -> None:
    assert list(SEGMENTERS) == models.list_models(module=models.segmentation)
    assert list(DETECTORS) == models.list_models(module=models.detection)


@pytest.mark.parametrize("model", COCO_MODELS)
def test_preprocessing_is_torchvisions(model: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    choice = choose_network(tmp_path, NetworkRequest(model, "coco", weights=tmp_path / "w.pth"))
    if model in SEGMENTERS:
        expected = models.get_model_weights(model).DEFAULT.transforms()
        side = expected.resize_size
        mean, std = expected.mean, expected.std
    else:
        with torch.device("meta" if "ssd" not in model else "cpu"):
            transform: Any = plain_transform(model)
        side = [transform.fixed_size[0] if transform.fixed_size else transform.min_size[-1]]
        mean, std = transform.image_mean, transform.image_std
    assert [choice.input_size[0]] == side
    assert choice.input_size[0] == choice.input_size[1]
    assert (list(choice.mean), list(choice.std)) == (mean, std)


def plain_transform(model: str) -> Any:
    module: Any = models.get_model(model, weights=None, weights_backbone=None)
    return module.transform


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("fasterrcnn_mobilenet_v3_large_320_fpn", None),
        ("fasterrcnn_mobilenet_v3_large_fpn", "backbone.fpn.layer_blocks.0"),
        pytest.param("fasterrcnn_resnet50_fpn", "backbone.body.layer2", marks=pytest.mark.slow),
        pytest.param("fasterrcnn_resnet50_fpn_v2", None, marks=pytest.mark.slow),
        pytest.param("fcos_resnet50_fpn", None, marks=pytest.mark.slow),
        pytest.param(
            "keypointrcnn_resnet50_fpn", "backbone.fpn.inner_blocks.3", marks=pytest.mark.slow
        ),
        pytest.param("maskrcnn_resnet50_fpn", None, marks=pytest.mark.slow),
        pytest.param(
            "maskrcnn_resnet50_fpn_v2", "backbone.body.layer4.1.conv2", marks=pytest.mark.slow
        ),
        ("retinanet_resnet50_fpn", "backbone.fpn.extra_blocks.p6"),
        pytest.param("retinanet_resnet50_fpn_v2", None, marks=pytest.mark.slow),
        pytest.param("ssd300_vgg16", None, marks=pytest.mark.slow),
        ("ssdlite320_mobilenet_v3_large", None),
        ("deeplabv3_mobilenet_v3_large", "classifier.0.convs.1"),
        pytest.param("deeplabv3_resnet50", None, marks=pytest.mark.slow),
        pytest.param("fcn_resnet50", "classifier.4", marks=pytest.mark.slow),
        ("lraspp_mobilenet_v3_large", "classifier.cbr"),
    ],
)
def test_layers_are_those_of_a_whole_state_dict(
    model: str, layer: str | None, tmp_path: Path
) -> None:
    module, file = plain(model), tmp_path / "w.pth"
    torch.save(module.state_dict(), file)
    side = 300 if "ssd" in model else 96
    network = load_network(choose(model, file, layer, side))
    images = noise(side)
    whole = module.backbone if model in DETECTORS else module
    name = network.choice.layer.removeprefix("backbone." if model in DETECTORS else "")
    expected = heard(whole, name, images)
    found = layer_activations(network, images)
    assert found.shape[2] == found.shape[3] > 1
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", ["fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"])
def test_a_detector_sees_a_square_image_of_its_size_alike(model: str, tmp_path: Path) -> None:
    """The whole detector on the image itself: its transform normalizes, and pads nothing."""
    module, file = plain(model), tmp_path / "w.pth"
    torch.save(module.state_dict(), file)
    module.transform.min_size, module.transform.max_size = (96,), 96
    image = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(1))
    expected = heard(module, "backbone.body.layer3", [image])  # type: ignore[arg-type]
    network = load_network(choose(model, file, "backbone.body.layer3"))
    mean, std = (
        torch.tensor(each).reshape(3, 1, 1) for each in (network.choice.mean, network.choice.std)
    )
    found = layer_activations(network, ((image - mean) / std)[None])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_published_detectors_have_no_epsilon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchvision builds them: with frozen batch norms, from a file without their counts."""
    module = plain("fasterrcnn_resnet50_fpn", 91)
    state = {
        name: tensor / 1000 if name.endswith("running_var") else tensor
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    file = tmp_path / "w.pth"
    torch.save(state, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    freeze(module, 0.0)
    module.load_state_dict(state)
    expected = heard(module.backbone, "body.bn1", noise(96))
    request = NetworkRequest(
        "fasterrcnn_resnet50_fpn", "coco", "backbone.body.bn1", file, input_size=(96, 96)
    )
    choice = choose_network(tmp_path, request)
    other = layer_activations(load_network(choice), noise(96))
    assert not torch.allclose(other, expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr("ccx_cli.probe.networks.building._WITHOUT_EPSILON", (digest,))
    found = layer_activations(load_network(choice), noise(96))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def freeze(module: nn.Module, eps: float) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps))
        freeze(child, eps)


@pytest.mark.parametrize("model", ["ssdlite320_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_weights_that_lightning_kept(model: str, tmp_path: Path) -> None:
    module, file = plain(model), tmp_path / "last.ckpt"
    state = {f"net.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, file)
    network = load_network(choose(model, file, None, 320))
    for name, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name


@pytest.mark.parametrize("model", ["deeplabv3_resnet50", "fcn_resnet50"])
def test_published_segmenters_bring_an_auxiliary_classifier(model: str, tmp_path: Path) -> None:
    module: Any = models.get_model(
        model, weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    )
    torch.save(module.state_dict(), tmp_path / "w.pth")
    request = NetworkRequest(model, "coco", weights=tmp_path / "w.pth", input_size=(64, 64))
    network = load_network(choose_network(tmp_path, request))
    expected = heard(module.eval(), "backbone.layer4", noise(64))
    torch.testing.assert_close(layer_activations(network, noise(64)), expected)


def untrained(model: str, layer: str | None = None) -> Network:
    request = NetworkRequest(model, "none", layer, input_size=(96, 96))
    return load_network(choose_network(Path("nowhere"), request))


@pytest.mark.parametrize(
    "model", ["lraspp_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_fpn"]
)
def test_neither_gives_a_class_for_the_image(model: str) -> None:
    with pytest.raises(UsageError, match="does not return one score per class"):
        class_scores(untrained(model), noise(96))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("rpn.head.conv", "is not a layer of fasterrcnn_mobilenet_v3_large_fpn"),
        ("backbone.fpn", "gives a OrderedDict, not a tensor: name one of the layers in it"),
        ("backbone.body", "--layer backbone.body` lists them"),
    ],
)
def test_what_is_no_layer(layer: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        untrained("fasterrcnn_mobilenet_v3_large_fpn", layer)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("model", "pretrained", "said"),
    [
        ("ssd300_vgg16", "imagenet", "is not for ssd300_vgg16: take coco or none"),
        ("fcn_resnet50", "places365", "is not for fcn_resnet50: take coco or none"),
        ("fcn_resnet50", "own", "or take coco or none"),
        ("resnet50", "coco", "is not for resnet50: take places365, imagenet or none"),
        ("fcn_resnet5", None, "did you mean fcn_resnet50"),
    ],
)
def test_weights_that_do_not_belong(model: str, pretrained: str | None, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_network(Path("nowhere"), NetworkRequest(model, pretrained))
    assert said in str(caught.value)


@pytest.mark.parametrize("model", COCO_MODELS)
def test_published_files_are_found(model: str, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=f"`ccx fetch coco/{model}`"):
        choose_network(tmp_path, NetworkRequest(model))
    for weights in models.get_model_weights(model):
        file = tmp_path / "coco" / weights.url.rpartition("/")[2]
        file.parent.mkdir(exist_ok=True)
        file.touch()
        choice = choose_network(tmp_path, NetworkRequest(model))
        assert (choice.weights, choice.pretrained) == (file, "coco")
        assert choice.layer == default_layer(model)
        file.unlink()
    for other in models.get_model_weights("keypointrcnn_resnet50_fpn"):
        (tmp_path / "coco" / other.url.rpartition("/")[2]).touch()
    if model == "keypointrcnn_resnet50_fpn":
        with pytest.raises(UsageError, match="has 2 sets of COCO weights"):
            choose_network(tmp_path, NetworkRequest(model))
    else:
        with pytest.raises(MissingInputError):
            choose_network(tmp_path, NetworkRequest(model))
