from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.probe.interventions import class_scores
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.layers import list_layers
from ccx_cli.probe.networks.loading import layer_activations, load_network
from ccx_cli.probe.networks.open_clip_networks import OpenClip

open_clip = pytest.importorskip("open_clip")

pytestmark = pytest.mark.slow

TEXT = {"context_length": 8, "vocab_size": 40, "width": 8, "heads": 1, "layers": 1}
VIT = {"image_size": 32, "layers": 3, "width": 16, "head_width": 8, "patch_size": 8}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}


@pytest.fixture(autouse=True)
def _tiny_architectures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from open_clip import factory, pretrained

    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    for name, vision in (("tiny-vit", VIT), ("tiny-resnet", RESNET)):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"embed_dim": 8, "vision_cfg": vision, "text_cfg": TEXT}))
        open_clip.add_model_config(file)
    weights: dict[str, dict[str, Any]] = {
        "own_b1": {"mean": (0.5,) * 3, "std": (0.25,) * 3},
        "gelu": {"quick_gelu": True},
    }
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-vit", weights)


def choose(model: str, layer: str | None = None, **asked: Any) -> NetworkDescription:
    return choose_network(Path("nowhere"), NetworkRequest(model, layer=layer, **asked))


def outside(architecture: str, seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.create_model(architecture, pretrained_text=False).eval()


@pytest.mark.parametrize(
    ("architecture", "last", "grid"),
    [("tiny-vit", "transformer.resblocks.2", (4, 4)), ("tiny-resnet", "layer4", (2, 2))],
)
def test_activations_are_those_of_a_hook_outside_ccx(
    architecture: str, last: str, grid: tuple[int, int]
) -> None:
    choice = choose(f"open_clip:{architecture}", pretrained="none")
    assert choice.layer == last
    blocks = [layer for layer in list_layers(choice) if layer.is_block]
    assert blocks[-1].name == last
    network = load_network(choice)
    images = torch.randn(2, 3, *choice.input_size, generator=torch.Generator().manual_seed(0))
    outputs: list[torch.Tensor] = []
    visual = outside(architecture).visual
    visual.get_submodule(last).register_forward_hook(lambda _m, _i, output: outputs.append(output))
    with torch.inference_mode():
        visual(images)
    found = layer_activations(network, images)
    assert found.shape[2:] == grid == blocks[-1].layout.map_shape
    (wanted,) = outputs
    if wanted.ndim == 3:
        wanted = wanted[:, 1:].transpose(1, 2).reshape(found.shape)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    with pytest.raises(UsageError, match="does not return one score per class"):
        class_scores(network, images)


@pytest.mark.parametrize("part", ["both towers", "visual"])
def test_a_file_of_weights(part: str, tmp_path: Path) -> None:
    network = outside("tiny-vit", seed=5)
    saved = network if part == "both towers" else network.visual
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    choice = choose("open_clip:tiny-vit", weights=tmp_path / "weights.pt")
    assert choice.pretrained == "own"
    state = load_network(choice).module.state_dict()
    wanted = network.visual.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in wanted.items())


def test_preprocessing_is_that_of_the_weights() -> None:
    named = choose("open_clip:tiny-vit/own_b1", pretrained="none")
    assert (named.mean, named.std, named.input_size) == ((0.5,) * 3, (0.25,) * 3, (32, 32))
    assert named.name == "open_clip.tiny-vit_own_b1"
    either = choose("open_clip:tiny-vit", pretrained="none")
    assert (either.mean, either.std) == (
        open_clip.OPENAI_DATASET_MEAN,
        open_clip.OPENAI_DATASET_STD,
    )
    assert choose("open_clip:ViT-B-16-SigLIP", "trunk.blocks.0", pretrained="none").mean[0] == 0.5


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        ("tiny-vitt/own_b1", {}, "OpenCLIP has no such architecture, did you mean tiny-vit"),
        ("local-dir:/tmp", {"pretrained": "none"}, "OpenCLIP has no such architecture"),
        ("tiny-vit/own_b2", {}, "no such weights of tiny-vit, did you mean tiny-vit/own_b1"),
        ("tiny-vit", {}, "names no weights: write open_clip:tiny-vit/PRETRAINED for published"),
        ("tiny-vit", {"pretrained": "open_clip"}, "open_clip:tiny-vit names no weights"),
        ("tiny-vit/gelu", {}, "another activation function: take open_clip:tiny-vit-quickgelu"),
    ],
)
def test_what_cannot_be_meant(model: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_network(choose(f"open_clip:{model}", **asked))


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("no route to host.")

    monkeypatch.setattr(open_clip, "download_pretrained", fail)
    choice = choose("open_clip:tiny-vit/own_b1")
    with pytest.raises(MissingInputError, match="open_clip cannot get the weights of tiny-vit/own"):
        load_network(choice)


def test_building_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_network(choose("open_clip:tiny-vit", pretrained="none"))
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == 0


def test_names_without_importing() -> None:
    assert {"ViT-B-32", "RN50"} <= set(OpenClip().names())
