"""The published search: candidates one by one in the order of their estimates, until none can help.

Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 3.2). Kept for comparing
heuristics: on label sets the exact IoU of all candidates costs less than their estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.beam import BeamSettings, Found
from ccx_cli.search.chains import Chain, Scored, distinct, extended_rows
from ccx_cli.search.counts import DataCounts, Rows, pair_hits

Estimator = Callable[[Chain], NDArray[np.float64]]
"""Estimates all extensions of a chain, ``(3, n_concepts)`` in the order of ``Operator``."""


@dataclass(frozen=True, slots=True)
class _Extensions:
    """One formula with every operator and concept; each array ``(3, n_concepts)``."""

    parent: Scored
    both: NDArray[np.int64]
    totals: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    iou: NDArray[np.float64]
    estimates: NDArray[np.float64]

    def member(self, operator: int, concept: int) -> Scored:
        return Scored(
            self.parent.chain.extended(Operator(operator), concept),
            int(self.both[operator, concept]),
            int(self.totals[operator, concept]),
            float(self.iou[operator, concept]),
            int(self.signatures[operator, concept]),
        )


def heuristic_search(
    data: DataCounts, hits: NDArray[np.int32], settings: BeamSettings, estimator: Estimator
) -> Found:
    """Search with a beam that visits candidates in the order of their estimates.

    The beam of a step starts with the best of the step before and is full at ``beam_limit``
    formulas, or at one in the last step. Its candidates, ordered by estimate, are visited until it
    is full and the next estimate is below its worst IoU. If no estimate is ever below the IoU, that
    is the answer of ``beam_search``.

    Parameters
    ----------
    data
        The data set's counts.
    hits
        ``(n_sets,)`` int32, pixels in range by label set.
    settings
        Length and width.
    estimator
        Estimates the extensions of a formula.

    Returns
    -------
    Found
        ``visited`` counts the formulas of two concepts and more whose exact IoU was asked for.
    """
    in_range = int(hits.sum(dtype=np.int64))
    if in_range == 0 or data.n_concepts == 0:
        return Found(None, 0)
    pairs = pair_hits(data, hits)
    last = settings.length == 1
    beam = _best_singles(data, pairs, in_range, 1 if last else 2 * settings.beam_limit)
    levels = beam[:1]
    rows = {member.chain: _rows_of_single(data, pairs, member.chain) for member in beam}
    visited = 0
    for length in range(2, settings.length + 1):
        capacity = 1 if length == settings.length else settings.beam_limit
        extensions = [
            _extend(member, rows[member.chain], data, pairs, in_range, estimator(member.chain))
            for member in beam
            if len(member.chain) == length - 1
        ]
        beam, seen = _visit(beam, extensions, capacity)
        visited += seen
        levels += beam[:1]
        if length < settings.length:
            rows = {m.chain: _rows_of(m.chain, rows, data, pairs, hits) for m in beam}
    return Found(beam[0] if beam else None, visited, tuple(levels))


def _best_singles(
    data: DataCounts, pairs: NDArray[np.int64], in_range: int, count: int
) -> list[Scored]:
    both, totals, signatures = pairs.diagonal(), data.totals.diagonal(), data.signatures.diagonal()
    iou = both / (in_range + totals - both)
    return distinct(
        Scored(
            Chain((int(concept),)),
            int(both[concept]),
            int(totals[concept]),
            float(iou[concept]),
            int(signatures[concept]),
        )
        for concept in np.flatnonzero(both)
    )[:count]


def _rows_of_single(data: DataCounts, pairs: NDArray[np.int64], chain: Chain) -> Rows:
    concept = chain.concepts[0]
    return Rows(pairs[concept], data.totals[concept], data.signatures[concept])


def _rows_of(
    chain: Chain,
    known: dict[Chain, Rows],
    data: DataCounts,
    pairs: NDArray[np.int64],
    hits: NDArray[np.int32],
) -> Rows:
    if chain in known:
        return known[chain]
    last = Chain(chain.concepts[-1:])
    parent = Chain(chain.concepts[:-1], chain.operators[:-1])
    return extended_rows(
        parent,
        known[parent],
        chain.operators[-1],
        last.concepts[0],
        _rows_of_single(data, pairs, last),
        data,
        hits,
    )


def _extend(
    member: Scored,
    rows: Rows,
    data: DataCounts,
    pairs: NDArray[np.int64],
    in_range: int,
    estimates: NDArray[np.float64],
) -> _Extensions:
    """Count every extension exactly; ``rows`` are those of ``member``, in the order of Operator."""
    both = np.stack(
        [member.both + pairs.diagonal() - rows.hits, rows.hits, member.both - rows.hits]
    )
    totals = np.stack(
        [
            member.total + data.totals.diagonal() - rows.totals,
            rows.totals,
            member.total - rows.totals,
        ]
    )
    own = np.uint64(member.signature)
    signatures = np.stack(
        [
            own ^ data.signatures.diagonal() ^ rows.signatures,
            rows.signatures,
            own ^ rows.signatures,
        ]
    )
    return _Extensions(
        member, both, totals, signatures, both / (in_range + totals - both), estimates
    )


def _visit(
    old: list[Scored], extensions: Sequence[_Extensions], capacity: int
) -> tuple[list[Scored], int]:
    """Visit candidates until the beam is full and no estimate reaches its worst; count them."""
    beam = old[:capacity]
    visited = 0
    for estimate, iou, place, operator, concept in _ordered(extensions):
        full = len(beam) == capacity
        if full and estimate < beam[-1].iou:
            break
        visited += 1
        if iou > 0 and not (full and iou < beam[-1].iou):
            beam = distinct([*beam, extensions[place].member(operator, concept)])[:capacity]
    return beam, visited


def _ordered(
    extensions: Sequence[_Extensions],
) -> Iterator[tuple[float, float, int, int, int]]:
    """Yield (estimate, IoU, place, operator, concept) of the candidates, largest estimate first."""
    if not extensions:
        return
    wanted = np.stack([_candidates(extensions, place) for place in range(len(extensions))])
    places, operators, concepts = np.nonzero(wanted)
    estimates = np.stack([extension.estimates for extension in extensions])[wanted]
    iou = np.stack([extension.iou for extension in extensions])[wanted]
    order = np.argsort(-estimates, kind="stable")
    for columns in np.array_split(order, max(1, len(order) // 1000)):
        yield from zip(
            estimates[columns].tolist(),
            iou[columns].tolist(),
            places[columns].tolist(),
            operators[columns].tolist(),
            concepts[columns].tolist(),
            strict=True,
        )


def _candidates(extensions: Sequence[_Extensions], place: int) -> NDArray[np.bool_]:
    """Mark the candidates of one formula, ``(3, n_concepts)``: each pair of concepts only once."""
    chain = extensions[place].parent.chain
    wanted = np.ones(extensions[place].iou.shape, dtype=np.bool_)
    wanted[:, list(chain.concepts)] = False
    if len(chain) == 1:
        before = [extension.parent.chain.concepts[0] for extension in extensions[:place]]
        wanted[Operator.OR, before] = False
        wanted[Operator.AND, before] = False
    return wanted
