"""From a unit's activations to its explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explanation
from ccx_cli.search.formula import to_text


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
    settings
        Of the search.
    device
        Where hits are counted.
    """

    index: ConceptIndex
    data: DataCounts
    layer: str
    num_clusters: int
    settings: BeamSettings
    device: str = "cpu"

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
            return (self._empty(unit, None, None, 0, 0),)
        hits = count_hits(maps, ranges, self.index, device=self.device)
        return tuple(
            self._search(unit, cluster, tuple(ranges), hits.per_set[cluster])
            for cluster in range(len(ranges))
        )

    def _search(
        self, unit: int, cluster: int, ranges: tuple[Range, ...], hits: NDArray[np.int32]
    ) -> Explanation:
        found = beam_search(self.data, hits, self.settings)
        n_hits = int(hits.sum(dtype=np.int64))
        if found.chain is None:
            return self._empty(unit, cluster, ranges[cluster], len(ranges), n_hits)
        formula = found.chain.formula(self.index.concepts)
        return Explanation(
            unit=unit,
            layer=self.layer,
            cluster=cluster,
            num_clusters=self.num_clusters,
            num_ranges=len(ranges),
            range=ranges[cluster],
            hits=n_hits,
            formula=formula,
            text=to_text(formula, self.index.name_of),
            iou=found.iou,
            search="beam",
            visited=found.visited,
        )

    def _empty(
        self, unit: int, cluster: int | None, found: Range | None, num_ranges: int, hits: int
    ) -> Explanation:
        return Explanation(
            unit=unit,
            layer=self.layer,
            cluster=cluster,
            num_clusters=self.num_clusters,
            num_ranges=num_ranges,
            range=found,
            hits=hits,
            formula=None,
            text=None,
            iou=0.0,
            search="beam",
            visited=0,
        )
