"""A stored run as far as it can be looked at: no network is loaded, and nothing need be whole."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.formulas.formula import from_json, length_of, names_in
from ccx_cli.printable import printable
from ccx_cli.runs.results import FORMAT, HEADER, LINES, VERSION, ResultsRun
from ccx_cli.store.lines import Record
from ccx_cli.store.locks import is_being_written
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import ShardedCache, read_manifest

if TYPE_CHECKING:
    from ccx_cli.concepts.broden import BrodenDataset
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.probe.activations import Activations


@dataclass(frozen=True)
class ViewedRun:
    """What can be shown of a run.

    The data set, the concept index and the activations are opened when they are first asked for,
    from where the header says they were or from under ``roots``; each raises ``MissingInputError``
    if it is gone and ``DamagedDataError`` if it is not what the run was made from.

    Attributes
    ----------
    directory
        Where the run is.
    about, identity, sessions
        The parts of its header, as far as it has them.
    units
        The records of every unit that has any, in cluster order, by ascending unit. Control
        characters in texts are replaced.
    notes
        Sentences on what is missing, damaged or still being written.
    roots
        Where caches are looked for first.
    """

    directory: Path
    about: dict[str, Any]
    identity: dict[str, Any]
    sessions: list[dict[str, Any]]
    units: dict[int, list[Record]]
    notes: tuple[str, ...]
    roots: Roots

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.directory.name

    @property
    def records(self) -> Iterator[Record]:
        """All records, by unit and cluster."""
        return (record for records in self.units.values() for record in records)

    @cached_property
    def dataset(self) -> BrodenDataset:
        """The labelled images."""
        from ccx_cli.runs.run_dataset import read_run_dataset

        self._said("subset")
        if not Path(self._said("dataset")).name.removeprefix("broden1_").isdecimal():
            raise self._headless("dataset")
        return read_run_dataset(self.about, self.identity, self.roots)

    @cached_property
    def index(self) -> ConceptIndex:
        """The concept index."""
        from ccx_cli.concepts.index import load_index

        cache = self._cache(self.roots.segmentations, "segmentation")
        if cache.made_from.get("fingerprint") != self.identity.get("segmentation"):
            raise self._other(cache)
        shape = [len(self.dataset.rows), *self.dataset.mask_shape]
        if shape != [cache.made_from.get("images"), *cache.made_from.get("mask_shape", ())]:
            raise DamagedDataError(
                f"{self.dataset.directory} is not what {self.name} was made from: put back what "
                "was there, or say with --root-datasets where it is."
            )
        return load_index(self.dataset, cache)

    @cached_property
    def activations(self) -> Activations:
        """The layer's maps."""
        from ccx_cli.probe.activations import open_activations

        cache = self._cache(self.roots.activations, "activations")
        if cache.made_from != self.identity.get("activations"):
            raise self._other(cache)
        return open_activations(self.dataset, cache)

    def _said(self, key: str) -> str:
        value = self.about.get(key)
        if not isinstance(value, str):
            raise self._headless(key)
        return value

    def _headless(self, key: str) -> DamagedDataError:
        return DamagedDataError(
            f"{self.directory / HEADER} does not say the run's {key}: run `ccx explain` again."
        )

    def _cache(self, root: Path, key: str) -> ShardedCache:
        was = Path(self._said(key))
        here = root / was.name
        try:
            cache = read_manifest(here if here.exists() else was)
        except MissingInputError:
            cache = None
        if cache is None or not cache.shards:
            what = "concept index" if key == "segmentation" else key
            raise MissingInputError(
                f"The {what} of {self.name} cannot be found: make it again with "
                f"`{printable(str(self.about.get('rebuild')))}`."
            )
        return cache

    def _other(self, cache: ShardedCache) -> DamagedDataError:
        return DamagedDataError(
            f"{cache.directory} was not what {self.name} was made from: remove it with "
            f"`{shlex.join(['ccx', 'cache', 'clear', '--yes', str(cache.directory)])}`; "
            f"`{printable(str(self.about.get('rebuild')))}` makes it anew."
        )


