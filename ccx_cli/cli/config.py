"""``ccx config``: what holds, and where it was set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import typer
from msgspec import to_builtins
from typer.core import TyperCommand

from ccx_cli.cli.commands.look import ConfigOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.options import PlaceOptions
from ccx_cli.cli.output import Column, Record, Section, write_sections
from ccx_cli.cli.settings.keys import (
    check_keys,
    commands_under,
    is_settable,
    key_of,
    options_under,
    variable_of,
)
from ccx_cli.cli.settings.levels import SettledContext, Source, chosen_file, current, read_files
from ccx_cli.config import CONFIG_VARIABLE, VARIABLE_PREFIX, user_file
from ccx_cli.design import MISSING
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.store.paths import ROOT_NAMES

FILE, DIRECTORY, SETTING = "file", "directory", "setting"


def _value(record: Record) -> str:
    """Show a value as the command line has it; one that is not set by what it comes to."""
    value = record["value"]
    if value is None:
        return f"({record['meaning']})" if record["meaning"] else MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _where(record: Record) -> str:
    return ", ".join(part for part in (record["where"], record["key"]) if part) or MISSING


_SOURCE = Column("from", "source")
# On a terminal, what is asked for first stands last.
SECTIONS = (
    Section(
        FILE,
        "Files, the first one over the second",
        (Column("file", "name"), Column("state", "state"), Column("path", "path")),
    ),
    Section(
        DIRECTORY,
        "Directories",
        (Column("directory", "name"), Column("state", "state"), _SOURCE, Column("path", "path")),
    ),
    Section(
        SETTING,
        "Settings",
        (
            Column("command", "command"),
            Column("option", "option", style="bold", whole=True),
            Column("value", "value", show=_value),
            _SOURCE,
            Column("where", "where", show=_where),
        ),
    ),
)


def config(options: ConfigOptions) -> None:
    """Show the values of options and where they are set."""
    root = _root()
    known = {variable_of(option) for option in options_under(root)} | {CONFIG_VARIABLE}
    with answering(options.out, options.messages, kinds=(FILE, DIRECTORY)) as (progress, writer):
        records = list(_files_and_places(options.places))
        if options.words:
            records += _command_settings(options.words)
        else:
            for file in read_files().values():
                check_keys(file, root)
            found = (each for path, _ in commands_under(root) for each in _settings(root, path, ()))
            records += (
                each for each in found if options.everything or each["source"] != Source.DEFAULT
            )
        write_sections(writer, SECTIONS, records, main=SETTING)
        for name in sorted(os.environ):
            if name.startswith(VARIABLE_PREFIX) and name not in known:
                near = suggestion(name, known) or "."
                progress.note(f"{name} is the variable of no option{near}")


def _files_and_places(places: PlaceOptions) -> Iterator[Record]:
    read = read_files()
    for source, path in ((Source.PROJECT, chosen_file()[0]), (Source.USER, user_file())):
        yield {
            "kind": "file",
            "name": str(source),
            "state": "read" if source in read else "not there",
            "path": str(path.absolute()),
        }
    context = current()
    origins = {option.name: context.origin_of(option) for option in options_under(context.command)}
    roots = places.roots
    for name in ROOT_NAMES:
        option = f"root_{name}" if getattr(places, f"root_{name}") is not None else "data_dir"
        path = getattr(roots, name)
        yield {
            "kind": "directory",
            "name": name,
            "state": "there" if path.is_dir() else "not there",
            "source": str(origins[option].source),
            "where": origins[option].where,
            "key": origins[option].key,
            "path": str(path.absolute()),
        }


def _command_settings(words: Sequence[str]) -> Iterator[Record]:
    """Yield all options of one command, named by the words up to the first that is an option."""
    options = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    path = list(words[:options])
    root = _root()
    known = [" ".join(each) for each, _ in commands_under(root)]
    fitting = [each for each in known if each.split()[: len(path)] == path]
    if not path or not fitting:
        name = " ".join(path) or words[0]
        near = suggestion(name, known) or ": `ccx --help` lists them."
        raise UsageError(f"{name} is no command{near}")
    if options < len(words) and len(fitting) > 1:
        raise UsageError(f"{' '.join(path)} is {' or '.join(fitting)}: write one of them.")
    for each in fitting:
        yield from _settings(root, each.split(), words[options:])


def _root() -> Any:
    return current().find_root().command


def _settings(root: Any, path: Sequence[str], words: Sequence[str]) -> Iterator[Record]:
    """Parse a command line without its arguments, and tell what comes of it."""
    context: Any = typer.Context(root, info_name="ccx")
    command = root
    for name in path[:-1]:
        command = command.commands[name]
        context = typer.Context(command, parent=context, info_name=name)
    command = command.commands[path[-1]]
    options = [copy(option) for option in command.params if is_settable(option)]
    for option in options:
        option.required = False
    alone = TyperCommand(name=path[-1], params=options)
    alone.context_class = SettledContext
    settled: Any = alone.make_context(path[-1], list(words), parent=context)
    for option in options:
        origin = settled.origin_of(option)
        meaning = option.show_default
        yield {
            "kind": "setting",
            "command": " ".join(path),
            "option": key_of(option),
            "value": to_builtins(settled.params[option.name], enc_hook=str),
            "meaning": meaning if isinstance(meaning, str) else None,
            "source": str(origin.source),
            "where": origin.where,
            "key": origin.key,
            "variable": variable_of(option),
        }
