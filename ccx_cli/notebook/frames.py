"""A run as a table of pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import MissingInputError
from ccx_cli.records.fields import Record, to_json
from ccx_cli.records.flat import flat
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.metrics import MaskingRecord, StoredMetrics
from ccx_cli.runs.run import Run
from ccx_cli.study.null import kept_against_null

if TYPE_CHECKING:
    from pandas import DataFrame

_KEPT: tuple[tuple[str, type[Record]], ...] = (
    ("metrics", StoredMetrics),
    ("masking", MaskingRecord),
)
_NULLABLE = {bool: "boolean", int: "Int64"}
Key = tuple[int, int | None]


def frame_of(run: Run) -> DataFrame:
    """Return a row for every range, with what is kept of it beside the run."""
    try:
        import pandas
    except ImportError as error:
        raise MissingInputError(
            "frame() needs pandas: install it with `pip install 'ccx-cli[pandas]'`, or take "
            "records()."
        ) from error
    beside: dict[Key, dict[str, Any]] = {}
    for what, kind in _KEPT:
        for record in _fullest(run.directory.glob(f"{what}-*.jsonl"), kind):
            found = to_json(record)
            beside.setdefault((found["unit"], found["cluster"]), {}).update(found)
    for key, against in kept_against_null(run, run.records).items():
        beside.setdefault(key, {}).update(to_json(against))
    rows: list[Mapping[str, Any]] = []
    for each in run.records:
        of_range = to_json(each)
        also = beside.get((each.unit, each.cluster), {})
        # What explanations have as well is theirs: of a split, on the images that were searched.
        rows.append(flat(of_range | {key: also[key] for key in also if key not in of_range}))
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pandas.DataFrame(
        {name: pandas.Series(each, dtype=_type_of(each)) for name, each in columns.items()}
    )


def _fullest(paths: Iterable[Path], kind: type[Record]) -> Sequence[Record]:
    """Read of several files the one with most lines that can be read, then with most keys."""
    read = [list(RecordLines(path, kind).read(lambda _number, _fault: None)) for path in paths]
    return max(read, key=lambda lines: (len(lines), lines and len(to_json(lines[0]))), default=[])


def _type_of(values: Sequence[Any]) -> str | None:
    """Return the type of a column, the same whether or not something is missing in it."""
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) == 1:
        (kind,) = kinds
        return _NULLABLE.get(kind) or ("float64" if kind is float else None)
    return "float64" if kinds == {int, float} else None
