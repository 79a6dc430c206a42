"""The names of timm's networks, read from its files: importing timm would import torch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

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
