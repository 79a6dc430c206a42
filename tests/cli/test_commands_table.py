"""The table of commands against the commands: what lists show before a command is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from ccx_cli.cli.commands import PANELS, Group, job_of, options_of


def commands() -> Iterator[tuple[tuple[str, ...], str]]:
    for panel in PANELS.values():
        for name, entry in panel.items():
            if isinstance(entry, Group):
                yield from (((name, inner), said) for inner, said in entry.commands.items())
            else:
                yield (name,), entry


def find(package: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"{package}.{module}"), attribute)


@pytest.mark.parametrize(("path", "summary"), list(commands()), ids=str)
def test_summary_and_job_are_those_of_the_options(path: tuple[str, ...], summary: str) -> None:
    options = find("ccx_cli.cli.commands", options_of(path))
    job = find("ccx_cli.cli", job_of(path))
    assert summary == str(inspect.getdoc(options)).partition("\n")[0]
    assert get_type_hints(job) == {"options": options, "return": type(None)}
