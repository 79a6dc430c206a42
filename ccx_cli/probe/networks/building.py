"""Builds a network and loads its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import UsageError
from ccx_cli.printable import printable
from ccx_cli.probe.networks.demo_network import DemoNetwork, load_demo_network
from ccx_cli.probe.networks.description import NetworkDescription, SaidBy
from ccx_cli.probe.networks.inputs import USUAL, Input, fit_input
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.made_networks import build_own, build_with, state_sha256, untrained_own
from ccx_cli.probe.networks.torchvision_models import DEMO
from ccx_cli.probe.weights.checkpoints import load_into, load_state, num_outputs, under_prefix
from ccx_cli.progress import Progress, SilentProgress


def load_module(
    choice: NetworkDescription, device: torch.device, progress: Progress | None = None
) -> tuple[nn.Module, str, Input]:
    """Build a network with its weights; return it, their SHA-256, and what it takes."""
    progress = progress or SilentProgress()
    make = _made if choice.library or choice.is_own else _with_weights
    module = make(choice, progress)
    identity = (
        state_sha256(module, choice.model) if choice.gives_weights else choice.weights_sha256()
    )
    module.requires_grad_(False).eval().to(device)
    found = fit_input(module, choice, device) if make is _made else USUAL
    if found != USUAL:
        progress.note(f"{choice.name} takes {found.describe()}, which ccx gives it.")
    return module, identity, found


def _made(choice: NetworkDescription, progress: Progress) -> nn.Module:
    if choice.library is not None:
        return _of_library(choice.library, choice, progress)
    if choice.pretrained == "none":
        return untrained_own(choice.model, choice.model_args, choice.seed)
    module = build_own(choice.model, choice.model_args, choice.seed)
    if choice.weights is not None:
        state = _read_state(choice.weights, module, progress)
        load_into(module, state, choice.weights, choice.name)
    return module


def _read_state(path: Path, module: nn.Module, progress: Progress) -> Mapping[str, torch.Tensor]:
    state, prefix = under_prefix(module, load_state(path), path)
    if prefix:
        progress.note(f"The weights of {path} are those under {printable(prefix)}.")
    return state


def _of_library(library: Library, choice: NetworkDescription, progress: Progress) -> nn.Module:
    def build(words: tuple[str, ...]) -> nn.Module:
        published = choice.pretrained == library.name
        return build_with(
            library, choice.model, words, choice.seed, choice.revision, published=published
        )

    module = build(choice.model_args)
    if choice.weights is not None:
        state = _read_state(choice.weights, module, progress)
        num_classes = int(getattr(module, "num_classes", 0))
        outputs = num_outputs(module, state, num_classes)
        asked = any(word.startswith("num_classes=") for word in choice.model_args)
        if outputs != num_classes and not asked:
            module = build((*choice.model_args, f"num_classes={outputs}"))
        load_into(module, state, choice.weights, choice.name)
    return module


def _with_weights(choice: NetworkDescription, progress: Progress) -> nn.Module:
    if choice.pretrained == "none":
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: it would also seed the GPUs, whose state is not restored.
            torch.default_generator.manual_seed(choice.seed)
            return _build(choice, choice.num_classes)
    if choice.weights is None:
        return load_demo_network()
    with torch.random.fork_rng(devices=[]):
        module = _build(choice, choice.num_classes)
        state = _read_state(choice.weights, module, progress)
        num_classes = num_outputs(module, state, choice.num_classes)
        if num_classes != choice.num_classes:
            _check_classes(choice, num_classes)
            module = _build(choice, num_classes)
    load_into(module, state, choice.weights, choice.model)
    return module


def _check_classes(choice: NetworkDescription, num_classes: int) -> None:
    """Refuse weights that are not those that the user says; a stored run says what it was."""
    if choice.pretrained != "own" and choice.said_by is SaidBy.USER:
        raise UsageError(
            f"{choice.weights} has {num_classes:,} classes, but the {choice.pretrained} weights "
            f"have {choice.num_classes:,}: take `pretrained` own for weights of your own."
        )


def _build(choice: NetworkDescription, num_classes: int) -> nn.Module:
    if choice.model == DEMO:
        return DemoNetwork(num_classes)
    # The demo network must not wait for torchvision's import.
    from torchvision import models

    options: dict[str, Any] = {}
    if choice.model in {"googlenet", "inception_v3"}:
        # Their ImageNet weights expect inputs in [-1, 1], which `transform_input` makes of ours.
        is_published = choice.pretrained == "imagenet"
        options = {"aux_logits": False, "init_weights": False, "transform_input": is_published}
    module: nn.Module = models.get_model(
        choice.model, weights=None, num_classes=num_classes, **options
    )
    return module
