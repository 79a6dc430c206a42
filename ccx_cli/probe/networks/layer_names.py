"""The layers of the networks that ccx knows by name, read from a table: imports no torch."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

TABLE = Path(__file__).with_name("layer_names.json.gz")
"""Lists of names by model, which ``python -m tools.name_layers`` writes."""


def layer_names(model: str) -> list[str]:
    """Return the names of the layers of a model of ``KNOWN`` in their order, else nothing."""
    names: list[str] = json.loads(gzip.decompress(TABLE.read_bytes())).get(model, [])
    return names
