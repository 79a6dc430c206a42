"""Best-first search for chains of more than three concepts.

A chain ``f`` with ``r`` concepts to come cannot end above ``max(g(f) + S(r), p(f) + S(r - 1))``:
``g`` is the linear score of ``branch_and_bound_kernel``, ``p`` its positive part and ``S(i)`` the
sum of the ``i`` largest positive parts of single concepts. Either every concept to come is joined
by OR and adds at most its positive part, or one of them cuts the formula down, to at most the
positive part of what stood there. Chains are expanded in the order of that bound; when none is
left above the best IoU so far, the best one found is proven.

Chains of the same concepts that hold on the same pixels are expanded once: all that can follow is
the same. (Other concepts would leave others to follow: ``((b AND NOT a) OR c) AND b`` is no chain.)
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain, Extensions, Scored, distinct, sets_in
from ccx_cli.search.counts import Counts, RangeCounts, joined_sums, set_signature

MAX_REMEMBERED = 3_000_000
"""Chains that a search remembers before it stops, some 350 bytes each: about 1 GB."""


@dataclass(frozen=True, slots=True)
class BestFirstResult:
    """What a best-first search found.

    Attributes
    ----------
    found
        Distinct chains that reach the floor and that no other found one beats, best first.
    bound
        No chain has a larger IoU than this or than the best one found.
    nodes
        Chains expanded.
    """

    found: tuple[Scored, ...]
    bound: float
    nodes: int


@dataclass(frozen=True, slots=True)
class _Rows:
    """One chain against every concept, and itself; ``gains`` are positive parts."""

    counts: Counts
    gains: NDArray[np.float64]
    own: Counts
    own_gain: float


@dataclass(frozen=True, slots=True)
class _Children:
    """Extensions of one chain that may lead above the best so far, by descending bound."""

    parent: Chain | None
    operators: NDArray[np.int8]
    concepts: NDArray[np.int64]
    bounds: NDArray[np.float64]

    def chain(self, position: int) -> Chain:
        concept, operator = int(self.concepts[position]), Operator(int(self.operators[position]))
        return Chain((concept,)) if self.parent is None else self.parent.extended(operator, concept)


def best_first_search(
    counts: RangeCounts, length: int, floor: float, node_limit: int, seconds: float | None
) -> BestFirstResult:
    """Find the best chain of at most ``length`` concepts, with a bound.

    Parameters
    ----------
    counts
        The range and what may explain it.
    length
        Most concepts.
    floor
        IoU that is known to be reached; only chains that reach it as well are reported.
    node_limit
        Chains expanded at most; fewer if ``MAX_REMEMBERED`` is reached before.
    seconds
        Time at most, or ``None``.
    """
    return _Search(counts, length, floor).run(node_limit, seconds)


class _Search:
    def __init__(self, counts: RangeCounts, length: int, floor: float) -> None:
        self.data, self.hits, self.space = counts.data, counts.hits, counts.space
        self.length, self.in_range = length, counts.in_range
        self.tau = self.best = floor
        self.found: list[Scored] = []
        self.seen: set[tuple[int, frozenset[int]]] = set()
        data = counts.data
        all_sets = np.ones(len(data.sets), dtype=np.bool_)
        self.single = whole = self._rows(all_sets)
        # Sums of at most n_sets float64 terms err by at most n_sets units in the last place.
        self.slack = (
            4 * np.finfo(np.float64).eps * (len(data.sets) + 64) * float(data.sets.totals.sum())
        )
        gains = np.sort(whole.gains[self.space.mask])[::-1]
        self.most = np.concatenate([[0.0], np.cumsum(gains[: length + 1])])
        self.most = np.pad(self.most, (0, length + 2), mode="edge")

    def run(self, node_limit: int, seconds: float | None) -> BestFirstResult:
        started = time.monotonic()
        blocks = [self._singles()]
        heap = [(-float(blocks[0].bounds[0]), 0, 0)] if len(blocks[0].bounds) else []
        nodes = 0
        while heap and -heap[0][0] >= self._threshold():
            out_of_time = seconds is not None and time.monotonic() - started >= seconds
            if nodes >= node_limit or out_of_time or len(self.seen) >= MAX_REMEMBERED:
                break
            _, block, position = heapq.heappop(heap)
            children = blocks[block]
            if position + 1 < len(children.bounds):
                heapq.heappush(heap, (-float(children.bounds[position + 1]), block, position + 1))
            nodes += 1
            grown = self._expand(children.chain(position))
            if len(grown.bounds):
                blocks.append(grown)
                heapq.heappush(heap, (-float(grown.bounds[0]), len(blocks) - 1, 0))
        left = -heap[0][0] if heap else 0.0
        bound = self.best
        if heap and left >= self._threshold():
            bound = min(1.0, max(bound, (left + self.slack) / self.in_range))
        reached = [formula for formula in self.found if formula.iou == self.best]
        return BestFirstResult(tuple(distinct(reached)), float(bound), nodes)

    def _threshold(self) -> float:
        return self.best * self.in_range - self.slack

    def _rows(self, holds: NDArray[np.bool_]) -> _Rows:
        sets = self.data.sets
        hits, totals, signatures, gains, own = _chain_rows(
            holds,
            sets.indptr,
            sets.labels,
            sets.totals,
            self.hits,
            self.tau,
            self.data.n_concepts,
        )
        own_hits, own_total, own_signature, own_gain = own
        return _Rows(
            Counts(hits, totals, signatures),
            gains,
            Counts(
                np.array(own_hits, dtype=np.int64),
                np.array(own_total, dtype=np.int64),
                np.array(own_signature, dtype=np.uint64),
            ),
            own_gain,
        )

    def _singles(self) -> _Children:
        concepts = self.space.concepts
        weights = self._weight(self.single.counts)[concepts]
        bounds = np.maximum(
            weights + self.most[self.length - 1],
            self.single.gains[concepts] + self.most[self.length - 2],
        )
        return self._kept(None, np.zeros(len(concepts), dtype=np.int8), concepts, bounds)

    def _expand(self, chain: Chain) -> _Children:
        rows, single = self._rows(sets_in(chain, self.data)), self.single
        free = self.space.mask.copy()
        free[list(chain.concepts)] = False
        left = self.length - len(chain) - 1
        operators, concepts, bounds = [], [], []
        for operator in self.space.operators:
            counts = rows.own.joined(operator, single.counts, rows.counts)
            gains = joined_sums(operator, rows.own_gain, single.gains, rows.gains)
            extended = Extensions(chain, operator, counts, counts.iou(self.in_range))
            # The same as the chain, or as the concept alone: a shorter formula.
            new = free & (counts.totals != rows.own.totals) & (counts.totals > 0)
            if operator is not Operator.AND_NOT:
                new &= counts.totals != single.counts.totals
            for concept in np.flatnonzero(new & (extended.iou >= self.best)):
                self._note(extended.scored(int(concept)))
            if left == 0:
                continue
            # What cuts the chain down may leave room for all of a later concept's positive part.
            most = self.most[left]
            bound = np.maximum(self._weight(counts) + most, gains + self.most[left - 1])
            for concept in np.flatnonzero(new & (bound >= self._threshold())):
                known = int(counts.signatures[concept]), frozenset((*chain.concepts, int(concept)))
                if known in self.seen:
                    continue
                self.seen.add(known)
                operators.append(int(operator))
                concepts.append(int(concept))
                bounds.append(float(bound[concept]))
        return self._kept(
            chain,
            np.array(operators, dtype=np.int8),
            np.array(concepts, dtype=np.int64),
            np.array(bounds, dtype=np.float64),
        )

    def _note(self, reached: Scored) -> None:
        if reached.iou > self.best:
            self.best = reached.iou
            self.found = []
        self.found.append(reached)

    def _weight(self, counts: Counts) -> NDArray[np.float64]:
        return counts.hits - self.tau * (counts.totals - counts.hits)

    def _kept(
        self,
        parent: Chain | None,
        operators: NDArray[np.int8],
        concepts: NDArray[np.int64],
        bounds: NDArray[np.float64],
    ) -> _Children:
        order = np.argsort(-bounds, kind="stable")
        order = order[bounds[order] >= self._threshold()]
        return _Children(parent, operators[order], concepts[order], bounds[order])


@kernel
def _chain_rows(
    holds: NDArray[np.bool_],
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    totals: NDArray[np.int64],
    hits: NDArray[np.int32],
    tau: float,
    n_concepts: int,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.uint64],
    NDArray[np.float64],
    tuple[int, int, np.uint64, float],
]:
    row_hits = np.zeros(n_concepts, dtype=np.int64)
    row_totals = np.zeros(n_concepts, dtype=np.int64)
    row_signatures = np.zeros(n_concepts, dtype=np.uint64)
    row_gains = np.zeros(n_concepts)
    own_hits, own_total, own_signature, own_gain = 0, 0, np.uint64(0), 0.0
    for row in range(len(holds)):
        if not holds[row]:
            continue
        signature = set_signature(row)
        gain = max(0.0, hits[row] - tau * (totals[row] - hits[row]))
        own_hits += hits[row]
        own_total += totals[row]
        own_signature ^= signature
        own_gain += gain
        for entry in range(indptr[row], indptr[row + 1]):
            label = labels[entry]
            row_hits[label] += hits[row]
            row_totals[label] += totals[row]
            row_signatures[label] ^= signature
            row_gains[label] += gain
    own = (own_hits, own_total, own_signature, own_gain)
    return row_hits, row_totals, row_signatures, row_gains, own
