"""Records as rows of a table: cells of text, numbers, true and false, under one name each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Cell = str | int | float | bool | None

_TREE = "labels"
_LISTED = ("iou", "share", "drop", "contribution")
"""Numbers of listed objects that have a column of their own."""


def flat(record: Mapping[str, Any]) -> dict[str, Cell]:
    """Return a record without lists and objects in its values.

    ``range`` becomes ``range_low`` and ``range_high``, ``iou_interval`` becomes ``iou_low`` and
    ``iou_high``; an open end stays ``None``. Lists are joined by ``"; "``: of objects, such as
    ``by_length`` and ``classes``, their formulas or names, and in columns such as
    ``by_length_iou`` their numbers. Objects in objects have names such as ``network.model``.
    Trees of formulas are left out.
    """
    return dict(_cells(record))


def _cells(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Cell]]:
    for name, value in record.items():
        key = above + name
        match value:
            case _ if name == _TREE:
                pass
            case [None | float() | int(), None | float() | int()] | None if _is_of_ends(name):
                stem = key.removesuffix("_interval")
                low, high = value or (None, None)
                yield f"{stem}_low", low
                yield f"{stem}_high", high
            case Mapping():
                yield from _cells(value, f"{key}.")
            case [Mapping(), *_] if all(isinstance(each, Mapping) for each in value):
                yield from _of_objects(key, value)
            case list() | tuple():
                yield key, _joined(value)
            case _:
                yield key, value


def _is_of_ends(name: str) -> bool:
    return name in ("range", "range_a", "range_b") or name.endswith("_interval")


def _of_objects(key: str, objects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Cell]]:
    """Yield what listed objects are called, and their numbers."""
    first = objects[0]
    named = [name for name, value in first.items() if name == "class" or isinstance(value, str)]
    columns = {key: named[0]} if named else {}
    columns |= {f"{key}_{name}": name for name in _LISTED if name in first}
    for column, name in columns.items():
        yield column, _joined([each.get(name) for each in objects])


def _joined(values: Sequence[Any]) -> str:
    return "; ".join(_text(value) for value in values)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ":".join(map(_text, value))
        case _:
            return str(value)
