"""Answers with records of several kinds: a table each for people, ``kind`` for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ccx_cli.cli.options import Format
from ccx_cli.cli.output import Column, Record, Writer, plain
from ccx_cli.records.fields import Record as Stored


@dataclass(frozen=True, slots=True)
class Section:
    """Records of one kind.

    Attributes
    ----------
    kind
        What their key ``kind`` holds.
    title
        Stands above their table.
    columns
        Of the table.
    """

    kind: str
    title: str
    columns: tuple[Column, ...]


def write_sections(
    writer: Writer, sections: Sequence[Section], records: Sequence[Record | Stored]
) -> None:
    """Write records of all kinds; a table is left out where there are none of its kind."""
    rows = list(map(plain, records))
    for row in rows:
        writer.line(row)
    if writer.form is not Format.TABLE:
        writer.rest(rows)
        return
    for section in sections:
        own = [row for row in rows if row["kind"] == section.kind]
        if own:
            replace(writer, columns=section.columns, title=section.title).rest(own)
