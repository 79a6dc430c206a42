"""The group of all commands, whose options may be set by files and variables."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ccx_cli.cli.config_levels import CONFIG_VARIABLE, SettledContext, choose_file
from ccx_cli.cli.options import PLACES

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
    """The commands, each of them with ``--config`` and with settings from outside."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        config: Any = next(option for option in self.params if option.name == "config")
        for command in _leaves(self):
            command.context_class = SettledContext
            own = copy(config)
            own.expose_value = False
            own.rich_help_panel = PLACES
            command.params.append(own)


def _leaves(group: TyperGroup) -> Iterator[Any]:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _leaves(command)
        else:
            yield command
