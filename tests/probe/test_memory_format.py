"""Activations with channels last, against those of a plain pass with channels first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import Network, layers_activations, load_networks
from ccx_cli.probe.networks.memory_format import put_channels_last

CPU = torch.device("cpu")


def noise(side: int) -> torch.Tensor:
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))


def chosen(model: str, layer: str | None = None) -> NetworkDescription:
    return choose_network(Path("nowhere"), NetworkRequest(model, "none", layer))


def with_statistics(module: nn.Module) -> None:
    """Let batch normalization do something, as after training."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.1)


def plain_outputs(
    module: nn.Module, layers: Sequence[str], images: torch.Tensor
) -> list[torch.Tensor]:
    """The layers' last outputs in a whole forward pass."""
    outputs: dict[str, torch.Tensor] = {}
    for name in layers:
        module.get_submodule(name).register_forward_hook(
            lambda _layer, _inputs, output, name=name: outputs.update({name: output.clone()})
        )
    with torch.inference_mode():
        module(images)
    return [outputs[name] for name in layers]


def are_channels_last(module: nn.Module) -> list[bool]:
    """Of each convolution whose kernels have several channels and pixels, else both would be so."""
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    kernels = [each.weight for each in convolutions if min(each.weight[0, :, 0].shape) > 1]
    return [not kernel.is_contiguous() for kernel in kernels]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("resnet18", ("conv1", "layer1.0.relu", "layer2.0.conv1", "layer3.1.bn2", "layer4", "fc")),
        ("densenet121", ("features.denseblock1.denselayer2.conv1", "features", "classifier")),
        ("vgg11_bn", ("features.4", "features.9", "features.28")),
        ("mobilenet_v3_small", ("features.1.block.0.0", "features.4.block.1", "features.12")),
        ("efficientnet_b0", ("features.2.0.block.1.0", "features.6", "features.8")),
        ("convnext_tiny", ("features.1.0.block.0", "features.3", "features.7")),
        ("swin_t", ("features.0.0", "features.3", "permute")),
        ("vit_b_32", ("conv_proj", "encoder.layers.encoder_layer_11")),
        ("googlenet", ("conv2.conv", "inception3a.branch3.1.conv", "inception5b")),
        ("shufflenet_v2_x0_5", ("stage2.0.branch2.3", "stage4", "fc")),
    ],
)
def test_activations_are_those_of_plain_torch(model: str, layers: Sequence[str]) -> None:
    networks: list[Network] = load_networks([chosen(model, layer) for layer in layers])
    module = networks[0].module
    torch.manual_seed(1)
    with_statistics(module)
    assert all(are_channels_last(module))
    options = {"init_weights": False, "aux_logits": False} if model == "googlenet" else {}
    plain = models.get_model(model, num_classes=networks[0].choice.num_classes, **options).eval()
    plain.load_state_dict(module.state_dict())
    assert not any(are_channels_last(plain))
    images = noise(networks[0].choice.input_size[0])
    expected = plain_outputs(plain, layers, images)
    for network, found, wanted in zip(
        networks, layers_activations(networks, images), expected, strict=True
    ):
        maps = network.layout.maps(wanted)
        assert found.is_contiguous()
        torch.testing.assert_close(found, maps, rtol=0, atol=1e-5 * float(maps.abs().max()))


OWN = """
import torch
from torch import nn
from torch.nn.functional import batch_norm, relu

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.shared = nn.Conv2d(3, 8, 8, 8), nn.Conv2d(8, 8, 3, 1, 1)
        self.relu = nn.ReLU(True)
        self.register_buffer("mean", torch.rand(8))
        self.register_buffer("var", 0.5 + torch.rand(8))
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, images):
        maps = self.relu(batch_norm(self.conv(images), self.mean, self.var))
        if self.training:
            maps = maps * torch.rand_like(maps)
        maps = self.shared(self.relu(self.shared(maps)))
        if images.mean() > 0:
            maps = maps.view(-1, 4, 4).flip(0).view(-1, 8, 4, 4)
        return self.fc(self.relu(maps).flatten(1))
"""


@pytest.mark.parametrize("layer", ["conv", "shared", "relu", "fc"])
def test_networks_of_ones_own_compute_as_they_are_to_the_last_bit(
    tmp_path: Path, layer: str
) -> None:
    path = tmp_path / "nets.py"
    path.write_text(OWN)
    (network,) = load_networks([replace(chosen(f"{path}:Own", layer), resized=(32, 32))])
    for images in (noise(32).abs(), -noise(32).abs()):
        (expected,) = plain_outputs(network.module, [layer], images)
        (found,) = layers_activations([network], images)
        assert torch.equal(found, network.layout.maps(expected))


class _Views(nn.Module):
    """Takes a view of maps that with channels last is there of one image only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.conv(images)
        return maps.view(-1, *maps.shape[2:])


def test_what_fails_with_channels_last_is_left_as_it_was() -> None:
    module = _Views().eval()
    images = noise(32)
    with torch.inference_mode():
        expected = module(images)
        put_channels_last(module, chosen("resnet18"), CPU)
        assert torch.equal(module(images), expected)
    assert are_channels_last(module) == [False]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays(precision: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    put_channels_last(module, replace(chosen("resnet18"), precision=precision), CPU)
    assert are_channels_last(module) == [False]
    put_channels_last(module, chosen("resnet18"), CPU)
    assert are_channels_last(module) == [True]
