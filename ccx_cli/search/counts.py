"""Counts over label sets: what a dataset knows once, and what a unit adds.

``|f & c|`` and ``|f & c & N|`` for every concept ``c`` at once are one pass over the label sets in
``f``. Pairs come from one pass over all label sets; longer formulas only need the sets in which
their last concept meets the rest, since ``|(f OR d) & c| = |f & c| + |d & c| - |f & d & c|`` and
likewise for the other operators.

Formulas that hold on the same label sets are the same on this data. Each label set has a random
64-bit signature; a formula's is the exclusive or of its sets', and follows the same algebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import LabelSets, PixelCounts, Postings
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.soft_hits import SoftHits
from ccx_cli.search.space import SearchSpace

OR, AND, AND_NOT = (int(operator) for operator in Operator)


class SetsByConcept(NamedTuple):
    """Label sets, by set and by concept."""

    sets: LabelSets
    postings: Postings


class DataCounts:
    """What every unit of every network shares about a dataset, counted when first asked for."""

    def __init__(self, labels: SetsByConcept | ConceptIndex) -> None:
        """Count over ``labels``, which may make their postings when asked for."""
        self._labels = labels
        # A cached property's would be of all: threads that count resamples would take turns.
        self._lock = Lock()
        self._pairs: tuple[NDArray[np.int64], NDArray[np.uint64]] | None = None

    @property
    def sets(self) -> LabelSets:
        """The label sets by set."""
        return self._labels.sets

    @property
    def postings(self) -> Postings:
        """The label sets by concept."""
        return self._labels.postings

    @property
    def n_concepts(self) -> int:
        """Concepts that some pixel carries."""
        return len(self.postings.indptr) - 1

    @property
    def totals(self) -> NDArray[np.int64]:
        """``(n_concepts, n_concepts)`` int64, pixels that carry both concepts."""
        return self._counted()[0]

    @property
    def signatures(self) -> NDArray[np.uint64]:
        """``(n_concepts, n_concepts)`` uint64, of the label sets that carry both."""
        return self._counted()[1]

    def _counted(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        pairs = self._pairs
        if pairs is None:
            with self._lock:
                pairs = self._pairs or self._count()
                self._pairs = pairs
        return pairs

    def _count(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        sets = self.sets
        return _pair_totals(sets.indptr, sets.labels, sets.totals, self.n_concepts)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one or many sets of pixels; all arrays have one shape, or are scalars.

    Most often the *rows* of a formula ``f``: ``f & c`` for every concept ``c``, ``(n_concepts,)``.

    Attributes
    ----------
    hits
        int64, pixels in range; float64, exact sums of soft hits.
    totals
        int64, all pixels.
    signatures
        uint64, of the label sets.
    """

    hits: NDArray[np.int64] | NDArray[np.float64]
    totals: NDArray[np.int64]
    signatures: NDArray[np.uint64]

    def joined(self, operator: Operator, right: Counts, both: Counts) -> Counts:
        """Counts of ``left operator right``, given those of either side and of both at once."""
        return Counts(
            joined_sums(operator, self.hits, right.hits, both.hits),
            joined_sums(operator, self.totals, right.totals, both.totals),
            joined_signatures(operator, self.signatures, right.signatures, both.signatures),
        )

    def iou(self, in_range: float) -> NDArray[np.float64]:
        """IoU with a range of ``in_range`` pixels."""
        return self.hits / (in_range + self.totals - self.hits)


def joined_sums(operator: Operator, left: Any, right: Any, both: Any) -> Any:
    """Sum over ``left operator right``, given the sums over either side and over both at once."""
    match operator:
        case Operator.OR:
            return left + right - both
        case Operator.AND:
            return both
        case Operator.AND_NOT:
            return left - both


def joined_signatures(operator: Operator, left: Any, right: Any, both: Any) -> Any:
    """Signature of ``left operator right``, given those of either side and of both at once."""
    match operator:
        case Operator.OR:
            return left ^ right ^ both
        case Operator.AND:
            return both
        case Operator.AND_NOT:
            return left ^ both


class RangeCounts:
    """One range on a dataset, or the soft hits of a unit: what a search works on.

    Attributes
    ----------
    data
        The dataset's counts.
    hits
        ``(n_sets,)``, pixels in range by label set; float64, sums of soft hits.
    space
        Concepts and operators to use.
    in_range
        ``|N|``, pixels; of soft hits the sum of the positive sums, the most that any formula has.
    squares
        Sum of the squares of the hits over all pixels, exact.
    pairs
        ``(n_concepts, n_concepts)``, int64 or float64, hits that carry both of two concepts.
    singles
        Counts of every concept alone, ``(n_concepts,)``.
    """

    # Counted at once: a cached property would make threads wait for each other.
    def __init__(
        self, data: DataCounts, hits: PixelCounts | SoftHits, space: SearchSpace | None = None
    ) -> None:
        self.data = data
        self.space = space or SearchSpace.whole(data.n_concepts)
        self.hits: NDArray[Any]
        self.in_range: Any
        self.squares: int | Fraction
        self.pairs: NDArray[Any]
        if isinstance(hits, SoftHits):
            self.hits, self.squares = hits
            self.in_range = float(self.hits[self.hits > 0].sum())
            self.pairs = np.zeros(data.totals.shape)
        else:
            self.hits = hits
            self.in_range = self.squares = int(hits.sum(dtype=np.int64))
            self.pairs = np.zeros(data.totals.shape, dtype=np.int64)
        add_pairs(data.sets.indptr, data.sets.labels, self.hits, self.pairs)
        self.singles = Counts(
            self.pairs.diagonal(), data.totals.diagonal(), data.signatures.diagonal()
        )

    def rows(self, concept: int) -> Counts:
        """Rows of one concept, by its position in the index."""
        return Counts(self.pairs[concept], self.data.totals[concept], self.data.signatures[concept])

    def rows_with(self, holds: NDArray[np.bool_], concept: int) -> Counts:
        """Rows of ``f & concept``, where ``holds``, ``(n_sets,)`` bool, are the label sets in f."""
        sets = self.data.sets
        return Counts(
            *_intersection_rows(
                np.zeros(self.data.n_concepts, dtype=self.pairs.dtype),
                holds,
                self.data.postings.of(concept),
                sets.indptr,
                sets.labels,
                sets.totals,
                self.hits,
            )
        )


