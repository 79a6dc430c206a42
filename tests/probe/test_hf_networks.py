from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe.images import read_image
from ccx_cli.probe.interventions import Intervention, class_scores
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.class_names import class_names
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.layers import list_layers
from ccx_cli.probe.networks.loading import layer_activations, load_network

if TYPE_CHECKING:
    from tests.tiny_encoders import CLASSES, SIDE, TINY, VIT, load_outside, save_tiny
else:
    from tiny_encoders import CLASSES, SIDE, TINY, VIT, load_outside, save_tiny

pytest.importorskip("transformers")


def choose(folder: Path | str, layer: str | None = None, **asked: Any) -> NetworkDescription:
    return choose_network(Path("nowhere"), NetworkRequest(f"hf:{folder}", layer=layer, **asked))


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of those networks of ``TINY`` that were asked for, which no test may change."""
    root = tmp_path_factory.mktemp("tiny")

    class Folders(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            save_tiny(name, root / name)
            self[name] = root / name
            return self[name]

    return Folders()


@pytest.fixture
def vit(saved: dict[str, Path], tmp_path: Path) -> Path:
    """A vision transformer, to be changed."""
    return Path(shutil.copytree(saved["vit"], tmp_path / "vit"))


def outputs_of(network: Any, layers: list[str], images: torch.Tensor) -> list[torch.Tensor]:
    found: dict[str, Any] = {}
    for layer in layers:
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: found.__setitem__(layer, output)
        )
    with torch.inference_mode():
        network(images)
    outputs = (found[layer] for layer in layers)
    return [output[0] if isinstance(output, tuple) else output for output in outputs]


def processed(folder: Path, images: list[Image.Image]) -> torch.Tensor:
    """Let the image processor make inputs of images that have the size of the input already."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder)
    done = processor(images, do_resize=False, do_center_crop=False, return_tensors="pt")
    pixels: torch.Tensor = done["pixel_values"]
    return pixels


