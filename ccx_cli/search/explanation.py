"""From a unit's activations to its explanations, and their lines in the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import to_json, to_text
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord, ListedFormula
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.strategy import Answer, Strategy

MAX_LISTED = 1000
_NOTHING = Answer(None, (), 0)


@dataclass(frozen=True, slots=True)
class ConceptNames:
    """How positions in the concept index become label numbers and names."""

    numbers: NDArray[np.uint16]
    name_of: Callable[[int], str]

    def text(self, scored: Scored) -> str:
        """Write a chain as text."""
        return to_text(scored.chain.formula(self.numbers), self.name_of)

    def tree(self, scored: Scored) -> Any:
        """Write a chain as JSON over label numbers."""
        return to_json(scored.chain.formula(self.numbers))


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one range of one unit.

    Attributes
    ----------
    unit, layer
        Which unit.
    cluster
        The range's number from the lowest up, or ``None`` for a unit that has no range.
    num_clusters
        Ranges asked for.
    num_ranges
        Ranges the unit has: fewer where it has fewer distinct values.
    range
        The range itself.
    hits
        Pixels in range.
    search
        The name of the search.
    answer
        What it found.
    """

    unit: int
    layer: str
    cluster: int | None
    num_clusters: int
    num_ranges: int
    range: Range | None
    hits: int
    search: str
    answer: Answer

    def to_record(self, names: ConceptNames, *, ties: bool = False) -> ExplanationRecord:
        """Return the explanation as a line of the results.

        Parameters
        ----------
        names
            Of the concepts.
        ties
            List the formulas that score the same, not only their number.
        """
        best, proof, near = self.answer.best, self.answer.proof, self.answer.near
        more: dict[str, Any] = {}
        if proof is not None:
            more = {
                "score": proof.score,
                "proven": proof.proven,
                "bound": proof.bound,
                "gap": proof.bound - proof.score,
                "rounds": proof.rounds,
                "nodes": proof.nodes,
                "ties": len(proof.ties) + proof.more_ties,
            }
            if ties:
                more["tied"] = [_listed(formula, names) for formula in proof.ties[:MAX_LISTED]]
        if near is not None:
            formulas, unlisted = near
            more["near"] = [_listed(formula, names) for formula in formulas[:MAX_LISTED]]
            more["more_near"] = unlisted + max(0, len(formulas) - MAX_LISTED)
        return ExplanationRecord(
            unit=self.unit,
            layer=self.layer,
            cluster=self.cluster,
            num_clusters=self.num_clusters,
            num_ranges=self.num_ranges,
            range=None if self.range is None else self.range.to_json(),
            hits=self.hits,
            formula=None if best is None else names.text(best),
            iou=0.0 if best is None else best.iou,
            length=0 if best is None else len(best.chain),
            search=self.search,
            visited=self.answer.visited,
            labels=None if best is None else names.tree(best),
            by_length=[
                BestOfLength(
                    length=length,
                    formula=names.text(level),
                    iou=level.iou,
                    adds=level.iou - before,
                    proven=proven,
                )
                for length, ((level, proven), before) in enumerate(
                    zip(self.answer.levels, self._before(), strict=True), start=1
                )
            ],
            **more,
        )

    def _before(self) -> list[float]:
        """IoU of the level before each."""
        return [0.0, *(level.iou for level, _ in self.answer.levels)][: len(self.answer.levels)]


def _listed(scored: Scored, names: ConceptNames) -> ListedFormula:
    return ListedFormula(formula=names.text(scored), iou=scored.iou, labels=names.tree(scored))


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
    def names(self) -> ConceptNames:
        """ConceptNames of the concepts."""
        return ConceptNames(self.index.concepts, self.index.name_of)

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
