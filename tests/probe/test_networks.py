from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from ccx_cli.errors import CcxError, DamagedDataError, UsageError
from ccx_cli.probe.images import read_image
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest, SaidBy
from ccx_cli.probe.networks.devices import resolve_device
from ccx_cli.probe.networks.loading import layer_activations, load_network

REAL = Path(__file__).parents[2] / "../shared/real"


def untrained(model: str, layer: str | None = None, seed: int = 0) -> NetworkDescription:
    return choose_network(Path("nowhere"), NetworkRequest(model, "none", layer, seed=seed))


def noise(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def by_hand(module: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """The layer's output in a whole forward pass."""
    outputs: list[torch.Tensor] = []
    hook = module.get_submodule(layer).register_forward_hook(
        lambda _module, _inputs, output: outputs.append(output.clone())
    )
    with torch.inference_mode():
        module(images)
    hook.remove()
    return outputs[-1]


def test_an_untrained_network_depends_on_its_seed_alone() -> None:
    torch.manual_seed(7)
    expected = models.squeezenet1_1(num_classes=365).state_dict()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    network = load_network(untrained("squeezenet1_1", seed=7))
    assert torch.equal(torch.get_rng_state(), before)
    assert network.weights_sha256 == "seed:7"
    for name, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    other = load_network(untrained("squeezenet1_1", seed=8))
    assert not torch.equal(
        other.module.state_dict()["features.0.weight"], expected["features.0.weight"]
    )


@pytest.mark.parametrize(
    ("layer", "units", "map_shape"),
    [
        ("layer4", 512, (7, 7)),
        ("conv1", 64, (112, 112)),
        ("bn1", 64, (112, 112)),  # a ReLU in place follows
        ("layer3.1.conv2", 256, (14, 14)),
        ("layer1.0.relu", 64, (56, 56)),  # runs twice
    ],
)
def test_activations_are_those_of_a_whole_forward_pass(
    layer: str, units: int, map_shape: tuple[int, int]
) -> None:
    network = load_network(untrained("resnet18", layer))
    images = noise(2, 224)
    got = layer_activations(network, images)
    assert (network.layout.units, network.layout.map_shape) == (units, map_shape)
    assert got.shape == (2, units, *map_shape)
    assert got.dtype == torch.float32
    assert got.is_contiguous()
    assert torch.equal(got, by_hand(network.module, layer, images))


def test_the_forward_pass_ends_at_the_layer() -> None:
    network = load_network(untrained("squeezenet1_1"))
    head, layer = (network.module.get_submodule(name) for name in ("classifier", "features"))
    head.register_forward_hook(lambda *_: pytest.fail("the head ran"))
    layer_activations(network, noise(1, 224))
    assert not layer._forward_hooks


def test_alexnet_takes_227_pixels() -> None:
    network = load_network(untrained("alexnet"))
    assert (network.layout.units, network.layout.map_shape) == (256, (6, 6))
    assert layer_activations(network, noise(1, 227)).shape == (1, 256, 6, 6)


def test_evaluation_mode_without_gradients() -> None:
    network = load_network(untrained("squeezenet1_1"))
    assert not network.module.training
    assert not any(parameter.requires_grad for parameter in network.module.parameters())


@pytest.mark.parametrize(
    ("model", "layer", "said"),
    [
        ("squeezenet1_1", "features.13", "did you mean features."),
        ("squeezenet1_1", "zzz", "it has features, classifier"),
        ("squeezenet1_1", "", "it has features, classifier"),
        ("maxvit_t", "blocks", "does nothing in a forward pass"),
    ],
)
def test_layers_without_maps_are_refused(model: str, layer: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_network(untrained(model, layer))
    assert said in str(caught.value)
    assert f"`layer` {layer}" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("swin_t", "permute"),
        ("swin_t", "features"),
        ("vit_b_32", "conv_proj"),
        ("vit_b_32", "encoder"),
        ("vit_b_32", None),
    ],
)
def test_transformers_have_maps_too(model: str, layer: str | None) -> None:
    network = load_network(untrained(model, layer))
    assert (network.layout.units, network.layout.map_shape) == (768, (7, 7))


def test_a_vector_is_one_pixel_a_unit() -> None:
    network = load_network(untrained("shufflenet_v2_x0_5", "fc"))
    assert (network.layout.units, network.layout.map_shape) == (365, (1, 1))
    images = noise(2, 224)
    expected = by_hand(network.module, "fc", images)
    assert torch.equal(layer_activations(network, images)[:, :, 0, 0], expected)


def test_units_that_come_last_are_turned() -> None:
    last, second = (load_network(untrained("swin_t", layer)) for layer in ("norm", "permute"))
    images = noise(1, 224)
    assert torch.equal(layer_activations(last, images), layer_activations(second, images))


def test_tokens_are_laid_on_the_grid_of_their_patches() -> None:
    """Patch embeddings are tokens in the encoder and maps before it."""
    network = load_network(untrained("vit_b_32", "encoder.dropout"))
    images = noise(2, 224)
    patches = by_hand(network.module, "conv_proj", images)
    places = network.module.state_dict()["encoder.pos_embedding"][0, 1:]
    expected = patches + places.T.reshape(768, 7, 7)
    torch.testing.assert_close(layer_activations(network, images), expected)
    assert layer_activations(network, noise(1, 224)).is_contiguous()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, wrong: float) -> None:
    state = models.squeezenet1_1(num_classes=365).state_dict()
    state["features.0.bias"][0] = wrong
    file = tmp_path / "w.pth"
    torch.save(state, file)
    choice = choose_network(
        tmp_path, NetworkRequest("squeezenet1_1", layer="features.0", weights=file)
    )
    with pytest.raises(CcxError, match=r"Layer features\.0 of squeezenet1_1.*w\.pth"):
        load_network(choice)


