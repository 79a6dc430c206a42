"""Label sets merged where formulas of few concepts cannot tell them apart.

A search that has ruled out all but some concepts needs only the part of every label set that lies
among those; sets with the same part become one. That is fewer sets to pass over, and it sharpens
every bound, since hits and misses that no formula left can separate cancel each other before
positive and negative parts are summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.search.branch_and_bound_kernel import weigh_pairs
from ccx_cli.search.counts import RangeCounts, set_signature


class MergedSets(NamedTuple):
    """Label sets by set and by concept, with what is summed over them.

    Attributes
    ----------
    indptr, labels
        The concepts of each set, by position among those that are left.
    posting_indptr, postings
        The sets of each concept.
    hits, totals
        int64, pixels of each set in range and in all.
    signatures
        uint64, of the label sets of the dataset that each set stands for.
    """

    indptr: NDArray[np.int64]
    labels: NDArray[np.uint16]
    posting_indptr: NDArray[np.int64]
    postings: NDArray[np.int32]
    hits: NDArray[np.int64]
    totals: NDArray[np.int64]
    signatures: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is left of a range: concepts, label sets, and a weight for each set.

    Attributes
    ----------
    concepts
        Positions in the concept index, in the order of ``sets.labels``.
    sets
        The label sets, merged.
    weights
        float64, what a set adds to the linear score ``g`` of a formula that holds on it.
    weight, gain
        ``(n, n)`` float64, ``g`` of each pair of concepts and its positive part.
    """

    concepts: NDArray[np.int64]
    sets: MergedSets
    weights: NDArray[np.float64]
    weight: NDArray[np.float64]
    gain: NDArray[np.float64]


def whole_problem(counts: RangeCounts, tau: float) -> Problem:
    """Weigh all label sets by ``hits - tau * misses``; none is merged."""
    data = counts.data
    n_sets = len(data.sets)
    sets = MergedSets(
        data.sets.indptr,
        data.sets.labels,
        data.postings.indptr,
        data.postings.sets,
        counts.hits.astype(np.int64),
        data.sets.totals,
        _signatures(n_sets),
    )
    weight, gain = weigh_pairs(
        sets.indptr, sets.labels, counts.hits, sets.totals, counts.pairs, data.totals, tau
    )
    weights = sets.hits - tau * (sets.totals - sets.hits)
    return Problem(np.arange(data.n_concepts), sets, weights, weight, gain)


