"""From a unit's activations to its explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explanation, Names
from ccx_cli.search.strategy import Answer, Strategy

_NOTHING = Answer(None, (), 0)


@dataclass(frozen=True)
class Explainer:
    """Everything units share.

    Attributes
    ----------
    index, data
        The labelled images and their counts.
    layer
        Name of the layer.
    num_clusters
        Ranges asked for.
    strategy
        The search.
    device
        Where hits are counted.
    """

    index: ConceptIndex
    data: DataCounts
    layer: str
    num_clusters: int
    strategy: Strategy
    device: str = "cpu"

    @property
    def names(self) -> Names:
        """Names of the concepts."""
        return Names(self.index.concepts, self.index.name_of)

    def explain(
        self, unit: int, maps: NDArray[np.float32], ranges: Sequence[Range]
    ) -> tuple[Explanation, ...]:
        """Explain every range of one unit.

        Parameters
        ----------
        unit
            Its number.
        maps
            ``(n_images, height, width)`` float32.
        ranges
            From the lowest up; none for a unit that never fires.

        Returns
        -------
        One explanation a range, or a single empty one for a unit without ranges.
        """
        if not ranges:
            return (self._explanation(unit, None, ranges, 0, _NOTHING),)
        hits = count_hits(maps, ranges, self.index, device=self.device)
        return tuple(
            self._explanation(
                unit,
                cluster,
                ranges,
                int(hits.totals[cluster]),
                self.strategy.answer(self.data, hits.per_set[cluster]),
            )
            for cluster in range(len(ranges))
        )

    def _explanation(
        self,
        unit: int,
        cluster: int | None,
        ranges: Sequence[Range],
        hits: int,
        answer: Answer,
    ) -> Explanation:
        return Explanation(
            unit=unit,
            layer=self.layer,
            cluster=cluster,
            num_clusters=self.num_clusters,
            num_ranges=len(ranges),
            range=None if cluster is None else ranges[cluster],
            hits=hits,
            search=self.strategy.name,
            answer=answer,
        )
