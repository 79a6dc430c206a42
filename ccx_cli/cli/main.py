"""``ccx``: the commands, and the one place where errors end the program."""

from __future__ import annotations

import re
import sys
import traceback
from functools import lru_cache
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from ccx_cli.cli import (
    analyze,
    cache,
    cluster,
    compare,
    completion,
    concepts,
    config,
    demo,
    explain,
    fetch,
    import_,
    importance,
    info,
    layers,
    metrics,
    render,
    rerun,
    roles,
    schema,
    score,
    summary,
    tui,
)
from ccx_cli.cli.called import remember
from ccx_cli.cli.completing.shells import ANSWER, answer, nothing
from ccx_cli.cli.diagnostics import say, say_error
from ccx_cli.cli.option_groups import with_groups
from ccx_cli.cli.option_names import with_options
from ccx_cli.cli.output import ReaderLeftError, print_text
from ccx_cli.cli.settings.group import HELP_NAMES, ConfigOption, SettledGroup
from ccx_cli.cli.settings.levels import forget, is_given, refused, with_origins
from ccx_cli.errors import CcxError, ExitCode
from ccx_cli.version import __version__

app = typer.Typer(
    name="ccx",
    cls=SettledGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": HELP_NAMES},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_text(f"ccx {__version__}")
        raise typer.Exit


@app.callback()
def ccx(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Show the version."
        ),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Tell what the neurons of an image classifier respond to.

    For every unit of a layer and every range of its activation, ccx finds
    the formula of labelled concepts that covers best the pixels where the
    unit fires.

    [bold]Examples[/bold]

      ccx demo
      ccx explain --model resnet18 --subset ade20k --random-units 10
      ccx explain --help
    """


app.command(rich_help_panel="Data")(with_groups(demo.demo))
app.command(rich_help_panel="Data")(with_groups(fetch.fetch))
app.add_typer(import_.app, rich_help_panel="Data")
app.command(rich_help_panel="Data")(with_groups(concepts.concepts))
app.add_typer(cache.app, rich_help_panel="Data")
app.command(rich_help_panel="Explain")(with_groups(layers.layers))
app.command(rich_help_panel="Explain")(with_groups(cluster.cluster))
app.command(rich_help_panel="Explain")(with_groups(explain.explain))
app.command(rich_help_panel="Explain")(with_groups(score.score))
app.command(rich_help_panel="Explain")(with_groups(rerun.rerun))
app.command(rich_help_panel="Study")(with_groups(metrics.metrics))
app.command(rich_help_panel="Study")(with_groups(importance.importance))
app.command(rich_help_panel="Study")(with_groups(analyze.analyze))
app.command(rich_help_panel="Study")(with_groups(summary.summary))
app.command(rich_help_panel="Study")(with_groups(roles.roles))
app.add_typer(compare.app, rich_help_panel="Study")
app.command(rich_help_panel="Look")(with_groups(tui.tui))
app.command(rich_help_panel="Look")(with_groups(render.render))
app.command(rich_help_panel="Look")(with_groups(info.info))
app.command(rich_help_panel="Look")(with_groups(schema.schema))
app.command(rich_help_panel="Look")(with_groups(config.config))
app.command(rich_help_panel="Look")(with_groups(completion.completion))


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; every error ends here, in one sentence.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == [ANSWER]:
        return _complete(given[1:])
    remember(given)
    forget()
    try:
        code = _program()(given, prog_name="ccx", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except ReaderLeftError:
        return ExitCode.DONE
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # Help is read by head.
            return ExitCode.DONE
        raise
    except Exception as error:
        if not _was_interrupted(error):
            return _ended(error, given)
        code = ExitCode.INTERRUPTED
    # Typer itself turns Ctrl-C into this code.
    if code == ExitCode.INTERRUPTED:
        say("Interrupted. What is finished is kept: the same command goes on from there.")
    return code if isinstance(code, int) else ExitCode.DONE


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came of Ctrl-C, as an import does that was stopped within C."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _ended(error: Exception, arguments: list[str]) -> ExitCode:
    """Tell an error that ends the program."""
    code = ExitCode.FAILED
    match error:
        case CcxError():
            sentence, code = with_origins(with_options(str(error))), error.exit_code
        case TyperException():
            # Without a message where a group was called bare, and has shown its help.
            if not error.format_message():
                return ExitCode.USAGE
            sentence, code = _one_sentence(error), ExitCode.USAGE
        case FileExistsError():
            sentence = (
                f"{error.filename} is a file where a directory has to be: name another place."
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            what = error.strerror or error
            sentence = f"{where}{what}: check the path, its permissions and the space left."
        case MemoryError():
            sentence = (
                f"There is not enough memory ({error or 'no more is given'}): take fewer "
                "--workers, a smaller --batch-size or fewer images, or a machine with more."
            )
        case _:
            sentence = f"{type(error).__name__}: {error} (a fault of ccx: --debug shows where)."
    return _failed(sentence, code, arguments)


@lru_cache
def _program() -> Any:
    """Return the command that all others are under; making it takes a while."""
    return typer.main.get_command(app)


def _complete(arguments: list[str]) -> ExitCode:
    """Answer a shell; where anything fails nothing is offered, and nothing said amid the line."""
    try:
        text = answer(_program(), arguments)
    except Exception:
        text = nothing()
    print_text(text)
    return ExitCode.DONE


def _failed(sentence: str, code: ExitCode, arguments: list[str]) -> ExitCode:
    """Tell an error; the flags are looked for by hand where the error is in the command line."""
    say_error(sentence, no_color="--no-color" in arguments or is_given("no_color"))
    if "--debug" in arguments or is_given("debug"):
        traceback.print_exc()
    return code


def _one_sentence(error: TyperException) -> str:
    """Say what is wrong with the command line; where that names no mend, where to look for it."""
    text = _needed(refused(error) or error.format_message()).strip()
    # A value is refused by saying what it has to be, and a name by those near to it.
    is_told = hasattr(error, "param") and not text.startswith("Missing")
    if not (is_told or text.endswith("?") or "(Possible options" in text):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "ccx"
        return f"{text.removesuffix('.')}: `{path} --help` lists what there is."
    return text if text.endswith((".", "?")) else f"{text}."


def _needed(text: str) -> str:
    """Say what an option takes in the words of who types it, not of who checks it."""
    text = text.replace("Value error, ", "")
    for said, meant in (
        (r"Input should be a valid integer, .*", "a whole number is needed"),
        (r"Input should be a valid number, .*", "a number is needed"),
        (r"Input should be greater than or equal to (\S+)", r"\1 or more is needed"),
        (r"Input should be less than or equal to (\S+)", r"\1 or less is needed"),
    ):
        text = re.sub(said, meant, text, flags=re.DOTALL)
    return text