def able_concepts(
    problem: Problem,
    length: int,
    bar: float,
    effect: float,
    limits: NDArray[np.float64],
    allowed: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Tell which concepts may be part of a chain whose steps all have an effect, ``(n,)``.

    A concept joined by AND is in a prefix of two concepts or more, and so is the first one if
    AND or AND NOT follows. What AND NOT takes away is in a concept before it. ``limits`` and
    ``allowed`` are those of ``chain_bounds.Tables``.
    """
    gain = problem.gain.diagonal()
    inside = bar - limits[length - 2]
    able: NDArray[np.bool_] = (gain >= min(effect, inside)) & (gain >= bar - limits[length - 1])
    able &= allowed[Operator.OR] & (gain >= effect) | (gain >= inside)
    if allowed[Operator.AND_NOT] and able.any():
        lost = np.maximum(problem.gain - problem.weight, 0)
        np.fill_diagonal(lost, 0)
        lost = lost[able]
        before = min(length - 1, len(lost))
        able = able | (np.partition(lost, -before, axis=0)[-before:].sum(axis=0) >= effect)
    return able


def among(problem: Problem, kept: NDArray[np.bool_], tau: float) -> Problem:
    """Leave only some of a problem's concepts, by descending positive part.

    Parameters
    ----------
    problem
        The problem.
    kept
        Which of its concepts.
    tau
        Threshold, as when it was weighed.
    """
    order = np.argsort(-problem.gain.diagonal(), kind="stable")
    order = order[kept[order]]
    position = np.full(len(kept), -1, dtype=np.int32)
    position[order] = np.arange(len(order))
    indptr, labels, hits, totals, signatures = _merged(
        problem.sets.indptr,
        problem.sets.labels,
        problem.sets.hits,
        problem.sets.totals,
        problem.sets.signatures,
        position,
    )
    posting_indptr, postings = _postings(indptr, labels, len(order))
    sets = MergedSets(indptr, labels, posting_indptr, postings, hits, totals, signatures)
    weights = hits - tau * (totals - hits)
    weight, gain = _pair_weights(indptr, labels, weights, len(order))
    return Problem(problem.concepts[order], sets, weights, weight, gain)


def part_of(problem: Problem, concept: int, *, carrying: bool) -> Problem:
    """Leave the label sets that carry a concept, without it, or those that do not."""
    sets = problem.sets
    kept = np.full(len(problem.weights), not carrying)
    kept[sets.postings[sets.posting_indptr[concept] : sets.posting_indptr[concept + 1]]] = carrying
    sizes = np.diff(sets.indptr)
    labels = sets.labels[np.repeat(kept, sizes)]
    labels = labels[labels != concept]
    indptr = np.concatenate([[0], np.cumsum(sizes[kept] - carrying)])
    n, weights = len(problem.concepts), problem.weights[kept]
    hits, totals, signatures = sets.hits[kept], sets.totals[kept], sets.signatures[kept]
    left = MergedSets(indptr, labels, *_postings(indptr, labels, n), hits, totals, signatures)
    return Problem(problem.concepts, left, weights, *_pair_weights(indptr, labels, weights, n))


@kernel
def _pair_weights(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    weights: NDArray[np.float64],
    n_concepts: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weight = np.zeros((n_concepts, n_concepts))
    gain = np.zeros((n_concepts, n_concepts))
    for row in range(len(weights)):
        own = weights[row]
        for entry in range(indptr[row], indptr[row + 1]):
            for other in range(entry, indptr[row + 1]):
                a, b = labels[entry], labels[other]
                weight[a, b] += own
                if own > 0:
                    gain[a, b] += own
    for a in range(n_concepts):
        for b in range(a):
            # Labels of merged sets are in no order, so that a pair may stand on either side.
            weight[a, b] = weight[b, a] = weight[a, b] + weight[b, a]
            gain[a, b] = gain[b, a] = gain[a, b] + gain[b, a]
    return weight, gain


@kernel
def _signatures(n_sets: int) -> NDArray[np.uint64]:
    signatures = np.empty(n_sets, dtype=np.uint64)
    for row in range(n_sets):
        signatures[row] = set_signature(row)
    return signatures


@kernel
def _merged(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    hits: NDArray[np.int64],
    totals: NDArray[np.int64],
    signatures: NDArray[np.uint64],
    position: NDArray[np.int32],
) -> tuple[
    NDArray[np.int64],
    NDArray[np.uint16],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.uint64],
]:
    entries = 0
    for label in labels:
        if position[label] >= 0:
            entries += 1
    out_labels = np.empty(entries, dtype=np.uint16)
    n = len(hits)
    size = 1
    while size < 2 * n:
        size *= 2
    table = np.full(size, -1, dtype=np.int32)
    keys = np.empty(n, dtype=np.uint64)
    starts = np.empty(n + 1, dtype=np.int64)
    out_hits = np.empty(n, dtype=np.int64)
    out_totals = np.empty(n, dtype=np.int64)
    out_signatures = np.empty(n, dtype=np.uint64)
    starts[0] = 0
    found = 0
    for row in range(n):
        end = starts[found]
        key = np.uint64(0)
        for entry in range(indptr[row], indptr[row + 1]):
            label = position[labels[entry]]
            if label >= 0:
                out_labels[end] = label
                end += 1
                key ^= set_signature(label)
        if end == starts[found]:
            continue
        slot = np.int64(key & np.uint64(size - 1))
        while table[slot] >= 0:
            other = table[slot]
            if keys[other] == key and _same(out_labels, starts, other, starts[found], end):
                break
            slot = (slot + 1) & (size - 1)
        other = table[slot]
        if other >= 0:
            out_hits[other] += hits[row]
            out_totals[other] += totals[row]
            out_signatures[other] ^= signatures[row]
            continue
        table[slot] = found
        keys[found], starts[found + 1] = key, end
        out_hits[found], out_totals[found] = hits[row], totals[row]
        out_signatures[found] = signatures[row]
        found += 1
    return (
        starts[: found + 1].copy(),
        out_labels[: starts[found]].copy(),
        out_hits[:found].copy(),
        out_totals[:found].copy(),
        out_signatures[:found].copy(),
    )


@kernel
def _same(
    labels: NDArray[np.uint16], starts: NDArray[np.int64], other: int, start: int, end: int
) -> bool:
    """Tell whether a finished set has the labels from ``start`` to ``end``, in the same order."""
    if starts[other + 1] - starts[other] != end - start:
        return False
    for offset in range(end - start):
        if labels[starts[other] + offset] != labels[start + offset]:
            return False
    return True


@kernel
def _postings(
    indptr: NDArray[np.int64], labels: NDArray[np.uint16], n_concepts: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    starts = np.zeros(n_concepts + 1, dtype=np.int64)
    for label in labels:
        starts[label + 1] += 1
    for concept in range(n_concepts):
        starts[concept + 1] += starts[concept]
    filled = starts[:-1].copy()
    postings = np.empty(len(labels), dtype=np.int32)
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            postings[filled[labels[entry]]] = row
            filled[labels[entry]] += 1
    return starts, postings
