from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ccx_cli.errors import CcxError, DamagedDataError, ExitCode, MissingInputError, UsageError
from ccx_cli.probe.interventions import Intervention
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import layer_activations, load_network
from ccx_cli.probe.networks.made_networks import build_own, state_sha256
from ccx_cli.probe.networks.own_networks import (
    find_factory,
    imported_sha256,
    read_arguments,
    short_name,
)
from ccx_cli.probe.networks.passes import accepting

SOURCE = '''
from collections import namedtuple
from types import SimpleNamespace

import torch
from torch import nn

from beside import CHANNELS

number = 3
Pair = namedtuple("Pair", ("maps", "mean"))


def make(units=5, pooled=True, bias=0.0):
    """A small network, of random weights."""
    print("made")
    stem = nn.Conv2d(CHANNELS, units, 5, 4)
    nn.init.constant_(stem.bias, bias)
    pool = nn.AdaptiveAvgPool2d(1) if pooled else nn.Identity()
    return nn.Sequential(stem, nn.ReLU(), pool, nn.Flatten(), nn.LazyLinear(3)).eval()


def ready(**arguments):
    network = make(**arguments)
    network(torch.zeros(1, 3, 224, 224))
    return network


def trained():
    network = nn.Sequential(nn.Conv2d(3, 2, 1))
    nn.init.constant_(network[0].weight, 0.5)
    nn.init.zeros_(network[0].bias)
    return network


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.Conv2d(3, 4, 8, 8)

    def forward(self, images):
        return self.module(images)


def fails():
    raise ValueError("no luck.\\nat all")


def leaves():
    raise SystemExit(2)


def words():
    return "a network"


def one_pixel():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2, 2))


class Parts(nn.Module):
    """Returns the tensors of ``kind``, beside one that is no map."""

    def __init__(self, kind):
        super().__init__()
        self.inner = nn.Conv2d(3, 4, 8, 8)
        self.kind = kind

    def forward(self, images):
        maps = self.inner(images)
        return {
            "tuple": (maps, maps.mean(1)),
            "list": [None, maps, maps.mean(1)],
            "namedtuple": Pair(maps, maps.mean(1)),
            "dict": {"maps": maps},
        }[self.kind]


class Whole(nn.Module):
    """Uses what is beside the maps too; what it returns has the form of ``answer``."""

    def __init__(self, kind, answer="tensor"):
        super().__init__()
        self.parts = Parts(kind)
        self.fc = nn.Linear(4, 3)
        self.answer = answer

    def forward(self, images):
        output = self.parts(images)
        maps, mean = output[-2:] if isinstance(output, tuple | list) else [*output.values()] * 2
        scores = self.fc(maps.mean((2, 3))) + mean.flatten(1).mean(1, keepdim=True)
        return {
            "tensor": scores,
            "out": {"aux": scores[:, :1], "out": scores},
            "object": SimpleNamespace(loss=None, logits=scores),
            "tuple": (scores, maps),
            "pair": (scores, scores),
            "maps": {"out": maps},
        }[self.answer]


class Twice(nn.Module):
    """Runs its layer a second time on images that are not blank."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        output = self.layer(images)
        return self.layer(output) if images.any() else output


class Shared(nn.Module):
    """Runs one layer on tokens of two lengths, as those of transformers share a dropout."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 8, 8)
        self.down = nn.Linear(6, 4)
        self.layer = nn.Identity()

    def forward(self, images):
        tokens = self.layer(self.patches(images).flatten(2).transpose(1, 2))
        return self.layer(self.down(tokens))


def unseeded():
    network = trained()
    nn.init.constant_(network[0].weight, torch.seed() % 1000)
    return network
'''


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("CHANNELS = 3\n")
    path = tmp_path / "nets.py"
    path.write_text(SOURCE)
    return path


def choose(
    model: str,
    *words: str,
    pretrained: str | None = None,
    layer: str | None = "0",
    weights: Path | None = None,
    seed: int = 0,
) -> NetworkDescription:
    return choose_network(
        Path("nowhere"),
        NetworkRequest(model, pretrained, layer, weights=weights, seed=seed, model_args=words),
    )


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ((), {}),
        (("a=3", "b=0.5", "c=True", "d=None"), {"a": 3, "b": 0.5, "c": True, "d": None}),
        (("a=resnet", "b='3'", "c=", "d=x=y"), {"a": "resnet", "b": "3", "c": "", "d": "x=y"}),
        (("sizes=[1, (2, 3)]",), {"sizes": [1, (2, 3)]}),
        (("code=__import__('os')",), {"code": "__import__('os')"}),
    ],
)
def test_arguments_are_literals_or_strings(
    words: tuple[str, ...], arguments: dict[str, object]
) -> None:
    assert read_arguments(words) == arguments


