"""Which weights of a file are a network's, where there are several sets or other things beside."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from ccx_cli.errors import CcxError, DamagedDataError, UsageError
from ccx_cli.probe.weights.fitting import load_into
from ccx_cli.probe.weights.weight_sets import FoundWeights, find_weights

State = dict[str, torch.Tensor]


def small() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, 5))
    )


def filled(value: float, prefix: str = "") -> State:
    """The state of ``small``, its tensors full of a value."""
    return {prefix + n: torch.full_like(t, value) for n, t in small().state_dict().items()}


def found(tmp_path: Path, content: Any, key: str | None = None) -> FoundWeights:
    file = tmp_path / "w.pth"
    torch.save(content, file)
    return find_weights(file, small(), key)


def value_of(weights: FoundWeights) -> float:
    """The value that all tensors have, once they are in the network."""
    module = small()
    load_into(module, weights.tensors, Path("w.pth"), "small")
    (value,) = {float(v) for t in module.state_dict().values() for v in t.flatten()}
    return value


OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    "key",
    [
        *("state_dict", "model", "model_state", "model_state_dict", "model_ema", "state_dict_ema"),
        *("ema_state_dict", "params", "params_ema", "net", "weights", "ema", "teacher", "anything"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "net.", "backbone.", "_orig_mod.net."])
def test_the_one_set_is_taken_under_any_key_and_prefix(
    tmp_path: Path, key: str, prefix: str
) -> None:
    content: dict[str, Any] = {
        "epoch": 3,
        "best": torch.tensor(0.7),
        "rng_state": torch.ones(9, dtype=torch.uint8),
        "optimizer": OPTIMIZER,
        key: filled(2, prefix),
    }
    if prefix == "net.":
        content[key] |= {"loss.weight": torch.ones(2), "net": torch.ones(2)}
    weights = found(tmp_path, content)
    assert value_of(weights) == 2
    assert weights.others == []
    assert value_of(found(tmp_path, content, key)) == 2


AVERAGE_FIRST = [
    {"state_dict": 1, "state_dict_ema": 2},
    {"model": 1, "model_ema": 2},
    {"params": 1, "params_ema": 2},
    {"model": 1, "ema": 2},
    {"net": 1, "ema_model": 2, "best": 3},
]
PLAIN_FIRST = [
    {"state_dict": 2, "ema_state_dict": 1},
    {"state_dict": 2, "current_model_state": 1},
    {"state_dict": 2, "model": 1},
    {"model": 2, "best": 1},
    {"net": 2, "old": 1},
]


@pytest.mark.parametrize("values", AVERAGE_FIRST + PLAIN_FIRST)
def test_of_several_sets_the_one_that_is_evaluated_is_taken_and_named(
    tmp_path: Path, values: dict[str, int]
) -> None:
    for keys in (list(values), list(reversed(values))):
        content: dict[str, Any] = {key: filled(values[key]) for key in keys}
        weights = found(tmp_path, {"epoch": 1, **content})
        assert value_of(weights) == 2
        assert values[weights.key] == 2
        assert sorted((weights.key, *weights.others)) == sorted(values)
        for key, value in values.items():
            assert value_of(found(tmp_path, content, key)) == value


def test_nested_sets(tmp_path: Path) -> None:
    content = {"checkpoint": {"model": filled(1), "model_ema": filled(2), "optimizer": OPTIMIZER}}
    weights = found(tmp_path, content)
    assert (weights.key, value_of(weights)) == ("checkpoint.model_ema", 2)
    assert weights.others == ["checkpoint.model"]
    assert value_of(found(tmp_path, content, "checkpoint.model")) == 1
    assert value_of(found(tmp_path, content, "checkpoint")) == 2
    assert value_of(found(tmp_path, {"model": {"state_dict": filled(3)}})) == 3


def test_a_set_further_out_goes_before_an_average_inside_another(tmp_path: Path) -> None:
    content = {"model": filled(1), "ema": {"module": filled(2), "updates": 7}}
    weights = found(tmp_path, content)
    assert (weights.key, weights.others, value_of(weights)) == ("model", ["ema.module"], 1)
    assert value_of(found(tmp_path, content, "ema")) == 2


def test_an_average_without_the_running_statistics_is_never_mixed_with_others(
    tmp_path: Path,
) -> None:
    average = {name: t for name, t in filled(2).items() if "running" not in name}
    content = {"model": filled(1), "model_ema": average}
    weights = found(tmp_path, content)
    assert (weights.key, weights.others, value_of(weights)) == ("model", ["model_ema"], 1)
    with pytest.raises(DamagedDataError, match=r"2 missing \(norm.running_mean, norm.running_var"):
        value_of(found(tmp_path, content, "model_ema"))


def test_averaged_models_beside_and_inside(tmp_path: Path) -> None:
    average = torch.optim.swa_utils.AveragedModel(small()).state_dict()
    assert "n_averaged" in average
    average = {n: torch.full_like(t, 2) for n, t in average.items()}
    assert value_of(found(tmp_path, average)) == 2
    weights = found(tmp_path, {"model": filled(1), "model_ema": average})
    assert (weights.key, value_of(weights)) == ("model_ema", 2)
    inside = {f"net.{name}": t for name, t in average.items()}
    assert value_of(found(tmp_path, {"state_dict": inside})) == 2


@pytest.mark.parametrize("inner", ["", "backbone."])
def test_two_prefixes_are_refused_without_a_key(tmp_path: Path, inner: str) -> None:
    content = {"model": filled(1, f"student.{inner}") | filled(2, f"teacher.{inner}")}
    whole = [f"model.student.{inner}".rstrip("."), f"model.teacher.{inner}".rstrip(".")]
    with pytest.raises(DamagedDataError) as caught:
        found(tmp_path, content)
    assert str(caught.value) == (
        f"{tmp_path}/w.pth holds 2 sets of weights, under {whole[0]} and {whole[1]}: choose one "
        "with `weights_key`."
    )
    for key in ("teacher", "model.teacher", whole[1]):
        assert value_of(found(tmp_path, content, key)) == 2
    assert value_of(found(tmp_path, content, "student")) == 1
    with pytest.raises(DamagedDataError, match="holds 2 sets of weights"):
        found(tmp_path, content, "model")


def test_two_unusual_keys_are_refused_without_a_key(tmp_path: Path) -> None:
    content = {"student": filled(1, "module."), "teacher": filled(2, "backbone."), "epoch": 3}
    with pytest.raises(DamagedDataError, match=r"under student and teacher\.backbone: choose one"):
        found(tmp_path, content)
    assert value_of(found(tmp_path, content, "teacher")) == 2


def test_weights_without_a_prefix_go_before_those_with_one(tmp_path: Path) -> None:
    content = filled(1) | filled(2, "ema.")
    weights = found(tmp_path, content)
    assert (weights.key, weights.others, value_of(weights)) == ("", ["ema"], 1)
    assert value_of(found(tmp_path, content, "ema")) == 2


@pytest.mark.parametrize("key", ["model_em", "ema", "optimizer.x", "model.conv.weight", "\x1b[2J"])
def test_an_unknown_key_is_refused_with_those_that_there_are(tmp_path: Path, key: str) -> None:
    content = {"model": filled(1), "model_ema": filled(2), "optimizer": OPTIMIZER}
    with pytest.raises(UsageError) as caught:
        found(tmp_path, content, key)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(
        f"{tmp_path}/w.pth has no weights there: it has them under model and model_ema."
    )


def test_a_key_for_a_file_without_any_is_to_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no weights there: leave it out"):
        found(tmp_path, filled(1), "model")


def test_lists_of_weights_without_names_are_refused(tmp_path: Path) -> None:
    shadow = {"decay": 0.99, "num_updates": 3, "shadow_params": [torch.ones(2)]}
    with pytest.raises(DamagedDataError, match="under shadow_params in a list, without their"):
        found(tmp_path, shadow)
    content = {"model": filled(1), "ema": shadow}
    assert value_of(found(tmp_path, content)) == 1
    with pytest.raises(DamagedDataError, match=r"under ema\.shadow_params in a list"):
        found(tmp_path, content, "ema")


@pytest.mark.parametrize(
    "content", [{}, {0: torch.ones(2)}, {"model": {0: torch.ones(2)}}, {"a": {"b": {}}}]
)
def test_tensors_without_names_are_no_weights(tmp_path: Path, content: object) -> None:
    with pytest.raises(DamagedDataError, match="holds no named weights"):
        found(tmp_path, content)


def test_partial_weights_are_refused(tmp_path: Path) -> None:
    adapter = {
        "base.conv.lora_A.weight": torch.ones(2, 3),
        "base.conv.lora_B.weight": torch.ones(4, 2),
    }
    with pytest.raises(DamagedDataError, match="8 missing"):
        value_of(found(tmp_path, adapter))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_are_cast(tmp_path: Path, dtype: torch.dtype) -> None:
    assert value_of(found(tmp_path, {n: t.to(dtype) for n, t in filled(2).items()})) == 2


def test_whole_numbers_are_no_weights_of_a_layer(tmp_path: Path) -> None:
    content = filled(2) | {"conv.weight": torch.ones(4, 3, 3, 3, dtype=torch.int8)}
    with pytest.raises(DamagedDataError, match=r"1 of another type \(conv.weight int8\)"):
        value_of(found(tmp_path, content))


def test_safetensors_with_metadata(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(filled(1, "student.") | filled(2, "teacher."), file, {"format": "pt", "epoch": "3"})
    with pytest.raises(DamagedDataError, match="under student and teacher"):
        find_weights(file, small())
    assert value_of(find_weights(file, small(), "teacher")) == 2


def test_a_file_that_holds_itself_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": filled(1)}
    for name in range(50):
        content[f"again{name}"] = content
    assert value_of(found(tmp_path, content)) == 1


words = st.sampled_from(["model", "net", "student", "ema", "a", "0"])


@given(
    path=st.lists(words, max_size=3),
    prefix=st.lists(words, max_size=3),
    beside=st.dictionaries(words, st.just(torch.ones(3)), max_size=3),
)
def test_one_set_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory,
    path: list[str],
    prefix: list[str],
    beside: Mapping[str, Any],
) -> None:
    content: Any = filled(2, "".join(f"{part}." for part in prefix))
    for key in reversed(path):
        content = {**beside, key: content}
    weights = found(tmp_path_factory.mktemp("one"), content)
    assert weights.key == ".".join((*path, *prefix))
    assert value_of(weights) == 2


def chosen_before(content: dict[str, Any]) -> State | None:
    """What versions took that refused several sets, under its names; None where they refused."""

    def tensors(part: Any) -> State:
        part = part if isinstance(part, Mapping) else {}
        return {name: t for name, t in part.items() if isinstance(t, torch.Tensor)}

    first = [key for key in ("state_dict", "model", "model_state_dict") if key in content]
    wrapped = [key for key in first if isinstance(content[key], Mapping)]
    state = tensors(content)
    if wrapped:
        state = tensors(content[wrapped[0]])
        others = [tensors(part) for key, part in content.items() if key != wrapped[0]]
        if state and any(state.keys() == other.keys() for other in others):
            return None
    elif not state:
        keys = [key for key, part in content.items() if tensors(part)]
        if len(keys) != 1:
            return None
        state = tensors(content[keys[0]])
    own = [name for name in small().state_dict() if not name.endswith("tracked")]
    if state.keys().isdisjoint(own):
        starts = [n.removesuffix(own[0]) for n in state if n.endswith(f".{own[0]}")]
        whole = [start for start in starts if all(start + name in state for name in own)]
        if len(whole) != 1:
            return None
        state = {n.removeprefix(whole[0]): t for n, t in state.items() if n.startswith(whole[0])}
    fits = not set(own) - state.keys() and not state.keys() - small().state_dict().keys()
    return state if fits else None


keys = st.sampled_from(
    ["state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "state_dict_ema", "best"]
)
prefixes = st.sampled_from(["", "", "net.", "student.", "teacher."])
kinds = st.sampled_from(["whole", "whole", "without statistics", "other", "nested"])


@st.composite
def states(draw: st.DrawFn, value: float) -> dict[str, Any]:
    """A set of weights as it may be in a file, all of one value."""
    kind, found = draw(kinds), filled(value, draw(prefixes))
    if draw(st.booleans()):
        found |= filled(value + 10, draw(prefixes))
    if kind == "without statistics":
        found = {name: t for name, t in found.items() if "running" not in name}
    if kind == "other":
        found = {"step": torch.ones(1)}
    return {"module": found} if kind == "nested" else found


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """A file with up to three sets, and perhaps weights at the top."""
    chosen = draw(st.lists(keys, max_size=3, unique=True))
    found = {key: draw(states(value)) for value, key in enumerate(chosen, start=2)}
    top: dict[str, Any] = draw(st.sampled_from([{}, {}, {"best": torch.ones(1)}, filled(1)]))
    return found | top


@settings(max_examples=300, deadline=None)
@given(content=contents())
def test_what_was_taken_before_is_taken_still(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    """Caches of older versions are found again, which name no set."""
    before = chosen_before(content)
    event("refused before" if before is None else "taken before")
    if before is None:
        return
    (value,) = {float(v) for tensor in before.values() for v in tensor.flatten()}
    assert value_of(found(tmp_path_factory.mktemp("before"), content)) == value


leaves = st.one_of(st.none(), st.integers(), st.just(torch.ones(2)), st.just([torch.ones(2)]))
odd_keys = st.one_of(st.sampled_from(["model", "a.b", "", "conv.weight"]), st.integers(0, 2))
odd = st.recursive(
    leaves, lambda inner: st.dictionaries(odd_keys, inner, max_size=3) | st.lists(inner, max_size=2)
)


@given(content=odd, key=st.none() | st.sampled_from(["model", "", "a", "a.b", "."]))
def test_any_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: object, key: str | None
) -> None:
    with suppress(CcxError):
        assert found(tmp_path_factory.mktemp("odd"), content, key).tensors
