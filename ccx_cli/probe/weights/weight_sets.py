"""Finds the weights of a network in a file that holds several sets, or other things beside them."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccx_cli.design import listed
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe.weights.checkpoints import read_checkpoint, shown
from ccx_cli.probe.weights.stored_names import is_count, todays_name

# Where training scripts keep the weights, the usual keys first. Under the last two are the weights
# before averaging: mmengine and Lightning then keep the average under `state_dict`.
_FIRST = ("state_dict", "model", "model_state_dict")
_USUAL = (
    *(*_FIRST, "model_state", "params", "net", "network", "weights", "module"),
    *("ema_state_dict", "current_model_state"),
)

# Where the average is that its trainer evaluates and publishes: of timm, torchvision, BasicSR, DiT.
_AVERAGES = ("state_dict_ema", "model_ema", "params_ema", "ema", "ema_model")

_DEEPEST = 4
_MOST_SETS = 1000


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """The named tensors of a network, and where in a file they are.

    ``key`` is the path of keys to their set, and the prefix that the names had in it, with dots;
    ``""`` for neither. ``others`` are such keys of other sets with such names.
    """

    tensors: Mapping[str, torch.Tensor]
    key: str = ""
    prefix: str = ""
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    """A mapping with tensors, of which ``matched`` under ``prefix`` are called as a network's."""

    keys: tuple[str, ...]
    content: Mapping[Any, Any]
    prefix: str
    matched: int
    is_likely: bool

    @property
    def key(self) -> str:
        return ".".join((*self.keys, self.prefix)).removesuffix(".")

    @property
    def order(self) -> tuple[int, int]:
        """The usual keys first; sets of one order are equally usual."""
        known = [_USUAL.index(key) for key in self.keys if key in _USUAL]
        is_first = len(self.keys) == 1 and self.keys[0] in _FIRST
        depth = 0 if is_first else 1 + len(self.keys)
        return depth, min(known, default=len(_USUAL))

    @property
    def names(self) -> set[str]:
        return set(map(todays_name, _tensors(self.content))) - {"n_averaged"}

    def is_under(self, key: str) -> bool:
        return any(f"{own}.".startswith(f"{key}.") for own in (self.key, self.prefix))


def find_weights(path: Path, module: nn.Module, key: str | None = None) -> FoundWeights:
    """Read the tensors of a network from a checkpoint, onto the CPU, under today's names.

    They may be at the top of the file or in a mapping in it, and all under one prefix. The set is
    the one that has most of the names of ``module``; of several, the one under the usual key, or
    its average where its trainer evaluates that; or what ``key`` names.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DamagedDataError
        If it is not a checkpoint, is truncated, holds objects other than weights or no named
        tensors, or several sets, none of them more usual than another.
    UsageError
        If it has no weights under ``key``.
    """
    content = read_checkpoint(path)
    own = {todays_name(name) for name in module.state_dict() if not is_count(name)}
    found = [part for keys, each in _sets(content) for part in _parts(keys, each, own)]
    asked = found if key is None else [each for each in found if each.is_under(key)]
    if not asked:
        raise _none(path, content, key, found)
    most = max(each.matched for each in asked)
    best = [each for each in asked if each.matched == most]
    usual = min(best, key=lambda each: (each.order, each.prefix != ""))
    rivals = [
        each
        for each in best
        if each is not usual
        and each.order == usual.order
        and (usual.prefix or each.keys != usual.keys)
    ]
    if rivals and usual.is_likely:
        keys = listed([shown(each.key) for each in (usual, *rivals)])
        raise DamagedDataError(
            f"{path} holds {len(rivals) + 1} sets of weights, under {keys}: choose one with "
            "`weights_key`."
        )
    chosen = _evaluated(usual, best)
    beside = [each.prefix for each in best if each.keys == chosen.keys and each.prefix]
    others = [each.key for each in found if each.is_likely and each is not chosen]
    tensors = _named(chosen, own, [] if chosen.prefix else beside, path)
    return FoundWeights(tensors, chosen.key, chosen.prefix, others)


