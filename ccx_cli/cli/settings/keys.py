"""What a file of settings may say: the tables of the commands, and a key for each option."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.core import TyperGroup, TyperOption

from ccx_cli.config import VARIABLE_PREFIX, ConfigFile
from ccx_cli.errors import UsageError, suggestion

# Set once for a process, or only meant when typed.
_NOT_SETTABLE = {"help", "help_all", "version", "config", "name", "note"}
# Its key means elsewhere what is read, here what is made: only its own command's tables set it.
OF_OWN_TABLES = {"own_name"}
# `mirrors` also holds for the commands that fetch on their way, without such an option.
_OTHER_KEYS = {"mirror": "mirrors"}


def is_settable(parameter: Any) -> bool:
    """Tell the options that may be set by a file or a variable."""
    return isinstance(parameter, TyperOption) and parameter.name not in _NOT_SETTABLE


def long_name(option: TyperOption) -> str:
    """Return the name of an option that begins with two dashes; every option has one."""
    return next(name for name in option.opts if name.startswith("--"))


def key_of(option: TyperOption) -> str:
    """Return an option's key in a file: its long name without the dashes."""
    key = long_name(option).removeprefix("--")
    return _OTHER_KEYS.get(key, key)


def variable_of(option: TyperOption) -> str:
    """Return the environment variable of an option."""
    return VARIABLE_PREFIX + key_of(option).replace("-", "_").upper()


def commands_under(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command with the path to it, or all that are under a group."""
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from commands_under(inner, *path, name)
    else:
        yield path, command


def options_under(command: Any) -> Iterator[TyperOption]:
    """Yield the options that may be set of a command, or of all of a group's."""
    for _, each in commands_under(command):
        yield from filter(is_settable, each.params)


def choices_of(kind: Any) -> list[str]:
    """Return the values of a type that lists them."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def check_keys(file: ConfigFile, root: Any, path: Sequence[str] | None = None) -> None:
    """Refuse keys and tables that no command under ``root`` has; the nearest known one is named.

    With the ``path`` to a command, no other commands' tables are looked into.
    """

    def check(table: Mapping[str, Any], command: Any, above: list[str]) -> None:
        inside = f" in [{'.'.join(above)}]" if above else ""
        commands = getattr(command, "commands", {})
        keys: set[str] = set()
        for key, value in table.items():
            if isinstance(value, dict):
                if key not in commands:
                    near = suggestion(key, list(commands)) or ": `ccx --help` lists them."
                    raise UsageError(
                        f"{file.path} has the table {key}{inside}, which is no command{near}"
                    )
                continue
            keys = keys or {key_of(option) for option in options_under(command)}
            if key not in keys:
                shown = " ".join(["ccx", *above]) if above else "ccx COMMAND"
                near = suggestion(key, sorted(keys)) or f": `{shown} --help` lists the options."
                raise UsageError(f"{file.path} has the key {key}{inside}, which is unknown{near}")
        for key, value in table.items():
            names = [*above, key]
            if isinstance(value, dict) and (path is None or names == list(path[: len(names)])):
                check(value, commands[key], names)

    check(file.content, root, [])


def read_value(option: TyperOption, value: Any, where: str, file: Path) -> Any:
    """Refuse a value of another type than the option's, where the sentence names ``where``.

    A path is taken from the file's own directory.
    """
    kind: Any = option.type_descriptor.annotation
    if get_origin(kind) is list or option.multiple:
        kind = (get_args(kind) or (str,))[0]
        items = value if isinstance(value, list) else [value]
        return [_typed(kind, item, where, file, "a list, each of it ") for item in items]
    return _typed(kind, value, where, file)


def _typed(kind: Any, value: Any, where: str, file: Path, which: str = "") -> Any:
    def is_a(base: type) -> bool:
        return isinstance(kind, type) and issubclass(kind, base)

    given: Any = bool if isinstance(value, bool) else type(value)
    fits = given in (str, int, float)
    names = choices_of(kind)
    if names:
        fits, name = value in names, " or ".join(f'"{name}"' for name in names)
    elif kind in (bool, int):
        fits, name = given is kind, "true or false" if kind is bool else "a whole number"
    elif kind is float:
        fits, name = given in (int, float), "a number"
    else:
        name = "text in quotes"
    if not fits:
        is_json = given in (bool, str, list)
        written = json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value)
        raise UsageError(f"{where} must be {which}{name}, not {written}.")
    if name != "text in quotes":
        return value
    return str(file.parent / Path(value).expanduser()) if is_a(Path) else str(value)
