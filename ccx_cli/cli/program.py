"""The program as a tree of commands, each made of its options class when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import OptionInfo

from ccx_cli.cli.commands import PANELS, Group, job_of, options_of
from ccx_cli.cli.option_names import name_values
from ccx_cli.cli.options import DIRECTORIES, OUTPUT, flag, option
from ccx_cli.cli.settings.levels import SettledContext, choose_file
from ccx_cli.cli.stdout import print_text, reader_may_leave
from ccx_cli.config import CONFIG_VARIABLE
from ccx_cli.version import __version__

_HELP_NAMES = ["-h", "--help"]


def _config_option(**how: Any) -> Any:
    text = "Settings file instead of ./ccx.toml; `ccx config` shows the settings."
    how |= {"callback": choose_file, "is_eager": True, "metavar": "FILE"}
    return option(text, None, "--config", envvar=CONFIG_VARIABLE, show_envvar=False, **how)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_text(f"ccx {__version__}")
        raise typer.Exit


def _show_all_help(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        with reader_may_leave():
            TyperCommand.format_help(ctx.command, ctx, ctx.make_formatter())  # type: ignore[arg-type]
        raise typer.Exit


@dataclass(frozen=True, slots=True)
class _ProgramOptions:
    """Tell what the neurons of an image classifier respond to.

    For every unit of a layer and every range of its activation, ccx finds
    the formula of labeled concepts that best matches the pixels where the
    unit fires.

    [bold]Examples[/bold]

      ccx demo
      ccx explain --model resnet18 --subset ade20k --random-units 10
      ccx explain --help
    """

    version: bool = flag(
        "Show the version.", "--version", callback=_show_version, is_eager=True, metavar=""
    )
    config: Path | None = _config_option()


@dataclass(frozen=True, slots=True)
class _EveryOptions:
    help_all: bool = flag(
        "Show every option, and more help.", callback=_show_all_help, is_eager=True, panel=OUTPUT
    )
    config: Path | None = _config_option(panel=DIRECTORIES, rare=True)


@cache
def program() -> TyperGroup:
    """Return the command that all others are under."""
    entries = {name: entry for inside in PANELS.values() for name, entry in inside.items()}
    return _make_group((), entries, _callback(_ProgramOptions), _ProgramOptions.__doc__)


class _Commands(Mapping[str, Any]):
    """The commands of a group by name: looking one up imports its options and makes it."""

    def __init__(self, path: tuple[str, ...], entries: Mapping[str, str | Group]) -> None:
        self._path = path
        self._entries = entries
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            entry, path = self._entries[name], (*self._path, name)
            if isinstance(entry, Group):
                made: Any = _make_group(path, entry.commands, lambda: None, entry.help)
            else:
                made = _make_command(path)
            made.rich_help_panel = self._panel(name)
            self._made[name] = made
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _panel(self, name: str) -> str | None:
        within = (panel for panel, inside in PANELS.items() if name in inside)
        return None if self._path else next(within)

    def summaries(self) -> dict[str, Any]:
        """Return commands that only say what they are, for lists of them."""
        return {
            name: TyperCommand(
                name,
                help=entry.help.partition("\n")[0] if isinstance(entry, Group) else entry,
                rich_help_panel=self._panel(name),
            )
            for name, entry in self._entries.items()
        }


class _BriefCommand(TyperCommand):
    """A command whose help shows its main options in one panel, and how it begins.

    The paragraphs between the second and the examples, what holds by default in words, and the
    ``rare`` options are left to ``--help-all``.
    """

    rare: Collection[str] = ()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        brief: Any = TyperCommand(self.name, rich_markup_mode="rich", add_help_option=False)
        paragraphs = inspect.cleandoc(self.help or "").split("\n\n")
        examples = next(n for n, each in enumerate(paragraphs) if "Examples" in each)
        brief.help = "\n\n".join([*paragraphs[: min(2, examples)], *paragraphs[examples:]])
        brief.params = [
            _briefly(each) for each in self.get_params(ctx) if each.name not in self.rare
        ]
        brief.format_help(ctx, formatter)


def _briefly(parameter: Any) -> Any:
    """Return a parameter without its panel and bounds, its default at the end of its help."""
    shown = copy(parameter)
    shown.min = shown.max = None
    if not hasattr(shown, "is_flag"):
        shown.required = False  # Which the usage says.
    else:
        shown.rich_help_panel = None
        default = getattr(shown.default, "value", shown.default)
        is_said = default is None or isinstance(default, bool) or f"({default}:" in shown.help
        if shown.show_default is True and not is_said:
            shown.help += f" [dim]\\[default: {default}][/dim]"
    shown.show_default = False
    return shown


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
    path: tuple[str, ...],
    entries: Mapping[str, str | Group],
    callback: Callable[..., None],
    help_text: str | None,
) -> TyperGroup:
    app = _app(name=path[-1] if path else "ccx", cls=_LazyGroup, no_args_is_help=True)
    app.callback(help=help_text)(callback)
    group: Any = typer.main.get_command(app)
    group.commands = _Commands(path, entries)
    _show_help_option(group)
    return group  # type: ignore[no-any-return]


def _make_command(path: tuple[str, ...]) -> Any:
    app = _app()
    options = _find("ccx_cli.cli.commands.", options_of(path))
    app.command(path[-1], cls=_BriefCommand)(_callback(options, _EveryOptions, job=job_of(path)))
    command: Any = typer.main.get_command(app)
    command.context_class = SettledContext
    command.rare = {
        field.name
        for within, field, _ in (*_leaves(options), *_leaves(_EveryOptions))
        if field.metadata.get("rare", getattr(within, "rare", False))
    }
    name_values(command)
    _show_help_option(command)
    return command


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


def _callback(*options: Any, job: str | None = None) -> Callable[..., None]:
    """Return what Typer makes a command of: its parameters are the options of classes."""

    def callback(**values: Any) -> None:
        if job is not None:
            _find("ccx_cli.cli.", job)(_gather(options[0], values))

    parameters = [_parameter(*leaf) for each in options for leaf in _leaves(each)]
    callback.__doc__ = options[0].__doc__
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {each.name: each.annotation for each in parameters}
    return callback


@cache
def _fields(options: Any) -> list[tuple[Field[Any], Any]]:
    """Return the fields of a class with their types; groups that it inherits come last."""
    hints = get_type_hints(options)
    found = [(field, hints[field.name]) for field in fields(options)]
    own = options.__annotations__
    return sorted(found, key=lambda each: is_dataclass(each[1]) and each[0].name not in own)


def _leaves(options: Any) -> Iterator[tuple[Any, Field[Any], Any]]:
    """Yield the options of a class and of the groups among its fields: class, field and type."""
    for field, annotation in _fields(options):
        if is_dataclass(annotation):
            yield from _leaves(annotation)
        else:
            yield options, field, annotation


def _parameter(options: Any, field: Field[Any], kind: Any) -> inspect.Parameter:
    """Return an option as a parameter, with its class's panel; flags have no --no-FLAG."""
    declared = copy(field.metadata["typer"])
    if isinstance(declared, OptionInfo):
        declared.rich_help_panel = declared.rich_help_panel or getattr(options, "panel", None)
        if kind is bool and declared.default is ...:
            declared.param_decls = (f"--{field.name.replace('_', '-')}",)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.default is MISSING else field.default,
        annotation=Annotated[kind, declared],
    )


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
