"""Where an option's value comes from: flag, variable, the project's file, the user's file.

At each level a preset named there stands right behind what the level spells out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperOption

from ccx_cli.cli.search_options import PRESETS
from ccx_cli.cli.settings.keys import (
    VARIABLE_PREFIX,
    check_keys,
    is_named_alike,
    is_settable,
    key_of,
    long_name,
    options_under,
    read_value,
    variable_of,
)
from ccx_cli.config import ConfigFile, project_file, read_file, user_file
from ccx_cli.errors import CcxError, UsageError

CONFIG_VARIABLE = f"{VARIABLE_PREFIX}CONFIG"
MIRRORS = "mirrors"
_OPTION = re.compile(r"--[a-z][a-z0-9-]*")
_chosen: ContextVar[Path | None] = ContextVar("chosen", default=None)
_current: ContextVar[SettledContext | None] = ContextVar("current", default=None)


class Source(StrEnum):
    """A level, the strongest first."""

    FLAG = "flag"
    PRESET = "preset"
    VARIABLE = "variable"
    PROJECT = "project file"
    USER = "user file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from, and as it is written there.

    ``where`` is the variable, the file or the preset, and ``key`` that in the file; ``None`` for
    flags and defaults.
    """

    source: Source
    where: str | None = None
    key: str | None = None
    value: Any = None

    @property
    def is_only_found(self) -> bool:
        """Whether it is a file that lies in the working directory and that nobody named."""
        return self.source is Source.PROJECT and not chosen_file()[1]

    def __str__(self) -> str:
        """Write it as errors name it: ``ccx.toml, explain.num-clusters``."""
        return ", ".join(part for part in (self.where, self.key) if part)


class SettledContext(typer.Context):
    """The context of a command whose options may be set outside the command line."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.origins: dict[str, Origin] = {}
        self._files: dict[Source, ConfigFile] | None = None
        _current.set(self)

    def lookup_default(self, name: str, call: bool = True) -> Any:
        """Find what an option is set to outside the command line, ``None`` if nowhere.

        Without ``call`` only help asks, which tells what holds without any settings.
        """
        option = next((each for each in self.command.params if each.name == name), None)
        if not call or not isinstance(option, TyperOption) or not is_settable(option):
            return None
        try:
            found = self._find(option)
        except CcxError:
            if self.resilient_parsing:  # Shell completion goes on without.
                return None
            raise
        if found is None:
            return None
        value, self.origins[name] = found
        return value

    def _find(self, option: TyperOption) -> tuple[Any, Origin] | None:
        """Ask each level; what the command line says was read before."""
        path = path_of(self)
        if self._files is None:
            self._files = read_files()
            for file in self._files.values():
                check_keys(file, self.find_root().command, path)
        preset: Any = self.params.get("preset")
        given = PRESETS.get(preset, {})  # What is completed may name no preset.
        preset_at = self.origins.get("preset", Origin(Source.FLAG)).source
        for source in Source:
            found = None
            if source is Source.VARIABLE:
                found = _in_environment(option, path)
            elif source in self._files:
                found = _in_file(option, source, self._files[source], path)
            if found is not None:
                if option.name == "trust" and found[1].is_only_found:
                    raise UsageError(
                        f"{found[1]} cannot say what you trust: leave it out, and add --trust."
                    )
                return found
            if source is preset_at and option.name in given:
                return given[option.name], Origin(Source.PRESET, f"preset {preset}")
        return None


def choose_file(path: Path | None) -> Path | None:
    """Take what ``--config`` names in place of the project's file."""
    if path is not None:
        _chosen.set(path)
    return path


def forget() -> None:
    """Begin a command line: nothing is chosen yet."""
    _chosen.set(None)
    _current.set(None)


def chosen_file() -> tuple[Path, bool]:
    """Return the project's file, and whether it was named and so has to be there."""
    named = _chosen.get() or os.environ.get(CONFIG_VARIABLE)
    return (Path(named), True) if named else (project_file(), False)


def read_files() -> dict[Source, ConfigFile]:
    """Read the files there are, the project's first."""
    path, named = chosen_file()
    found = {
        Source.PROJECT: read_file(path, required=named),
        Source.USER: read_file(user_file()),
    }
    return {source: file for source, file in found.items() if file is not None}


