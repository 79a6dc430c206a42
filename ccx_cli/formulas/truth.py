"""What a formula says, whatever its shape: truth tables, and decision diagrams."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, concepts_of, renumbered

MAX_TABLE_CONCEPTS = 12


def evaluate(formula: Formula, carries: Callable[[int], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Evaluate a formula over label sets or pixels; ``carries`` tells where a concept is."""
    match formula:
        case Concept(number):
            return carries(number)
        case Not(operand):
            return ~evaluate(operand, carries)
        case And(left, right):
            return evaluate(left, carries) & evaluate(right, carries)
        case Or(left, right):
            return evaluate(left, carries) | evaluate(right, carries)


def points(n_concepts: int) -> NDArray[np.bool_]:
    """Return the label sets of some concepts, ``(n_concepts, 2 ** n_concepts)`` bool.

    Concept ``i`` is there where bit ``i`` of the point's number is set.
    """
    numbers = np.arange(1 << n_concepts)
    return (numbers >> np.arange(n_concepts)[:, None] & 1).astype(np.bool_)


def holds(formula: Formula, among: Sequence[int]) -> NDArray[np.bool_]:
    """Return where a formula holds among the ``points`` of ``among``, other concepts absent."""
    there = dict(zip(among, points(len(among)), strict=True))
    absent = np.zeros(1 << len(among), dtype=np.bool_)
    return evaluate(formula, lambda number: there.get(number, absent))


@dataclass(frozen=True)
class TruthTable:
    """Where a formula holds, over the concepts that make a difference to it.

    ``numbers`` are their label numbers, ascending, none for a constant; ``holds`` is
    ``(2 ** len(numbers),)`` bool, in the order of ``points``.
    """

    numbers: tuple[int, ...]
    holds: NDArray[np.bool_]

    @classmethod
    def of(cls, formula: Formula) -> TruthTable:
        """Tabulate a formula of at most ``MAX_TABLE_CONCEPTS`` concepts."""
        numbers = sorted(set(concepts_of(formula)))
        values = holds(formula, numbers)
        for position in reversed(range(len(numbers))):
            halves = values.reshape(-1, 2, 1 << position)
            if np.array_equal(halves[:, 0], halves[:, 1]):
                values = halves[:, 0].ravel()
                del numbers[position]
        return cls(tuple(numbers), values)

    @property
    def number(self) -> int:
        """The table as a whole number: bit ``p`` is its value at point ``p``."""
        return int.from_bytes(np.packbits(self.holds, bitorder="little").tobytes(), "little")


NEVER, ALWAYS = 0, 1


@dataclass
class DecisionDiagram:
    """A reduced ordered decision diagram: every function is one node, equal functions the same.

    A node is ``(label number, node where it is absent, node where it is there)``; the first two,
    ``NEVER`` and ``ALWAYS``, are the constants. Lower label numbers are asked first (Bryant,
    "Graph-based algorithms for Boolean function manipulation", IEEE Trans. Computers 35, 1986).

    Quick for chains of any length; a formula of many concepts and another shape can take time and
    memory exponential in its length.
    """

    nodes: list[tuple[int, int, int]] = field(default_factory=lambda: [(-1, 0, 0), (-1, 1, 1)])
    _numbers: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _conjunctions: dict[tuple[int, int], int] = field(default_factory=dict)
    _negations: dict[int, int] = field(default_factory=lambda: {NEVER: ALWAYS, ALWAYS: NEVER})

    def add(self, formula: Formula) -> int:
        """Return the node of a formula."""
        match formula:
            case Concept(number):
                return self._node(number, NEVER, ALWAYS)
            case Not(operand):
                return self.negation(self.add(operand))
            case And(left, right):
                return self.conjunction(self.add(left), self.add(right))
            case Or(left, right):
                left_absent = self.negation(self.add(left))
                right_absent = self.negation(self.add(right))
                return self.negation(self.conjunction(left_absent, right_absent))

    def negation(self, node: int) -> int:
        """Return the node of what holds where ``node`` does not."""
        if node not in self._negations:
            number, absent, there = self.nodes[node]
            negated = self._node(number, self.negation(absent), self.negation(there))
            self._negations[node], self._negations[negated] = negated, node
        return self._negations[node]

    def conjunction(self, one: int, other: int) -> int:
        """Return the node of what holds where both nodes do."""
        if one > other:
            one, other = other, one
        if one in (NEVER, other):
            return one
        if one == ALWAYS:
            return other
        if (one, other) not in self._conjunctions:
            first = min(self.nodes[one][0], self.nodes[other][0])
            one_absent, one_there = self._branches(one, first)
            other_absent, other_there = self._branches(other, first)
            absent = self.conjunction(one_absent, other_absent)
            there = self.conjunction(one_there, other_there)
            self._conjunctions[one, other] = self._node(first, absent, there)
        return self._conjunctions[one, other]

    def below(self, node: int) -> dict[int, tuple[int, int, int]]:
        """Return the nodes that ``node`` is made of, itself among them, without the constants."""
        found: dict[int, tuple[int, int, int]] = {}
        waiting = [node]
        while waiting:
            number = waiting.pop()
            if number > ALWAYS and number not in found:
                found[number] = self.nodes[number]
                waiting += self.nodes[number][:0:-1]
        return found

    def _node(self, number: int, absent: int, there: int) -> int:
        if absent == there:
            return absent
        node = (number, absent, there)
        if node not in self._numbers:
            self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[node]

    def _branches(self, node: int, number: int) -> tuple[int, int]:
        asked, absent, there = self.nodes[node]
        return (absent, there) if asked == number else (node, node)


def canonical_key(formula: Formula) -> Hashable:
    """Return a key that is equal for equivalent formulas and for no others."""
    numbers = sorted(set(concepts_of(formula)))
    ranks = {number: rank for rank, number in enumerate(numbers)}
    always, nodes = _canonical(renumbered(formula, ranks.__getitem__))
    return always, tuple((numbers[n], absent, there) for n, absent, there in nodes)


@lru_cache(1 << 12)
def _canonical(formula: Formula) -> tuple[bool, tuple[tuple[int, int, int], ...]]:
    """Find the key of a formula whose labels are 0, 1 ...: there are few such of one length."""
    diagram = DecisionDiagram()
    root = diagram.add(formula)
    nodes = diagram.below(root)
    # Nodes are numbered as they are met from the root, not as they happened to be built.
    order = {NEVER: NEVER, ALWAYS: ALWAYS}
    order |= {node: position for position, node in enumerate(nodes, start=2)}
    return root == ALWAYS, tuple((n, order[a], order[b]) for n, a, b in nodes.values())
