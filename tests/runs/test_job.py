from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import SilentProgress
from ccx_cli.records import brief
from ccx_cli.records.explanation import BriefExplanation, ExplanationRecord
from ccx_cli.records.lines import BRIEF
from ccx_cli.runs.job import ExplainJob, units_here
from ccx_cli.runs.run import HEADER, LINES, Run, RunState
from ccx_cli.runs.unit_queue import explain_layers
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
    from tests.labelled_pixels import random_pixels
else:
    from heard_progress import HeardProgress
    from labelled_pixels import random_pixels

N_UNITS = 9
UNITS = range(N_UNITS)
SILENT = 4
METHOD = RangeMethod(3)


@dataclass(frozen=True)
class WatchedExplainer(Explainer):
    """An explainer that remembers its units, and holds those after unit 1 until the gate opens."""

    asked: list[int] = field(default_factory=list)
    gate: Event | None = None

    def explain(self, unit: int, maps: Maps, ranges: Sequence[Range]) -> list[ExplanationRecord]:
        self.asked.append(unit)
        if self.gate is not None and unit > 1:
            self.gate.wait()
        return super().explain(unit, maps, ranges)


@pytest.fixture
def activations(tmp_path: Path) -> Activations:
    """Nine units, one of which never fires, in two shards."""
    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(0, 1, (N_UNITS, 6, 5, 5)), 0).astype(np.float32)
    maps[SILENT] = 0
    cache = ShardedCache(tmp_path / "activations", "ccx-activations", 1, {}, "ccx cache build")
    names = ("images-000000-000004", "images-000004-000006")
    for name, part in zip(names, np.split(maps, [4], axis=1), strict=True):
        (tmp_path / "activations").mkdir(exist_ok=True)
        with cache.write(name) as file:
            file["activations"] = part
    return Activations(cache, names, N_UNITS, 6, (5, 5))


def job_on(activations: Activations, results: Path, gate: Event | None = None) -> ExplainJob:
    """The job as a fresh process has it."""
    index = random_pixels(np.random.default_rng(1), 6, (9, 9), range(1, 9)).index()
    return ExplainJob(
        explainer=WatchedExplainer(
            index, DataCounts(index), "layer4", 3, BeamStrategy(BeamSettings(2, 3)), gate=gate
        ),
        activations=activations,
        ranges=RangeCache(activations, METHOD, SilentProgress()),
        results=Run(results / "run", {"search": {"search": "beam"}}),
        about={"units": N_UNITS},
    )


def asked(job: ExplainJob) -> list[int]:
    assert isinstance(job.explainer, WatchedExplainer)
    return sorted(job.explainer.asked)


def run(
    job: ExplainJob, units: Sequence[int] = UNITS, workers: int = 1
) -> list[list[ExplanationRecord]]:
    return list(job.explain(units, workers, {"command": "ccx explain"}, SilentProgress()))


@pytest.fixture
def expected(activations: Activations, tmp_path: Path) -> list[list[ExplanationRecord]]:
    """All units' records, from a run that nothing disturbed."""
    return run(job_on(activations, tmp_path / "undisturbed"))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_records_come_in_the_order_asked_for_and_are_stored(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]], workers: int
) -> None:
    job = job_on(activations, tmp_path)
    progress = HeardProgress()
    order = [7, 0, 8, 3, SILENT]
    found = list(job.explain(order, workers, {"command": "ccx explain"}, progress))
    assert found == [expected[unit] for unit in order]
    assert [(task.total, task.done, task.unit) for task in progress.tasks] == [(5, 5, "units")]
    assert job.results.lines.finished() == {unit: expected[unit] for unit in sorted(order)}
    written = dict.fromkeys(record.unit for record in job.results.lines.read())
    assert list(written) == order or workers > 1
    (session,) = job.results.raw_header()["sessions"]
    assert (session["command"], session["units"]) == ("ccx explain", 5)


def test_what_lists_need_of_a_large_run_is_kept_at_the_end(
    activations: Activations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brief, "LEAST_BYTES", 1)
    job = job_on(activations, tmp_path)
    run(job)
    path, lines = (job.results.directory / name for name in (BRIEF, LINES))
    assert brief.read_brief(path, lines, BriefExplanation).size == lines.stat().st_size


def test_a_unit_that_never_fires_has_one_line(expected: list[list[ExplanationRecord]]) -> None:
    assert [len(records) for records in expected] == [3, 3, 3, 3, 1, 3, 3, 3, 3]
    assert expected[SILENT][0].cluster is None
    assert expected[SILENT][0].formula is None


def test_stored_units_are_not_explained_again(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]]
) -> None:
    run(job_on(activations, tmp_path), [1, 2, SILENT])
    more = job_on(activations, tmp_path)
    progress = HeardProgress()
    found = list(more.explain([1, 2, 3, SILENT], 2, {}, progress))
    assert found == [expected[unit] for unit in (1, 2, 3, SILENT)]
    assert asked(more) == [3]
    assert [(task.total, task.done) for task in progress.tasks] == [(4, 4)]
    assert [s.get("units") for s in more.results.raw_header()["sessions"]] == [3, 1]


