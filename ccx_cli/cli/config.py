"""``ccx config``: what holds, and where it was set."""

from __future__ import annotations

from typing import Annotated

import typer

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import OUTPUT, OutputOptions, PlaceOptions, TalkOptions
from ccx_cli.cli.output import Column, Record, print_text, writing_to
from ccx_cli.cli.sections import Section, write_sections

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
        (Column("file", "name"), Column("state", "state"), Column("place", "path")),
    ),
    Section(
        DIRECTORY,
        "Directories",
        (
            Column("directory", "name"),
            Column("state", "state"),
            _SOURCE,
            Column("place", "path"),
        ),
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


def _show_path(wanted: bool) -> None:
    if wanted:
        from ccx_cli.config import user_file

        print_text(str(user_file()))
        raise typer.Exit


def config(
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="A command; after --, options to see it with.",
            show_default="all commands",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", metavar="", help="Of all commands, the defaults too.", rich_help_panel=OUTPUT
        ),
    ] = False,
    path: Annotated[
        bool,
        typer.Option(
            "--path",
            # The files are not read for it: one of them may be what has to be mended.
            is_eager=True,
            callback=_show_path,
            metavar="",
            help="Only where the user's file is, or would be.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    out: OutputOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Show what the options are set to, and by what.

    An option is what its flag says, else its variable, such as CCX_NUM_CLUSTERS,
    else the project's ccx.toml in the working directory, else the user's
    config.toml. A key in a file is an option's name without dashes in front,
    for all commands that have it; in a table that is called explain or
    cache.build, for that command only. A preset stands right behind what is
    spelled out where it is named. Without a command, what is not set anywhere
    is left out.

    [bold]Examples[/bold]

      ccx config
      ccx config explain --format json
      ccx config explain -- --preset cce --length 2
      $EDITOR "$(ccx config --path)"
    """
    from ccx_cli.cli.settings.listing import (
        all_settings,
        command_settings,
        files_and_places,
        unknown_variables,
    )

    with (
        reporting(talk) as progress,
        writing_to(out, (), no_color=talk.no_color) as writer,
    ):
        settings = command_settings(words) if words else all_settings(everything)
        records = [*files_and_places(places), *settings]
        write_sections(writer, SECTIONS, records)
        for sentence in unknown_variables():
            progress.note(sentence)
