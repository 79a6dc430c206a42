"""``ccx completion``: the scripts that complete command lines in a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ccx_cli.cli.completing.shells import Shell
from ccx_cli.cli.completing.values import directories


def completion(
    *,
    shell: Annotated[
        Shell | None, typer.Argument(help="The shell whose script is printed.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Write the scripts of all shells there, under the names that shells look for.",
            autocompletion=directories,
        ),
    ] = None,
) -> None:
    r"""Print the script that completes ccx's command lines in bash, zsh or fish.

    It completes commands, options and their values: networks and layers,
    subsets, concepts, stored runs and their units.

    [bold]Examples[/bold]

      ccx completion bash > ~/.local/share/bash-completion/completions/ccx
      ccx completion zsh > "${fpath\[1]}/_ccx"
      ccx completion fish > ~/.config/fish/completions/ccx.fish
      ccx completion --into completions
    """
    from ccx_cli.cli.completing.scripts import FILES, script
    from ccx_cli.cli.output import print_text
    from ccx_cli.errors import UsageError
    from ccx_cli.store.atomic import write_text

    if (shell is None) == (into is None):
        raise UsageError("Name one shell, bash, zsh or fish, or a directory with --into.")
    if shell is not None:
        print_text(script(shell).rstrip("\n"))
    if into is not None:
        into.mkdir(parents=True, exist_ok=True)
        for each, name in FILES.items():
            write_text(into / name, script(each))
            print_text(str(into / name))
