"""Options that say how formulas are searched, and the published methods that set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.options import RANGES, Kmeans
from ccx_cli.search.registry import Search

SEARCH = "Search"


VOCABULARY = "Vocabulary"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How formulas are searched."""

    panel: ClassVar[str] = SEARCH
    search: Annotated[
        Search, typer.Option(help=" ".join(f"{each}: {each.summary}." for each in Search))
    ] = Search.OPTIMAL
    length: Annotated[int, typer.Option(help="Maximum number of concepts in a formula.")] = 3
    beam_limit: Annotated[
        int, typer.Option(help="Number of formulas that the beam keeps at each step.")
    ] = 5
    length_penalty: Annotated[
        float, typer.Option(help="Factor on the IoU for each concept after the first.")
    ] = 1.0
    node_limit: Annotated[
        int, typer.Option(help="Maximum number of chains to expand for each length above 3.")
    ] = 1000
    time_limit: Annotated[
        float | None, typer.Option(help="Maximum seconds for each range above length 3.")
    ] = None
    ties: Annotated[bool, typer.Option(help="List the formulas that score the same.")] = False
    within: Annotated[
        str | None,
        typer.Option(
            help="List other formulas with an IoU within this share of the best, such as 1%."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class VocabularyOptions:
    """What formulas are made of."""

    panel: ClassVar[str] = VOCABULARY
    categories: Annotated[
        str | None,
        typer.Option(
            help="Use only concepts of these categories, such as object,part.",
            autocompletion=completing.several_categories,
        ),
    ] = None
    concepts: Annotated[
        str | None,
        typer.Option(
            help="Use only these concepts, by name.",
            autocompletion=completing.several_concepts,
        ),
    ] = None
    exclude: Annotated[
        str | None,
        typer.Option(
            help="Exclude these concepts, by name.",
            autocompletion=completing.several_concepts,
        ),
    ] = None
    min_frequency: Annotated[
        int, typer.Option(min=0, help="Minimum number of images of a concept.")
    ] = 0
    operators: Annotated[
        str,
        typer.Option(
            help="Operators to use: or,and,not.",
            autocompletion=completing.several_of("or", "and", "not"),
        ),
    ] = "or,and,not"


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
            help="Ranges and search of a paper; other options override them.",
            rich_help_panel=RANGES,
        ),
    ] = None
