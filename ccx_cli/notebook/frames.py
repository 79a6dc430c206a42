"""A run as a table of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import MissingInputError
from ccx_cli.notebook.opened import warn
from ccx_cli.records.flat import flat
from ccx_cli.runs.run import Run
from ccx_cli.study.range_rows import measured_beside, range_row

if TYPE_CHECKING:
    from pandas import DataFrame

_NULLABLE = {bool: "boolean", int: "Int64"}


def frame_of(run: Run) -> DataFrame:
    """Return a row for every range, with what is kept of it beside the run."""
    try:
        import pandas
    except ImportError as error:
        raise MissingInputError(
            "frame() needs pandas: install it with `pip install 'ccx-cli[pandas]'`, or take "
            "records()."
        ) from error
    beside, problems = measured_beside(run)
    for problem in problems:
        warn(problem)
    rows = [flat(range_row(record, beside)) for record in run.records]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pandas.DataFrame(
        {name: pandas.Series(each, dtype=_type_of(each)) for name, each in columns.items()}
    )


def _type_of(values: Sequence[Any]) -> str | None:
    """Return the type of a column, the same whether or not something is missing in it.

    One in which all is missing is of floats, as pandas reads it from CSV.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) == 1:
        (kind,) = kinds
        return _NULLABLE.get(kind) or ("float64" if kind is float else None)
    return "float64" if kinds <= {int, float} else None
