"""What a stored run was made from, as a worker opens it, by the run's header."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, load_index
from ccx_cli.errors import CcxError
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.runs.dask_worker import kept, memory_of_worker
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import Shard, ShardedCache

one_pass = Lock()
"""Held while a task runs a network, whose hooks are of one pass at a time."""


@dataclass(frozen=True, slots=True)
class StoredInputs:
    """What names the inputs of a run for a worker; ``digest`` is that of its header."""

    directory: Path
    roots: Roots
    digest: str

    @classmethod
    def of(cls, inputs: RunInputs) -> StoredInputs:
        """Name inputs that this process has opened, and was allowed to."""
        directory = inputs.run.directory.absolute()
        return cls(directory, inputs.roots.absolute(), file_digest(directory / HEADER))

    @property
    def header(self) -> Path:
        """The file by which a worker shows that it sees the run."""
        return self.directory / HEADER

    def opened(self) -> RunInputs:
        """Open the inputs, which whoever named them has compared with what is there."""
        run, load = Run(self.directory), partial(load_kept_index, None)
        return RunInputs(run, self.roots, compared=True, trusted=True, load=load)


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """Checks that a worker has the weights and the code of a network; ``identity`` is theirs."""

    choice: NetworkDescription
    identity: str

    @classmethod
    def of(cls, choice: NetworkDescription) -> NetworkCheck:
        """Check that a worker has this network as it is here."""
        return cls(choice.absolute(), json.dumps(choice.identity()))

    def __call__(self) -> None:
        """Raise a ``CcxError`` that says what is wrong."""
        try:
            found = self.choice.identity()
        except CcxError as error:
            raise CcxError(f"cannot make the network: {error}") from error
        expected = json.loads(self.identity)
        other = [key for key in expected if found.get(key) != expected[key]]
        if other:
            raise CcxError(
                f"have another network of this name ({', '.join(other)}): mount the same "
                "directories and install the same packages there"
            )


@dataclass(frozen=True, slots=True)
class _Loaded:
    dataset: Path
    subset: str
    cache: Path
    made_from: str
    shards: frozenset[tuple[str, Shard]]
    memory: int | None


def load_kept_index(
    memory: int | None, dataset: BrodenDataset, cache: ShardedCache
) -> ConceptIndex:
    """Load a concept index on a worker, which keeps it for the next command."""
    made_from = json.dumps(cache.made_from, sort_keys=True)
    # Labels that changed in place are not seen by name and size: the shards are.
    shards = frozenset(cache.shards.items())
    key = _Loaded(dataset.directory, dataset.subset, cache.directory, made_from, shards, memory)
    load = partial(load_index, dataset, cache, memory, soft_memory=memory_of_worker())
    return kept(key, load, by_contents=True)
