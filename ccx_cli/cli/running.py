"""Runs a command, and is the one place where errors end the program."""

from __future__ import annotations

import logging
import re
import traceback

import typer
from typer.exceptions import TyperException

from ccx_cli.cli.interrupts import interrupted
from ccx_cli.cli.option_names import with_options
from ccx_cli.cli.program import program
from ccx_cli.cli.settings.levels import begin, is_given, is_typed, refused, with_origins
from ccx_cli.cli.stderr import say, say_error
from ccx_cli.cli.stdout import ReaderLeftError
from ccx_cli.errors import CcxError, ExitCode

# Matplotlib would say on stderr, whatever --quiet, that it has no home to write to.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())

# What libraries say that cannot be loaded or allocate, in errors of many kinds.
_NO_MEMORY = re.compile(r"failed to map segment|[Cc]annot allocate memory|can't allocate memory")


def run_command(given: list[str]) -> int:
    """Run a command line and return its exit code; every error ends here, in one sentence."""
    begin(given)
    try:
        code = program()(given, prog_name="ccx", standalone_mode=False)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except typer.Abort as aborted:
        # Typer takes the end of a file that is read for Ctrl-C too.
        ended = aborted.__cause__ or aborted.__context__
        if isinstance(ended, EOFError):
            return _ended(ended, given)
        code = ExitCode.INTERRUPTED
    except ReaderLeftError:
        return ExitCode.DONE
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # Help is read by head.
            return ExitCode.DONE
        raise
    except Exception as error:
        if not interrupted.is_set():
            return _ended(error, given)
        code = ExitCode.INTERRUPTED
    # Typer itself turns Ctrl-C into this code.
    if code == ExitCode.INTERRUPTED:
        if is_typed("--check"):
            say("Interrupted. Nothing of an unfinished check is kept: run it again.")
        else:
            say("Interrupted. Finished work is kept: run the same command to continue.")
    return code if isinstance(code, int) else ExitCode.DONE


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
                f"{error.filename} is a file where a directory must be: name another directory."
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            what = error.strerror or error
            sentence = f"{where}{what}: check the path, its permissions and the space left."
        case _ if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            sentence = (
                f"There is not enough memory ({error or 'no more is given'}): take fewer "
                "--workers, a smaller --batch-size or fewer images, or a machine with more."
            )
        case _:
            sentence = f"{type(error).__name__}: {error} (an internal error: --debug shows where)."
    # The flags are looked for by hand where the error is in the command line.
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
