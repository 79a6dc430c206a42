"""The layers of the networks that ccx knows by name, read from a table: imports no torch.

``layer_names.txt`` has one line for each set of layers: the models, a colon, and a tree of names.
``layer1(0..1(conv relu))`` is ``layer1``, ``layer1.0``, ``layer1.0.conv`` and so on; a name that
ends in ``-`` is no layer itself, it only holds some. ``python -m tools.name_layers`` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("layer_names.txt")

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NUMBERS = re.compile(r"(.*?)(\d+)\.\.(\d+)")


def layer_names(model: str) -> list[str]:
    """Return the names of the layers of a model of ``MODELS``, in the network's order.

    Nothing for a model that the table does not know.
    """
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        models, _, text = line.partition(": ")
        if model in models.split():
            parts = iter(_TOKEN.findall(text))
            return [name for name, is_layer in _unfold(list(_children(parts)), "") if is_layer]
    return []


def _children(parts: Iterator[str]) -> Iterator[tuple[list[str], bool, list[Any]]]:
    """Yield names, whether they are layers, and what each of them holds, up to a ``)``."""
    pending: tuple[list[str], bool, list[Any]] | None = None
    for part in parts:
        if part == "(":
            assert pending is not None
            pending[2].extend(_children(parts))
            continue
        if pending is not None:
            yield pending
        if part == ")":
            return
        pending = _spelled_out(part.removesuffix("-")), not part.endswith("-"), []
    if pending is not None:
        yield pending


def _spelled_out(name: str) -> list[str]:
    match = _NUMBERS.fullmatch(name)
    if match is None:
        return [name]
    return [f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1)]


def _unfold(
    children: list[tuple[list[str], bool, list[Any]]], before: str
) -> Iterator[tuple[str, bool]]:
    for names, is_layer, held in children:
        for name in names:
            yield before + name, is_layer
            yield from _unfold(held, f"{before}{name}.")