@pytest.mark.parametrize("words", [("a",), ("=3",), ("a-b=3",), ("a=1", "a=2")])
def test_what_is_no_argument(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="`model_args`"):
        read_arguments(words)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/home/me/my nets/net-1.py:make", "net_1.make"),
        ("a.b:c", "a.b.c"),
        ("a." * 50 + "b:c", ("a." * 50 + "b.c")[-60:]),
    ],
)
def test_names_fit_for_a_directory(model: str, name: str) -> None:
    assert short_name(model) == name


def test_the_factory_makes_the_network(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choice = choose(f"{nets}:ready", "units=7", "bias=0.25")
    assert (choice.pretrained, choice.weights, choice.num_classes) == ("own", None, 0)
    assert choice.describe() == "nets.ready (own), 0"
    network = load_network(choice)
    assert (network.layout.units, network.layout.map_shape) == (7, (55, 55))
    assert float(network.module.state_dict()["0.bias"][0]) == 0.25
    assert not network.module.training
    out, err = capsys.readouterr()
    assert out == ""
    assert "made" in err


def test_a_module_is_found_in_the_working_folder(
    nets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = nets.parent / "some_package_of_ours"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text(SOURCE)
    monkeypatch.chdir(nets.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    network = load_network(choose("some_package_of_ours.kinds:trained"))
    assert network.layout.units == 2
    library = load_network(choose("torchvision.models:squeezenet1_1", layer="features"))
    assert library.layout.units == 512


def test_weights_are_known_by_their_bytes(nets: Path) -> None:
    one = choose(f"{nets}:ready", "units=4")
    digest = one.weights_sha256()
    assert len(digest) == 64
    assert load_network(one).weights_sha256 == digest
    state = torch.random.get_rng_state()
    for other in (
        choose(f"{nets}:ready", "units=4", seed=1),
        choose(f"{nets}:ready", "units=4", "bias=1"),
    ):
        assert other.weights_sha256() != digest
    assert choose(f"{nets}:ready", "units=4", pretrained="none").weights_sha256() == digest
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_changed_file_is_read_again(nets: Path) -> None:
    choice = choose(f"{nets}:trained")
    before = choice.weights_sha256()
    nets.write_text(SOURCE.replace("weight, 0.5", "weight, 0.75"))
    assert choice.weights_sha256() != before
    assert float(load_network(choice).module.state_dict()["0.weight"][0, 0]) == 0.75


def test_what_the_code_imports_is_read_again_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: str, text: str) -> str:
        (tmp_path / folder / "ownbeside").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "ownbeside/__init__.py").write_text("")
        (tmp_path / folder / "ownbeside/size.py").write_text(f"SIZE = {text}\n")
        lazy = "def lazy():\n    from ownbeside.size import SIZE\n    return SIZE\n"
        code = f"from ownbeside.size import SIZE\n{lazy}def make():\n    return SIZE\n"
        (tmp_path / folder / "ownnets.py").write_text(code)
        return str(tmp_path / folder / "ownnets.py")

    def made(model: str) -> tuple[int, int]:
        return find_factory(f"{model}:make")(), find_factory(f"{model}:lazy")()

    first, other = write("first", "1"), write("other", "22")
    assert [made(each) for each in (first, other, first)] == [(1, 1), (22, 22), (1, 1)]
    write("first", "333")
    assert [made(each) for each in (first, other)] == [(333, 333), (22, 22)]
    monkeypatch.chdir(tmp_path / "first")
    assert made("ownnets") == (333, 333)
    write("first", "4444")
    assert made("ownnets") == (4444, 4444)


def test_threads_that_import_a_factory_at_once_have_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("import time\ntime.sleep(0.2)\ndef make():\n    return 5\n")
    with ThreadPoolExecutor(4) as pool:
        factories = list(pool.map(find_factory, [f"{path}:make"] * 4))
    assert [factory() for factory in factories] == [5] * 4


def test_what_the_code_imports_counts(
    nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identity() -> dict[str, object]:
        return choose(f"{nets}:ready").identity()

    before = identity()
    (nets.parent / "unrelated.py").write_text("import beside\n")
    assert identity() == before
    beside = nets.parent / "beside.py"
    beside.write_text(beside.read_text() + "# more\n")
    after = identity()
    assert {key for key in before if before[key] != after[key]} == {"imports"}
    alone = tmp_path / "alone.py"
    alone.write_text("import torch\n")
    assert imported_sha256(f"{alone}:make") is None
    alone.write_text("import torch\ndef")
    assert imported_sha256(f"{alone}:make") is None

    monkeypatch.chdir(tmp_path)
    package = tmp_path / "ownpackage"
    package.mkdir()
    for name, text in (("__init__", ""), ("nets", "from . import parts\n"), ("parts", "")):
        (package / f"{name}.py").write_text(text)
    first = imported_sha256("ownpackage.nets:make")
    (package / "parts.py").write_text("a = 1\n")
    assert imported_sha256("ownpackage.nets:make") != first is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_the_digest_sees_every_bit(dtype: torch.dtype) -> None:
    def holding(values: torch.Tensor, name: str = "kept") -> str:
        module = nn.Module()
        module.register_buffer(name, values)
        return state_sha256(module, "a:b")

    zeros = torch.zeros(2, 3, dtype=dtype)
    changed = zeros.clone()
    changed[1, 2] = 1
    digests = [
        holding(zeros),
        holding(changed),
        holding(zeros.reshape(3, 2)),
        holding(zeros, "other"),
        holding(torch.zeros((), dtype=dtype)),
    ]
    assert len(set(digests)) == len(digests)
    assert holding(changed.t().contiguous().t()) == holding(changed)


def test_a_file_of_weights_replaces_the_factorys(nets: Path, tmp_path: Path) -> None:
    choice = choose(f"{nets}:ready")
    module = build_own(choice.model, (), 5)
    file = tmp_path / "w.pth"
    torch.save({"state_dict": module.state_dict()}, file)
    for pretrained in (None, "imagenet"):
        network = load_network(choose(f"{nets}:ready", weights=file, pretrained=pretrained))
        for name, tensor in network.module.state_dict().items():
            assert torch.equal(tensor, module.state_dict()[name])
    with pytest.raises(DamagedDataError, match=r"w\.pth does not fit nets\.ready"):
        load_network(choose(f"{nets}:ready", "units=6", weights=file))


def test_layers_called_as_wrappers_are_keep_their_weights(nets: Path, tmp_path: Path) -> None:
    module = build_own(f"{nets}:Wrapped", (), 5)
    torch.save(module.state_dict(), tmp_path / "w.pth")
    network = load_network(choose(f"{nets}:Wrapped", layer="module", weights=tmp_path / "w.pth"))
    assert torch.equal(
        network.module.state_dict()["module.weight"], module.state_dict()["module.weight"]
    )


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("absent.py:make", MissingInputError, "is not there"),
        ("nets.py:mak", UsageError, "mak is not there, did you mean make?"),
        ("nets.py:number", UsageError, "number is no callable"),
        ("nets.py:", UsageError, "names no factory"),
        ("nets:py:make", UsageError, "neither a module nor a file"),
        ("nets.py:fails", CcxError, "the factory raises ValueError: no luck. at all: mend"),
        ("nets.py:leaves", CcxError, "SystemExit: 2"),
        ("nets.py:words", UsageError, "returns a str, not a torch.nn.Module"),
        ("nets.py:make", UsageError, "have no values yet"),
        ("nets.py:one_pixel", CcxError, "cannot take an image of 224 x 224 pixels"),
        ("broken.py:make", DamagedDataError, "raises SyntaxError"),
        ("lacks.py:make", DamagedDataError, "No module named 'not_here_at_all'"),
        ("not_here_at_all.nets:make", MissingInputError, "no module not_here_at_all"),
        ("torchvision.not_here:make", MissingInputError, "no module torchvision.not_here"),
    ],
)
def test_factories_that_fail_say_why_in_one_sentence(
    nets: Path, model: str, kind: type[CcxError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nets.parent)
    Path("broken.py").write_text("def make(:\n")
    Path("lacks.py").write_text("import not_here_at_all\n")
    with pytest.raises(CcxError) as caught:
        load_network(choose(model))
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "`model`" in str(caught.value) or model == "nets.py:one_pixel"


def test_arguments_that_the_factory_does_not_know(nets: Path) -> None:
    with pytest.raises(CcxError, match="with depth=3 raises TypeError") as caught:
        load_network(choose(f"{nets}:make", "depth=3"))
    assert caught.value.exit_code is ExitCode.FAILED


def test_untrained_means_that_the_seed_decides(nets: Path) -> None:
    choice = choose(f"{nets}:ready", pretrained="none", seed=3)
    assert choice.mean == choice.std == (0.5, 0.5, 0.5)
    one, two = load_network(choice), load_network(choice)
    assert torch.equal(one.module.state_dict()["0.weight"], two.module.state_dict()["0.weight"])
    with pytest.raises(UsageError, match="the same weights whatever the seed"):
        load_network(choose(f"{nets}:trained", pretrained="none"))


@pytest.mark.parametrize(
    ("pretrained", "said"),
    [
        ("places365", "no such weights were published"),
        ("imagenet", "no such weights were published"),
        ("demo", "no such weights were published"),
        ("owned", "did you mean own"),
    ],
)
def test_nobody_published_weights_for_it(nets: Path, pretrained: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose(f"{nets}:make", pretrained=pretrained)


def test_known_networks_have_no_factory(nets: Path) -> None:
    with pytest.raises(UsageError, match="leave it out for resnet18"):
        choose("resnet18", "a=3", pretrained="none")
    with pytest.raises(UsageError, match="needs the file"):
        choose("resnet18", pretrained="own")
    with pytest.raises(UsageError, match=r"nets\.py:factory"):
        choose(str(nets))
    with pytest.raises(UsageError, match="`layer`"):
        choose(f"{nets}:make", layer=None)


NOISE = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["tuple", "list", "namedtuple"])
@pytest.mark.parametrize("answer", ["tensor", "out", "object", "tuple"])
def test_the_first_tensor_of_a_tuple_is_the_layers(nets: Path, kind: str, answer: str) -> None:
    choice = choose(f"{nets}:Whole", f"kind={kind}", f"answer={answer}", layer="parts")
    network = load_network(replace(choice, resized=(32, 32)))
    module: Any = network.module
    maps, fc = module.parts.inner(NOISE), module.fc
    assert torch.equal(layer_activations(network, NOISE), maps)
    scores = Intervention(network).scores(NOISE, lambda each: torch.stack([each, each * 0]), 2)
    mean = maps.flatten(1).mean(
        1, keepdim=True
    )  # Of the ablated version too: it is another part of the tuple.
    expected = torch.stack([fc(maps.mean((2, 3))), fc.bias.expand(2, 3)]) + mean
    torch.testing.assert_close(scores, expected)


def test_the_last_output_counts_however_often_a_layer_runs(nets: Path) -> None:
    network = load_network(replace(choose(f"{nets}:Twice", layer="layer"), resized=(32, 32)))
    assert torch.equal(layer_activations(network, NOISE), network.module(NOISE))


def test_the_last_output_counts_whatever_the_shape_of_others(nets: Path) -> None:
    network = load_network(replace(choose(f"{nets}:Shared", layer="layer"), resized=(32, 32)))
    maps = network.module(NOISE).transpose(1, 2).reshape(len(NOISE), 4, 4, 4)
    assert torch.equal(layer_activations(network, NOISE), maps)


def test_a_dict_of_outputs_names_where_to_look(nets: Path) -> None:
    with pytest.raises(UsageError, match="gives a dict, not a tensor") as caught:
        load_network(choose(f"{nets}:Whole", "kind=dict", layer="parts"))
    listing = f"`ccx layers --model {nets}:Whole --model-arg kind=dict --layer parts` lists"
    assert listing in str(caught.value)


@pytest.mark.parametrize("answer", ["pair", "maps"])
def test_an_answer_that_names_no_class_is_refused(nets: Path, answer: str) -> None:
    choice = choose(f"{nets}:Whole", "kind=tuple", f"answer={answer}", layer="parts")
    network = load_network(replace(choice, resized=(32, 32)))
    with pytest.raises(UsageError, match="a factory of your own whose network returns the scores"):
        Intervention(network).scores(NOISE, lambda each: each[None], 1)


def test_a_network_that_takes_one_image_at_a_time_is_told_so(nets: Path) -> None:
    choice = choose(f"{nets}:make", layer="0")
    with (
        pytest.raises(CcxError, match=r"cannot take 2 images of 8 x 8 .* add `batch_size` 1"),
        accepting(choice, torch.zeros(2, 3, 8, 8)),
    ):
        torch.zeros(2, 4).view(1, 4)
