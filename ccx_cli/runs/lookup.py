"""Finds stored runs by what people call them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ccx_cli.errors import MissingInputError, UsageError, suggestion
from ccx_cli.runs.naming import Naming, check_name, write_naming
from ccx_cli.runs.run import HEADER, LINES, Run

# The end of a run's directory: the digest of its identity.
_DIGEST = re.compile(r"-([0-9a-f]{10})$")
_SHORTEST_DIGEST = 4


def stored_runs(results: Path) -> list[Run]:
    """Return the runs under the results root, those last worked on first."""
    headers = sorted(results.glob(f"*/{HEADER}"), key=lambda path: -path.stat().st_mtime_ns)
    return [Run(path.parent) for path in headers]


def find_run(results: Path, name: str | None) -> Run:
    """Find a stored run: the last one, or by directory, digest or name, or the beginning of one."""
    runs = stored_runs(results)
    if name is None:
        if not runs:
            raise MissingInputError(
                f"There are no explanations in {results}: make some with `ccx explain`, or with "
                "`ccx demo`."
            )
        return next((run for run in runs if not run.about.made_for), runs[0])
    fitting = _fitting(runs, results, name)
    if len(fitting) > 1:
        names = [run.called for run in fitting[:3]]
        if len(fitting) > len(names):
            names.append(f"{len(fitting) - len(names):,} more")
        raise UsageError(
            f"The run {name} may be {' or '.join(names)}: write more of its name; `ccx info --all` "
            "lists them."
        )
    return fitting[0]


def find_runs(results: Path, names: Iterable[str]) -> list[Run]:
    """Find all runs that the names fit, each once: also patterns with ``*``, ``?`` and ``[...]``.

    Those of one name are in the order of their layers' names and numbers. Runs that were made for
    another one are left out, unless nothing else fits.
    """
    runs = stored_runs(results)
    found: dict[Path, Run] = {}
    for name in names:
        fitting = _fitting(runs, results, name)
        own = [run for run in fitting if not run.about.made_for] or fitting
        for run in sorted(own, key=lambda run: _by_number(run.about.layer_text or "")):
            found.setdefault(run.directory.resolve(), run)
    return list(found.values())


def _fitting(runs: Sequence[Run], results: Path, name: str) -> list[Run]:
    """Return the runs that a name fits, of which there is one at least."""
    # One that lost its header is found by its whole name only.
    for directory in (Path(name), results / name):
        if any((directory / file).is_file() for file in (HEADER, LINES)):
            return [Run(directory)]
    fitting = [run for run in runs if run.naming.name == name] or [
        run for run in runs if _fits(run, name)
    ]
    if not fitting:
        known = dict.fromkeys(each for run in runs for each in (run.called, run.name))
        raise MissingInputError(f"There is no run {name} in {results}{_instead(name, known)}")
    return fitting


def _by_number(text: str) -> list[str | int]:
    """Sort ``features.9`` before ``features.10``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", text)]


def call_run(run: Run, name: str | None, note: str | None) -> Run:
    """Keep a name and a note of a run; UsageError if the name is none, or another run's."""
    if name is None and note is None:
        return run
    if name:
        check_name(name)
        for other in stored_runs(run.directory.parent):
            is_same = other.directory.absolute() == run.directory.absolute()
            if not is_same and name in (other.name, other.naming.name):
                raise UsageError(
                    f"`name` {name} is what another run is called, {other.name}: choose another "
                    f"name, or rename that one with `ccx info {digest_of(other)} --name OTHER`."
                )
    was = run.naming
    name, note = was.name if name is None else name, was.note if note is None else note
    write_naming(run.directory, Naming(name, note))
    return Run(run.directory, run.key)


def short_name(run: Run, others: Iterable[Run]) -> str:
    """Return the shortest of a run's names that stands for it alone among all runs."""
    apart = (other for other in others if other.directory != run.directory)
    return short_names([run, *apart])[run.directory]


def short_names(runs: Sequence[Run]) -> dict[Path, str]:
    """Return the ``short_name`` of each run, by its directory."""
    digests, names = Counter(map(digest_of, runs)), Counter(run.name for run in runs)

    def unnamed(run: Run) -> str:
        if digests[digest_of(run)] == 1:
            return digest_of(run)
        return run.name if names[run.name] == 1 else str(run.directory)

    return {run.directory: run.naming.name or unnamed(run) for run in runs}


def digest_of(run: Run) -> str:
    """Return the digest that ends the name of a run's directory; where none does, all of it."""
    found = _DIGEST.search(run.name)
    return found[1] if found else run.name


def _fits(run: Run, name: str) -> bool:
    return (
        run.name.startswith(name)
        or run.called.startswith(name)
        or any(fnmatchcase(each, name) for each in (run.name, run.called))
        or (len(name) >= _SHORTEST_DIGEST and digest_of(run).startswith(name))
    )


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
