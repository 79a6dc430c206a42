"""What explaining took before, for plans of what cannot be measured yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ccx_cli.runs.run import Run

# What the time of a unit depends on, but for where it fires.
_ALIKE = ("segmentation", "ranges", "search", "split")


def seconds_of_unit(
    runs: Iterable[Run], identity: Mapping[str, Any], map_size: Sequence[int] | None
) -> tuple[float, Run] | None:
    """Return what a unit took one worker in that of the runs that is like one to be made, and it.

    It has the same labels, ranges and search; the network and the layer may be others. One of maps
    of ``map_size`` is preferred: a unit of large maps can take ten times as long. Of all sessions
    it is the one of most units, as each begins with what is done once. Those on a cluster say
    nothing: how many workers that had is not known.
    """
    sessions = [
        (has_size(run, map_size), session.units, session.seconds, session.workers or 1, run)
        for run in runs
        if all(run.identity_key.get(part) == identity.get(part) for part in _ALIKE)
        for session in run.sessions
        if session.units and session.seconds and "--dask" not in (session.command or "")
    ]
    if not sessions:
        return None
    _, units, seconds, workers, run = max(sessions, key=itemgetter(0, 1))
    return seconds * min(workers, units) / units, run


def has_size(run: Run, map_size: Sequence[int] | None) -> bool:
    """Tell whether a run is of activation maps of a size, if that is known."""
    return map_size is not None and run.about.map_size == list(map_size)
