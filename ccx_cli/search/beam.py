"""Beam search for the formula of largest IoU, exact at every step.

The search of Compositional Explanations (Mu and Andreas, NeurIPS 2020, section 2) and of Clustered
Compositional Explanations (La Rosa et al., NeurIPS 2023): where the published programs visit
candidates one mask at a time, here all extensions of a formula come from one pass over its label
sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain, Scored, distinct, extended_rows
from ccx_cli.search.counts import DataCounts, Rows, pair_hits
from ccx_cli.search.space import SearchSpace, check_length


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """How wide and how deep to search.

    Attributes
    ----------
    length
        Most concepts in a formula.
    beam_limit
        Formulas that go on after each step; twice as many single concepts start.
    """

    length: int = 3
    beam_limit: int = 5

    def __post_init__(self) -> None:
        check_length(self.length)
        if self.beam_limit < 1:
            raise UsageError(f"--beam-limit {self.beam_limit} has to be 1 or more.")


@dataclass(frozen=True, slots=True)
class Found:
    """The best formula of a search.

    Attributes
    ----------
    best
        The formula, or ``None`` if no concept meets the range.
    visited
        Formulas whose exact IoU was computed.
    levels
        The best after each step, so of at most 1, 2, ... concepts.
    """

    best: Scored | None
    visited: int
    levels: tuple[Scored, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Extensions of one formula by one operator, by concept; each array ``(n_concepts,)``."""

    parent: Chain | None
    operator: Operator
    hits: NDArray[np.int64]
    totals: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    iou: NDArray[np.float64]

    def member(self, concept: int) -> Scored:
        parent = self.parent
        return Scored(
            Chain((concept,)) if parent is None else parent.extended(self.operator, concept),
            int(self.hits[concept]),
            int(self.totals[concept]),
            float(self.iou[concept]),
            int(self.signatures[concept]),
        )


def beam_search(
    data: DataCounts,
    hits: NDArray[np.int32],
    settings: BeamSettings,
    space: SearchSpace | None = None,
    pairs: NDArray[np.int64] | None = None,
) -> Found:
    """Find a formula of large IoU.

    Formulas that hold on the same label sets count once. Ties break to the shorter formula, then
    to lower label numbers, then in the order of ``Operator``.

    Parameters
    ----------
    data
        The data set's counts.
    hits
        ``(n_sets,)`` int32, pixels in range by label set.
    settings
        Length and width.
    space
        Concepts and operators to use; all by default.
    pairs
        ``pair_hits`` of the same hits, where they are known already.

    Returns
    -------
    Found
    """
    in_range = int(hits.sum(dtype=np.int64))
    if in_range == 0 or data.n_concepts == 0:
        return Found(None, 0)
    space = space or SearchSpace.whole(data.n_concepts)
    if pairs is None:
        pairs = pair_hits(data, hits)
    singles = _candidates(
        None,
        Operator.OR,
        pairs.diagonal(),
        data.totals.diagonal(),
        data.signatures.diagonal(),
        in_range,
        space,
    )
    visited = len(space.concepts)
    last = settings.length == 1
    beam = _best([], [singles], 1 if last else 2 * settings.beam_limit)
    levels = beam[:1]
    rows = {member.chain: _single_rows(data, pairs, member.chain.concepts[0]) for member in beam}
    for length in range(2, settings.length + 1):
        last = length == settings.length
        candidates = []
        for member in beam:
            if len(member.chain) == length - 1:
                candidates += _extensions(member, rows[member.chain], singles, in_range, space)
        visited += sum(int((extension.iou >= 0).sum()) for extension in candidates)
        beam = _best(beam, candidates, 1 if last else settings.beam_limit)
        levels += beam[:1]
        if not last:
            rows = _rows_of(beam, rows, data, pairs, hits)
    return Found(beam[0] if beam else None, visited, tuple(levels))


def _single_rows(data: DataCounts, pairs: NDArray[np.int64], concept: int) -> Rows:
    return Rows(pairs[concept], data.totals[concept], data.signatures[concept])


def _rows_of(
    beam: list[Scored],
    known: dict[Chain, Rows],
    data: DataCounts,
    pairs: NDArray[np.int64],
    hits: NDArray[np.int32],
) -> dict[Chain, Rows]:
    """Rows of the beam's formulas, whose parents' rows are known."""
    rows = {}
    for member in beam:
        chain = member.chain
        if chain in known:
            rows[chain] = known[chain]
            continue
        parent = Chain(chain.concepts[:-1], chain.operators[:-1])
        concept = chain.concepts[-1]
        rows[chain] = extended_rows(
            parent,
            known[parent],
            chain.operators[-1],
            concept,
            _single_rows(data, pairs, concept),
            data,
            hits,
        )
    return rows


def _candidates(
    parent: Chain | None,
    operator: Operator,
    hits: NDArray[np.int64],
    totals: NDArray[np.int64],
    signatures: NDArray[np.uint64],
    in_range: int,
    space: SearchSpace,
) -> _Candidates:
    iou = hits / (in_range + totals - hits)
    iou[~space.mask] = -1.0
    if parent is not None:
        iou[list(parent.concepts)] = -1.0
    return _Candidates(parent, operator, hits, totals, signatures, iou)


def _extensions(
    member: Scored, rows: Rows, singles: _Candidates, in_range: int, space: SearchSpace
) -> list[_Candidates]:
    """Every allowed operator with every concept that the chain does not have."""
    signature = np.uint64(member.signature)
    counts = {
        Operator.OR: (
            member.both + singles.hits - rows.hits,
            member.total + singles.totals - rows.totals,
            signature ^ singles.signatures ^ rows.signatures,
        ),
        Operator.AND: (rows.hits, rows.totals, rows.signatures),
        Operator.AND_NOT: (
            member.both - rows.hits,
            member.total - rows.totals,
            signature ^ rows.signatures,
        ),
    }
    return [
        _candidates(member.chain, operator, *counts[operator], in_range, space)
        for operator in space.operators
    ]


def _best(old: list[Scored], candidates: list[_Candidates], count: int) -> list[Scored]:
    """Return the ``count`` best distinct formulas of IoU above 0, best first."""
    scores = [extension.iou for extension in candidates]
    flat = np.concatenate(scores) if scores else np.zeros(0)
    taken = 4 * count
    while True:
        bar = np.partition(flat, -taken)[-taken] if taken < len(flat) else 0.0
        chosen = list(old)
        for extension in candidates:
            places = np.flatnonzero((extension.iou >= bar) & (extension.iou > 0))
            chosen += [extension.member(int(place)) for place in places]
        best = distinct(chosen)[:count]
        complete = len(best) == count and best[-1].iou >= bar
        if complete or taken >= len(flat) or bar <= 0:
            return best
        taken *= 8
