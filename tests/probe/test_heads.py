"""Weights without the head that comes after a layer, and which of them are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from ccx_cli.errors import CcxError, DamagedDataError, UsageError
from ccx_cli.probe.interventions import class_scores
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import (
    Network,
    layer_activations,
    load_network,
    load_networks,
)
from ccx_cli.progress import SilentProgress
from ccx_cli.study.roles import head_weights

NETS = """import torch
from torch import nn
from torch.nn import functional


class Net(nn.Module):
    def __init__(self, n_classes=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 8, 8)
        self.norm = nn.BatchNorm2d(4)
        self.block = nn.Sequential(nn.Conv2d(4, 6, 1), nn.ReLU())
        self.never = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(1))
        self.fc = nn.Linear(6, n_classes)

    def forward(self, images):
        maps = self.block(self.norm(self.stem(images)))
        return self.fc(maps.mean((2, 3))) * self.scale


class Early(Net):
    '''Uses its head by hand before the layer, which no hook on it hears.'''

    def forward(self, images):
        images = images + 0 * self.fc.weight.mean()
        return super().forward(images)


class Twice(Net):
    '''Runs its head before the layer too.'''

    def forward(self, images):
        self.fc(images.new_zeros(1, 6))
        return super().forward(images)


class InPlace(Net):
    '''Its head changes the output of the layer in place.'''

    def forward(self, images):
        maps = self.block(self.norm(self.stem(images)))
        return self.fc(maps.mul_(2).mean((2, 3)))


class Bare(Net):
    def __init__(self):
        super().__init__()
        self.fc = nn.Identity()


def any_of(**options):
    return Net(options.get("num_classes", 4))


def fixed():
    return Net()


def odd(how_many=4):
    return Net(how_many)