def _sets(content: object) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Yield the mappings with named tensors, those further out first, with the path to each."""
    walked = ((keys, each) for keys, each in _walk(content) if isinstance(each, Mapping))
    yield from islice(((keys, each) for keys, each in walked if _tensors(each)), _MOST_SETS)


def _walk(content: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield what is under keys that are text; mappings may hold one another."""
    waiting: deque[tuple[tuple[str, ...], object]] = deque([((), content)])
    entered: set[int] = set()
    while waiting:
        keys, each = waiting.popleft()
        yield keys, each
        if isinstance(each, Mapping) and len(keys) < _DEEPEST and id(each) not in entered:
            entered.add(id(each))
            waiting.extend(((*keys, key), value) for key, value in each.items() if type(key) is str)


def _tensors(content: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for name, tensor in content.items()
        if isinstance(name, str) and name and isinstance(tensor, torch.Tensor)
    }


def _parts(keys: tuple[str, ...], content: Mapping[Any, Any], own: set[str]) -> Iterator[_Set]:
    """Yield what begins with each prefix under which are half of a network's names or more."""
    matched: Counter[str] = Counter()
    for name in dict.fromkeys(map(todays_name, _tensors(content))):
        parts = name.split(".")
        for number in range(len(parts)):
            if ".".join(parts[number:]) in own:
                matched[".".join(parts[:number])] += 1
    likely = {prefix: count for prefix, count in matched.items() if 2 * count >= len(own)}
    for prefix, count in likely.items():
        yield _Set(keys, content, prefix, count, is_likely=True)
    if "" not in likely:
        yield _Set(keys, content, "", matched[""], is_likely=not own)


def _evaluated(usual: _Set, best: Sequence[_Set]) -> _Set:
    """Return the average beside the usual set, with its names, that the trainer evaluates."""
    for average in _AVERAGES if usual.keys else ():
        for each in best:
            if each.keys == (*usual.keys[:-1], average) and each.names == usual.names:
                return each
    return usual


def _named(
    chosen: _Set, own: set[str], beside: Sequence[str], path: Path
) -> OrderedDict[str, torch.Tensor]:
    """Return the tensors of a set without its prefix, but for those of sets ``beside`` it."""
    state: OrderedDict[str, torch.Tensor] = OrderedDict()
    theirs: dict[str, str] = {}
    for name, tensor in _tensors(chosen.content).items():
        inside = _inside(todays_name(name), chosen.prefix)
        if not inside or (inside == "n_averaged" and inside not in own):
            continue
        if inside not in own and any(_inside(inside, prefix) is not None for prefix in beside):
            continue
        if inside in state:
            raise DamagedDataError(
                f"{path} holds {shown(theirs[inside])} and {shown(name)}, which are one tensor of "
                "the network: save the weights that you mean to a file of their own."
            )
        state[inside] = tensor
        theirs[inside] = name
    versions = getattr(chosen.content, "_metadata", {})
    vars(state)["_metadata"] = OrderedDict(_versions(versions, chosen.prefix))
    return state


def _inside(name: str, prefix: str) -> str | None:
    """Return a name without the prefix, None if it does not begin with that."""
    if not prefix or name == prefix:
        return "" if prefix else name
    return name.removeprefix(f"{prefix}.") if name.startswith(f"{prefix}.") else None


def _versions(versions: object, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield those versions that a file gives in torch's way, by today's module paths."""
    if not isinstance(versions, Mapping):
        return
    for name, version in versions.items():
        if not isinstance(name, str) or not isinstance(version, Mapping):
            continue
        inside = _inside(todays_name(name), prefix)
        if inside is not None and isinstance(version.get("version"), int):
            yield inside, {"version": version["version"]}


def _none(
    path: Path, content: object, key: str | None, found: Sequence[_Set]
) -> DamagedDataError | UsageError:
    """Say that there are no weights, or none under ``key``."""
    for keys, each in _walk(content):
        where = ".".join(keys)
        is_list = isinstance(each, list) and any(isinstance(one, torch.Tensor) for one in each)
        if is_list and (key is None or f"{where}.".startswith(f"{key}.")):
            under = f" under {shown(where)}" if where else ""
            return DamagedDataError(
                f"{path} holds weights{under} in a list, without their names, as torch_ema does: "
                "copy them into the network and save its `state_dict()`."
            )
    if not found:
        return DamagedDataError(
            f"{path} holds no named weights: give a file that was saved from a network's "
            "`state_dict()`."
        )
    known = [each.key for each in found if each.is_likely and each.key]
    known = known or [each.key for each in found if each.key]
    choices = (
        f"it has them under {listed([shown(each) for each in known])}" if known else "leave it out"
    )
    return UsageError(f"`weights_key` {shown(key or '')}: {path} has no weights there: {choices}.")
