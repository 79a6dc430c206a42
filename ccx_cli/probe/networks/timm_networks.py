"""Networks of the ``timm`` package, named ``timm:NAME``.

Nothing here imports timm, and with it torch, before one of its networks is asked for.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import CcxError, MissingInputError, UsageError, suggestion
from ccx_cli.probe.networks.own_networks import OF_TIMM, read_arguments, state_sha256
from ccx_cli.probe.networks.torchvision_models import Preprocessing

if TYPE_CHECKING:
    from torch import nn


def is_timm(model: str) -> bool:
    """Return whether ``model`` names a network of timm."""
    return model.startswith(OF_TIMM)


def timm_name(model: str) -> str:
    """Return the name of a network of timm, fit for a directory: ``timm.vit_tiny_patch16_224``."""
    return re.sub(r"[^\w.-]", "_", model.replace(":", ".", 1))


def timm_preprocessing(model: str) -> Preprocessing:
    """Return the preprocessing that timm says a network was trained with; imports timm.

    Raises
    ------
    UsageError
        If timm is not installed, or has no such network.
    """
    configuration = _configuration(model)
    _, height, width = configuration.input_size
    return Preprocessing((height, width), tuple(configuration.mean), tuple(configuration.std))


def timm_size(words: Sequence[str]) -> tuple[int, int] | None:
    """Return the size that ``img_size`` among a network's arguments gives its input, if it does."""
    given = read_arguments(words).get("img_size")
    height, width = given if isinstance(given, list | tuple) and len(given) == 2 else (given, given)
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def build_timm(model: str, words: Sequence[str], seed: int, *, published: bool) -> nn.Module:
    """Build a network of timm; what it prints goes to stderr.

    Parameters
    ----------
    model
        ``timm:NAME``.
    words
        Arguments of ``timm.create_model``, as ``key=value``.
    seed
        Seed of the random weights; the state of torch's random numbers is restored.
    published
        Whether timm is to get its published weights, from its own cache or the network.

    Raises
    ------
    UsageError
        If timm is not installed, has no such network, or none of its weights were published.
    MissingInputError
        If the published weights cannot be got.
    CcxError
        If timm does not take the arguments.
    """
    import torch

    configuration = _configuration(model)
    if published and not configuration.has_weights:
        raise UsageError(
            f"`pretrained` timm: timm has no published weights of {model}: take `pretrained` none, "
            "or give a file with `weights`."
        )
    arguments = read_arguments(words)
    create: Any = _timm(model).create_model
    name = model.removeprefix(OF_TIMM)
    with torch.random.fork_rng(devices=[]), redirect_stdout(sys.stderr):
        torch.default_generator.manual_seed(seed)
        try:
            module: nn.Module = create(name, pretrained=published, **arguments)
        # What ends a download, of any of the libraries that timm leaves it to, is an OSError.
        except OSError as error:
            raise MissingInputError(
                f"`pretrained` timm: timm cannot get the weights of {name} ({_said(error)}): check "
                "the connection, or give a file with `weights`."
            ) from error
        except Exception as error:
            given = f" with {', '.join(words)}" if words else ""
            raise CcxError(
                f"`model` {model}{given} cannot be made, timm raises {_said(error)}: check its "
                "`model_args` (the traceback shows where)."
            ) from error
    return module


@lru_cache(maxsize=16)
def timm_weights_sha256(model: str, words: tuple[str, ...]) -> str:
    """Return the SHA-256 of the state dict of a network with the weights that timm published."""
    return state_sha256(build_timm(model, words, 0, published=True), model)


def _configuration(model: str) -> Any:
    timm: Any = _timm(model)
    name = model.removeprefix(OF_TIMM)
    found = None
    if timm.is_model(name):
        try:
            found = timm.get_pretrained_cfg(name)
        except RuntimeError:
            near = suggestion(name, timm.list_pretrained(name.partition(".")[0] + ".*"))
            raise UsageError(
                f"`model` {model}: timm has no such weights"
                f"{near or ': leave out what follows the dot, or see timm.list_pretrained().'}"
            ) from None
    if found is None:
        near = suggestion(name, timm.list_models())
        raise UsageError(
            f"`model` {model}: timm has no such network{near or ': see timm.list_models().'}"
        )
    return found


def _timm(model: str) -> ModuleType:
    if importlib.util.find_spec("timm") is None:
        raise UsageError(
            f"`model` {model} needs timm, which is not installed: pip install 'ccx-cli[timm]'."
        )
    return importlib.import_module("timm")


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_REGISTERED = re.compile(rb"^@register_model\b[^\n]*\n(?:@[^\n]*\n)*def (\w+)\(", re.MULTILINE)


def timm_names() -> list[str]:
    """Return the names that timm registers, sorted; nothing where it is not installed."""
    found = importlib.util.find_spec("timm")
    if found is None:
        return []
    names: set[str] = set()
    for folder in found.submodule_search_locations or ():
        for file in Path(folder, "models").glob("*.py"):
            names.update(name.decode() for name in _REGISTERED.findall(file.read_bytes()))
    return sorted(names)