@pytest.mark.parametrize("name", TINY)
def test_activations_are_those_of_a_hook_outside_ccx(
    name: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    tiny, folder = TINY[name], saved[name]
    choice = choose(folder)
    assert choice.layer == tiny.last
    height, width = choice.input_size
    noise = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    images = [Image.fromarray(each) for each in noise]
    arrays = []
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
        path = tmp_path / f"{number}.png"
        arrays.append(read_image(path, choice.input_size, choice.mean, choice.std))
    inputs = torch.from_numpy(np.stack(arrays))
    wanted_inputs = processed(folder, images)
    torch.testing.assert_close(inputs, wanted_inputs, atol=1e-6, rtol=1e-6)
    blocks = [layer for layer in list_layers(choice) if layer.is_block]
    assert blocks[-1].name == tiny.last
    assert len(blocks) >= 3
    names = [block.name for block in blocks]
    for block, wanted in zip(
        blocks, outputs_of(load_outside(name, folder), names, inputs), strict=True
    ):
        found = layer_activations(load_network(choose(folder, block.name)), inputs)
        assert found.shape[2:] == block.layout.map_shape
        if wanted.ndim == 3:
            wanted = wanted[:, tiny.leading : wanted.shape[1] - tiny.trailing].transpose(1, 2)
            wanted = wanted.reshape(found.shape)
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    assert found.shape[2:] == tiny.grid


def test_what_transformers_keeps_of_a_pass_has_values(saved: dict[str, Path]) -> None:
    """Its index tensors, of which those on ``meta`` would give any numbers later."""
    network = load_network(choose(saved["beit"])).module
    bias: Any = network.get_submodule("beit.layers.0.relative_position_bias")
    assert bias.generate_relative_position_index(bias.window_size).device.type == "cpu"


def test_attention_and_mlp_are_layers(saved: dict[str, Path]) -> None:
    layers = {layer.name: layer.layout for layer in list_layers(choose(saved["vit"]))}
    for name in ("attention", "mlp", "mlp.fc1", "attention.q_proj"):
        assert layers[f"vit.layers.1.{name}"].map_shape == (4, 4)
        assert layers[f"vit.layers.1.{name}"].leading == 1
    assert layers["vit.embeddings.patch_embeddings"].leading == 0


@pytest.mark.parametrize("name", ["vit", "registers", "clip", "siglip", "swin", "resnet"])
@pytest.mark.parametrize("size", [(48, 32), (32, 64), (64, 64)])
def test_rectangles(name: str, size: tuple[int, int], saved: dict[str, Path]) -> None:
    height, width = size
    layout = load_network(choose(saved[name], input_size=size)).layout
    tiny = TINY[name]
    assert layout.map_shape == (tiny.grid[0] * height // SIDE, tiny.grid[1] * width // SIDE)
    assert (layout.leading, layout.trailing) == (tiny.leading, tiny.trailing)


def test_class_scores_of_a_classifier(saved: dict[str, Path]) -> None:
    images = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for name in ("vit", "deit", "swin", "resnet"):
        network = load_network(choose(saved[name]))
        with torch.inference_mode():
            wanted = load_outside(name, saved[name])(images).logits
        torch.testing.assert_close(class_scores(network, images), wanted)
        doubled = Intervention(network).scores(images, lambda maps: torch.stack([maps, maps]), 2)
        torch.testing.assert_close(doubled, torch.stack([wanted, wanted]), atol=1e-5, rtol=1e-5)
    choice = choose(saved["vit"])
    assert class_names(choice, None) == CLASSES
    assert class_names(choose(saved["swin"]), None) is None
    assert class_names(choose(saved["vit"], pretrained="none"), None) is None


@pytest.mark.parametrize("name", ["vit-encoder", "clip", "registers"])
def test_an_encoder_has_no_class_scores(name: str, saved: dict[str, Path]) -> None:
    network = load_network(choose(saved[name]))
    with pytest.raises(UsageError, match="does not return one score per class"):
        class_scores(network, torch.zeros(1, 3, SIDE, SIDE))


def test_random_weights_and_a_file(saved: dict[str, Path], tmp_path: Path) -> None:
    first, again, other = (
        load_network(choose(saved["vit"], pretrained="none", seed=seed)).module.state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert choose(saved["vit"], pretrained="none", seed=3).weights_sha256() == "seed:3"
    file = tmp_path / "weights.pth"
    torch.save(first, file)
    network = load_network(choose(saved["vit"], weights=file))
    assert network.choice.pretrained == "own"
    assert all(torch.equal(first[name], each) for name, each in network.module.state_dict().items())


def test_the_identity_is_of_weights_and_config_not_of_the_place(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = choose(saved["vit"]), tmp_path / "moved" / "vit"
    shutil.copytree(saved["vit"], there)
    monkeypatch.chdir(tmp_path)
    relative = choose("moved/vit")
    assert relative.model == f"hf:{there}"
    assert relative.name == "hf.vit"
    assert relative.identity() == here.identity()
    config = json.loads((there / "config.json").read_text())
    config["hidden_act"] = "relu"
    (there / "config.json").write_text(json.dumps(config))
    assert choose("moved/vit").identity() != here.identity()


def test_weights_in_pickles_and_in_parts(vit: Path) -> None:
    from safetensors.torch import load_file
    from transformers import ViTForImageClassification

    wanted = choose(vit).weights_sha256()
    state = load_file(vit / "model.safetensors")
    network = ViTForImageClassification.from_pretrained(vit)
    (vit / "model.safetensors").unlink()
    torch.save(state, vit / "pytorch_model.bin")
    network.save_pretrained(vit.parent / "parts", max_shard_size="5KB")
    (vit.parent / "parts" / "preprocessor_config.json").write_bytes(
        (vit / "preprocessor_config.json").read_bytes()
    )
    assert len(list((vit.parent / "parts").glob("*.safetensors"))) > 1
    for folder in (vit, vit.parent / "parts"):
        assert choose(folder, seed=1).weights_sha256() == wanted
    next((vit.parent / "parts").glob("model-00002*")).unlink()
    with pytest.raises(MissingInputError, match="has no weights, or only a part of them"):
        load_network(choose(vit.parent / "parts", seed=2))


class Attack:
    def __reduce__(self) -> Any:
        return (sys.exit, ("ran",))


def test_a_pickle_that_would_run_code_is_refused(vit: Path) -> None:
    (vit / "model.safetensors").unlink()
    torch.save({"a": Attack()}, vit / "pytorch_model.bin")
    with pytest.raises(DamagedDataError, match="its weights cannot be loaded"):
        load_network(choose(vit))


def change(folder: Path, file: str = "config.json", **values: Any) -> None:
    content = json.loads((folder / file).read_text())
    for name, value in values.items():
        content.pop(name, None)
        if value is not None:
            content[name] = value
    (folder / file).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"architectures": None}, UsageError, "architecture unknown, which is neither"),
        ({"architectures": ["ViTForMaskedImageModeling"]}, UsageError, "which is neither"),
        ({"architectures": ["BertModel"]}, UsageError, "BertModel, which is neither an image"),
        ({"hidden_size": 24}, DamagedDataError, "its weights cannot be loaded"),
        ({"num_hidden_layers": 4}, DamagedDataError, r"its weights lack vit\.layers\.3\."),
        ({"model_type": "new", "auto_map": {}}, UsageError, r"needs code of its own \(trust_rem"),
        ({"model_type": "new"}, DamagedDataError, r"its config\.json cannot be loaded"),
        ({"model_type": None, "architecture": "resnet18"}, UsageError, "name it `model` timm:res"),
    ],
)
def test_what_ccx_cannot_take(
    values: dict[str, Any], error: type[CcxError], message: str, vit: Path
) -> None:
    change(vit, **values)
    with pytest.raises(error, match=message):
        load_network(choose(vit, "vit.layers.0"))


