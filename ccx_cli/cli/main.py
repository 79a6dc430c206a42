"""``ccx``: a command, or the words that a shell offers to complete one."""

from __future__ import annotations

import sys

from ccx_cli.cli.completing.shells import ANSWER, answer
from ccx_cli.cli.completing.values import Kind
from ccx_cli.cli.program import program
from ccx_cli.cli.stdout import fill_closed_descriptors, print_text
from ccx_cli.errors import ExitCode


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, by default that of the process, and return its exit code."""
    fill_closed_descriptors()
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == [ANSWER]:
        return _complete(given[1:])
    # Rich is not for completion, which answers between two key presses.
    from ccx_cli.cli.running import run_command

    return run_command(given)


def _complete(arguments: list[str]) -> ExitCode:
    """Answer a shell; where anything fails nothing is offered, and nothing said amid the line."""
    try:
        text = answer(program(), arguments)
    except Exception:
        text = Kind.WORDS
    print_text(text)
    return ExitCode.DONE
