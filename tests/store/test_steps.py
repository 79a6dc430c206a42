from __future__ import annotations

import pytest

from ccx_cli.compiled import kernel
from ccx_cli.store.steps import Step


@pytest.mark.parametrize(
    ("total", "done", "missing", "state"),
    [
        (6, 0, 6, "to do"),
        (6, 2, 4, "partly there"),
        (6, 6, 0, "there"),
        (0, 0, 0, "there"),
        (None, 0, None, "unknown"),
        (6, None, None, "unknown"),
    ],
)
def test_a_step_knows_what_is_missing(
    total: int | None, done: int | None, missing: int | None, state: str
) -> None:
    step = Step("activations", None, "images", total, done)
    assert (step.missing, step.state) == (missing, state)


def test_time_is_that_of_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.9, 10.0, 10.5, 20.0, 23.0])
    monkeypatch.setattr("ccx_cli.store.steps.time.perf_counter", lambda: next(clock))
    step = Step("explanations", None, "units", 12, 2)
    # The first time has what is done once.
    assert step.timed(int, side_by_side=4).seconds == 0.5 * 10 / 4
    # What takes long is done once, and no more at a time than are missing.
    assert step.timed(int, 5, side_by_side=4).seconds == 3.0 * 2 / 2
    assert Step("explanations", None, "units", 2, 2).timed(int).seconds is None
    assert Step("explanations", None, "units", None).timed(int).seconds is None


def test_time_does_not_include_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 100.0, 102.0])
    monkeypatch.setattr("ccx_cli.store.steps.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("ccx_cli.compiled._config.CACHE_DIR", "")

    @kernel
    def one() -> int:
        return 1

    assert Step("explanations", None, "units", 10).timed(one).seconds == 2.0 * 10
