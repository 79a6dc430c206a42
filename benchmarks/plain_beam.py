"""The beam search in the plain way: one dense mask, and three passes over it, for each candidate.

What the published programs do without heuristics. It keeps this package's rules for ties and for
formulas that cover the same pixels, so that both have to return the same IoU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.chains import Chain, Scored


@dataclass
class PlainBeam:
    """One range's search.

    Attributes
    ----------
    masks
        ``(n_concepts, n_pixels)`` bool.
    in_range
        ``(n_pixels,)`` bool.
    visited
        Candidates scored so far.
    """

    masks: torch.Tensor
    in_range: torch.Tensor
    visited: int = 0
    n_in_range: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_in_range = int(torch.count_nonzero(self.in_range))

    def search(self, settings: BeamSettings) -> Scored | None:
        """Find a formula of large IoU."""
        last = settings.length == 1
        singles = [self._scored(Chain((c,)), mask) for c, mask in enumerate(self.masks)]
        beam = self._best(singles, 1 if last else 2 * settings.beam_limit)
        for length in range(2, settings.length + 1):
            last = length == settings.length
            longer = [
                candidate
                for member in beam
                if len(member.chain) == length - 1
                for candidate in self._extensions(member.chain)
            ]
            beam = self._best([*beam, *longer], 1 if last else settings.beam_limit)
        return beam[0] if beam else None

    def _extensions(self, chain: Chain) -> Iterator[Scored]:
        left = self._mask_of(chain)
        for concept, mask in enumerate(self.masks):
            if concept not in chain.concepts:
                for operator in Operator:
                    extended = chain.extended(operator, concept)
                    yield self._scored(extended, _joined(left, operator, mask))

    def _scored(self, chain: Chain, mask: torch.Tensor) -> Scored:
        self.visited += 1
        both = int(torch.count_nonzero(mask & self.in_range))
        total = int(torch.count_nonzero(mask))
        union = self.n_in_range + total - both
        return Scored(chain, both, total, both / union if union else 0.0, signature=0)

    def _mask_of(self, chain: Chain) -> torch.Tensor:
        mask = self.masks[chain.concepts[0]]
        for operator, concept in zip(chain.operators, chain.concepts[1:], strict=True):
            mask = _joined(mask, operator, self.masks[concept])
        return mask

    def _best(self, candidates: list[Scored], count: int) -> list[Scored]:
        """Return the ``count`` best of different pixels and of IoU above 0, best first."""
        kept: list[Scored] = []
        for candidate in sorted(candidates, key=Scored.order):
            if len(kept) == count or candidate.iou <= 0:
                break
            if not any(self._same(candidate, other) for other in kept):
                kept.append(candidate)
        return kept

    def _same(self, a: Scored, b: Scored) -> bool:
        return (a.both, a.total) == (b.both, b.total) and torch.equal(
            self._mask_of(a.chain), self._mask_of(b.chain)
        )


def _joined(left: torch.Tensor, operator: Operator, right: torch.Tensor) -> torch.Tensor:
    match operator:
        case Operator.OR:
            return left | right
        case Operator.AND:
            return left & right
        case Operator.AND_NOT:
            return left & ~right
