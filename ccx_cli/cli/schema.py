"""``ccx schema``: what the records of a command look like, for programs."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

import typer

from ccx_cli.cli.completing.values import one_of
from ccx_cli.cli.options import OutputOptions, TalkOptions
from ccx_cli.cli.output import Column, write_document, writing_to
from ccx_cli.errors import UsageError, suggestion

NAMES = (
    "analyze",
    "cache",
    "cache-clear",
    "cluster",
    "compare-heuristics",
    "compare-runs",
    "compare-thresholds",
    "concepts",
    "config",
    "dry-run",
    "explain",
    "fetch",
    "import",
    "importance",
    "info",
    "layers",
    "metrics",
    "render",
    "rerun",
    "roles",
    "schema",
    "score",
    "summary",
)
COLUMNS = (
    Column("schema", "schema", style="bold"),
    Column("version", "version", right=True),
    Column("of", "of"),
    Column("describes", "describes"),
)


def schema(
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help=f"One of {', '.join(NAMES)}.",
            show_default="list them",
            autocompletion=one_of(*NAMES),
        ),
    ] = None,
    out: OutputOptions,
    talk: TalkOptions,
) -> None:
    """Print the JSON Schema of a command's records.

    It describes one record: a line of --format jsonl, an item of --format json.
    A change that could break a reader raises the version, the end of its $id.

    [bold]Examples[/bold]

      ccx schema
      ccx schema explain
      ccx schema metrics -o metrics.schema.json
    """
    import json

    if name is None:
        with writing_to(out, COLUMNS, no_color=talk.no_color) as writer:
            records = []
            for each in NAMES:
                content = json.loads(schema_text(each))
                version = int(content["$id"].rpartition(":")[2])
                words = {"of": content["title"], "describes": content["description"]}
                records.append({"schema": each, "version": version, **words})
                writer.line(records[-1])
            writer.rest(records)
        return
    if name not in NAMES:
        near = suggestion(name, NAMES) or ": `ccx schema` lists them."
        raise UsageError(f"There is no schema {name}{near}")
    write_document(out, schema_text(name))


def schema_text(name: str) -> str:
    """Return the schema of one of ``NAMES`` as it is in the package."""
    return (files("ccx_cli") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
