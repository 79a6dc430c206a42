"""The table of commands against the commands: what lists show before a command is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from ccx_cli.cli.commands import PANELS, Command, Group


def commands() -> Iterator[Command]:
    for panel in PANELS.values():
        for entry in panel.values():
            yield from entry.commands.values() if isinstance(entry, Group) else (entry,)


def find(package: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"{package}.{module}"), attribute)


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.options)
def test_summary_and_job_are_those_of_the_options(command: Command) -> None:
    options = find("ccx_cli.cli.commands", command.options)
    job = find("ccx_cli.cli", command.job)
    assert command.summary == str(inspect.getdoc(options)).partition("\n")[0]
    assert get_type_hints(job) == {"options": options, "return": type(None)}
