"""Studies and annotation with ``--dask``: what is kept is what one machine keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
STUDIES = {
    "metrics": ("metrics", "--null", "20", "--bootstrap", "10"),
    "masking": ("metrics", "--label-masking", "--masking-images", "2", "--batch-size", "2"),
    "importance": ("importance", "--batch-size", "4"),
    "importance per unit": ("importance", "--per", "unit", "--batch-size", "4"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


def kept(ccx: CommandLine) -> dict[str, list[str]]:
    """The lines that studies keep beside the run, sorted, by file."""
    files = ccx.files("results/*/*-*.jsonl") + ccx.files("results/*/*importance*.json")
    return {path.name: sorted(path.read_text().splitlines()) for path in files}


@pytest.mark.parametrize("study", STUDIES)
def test_what_is_kept_is_what_one_machine_keeps(ccx: CommandLine, cluster: Any, study: str) -> None:
    words = [*STUDIES[study], "--format", "jsonl"]
    shown = ccx(*words, "--dask", cluster.scheduler_address)
    assert shown.code == 0, shown.err
    there = kept(ccx)
    for path in ccx.files("results/*/*"):
        if path.name in there:
            path.unlink()
    alone = ccx(*words, "--workers", "1")
    assert alone.code == 0, alone.err
    assert there
    assert there == kept(ccx)
    assert shown.out == alone.out
