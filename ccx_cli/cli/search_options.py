"""Options that say how formulas are searched, and the published methods that set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ccx_cli.cli.options import RANGES, flag, option
from ccx_cli.search.registry import Search


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How formulas are searched."""

    panel: ClassVar[str] = "Search"
    rare: ClassVar[bool] = True
    search: Search = option(" ".join(f"{each}: {each.summary}." for each in Search), Search.OPTIMAL)
    length: int = option("Most concepts in a formula.", 3, rare=False)
    beam_limit: int = option("Number of formulas that the beam keeps at each step.", 5)
    objective: str = option(
        "Maximize iou, or up to length 3 f-beta:B, mcc, soft-iou, pearson or cosine.", "iou"
    )
    min_coverage: str | None = option(
        "With mcc, pearson or cosine: least share of the hits to cover; 1% if not given."
    )
    length_penalty: float = option("Factor on the score for each concept after the first.", 1.0)
    node_limit: int = option("Maximum number of chains to expand for each length above 3.", 100_000)
    time_limit: float | None = option("Maximum seconds for each range above length 3.")
    ties: bool = flag("List the formulas that score the same.")
    within: str | None = option(
        "List other formulas that score within this share of the best, such as 1%."
    )


@dataclass(frozen=True, slots=True)
class VocabularyOptions:
    """What formulas are made of."""

    panel: ClassVar[str] = "Vocabulary"
    rare: ClassVar[bool] = True
    categories: str | None = option("Use only concepts of these categories, such as object,part.")
    concepts: str | None = option("Use only these concepts, by name.")
    exclude: str | None = option("Exclude these concepts, by name.")
    min_frequency: int = option("Minimum number of images of a concept.", 0, min=0)
    min_quality: float | None = option(
        "Use only annotated words with at least this IoU with human labels.", min=0, max=1
    )
    operators: str = option("Operators to use: or,and,not.", "or,and,not")


Preset = Literal["netdissect", "compexp", "cce"]


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
        "As in a paper: netdissect, compexp or cce.",
        is_eager=True,  # Read before the options that it gives values to.
        panel=RANGES,
    )