@kernel
def set_signature(row: int) -> np.uint64:
    """SplitMix64 of the set's number: fixed, so that runs agree."""
    mixed = np.uint64(row + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(mixed ^ (mixed >> np.uint64(31)))


@kernel
def _pair_totals(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    totals: NDArray[np.int64],
    n_concepts: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    pairs = np.zeros((n_concepts, n_concepts), dtype=np.int64)
    signatures = np.zeros((n_concepts, n_concepts), dtype=np.uint64)
    for row in range(len(indptr) - 1):
        signature = set_signature(row)
        for entry in range(indptr[row], indptr[row + 1]):
            for other in range(entry, indptr[row + 1]):
                pairs[labels[entry], labels[other]] += totals[row]
                signatures[labels[entry], labels[other]] ^= signature
    for a in range(n_concepts):
        for b in range(a):
            pairs[a, b] = pairs[b, a]
            signatures[a, b] = signatures[b, a]
    return pairs, signatures


@kernel
def add_pairs(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    hits: PixelCounts | NDArray[np.float64],
    pairs: NDArray[np.int64] | NDArray[np.float64],
) -> None:
    """Add the hits that carry both of two concepts to ``pairs``, which are 0."""
    for row in range(len(hits)):
        if hits[row] == 0:
            continue
        for entry in range(indptr[row], indptr[row + 1]):
            for other in range(entry, indptr[row + 1]):
                pairs[labels[entry], labels[other]] += hits[row]
    for a in range(len(pairs)):
        for b in range(a):
            pairs[a, b] = pairs[b, a]


@kernel
def _intersection_rows(
    row_hits: NDArray[np.int64] | NDArray[np.float64],
    holds: NDArray[np.bool_],
    carrying: NDArray[np.int32],
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    totals: NDArray[np.int64],
    hits: PixelCounts | NDArray[np.float64],
) -> tuple[NDArray[np.int64] | NDArray[np.float64], NDArray[np.int64], NDArray[np.uint64]]:
    row_totals = np.zeros(len(row_hits), dtype=np.int64)
    row_signatures = np.zeros(len(row_hits), dtype=np.uint64)
    for row in carrying:
        if not holds[row]:
            continue
        signature = set_signature(row)
        for entry in range(indptr[row], indptr[row + 1]):
            row_hits[labels[entry]] += hits[row]
            row_totals[labels[entry]] += totals[row]
            row_signatures[labels[entry]] ^= signature
    return row_hits, row_totals, row_signatures


def set_signatures(data: DataCounts, a: int, b: int, c: int) -> int:
    """Signature of the label sets that carry three concepts."""
    rarest, *others = sorted((a, b, c), key=lambda concept: len(data.postings.of(concept)))
    sets = data.sets
    return int(
        _signature_of(data.postings.of(rarest), others[0], others[1], sets.indptr, sets.labels)
    )


@kernel
def _signature_of(
    carrying: NDArray[np.int32],
    second: int,
    third: int,
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
) -> np.uint64:
    signature = np.uint64(0)
    for row in carrying:
        found = 0
        for entry in range(indptr[row], indptr[row + 1]):
            if labels[entry] == second or labels[entry] == third:
                found += 1
        if found == 2:
            signature ^= set_signature(row)
    return signature


@kernel
def sum_where(
    values: NDArray[np.float64],
    carrying: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    operators: NDArray[np.uint8],
) -> float:
    """Sum values over the label sets on which a chain holds; only those of its concepts are read.

    Sets that carry its concept ``i`` are ``carrying[starts[i] : stops[i]]``; ``operators[i]`` joins
    it to what stands before it, the first by OR.
    """
    # The chain holds on a set that is marked with the number of ANDs so far, and one.
    marks, holding = np.zeros(len(values), dtype=np.uint8), 1
    total = 0.0
    for concept in range(len(operators)):
        operator = operators[concept]
        own = carrying[starts[concept] : stops[concept]]
        if operator == OR:
            for place in range(np.uint64(len(own))):
                row = np.uint64(own[place])
                if marks[row] != holding:
                    marks[row] = holding
                    total += values[row]
        elif operator == AND_NOT:
            for place in range(np.uint64(len(own))):
                row = np.uint64(own[place])
                if marks[row] == holding:
                    marks[row] = 0
                    total -= values[row]
        else:
            total = 0.0
            for place in range(np.uint64(len(own))):
                row = np.uint64(own[place])
                if marks[row] == holding:
                    marks[row] = holding + 1
                    total += values[row]
            holding += 1
    return total
