"""What a stored run was made from, as a worker opens it, by the run's header."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock

from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import Roots

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
        roots = {each.name: getattr(inputs.roots, each.name).absolute() for each in fields(Roots)}
        directory = inputs.run.directory.absolute()
        return cls(directory, Roots(**roots), file_digest(directory / HEADER))

    @property
    def header(self) -> Path:
        """The file by which a worker shows that it sees the run."""
        return self.directory / HEADER

    def opened(self) -> RunInputs:
        """Open the inputs, which whoever named them has compared with what is there."""
        return RunInputs(Run(self.directory), self.roots, compared=True, trusted=True)
