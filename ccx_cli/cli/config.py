"""``ccx config``: what holds, and where it was set."""

from __future__ import annotations

from ccx_cli.cli.commands.look import ConfigOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column, Record, Section, write_sections
from ccx_cli.cli.settings.listing import (
    all_settings,
    command_settings,
    files_and_places,
    unknown_variables,
)

FILE, DIRECTORY, SETTING = "file", "directory", "setting"


def _value(record: Record) -> str:
    """Show a value as the command line has it; one that is not set by what it comes to."""
    value = record["value"]
    if value is None:
        return f"({record['meaning']})" if record["meaning"] else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _where(record: Record) -> str:
    return ", ".join(part for part in (record["where"], record["key"]) if part) or "-"


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
    with answering(options.out, options.messages) as (progress, writer):
        settings = (
            command_settings(options.words) if options.words else all_settings(options.everything)
        )
        records = [*files_and_places(options.places), *settings]
        write_sections(writer, SECTIONS, records)
        for sentence in unknown_variables():
            progress.note(sentence)
