"""Records as Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ccx_cli.version import __version__

LABELS = "labels"


def parquet_bytes(records: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> bytes:
    """Write records as one Parquet file; ``keys`` are its columns where there are none.

    Lists and objects are Parquet's own; a formula's tree, and any column of several types, is JSON.
    """
    names = list(dict.fromkeys(key for record in records for key in record)) or list(keys)
    columns = {name: _column(name, [record.get(name) for record in records]) for name in names}
    table = pa.table(columns).replace_schema_metadata({"ccx": __version__})
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _column(name: str, values: list[Any]) -> pa.Array:
    plain = [_trees_as_text(name, value) for value in values]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else _text(value) for value in values])


def _trees_as_text(key: str, value: Any) -> Any:
    """Replace formulas' trees, at any depth, by their JSON."""
    if key == LABELS and value is not None:
        return _text(value)
    match value:
        case list():
            return [_trees_as_text("", each) for each in value]
        case Mapping():
            return {name: _trees_as_text(name, each) for name, each in value.items()}
        case _:
            return value


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
