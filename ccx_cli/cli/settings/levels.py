"""Where an option's value comes from: flag, variable, the project's file, the user's file.

At each level a preset named there stands right behind what the level spells out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperOption

from ccx_cli.cli.search_options import PRESETS
from ccx_cli.cli.settings.keys import (
    OF_OWN_TABLES,
    check_keys,
    is_settable,
    key_of,
    long_name,
    options_under,
    read_value,
    variable_of,
)
from ccx_cli.config import VARIABLE_PREFIX, ConfigFile, project_file
from ccx_cli.config import read_files as files_there
from ccx_cli.errors import CcxError, UsageError

_MIRRORS = "mirrors"
# A file that only lies in the working directory may have come with a download; an engine is code.
_YOURS_TO_SAY = {"trust", "yes", "force", "engine"}
_OPTION = re.compile(r"--[a-z][a-z0-9-]*")
_words: ContextVar[tuple[str, ...]] = ContextVar("words", default=())
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
    """Where a value comes from: variable, file or preset, the key in a file, what is written."""

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

    def invoke(self, callback: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """Run the command, whose options are those that hold from now on."""
        _current.set(self)
        return super().invoke(callback, *arguments, **named)

    def lookup_default(self, name: str, call: bool = True) -> Any:
        """Find what is set outside the command line; for help, which does not ``call``, nothing."""
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
            found: tuple[Any, Origin] | None = None
            if source is Source.VARIABLE:
                found = _in_environment(option)
            elif source in self._files:
                found = _in_file(option, source, self._files[source], path)
            if found is not None:
                if option.name in _YOURS_TO_SAY and found[1].is_only_found:
                    raise UsageError(
                        f"{found[1]} counts only in a file that you name with --config: leave it "
                        f"out, and add {long_name(option)}."
                    )
                return found
            if source is preset_at and option.name in given:
                return given[option.name], Origin(Source.PRESET, f"preset {preset}")
        return None

    def origin_of(self, option: Any) -> Origin:
        """Return where an option's value came from, once it has one."""
        source = self.get_parameter_source(option.name)
        if source is not None and source.name == "COMMANDLINE":
            return Origin(Source.FLAG)
        return self.origins.get(option.name, Origin(Source.DEFAULT))


def begin(words: Sequence[str]) -> None:
    """Begin a command line with these words: nothing is chosen yet."""
    _words.set(tuple(words))
    _chosen.set(None)
    _current.set(None)


def choose_file(path: Path | None) -> Path | None:
    """Take what ``--config`` names in place of the project's file."""
    if path is not None:
        _chosen.set(path)
    return path


def chosen_file() -> tuple[Path, bool]:
    """Return the project's file, and whether it was named and so has to be there."""
    return project_file(_chosen.get())


def read_files() -> dict[Source, ConfigFile]:
    """Read the files there are, the project's first."""
    found = zip((Source.PROJECT, Source.USER), files_there(_chosen.get()), strict=True)
    return {source: file for source, file in found if file is not None}


def mirrors_set() -> list[str]:
    """Return the mirrors that the environment names, else the files."""
    words = os.environ.get(f"{VARIABLE_PREFIX}MIRRORS", "").split()
    if words:
        return words
    for file in read_files().values():
        value = file.content.get(_MIRRORS)
        if value is not None:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise UsageError(
                    f'{file.path}: {_MIRRORS} must be a list such as ["https://example.org/ccx"].'
                )
            return list(value)
    return []


def path_of(context: Any) -> list[str]:
    """Return the names that lead to a context's command: ``["cache", "build"]``."""
    return context.command_path.split()[1:]  # type: ignore[no-any-return]


def _in_environment(option: TyperOption) -> tuple[Any, Origin] | None:
    variable = variable_of(option)
    text = os.environ.get(variable)
    if not text or option.name in OF_OWN_TABLES:
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
    for depth in range(len(path), 0 if option.name in OF_OWN_TABLES else -1, -1):
        value = tables[depth].get(key_of(option))
        if value is not None and not isinstance(value, dict):
            key = ".".join([*path[:depth], key_of(option)])
            read = read_value(option, value, f"{file.path}: {key}", file.path)
            return read, Origin(source, str(file.path), key, value)
    return None


def refused(error: Any) -> str | None:
    """Say that an option refused what a file or a variable says, ``None`` if neither did."""
    option = getattr(error, "param", None)
    origins = getattr(getattr(error, "ctx", None), "origins", {})
    if option is None or option.name not in origins:
        return None
    origin = origins[option.name]
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


def is_typed(name: str) -> bool:
    """Tell whether the command line itself names an option, such as ``--model``."""
    context = _current.get()
    return context is not None and any(
        name in each.opts and context.origin_of(each).source is Source.FLAG
        for each in context.command.params
    )


def words_in_full() -> list[str]:
    """Return the command line's words, with what files and variables set of it spelled out."""
    context, words = current(), list(_words.get())
    set_outside: list[str] = []
    for option in options_under(context.command):
        if option.name in context.origins:
            value = context.params.get(option.name)
            if isinstance(value, bool):
                set_outside += [long_name(option)] if value else []
            else:
                for each in value if isinstance(value, list | tuple) else [value]:
                    set_outside += [long_name(option), str(each)]
    if set_outside:
        place = 0
        for name in path_of(context):
            place = words.index(name, place) + 1
        words[place:place] = set_outside
    return words


def is_given(flag: str) -> bool:
    """Tell whether a flag such as ``debug`` holds in the command that runs, or ran."""
    context = _current.get()
    return context is not None and bool(context.params.get(flag))
