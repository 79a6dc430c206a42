"""A stored run by its own files, without the data set and the network it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError
from ccx_cli.formulas.formula import Formula, concepts_of, from_json, names_in
from ccx_cli.runs.results import HEADER, LINES, ResultsRun
from ccx_cli.store.lines import Record

_NEEDED = ("range", "hits", "formula", "labels", "iou", "length")


@dataclass(frozen=True)
class StoredRun:
    """What a run's header and lines say.

    Attributes
    ----------
    directory
        Where it is.
    about, identity
        The header's parts.
    units
        The records of every finished unit, in cluster order.
    """

    directory: Path
    about: dict[str, Any]
    identity: dict[str, Any]
    units: dict[int, list[Record]]

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.directory.name

    @property
    def records(self) -> Iterator[Record]:
        """All records, by unit and cluster."""
        return (record for records in self.units.values() for record in records)


def read_run(run: ResultsRun) -> StoredRun:
    """Read a run's header and lines.

    Raises
    ------
    DamagedDataError
        If one of them is not what ``ccx explain`` writes.
    """
    header = run.header()
    try:
        about, identity = dict(header["about"]), dict(header["identity"])
        for key in ("model", "pretrained", "layer", "subset", "seed", "units"):
            about[key]
        for key in ("segmentation", "activations", "ranges", "search"):
            identity[key]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_header(run, error) from error
    return StoredRun(run.directory, about, identity, finished_units(run, about))


def damaged_header(run: ResultsRun, error: Exception) -> DamagedDataError:
    """Return the error that tells what a run's header lacks, or what in it is of another kind."""
    fault = f"lacks {error}" if isinstance(error, KeyError) else f"is damaged ({error})"
    return DamagedDataError(f"{run.directory / HEADER} {fault}: run `ccx explain` again.")


def finished_units(run: ResultsRun, about: Mapping[str, Any]) -> dict[int, list[Record]]:
    """Read a run's finished units, every line with all that an explanation has.

    Raises
    ------
    DamagedDataError
        If a line is not what ``ccx explain`` writes, or of a unit that the layer of ``about``,
        the header's part, does not have.
    """
    units = run.finished()
    for unit, records in units.items():
        if unit >= about.get("units", unit + 1):
            raise _damaged(run, unit, f"the layer has {about['units']} units")
        for record in records:
            lacking = [key for key in _NEEDED if key not in record]
            if lacking or record["iou"] is None:
                raise _damaged(run, unit, f"there is no {', '.join(lacking) or 'iou'}")
            if (record["cluster"] is None) != (record["range"] is None):
                raise _damaged(run, unit, "a cluster has a range")
            if (record["formula"] is None) != (record["labels"] is None):
                raise _damaged(run, unit, "a formula has labels")
            formula_of(record)
    return units


def _damaged(run: ResultsRun, unit: int, fault: str) -> DamagedDataError:
    return DamagedDataError(
        f"{run.directory / LINES}: a line of unit {unit} is damaged ({fault}): delete it and run "
        "`ccx explain` again."
    )


def formula_of(record: Record) -> Formula | None:
    """Return a record's formula, ``None`` if it has none.

    Raises
    ------
    DamagedDataError
        If it is no formula.
    """
    labels = record.get("labels")
    try:
        return None if labels is None else from_json(labels)
    except (ValueError, RecursionError) as error:
        raise DamagedDataError(
            f"The line of unit {record['unit']} holds no formula: delete it and run "
            "`ccx explain` again."
        ) from error


def names_of(records: Iterable[Record]) -> dict[int, str]:
    """Gather the names of all label numbers in the records' formulas.

    Raises
    ------
    DamagedDataError
        If a formula and its text are not the same.
    """
    names: dict[int, str] = {}
    for record in records:
        formula = formula_of(record)
        if formula is None:
            continue
        numbers, words = list(concepts_of(formula)), names_in(record["formula"])
        if len(numbers) != len(words):
            raise DamagedDataError(
                f"The line of unit {record['unit']} has a formula that its labels do not spell: "
                "delete it and run `ccx explain` again."
            )
        names.update(zip(numbers, words, strict=True))
    return names
