"""Units are explained by the workers of a Dask cluster, which read the caches from a shared disk.

A worker opens runs by their headers, as ``ccx rerun`` does. It writes nothing: the process that
began the runs stores ranges and lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from ccx_cli.concepts.broden import read_dataset
from ccx_cli.runs.caches_on_dask import proof_in, remove_left_proofs
from ccx_cli.runs.dask_worker import forget, kept
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.inputs_on_dask import load_kept_index
from ccx_cli.runs.job import ExplainJob, stored_job
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.preparing import Inputs
from ccx_cli.runs.run import Run
from ccx_cli.runs.splits import Concepts
from ccx_cli.runs.unit_queue import Explained, UnitTasks
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import read_manifest


@dataclass(frozen=True, slots=True)
class _Session:
    """What the runs of several layers have in common, and a worker keeps with all of them."""

    directories: tuple[Path, ...]
    roots: Roots
    device: str
    memory: int | None


@contextmanager
def units_on(
    cluster: DaskCluster, runs: Sequence[Run], roots: Roots, device: str, memory: int | None
) -> Iterator[UnitTasks]:
    """Explain units of the runs of layers, whose headers are written, on a cluster.

    ``memory`` is what ``load_index`` may take on each worker.
    """
    directories = tuple(run.directory.absolute() for run in runs)
    session = _Session(directories, roots.absolute(), device, memory)
    # Headers prove nothing: they change as layers are finished.
    remove_left_proofs(session.roots.results)
    with proof_in(session.roots.results) as proof, cluster.tasks(proof) as tasks:
        explain = [partial(_explain, session, directory) for directory in session.directories]
        yield UnitTasks(tasks, explain)


def open_ahead(cluster: DaskCluster, inputs: Inputs) -> None:
    """Have workers load the concept index, which is made, while this process prepares runs."""
    dataset = inputs.dataset
    cluster.ahead(
        _open_ahead,
        inputs.memory,
        dataset.directory.absolute(),
        dataset.subset,
        inputs.index_cache.directory.absolute(),
    )


def _open_ahead(memory: int | None, dataset: Path, subset: str, cache: Path) -> None:
    forget(_Session)  # Its index may be another, and there is memory for one.
    load_kept_index(memory, read_dataset(dataset, subset), read_manifest(cache))


_opening = Lock()


def _explain(session: _Session, directory: Path, unit: int) -> Explained:
    """Explain a unit on a worker, which keeps the concepts once for all layers."""
    with _opening:
        jobs = kept(session, dict[Path, ExplainJob])
        if directory not in jobs:
            other = next(iter(jobs.values()), None)
            concepts = None
            if other is not None:
                explainer = other.explainer
                assert explainer.summer is not None
                concepts = Concepts(explainer.index, explainer.data, other.split, explainer.summer)
            device = _resolved(session.device)
            load = partial(load_kept_index, session.memory)
            inputs = RunInputs(Run(directory), session.roots, compared=True, load=load)
            jobs[directory] = stored_job(inputs, device, concepts)
    return jobs[directory].explain_unit(unit)


def _resolved(device: str) -> str:
    if device == "cpu":
        return device
    from ccx_cli.probe.networks.devices import resolve_device  # Loads torch.

    return str(resolve_device(device))
