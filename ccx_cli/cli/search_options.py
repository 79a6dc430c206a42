"""Options that say how formulas are searched, and the published methods that set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ccx_cli.cli.options import RANGES, option
from ccx_cli.search.registry import Search

SEARCH = "Search"


VOCABULARY = "Vocabulary"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How formulas are searched."""

    panel: ClassVar[str] = SEARCH
    rare: ClassVar[bool] = True
    search: Search = option(Search.OPTIMAL, " ".join(f"{each}: {each.summary}." for each in Search))
    length: int = option(3, "Most concepts in a formula.", rare=False)
    beam_limit: int = option(5, "Number of formulas that the beam keeps at each step.")
    objective: str = option("iou", "What to maximize; other than iou up to length 3.")
    min_coverage: str | None = option(
        None, "With mcc: least share of the hits that a formula covers; 1% if not given."
    )
    length_penalty: float = option(1.0, "Factor on the score for each concept after the first.")
    node_limit: int = option(100_000, "Maximum number of chains to expand for each length above 3.")
    time_limit: float | None = option(None, "Maximum seconds for each range above length 3.")
    ties: bool = option(False, "List the formulas that score the same.")
    within: str | None = option(
        None, "List other formulas that score within this share of the best, such as 1%."
    )


@dataclass(frozen=True, slots=True)
class VocabularyOptions:
    """What formulas are made of."""

    panel: ClassVar[str] = VOCABULARY
    rare: ClassVar[bool] = True
    categories: str | None = option(
        None, "Use only concepts of these categories, such as object,part."
    )
    concepts: str | None = option(None, "Use only these concepts, by name.")
    exclude: str | None = option(None, "Exclude these concepts, by name.")
    min_frequency: int = option(0, "Minimum number of images of a concept.", min=0)
    operators: str = option("or,and,not", "Operators to use: or,and,not.")


Preset = Literal["netdissect", "compexp", "cce"]
"""A published method."""


PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "netdissect": {"num_clusters": 1, "quantile": 0.005, "length": 1},
    "compexp": {
        "num_clusters": 1,
        "quantile": 0.005,
        "search": Search.BEAM,
        "length": 3,
        "beam_limit": 5,
    },
    "cce": {
        "num_clusters": 5,
        "kmeans": "sklearn",
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

    preset: Preset | None = option(
        None,
        "As in a paper: netdissect, compexp or cce.",
        is_eager=True,  # Read before the options that it gives values to.
        panel=RANGES,
    )
