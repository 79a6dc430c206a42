"""From a unit's activations to its explanations, and their lines in the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.design import holds_zero
from ccx_cli.formulas.formula import to_json, to_text
from ccx_cli.probe.activation_sums import ActivationSummer, ActivationSums
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.soft_hits import sum_activations
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord, ListedFormula
from ccx_cli.search.chains import Scored, pixels_of, sum_of
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.overlap import Overlap
from ccx_cli.search.strategy import Answer, Proof, Strategy

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


@dataclass(frozen=True)
class Explainer:
    """Everything units share.

    Attributes
    ----------
    index, data
        The labeled images and their counts.
    layer
        Name of the layer.
    num_clusters
        Ranges asked for.
    strategy
        The search.
    device
        Where hits are counted.
    ties
        List the formulas that score the same, not only their number.
    skip_zero_range
        Seek no formula for the range that holds zero.
    summer
        Sums activations, to correlate them with formulas; that is left out without it, and of maps
        for which it would take long.
    """

    index: ConceptIndex
    data: DataCounts
    layer: str
    num_clusters: int
    strategy: Strategy
    device: str = "cpu"
    ties: bool = False
    skip_zero_range: bool = False
    summer: ActivationSummer | None = None

    @property
    def names(self) -> ConceptNames:
        """Names of the concepts."""
        return ConceptNames(self.index.concepts, self.index.name_of)

    def explain(self, unit: int, maps: Maps, ranges: Sequence[Range]) -> list[ExplanationRecord]:
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
        One record for each range, or a single empty one for a unit without ranges. By a soft
        objective one for the whole activation, with the hits of the highest range.
        """
        if not ranges:
            return [self._record(unit, None, ranges, 0, _NOTHING, None)]
        if self.strategy.objective.is_soft:
            return [self._whole(unit, maps, ranges[-1:])]
        hits = count_hits(maps, ranges, self.index, device=self.device)
        activation = self._sums(maps)
        return [
            self._record(
                unit,
                cluster,
                ranges,
                int(hits.totals[cluster]),
                _NOTHING
                if self.skips(ranges[cluster])
                else self.strategy.answer(self.data, hits.per_set[cluster]),
                activation,
            )
            for cluster in range(len(ranges))
        ]

    def skips(self, found: Range) -> bool:
        """Tell whether no formula is sought for a range."""
        return self.skip_zero_range and holds_zero(found.to_json())

    def _sums(self, maps: Maps) -> ActivationSums | None:
        return None if self.summer is None else self.summer.sums(maps)

    def _whole(self, unit: int, maps: Maps, highest: Sequence[Range]) -> ExplanationRecord:
        """Explain a unit's whole activation, and count the formulas on its highest range."""
        signed = self.strategy.objective.is_signed
        soft = sum_activations(maps, self.index, signed=signed)
        answer = self.strategy.answer(self.data, soft)
        hits = count_hits(maps, highest, self.index, device=self.device)
        counts = RangeCounts(self.data, hits.per_set[0])

        def counted(formula: Scored) -> Scored:
            both, total = pixels_of(formula.chain, counts)
            return replace(formula, both=both, iou=both / (counts.in_range + total - both))

        totals = int(hits.totals[0])
        return self._record(unit, 0, highest, totals, answer, self._sums(maps), counted)

    def _record(
        self,
        unit: int,
        cluster: int | None,
        ranges: Sequence[Range],
        hits: int,
        answer: Answer,
        activation: ActivationSums | None,
        counted: Callable[[Scored], Scored] = lambda formula: formula,
    ) -> ExplanationRecord:
        names, pixels = self.names, self.index.n_pixels
        best = None if answer.best is None else counted(answer.best)
        more = {} if answer.proof is None else self._of_proof(answer.proof, counted)
        if answer.near is not None:
            near = answer.near
            listed = near.formulas[:MAX_LISTED]
            more["near"] = [_listed(counted(formula), names) for formula in listed]
            more["more_near"] = near.more + max(0, len(near.formulas) - MAX_LISTED)
            if not near.complete:
                more["near_complete"] = False
        levels = [(counted(level), proven) for level, proven in answer.levels]
        scores = answer.level_scores or [level.iou for level, _ in levels]
        before = [0.0, *scores]
        return ExplanationRecord(
            unit=unit,
            layer=self.layer,
            cluster=cluster,
            num_clusters=self.num_clusters,
            num_ranges=len(ranges),
            range=None if cluster is None else ranges[cluster].to_json(),
            hits=hits,
            formula=None if best is None else names.text(best),
            iou=0.0 if best is None else best.iou,
            length=0 if best is None else len(best.chain),
            baseline=None if cluster is None else hits / pixels,
            **self._measures(best, hits, activation),
            search=self.strategy.name,
            visited=answer.visited,
            labels=None if best is None else names.tree(best),
            skipped=True if cluster is not None and self.skips(ranges[cluster]) else UNSET,
            by_length=[
                BestOfLength(
                    length=answer.shortest + place,
                    formula=names.text(level),
                    iou=level.iou,
                    adds=scores[place] - before[place],
                    proven=proven,
                    **self._measures(level, hits, activation),
                    labels=names.tree(level),
                    score=scores[place] if answer.level_scores else UNSET,
                )
                for place, (level, proven) in enumerate(levels)
            ],
            **more,
        )

    def _measures(
        self, formula: Scored | None, hits: int, activation: ActivationSums | None
    ) -> dict[str, Any]:
        """Measure a formula beside the hits and the activation; ``None`` of all without one."""
        overlap = None
        if formula is not None:
            overlap = Overlap(hits, formula.both, formula.total, self.index.n_pixels)
        found = {key: getattr(overlap, key, None) for key in ("lift", "mcc", "f1")}
        if activation is None:
            return found
        if formula is None:
            return found | {"pearson": None, "cosine": None}
        within = sum_of(activation.per_set, formula.chain, self.data)
        return found | {
            "pearson": activation.pearson(within, formula.total),
            "cosine": activation.cosine(within, formula.total),
        }

    def _of_proof(self, proof: Proof, counted: Callable[[Scored], Scored]) -> dict[str, Any]:
        found: dict[str, Any] = {
            **({} if proof.objective is None else {"objective": proof.objective}),
            "score": proof.score,
            "proven": proof.proven,
            "bound": proof.bound,
            "gap": proof.bound - proof.score,
            "rounds": proof.rounds,
            "nodes": proof.nodes,
            "ties": len(proof.ties) + proof.more_ties,
        }
        if self.ties:
            found["tied"] = [
                _listed(counted(formula), self.names) for formula in proof.ties[:MAX_LISTED]
            ]
        return found


def _listed(scored: Scored, names: ConceptNames) -> ListedFormula:
    return ListedFormula(formula=names.text(scored), iou=scored.iou, labels=names.tree(scored))
