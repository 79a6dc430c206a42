from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Event

import pytest

from ccx_cli.threads import threads


def ended_by(
    error: type[BaseException], work: Callable[[], object], begun: Event
) -> list[Future[object]]:
    """Give one thread work twice, and raise an error once it has begun."""
    given: list[Future[object]] = []
    with suppress(error), threads(1) as pool:
        given += [pool.submit(work), pool.submit(work)]
        begun.wait()
        raise error
    return given


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_after_ctrl_c_nobody_waits_for_what_was_begun(error: type[BaseException]) -> None:
    begun, go_on = Event(), Event()

    def work() -> bool:
        begun.set()
        return go_on.wait()

    running, waiting = ended_by(error, work, begun)
    assert not running.done()
    assert waiting.cancelled()
    go_on.set()
    assert running.result()


def test_after_another_error_what_was_begun_is_finished() -> None:
    begun = Event()
    running, waiting = ended_by(ZeroDivisionError, begun.set, begun)
    assert running.done()
    assert waiting.done()


def test_at_its_end_all_is_done() -> None:
    with threads(2) as pool:
        given = [pool.submit(pow, 2, number) for number in range(9)]
    assert [each.result() for each in given] == [2**number for number in range(9)]
