"""Rows as Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ccx_cli.records.flat import Cell
from ccx_cli.version import __version__


def parquet_bytes(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """Write rows as one Parquet file, whose columns have types; one of several types is text."""
    columns = {name: _column([row[n] for row in rows]) for n, name in enumerate(names)}
    table = pa.table(columns).replace_schema_metadata({"ccx": __version__})
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _column(values: list[Cell]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
