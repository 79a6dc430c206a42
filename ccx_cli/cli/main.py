"""``ccx``: the commands, and the one place where errors end the program."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from ccx_cli.cli import (
    analyze,
    cache,
    cluster,
    compare,
    concepts,
    demo,
    explain,
    fetch,
    import_,
    importance,
    layers,
    metrics,
    roles,
    score,
    summary,
)
from ccx_cli.cli.called import remember
from ccx_cli.cli.diagnostics import say, say_error
from ccx_cli.cli.options import with_groups
from ccx_cli.cli.output import ReaderLeftError, print_text
from ccx_cli.errors import CcxError, ExitCode
from ccx_cli.version import __version__

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="ccx",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=HELP,
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
app.command(rich_help_panel="Study")(with_groups(metrics.metrics))
app.command(rich_help_panel="Study")(with_groups(importance.importance))
app.command(rich_help_panel="Study")(with_groups(analyze.analyze))
app.command(rich_help_panel="Study")(with_groups(summary.summary))
app.command(rich_help_panel="Study")(with_groups(roles.roles))
app.add_typer(compare.app, rich_help_panel="Study")


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; every error ends here, in one sentence.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    remember(given)
    try:
        code = app(given, prog_name="ccx", standalone_mode=False)
    except CcxError as error:
        say_error(str(error))
        return _failed(error.exit_code, given)
    except TyperException as error:
        # Without a message where a group was called bare, and has shown its help.
        if error.format_message():
            say_error(_one_sentence(error))
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except ReaderLeftError:
        return ExitCode.DONE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say_error(
            f"{where}{error.strerror or error}: check the path, its permissions and the space left."
        )
        return _failed(ExitCode.FAILED, given)
    except Exception as error:
        say_error(f"{type(error).__name__}: {error} (a fault of ccx: --debug shows where).")
        return _failed(ExitCode.FAILED, given)
    # Typer itself turns Ctrl-C into this code.
    if code == ExitCode.INTERRUPTED:
        say("Interrupted. What is finished is kept: the same command goes on from there.")
    return code if isinstance(code, int) else ExitCode.DONE


def _failed(code: ExitCode, arguments: list[str]) -> ExitCode:
    if "--debug" in arguments:
        traceback.print_exc()
    return code


def _one_sentence(error: TyperException) -> str:
    text = error.format_message().strip()
    return text if text.endswith((".", "?")) else f"{text}."


def run() -> None:
    """Run the process's command line: the entry point of ``ccx``."""
    code = main()
    if code == ExitCode.INTERRUPTED:
        # A second Ctrl-C while Python waits for its threads would end in a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