def test_nothing_is_written_where_all_is_stored(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]]
) -> None:
    run(job_on(activations, tmp_path))
    job = job_on(activations, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in job.results.directory.iterdir()}
    assert run(job, [5, 1]) == [expected[5], expected[1]]
    assert asked(job) == []
    after = {path: path.stat().st_mtime_ns for path in job.results.directory.iterdir()}
    assert after == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_job_goes_on_to_the_same_results(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]], workers: int
) -> None:
    gate = Event()
    first = job_on(activations, tmp_path, gate)
    finding: Any = first.explain(UNITS, workers, {}, SilentProgress())
    with closing(finding):
        assert [next(finding), next(finding)] == expected[:2]
        gate.set()
    assert first.results.lines.finished() == {0: expected[0], 1: expected[1]}
    # Ranges that were found are kept, also without the explanation.
    nothing = np.zeros((0, 1, 1), dtype=np.float32)
    ranges = RangeCache(activations, METHOD, SilentProgress())
    assert [len(ranges.of(unit, nothing)) for unit in (0, 1)] == [3, 3]

    second = job_on(activations, tmp_path)
    assert run(second, workers=workers) == expected
    assert asked(second) == list(UNITS)[2:]
    sessions = second.results.raw_header()["sessions"]
    assert ["finished" in session for session in sessions] == [False, True]
    lines = (second.results.directory / LINES).read_bytes().splitlines()
    assert len(lines) == sum(len(records) for records in expected)


@pytest.mark.parametrize("cut", [3, 80, 250, 420])
def test_a_torn_file_is_mended_to_the_same_results(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]], cut: int
) -> None:
    job = job_on(activations, tmp_path)
    run(job, [0, 1, 2])
    path = job.results.directory / LINES
    path.write_bytes(path.read_bytes()[:-cut])
    again = job_on(activations, tmp_path)
    assert run(again) == expected
    assert again.results.lines.finished() == dict(enumerate(expected))


def test_a_layer_is_done_when_its_last_unit_is(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]]
) -> None:
    """Also for who looks from elsewhere, while other layers go on."""
    gate = Event()
    jobs = [
        job_on(activations, tmp_path / "one"),
        job_on(activations, tmp_path / "none-missing"),
        job_on(activations, tmp_path / "other", gate),
    ]
    list(run(jobs[1]))
    (jobs[1].results.directory / HEADER).unlink()
    every = explain_layers(
        [job.asked(UNITS, 2, {}) for job in jobs], partial(units_here, jobs, 2), SilentProgress()
    )
    with closing(every), ExitStack() as opened:
        opened.callback(gate.set)
        assert [next(every) for _ in UNITS] == [(0, records) for records in expected]
        states = [Run(job.results.directory).header_state for job in jobs]
        assert states == [RunState.FINISHED, RunState.FINISHED, RunState.BEING_WRITTEN]
        gate.set()
        assert len(list(every)) == 2 * N_UNITS
    assert Run(jobs[2].results.directory).state is RunState.FINISHED


def test_a_unit_that_fails_leaves_the_finished_ones(
    activations: Activations, tmp_path: Path, expected: list[list[ExplanationRecord]]
) -> None:
    job = job_on(activations, tmp_path)
    run(job, [0, 1])
    shard = activations.cache.directory / activations.cache.shards[activations.names[1]].file
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    fresh = replace(activations.cache, _verified=set())
    broken = job_on(replace(activations, cache=fresh), tmp_path)
    with pytest.raises(DamagedDataError, match="is damaged"):
        run(broken)
    shard.write_bytes(content)
    again = job_on(activations, tmp_path)
    assert run(again) == expected
    assert not {0, 1} & set(asked(again))


def test_few_units_are_begun_at_a_time(
    activations: Activations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    submit = ThreadPoolExecutor.submit

    def counted(pool: ThreadPoolExecutor, work: Any, unit: int) -> Any:
        begun.append(unit)
        return submit(pool, work, unit)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", counted)
    gate = Event()  # Holds all but the units 0 and 1.
    explaining = job_on(activations, tmp_path, gate).explain(UNITS, 1, {}, SilentProgress())
    first = [next(explaining)[0].unit, next(explaining)[0].unit]
    assert (first, len(begun)) == ([0, 1], 6)
    gate.set()
    assert [records[0].unit for records in explaining] == list(UNITS[2:])


def test_ranges_by_hand_hold_for_every_unit(activations: Activations, tmp_path: Path) -> None:
    by_hand = (Range(0.0, 0.5), Range(0.5, 9.0))
    job = replace(job_on(activations, tmp_path), ranges=by_hand)
    found = run(job, [2, SILENT])
    assert [[record.range for record in records] for records in found] == [
        [[0.0, 0.5], [0.5, 9.0]]
    ] * 2
    assert [record.hits for record in found[1]] == [0, 0]