def test_damaged_files(vit: Path) -> None:
    (vit / "preprocessor_config.json").write_text("{")
    with pytest.raises(DamagedDataError, match="its image processor cannot be loaded"):
        choose(vit)
    (vit / "model.safetensors").write_bytes(b"none")
    with pytest.raises(DamagedDataError, match="its weights cannot be loaded"):
        load_network(choose(vit, input_size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1)))
    (vit / "config.json").write_text("[]")
    with pytest.raises(DamagedDataError, match=r"its config\.json is no JSON object"):
        choose(vit)


def test_without_an_image_processor(vit: Path) -> None:
    (vit / "preprocessor_config.json").unlink()
    with pytest.raises(UsageError, match=r"no preprocessor_config\.json.*: give `mean` and `std`"):
        choose(vit, mean=(0, 0, 0))
    assert choose(vit, mean=(0, 0, 0), std=(1, 1, 1)).input_size == (SIDE, SIDE)
    change(vit, model_type="bert", architectures=["BertModel"])
    with pytest.raises(UsageError, match="BertModel, which is neither"):
        choose(vit, "layer")


def test_gray_values(tmp_path: Path) -> None:
    save_tiny("vit", tmp_path / "gray", num_channels=1)
    assert load_network(choose(tmp_path / "gray")).layout.map_shape == (4, 4)


def test_what_an_image_processor_does_that_ccx_does_not(vit: Path) -> None:
    file = "preprocessor_config.json"
    change(vit, file, image_processor_type="MobileViTImageProcessor", do_flip_channel_order=True)
    with pytest.raises(UsageError, match=r"what ccx does not \(do_flip_channel_order\)"):
        choose(vit)


@pytest.mark.parametrize(
    "values",
    [{"image_mean": [0.5, 0.5]}, {"image_mean": "x"}, {"image_std": 0}, {"rescale_factor": 0}],
)
def test_an_image_processor_that_is_ill_formed(values: dict[str, Any], vit: Path) -> None:
    change(vit, "preprocessor_config.json", **values)
    with pytest.raises(DamagedDataError, match="no mean and positive standard deviation of three"):
        choose(vit)


