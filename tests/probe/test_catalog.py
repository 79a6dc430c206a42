import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torchvision import models

from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.probe.networks.catalog import (
    PLACES365_FILES,
    PRETRAINED,
    choose_network,
)
from ccx_cli.probe.networks.description import DEMO_WEIGHTS, NetworkRequest
from ccx_cli.probe.networks.torchvision_models import DEMO, DEMO_CLASSES, MODELS, default_layer

TORCHVISION = models.list_models(module=models)
TRANSFORMERS = [model for model in MODELS if model.startswith("vit")]
# Trained on larger inputs than ours, or without a classifier.
NOT_OURS = ("_swag-", "vgg16_features")


def published(model: str) -> list[str]:
    urls = [weights.url for weights in models.get_model_weights(model)]
    names = [url.rsplit("/", 1)[1] for url in urls]
    wanted = [
        name for name in names if "_lc_swag" in name or not any(part in name for part in NOT_OURS)
    ]
    plain = [name for name in wanted if "_lc_swag" not in name]
    return plain or wanted


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def test_lists_what_torchvision_has() -> None:
    assert list(MODELS) == [*TORCHVISION, DEMO]


def test_imports_no_torch() -> None:
    code = "import sys, ccx_cli.probe.networks.catalog; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("model", sorted(PLACES365_FILES))
@pytest.mark.parametrize("folder", ["places365", "."])
def test_finds_the_published_places365_file(tmp_path: Path, model: str, folder: str) -> None:
    file = touch(tmp_path / folder / PLACES365_FILES[model])
    choice = choose_network(tmp_path, NetworkRequest(model))
    assert choice.weights == file
    assert (choice.pretrained, choice.num_classes) == ("places365", 365)


def test_finds_every_imagenet_file_that_torchvision_names(tmp_path: Path) -> None:
    for model in TORCHVISION:
        for name in published(model):
            file = touch(tmp_path / model / "imagenet" / name)
            choice = choose_network(tmp_path / model, NetworkRequest(model, "imagenet", "layer"))
            assert (choice.weights, choice.num_classes) == (file, 1000)
            file.unlink()


def test_takes_no_imagenet_file_of_another_model(tmp_path: Path) -> None:
    for model in TORCHVISION:
        for weights in models.get_model_weights(model):
            touch(tmp_path / weights.url.rsplit("/", 1)[1])
    for model in TORCHVISION:
        own = [tmp_path / name for name in published(model)]
        for file in own:
            file.unlink()
        try:
            choice = choose_network(tmp_path, NetworkRequest(model, "imagenet", "layer"))
        except MissingInputError:
            pass
        else:
            assert model == "regnet_y_128gf"
            assert choice.weights == tmp_path / "regnet_y_128gf_swag-c8ce3e52.pth"
        for file in own:
            touch(file)


def test_asks_which_of_two_published_files(tmp_path: Path) -> None:
    touch(tmp_path / "imagenet/resnet50-0676ba61.pth")
    touch(tmp_path / "imagenet/resnet50-11ad3fa6.pth")
    with pytest.raises(UsageError, match=r"resnet50-0676ba61\.pth and resnet50-11ad3fa6\.pth"):
        choose_network(tmp_path, NetworkRequest("resnet50", "imagenet"))


@pytest.mark.parametrize("pretrained", ["places365", "imagenet"])
def test_missing_weights_name_the_command_that_gets_them(tmp_path: Path, pretrained: str) -> None:
    with pytest.raises(MissingInputError) as caught:
        choose_network(tmp_path / "nowhere", NetworkRequest("resnet18", pretrained))
    assert f"`ccx fetch {pretrained}/resnet18`" in str(caught.value)
    assert "`ccx demo`" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "pretrained", "weights", "said"),
    [
        ("resnet19", None, None, "did you mean resnet"),
        ("nothing like it", None, None, "lists the models"),
        ("resnet18", "place365", None, "did you mean places365"),
        ("resnet18", "demo", None, "belongs to `model` demo"),
        ("demo", "places365", None, "has no places365 weights"),
        ("demo", "imagenet", None, "has no imagenet weights"),
        ("demo", None, "w.pth", "brings its own weights"),
        ("resnet18", "own", None, "give it with `weights`"),
        ("demo", "own", "w.pth", "has no own weights"),
        ("resnet18", "none", "w.pth", "choose one"),
        ("squeezenet1_0", None, None, "alexnet, densenet161, resnet18, resnet50 and vgg16"),
    ],
)
def test_refuses_what_cannot_be_meant(
    tmp_path: Path, model: str, pretrained: str | None, weights: str | None, said: str
) -> None:
    file = touch(tmp_path / weights) if weights else None
    with pytest.raises(UsageError) as caught:
        choose_network(tmp_path, NetworkRequest(model, pretrained, weights=file))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("name", "said"), [("absent.pth", "is not there"), (".", "is a folder")])