def test_images_that_make_a_layer_overflow_are_refused() -> None:
    network = load_network(untrained("squeezenet1_1"))
    with pytest.raises(CcxError, match="Layer features of squeezenet1_1"):
        layer_activations(network, torch.full((1, 3, 224, 224), float("nan")))


@pytest.mark.parametrize("model", ["squeezenet1_1", "shufflenet_v2_x0_5"])
def test_a_fine_tuned_head_of_any_length_is_loaded(tmp_path: Path, model: str) -> None:
    trained = models.get_model(model, num_classes=7).eval()
    file = tmp_path / "mine.pth.tar"
    torch.save({"model": {f"module.{n}": t for n, t in trained.state_dict().items()}}, file)
    network = load_network(choose_network(tmp_path, NetworkRequest(model, weights=file)))
    images = noise(2, 224)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(images), trained(images))
    assert len(network.weights_sha256) == 64


def test_a_head_of_other_classes_belies_what_is_said(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(models.squeezenet1_1(num_classes=1000).state_dict(), file)
    said = NetworkRequest("squeezenet1_1", "places365", weights=file)
    with pytest.raises(UsageError, match=r"mine\.pth has 1,000 classes.* 365: .*`pretrained` own"):
        load_network(choose_network(tmp_path, said))
    # Runs of older versions stay what they are.
    load_network(choose_network(tmp_path, replace(said, said_by=SaidBy.HEADER)))
    load_network(choose_network(tmp_path, replace(said, pretrained="own")))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save(models.shufflenet_v2_x0_5(num_classes=7).state_dict(), file)
    with pytest.raises(DamagedDataError, match=r"w\.pth does not fit squeezenet1_1.* missing"):
        load_network(choose_network(tmp_path, NetworkRequest("squeezenet1_1", weights=file)))


def test_imagenet_googlenet_renormalises_its_input(tmp_path: Path) -> None:
    trained = models.googlenet(num_classes=1000, init_weights=False, transform_input=True).eval()
    file = tmp_path / "googlenet-1378be20.pth"
    torch.save(trained.state_dict(), file)
    network = load_network(choose_network(tmp_path, NetworkRequest("googlenet", "imagenet")))
    images = noise(1, 224)
    got = layer_activations(network, images)
    torch.testing.assert_close(got, by_hand(trained, "inception5b", images))


def test_the_demo_network_loads() -> None:
    choice = choose_network(Path("nowhere"), NetworkRequest("demo"))
    network = load_network(choice)
    images = noise(2, choice.input_side)
    got = layer_activations(network, images)
    assert got.shape == (2, network.layout.units, *network.layout.map_shape)
    with torch.inference_mode():
        assert network.module(images).shape == (2, choice.num_classes)


def test_the_demo_network_can_be_untrained() -> None:
    first, second, other = (
        load_network(untrained("demo", seed=seed)).module.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "mps"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not known"):
        resolve_device(name)


def test_devices_that_are_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_absent_gpu_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"`device` {name}: there is no CUDA GPU here"):
        load_network(untrained("squeezenet1_1"), name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_activations() -> None:
    with pytest.raises(UsageError, match="the last GPU here"):
        resolve_device("cuda:999")
    images = noise(4, 224)
    on_cpu = layer_activations(load_network(untrained("resnet18")), images)
    on_gpu = layer_activations(load_network(untrained("resnet18"), "cuda"), images)
    assert on_gpu.device.type == "cpu"
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-4)


# ImageNet classes that say what the photographs of an MSRC group show.
SHOWN = {"4": {404, 895, 908}, "8": {444, 671}, "11": {919}, "13": {453}}


@pytest.mark.skipif(not REAL.exists(), reason="the photographs are not beside the repository")
def test_real_weights_recognise_photographs() -> None:
    """Aeroplanes, bicycles, street signs and bookcases."""
    weights = REAL / "squeezenet1_0-imagenet.pth"
    choice = choose_network(
        Path("nowhere"), NetworkRequest("squeezenet1_0", "imagenet", "features.12", weights=weights)
    )
    network = load_network(choice)
    assert (network.layout.units, network.layout.map_shape) == (512, (13, 13))
    folder = REAL / "dataset/broden1_224/images/msrc"
    for group, shown in SHOWN.items():
        files = sorted(folder.glob(f"{group}_*.jpg"))[:8]
        images = torch.from_numpy(
            np.stack([read_image(file, 224, choice.mean, choice.std) for file in files])
        )
        activations = layer_activations(network, images)
        assert activations.shape == (8, 512, 13, 13)
        with torch.inference_mode():
            scores = network.module.get_submodule("classifier")(activations).flatten(1)
            assert torch.equal(scores, network.module(images))
        assert sum(best in shown for best in scores.argmax(1).tolist()) >= 6
