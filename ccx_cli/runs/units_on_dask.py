"""Units are explained by the workers of a Dask cluster, which read the caches from a shared disk.

A worker opens the run by its header, as ``ccx rerun`` does. It writes nothing: the process that
began the run stores ranges and lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccx_cli.runs.job import Explained, UnitTasks, stored_job
from ccx_cli.runs.on_dask import DaskCluster, kept
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.store.paths import Roots


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker opens a run by."""

    directory: Path
    roots: Roots
    device: str


@contextmanager
def units_on(cluster: DaskCluster, run: Run, roots: Roots, device: str) -> Iterator[UnitTasks]:
    """Explain units of a run, whose header is written, on a cluster."""
    with cluster.tasks(run.directory / HEADER) as tasks:
        yield UnitTasks(tasks, partial(_explain, _Job(run.directory.absolute(), roots, device)))


def _explain(job: _Job, unit: int) -> Explained:
    """Explain a unit on a worker."""
    run = Run(job.directory)
    opened = kept(job, lambda: stored_job(run, job.roots, job.device))
    return opened.explain_unit(unit)
