"""Which keys and tables a file of settings may have: the options and names of the commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typer.core import TyperGroup, TyperOption

from ccx_cli.cli.settings.values import is_settable, key_of
from ccx_cli.config import ConfigFile
from ccx_cli.errors import UsageError, suggestion


def check_keys(file: ConfigFile, root: Any, path: Sequence[str]) -> None:
    """Refuse keys and tables that no command has, outside and in the command's own table.

    Parameters
    ----------
    file
        What was read.
    root
        The group of all commands.
    path
        The names that lead to the command that runs.

    Raises
    ------
    UsageError
        If there is one; the nearest known one is named.
    """
    table, command = file.content, root
    _check_table(file, table, command, ())
    for depth, name in enumerate(path):
        inner = table.get(name)
        if not isinstance(inner, dict):
            return
        table, command = inner, command.commands[name]
        _check_table(file, table, command, path[: depth + 1])


def check_all_keys(file: ConfigFile, root: Any) -> None:
    """The same in every command's table."""

    def check(table: Mapping[str, Any], command: Any, path: list[str]) -> None:
        _check_table(file, table, command, path)
        for name, inner in table.items():
            if isinstance(inner, dict):
                check(inner, command.commands[name], [*path, name])

    check(file.content, root, [])


def _check_table(
    file: ConfigFile, table: Mapping[str, Any], command: Any, path: Sequence[str]
) -> None:
    inside = f" in [{'.'.join(path)}]" if path else ""
    commands = list(getattr(command, "commands", {}))
    keys: set[str] | None = None
    for key, value in table.items():
        if isinstance(value, dict):
            if key not in commands:
                near = suggestion(key, commands)
                raise UsageError(
                    f"{file.path} has the table {key}{inside}, which is no command"
                    f"{near or ': `ccx --help` lists them.'}"
                )
            continue
        keys = keys or {key_of(option) for option in options_under(command)}
        if key not in keys:
            near = suggestion(key, sorted(keys))
            shown = " ".join(["ccx", *path]) if path else "ccx COMMAND"
            raise UsageError(
                f"{file.path} has the key {key}{inside}, which is unknown"
                f"{near or f': `{shown} --help` lists the options.'}"
            )


def options_under(command: Any) -> Iterator[TyperOption]:
    """Yield the options that may be set of a command, or of all of a group's."""
    if isinstance(command, TyperGroup):
        for inner in command.commands.values():
            yield from options_under(inner)
    else:
        yield from (option for option in command.params if is_settable(option))
