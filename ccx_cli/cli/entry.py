"""The entry point of ``ccx``: from the first import on, Ctrl-C ends in a line, not a traceback."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper

from ccx_cli.cli.interrupts import listen

_INTERRUPTED = 130


def run() -> None:
    """Run the process's command line and end the process with its exit code."""
    listen()
    _write_any_name()
    use_large_pages()
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


def use_large_pages() -> None:
    """Let torch take large arrays from the system in large pages: it asks at its first array."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _write_any_name() -> None:
    """Let stdout take names of files that are no text, and letters that its encoding lacks."""
    if isinstance(sys.stdout, TextIOWrapper):
        is_utf_8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf_8 else "backslashreplace")
