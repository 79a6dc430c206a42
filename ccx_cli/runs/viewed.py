"""Old names of ``ccx_cli.runs.run``, until every room uses the new ones."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots


class ViewedRun(Run):
    """A run that is shown, and its inputs."""

    roots: Roots

    @cached_property
    def inputs(self) -> Any:
        """The inputs."""
        from ccx_cli.runs.inputs import RunInputs

        return RunInputs(self, self.roots)

    @cached_property
    def dataset(self) -> Any:
        """The dataset."""
        return self.inputs.dataset

    @cached_property
    def index(self) -> Any:
        """The concept index."""
        return self.inputs.index

    @cached_property
    def activations(self) -> Any:
        """The activations."""
        return self.inputs.activations


def view_run(run: Run, roots: Roots) -> ViewedRun:
    """Open a run to be shown."""
    viewed = ViewedRun(run.directory, shown=True)
    viewed.roots = roots
    return viewed
