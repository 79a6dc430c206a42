"""The program as a tree of commands, each made of its options class when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import OptionInfo

from ccx_cli.cli.commands import PANELS, Command, Group
from ccx_cli.cli.metavars import name_values
from ccx_cli.cli.options import DIRECTORIES, OUTPUT
from ccx_cli.cli.settings.levels import CONFIG_VARIABLE, SettledContext, choose_file
from ccx_cli.cli.stdout import print_text
from ccx_cli.version import __version__

_HELP_NAMES = ["-h", "--help"]

_ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=choose_file,
        is_eager=True,
        envvar=CONFIG_VARIABLE,
        show_envvar=False,
        help="Settings file instead of ./ccx.toml; `ccx config` shows the settings.",
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        print_text(f"ccx {__version__}")
        raise typer.Exit


def ccx(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Show the version."
        ),
    ] = False,
    config: _ConfigOption = None,
) -> None:
    """Tell what the neurons of an image classifier respond to.

    For every unit of a layer and every range of its activation, ccx finds
    the formula of labeled concepts that best matches the pixels where the
    unit fires.

    [bold]Examples[/bold]

      ccx demo
      ccx explain --model resnet18 --subset ade20k --random-units 10
      ccx explain --help
    """


@cache
def program() -> TyperGroup:
    """Return the command that all others are under."""
    entries = {
        name: (panel, entry) for panel, inside in PANELS.items() for name, entry in inside.items()
    }
    return _make_group("ccx", ccx, ccx.__doc__, entries)


class _Commands(Mapping[str, Any]):
    """Commands by name: looking one up imports its options and makes it.

    The entries are the panel that shows each command, and where it is declared.
    """

    def __init__(self, entries: Mapping[str, tuple[str | None, Command | Group]]) -> None:
        self._entries = entries
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            panel, entry = self._entries[name]
            if isinstance(entry, Group):
                within = {name: (None, inner) for name, inner in entry.commands.items()}
                made: Any = _make_group(name, lambda: None, entry.help, within)
            else:
                made = _make_command(name, entry)
            made.rich_help_panel = panel
            self._made[name] = made
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def summaries(self) -> dict[str, Any]:
        """Return commands that only say what they are, for lists of them."""
        return {
            name: TyperCommand(name, help=entry.summary, rich_help_panel=panel)
            for name, (panel, entry) in self._entries.items()
        }


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names; Typer's own would make the commands."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write help that lists the commands by their summaries, without making them."""
        made: Any = self.commands
        self.commands = made.summaries()
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = made


def _app(**named: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": _HELP_NAMES},
        pretty_exceptions_enable=False,
        **named,
    )


def _make_group(
    name: str,
    callback: Callable[..., None],
    help_text: str | None,
    entries: Mapping[str, tuple[str | None, Command | Group]],
) -> TyperGroup:
    app = _app(name=name, cls=_LazyGroup, no_args_is_help=True)
    app.callback(help=help_text)(callback)
    group: Any = typer.main.get_command(app)
    group.commands = _Commands(entries)
    _show_help_option(group)
    return group  # type: ignore[no-any-return]


def _make_command(name: str, entry: Command) -> Any:
    app = _app()
    app.command(name)(_callback(_find("ccx_cli.cli.commands.", entry.options), entry.job))
    command: Any = typer.main.get_command(app)
    command.context_class = SettledContext
    command.params.append(_own_config(program()))
    name_values(command)
    _show_help_option(command)
    return command


def _own_config(root: Any) -> Any:
    """Return ``--config`` for a command: it may stand before or after the command's name."""
    option = copy(next(option for option in root.params if option.name == "config"))
    option.expose_value = False
    option.rich_help_panel = DIRECTORIES
    return option


def _show_help_option(command: Any) -> None:
    """Show ``--help`` as a flag, in the last panel of what is general."""
    option = command.get_help_option(typer.Context(command, help_option_names=_HELP_NAMES))
    option.metavar = ""
    if any(each.rich_help_panel == OUTPUT for each in command.params if hasattr(each, "is_flag")):
        option.rich_help_panel = OUTPUT


def _find(package: str, name: str) -> Any:
    """Import what a table names as ``module:attribute``."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(package + module), attribute)


def _callback(options: type[Any], job: str) -> Callable[..., None]:
    """Return what Typer makes a command of: its parameters are the options of a class."""

    def callback(**values: Any) -> None:
        _find("ccx_cli.cli.", job)(_gather(options, values))

    parameters = list(_parameters(options))
    callback.__doc__ = options.__doc__
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {each.name: each.annotation for each in parameters}
    return callback


@cache
def _fields(options: Any) -> list[tuple[Field[Any], Any]]:
    """Return the fields of a class with their types."""
    hints = get_type_hints(options)
    return [(field, hints[field.name]) for field in fields(options)]


def _parameters(options: Any) -> Iterator[inspect.Parameter]:
    """Yield the options of a class and of the groups among its fields, in their order."""
    for field, annotation in _fields(options):
        if is_dataclass(annotation):
            yield from _parameters(annotation)
        else:
            yield inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=Annotated[annotation, _declared(options, field, annotation)],
            )


def _declared(options: Any, field: Field[Any], kind: Any) -> Any:
    """Add what goes without saying: the panel of the class, and that flags have no --no-FLAG."""
    declared = copy(field.metadata["typer"])
    if isinstance(declared, OptionInfo):
        declared.rich_help_panel = declared.rich_help_panel or getattr(options, "panel", None)
        if kind is bool and declared.default is ...:
            declared.param_decls = (f"--{field.name.replace('_', '-')}",)
    return declared


def _gather(options: Any, values: Mapping[str, Any]) -> Any:
    """Make an object of a class, and of the groups inside it, of the values of its options."""
    return options(
        **{
            field.name: _gather(annotation, values)
            if is_dataclass(annotation)
            else values[field.name]
            for field, annotation in _fields(options)
        }
    )