def test_weights_that_are_not_a_file(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(MissingInputError, match=said):
        choose_network(tmp_path, NetworkRequest("resnet18", weights=tmp_path / name))


def test_a_file_given_stands_in_for_the_published_one(tmp_path: Path) -> None:
    file = touch(tmp_path / "mine.pth")
    choice = choose_network(
        tmp_path, NetworkRequest("squeezenet1_0", layer="features.12", weights=file, seed=3)
    )
    sha256 = hashlib.sha256(b"weights").hexdigest()
    named = f"weights mine.pth, sha256 {sha256[:12]}..."
    assert choice.describe() == f"squeezenet1_0 ({named}), features.12"
    assert choice.pretrained == "own"
    assert choice.weights_sha256() == sha256
    file.unlink()
    with pytest.raises(MissingInputError, match=r"mine\.pth"):
        choice.weights_sha256()


@pytest.mark.parametrize(
    ("is_listed", "name", "known"),
    [
        (True, "squeezenet1_1-{}.pth", "imagenet"),
        (False, "squeezenet1_1-{}.pth", "own"),
        (True, "squeezenet1_1-b8a52dc0.pth", "own"),
        (True, "mine.pth", "own"),
    ],
)
def test_published_files_are_known_by_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_listed: bool, name: str, known: str
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    file = touch(tmp_path / name.format(digest))
    if is_listed:
        listed = [SimpleNamespace(url=f"https://host/models/{file.name}")]
        monkeypatch.setattr(models, "get_model_weights", lambda model: listed)
    choice = choose_network(tmp_path, NetworkRequest("squeezenet1_1", weights=file))
    assert choice.pretrained == known


@pytest.mark.parametrize("model", ["alexnet", "resnet18"])
def test_untrained_networks_have_their_own_normalisation(tmp_path: Path, model: str) -> None:
    choice = choose_network(tmp_path, NetworkRequest(model, "none", seed=5))
    assert choice.mean == choice.std == (0.5, 0.5, 0.5)
    assert choice.num_classes == 365
    assert choice.input_side == (227 if model == "alexnet" else 224)
    assert choice.weights_sha256() == "seed:5"


def test_trained_networks_have_that_of_imagenet(tmp_path: Path) -> None:
    transform = models.get_weight("ResNet18_Weights.IMAGENET1K_V1").transforms()
    file = touch(tmp_path / "w.pth")
    for pretrained in ("places365", "imagenet"):
        choice = choose_network(tmp_path, NetworkRequest("resnet18", pretrained, weights=file))
        assert (list(choice.mean), list(choice.std)) == (transform.mean, transform.std)


def test_the_demo_network_needs_no_option(tmp_path: Path) -> None:
    choice = choose_network(tmp_path, NetworkRequest(DEMO))
    assert (choice.pretrained, choice.weights) == ("demo", None)
    assert choice.pretrained in PRETRAINED
    assert choice.num_classes == len(DEMO_CLASSES)
    assert choice.weights_sha256() == hashlib.sha256(DEMO_WEIGHTS.read_bytes()).hexdigest()


def units_of_default_layer(model: str) -> tuple[int, ...]:
    """Shape of the default layer's output, without weights where the model can be built so."""
    extra = (
        {"aux_logits": False, "init_weights": False}
        if model in {"googlenet", "inception_v3"}
        else {}
    )
    place = "cpu" if model.startswith("regnet") else "meta"
    with torch.device(place):
        module = models.get_model(model, weights=None, **extra).eval()
        shapes: list[tuple[int, ...]] = []
        module.get_submodule(default_layer(model)).register_forward_hook(
            lambda _module, _inputs, output: shapes.append(tuple(output.shape))
        )
        with torch.inference_mode():
            for side in (224, 192):
                if side == 224 or not model.startswith("maxvit"):
                    module(torch.zeros(2, 3, side, side))
    assert {shape[1] for shape in shapes} == {shapes[0][1]}
    return shapes[0]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("alexnet", (256, 6, 6)),
        ("convnext_tiny", (768, 7, 7)),
        ("densenet161", (2208, 7, 7)),
        ("efficientnet_b0", (1280, 7, 7)),
        ("googlenet", (1024, 7, 7)),
        ("inception_v3", (2048, 5, 5)),
        ("maxvit_t", (512, 7, 7)),
        ("mnasnet0_5", (1280, 7, 7)),
        ("mobilenet_v2", (1280, 7, 7)),
        ("mobilenet_v3_small", (576, 7, 7)),
        ("regnet_x_400mf", (400, 7, 7)),
        ("resnet18", (512, 7, 7)),
        ("resnet50", (2048, 7, 7)),
        ("resnext50_32x4d", (2048, 7, 7)),
        ("shufflenet_v2_x0_5", (1024, 7, 7)),
        ("squeezenet1_0", (512, 13, 13)),
        ("swin_t", (768, 7, 7)),
        ("vgg16", (512, 7, 7)),
        ("wide_resnet50_2", (2048, 7, 7)),
    ],
)
def test_default_layer_of_each_family_gives_maps(model: str, shape: tuple[int, ...]) -> None:
    assert units_of_default_layer(model) == (2, *shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    # The large regnets cannot be built without their gigabytes of weights; they are the same class.
    [
        model
        for model in TORCHVISION
        if model not in TRANSFORMERS
        and (not model.startswith("regnet") or model.endswith(("400mf", "800mf", "_1_6gf")))
    ],
)
def test_every_default_layer_gives_maps(model: str) -> None:
    shape = units_of_default_layer(model)
    assert len(shape) == 4
    assert shape[0] == 2
    assert shape[2] == shape[3] > 1


