"""A stored run by its own files, without the data set and the network it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ccx_cli.errors import DamagedDataError
from ccx_cli.search.formula import concepts_of, names_in
from ccx_cli.store.lines import Record
from ccx_cli.store.results import ResultsRun
from ccx_cli.study.opened import formula_of


@dataclass(frozen=True)
class StoredRun:
    """What a run's header and lines say.

    Attributes
    ----------
    name
        Of its directory.
    about, identity
        The header's parts.
    units
        The records of every finished unit, in cluster order.
    """

    name: str
    about: dict[str, Any]
    identity: dict[str, Any]
    units: dict[int, list[Record]]

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
        raise DamagedDataError(
            f"{run.directory / 'header.json'} lacks {error}: run `ccx explain` again."
        ) from error
    return StoredRun(run.directory.name, about, identity, run.finished())


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