def view_run(run: ResultsRun, roots: Roots) -> ViewedRun:
    """Read a run's header and lines as far as they can be read; what cannot be is told in notes."""
    notes: list[str] = []
    header = _read_header(run.directory / HEADER, notes)
    about, identity = _table(header, "about"), _table(header, "identity")
    listed = header.get("sessions")
    sessions = [each for each in listed if isinstance(each, dict)] if type(listed) is list else []
    units = _read_units(run.directory / LINES, notes)
    _note_progress(run.directory, units, about, sessions, notes)
    return ViewedRun(
        directory=run.directory,
        about=_printable(about),
        identity=identity,
        sessions=_printable(sessions),
        units=units,
        notes=tuple(notes),
        roots=roots,
    )


def _table(header: dict[str, Any], key: str) -> dict[str, Any]:
    value = header.get(key)
    return value if isinstance(value, dict) else {}


def _read_header(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(header, dict):
            raise TypeError("a header is an object")
    except FileNotFoundError:
        notes.append(f"There is no {path}: nothing tells how these lines were made.")
        return {}
    except (OSError, ValueError, TypeError, RecursionError):
        notes.append(f"{path} cannot be read: nothing tells how these lines were made.")
        return {}
    if (header.get("format"), header.get("version")) != (FORMAT, VERSION):
        notes.append(
            f"{path} is of another version of ccx ({printable(str(header.get('format')))} "
            f"{printable(str(header.get('version')))}): what is shown may lack something."
        )
    return header


def _read_units(path: Path, notes: list[str]) -> dict[int, list[Record]]:
    """Read every line that holds a record; the last one of a unit and cluster counts."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        notes.append(f"{path} cannot be read ({error.strerror}).")
        return {}
    found: dict[int, dict[int | None, Record]] = {}
    damaged = []
    *lines, torn = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = _checked(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged.append(number)
            continue
        found.setdefault(record["unit"], {})[record["cluster"]] = record
    if damaged:
        which = ", ".join(map(str, damaged[:3])) + (" ..." if len(damaged) > 3 else "")
        notes.append(
            f"{path.name} has {len(damaged):,} damaged "
            f"{'line' if len(damaged) == 1 else 'lines'} ({which}), left out: delete them and run "
            "the command again."
        )
    if torn:
        notes.append(f"The last line of {path.name} is torn: the next run finishes its unit.")
    return {
        unit: sorted(records.values(), key=lambda record: record["cluster"] or 0)
        for unit, records in sorted(found.items())
    }


def _checked(line: Any) -> Record:
    """Return a line as a record that can be shown without looking at it again."""
    record: Record = _printable(line)
    whole = ("unit", "num_ranges", "hits", "length")
    for key in whole:
        if type(record[key]) is not int or record[key] < 0:
            raise TypeError(key)
    if record["cluster"] is not None and type(record["cluster"]) is not int:
        raise TypeError("cluster")
    if not isinstance(record["iou"], int | float) or isinstance(record["iou"], bool):
        raise TypeError("iou")
    if (record["cluster"] is None) != (record["range"] is None):
        raise TypeError("range")
    if record["range"] is not None:
        lower, upper = (None if end is None else float(end) for end in record["range"])
        record["range"] = [lower, upper]
    if (record["formula"] is None) != (record["labels"] is None):
        raise TypeError("formula")
    if record["formula"] is not None:
        if not isinstance(record["formula"], str):
            raise TypeError("formula")
        if length_of(from_json(record["labels"])) != len(names_in(record["formula"])):
            raise ValueError("the formula's text and tree differ")
    return record


def _printable(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {printable(str(key)): _printable(each) for key, each in value.items()}
        case _:
            return value


def _note_progress(
    directory: Path,
    units: dict[int, list[Record]],
    about: dict[str, Any],
    sessions: list[dict[str, Any]],
    notes: list[str],
) -> None:
    cut_off = [unit for unit, records in units.items() if len(records) < records[0]["num_ranges"]]
    if cut_off:
        some = ", ".join(map(str, cut_off[:5])) + (" ..." if len(cut_off) > 5 else "")
        notes.append(f"Ranges are missing of {len(cut_off):,} units ({some}).")
    total = about.get("units")
    if isinstance(total, int) and len(units) < total:
        notes.append(f"{len(units):,} of the layer's {total:,} units are explained.")
    if sessions and "finished" not in sessions[-1]:
        if is_being_written(directory):
            notes.append("Another ccx is writing in it right now.")
        else:
            notes.append("The last session did not finish: the same command goes on from there.")