@pytest.mark.parametrize("model", TRANSFORMERS)
def test_vision_transformers_default_to_their_last_encoder_block(model: str) -> None:
    with torch.device("meta"):
        module = models.get_model(model, weights=None)
    blocks = [name for name, _ in module.get_submodule("encoder.layers").named_children()]
    assert default_layer(model) == f"encoder.layers.{blocks[-1]}"


@pytest.mark.parametrize(
    ("model", "digest", "pretrained", "side"),
    [
        ("squeezenet1_0", "b66bff10" + "0" * 56, "imagenet", 224),
        ("vgg16", "0bafbc55" + "0" * 56, "places365", 224),
        ("regnet_y_16gf", "43afe44d" + "0" * 56, "imagenet", 384),
        ("squeezenet1_0", "82c1723f" + "0" * 56, "own", 224),
        ("squeezenet1_1", "b66bff10" + "0" * 56, "own", 224),
    ],
)
def test_weights_are_known_by_their_digest_whatever_they_are_called(
    model: str,
    digest: str,
    pretrained: str,
    side: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = touch(tmp_path / "mine.pth")
    monkeypatch.setattr("ccx_cli.probe.networks.catalog.file_sha256", lambda _: digest)
    request = NetworkRequest(model, layer="features", weights=file)
    choice = choose_network(tmp_path, request)
    assert (choice.pretrained, choice.weights) == (pretrained, file)
    assert choice.input_size == (side, side)
    said = NetworkRequest(model, "own", "features", weights=file)
    assert choose_network(tmp_path, said).pretrained == "own"


def test_a_published_name_on_another_content_is_no_proof(tmp_path: Path) -> None:
    file = touch(tmp_path / "squeezenet1_0-b66bff10.pth")
    assert choose_network(tmp_path, NetworkRequest("squeezenet1_0", weights=file)).pretrained == (
        "own"
    )
