"""Fits the tensors of a file of weights into a network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.weights.checkpoints import first_of
from ccx_cli.probe.weights.stored_names import is_count, todays_name


@dataclass(frozen=True, slots=True)
class Unfit:
    """What of a file does not fit a network: names of tensors, and of which shape or type."""

    path: Path
    model: str
    missing: Sequence[str]
    unexpected: Sequence[str]
    reshaped: Mapping[str, str]
    retyped: Mapping[str, str]

    @property
    def unfilled(self) -> list[str]:
        """The network's tensors that got no values."""
        return [*self.missing, *self.reshaped, *self.retyped]

    @property
    def faults(self) -> str:
        """Say what it is: ``1 missing (fc.bias), 2 unexpected (a, b)``."""
        return ", ".join(
            f"{len(names)} {what} ({first_of(names)})"
            for names, what in (
                (self.missing, "missing"),
                (self.unexpected, "unexpected"),
                (list(self.reshaped.values()), "of another shape"),
                (list(self.retyped.values()), "of another type"),
            )
            if names
        )

    def error(self, mend: str = "check `model` and `weights`") -> DamagedDataError:
        """Return the refusal, which ``mend`` ends."""
        return DamagedDataError(
            f"{self.path} does not fit {self.model}, of its tensors are {self.faults}: {mend}."
        )


def num_outputs(module: nn.Module, state: Mapping[str, torch.Tensor], num_classes: int) -> int:
    """Return how many classes the classifier in ``state`` tells apart.

    That is ``num_classes``, for which ``module`` was built, unless ``other_outputs`` says another.
    """
    ours, theirs = other_outputs(module, state) or (num_classes, num_classes)
    return theirs if ours == num_classes else num_classes


def other_outputs(module: nn.Module, state: Mapping[str, torch.Tensor]) -> tuple[int, int] | None:
    """Return for how many classes ``module`` was built, and the classifier in ``state``.

    None unless some tensors differ in shape, all in the length of the first axis only, the same for
    all of them.
    """
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    other = {
        (own[name], tuple(tensor.shape))
        for name, tensor in state.items()
        if name in own and own[name] != tuple(tensor.shape)
    }
    if not all(ours and theirs and ours[1:] == theirs[1:] for ours, theirs in other):
        return None
    lengths = {(ours[0], theirs[0]) for ours, theirs in other}
    return lengths.pop() if len(lengths) == 1 else None


def load_into(module: nn.Module, state: Mapping[str, torch.Tensor], path: Path, model: str) -> None:
    """Copy ``state`` into ``module``; DamagedDataError unless every parameter is there and fits."""
    unfit = fit_into(module, state, path, model)
    if unfit is not None:
        raise unfit.error()


def fit_into(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    path: Path,
    model: str,
    not_built: tuple[str, ...] = (),
) -> Unfit | None:
    """Copy what fits of ``state`` into ``module``, and return what does not, if anything.

    Names that begin with one of ``not_built`` do not count.

    DamagedDataError if the module cannot take it for another reason.
    """
    own = {n: each for n, each in module.state_dict().items() if isinstance(each, torch.Tensor)}
    # A network of the user's own may have names that are renamed in files.
    renamed = {todays_name(name): name for name in own}
    given = {
        renamed.get(name, name): tensor
        for name, tensor in state.items()
        if not name.startswith(not_built or "\0")
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    both = {name: tensor for name, tensor in given.items() if name in own}
    reshaped = {
        name: f"{name} {tuple(tensor.shape)} for {shapes[name]}"
        for name, tensor in both.items()
        if tuple(tensor.shape) != shapes[name]
    }
    retyped = {
        name: f"{name} {tensor.dtype}".replace("torch.", "")
        for name, tensor in both.items()
        if name not in reshaped and own[name].is_floating_point() and not tensor.is_floating_point()
    }
    fitting = OrderedDict((n, t) for n, t in given.items() if n not in {*reshaped, *retyped})
    vars(fitting)["_metadata"] = OrderedDict(_versions(module, state))
    try:
        left = module.load_state_dict(fitting, strict=False)
    except (RuntimeError, ValueError) as error:
        raise DamagedDataError(
            f"{path} does not fit {model} ({str(error).splitlines()[0]}): check `model` and "
            "`weights`."
        ) from error
    missing = [
        name
        for name in left.missing_keys
        if name not in {*reshaped, *retyped} and not is_count(name)
    ]
    unfit = Unfit(path, model, missing, left.unexpected_keys, reshaped, retyped)
    return unfit if unfit.faults else None


def _versions(module: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the versions of the layers in ``state``, and today's of the network if it has none."""
    versions = dict(getattr(state, "_metadata", {}))
    if "version" not in versions.get("", {}):
        versions[""] = {"version": module._version}
    return versions
