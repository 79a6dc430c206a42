"""``ccx schema``: what the records of a command look like, for programs."""

from __future__ import annotations

import json
from importlib.resources import files

from ccx_cli.cli.commands.look import SCHEMA_NAMES, SchemaOptions
from ccx_cli.cli.output import Column, write_document, writing_to
from ccx_cli.errors import UsageError, suggestion

COLUMNS = (
    Column("schema", "schema", style="bold"),
    Column("version", "version", right=True),
    Column("of", "of"),
    Column("describes", "describes"),
)


def schema(options: SchemaOptions) -> None:
    """Print the JSON Schema of a command's records."""
    if options.name is None:
        with writing_to(options.out, COLUMNS, no_color=options.talk.no_color) as writer:
            records = []
            for each in SCHEMA_NAMES:
                content = json.loads(schema_text(each))
                version = int(content["$id"].rpartition(":")[2])
                words = {"of": content["title"], "describes": content["description"]}
                records.append({"schema": each, "version": version, **words})
                writer.line(records[-1])
            writer.rest(records)
        return
    if options.name not in SCHEMA_NAMES:
        near = suggestion(options.name, SCHEMA_NAMES) or ": `ccx schema` lists them."
        raise UsageError(f"There is no schema {options.name}{near}")
    write_document(options.out, schema_text(options.name))


def schema_text(name: str) -> str:
    """Return the schema of one of ``SCHEMA_NAMES`` as it is in the package."""
    return (files("ccx_cli") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
