"""``ccx schema``: what the records of a command look like, for programs."""

from __future__ import annotations

import json

from ccx_cli.cli.commands.look import SCHEMA_NAMES, SchemaOptions
from ccx_cli.cli.output import Column
from ccx_cli.cli.output_files import write_document, writing_to
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.records.listings import SchemaRecord
from ccx_cli.records.schema import SCHEMAS, json_schema

COLUMNS = (
    Column("schema", "schema", style="bold"),
    Column("version", "version", right=True),
    Column("of", "of"),
    Column("describes", "describes"),
)


def schema(options: SchemaOptions) -> None:
    """Print the JSON Schema of a command's records."""
    if options.schema is None:
        with writing_to(options.out, COLUMNS, no_color=options.messages.no_color) as writer:
            writer.write(
                SchemaRecord(schema=name, version=one.version, of=one.of, describes=one.description)
                for name, one in SCHEMAS.items()
            )
        return
    if options.schema not in SCHEMA_NAMES:
        near = suggestion(options.schema, SCHEMA_NAMES) or ": `ccx schema` lists them."
        raise UsageError(f"There is no schema {options.schema}{near}")
    write_document(options.out, schema_text(options.schema))


def schema_text(name: str) -> str:
    """Return the schema of one of ``SCHEMA_NAMES``."""
    return json.dumps(json_schema(name), ensure_ascii=False, indent=2) + "\n"
