"""What a formula says, whatever its shape: truth tables, and decision diagrams for long ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, concepts_of, evaluate

MAX_TABLE_CONCEPTS = 12


def points(n_concepts: int) -> NDArray[np.bool_]:
    """Return the label sets that ``n_concepts`` concepts can make.

    Returns
    -------
    ``(n_concepts, 2 ** n_concepts)`` bool: concept ``i`` is there where bit ``i`` of the point's
    number is set.
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

    Attributes
    ----------
    numbers
        Their label numbers, ascending; none for a constant.
    holds
        ``(2 ** len(numbers),)`` bool, in the order of ``points``.
    """

    numbers: tuple[int, ...]
    holds: NDArray[np.bool_]

    @classmethod
    def of(cls, formula: Formula, among: Sequence[int] | None = None) -> TruthTable:
        """Tabulate a formula.

        Parameters
        ----------
        formula
            Of at most twelve concepts, unless ``among`` is given.
        among
            Label numbers, ascending, when it is known that no others make a difference.
        """
        if among is None:
            among = sorted(set(concepts_of(formula)))
        numbers, values = list(among), holds(formula, among)
        for place in reversed(range(len(among))):
            halves = values.reshape(-1, 2, 1 << place)
            if np.array_equal(halves[:, 0], halves[:, 1]):
                values = halves[:, 0].ravel()
                del numbers[place]
        return cls(tuple(numbers), values)

    @property
    def number(self) -> int:
        """The table as a whole number: bit ``p`` is its value at point ``p``."""
        return int.from_bytes(np.packbits(self.holds, bitorder="little").tobytes(), "little")

    @property
    def key(self) -> Hashable:
        """Equal for equal tables only."""
        return self.numbers, self.number


@dataclass
class DecisionDiagram:
    """A reduced ordered decision diagram: every function is one node, equal functions the same.

    A node is ``(label number, node where it is absent, node where it is there)``; the first two
    are the constants. Lower label numbers are asked first.
    """

    nodes: list[tuple[int, int, int]] = field(default_factory=lambda: [(-1, 0, 0), (-1, 1, 1)])
    _places: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _joined: dict[tuple[int, int], int] = field(default_factory=dict)
    _negated: dict[int, int] = field(default_factory=lambda: {0: 1, 1: 0})

    def add(self, formula: Formula) -> int:
        """Return the node of a formula."""
        match formula:
            case Concept(number):
                return self._node(number, 0, 1)
            case Not(operand):
                return self._not(self.add(operand))
            case And(left, right):
                return self._and(self.add(left), self.add(right))
            case Or(left, right):
                return self._not(self._and(self._not(self.add(left)), self._not(self.add(right))))

    def below(self, node: int) -> dict[int, tuple[int, int, int]]:
        """Return the nodes that ``node`` is made of, itself among them, without the constants."""
        found: dict[int, tuple[int, int, int]] = {}
        waiting = [node]
        while waiting:
            place = waiting.pop()
            if place > 1 and place not in found:
                found[place] = self.nodes[place]
                waiting += self.nodes[place][:0:-1]
        return found

    def _node(self, number: int, absent: int, there: int) -> int:
        if absent == there:
            return absent
        node = (number, absent, there)
        if node not in self._places:
            self._places[node] = len(self.nodes)
            self.nodes.append(node)
        return self._places[node]

    def _not(self, node: int) -> int:
        if node not in self._negated:
            number, absent, there = self.nodes[node]
            negated = self._node(number, self._not(absent), self._not(there))
            self._negated[node], self._negated[negated] = negated, node
        return self._negated[node]

    def _and(self, one: int, other: int) -> int:
        if one > other:
            one, other = other, one
        if one == 0 or one == other:
            return one
        if one == 1:
            return other
        if (one, other) not in self._joined:
            first = min(self.nodes[one][0], self.nodes[other][0])
            one_absent, one_there = self._branches(one, first)
            other_absent, other_there = self._branches(other, first)
            absent = self._and(one_absent, other_absent)
            there = self._and(one_there, other_there)
            self._joined[one, other] = self._node(first, absent, there)
        return self._joined[one, other]

    def _branches(self, node: int, number: int) -> tuple[int, int]:
        asked, absent, there = self.nodes[node]
        return (absent, there) if asked == number else (node, node)


def canonical_key(formula: Formula) -> Hashable:
    """Return a key that is equal for equivalent formulas and for no others.

    Quick for up to twelve concepts and for chains of any length; a formula of many concepts and
    another shape can take time and memory exponential in its length.
    """
    if len(set(concepts_of(formula))) <= MAX_TABLE_CONCEPTS:
        return TruthTable.of(formula).key
    diagram = DecisionDiagram()
    nodes = diagram.below(diagram.add(formula))
    numbers = sorted({number for number, _, _ in nodes.values()})
    if len(numbers) <= MAX_TABLE_CONCEPTS:
        return TruthTable.of(formula, numbers).key
    # Nodes are numbered as they are met from the root, not as they happened to be built.
    order = {0: 0, 1: 1} | {node: place for place, node in enumerate(nodes, start=2)}
    return tuple((number, order[absent], order[there]) for number, absent, there in nodes.values())
