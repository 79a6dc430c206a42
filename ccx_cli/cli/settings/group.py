"""The group of all commands, whose options may be set by files and variables."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ccx_cli.cli.metavars import name_values
from ccx_cli.cli.options import OUTPUT, PLACES
from ccx_cli.cli.settings.levels import CONFIG_VARIABLE, SettledContext, choose_file

HELP_NAMES = ["-h", "--help"]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=choose_file,
        is_eager=True,
        envvar=CONFIG_VARIABLE,
        show_envvar=False,
        help="Settings to take in place of ./ccx.toml; `ccx config` shows what holds.",
    ),
]


class SettledGroup(TyperGroup):
    """The commands, each of them with ``--config`` and with settings from outside.

    Their help names the values of options, and itself among the options of output.
    """

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        config: Any = next(option for option in self.params if option.name == "config")
        for group in _groups(self):
            _show_help_option(group)
        for command in _leaves(self):
            command.context_class = SettledContext
            own = copy(config)
            own.expose_value = False
            own.rich_help_panel = PLACES
            command.params.append(own)
            name_values(command)
            _show_help_option(command)


def _show_help_option(command: Any) -> None:
    """Show ``--help`` as a flag, in the last panel of what is general."""
    option = command.get_help_option(typer.Context(command, help_option_names=HELP_NAMES))
    option.metavar = ""
    if any(each.rich_help_panel == OUTPUT for each in command.params if hasattr(each, "is_flag")):
        option.rich_help_panel = OUTPUT


def _groups(group: TyperGroup) -> Iterator[TyperGroup]:
    yield group
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _groups(command)


def _leaves(group: TyperGroup) -> Iterator[Any]:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _leaves(command)
        else:
            yield command
