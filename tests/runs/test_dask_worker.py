"""What a worker of a cluster keeps for later tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccx_cli.runs.dask_worker import describe, kept, work


@pytest.mark.parametrize("by_contents", [False, True])
def test_what_a_worker_read_for_a_command_is_not_that_of_the_next(
    tmp_path: Path, by_contents: bool
) -> None:
    labels = tmp_path / "index.csv"

    def read() -> str:
        return kept(labels, labels.read_text, by_contents=by_contents)

    def told(command: str) -> str:
        return work(command, describe((), None), None, read, ())

    labels.write_text("old")
    assert told("first") == "old"
    labels.write_text("new")
    assert told("first") == "old"
    assert told("second") == ("old" if by_contents else "new")
