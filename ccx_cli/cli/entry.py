"""The entry point of ``ccx``: from the first import on, Ctrl-C ends in a line, not a traceback."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

_INTERRUPTED = 130
interrupted = threading.Event()
"""Set once Ctrl-C was pressed: extensions in C may raise an error of their own in its place."""


def run() -> None:
    """Run the process's command line and end the process with its exit code."""
    _listen()
    _write_any_name()
    try:
        from ccx_cli.cli.main import main

        code = main()
    except KeyboardInterrupt:
        # Nothing has begun yet, and what would say so may be half imported.
        os.write(2, b"Interrupted.\n")
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        # A second Ctrl-C would end in a traceback, and threads may take long to be done.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _write_any_name() -> None:
    """Let stdout take names of files that are no text, and letters that its encoding lacks."""
    if isinstance(sys.stdout, TextIOWrapper):
        is_utf_8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf_8 else "backslashreplace")


def _listen() -> None:
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
