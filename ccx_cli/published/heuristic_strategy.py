"""The published heuristics as searches of one range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.heuristic_search import Estimator, heuristic_search
from ccx_cli.published.heuristics import (
    Heuristic,
    RangeByImage,
    Side,
    estimate_extensions,
    range_by_image,
)
from ccx_cli.published.shapes import MaskShapes, Shapes, measure_mask
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.chains import Chain, sets_in
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.strategy import Answer


@dataclass(frozen=True)
class HeuristicEstimator:
    """Estimates by a published heuristic.

    Attributes
    ----------
    heuristic
        Which.
    index, data, shapes
        The data set; only ``none`` does without shapes.
    per_local
        ``(n_local,)`` int32, pixels in range by row of the images' tables.
    counts
        The same by image and concept.
    """

    heuristic: Heuristic
    index: ConceptIndex
    data: DataCounts
    shapes: Shapes
    per_local: NDArray[np.int32]
    counts: RangeByImage

    def __call__(self, chain: Chain) -> NDArray[np.float64]:
        """Measure the formula's exact mask and estimate its extensions."""
        holds = sets_in(chain, self.data)
        index = self.index
        in_range = index.per_image(np.where(holds[index.local_sets], self.per_local, 0))
        side = Side(self._shapes(chain, holds), in_range.astype(np.int32))
        return estimate_extensions(
            self.heuristic, side, self.shapes, self.counts, index.maps.shape[1]
        )

    def _shapes(self, chain: Chain, holds: NDArray[np.bool_]) -> MaskShapes:
        if len(chain) == 1:
            return self.shapes.of(chain.concepts[0])
        solid = self.heuristic is Heuristic.MMESH
        return measure_mask(self.index, self.shapes, holds, rectangles=solid)


@dataclass(frozen=True)
class HeuristicStrategy:
    """The published search with one heuristic, for comparisons.

    Unlike a ``Strategy`` it needs the pixels in range by image.
    """

    heuristic: Heuristic
    settings: BeamSettings
    index: ConceptIndex
    shapes: Shapes | None

    @property
    def name(self) -> str:
        """The heuristic's name."""
        return self.heuristic.value

    def identity(self) -> dict[str, Any]:
        """Name the settings."""
        return {
            "name": self.name,
            "length": self.settings.length,
            "beam_limit": self.settings.beam_limit,
        }

    def answer(
        self, data: DataCounts, hits: NDArray[np.int32], per_local: NDArray[np.int32]
    ) -> Answer:
        """Search one range.

        Parameters
        ----------
        data
            The data set's counts.
        hits
            ``(n_sets,)`` int32, pixels in range by label set.
        per_local
            ``(n_local,)`` int32, by row of the images' tables.
        """
        found = heuristic_search(data, hits, self.settings, self._estimator(data, per_local))
        return Answer(found.best, tuple((best, False) for best in found.levels), found.visited)

    def _estimator(self, data: DataCounts, per_local: NDArray[np.int32]) -> Estimator:
        if self.heuristic is Heuristic.NONE:
            return lambda _: np.full((len(Operator), data.n_concepts), np.inf)
        if self.shapes is None:
            raise ValueError(f"{self.name} needs the shapes of concepts")
        counts = range_by_image(self.index, self.shapes, per_local)
        return HeuristicEstimator(self.heuristic, self.index, data, self.shapes, per_local, counts)
