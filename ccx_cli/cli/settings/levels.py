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
from ccx_cli.cli.settings.keys import check_keys
from ccx_cli.cli.settings.values import (
    VARIABLE_PREFIX,
    is_named_alike,
    is_settable,
    key_of,
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
    """Where a value comes from.

    Attributes
    ----------
    source
        The level.
    where
        The variable, the file or the preset; ``None`` for flags and defaults.
    key
        The key in the file, such as ``explain.num-clusters``.
    value
        As it is written there.
    """

    source: Source
    where: str | None = None
    key: str | None = None
    value: Any = None

    def __str__(self) -> str:
        """Write it as errors name it: ``ccx.toml, explain.num-clusters``."""
        return ", ".join(part for part in (self.where, self.key) if part)


@dataclass(frozen=True, slots=True)
class Level:
    """A file and what it is."""

    source: Source
    file: ConfigFile


class SettledContext(typer.Context):
    """The context of a command whose options may be set outside the command line."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.origins: dict[str, Origin] = {}
        self._levels: list[Level] | None = None
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
        preset = self.params.get("preset")
        preset_at = self.origins.get("preset", Origin(Source.FLAG)).source
        for source, found in self._spelled_out(option):
            if found is not None:
                return found
            given = PRESETS[preset] if preset is not None and source is preset_at else {}
            if option.name in given:
                return given[option.name], Origin(Source.PRESET, f"preset {preset}")
        return None

    def _spelled_out(
        self, option: TyperOption
    ) -> Iterator[tuple[Source, tuple[Any, Origin] | None]]:
        """Yield what each level says; what the command line does was read before."""
        yield Source.FLAG, None
        path = path_of(self)
        variable = variable_of(option)
        text = None if is_named_alike(option, path) else os.environ.get(variable)
        if text:
            value = option.split_envvar_value(text) if option.multiple else text
            yield Source.VARIABLE, (value, Origin(Source.VARIABLE, variable, value=text))
        else:
            yield Source.VARIABLE, None
        if self._levels is None:
            self._levels = self._read_levels()
        for level in self._levels:
            yield level.source, _in_file(option, level, path)

    def _read_levels(self) -> list[Level]:
        levels = read_levels()
        for level in levels:
            check_keys(level.file, self.find_root().command, path_of(self))
        return levels


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


def read_levels() -> list[Level]:
    """Read the files there are, the project's first."""
    path, named = chosen_file()
    found = (
        (Source.PROJECT, read_file(path, required=named)),
        (Source.USER, read_file(user_file())),
    )
    return [Level(source, file) for source, file in found if file is not None]


def mirrors_set() -> list[str]:
    """Return the mirrors that the environment names, else the files."""
    words = os.environ.get(f"{VARIABLE_PREFIX}MIRRORS", "").split()
    if words:
        return words
    for level in read_levels():
        value = level.file.content.get(MIRRORS)
        if value is not None:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise UsageError(
                    f"{level.file.path}: {MIRRORS} must be a list such as "
                    '["https://example.org/ccx"].'
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


def _in_file(option: TyperOption, level: Level, path: Sequence[str]) -> tuple[Any, Origin] | None:
    """Look a key up in the command's own table, then in those around it."""
    tables: list[Mapping[str, Any]] = [level.file.content]
    for name in path:
        inner = tables[-1].get(name)
        tables.append(inner if isinstance(inner, dict) else {})
    for depth in range(len(path), 0 if is_named_alike(option, path) else -1, -1):
        value = tables[depth].get(key_of(option))
        if value is not None and not isinstance(value, dict):
            key = ".".join([*path[:depth], key_of(option)])
            where = f"{level.file.path}: {key}"
            return (
                read_value(option, value, where, level.file.path),
                Origin(level.source, str(level.file.path), key, value),
            )
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
    if source is not None and source.name == "ENVIRONMENT":
        return Origin(Source.VARIABLE, variable_of(option))
    return context.origins.get(option.name, Origin(Source.DEFAULT))  # type: ignore[no-any-return]


def current() -> SettledContext:
    """Return the context of the command that runs."""
    context = _current.get()
    assert context is not None
    return context


def options_from_outside() -> tuple[list[str], list[str]]:
    """Return the running command's names, and as options what files and variables set of it."""
    context = _current.get()
    if context is None:
        return [], []
    words: list[str] = []
    for option in context.command.params:
        if option.name in context.origins:
            name = next(each for each in option.opts if each.startswith("--"))
            value = context.params.get(option.name)
            if isinstance(value, bool):
                words += [name] if value else []
            else:
                for each in value if isinstance(value, list | tuple) else [value]:
                    words += [name, str(each)]
    return path_of(context), words


def is_given(flag: str) -> bool:
    """Tell whether a flag such as ``debug`` holds in the command that runs, or ran."""
    context = _current.get()
    return context is not None and bool(context.params.get(flag))
