"""Tells whether the weights that a file lacks belong to a head, which comes after a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.passes import LayersDone, blank_images, hearing, run_blank
from ccx_cli.probe.weights.checkpoints import first_of
from ccx_cli.probe.weights.fitting import Unfit
from ccx_cli.probe.weights.stored_names import is_count

# What heads are called, which a network may lack and a file have: of timm, torchvision, DINO, MoCo.
_HEADS = {
    "head", "heads", "head_dist", "mlp_head", "aux_head", "fc", "fc_norm", "last_linear",
    "classifier", "logits", "dino_head", "ibot_head", "projector", "projection_head", "predictor",
}  # fmt: skip


def refuse_before(
    module: nn.Module, choice: NetworkDescription, unfit: Unfit, device: torch.device
) -> None:
    """Raise DamagedDataError if what does not fit may act on the last output of the layer."""
    images, _ = blank_images(choice, device)
    layer = module.get_submodule(choice.layer)
    before = _acting_before(module, layer, unfit, lambda: run_blank(module, choice, images))
    if before:
        raise unfit.error(
            f"`ignore_head` leaves out only what comes after `layer` {choice.layer}, and not "
            f"{first_of(before)}"
        )


def _acting_before(
    module: nn.Module, layer: nn.Module, unfit: Unfit, run: Callable[[], None]
) -> list[str]:
    """Return those tensors that do not fit and may act on the last output of ``layer``.

    One of the network's does not where the module that has it, or the innermost around that which
    runs, begins only after that output, and where NaN in its place changes nothing of the output.
    One that only the file has does not where such a module is around it, or its own is called as a
    head is.
    """
    began: dict[int, int] = {}
    outputs: list[torch.Tensor] = []

    def begin(each: nn.Module, _inputs: Any) -> None:
        began.setdefault(id(each), len(outputs))

    hooks = [each.register_forward_pre_hook(begin) for each in module.modules()]
    try:
        _run(layer, run, outputs)
    finally:
        for hook in hooks:
            hook.remove()
    modules = dict(module.named_modules(remove_duplicate=False))
    calls = len(outputs)

    def is_after(name: str) -> bool:
        ran = (modules[path] for path in _around(name) if id(modules.get(path)) in began)
        return began[id(next(ran))] == calls

    before = [name for name in unfit.unfilled if not is_after(name)]
    before += [n for n in unfit.unexpected if not (is_after(n) or _is_of_head(n, modules))]
    floating = [
        tensor
        for name, tensor in module.state_dict().items()
        if name in unfit.unfilled and tensor.is_floating_point()
    ]
    if before or not floating:
        return before
    changed: list[torch.Tensor] = []
    with _filled_with_nan(floating):
        _run(layer, run, changed, calls)
    # A GPU may differ in the last digits.
    least = 0.01 * float(outputs[-1].abs().max())
    same = len(changed) == calls and torch.allclose(changed[-1], outputs[-1], rtol=0.01, atol=least)
    return [] if same else unfit.unfilled


def may_be_head(module: nn.Module, unfit: Unfit) -> bool:
    """Return whether what does not fit comes last, as far as the order of names says."""
    names = [name for name in module.state_dict() if not is_count(name)]
    unfilled = set(unfit.unfilled)
    last = len(names) - len(unfilled)
    tops = {name.partition(".")[0] for name in unfilled}
    return (
        last > 0
        and set(names[last:]) == unfilled
        and all(_is_of_head(n, {}) or n.partition(".")[0] in tops for n in unfit.unexpected)
    )


def _around(name: str) -> Iterator[str]:
    """Yield the paths of the modules that may have a tensor, from the innermost to the network."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _is_of_head(name: str, modules: dict[str, nn.Module]) -> bool:
    top, dot, _ = name.partition(".")
    return bool(dot) and top in _HEADS and top not in modules


def _run(
    layer: nn.Module, run: Callable[[], None], outputs: list[torch.Tensor], calls: int = 0
) -> None:
    """Copy each output of a layer, which may be changed in place later; end after ``calls``."""

    def keep(_name: str, output: torch.Tensor) -> None:
        outputs.append(output.clone())
        if len(outputs) == calls:
            raise LayersDone

    with hearing({"": layer}, keep):
        run()


@contextmanager
def _filled_with_nan(tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    kept = [tensor.clone() for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.fill_(torch.nan)
        yield
    finally:
        for tensor, was in zip(tensors, kept, strict=True):
            tensor.copy_(was)
