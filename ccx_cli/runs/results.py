"""Old names of ``ccx_cli.runs.run``, until every room uses the new ones."""

from ccx_cli.runs.run import (
    DAMAGED_HEADER,
    HEADER,
    LINES,
    DamagedHeaderError,
    find_run,
    stored_runs,
)
from ccx_cli.runs.run import Run as ResultsRun

__all__ = [
    "DAMAGED_HEADER",
    "HEADER",
    "LINES",
    "DamagedHeaderError",
    "ResultsRun",
    "find_run",
    "stored_runs",
]
