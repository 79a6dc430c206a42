"""``ccx completion``: the scripts that complete command lines in a shell."""

from __future__ import annotations

from ccx_cli.cli.commands.look import CompletionOptions
from ccx_cli.cli.completing.shells import FILES, script
from ccx_cli.cli.stdout import print_text
from ccx_cli.errors import UsageError
from ccx_cli.store.atomic import write_text


def completion(options: CompletionOptions) -> None:
    """Print the script that completes ccx's command lines in bash, zsh or fish."""
    if (options.shell is None) == (options.into is None):
        raise UsageError("Name either a shell (bash, zsh or fish) or a directory with --into.")
    if options.shell is not None:
        print_text(script(options.shell).rstrip("\n"))
    if options.into is not None:
        options.into.mkdir(parents=True, exist_ok=True)
        for each, name in FILES.items():
            write_text(options.into / name, script(each))
            print_text(str(options.into / name))
