"""Writes ``layer_names.json.gz``, the table of layers: ``python -m tools.name_layers``."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch
from torch import nn

from ccx_cli.probe.networks.building import load_module
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.layer_names import TABLE
from ccx_cli.probe.networks.layers import layers_of
from ccx_cli.probe.networks.torchvision_models import DEMO, KNOWN

_SHAPES_ONLY = torch.device("meta")


def name_layers(model: str) -> list[str]:
    """Return the names of the layers that ``list_layers`` finds, without computing any of them."""
    choice = choose_network(Path(), NetworkRequest(model, "demo" if model == DEMO else "none"))
    return [layer.name for layer in layers_of(_without_numbers(choice), choice, _SHAPES_ONLY)]


def _without_numbers(choice: NetworkDescription) -> nn.Module:
    cpu = torch.device("cpu")
    if choice.model == DEMO or choice.model.startswith("regnet"):
        # They read numbers while they are built.
        return load_module(choice, cpu)[0].to(_SHAPES_ONLY)
    with _SHAPES_ONLY:
        return load_module(choice, _SHAPES_ONLY)[0]


if __name__ == "__main__":
    table = {model: name_layers(model) for model in KNOWN}
    TABLE.write_bytes(gzip.compress(json.dumps(table).encode(), mtime=0))
