"""Networks of the ``timm`` package, named ``timm:NAME``.

Nothing here imports timm, and with it torch, before one of its networks is asked for.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.own_networks import OF_TIMM, read_arguments
from ccx_cli.probe.networks.torchvision_models import Preprocessing


def is_timm(model: str) -> bool:
    """Return whether ``model`` names a network of timm."""
    return model.startswith(OF_TIMM)


def timm_name(model: str) -> str:
    """Return the name of a network of timm, fit for a directory: ``timm.vit_tiny_patch16_224``."""
    return re.sub(r"[^\w.-]", "_", model.replace(":", ".", 1))


def timm_preprocessing(model: str) -> Preprocessing:
    """Return the preprocessing that timm says a network was trained with; imports timm."""
    configuration = timm_configuration(model)
    _, height, width = configuration.input_size
    return Preprocessing((height, width), tuple(configuration.mean), tuple(configuration.std))


def timm_size(words: Sequence[str]) -> tuple[int, int] | None:
    """Return the size that ``img_size`` among a network's arguments gives its input, if it does."""
    given = read_arguments(words).get("img_size")
    height, width = given if isinstance(given, list | tuple) and len(given) == 2 else (given, given)
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def timm_configuration(model: str) -> Any:
    """Return what timm says of a network and its published weights; imports timm."""
    timm: Any = timm_module(model)
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


def timm_module(model: str) -> ModuleType:
    """Import timm; UsageError if it is not installed."""
    if importlib.util.find_spec("timm") is None:
        raise UsageError(
            f"`model` {model} needs timm, which is not installed: pip install 'ccx-cli[timm]'."
        )
    return importlib.import_module("timm")


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
