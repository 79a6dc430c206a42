"""Searches over dense masks, by the rules and nothing else: twins of the fast ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain

Mask = NDArray[np.bool_]


def mask_of(chain: Chain, masks: Mask) -> Mask:
    """Pixels in a chain; ``masks`` is ``(n_concepts, n_pixels)``."""
    found: Mask = masks[chain.concepts[0]]
    for operator, concept in zip(chain.operators, chain.concepts[1:], strict=True):
        match operator:
            case Operator.OR:
                found = found | masks[concept]
            case Operator.AND:
                found = found & masks[concept]
            case Operator.AND_NOT:
                found = found & ~masks[concept]
    return found


def iou_of(mask: Mask, in_range: Mask) -> Fraction:
    """Intersection over union, exactly."""
    union = int((mask | in_range).sum())
    return Fraction(int((mask & in_range).sum()), union) if union else Fraction(0)


def extensions(
    chain: Chain, concepts: Sequence[int], operators: Sequence[Operator]
) -> Iterator[Chain]:
    """Every chain of one more concept."""
    for concept in concepts:
        if concept not in chain.concepts:
            for operator in operators:
                yield chain.extended(operator, concept)


def ranked(chains: Iterable[Chain], masks: Mask, in_range: Mask) -> list[Chain]:
    """Chains of IoU above 0 with distinct pixels: the best first, ties by the rules."""
    scored = [(iou_of(mask_of(chain, masks), in_range), chain) for chain in set(chains)]
    scored.sort(key=lambda s: (-s[0], len(s[1]), s[1].concepts, s[1].operators))
    kept: dict[bytes, Chain] = {}
    for iou, chain in scored:
        if iou > 0:
            kept.setdefault(mask_of(chain, masks).tobytes(), chain)
    return list(kept.values())


def dense_beam(
    masks: Mask,
    in_range: Mask,
    length: int,
    beam_limit: int,
    concepts: Sequence[int] | None = None,
    operators: Sequence[Operator] = tuple(Operator),
) -> Chain | None:
    """The published beam search: every formula in the beam is extended at every step."""
    concepts = range(len(masks)) if concepts is None else concepts
    beam = ranked([Chain((concept,)) for concept in concepts], masks, in_range)
    beam = beam[: 1 if length == 1 else 2 * beam_limit]
    for step in range(2, length + 1):
        longer = [new for old in beam for new in extensions(old, concepts, operators)]
        beam = ranked([*beam, *longer], masks, in_range)[: 1 if step == length else beam_limit]
    return beam[0] if beam else None


def best_chain(masks: Mask, in_range: Mask, length: int) -> Chain | None:
    """The best of all chains up to a length."""
    every = chains = [Chain((concept,)) for concept in range(len(masks))]
    for _ in range(length - 1):
        chains = [
            new for old in chains for new in extensions(old, range(len(masks)), tuple(Operator))
        ]
        every = every + chains
    best = ranked(every, masks, in_range)
    return best[0] if best else None