def mirrors_set() -> list[str]:
    """Return the mirrors that the environment names, else the files."""
    words = os.environ.get(f"{VARIABLE_PREFIX}MIRRORS", "").split()
    if words:
        return words
    for file in read_files().values():
        value = file.content.get(MIRRORS)
        if value is not None:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise UsageError(
                    f'{file.path}: {MIRRORS} must be a list such as ["https://example.org/ccx"].'
                )
            return list(value)
    return []


def path_of(context: Any) -> list[str]:
    """Return the names that lead to a context's command: ``["cache", "build"]``."""
    names: list[str] = []
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return names


def _in_environment(option: TyperOption, path: Sequence[str]) -> tuple[Any, Origin] | None:
    variable = variable_of(option)
    text = os.environ.get(variable)
    if not text or is_named_alike(option, path):
        return None
    value = option.split_envvar_value(text) if option.multiple else text
    return value, Origin(Source.VARIABLE, variable, value=text)


def _in_file(
    option: TyperOption, source: Source, file: ConfigFile, path: Sequence[str]
) -> tuple[Any, Origin] | None:
    """Look a key up in the command's own table, then in those around it."""
    tables: list[Mapping[str, Any]] = [file.content]
    for name in path:
        inner = tables[-1].get(name)
        tables.append(inner if isinstance(inner, dict) else {})
    for depth in range(len(path), 0 if is_named_alike(option, path) else -1, -1):
        value = tables[depth].get(key_of(option))
        if value is not None and not isinstance(value, dict):
            key = ".".join([*path[:depth], key_of(option)])
            read = read_value(option, value, f"{file.path}: {key}", file.path)
            return read, Origin(source, str(file.path), key, value)
    return None


def refused(error: Any) -> str | None:
    """Say that an option refused what a file or a variable says, ``None`` if neither did."""
    context, option = getattr(error, "ctx", None), getattr(error, "param", None)
    if not isinstance(context, SettledContext) or option is None:
        return None
    origin = context.origins.get(option.name)
    if origin is None:
        return None
    return f"{origin} is {origin.value}, which {option.opts[0]} refuses: {error.message}"


def with_origins(sentence: str) -> str:
    """Add to a sentence where the options that it names were set, if not on the command line."""
    context = _current.get()
    if context is None:
        return sentence
    named = set(_OPTION.findall(sentence))
    origins = [
        f"{option} is set by {context.origins[parameter.name]}"
        for parameter in context.command.params
        if parameter.name in context.origins
        for option in parameter.opts
        if option in named
    ]
    return f"{sentence} ({'; '.join(origins)}.)" if origins else sentence


@contextmanager
def aside() -> Iterator[None]:
    """Look at other commands' options without taking them for those that hold."""
    token = _current.set(_current.get())
    try:
        yield
    finally:
        _current.reset(token)


def origin_of(context: Any, option: TyperOption) -> Origin:
    """Return where an option's value came from, once a context has it."""
    source = context.get_parameter_source(option.name)
    if source is not None and source.name == "COMMANDLINE":
        return Origin(Source.FLAG)
    return context.origins.get(option.name, Origin(Source.DEFAULT))  # type: ignore[no-any-return]


def current() -> SettledContext:
    """Return the context of the command that runs."""
    context = _current.get()
    assert context is not None
    return context


def found_in(name: str) -> Origin | None:
    """Return where a file that nobody named sets an option of the running command."""
    context = _current.get()
    origin = None if context is None else context.origins.get(name)
    return origin if origin is not None and origin.is_only_found else None


def options_from_outside() -> tuple[list[str], list[str]]:
    """Return the running command's names, and as options what files and variables set of it."""
    context = _current.get()
    if context is None:
        return [], []
    words: list[str] = []
    for option in options_under(context.command):
        if option.name in context.origins:
            value = context.params.get(option.name)
            if isinstance(value, bool):
                words += [long_name(option)] if value else []
            else:
                for each in value if isinstance(value, list | tuple) else [value]:
                    words += [long_name(option), str(each)]
    return path_of(context), words


def is_given(flag: str) -> bool:
    """Tell whether a flag such as ``debug`` holds in the command that runs, or ran."""
    context = _current.get()
    return context is not None and bool(context.params.get(flag))
