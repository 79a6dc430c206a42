"""One stored run: a directory with a header, and one explanation a line."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ccx_cli.errors import DamagedDataError
from ccx_cli.printable import printable
from ccx_cli.records.columns import Columns
from ccx_cli.records.explanation import BriefExplanation, ExplanationRecord
from ccx_cli.records.fields import Json, Record
from ccx_cli.records.header import (
    FORMAT,
    VERSION,
    About,
    Header,
    Identity,
    Session,
    check_header,
    read_header,
)
from ccx_cli.records.lines import RecordLines, UnitLines, is_whole, made_printable
from ccx_cli.runs.naming import Naming, read_naming
from ccx_cli.runs.unit_spans import read_spans
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import json_digest
from ccx_cli.store.locks import is_being_written
from ccx_cli.version import __version__

HEADER = "header.json"
DAMAGED_HEADER = "header.damaged.json"
LINES = "explanations.jsonl"

R = TypeVar("R", bound=Record)

_NEEDED = {
    "about": ("model", "pretrained", "layer", "subset", "seed", "units"),
    "identity": ("segmentation", "activations", "ranges", "search"),
}


class DamagedHeaderError(DamagedDataError):
    """A header that cannot be read; the lines beside it may be whole."""


class RunState(StrEnum):
    """How far a run is."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"
    BEING_WRITTEN = "being written"


@dataclass(frozen=True, slots=True)
class _Headed:
    """A header, a sentence on what is wrong with it, and the identity as it is written."""

    header: Header
    fault: str = ""
    key: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Read:
    """Lines by unit, and sentences on damaged ones and on a torn one."""

    units: Mapping[int, list[ExplanationRecord]]
    damaged: str = ""
    torn: str = ""


