from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ccx_cli.errors import CcxError, MissingInputError, UsageError
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import layer_activations, load_network
from ccx_cli.probe.networks.made_networks import build_with
from ccx_cli.probe.networks.timm_networks import Timm

timm = pytest.importorskip("timm")
SMALL = "timm:test_vit"


def choose(
    model: str = SMALL,
    layer: str = "blocks.1",
    pretrained: str | None = "none",
    weights: Path | None = None,
    seed: int = 0,
    words: tuple[str, ...] = (),
) -> NetworkDescription:
    return choose_network(
        Path("nowhere"),
        NetworkRequest(model, pretrained, layer, weights=weights, seed=seed, model_args=words),
    )


def test_size_and_normalisation_are_timms() -> None:
    choice = choose()
    said = timm.get_pretrained_cfg("test_vit")
    assert choice.input_size == said.input_size[1:] == (160, 160)
    assert (choice.mean, choice.std) == (said.mean, said.std)
    assert (choice.name, choice.is_own, choice.has_own_size) == ("timm.test_vit", False, True)
    asked = NetworkRequest(
        SMALL, "none", "blocks.1", input_size=(80, 96), mean=(0, 0, 0), std=(1, 1, 1)
    )
    other = choose_network(Path("x"), asked)
    assert (other.input_size, other.mean) == ((80, 96), (0, 0, 0))


def test_tokens_are_laid_on_their_grid_without_the_class_token() -> None:
    network = load_network(choose())
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    found = layer_activations(network, images)
    outputs: list[torch.Tensor] = []
    network.module.get_submodule("blocks.1").register_forward_hook(
        lambda _module, _inputs, output: outputs.append(output)
    )
    with torch.inference_mode():
        network.module(images)
    assert outputs[0].shape == (2, 101, network.layout.units)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), outputs[0][:, 1:])
    assert network.layout.map_shape == (10, 10)


def test_random_weights_depend_on_the_seed_alone() -> None:
    first, again, other = (
        load_network(choose(seed=seed)).module.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert choose(seed=3).weights_sha256() == "seed:3"


def test_a_file_of_weights_with_a_head_of_any_length(tmp_path: Path) -> None:
    module = build_with(Timm(), SMALL, ("num_classes=7",), 5, published=False)
    file = tmp_path / "weights.pth"
    torch.save(module.state_dict(), file)
    network = load_network(choose(pretrained=None, weights=file))
    assert network.choice.pretrained == "own"
    for name, tensor in network.module.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name])


def test_weights_that_no_cache_would_be_named_by_are_refused() -> None:
    with pytest.raises(UsageError, match="checkpoint_path would let timm load weights"):
        build_with(Timm(), SMALL, ("checkpoint_path=other.pth",), 0, published=False)


def test_arguments_go_to_timm() -> None:
    choice = choose(words=("img_size=96",))
    network = load_network(
        choose_network(
            Path("x"),
            NetworkRequest(
                SMALL, "none", "blocks.1", model_args=choice.model_args, input_size=(96, 96)
            ),
        )
    )
    assert network.layout.map_shape == (6, 6)
    assert choice.input_size == (96, 96)
    assert choose(words=("img_size=(96, 160)",)).input_size == (96, 160)
    fixed, one_block = "timm:vit_tiny_patch16_224", ("depth=1",)
    small = choose_network(
        Path("x"),
        NetworkRequest(fixed, "none", "blocks.0", model_args=one_block, input_size=(96, 96)),
    )
    with pytest.raises(CcxError, match=r"another size with `model_args` img_size=96,96\)\.$"):
        load_network(small)
    with pytest.raises(CcxError, match="with depthh=3 cannot be made, timm raises TypeError"):
        load_network(choose(words=("depthh=3",)))


@pytest.mark.parametrize(
    ("model", "pretrained", "said"),
    [
        ("timm:resnet81", "none", "timm has no such network, did you mean resnet18"),
        ("timm:resnet18.a1_in2k", "none", "has no such weights, did you mean resnet18.a1_in1k"),
        (SMALL, None, "needs `pretrained`: timm for its published weights"),
        (SMALL, "imagenet", "take timm or none, or give a file"),
        (SMALL, "own", "take timm or none, or give a file"),
        ("resnet18", "timm", "name one as `model` timm:resnet18"),
    ],
)
def test_what_cannot_be_meant(model: str, pretrained: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose(model, pretrained=pretrained)


def test_a_layer_has_to_be_named() -> None:
    with pytest.raises(UsageError, match=f"`model` {SMALL} needs a `layer`, one of those"):
        choose_network(Path("nowhere"), NetworkRequest(SMALL, "none"))


def test_networks_without_published_weights_say_so() -> None:
    with pytest.raises(UsageError, match="timm has no published weights of timm:botnet50ts_256"):
        build_with(Timm(), "timm:botnet50ts_256", (), 0, published=True)


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("no route to host.")

    monkeypatch.setattr("timm.models._builder.load_pretrained", fail)
    with pytest.raises(MissingInputError, match="timm cannot get the weights of test_vit"):
        load_network(choose(pretrained="timm"))


def test_timm_is_not_imported_for_other_networks_nor_for_what_a_header_says() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ccx_cli.probe.networks.catalog import choose_network\n"
        "from ccx_cli.probe.networks.description import NetworkRequest\n"
        "said = {'input_size': (224, 224), 'mean': (0, 0, 0), 'std': (1, 1, 1)}\n"
        "asked = NetworkRequest('timm:resnet18', 'none', 'layer4', **said)\n"
        "choose_network(Path('x'), asked)\n"
        "print('timm' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
