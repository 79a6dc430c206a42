"""``ccx compare``: one way of explaining beside another."""

from __future__ import annotations

import typer

from ccx_cli.cli.compare.heuristics import heuristics
from ccx_cli.cli.compare.runs import runs
from ccx_cli.cli.compare.thresholds import thresholds
from ccx_cli.cli.option_groups import with_groups

app = typer.Typer(
    name="compare",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(with_groups(heuristics))
app.command()(with_groups(thresholds))
app.command()(with_groups(runs))


@app.callback()
def compare() -> None:
    """Compare one way of explaining with another.

    Two stored runs, the published searches, or eleven thresholds.

    [bold]Examples[/bold]

      ccx compare runs demo-demo demo-none
      ccx compare heuristics --model demo --subset demo
      ccx compare thresholds --model demo --subset demo
    """
