"""Old names of ``ccx_cli.runs.run``, until every room uses the new ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ccx_cli.formulas.formula import Formula, concepts_of, from_json, names_in
from ccx_cli.runs.run import Run

StoredRun = Run


def read_run(run: Run) -> Run:
    """Return ``run.strict()``."""
    return run.strict()


def formula_of(record: Any) -> Formula | None:
    """Return ``record.tree``."""
    labels = record["labels"] if isinstance(record, dict) else record.labels
    return None if labels is None else from_json(labels)


def names_of(records: Iterable[Any]) -> dict[int, str]:
    """Return the names of all label numbers in the records' formulas."""
    names: dict[int, str] = {}
    for record in records:
        formula = formula_of(record)
        if formula is not None:
            names.update(zip(concepts_of(formula), names_in(record["formula"]), strict=True))
    return names
