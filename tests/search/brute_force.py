"""Every left chain there is, scored with fractions: what the optimum is checked against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import LabelSets, PixelCounts
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.soft_hits import QUANTA, SoftHits
from ccx_cli.search.chains import Chain
from ccx_cli.search.counts import DataCounts


@dataclass(frozen=True)
class SmallRange:
    """A handful of label sets, their pixels, and how many of these are in range."""

    sets: tuple[frozenset[int], ...]
    totals: tuple[int, ...]
    hits: tuple[int | Fraction, ...]

    @cached_property
    def n_concepts(self) -> int:
        """Concepts, numbered from 0 without a gap."""
        return len(frozenset().union(*self.sets))

    @cached_property
    def counts(self) -> DataCounts:
        """The dataset's counts."""
        lengths = [len(labels) for labels in self.sets]
        table = LabelSets(
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array([c for labels in self.sets for c in sorted(labels)], dtype=np.uint16),
            np.array(self.totals, dtype=np.int64),
        )
        n = self.n_concepts
        nothing = np.zeros(0, dtype=np.int32)
        return DataCounts(
            ConceptIndex(
                np.arange(1, n + 1, dtype=np.uint16),
                table,
                nothing,
                nothing,
                np.zeros(1, dtype=np.int64),
                np.zeros((0, 0), dtype=np.uint8),
                (0, 0),
                (),
            )
        )

    @cached_property
    def in_range(self) -> PixelCounts | SoftHits:
        """Hits by label set."""
        return np.array(self.hits, dtype=self.counts.sets.hits_type)

    def carries(self, concept: int) -> tuple[bool, ...]:
        """Which label sets carry a concept."""
        return tuple(concept in labels for labels in self.sets)

    def iou(self, holds: Sequence[bool]) -> Fraction:
        """Exact IoU of a formula, given as the label sets it holds on."""
        both = sum(h for h, inside in zip(self.hits, holds, strict=True) if inside)
        total = sum(t for t, inside in zip(self.totals, holds, strict=True) if inside)
        union = sum(self.hits) + total - both
        return Fraction(both, union) if union else Fraction(0)


def holds(chain: Chain, small: SmallRange) -> tuple[bool, ...]:
    """Label sets on which a chain holds."""
    value = small.carries(chain.concepts[0])
    for operator, concept in zip(chain.operators, chain.concepts[1:], strict=True):
        value = joined(value, operator, small.carries(concept))
    return value


def joined(left: tuple[bool, ...], operator: Operator, right: tuple[bool, ...]) -> tuple[bool, ...]:
    """One operator, label set by label set."""
    pairs = zip(left, right, strict=True)
    match operator:
        case Operator.OR:
            return tuple(a or b for a, b in pairs)
        case Operator.AND:
            return tuple(a and b for a, b in pairs)
        case Operator.AND_NOT:
            return tuple(a and not b for a, b in pairs)


def all_chains(
    concepts: Sequence[int], length: int, operators: Sequence[Operator] = tuple(Operator)
) -> Iterator[Chain]:
    """Every left chain of exactly ``length`` distinct concepts."""
    if length == 1:
        yield from (Chain((concept,)) for concept in concepts)
        return
    for shorter in all_chains(concepts, length - 1, operators):
        for concept in concepts:
            if concept not in shorter.concepts:
                for operator in operators:
                    yield shorter.extended(operator, concept)


def best_by_length(
    small: SmallRange,
    length: int,
    concepts: Sequence[int] | None = None,
    operators: Sequence[Operator] = tuple(Operator),
) -> list[tuple[Fraction, int]]:
    """Largest IoU of at most 1, 2, ... concepts, and how many distinct formulas reach it."""
    allowed = range(small.n_concepts) if concepts is None else concepts
    reached: dict[tuple[bool, ...], Fraction] = {}
    found = []
    # Chains of the same concepts that hold on the same label sets have the same extensions.
    chains = {(frozenset({c}), small.carries(c)) for c in allowed}
    for _ in range(length):
        reached |= {value: small.iou(value) for _, value in chains}
        best = max(reached.values(), default=Fraction(0))
        found.append((best, sum(iou == best for iou in reached.values())))
        chains = {
            (used | {c}, joined(value, operator, small.carries(c)))
            for used, value in chains
            for c in allowed
            if c not in used
            for operator in operators
        }
    return found


@dataclass(frozen=True)
class SmallUnit(SmallRange):
    """The same with soft hits: for each label set the activations of its pixels, in quanta."""

    activations: tuple[tuple[int, ...], ...]

    @cached_property
    def squares(self) -> Fraction:
        """Sum of their squares."""
        return Fraction(sum(a * a for own in self.activations for a in own), QUANTA**2)

    @cached_property
    def in_range(self) -> SoftHits:
        """Their sums by label set."""
        return SoftHits(np.array(list(map(sum, self.activations))) / QUANTA, self.squares)


@st.composite
def small_units(draw: st.DrawFn, most_concepts: int, least: int = 0) -> SmallUnit:
    """Random label sets over a few concepts, with random activations from ``least`` quanta up."""
    small = draw(small_ranges(most_concepts, large=False))
    activation = st.integers(least, QUANTA) | st.sampled_from([0, QUANTA])
    activations = draw(st.tuples(*(st.tuples(*[activation] * total) for total in small.totals)))
    hits = tuple(Fraction(sum(own), QUANTA) for own in activations)
    return SmallUnit(small.sets, small.totals, hits, activations)


@st.composite
def small_ranges(
    draw: st.DrawFn, most_concepts: int = 8, *, large: bool | None = None
) -> SmallRange:
    """Random label sets over up to ``most_concepts`` concepts, with random counts.

    Large ones are past 32 bits, or only their sums are, and products of two past 64; small numbers
    that are often equal are scaled, and some then changed by one, so that many scores all but tie.
    """
    n = draw(st.integers(2, most_concepts))
    drawn = draw(st.sets(st.frozensets(st.integers(0, n - 1), max_size=4), min_size=1, max_size=14))
    present = sorted(frozenset().union(*drawn))
    renamed = {concept: position for position, concept in enumerate(present)}
    sets = tuple(sorted((frozenset(renamed[c] for c in labels) for labels in drawn), key=sorted))
    totals = draw(st.tuples(*(st.integers(1, 12) for _ in sets)))
    hits = draw(st.tuples(*(st.integers(0, total) for total in totals)))
    if draw(st.booleans()) if large is None else large:
        one, bits = st.integers(-1, 1), draw(st.sampled_from([27, 30]))
        totals = tuple((total << bits) + draw(one) for total in totals)
        pairs = zip(totals, hits, strict=True)
        hits = tuple(min(max((hit << bits) + draw(one), 0), total) for total, hit in pairs)
    return SmallRange(sets, totals, hits)