def test_networks_that_take_more_than_an_image_are_refused(tmp_path: Path) -> None:
    from transformers import Siglip2VisionConfig, Siglip2VisionModel, ViTMAEConfig, ViTMAEModel

    small = {name: value for name, value in VIT.items() if name != "image_size"}
    Siglip2VisionModel(Siglip2VisionConfig(**small)).save_pretrained(tmp_path / "siglip2")
    ViTMAEModel(ViTMAEConfig(**VIT)).save_pretrained(tmp_path / "mae")
    for name in ("siglip2", "mae"):
        given = {"input_size": (32, 32), "mean": (0, 0, 0), "std": (1, 1, 1)}
        with pytest.raises(UsageError, match="more than an image, or not the whole of it"):
            load_network(choose(tmp_path / name, "layernorm", **given))


def test_a_pooler_that_was_not_saved_is_left_out(saved: dict[str, Path], tmp_path: Path) -> None:
    from transformers import ViTModel

    network = ViTModel.from_pretrained(saved["vit-encoder"], add_pooling_layer=False)
    network.save_pretrained(tmp_path / "bare")
    shutil.copy(saved["vit-encoder"] / "preprocessor_config.json", tmp_path / "bare")
    layers = {layer.name for layer in list_layers(choose(tmp_path / "bare"))}
    assert "layers.2" in layers
    assert not any(name.startswith("pooler") for name in layers)


def test_what_cannot_be_meant(saved: dict[str, Path], tmp_path: Path) -> None:
    folder = saved["vit"]
    for asked, message in (
        ({"pretrained": "imagenet"}, "take hf or none, or give a file with `weights`"),
        ({"model_args": ("depth=1",)}, "is for a factory of your own or a network of timm"),
    ):
        with pytest.raises(UsageError, match=message):
            choose(folder, **asked)
    with pytest.raises(UsageError, match=r"and .*/vit is a folder: leave it out"):
        choose(folder, revision="v1")
    with pytest.raises(UsageError, match=r"`revision` v1 is for networks of the Hugging Face hub"):
        choose_network(Path("x"), NetworkRequest("demo", revision="v1"))
    with pytest.raises(UsageError, match=r"name one as `model` hf:NAME_OR_FOLDER\."):
        choose_network(Path("x"), NetworkRequest("resnet18", "hf"))
    with pytest.raises(MissingInputError, match=r"`model` hf:.*/none: .* does not exist"):
        choose(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match=r"the folder has no config\.json"):
        choose(tmp_path / "empty")


@pytest.mark.parametrize("variable", ["1", ""])
def test_the_hub_is_out_of_reach(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", bool(variable))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    why = "HF_HUB_OFFLINE is set" if variable else "the hub cannot be reached"
    with pytest.raises(MissingInputError) as caught:
        choose("someone/network")
    assert str(caught.value) == (
        f"`model` hf:someone/network: there is no folder someone/network, {why}, and no copy was "
        "downloaded before: give a folder that has the files, with `model` hf:FOLDER."
    )


def test_transformers_is_not_imported_for_what_a_header_says(saved: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ccx_cli.probe.networks.catalog import choose_network\n"
        "from ccx_cli.probe.networks.description import NetworkRequest\n"
        "said = {'input_size': (224, 224), 'mean': (0, 0, 0), 'std': (1, 1, 1)}\n"
        f"asked = NetworkRequest('hf:{saved['vit']}', 'none', 'vit.layers.0', **said)\n"
        "choose_network(Path('x'), asked).identity()\n"
        "print('transformers' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_extra_is_named_where_transformers_is_not_installed(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "transformers" else found(name, package)

    folder = saved["vit"]
    monkeypatch.setattr("importlib.util.find_spec", without)
    with pytest.raises(UsageError) as raised:
        choose(folder)
    assert str(raised.value) == (
        f"`model` hf:{folder} needs transformers, which is not installed: "
        "pip install 'ccx-cli[hf]'."
    )
