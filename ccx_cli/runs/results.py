"""Results: one explanation a line, under a header that says how they were made.

A run is a directory with ``header.json`` and ``explanations.jsonl``. A unit's lines are appended
in one write and flushed, so that a killed run keeps every finished unit; a torn last line is
dropped, and a unit counts as finished once all its lines are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.store.atomic import write_text
from ccx_cli.store.lines import Record, UnitLines
from ccx_cli.version import __version__

FORMAT = "ccx-results"
VERSION = 1
HEADER = "header.json"
DAMAGED_HEADER = "header.damaged.json"
LINES = "explanations.jsonl"


class DamagedHeaderError(DamagedDataError):
    """A header that cannot be read; the lines beside it may be whole."""


@dataclass(frozen=True, slots=True)
class ResultsRun:
    """One run's directory.

    Attributes
    ----------
    directory
        Where its files are.
    identity
        Everything its lines depend on.
    """

    directory: Path
    identity: Mapping[str, Any]

    @classmethod
    def named(cls, results: Path, title: str, identity: Mapping[str, Any]) -> ResultsRun:
        """Name the run of ``identity`` under the results root: ``title`` and a digest."""
        digest = sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:10]
        return cls(results / f"{title}-{digest}", dict(identity))

    @property
    def lines(self) -> UnitLines:
        """The explanations."""
        return UnitLines(self.directory / LINES)

    def finished(self) -> dict[int, list[Record]]:
        """Read the units whose lines are all there; see ``UnitLines.finished``."""
        return self.lines.finished()

    def append(self, records: Iterable[Record]) -> None:
        """Append one unit's lines; hold the directory's lock."""
        self.lines.append(records)

    def drop_torn_line(self) -> None:
        """Cut off what a killed writer left after the last whole line; hold the lock."""
        self.lines.drop_torn_line()

    def header(self) -> dict[str, Any]:
        """Read the header, ``{}`` if there is none yet.

        Raises
        ------
        DamagedDataError
            If it cannot be read (``DamagedHeaderError``) or is of another version.
        """
        path = self.directory / HEADER
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            written = header["format"], header["version"]
            if written == (FORMAT, VERSION):
                _check_types(header)
                if self.identity and header["identity"] != _as_json(self.identity):
                    raise ValueError("not what the directory's name says")
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedHeaderError(
                f"{path} is damaged: run the `ccx explain` that made it again, which writes it "
                "anew and keeps the lines."
            ) from error
        if written != (FORMAT, VERSION):
            raise DamagedDataError(
                f"{path} is no header of this version of ccx: move {self.directory} away and run "
                "the command again."
            )
        return dict(header)

    def has_header(self) -> bool:
        """Tell whether the header is there and can be read.

        Raises
        ------
        DamagedDataError
            If it is of another version.
        """
        try:
            return bool(self.header())
        except DamagedHeaderError:
            return False

    def begin_session(self, about: Mapping[str, Any], session: Mapping[str, Any]) -> None:
        """Add a session to the header, which is made if there is none; hold the lock.

        One that cannot be read is kept beside the new one as ``header.damaged.json``.

        Parameters
        ----------
        about
            What the lines are about, for people and for programs that look things up.
        session
            How this process was called.
        """
        if not self.has_header() and (self.directory / HEADER).exists():
            (self.directory / HEADER).replace(self.directory / DAMAGED_HEADER)
        header = self.header() or {
            "format": FORMAT,
            "version": VERSION,
            "identity": dict(self.identity),
            "sessions": [],
        }
        header["about"] = dict(about)
        header["sessions"].append({"program": __version__, "started": _now(), **session})
        self._write_header(header)

    def end_session(self, **outcome: Any) -> None:
        """Add what came of it to the last session of the header; hold the lock."""
        header = self.header()
        header["sessions"][-1] |= {"finished": _now(), **outcome}
        self._write_header(header)

    def _write_header(self, header: Mapping[str, Any]) -> None:
        write_text(self.directory / HEADER, json.dumps(header, indent=1) + "\n")


def stored_runs(results: Path) -> list[ResultsRun]:
    """Return the runs under the results root, those last worked on first."""
    headers = sorted(results.glob(f"*/{HEADER}"), key=lambda path: -path.stat().st_mtime_ns)
    return [ResultsRun(path.parent, {}) for path in headers]


def find_run(results: Path, name: str | None) -> ResultsRun:
    """Find a stored run: by directory, by name, by the beginning of its name, or the last one.

    Raises
    ------
    MissingInputError
        If there is none.
    UsageError
        If the beginning fits several.
    """
    runs = {run.directory.name: run for run in stored_runs(results)}
    if name is None:
        if not runs:
            raise MissingInputError(
                f"There are no explanations in {results}: make some with `ccx explain`, or with "
                "`ccx demo`."
            )
        asked_for = (run for run in runs.values() if not _is_made_for_another(run))
        return next(asked_for, next(iter(runs.values())))
    # One that lost its header is found by its whole name only.
    for directory in (Path(name), results / name):
        if any((directory / file).is_file() for file in (HEADER, LINES)):
            return ResultsRun(directory, {})
    fitting = [run for key, run in runs.items() if key.startswith(name)]
    if len(fitting) > 1:
        names = " or ".join(run.directory.name for run in fitting[:3])
        raise UsageError(f"The run {name} may be {names}: write more of its name.")
    if not fitting:
        raise MissingInputError(f"There is no run {name} in {results}{_instead(name, runs)}")
    return fitting[0]


def _instead(name: str, runs: Iterable[str]) -> str:
    """Suggest the runs whose name, or the beginning of it, is near; else say which there are."""
    by_beginning: dict[str, str] = {}
    for run in runs:
        by_beginning.setdefault(run[: len(name)], run)
    near = suggestion(name, by_beginning, by_beginning)
    if near:
        return near
    some = list(by_beginning.values())[:3]
    if not some:
        return ": `ccx explain` makes one, and `ccx demo`."
    return f": there {'is' if len(some) == 1 else 'are'} {', '.join(some)}."


def _is_made_for_another(run: ResultsRun) -> bool:
    """Tell by its header; one that cannot be read says nothing."""
    try:
        return bool(run.header()["about"].get("made_for"))
    except (DamagedDataError, KeyError, AttributeError, TypeError):
        return False


def _check_types(header: Mapping[str, Any]) -> None:
    """Refuse a header whose parts, as far as they are there, are of other types."""
    if not all(isinstance(session, dict) for session in header["sessions"]):
        raise TypeError("sessions are objects")
    about, identity = header.get("about", {}), header.get("identity", {})
    for part, keys, kind in (
        (about, ("model", "pretrained", "layer", "subset", "dataset", "rebuild"), str),
        (about, ("segmentation", "activations"), str),
        (about, ("units",), int),
        (identity, ("activations", "ranges", "search"), dict),
    ):
        for key in keys:
            if key in part and not isinstance(part[key], kind):
                raise TypeError(f"{key} is of another type")


def _as_json(value: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(value)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
