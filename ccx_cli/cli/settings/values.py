"""What a key of a file of settings may hold: a value that its option takes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperOption

from ccx_cli.errors import UsageError

VARIABLE_PREFIX = "CCX_"
# Set once for a process, or only meant when typed.
_NOT_SETTABLE = {"help", "version", "config", "install_completion", "show_completion"}
# Their names are other commands' too, where they mean what is there, not what is made.
_NAMED_ALIKE = {("import", "subset")}
# `mirrors` also holds for the commands that fetch on their way, without such an option.
_OTHER_KEYS = {"mirror": "mirrors"}


def is_settable(parameter: Any) -> bool:
    """Tell the options that may be set by a file or a variable."""
    return isinstance(parameter, TyperOption) and parameter.name not in _NOT_SETTABLE


def is_named_alike(option: TyperOption, path: Sequence[str]) -> bool:
    """Tell an option that shares only its name with others: its own table alone sets it."""
    return bool(path) and (path[0], option.name) in _NAMED_ALIKE


def key_of(option: TyperOption) -> str:
    """Return an option's key in a file: its long name without the dashes."""
    long = next((name for name in option.opts if name.startswith("--")), option.opts[0])
    key = long.lstrip("-")
    return _OTHER_KEYS.get(key, key)


def variable_of(option: TyperOption) -> str:
    """Return the environment variable of an option."""
    return VARIABLE_PREFIX + key_of(option).replace("-", "_").upper()


def read_value(option: TyperOption, value: Any, where: str, file: Path) -> Any:
    """Check a key's value against its option's type, before the option itself looks at it.

    A path is taken from the file's own directory.

    Raises
    ------
    UsageError
        If it is of another type; ``where`` names the key in the sentence.
    """
    kind: Any = option.type_descriptor.annotation
    if get_origin(kind) is list or option.multiple:
        element = (get_args(kind) or (str,))[0]
        items = value if isinstance(value, list) else [value]
        return [_typed(element, item, where, file, "a list, each of it ") for item in items]
    return _typed(kind, value, where, file)


def _typed(kind: Any, value: Any, where: str, file: Path, which: str = "") -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is bool:
        fits, name = isinstance(value, bool), "true or false"
    elif kind is int:
        fits, name = isinstance(value, int) and is_number, "a whole number"
    elif kind is float:
        fits, name = is_number, "a number"
    elif isinstance(kind, type) and issubclass(kind, Enum):
        names = [str(member.value) for member in kind]
        fits, name = value in names, " or ".join(f'"{name}"' for name in names)
    else:
        fits, name = isinstance(value, str) or is_number, "text in quotes"
        if fits:
            value = str(value)
            if isinstance(kind, type) and issubclass(kind, Path):
                value = str(file.parent / Path(value).expanduser())
    if not fits:
        raise UsageError(f"{where} must be {which}{name}, not {_written(value)}.")
    return value


def _written(value: Any) -> str:
    """Write a value as TOML does."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "a table"
        case list():
            return f"[{', '.join(_written(item) for item in value)}]"
        case _:
            return str(value)
