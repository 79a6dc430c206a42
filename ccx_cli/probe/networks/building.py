"""Builds a network and loads its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccx_cli.design import listed
from ccx_cli.errors import UsageError
from ccx_cli.printable import printable
from ccx_cli.probe.networks.demo_network import DemoNetwork, load_demo_network
from ccx_cli.probe.networks.description import NetworkDescription, SaidBy
from ccx_cli.probe.networks.heads import may_be_head
from ccx_cli.probe.networks.inputs import USUAL, Input, fit_input
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.made_networks import build_own, build_with, state_sha256, untrained_own
from ccx_cli.probe.networks.memory_format import put_channels_last
from ccx_cli.probe.networks.own_networks import classes_parameter
from ccx_cli.probe.networks.torchvision_models import COCO_MODELS, DEMO, DETECTORS, NOT_BUILT
from ccx_cli.probe.weights.fitting import Unfit, fit_into, num_outputs, other_outputs
from ccx_cli.probe.weights.weight_sets import find_weights
from ccx_cli.progress import Progress, SilentProgress

# Of torchvision's detectors on COCO that were trained when its frozen batch norm had no epsilon:
# it sets that to 0 for Faster, Mask and Keypoint R-CNN and RetinaNet (``overwrite_eps``).
_WITHOUT_EPSILON = ("258fb6c6", "bf2d0c1e", "fc266e95", "eeacb38b")


def load_module(
    choice: NetworkDescription, device: torch.device, progress: Progress | None = None
) -> tuple[nn.Module, str, Input, Unfit | None]:
    """Build a network with its weights; return it, their SHA-256, and what it takes.

    With ``ignore_head``, also what does not fit of a file: whether that comes after a layer is not
    known yet.
    """
    progress = progress or SilentProgress()
    make = _made if choice.library or choice.is_own else _with_weights
    module, unfit = make(choice, progress)
    identity = (
        state_sha256(module, choice.model) if choice.gives_weights else choice.weights_sha256()
    )
    module.requires_grad_(False).eval().to(device)
    found = fit_input(module, choice, device) if make is _made else USUAL
    put_channels_last(module, choice, device)
    if found != USUAL:
        progress.note(f"{choice.name} takes {found.describe()}, which ccx gives it.")
    return module, identity, found, unfit


def _made(choice: NetworkDescription, progress: Progress) -> tuple[nn.Module, Unfit | None]:
    if choice.library is not None:
        return _of_library(choice.library, choice, progress)
    if choice.pretrained == "none":
        return untrained_own(choice.model, choice.model_args, choice.seed), None
    module = build_own(choice.model, choice.model_args, choice.seed)
    if choice.weights is None:
        return module, None
    state = _read_state(choice, choice.weights, module, progress)
    return module, _fit(choice, choice.weights, module, state)


def _read_state(
    choice: NetworkDescription, path: Path, module: nn.Module, progress: Progress
) -> Mapping[str, torch.Tensor]:
    found = find_weights(path, module, choice.weights_key)
    if found.others and choice.weights_key is None:
        others = listed([printable(each) for each in found.others])
        progress.note(
            f"The weights of {path} are those under {printable(found.key) or 'no key'}; those "
            f"under {others} are left out (--weights-key chooses)."
        )
    elif found.prefix:
        progress.note(f"The weights of {path} are those under {printable(found.key)}.")
    return found.tensors


def _fit(
    choice: NetworkDescription, path: Path, module: nn.Module, state: Mapping[str, torch.Tensor]
) -> Unfit | None:
    """Copy a state into a network; return what does not fit, if the user said to ignore a head."""
    unfit = fit_into(module, state, path, choice.name, NOT_BUILT.get(choice.model, ()))
    if unfit is None or choice.ignore_head:
        return unfit
    if not may_be_head(module, unfit):
        raise unfit.error()
    mends = ["leave its head out with `ignore_head` if `layer` comes before that"]
    outputs = other_outputs(module, state)
    parameter = classes_parameter(choice.model) if choice.is_own else None
    if choice.library is not None and choice.library.takes_arguments:
        parameter = "num_classes"
    if outputs is not None and parameter is not None:
        classes = f"`model_args` {parameter}={outputs[1]}"
        mends.insert(0, f"build it for the {outputs[1]:,} classes of the file with {classes}")
    raise unfit.error(", or ".join(mends))


def _of_library(
    library: Library, choice: NetworkDescription, progress: Progress
) -> tuple[nn.Module, Unfit | None]:
    def build(words: tuple[str, ...]) -> nn.Module:
        published = choice.pretrained == library.name
        return build_with(
            library, choice.model, words, choice.seed, choice.revision, published=published
        )

    module = build(choice.model_args)
    if choice.weights is None:
        return module, None
    state = library.own_part(_read_state(choice, choice.weights, module, progress))
    num_classes = int(getattr(module, "num_classes", 0))
    outputs = num_outputs(module, state, num_classes)
    asked = any(word.startswith("num_classes=") for word in choice.model_args)
    if outputs != num_classes and not asked:
        module = build((*choice.model_args, f"num_classes={outputs}"))
    return module, _fit(choice, choice.weights, module, state)


def _with_weights(choice: NetworkDescription, progress: Progress) -> tuple[nn.Module, Unfit | None]:
    if choice.pretrained == "none":
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: it would also seed the GPUs, whose state is not restored.
            torch.default_generator.manual_seed(choice.seed)
            return _build(choice, choice.num_classes), None
    if choice.weights is None:
        return load_demo_network(), None
    with torch.random.fork_rng(devices=[]):
        module = _build(choice, choice.num_classes)
        state = _read_state(choice, choice.weights, module, progress)
        num_classes = num_outputs(module, state, choice.num_classes)
        if num_classes != choice.num_classes:
            _check_classes(choice, num_classes)
            module = _build(choice, num_classes)
    if choice.weights_sha256().startswith(_WITHOUT_EPSILON):
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eps = 0.0
    return module, _fit(choice, choice.weights, module, state)


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
    if choice.model in COCO_MODELS:
        options = {"weights_backbone": None}
    if choice.model in {"googlenet", "inception_v3"}:
        # Their ImageNet weights expect inputs in [-1, 1], which `transform_input` makes of ours.
        is_published = choice.pretrained == "imagenet"
        options = {"aux_logits": False, "init_weights": False, "transform_input": is_published}
    module: nn.Module = models.get_model(
        choice.model, weights=None, num_classes=num_classes, **options
    )
    return DetectorBackbone(module.backbone) if choice.model in DETECTORS else module


class DetectorBackbone(nn.Module):
    """The part of a detector that takes images as they are.

    The whole resizes and pads them by itself, so that its maps would not be those of the image, and
    runs its heads on proposed boxes.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: torch.Tensor) -> Any:
        """Return the maps of the feature pyramid, by name."""
        return self.backbone(images)
