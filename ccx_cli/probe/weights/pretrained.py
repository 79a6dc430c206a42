"""Which weights ``--pretrained`` may name for which network, told without importing torch."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.own_networks import is_own
from ccx_cli.probe.networks.timm_networks import is_timm
from ccx_cli.probe.networks.torchvision_models import DEMO

PRETRAINED = ("places365", "imagenet", "none", "demo", "own", "timm")


def usual_weights(model: str, weights: Path | None) -> str:
    """Return what ``--pretrained`` is where it is left out.

    Raises
    ------
    UsageError
        If it may not be, for a network of timm without a file.
    """
    if model == DEMO:
        return "demo"
    if is_timm(model) and weights is None:
        raise UsageError(
            f"--model {model} needs --pretrained: timm for its published weights, which timm "
            "downloads, or none for random ones; or a file with --weights."
        )
    return "own" if is_own(model) or is_timm(model) else "places365"


def check_pretrained(model: str, pretrained: str, weights: Path | None) -> None:
    """Refuse weights that the network cannot have.

    Raises
    ------
    UsageError
        If ``pretrained`` is not known, or not for ``model`` or beside ``weights``.
    """
    if pretrained not in PRETRAINED:
        known = suggestion(pretrained, PRETRAINED) or f": it is one of {', '.join(PRETRAINED)}."
        raise UsageError(f"--pretrained {pretrained} is not known{known}")
    if is_own(model):
        if pretrained == "demo" or (pretrained in {"places365", "imagenet"} and weights is None):
            raise UsageError(
                f"--pretrained {pretrained}: no such weights were published for {model}: give a "
                "file with --weights, or leave it out for the factory's own."
            )
        return
    if is_timm(model):
        if pretrained not in {"timm", "none", "own"} or (pretrained == "own" and weights is None):
            raise UsageError(
                f"--pretrained {pretrained} is not for {model}: take timm or none, or give a file "
                "with --weights."
            )
        if pretrained == "timm" and weights is not None:
            raise UsageError(
                f"--pretrained timm downloads weights but --weights {weights} gives some: choose "
                "one of the two."
            )
        return
    if pretrained == "timm":
        raise UsageError(
            f"--pretrained timm belongs to networks of timm: name one as --model timm:{model}."
        )
    if pretrained == "own":
        raise UsageError(
            f"--pretrained own belongs to a factory of your own: for {model} take places365, "
            "imagenet or none."
        )
    if pretrained == "demo" and model != DEMO:
        raise UsageError(
            f"--pretrained demo belongs to --model demo: for {model} take places365, imagenet or "
            "none."
        )
    if model == DEMO and pretrained not in {"demo", "none"}:
        raise UsageError(
            f"--model demo has no {pretrained} weights: take --pretrained demo or none."
        )