class Run:
    """One run's directory, as it is when it is first looked at.

    It is read leniently: what is incomplete, damaged, being written or of another version is shown
    as far as it goes, and ``notes`` say what is wrong. ``require_header``, ``raw_header``,
    ``lines.finished`` and ``strict`` raise ``DamagedDataError`` where a command needs more.
    """

    def __init__(
        self, directory: Path, key: Mapping[str, Any] | None = None, *, shown: bool = False
    ) -> None:
        """Name a run by its directory and the identity that its header must hold, ``None`` for any.

        Where it is ``shown`` on a screen, control characters in all texts are replaced.
        """
        self.directory = directory
        self.key = None if key is None else dict(key)
        self._shown = shown

    @classmethod
    def named(cls, results: Path, title: str, key: Mapping[str, Any]) -> Run:
        """Name the run of an identity under the results root: ``title`` and a digest."""
        return cls(results / f"{title}-{json_digest(dict(key))[:10]}", key)

    def __repr__(self) -> str:
        return f"Run({str(self.directory)!r})"

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.directory.name

    @cached_property
    def naming(self) -> Naming:
        """What its user calls it, and says of it."""
        found = read_naming(self.directory)
        if self._shown:
            found = Naming(*(part and printable(part) for part in (found.name, found.note)))
        return found

    @property
    def called(self) -> str:
        """The name that its user gave it, else that of its directory."""
        return self.naming.name or self.name

    @property
    def lines(self) -> RecordLines[ExplanationRecord]:
        """The file of explanations."""
        path = self.directory / LINES
        return RecordLines(path, ExplanationRecord, self._shown, brief=BriefExplanation)

    @property
    def header(self) -> Header:
        """What the header says, as far as it can be read."""
        return self._headed.header

    @property
    def about(self) -> About:
        """What the run is about."""
        return self.header.about

    @property
    def identity(self) -> Identity:
        """What its lines depend on."""
        return self.header.identity

    @property
    def identity_key(self) -> Json:
        """The identity as it is written, to compare with or to make a digest of."""
        return self._headed.key

    @property
    def search_identity(self) -> Json:
        """The identity of its search as it is written, whatever parameters that search takes."""
        search = self.identity_key.get("search")
        return search if isinstance(search, dict) else {}

    @property
    def sessions(self) -> list[Session]:
        """The processes that worked on it."""
        return self.header.sessions

    @property
    def units(self) -> Mapping[int, list[ExplanationRecord]]:
        """The records of every unit that has any, by unit, in cluster order.

        They are read from the file whenever they are asked for, unless they are ``with_units``.
        """
        return self._read.units

    @property
    def records(self) -> Iterator[ExplanationRecord]:
        """All records, by unit and cluster."""
        return self.records_as(ExplanationRecord)

    def records_as(self, kind: type[R]) -> Iterator[R]:
        """Read of all records the keys of another kind alone, which takes less time."""
        units: Mapping[int, Sequence[Any]] = self.units
        if isinstance(units, UnitLines):
            units = units.of_kind(kind)
        return (record for records in units.values() for record in records)

    @property
    def listed(self) -> Mapping[int, Sequence[ExplanationRecord]]:
        """The records of every unit, of a large run without what only ``units`` is needed for.

        They have what ``simplified`` makes of them, and all keys but the formulas beside theirs.
        """
        return self.units.in_brief() if isinstance(self.units, UnitLines) else self.units

    @property
    def columns(self) -> tuple[Columns, Sequence[int]] | None:
        """Of a large run, columns of explanations, simplest forms, and which rows are its units'.

        Other runs have none that are kept.
        """
        return self.units.columns if isinstance(self.units, UnitLines) else None

    def only(self, units: Iterable[int]) -> Mapping[int, list[ExplanationRecord]]:
        """Return the records of some units, by unit."""
        if isinstance(self.units, UnitLines):
            return self.units.only(units)
        return {unit: self.units[unit] for unit in units}

    @property
    def finished_units(self) -> list[int]:
        """The units whose lines are all there, ascending."""
        if isinstance(self.units, UnitLines):
            return sorted(self.units.whole)
        return [unit for unit, records in self.units.items() if is_whole(records)]

    @cached_property
    def asked_units(self) -> list[int] | None:
        """The units that all sessions asked for; ``None`` where the header does not say."""
        total = self.about.units
        said = [session.asked for session in self.sessions if session.asked is not None]
        if not said or total is None:
            return None
        try:
            asked = {unit for spans in said for unit in read_spans(spans, total)}
        except ValueError:
            return None
        # Sessions of older versions did not write down what they were asked for.
        return sorted(asked | set(self.finished_units))

    @property
    def state(self) -> RunState:
        """How far it is."""
        state = self.header_state
        if state in {RunState.BEING_WRITTEN, RunState.DAMAGED}:
            return state
        if self._read.damaged:
            return RunState.DAMAGED
        asked = self.asked_units
        left = asked is not None and len(asked) > len(self.finished_units)
        return RunState.UNFINISHED if left else state

    @property
    def header_state(self) -> RunState:
        """How far it is by its header alone, which takes no time however many lines there are."""
        if is_being_written(self.directory):
            return RunState.BEING_WRITTEN
        if self._headed.fault or not self.identity_key or self.about == About():
            return RunState.DAMAGED
        ended = bool(self.sessions) and self.sessions[-1].finished is not None
        return RunState.FINISHED if ended else RunState.UNFINISHED

    @property
    def fault(self) -> str:
        """A sentence on what is wrong with the header."""
        return self._headed.fault

    @property
    def is_of_other_version(self) -> bool:
        """Whether another version of ccx wrote the header."""
        return "of another version" in self._headed.fault

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is missing, damaged or still being written."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        yield from filter(None, (self._headed.fault, self._read.damaged, self._read.torn))
        cut_off = sorted(set(self.units).difference(self.finished_units))
        if cut_off:
            yield f"Units with missing ranges: {len(cut_off):,} ({_some(cut_off, 5)})."
        total = self.about.units
        if total is not None and len(self.units) < total:
            yield f"{len(self.units):,} of the layer's {total:,} units are explained."
        if self.sessions and self.sessions[-1].finished is None:
            if is_being_written(self.directory):
                yield "Another ccx is writing to it right now."
            else:
                yield "The last session did not finish: the same command resumes it."

    @cached_property
    def _headed(self) -> _Headed:
        """The header, as far as it can be read."""
        path = self.directory / HEADER
        unknown = "how these lines were made is unknown."
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return _Headed(Header(), f"There is no {path}: {unknown}")
        except (OSError, ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            return _Headed(Header(), f"{path} cannot be read: {unknown}")
        fault, written = "", (raw.get("format"), raw.get("version"))
        if written != (FORMAT, VERSION):
            version = " ".join(printable(str(each)) for each in written)
            fault = f"{path} is of another version of ccx ({version}): some of it may not be shown."
        else:
            try:
                self._check(raw)
            except _FAULTS as error:
                fault = f"{path} is damaged ({_fault(error)}): some of it may not be shown."
        if self._shown:
            raw |= {part: made_printable(raw.get(part)) for part in ("about", "sessions")}
        key = raw.get("identity")
        return _Headed(read_header(raw), fault, key if isinstance(key, dict) else {})

    @cached_property
    def _read(self) -> _Read:
        return self._read_lines()

    def read_lines(self, seen: Callable[[ExplanationRecord], object]) -> None:
        """Read the lines as ``units`` does, and show every record to ``seen`` on the way."""
        self._read = self._read_lines(seen)

    def _read_lines(self, seen: Callable[[ExplanationRecord], object] | None = None) -> _Read:
        """Read the lines as far as they can be read."""
        damaged: list[int] = []
        try:
            units = self.lines.by_unit(lambda number, _: damaged.append(number), seen)
            torn = self._torn()
        except OSError as error:
            return _Read({}, f"{self.directory / LINES} cannot be read ({error.strerror}).")
        return _Read(
            units,
            f"{LINES} has {len(damaged):,} damaged {'line' if len(damaged) == 1 else 'lines'} "
            f"({_some(damaged, 3)}), left out: delete them and run the command again."
            if damaged
            else "",
            torn,
        )

    def _torn(self) -> str:
        torn = False
        with suppress(OSError):  # What reads the lines says so.
            torn = self.lines.is_torn()
        return f"The last line of {LINES} is torn: the next run finishes its unit." if torn else ""

    def require_header(self, *also: str) -> Header:
        """Read the header again, strictly; ``also`` are keys that ``about`` must have too."""
        raw = self.raw_header()
        if not raw:
            raise DamagedDataError(
                f"There is no {self.directory / HEADER}: run `ccx explain` again, which keeps the "
                "lines."
            )
        for part, keys in _NEEDED.items():
            for key in (*keys, *(also if part == "about" else ())):
                if key not in raw.get(part, ()):
                    raise DamagedDataError(
                        f"{self.directory / HEADER} does not have the {key} of the run: run "
                        "`ccx explain` again."
                    )
        return read_header(raw)

    def raw_header(self) -> Json:
        """Read the header again as it is written, ``{}`` if there is none yet.

        One that cannot be read raises ``DamagedHeaderError``, any other ``DamagedDataError``.
        """
        path = self.directory / HEADER
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            written = header["format"], header["version"]
            if written == (FORMAT, VERSION):
                self._check(header)
        except FileNotFoundError:
            return {}
        except _FAULTS as error:
            raise DamagedHeaderError(
                f"{path} is damaged: run the `ccx explain` that made it again, which writes it "
                "again and keeps the lines."
            ) from error
        if written != (FORMAT, VERSION):
            raise DamagedDataError(
                f"{path} is not a header of this version of ccx: move {self.directory} away and "
                "run the command again."
            )
        return dict(header)

    def has_header(self) -> bool:
        """Tell whether the header is there and can be read; one of another version is refused."""
        try:
            return bool(self.raw_header())
        except DamagedHeaderError:
            return False

    def strict(self, *also: str) -> Run:
        """Return the run with its finished units only; ``also`` is ``require_header``'s."""
        total = self.require_header(*also).about.units
        units = self.lines.finished()
        for unit in units:
            if total is not None and unit >= total:
                raise DamagedDataError(
                    f"{self.directory / LINES}: a line is of unit {unit}, but the layer has "
                    f"{total} units: delete it and run `ccx explain` again."
                )
        return self.with_units(units)

    def with_units(self, units: Mapping[int, list[ExplanationRecord]]) -> Run:
        """Return the run with only some of its records."""
        other = copy(self)
        other.__dict__.pop("asked_units", None)
        # Lines are not read for this alone.
        read = self.__dict__.get("_read") or _Read({}, torn=self._torn())
        other._read = replace(read, units=units)
        return other

    def begin_session(self, about: Mapping[str, Any], session: Mapping[str, Any]) -> None:
        """Add a session to the header, keeping one that cannot be read beside it; hold the lock."""
        path = self.directory / HEADER
        if not self.has_header() and path.exists():
            path.replace(self.directory / DAMAGED_HEADER)
        header = self.raw_header() or {
            "format": FORMAT,
            "version": VERSION,
            "identity": self.key or {},
            "sessions": [],
        }
        header["about"] = dict(about)
        process = {"host": platform.node(), "pid": os.getpid()}
        header["sessions"].append({"program": __version__, "started": _now(), **process, **session})
        self.write_header(header)

    def end_session(self, **outcome: Any) -> None:
        """Add what came of it to the last session of the header; hold the lock."""
        header = self.raw_header()
        header["sessions"][-1] |= {"finished": _now(), **outcome}
        self.write_header(header)

    def write_header(self, header: Json) -> None:
        """Write the header as it is to be; hold the lock."""
        write_text(self.directory / HEADER, json.dumps(header, indent=1) + "\n")

    def _check(self, raw: Json) -> None:
        check_header(raw)
        if self.key and raw["identity"] != json.loads(json.dumps(self.key)):
            raise ValueError("not what the directory's name says")


_FAULTS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _fault(error: Exception) -> str:
    text = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    return printable(text)


def _some(numbers: Sequence[int], most: int) -> str:
    return ", ".join(map(str, numbers[:most])) + (" ..." if len(numbers) > most else "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
