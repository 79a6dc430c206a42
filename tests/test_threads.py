from __future__ import annotations

from threading import Event

import pytest

from ccx_cli.threads import threads


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_after_ctrl_c_nobody_waits_for_what_was_begun(error: type[BaseException]) -> None:
    begun, go_on = Event(), Event()

    def work() -> bool:
        begun.set()
        return go_on.wait()

    with pytest.raises(error), threads(1) as pool:
        running, waiting = pool.submit(work), pool.submit(work)
        begun.wait()
        raise error
    assert not running.done()
    assert waiting.cancelled()
    go_on.set()
    assert running.result()


def test_after_another_error_what_was_begun_is_finished_and_the_rest_dropped() -> None:
    begun = Event()
    with pytest.raises(ZeroDivisionError), threads(1) as pool:
        running = pool.submit(begun.set)
        begun.wait()
        raise ZeroDivisionError
    assert running.done()


def test_at_its_end_all_is_done() -> None:
    with threads(2) as pool:
        given = [pool.submit(pow, 2, number) for number in range(9)]
    assert [each.result() for each in given] == [2**number for number in range(9)]
