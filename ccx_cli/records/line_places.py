"""Where in a large file the lines of each unit are, from the columns that are kept beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ccx_cli.records.columns import Columns


class LinePlaces(Mapping[int, tuple[int, ...]]):
    """By unit, ascending, where its lines begin and end; of several lines of a range, the last.

    Attributes
    ----------
    whole
        The units whose lines are all there.
    """

    def __init__(self, columns: Columns) -> None:
        unit, cluster, stop = (np.asarray(columns[name]) for name in ("unit", "cluster", "stop"))
        order = np.lexsort((cluster, unit))
        unit, cluster = unit[order], cluster[order]
        is_last = np.ones(len(order), dtype=bool)
        is_last[:-1] = (unit[1:] != unit[:-1]) | (cluster[1:] != cluster[:-1])
        numbers, unit = order[is_last], unit[is_last]
        units, firsts = np.unique(unit, return_index=True)
        ends = np.append(firsts[1:], len(unit))[: len(firsts)]
        expected = np.asarray(columns["num_ranges"])[numbers[firsts]]
        self.whole = frozenset(units[ends - firsts >= np.maximum(expected, 1)].tolist())
        self._numbers: list[int] = numbers.tolist()
        self._stops: list[int] = stop.tolist()
        spans = zip(firsts.tolist(), ends.tolist(), strict=True)
        self._lines = dict(zip(units.tolist(), spans, strict=True))

    def numbers(self, unit: int) -> list[int]:
        """Return which lines of the file are the unit's, in cluster order."""
        first, end = self._lines[unit]
        return self._numbers[first:end]

    def __getitem__(self, unit: int) -> tuple[int, ...]:
        places: list[int] = []
        for number in self.numbers(unit):
            start, stop = self._stops[number - 1] if number else 0, self._stops[number]
            if places[-1:] == [start]:
                places[-1] = stop
            else:
                places += [start, stop]
        return tuple(places)

    def __iter__(self) -> Iterator[int]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, unit: object) -> bool:
        return unit in self._lines
