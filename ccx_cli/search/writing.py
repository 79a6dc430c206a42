"""The order in which a chain is written, among all left chains that mean the same.

``(a AND NOT b) AND c`` and ``(a AND c) AND NOT b`` are one formula. Studies ask for its left part,
so that is made to mean something: the chain is written so that its longest proper prefix has the
largest IoU, then the next shorter one, and so on; ties break to lower label numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain

# The truth table of a concept alone; its other table of one, a leading NOT, starts no chain.
_CONCEPT = 0b10

_Key = tuple[tuple[float, ...], tuple[int, ...], tuple[Operator, ...]]


def written_best(chain: Chain, iou_of: Callable[[Chain], float]) -> Chain:
    """Return the equivalent left chain whose prefixes score best.

    Parameters
    ----------
    chain
        Any left chain of distinct concepts.
    iou_of
        Gives the IoU of a chain on the data; asked for prefixes only, once for each.
    """
    known: dict[tuple[tuple[int, ...], int], tuple[_Key, Chain] | None] = {}

    def best(concepts: tuple[int, ...], table: int) -> tuple[_Key, Chain] | None:
        if len(concepts) == 1:
            return (((), concepts, ()), Chain(concepts)) if table == _CONCEPT else None
        if (concepts, table) not in known:
            options = []
            for place, concept in enumerate(concepts):
                peeled = _peel(table, len(concepts), place)
                rest = peeled and best(concepts[:place] + concepts[place + 1 :], peeled[1])
                if peeled is None or rest is None:
                    continue
                (scores, _, _), prefix = rest
                whole = prefix.extended(peeled[0], concept)
                key = ((-score(prefix), *scores), whole.concepts, whole.operators)
                options.append((key, whole))
            known[concepts, table] = min(options, default=None)
        return known[concepts, table]

    scored: dict[Chain, float] = {}

    def score(prefix: Chain) -> float:
        if prefix not in scored:
            scored[prefix] = iou_of(prefix)
        return scored[prefix]

    found = best(chain.concepts, _truth_table(chain))
    return chain if found is None else found[1]


def _truth_table(chain: Chain) -> int:
    """Bit ``i`` is the chain's value where concept ``p`` holds if bit ``p`` of ``i`` is set."""
    rows = 1 << len(chain)
    everything = (1 << rows) - 1
    columns = [
        sum(1 << row for row in range(rows) if row >> place & 1) for place in range(len(chain))
    ]
    table = columns[0]
    for operator, column in zip(chain.operators, columns[1:], strict=True):
        match operator:
            case Operator.OR:
                table |= column
            case Operator.AND:
                table &= column
            case Operator.AND_NOT:
                table &= everything ^ column
    return table


def _peel(table: int, n_concepts: int, place: int) -> tuple[Operator, int] | None:
    """Write a truth table as ``rest op concept``, if its concept at ``place`` can stand last."""
    without = with_it = 0
    bit = 0
    for row in range(1 << n_concepts):
        if not row >> place & 1:
            without |= (table >> row & 1) << bit
            with_it |= (table >> (row | 1 << place) & 1) << bit
            bit += 1
    if with_it == (1 << bit) - 1:
        return Operator.OR, without
    if without == 0:
        return Operator.AND, with_it
    if with_it == 0:
        return Operator.AND_NOT, without
    return None
