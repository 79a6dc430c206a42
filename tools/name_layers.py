"""Writes ``layer_names.txt``, the table of layers, in a minute: ``python -m tools.name_layers``."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ccx_cli.probe.networks.building import load_module
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.layer_names import TABLE
from ccx_cli.probe.networks.layers import layers_of
from ccx_cli.probe.networks.torchvision_models import DEMO, MODELS
from ccx_cli.store.atomic import write_text

_SHAPES_ONLY = torch.device("meta")
_NUMBERED = re.compile(r"(|.*\D)(0|[1-9]\d*)", re.DOTALL)


def name_layers(model: str) -> list[str]:
    """Return the names of the layers that ``list_layers`` finds, without computing any of them."""
    choice = choose_network(Path(), NetworkRequest(model, "demo" if model == DEMO else "none"))
    return [layer.name for layer in layers_of(_without_numbers(choice), choice, _SHAPES_ONLY)]


def table_text() -> str:
    """Return the table of all models; those with the same layers share a line."""
    models: dict[str, list[str]] = {}
    for model in MODELS:
        models.setdefault(write_tree(name_layers(model)), []).append(model)
    return "".join(f"{' '.join(named)}: {tree}\n" for tree, named in models.items())


def _without_numbers(choice: NetworkDescription) -> nn.Module:
    cpu = torch.device("cpu")
    if choice.model == DEMO or choice.model.startswith("regnet"):
        # They read numbers while they are built.
        return load_module(choice, cpu)[0].to(_SHAPES_ONLY)
    with _SHAPES_ONLY:
        return load_module(choice, _SHAPES_ONLY)[0]


def write_tree(names: list[str]) -> str:
    """Write the names of layers as a line of the table has them.

    Parameters
    ----------
    names
        Dotted paths, those within a module one after another.
    """
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for part in name.split("."):
            node = node.setdefault(part, {})
    return _folded(tree, "", set(names))


def _folded(tree: dict[str, Any], before: str, layers: set[str]) -> str:
    """Write a module's children; numbered ones that follow each other and look alike as one."""
    written = []
    for position, (name, held) in enumerate(tree.items()):
        inside = _folded(held, f"{before}{name}.", layers)
        ending = ("" if before + name in layers else "-") + (f"({inside})" if inside else "")
        number = _NUMBERED.fullmatch(name)
        # Neighbors whose numbers grow with their positions are of one group.
        stem, start = (number[1], int(number[2]) - position) if number else (name, -1 - position)
        written.append((stem, start, ending, name))
    return " ".join(
        _group([name for *_, name in group]) + ending
        for (_, _, ending), group in groupby(written, lambda one: one[:3])
    )


def _group(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    last = _NUMBERED.fullmatch(names[-1])
    assert last is not None
    return f"{names[0]}..{last[2]}"


if __name__ == "__main__":
    write_text(TABLE, table_text())
