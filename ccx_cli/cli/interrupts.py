"""Ctrl-C counts, whatever becomes of the ``KeyboardInterrupt`` that Python makes of it."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

interrupted = threading.Event()
"""Set once Ctrl-C was pressed: extensions in C may raise an error of their own in its place."""


def listen() -> None:
    """Remember Ctrl-C, and raise it again where Python drops it."""
    sys.unraisablehook = _interrupt_again
    # A process that was started to ignore it, by nohup or in the background, still does.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    interrupted.set()
    raise KeyboardInterrupt


def _interrupt_again(unraisable: UnraisableHookArgs) -> None:
    """Interrupt once more where Python swallowed it, as it does while objects are cleared away."""
    if unraisable.exc_type is KeyboardInterrupt:
        # Not from within this hook, which would swallow it as well.
        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)
