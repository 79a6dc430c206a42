"""``--preset``: the parameters of a paper, under its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from ccx_cli.cli.options import RANGES, Kmeans
from ccx_cli.search.registry import Search


class Preset(StrEnum):
    """A published method."""

    NETDISSECT = "netdissect"
    COMPEXP = "compexp"
    CCE = "cce"


PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    Preset.NETDISSECT: {"num_clusters": 1, "quantile": 0.005, "length": 1},
    Preset.COMPEXP: {
        "num_clusters": 1,
        "quantile": 0.005,
        "search": Search.BEAM,
        "length": 3,
        "beam_limit": 5,
    },
    Preset.CCE: {
        "num_clusters": 5,
        "kmeans": Kmeans.SKLEARN,
        "n_init": 10,
        "search": Search.BEAM,
        "length": 3,
        "beam_limit": 5,
    },
}
"""By option; Network Dissection tries every single concept, so its search needs no beam."""


@dataclass(frozen=True, slots=True)
class PresetOptions:
    """Which published method to take the defaults from."""

    preset: Annotated[
        Preset | None,
        typer.Option(
            # Read before the options that it gives values to.
            is_eager=True,
            help="Ranges and search of a paper: netdissect (Network Dissection), compexp "
            "(Compositional Explanations) or cce (Clustered Compositional Explanations). Options "
            "given beside it win.",
            rich_help_panel=RANGES,
        ),
    ] = None