"""
HEAD = {"fc.weight": (7, 6), "fc.bias": (7,)}


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    file = tmp_path / "nets.py"
    file.write_text(NETS)
    return file


def body() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    shapes = {"stem.weight": (4, 3, 8, 8), "stem.bias": (4,)}
    shapes |= {f"norm.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")}
    shapes |= {"block.0.weight": (6, 4, 1, 1), "block.0.bias": (6,)}
    shapes |= {"never.weight": (2, 2), "never.bias": (2,), "scale": (1,)}
    return {name: torch.rand(shape) for name, shape in shapes.items()}


def head(shapes: dict[str, tuple[int, ...]] = HEAD) -> dict[str, torch.Tensor]:
    return {name: torch.rand(shape) for name, shape in shapes.items()}


def load(
    nets: Path,
    state: dict[str, torch.Tensor],
    factory: str = "Net",
    layer: str = "block",
    *,
    ignore_head: bool = True,
    words: tuple[str, ...] = (),
    progress: Notes | None = None,
) -> Network:
    file = nets.with_name("w.pth")
    torch.save(state, file)
    request = NetworkRequest(
        f"{nets}:{factory}",
        weights=file,
        layer=layer,
        input_size=(32, 32),
        ignore_head=ignore_head,
        model_args=words,
    )
    (network,) = load_networks([choose_network(nets.parent, request)], progress=progress)
    return network


def activations(network: Network) -> torch.Tensor:
    torch.manual_seed(0)
    return layer_activations(network, torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("layer", ["stem", "norm", "block.0", "block"])
@pytest.mark.parametrize("state", ["missing", "other size", "half of it"])
@pytest.mark.parametrize("factory", ["Net", "InPlace"])
def test_a_head_after_the_layer_is_left_out(
    nets: Path, layer: str, state: str, factory: str
) -> None:
    part = {"fc.weight": HEAD["fc.weight"]}
    given = {"missing": {}, "other size": head(), "half of it": head(part)}[state]
    notes = Notes()
    network = load(nets, body() | given, factory, layer, progress=notes)
    whole = load(nets, body() | head(), factory, layer, words=("n_classes=7",))
    assert torch.equal(activations(network), activations(whole))
    assert whole.has_head
    assert not network.has_head
    (note,) = notes.notes
    assert note.startswith("The head of nets.")
    assert "fc.bias" in note
    images = torch.rand(2, 3, 32, 32)
    with pytest.raises(UsageError, match=r"This needs predictions, but .* lacks the head of nets"):
        class_scores(network, images)
    with pytest.raises(UsageError, match="This needs predictions"):
        head_weights(network)
    assert class_scores(whole, images).shape == (2, 7)


@pytest.mark.parametrize(
    ("factory", "layer", "lacking", "named"),
    [
        ("Net", "fc", "fc.weight", "fc.weight"),
        ("Net", "block", "stem.weight", "stem.weight"),
        ("Net", "block", "norm.running_var", "norm.running_var"),
        ("Net", "block", "block.0.bias", "block.0.bias"),
        ("Net", "block", "never.weight", "never.weight"),
        ("Net", "block", "scale", "scale"),
        ("Early", "block", "fc.weight", "fc.weight"),
        ("Twice", "block", "fc.weight", "fc.weight"),
    ],
)
def test_what_may_act_before_the_layer_is_never_left_out(
    nets: Path, factory: str, layer: str, lacking: str, named: str
) -> None:
    state = body() | head({"fc.weight": (4, 6), "fc.bias": (4,)})
    assert load(nets, state, factory, layer).has_head
    del state[lacking]
    with pytest.raises(DamagedDataError) as caught:
        load(nets, state, factory, layer)
    assert str(caught.value).endswith(
        f"of its tensors are 1 missing ({named}): `ignore_head` leaves out only what comes after "
        f"`layer` {layer}, and not {named}."
    )


def test_of_several_layers_all_come_before_the_head(nets: Path) -> None:
    file = nets.with_name("w.pth")
    torch.save(body(), file)
    choices = [
        choose_network(
            nets.parent,
            NetworkRequest(
                f"{nets}:Net", weights=file, layer=layer, input_size=(32, 32), ignore_head=True
            ),
        )
        for layer in ("stem", "block", "fc")
    ]
    assert len(load_networks(choices[:2])) == 2
    with pytest.raises(DamagedDataError, match=r"comes after `layer` fc, and not fc\.weight"):
        load_networks(choices)


@pytest.mark.parametrize(
    ("factory", "extra", "is_head"),
    [
        ("Net", "head.mlp.0.weight", True),
        ("Net", "dino_head.last_layer.weight_v", True),
        ("Net", "fc.second.weight", True),
        ("Bare", "fc.weight", True),
        ("Net", "block.1.weight", False),
        ("Net", "norm_pre.weight", False),
        ("Net", "pos_embed", False),
        ("Net", "stem.head.weight", False),
        ("Net", "never.head.weight", False),
    ],
)
def test_what_only_the_file_has_is_left_out_where_it_is_a_head(
    nets: Path, factory: str, extra: str, is_head: bool
) -> None:
    own_head = {} if factory == "Bare" else head({"fc.weight": (4, 6), "fc.bias": (4,)})
    state = body() | own_head | {extra: torch.ones(3)}
    if is_head:
        assert load(nets, state, factory).has_head
    else:
        with pytest.raises(DamagedDataError, match=f"and not {extra}"):
            load(nets, state, factory)
    with pytest.raises(DamagedDataError, match="1 unexpected"):
        load(nets, state, factory, ignore_head=False)


@pytest.mark.parametrize(
    ("factory", "parameter"),
    [("Net", "n_classes"), ("any_of", "num_classes"), ("fixed", None), ("odd", None)],
)
def test_a_head_of_another_size_is_refused_with_what_mends_it(
    nets: Path, factory: str, parameter: str | None
) -> None:
    state = body() | head()
    with pytest.raises(DamagedDataError) as caught:
        load(nets, state, factory, ignore_head=False)
    left_out = "leave its head out with `ignore_head` if `layer` comes before that."
    mends = f"build it for the 7 classes of the file with `model_args` {parameter}=7, or {left_out}"
    expected = left_out if parameter is None else mends
    assert str(caught.value) == (
        f"{nets.parent}/w.pth does not fit nets.{factory}, of its tensors are 2 of another shape "
        f"(fc.weight (7, 6) for (4, 6), fc.bias (7,) for (4,)): {expected}"
    )
    assert load(nets, state, factory).choice.layer == "block"
    if parameter is not None:
        assert load(nets, state, factory, words=(f"{parameter}=7",), ignore_head=False).has_head


def test_what_is_no_head_is_refused_without_that_mend(nets: Path) -> None:
    state = body() | head()
    del state["stem.bias"]
    with pytest.raises(DamagedDataError, match="check `model` and `weights`"):
        load(nets, state, ignore_head=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "layer", "head_of"),
    [
        ("resnet18", "layer4", "fc."),
        ("squeezenet1_1", "features.12", "classifier."),
        ("vgg11", "features.20", "classifier."),
        ("densenet121", "features.denseblock4", "classifier."),
        ("mobilenet_v3_small", "features.12", "classifier."),
        ("vit_b_32", "encoder.layers.encoder_layer_11", "heads."),
        ("swin_t", "features.7", "head."),
        ("convnext_tiny", "features.7", "classifier."),
    ],
)
def test_backbones_of_torchvision(tmp_path: Path, model: str, layer: str, head_of: str) -> None:
    torch.manual_seed(0)
    trained = models.get_model(model, num_classes=10)
    file = tmp_path / "w.pth"
    torch.save({n: t for n, t in trained.state_dict().items() if not n.startswith(head_of)}, file)
    request = NetworkRequest(model, weights=file, layer=layer, ignore_head=True)
    network = load_network(choose_network(tmp_path, request))
    assert not network.has_head
    got: list[torch.Tensor] = []
    trained.eval().get_submodule(layer).register_forward_hook(lambda *each: got.append(each[2]))
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        trained(images)
    maps = layer_activations(network, images)
    if model == "vit_b_32":  # Tokens, the first of which stands for the class.
        got[0] = got[0][:, 1:].reshape(1, 7, 7, -1)
    units_first = maps.shape[1] == got[0].shape[1]
    torch.testing.assert_close(maps, got[0] if units_first else got[0].permute(0, 3, 1, 2))
    with pytest.raises(CcxError, match="leave its head out with `ignore_head`"):
        load_network(choose_network(tmp_path, NetworkRequest(model, weights=file, layer=layer)))


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
def test_backbones_of_timm(tmp_path: Path, name: str) -> None:
    timm = pytest.importorskip("timm")
    trained = timm.create_model(name, num_classes=0)
    file = tmp_path / "w.pth"
    torch.save(trained.state_dict(), file)
    layer = "layer4" if name == "resnet10t" else "blocks.11"
    request = NetworkRequest(f"timm:{name}", weights=file, layer=layer, ignore_head=True)
    network = load_network(choose_network(tmp_path, request))
    assert not network.has_head
    own = dict(network.module.named_parameters())
    for key, tensor in trained.named_parameters():
        assert torch.equal(own[key], tensor)


@pytest.mark.parametrize("option", ["weights_key", "ignore_head"])
def test_options_of_a_file_need_one(option: str) -> None:
    given = {"weights_key": "model"} if option == "weights_key" else {"ignore_head": True}
    with pytest.raises(UsageError, match=f"`{option}` is about a file of weights"):
        choose_network(Path(), NetworkRequest("demo", **given))


def test_modules_are_as_the_file_says_after_the_check(nets: Path) -> None:
    network = load(nets, body())
    assert isinstance(network.module, nn.Module)
    for name, tensor in body().items():
        assert torch.equal(network.module.state_dict()[name], tensor)
    assert all(bool(each.isfinite().all()) for each in network.module.parameters())
