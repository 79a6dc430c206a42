"""Chains of more than three concepts for one range: all that reach a threshold, or the best.

A chain is *strong* if every step, in the order in which it is written, has an effect of at least
``e`` (``chain_walk``). Without a step of less, a chain of ``k`` concepts that reaches ``T`` is one
of ``k - 1`` that reaches ``T - e``. So the chains that reach ``T`` are the strong ones, which a
walk finds, and insertions into those of one concept less that come close.

Where one concept explains most of a range, very many chains of others may add the little that is
left, or hold on as much of it: more than the bounds of the walk rule out. What ends in ``OR main``
is, before that, a chain on the pixels that the main concept leaves, and what ends in ``AND main``
one on its own pixels. Both are searched apart, for one concept less, and the walk passes them by.

``G[k]``, the largest weight of at most ``k`` concepts at this threshold, is found as well: up to
three by ``largest_weights``, then by the search itself, which takes it for the threshold.

The larger ``e``, the fewer concepts can be part of a strong chain, and the more chains come close.
With ``e = (T - G[k - 2]) / 2`` those that come close are all strong themselves. It is taken where
it is more than ``T - G[k - 1]``; elsewhere no chain comes close, and all are strong.

Weights have a grain: no set weighs less. A step that acts on nothing of positive weight (or, where
it takes away, of negative weight) makes a chain worse by the grain at least, unless it does nothing
at all; so where the best of ``k - 1`` concepts is not above ``T`` by that much, every effect counts
from the grain up. Without this, what does nothing would make up most of an exact plateau.

What comes close and holds on the pixels of a chain of ``k - 2`` concepts may be left out, although
more can be made from it: its two steps act only where the inserted one does, so they add less than
``e`` to at most ``G[k - 2]``, which is below ``T``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from itertools import groupby
from threading import Timer

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search import incumbent as inc
from ccx_cli.search.branch_and_bound import CAPACITY, Reached
from ccx_cli.search.chain_walk import NODE_LIMIT, NODES, walk_chains
from ccx_cli.search.chains import Scored, distinct
from ccx_cli.search.counts import RangeCounts
from ccx_cli.search.insertion import insert_everywhere, orders_of
from ccx_cli.search.kept_chains import Kept, keep_chain, kept_formulas, room_for
from ccx_cli.search.largest_weights import largest_weights
from ccx_cli.search.merged_sets import Problem, able_concepts, among, part_of, whole_problem
from ccx_cli.search.space import PROVEN_LENGTH

WORTH_MERGING, MANY_SETS, WORTH_MERGING_MANY = 0.8, 100_000, 0.5
"""Share of the concepts below which the sets are merged again, few and many."""
NEAR_CAPACITY = 4_000
"""Chains that come close, at most; with more, the walk does without insertion."""
MANY_CONCEPTS = 6
"""Concepts that may add half of what the main one lacks, if chains of four are searched apart."""
INSERTED_LENGTH = 7
"""Concepts up to which chains may be inserted into: their parts are numbered in bytes."""
_EPSILON = float(np.finfo(np.float64).eps)


def best_chains(
    counts: RangeCounts,
    length: int,
    floor: Scored,
    bounds: Sequence[float],
    node_limit: int,
    seconds: float | None,
) -> Reached:
    """Find the chains of ``length`` concepts that reach ``floor`` and that none beats.

    Parameters
    ----------
    counts
        The range and what may explain it.
    length
        Concepts, four or more.
    floor
        The best chain that is known, of at most ``length`` concepts.
    bounds
        For 1, 2, ... ``length - 1``: no chain of at most so many concepts has a larger IoU.
    node_limit
        Prefixes of chains expanded at most.
    seconds
        Time at most, or ``None``.
    """
    search = _Search(counts, length, floor.iou, bounds, node_limit)
    incumbent = search.incumbent(floor.iou)
    incumbent.state[[inc.BEST_HITS, inc.BEST_TOTAL, inc.RISING]] = floor.both, floor.total, 1
    found = search.run(incumbent, seconds)
    if found.formulas and found.formulas[0].beats(floor, counts.in_range):
        return found
    # A search that a limit ended may not have come to the floor itself.
    return replace(found, formulas=tuple(distinct([floor, *found.formulas])))


def chains_reaching(
    counts: RangeCounts,
    length: int,
    iou: float,
    bounds: Sequence[float],
    node_limit: int,
    seconds: float | None,
) -> Reached:
    """Find the chains of ``length`` concepts with at least this IoU; else as ``best_chains``."""
    search = _Search(counts, length, iou, bounds, node_limit)
    return search.run(search.incumbent(iou), seconds)


class _Search:
    """A search at one threshold."""

    def __init__(
        self,
        counts: RangeCounts,
        length: int,
        tau: float,
        bounds: Sequence[float],
        node_limit: int,
    ) -> None:
        self.counts, self.length, self.tau = counts, length, tau
        sets, n = counts.data.sets, counts.in_range
        # A sum of n float64 weights errs by at most n units in its last place, and none is above
        # the number of pixels; a bound adds up fewer than 8 * (length + 4) of them.
        self.slack = 8 * (length + 4) * _EPSILON * (len(sets) + 64) * float(sets.totals.sum())
        self.allowed = np.array([operator in counts.space.operators for operator in Operator])
        self.node_limit = node_limit
        self.effort = np.array([0, node_limit // 2], dtype=np.int64)
        self.is_over = False
        self.whole = self.merged = whole_problem(counts, tau)
        self.parts = np.zeros(len(sets), dtype=np.uint8)
        self.apart: dict[tuple[int, bool], Problem] = {}
        # With `hits <= B * (n + misses)` and `hits <= n`, `hits - tau * misses` is at most this.
        most = [n * bound if bound <= tau else n * (1 - tau * (1 / bound - 1)) for bound in bounds]
        self.limits = np.array([0.0, *most]) + self.slack
        found = largest_weights(counts, self.whole, tau, self.slack)
        self.limits[: PROVEN_LENGTH + 1] = np.minimum(self.limits[: PROVEN_LENGTH + 1], found)

    def incumbent(self, iou: float, weight: float | None = None) -> inc.Incumbent:
        """Return the state of a search for what reaches an IoU, or else a weight."""
        reached = iou * self.counts.in_range - self.slack if weight is None else weight
        return inc.Incumbent(
            self.counts.in_range,
            np.zeros(inc.STATE, dtype=np.int64),
            np.array([iou, reached]),
            self.slack,
            np.empty((0, 6), dtype=np.int64),
        )

    def run(self, incumbent: inc.Incumbent, seconds: float | None) -> Reached:
        """Find all chains that reach the threshold."""
        kept = room_for(CAPACITY, self.length, complete=False)
        with self._until(seconds):
            self._tighten(incumbent)
            left = self._reach(self.length, incumbent, kept)
        lost, raised, count = incumbent.state[[inc.LOST, inc.RAISED, inc.KEPT]].tolist()
        formulas = distinct(kept_formulas(kept, count, self.counts.in_range))
        nodes = int(self.effort[NODES])
        bound = max(0.0, min(1.0, (left + self.slack) / self.counts.in_range))
        return Reached(tuple(formulas), lost, raised, nodes, bound)

    @contextmanager
    def _until(self, seconds: float | None) -> Iterator[None]:
        """End what runs inside after some time."""

        def stop() -> None:
            self.is_over = True
            self.effort[NODE_LIMIT] = 0

        timer = Timer(seconds or 0, stop)
        if seconds == 0:
            stop()
        elif seconds is not None:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _tighten(self, incumbent: inc.Incumbent) -> None:
        """Bound ``g`` of chains of four concepts and more, but fewer than are searched for.

        Only chains in the upper half between the shorter ones and the threshold are looked for: if
        there is none, that is the bound. This takes half of the nodes at most.
        """
        bar = float(incumbent.threshold[inc.WEIGHT])
        kept = room_for(0, self.length, complete=False)
        for length in range(PROVEN_LENGTH + 1, self.length):
            middle = (self.limits[length - 1] + bar) / 2
            if self.limits[length] > middle > self.limits[length - 1]:
                rising = self.incumbent(self.tau, middle)
                rising.state[inc.RISING] = inc.WITH_WEIGHT
                left = self._reach(length, rising, kept)
                most = max(float(rising.threshold[inc.WEIGHT]), left) + self.slack
                self.limits[length] = min(self.limits[length], most)
        self.effort = np.array([self.effort[NODES], self.node_limit])
        if self.is_over:
            self.effort[NODE_LIMIT] = 0

    def _reach(self, length: int, incumbent: inc.Incumbent, kept: Kept) -> float:
        """Keep all chains that reach the threshold; return what bounds those that were left out."""
        bar = float(incumbent.threshold[inc.WEIGHT])
        limits = self.limits
        effect = bar - limits[length - 1]
        small = (bar - limits[length - 2]) / 2 - self.slack
        near = None
        if small > max(effect, self.slack) and 1 < length - 1 <= INSERTED_LENGTH:
            close = bar - small - self.slack
            self._merge((length, bar, small), (length - 1, close, small))
            near = self._near(length - 1, close)
        if near is None:
            self._merge((length, bar, effect))
        else:
            effect = small
            self._insert(length, near, incumbent, kept)
        return self._walk_apart(length, effect, incumbent, kept)

    def _walk_apart(
        self, length: int, effect: float, incumbent: inc.Incumbent, kept: Kept
    ) -> float:
        """Keep the strong chains, and all that end in the main concept where that pays."""
        main = self._main(length, float(incumbent.threshold[inc.WEIGHT]))
        if main is None:
            return self._walk(length, effect, incumbent, kept)
        apart = []
        for operator in (Operator.OR, Operator.AND):
            if self.allowed[operator]:
                left = self._ending_in(operator, main, length, incumbent, kept)
                if left is None:
                    return self._walk(length, effect, incumbent, kept)
                apart.append(left)
        return max(*apart, self._walk(length, effect, incumbent, kept, main))

    def _main(self, length: int, bar: float) -> int | None:
        """Return the concept that explains most, where it pays to search apart what ends in it."""
        weight, gain = self.whole.weight.diagonal(), self.whole.gain
        members = self.counts.space.concepts
        main = int(members[np.argmax(weight[members])])
        if length <= 2 or not self.allowed[Operator.OR] or 2 * weight[main] < bar:
            return None
        outside = gain.diagonal()[members] - gain[members, main]
        many = (2 * outside >= bar - weight[main]).sum() >= MANY_CONCEPTS
        return main if many or length > PROVEN_LENGTH + 1 else None

    def _ending_in(
        self, operator: Operator, main: int, length: int, incumbent: inc.Incumbent, kept: Kept
    ) -> float | None:
        """Keep the chains that end in ``OR main`` or ``AND main``, up to steps that commute.

        What is before is a chain on the pixels that the main concept leaves, or on its own.
        Return what bounds those that were left out; ``None`` if there are too many.
        """
        sets, joins = self.whole.sets, operator == Operator.OR
        own = float(self.whole.weight[main, main]) if joins else 0.0
        rest = copy(self)
        part = main, joins
        if part not in self.apart:
            self.apart[part] = part_of(self.whole, main, carrying=not joins)
        rest.whole, rest.apart = self.apart[part], {}
        rest.parts = np.zeros(len(rest.whole.weights), dtype=np.uint8)
        rest.limits = np.array([0.0, *(self.limits[2:] - own)]) + self.slack
        found = self.incumbent(0.0, float(incumbent.threshold[inc.WEIGHT]) - own - self.slack)
        rows = room_for(NEAR_CAPACITY, length - 1, complete=True)
        left = rest._reach(length - 1, found, rows)
        if found.state[inc.LOST]:
            return None
        carrying = sets.postings[sets.posting_indptr[main] : sets.posting_indptr[main + 1]]
        more, signature = np.zeros(2, dtype=np.int64), np.uint64(0)
        if joins:
            more[:] = sets.hits[carrying].sum(), sets.totals[carrying].sum()
            signature = np.bitwise_xor.reduce(sets.signatures[carrying])
        for row in range(found.state[inc.KEPT]):
            chain = np.append(rows.chains[row], 4 * main + operator)
            hits, total = rows.counts[row] + more
            keep_chain(
                incumbent, kept, chain, length, hits, total, rows.signatures[row] ^ signature
            )
        return left + own

    def _merge(self, *walks: tuple[int, float, float]) -> None:
        """Leave only concepts that these walks may need: length, threshold and effect of each."""
        able = np.any(
            [able_concepts(self.whole, *walk, self.limits, self.allowed) for walk in walks], axis=0
        )
        self.merged = among(self.whole, able & self.counts.space.mask, self.tau)

    def _near(self, length: int, bar: float) -> NDArray[np.int64] | None:
        """List all chains of ``length`` concepts whose ``g`` reaches ``bar``; ``None`` if many."""
        incumbent = self.incumbent(0.0, bar)
        kept = room_for(NEAR_CAPACITY, length, complete=True)
        left = self._walk_apart(length, bar - self.limits[length - 1], incumbent, kept)
        # The walk goes on after a chain that does not fit until its next node, if there is one.
        if left > -np.inf or incumbent.state[inc.LOST]:
            return None
        return np.unique(kept.chains[: incumbent.state[inc.KEPT]], axis=0)

    def _insert(
        self, length: int, near: NDArray[np.int64], incumbent: inc.Incumbent, kept: Kept
    ) -> None:
        """Put another concept into chains that come close."""
        whole, concepts = self.whole, np.sort(near >> 2, axis=1)
        inside = incumbent.threshold[inc.WEIGHT] - self.limits[length - 2]
        for _, rows in groupby(np.lexsort(concepts.T), key=lambda row: tuple(concepts[row])):
            insert_everywhere(
                np.array([order for row in rows for order in orders_of(near[row])]),
                self.counts.space.concepts,
                self.allowed,
                whole.sets,
                whole.weights,
                whole.weight,
                whole.gain,
                inside,
                self.parts,
                incumbent,
                kept,
            )

    def _walk(
        self,
        length: int,
        effect: float,
        incumbent: inc.Incumbent,
        kept: Kept,
        covered: int | None = None,
    ) -> float:
        """Keep the strong chains, but not those that end in ``OR covered`` or ``AND covered``.

        Return what bounds ``g`` of those that were left out.
        """
        bar = float(incumbent.threshold[inc.WEIGHT])
        problem = self.merged
        while True:
            grain = float(np.abs(problem.weights).min(initial=np.inf)) - self.slack
            if bar - self.limits[length - 1] > -grain:
                effect = max(effect, grain)
            able = able_concepts(problem, length, bar, effect, self.limits, self.allowed)
            if not able.any():
                return -np.inf
            many = len(problem.weights) > MANY_SETS
            if able.sum() > (WORTH_MERGING_MANY if many else WORTH_MERGING) * len(able):
                break
            problem = among(problem, able, self.tau)
        there = [] if covered is None else np.flatnonzero(problem.concepts == covered).tolist()
        main = there[0] if there else 0
        return walk_chains(
            length,
            self.allowed,
            problem.sets,
            problem.weights,
            problem.weight,
            problem.gain,
            self.limits[:length],
            effect,
            grain,
            problem.concepts,
            main,
            bool(there),
            incumbent,
            kept,
            self.effort,
        )
