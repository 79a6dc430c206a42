"""The only writer of stdout: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TextIO, TypeVar

from msgspec import UNSET
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ccx_cli import design
from ccx_cli.cli.options import Format
from ccx_cli.cli.rows import by_kind, csv_text, file_kind, flat_rows
from ccx_cli.cli.stdout import reader_may_leave
from ccx_cli.concepts.broden_csv import Label
from ccx_cli.printable import escaped, printable, printable_lines
from ccx_cli.records.fields import Record as Stored
from ccx_cli.records.fields import to_json
from ccx_cli.runs.findings import short_names, short_text

Record = dict[str, Any]
TOTAL = "total"
"""The kind of file of records that are of all others."""
AnyRecord = TypeVar("AnyRecord", bound=Record | Stored)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, the record's key, and how it looks.

    Numbers have so many ``decimals``, if not the form that ``design`` gives to what the key
    measures; ``form`` writes any value in another one. Null is ``absent``. ``show`` writes the cell
    from the whole record. A ``whole`` column, as one of numbers, is never wrapped; ``spare`` ones
    are left out, the last first, where a terminal is too narrow for all. The concepts of a
    ``named`` one are written with the writer's names.
    """

    title: str
    key: str
    style: str = ""
    right: bool = False
    decimals: int = 4
    form: Callable[[Any], str] | None = None
    absent: str = design.MISSING
    show: Callable[[Any], str] | None = None
    whole: bool = False
    spare: bool = False
    named: bool = False

    def text(self, record: Record | Stored, names: Mapping[str, str]) -> str:
        """Write the record's cell, with the names that people read."""
        text = self._text(record)
        return short_text(text, names) if self.named else text

    def _text(self, record: Record | Stored) -> str:
        get = partial(getattr, record) if isinstance(record, Stored) else record.get
        value = get(self.key, None)
        if self.show is not None:
            return self.show(record)
        if value is None or value is UNSET:
            return self.absent
        if self.form is not None:
            return self.form(value)
        return cell(value, self.key, self.decimals)


# The columns of many tables; that of the layer where a table is of several.
LAYER = Column("layer", "layer", style="dim", whole=True)
UNIT = Column("unit", "unit", right=True)
RANGE = Column("range", "cluster", right=True)
ACTIVATION = Column("activation", "range", style="dim", whole=True)
FORMULA = Column("formula", "formula", style="bold", named=True)
IOU = Column("IoU", "iou", right=True)
LIFT = Column("lift", "lift", right=True)
MCC = Column("MCC", "mcc", right=True)
HITS = Column("hits", "hits", right=True)


def numbers(*keys: str) -> tuple[Column, ...]:
    """Return columns of numbers that are titled with their keys."""
    return tuple(Column(key, key, right=True) for key in keys)


def ious(ends: Sequence[float]) -> str:
    """Write the ends of an interval of IoUs."""
    return " … ".join(map(design.iou, ends))


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records to ``file``, else to stdout; ``names`` are what tables call concepts.

    CSV and Parquet hold one kind of record a file: the files of others are ``beside`` it, by the
    kind.
    """

    file: TextIO | None
    form: Format
    columns: Sequence[Column]
    title: str
    no_color: bool
    names: dict[str, str] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)

    def shorten(self, labels: Iterable[Label]) -> None:
        """Write concepts in tables without suffix where no other label of the dataset is meant."""
        self.names.update(short_names(labels))

    @property
    def is_table(self) -> bool:
        """Whether people read what it writes, not programs."""
        return self.form == "table"

    @property
    def stream(self) -> TextIO:
        """Where to write; progress bars put a stdout of their own in place while they move."""
        return sys.stdout if self.file is None else self.file

    def line(self, record: Record | Stored) -> None:
        """Write a record at once if the form has one a line, so that a pipe need not wait."""
        if self.form == "jsonl":
            with reader_may_leave():
                text = json.dumps(_plain(record), ensure_ascii=False)
                self.stream.write(escaped(text) + "\n")
                self.stream.flush()

    def rest(
        self, records: Sequence[Record | Stored], kind_of: Callable[[Record], str] | None = None
    ) -> None:
        """Write all records in the forms that need them together.

        ``kind_of`` tells the main kind, ``""``, from others, which CSV and Parquet keep apart;
        without it, ``kind`` does.
        """
        content = [] if self.is_table else list(map(_plain, records))
        with reader_may_leave():
            match self.form:
                case "jsonl":
                    pass
                case "json":
                    text = json.dumps(content, ensure_ascii=False, indent=1)
                    self.stream.write(escaped(text) + "\n")
                case "csv" | "parquet":
                    self._rows(content, kind_of or by_kind(content))
                case "table":
                    self._table(records)
            self.stream.flush()

    def _rows(self, records: Sequence[Record], kind_of: Callable[[Record], str]) -> None:
        kinds: dict[str, list[Record]] = {"": []}
        for record in records:
            kinds.setdefault(kind_of(record), []).append(record)
        keys = [column.key for column in self.columns]
        main = flat_rows(kinds.pop(""), keys)
        if self.form == "csv":
            text = csv_text(*main)
            # A program must get what there is; a terminal would obey it.
            self.stream.write(printable_lines(text) if self.stream.isatty() else text)
            self.beside.update(
                (kind, csv_text(*flat_rows(own)).encode(errors="surrogateescape"))
                for kind, own in kinds.items()
            )
        else:
            # It needs pyarrow, which is optional.
            from ccx_cli.cli.parquet import parquet_bytes

            self.stream.buffer.write(parquet_bytes(*main))
            self.beside.update(
                (kind, parquet_bytes(*flat_rows(own))) for kind, own in kinds.items()
            )

    def write(
        self, records: Iterable[AnyRecord], kind_of: Callable[[Record], str] | None = None
    ) -> list[AnyRecord]:
        """Write records as they come, in whichever form, and return them."""
        written = []
        for record in records:
            self.line(record)
            written.append(record)
        self.rest(written, kind_of)
        return written

    def sentences(self, *sentences: str) -> None:
        """Write sentences for people, a line each, above a table; programs get records only."""
        if self.is_table:
            with reader_may_leave():
                self.stream.write(printable_lines("\n".join(sentences)) + "\n")

    def _table(self, records: Sequence[Record | Stored]) -> None:
        # A border of each table of one column is shared by the table of all.
        shown = [(column, _width(self._draw([column], records)) - 1) for column in self.columns]
        width = sum(wide for _, wide in shown) + 1
        console = Console(
            file=self.stream,
            no_color=self.no_color or None,
            width=None if self.stream.isatty() else width,
        )
        for each in [each for each in reversed(shown) if each[0].spare]:
            if width > console.width:
                shown.remove(each)
                width -= each[1]
        table = self._draw([column for column, _ in shown], records)
        # Rich would end the program by itself where the reader has left.
        with console.capture() as drawn:
            console.print(table)
        self.stream.write(drawn.get())

    def _draw(self, columns: Sequence[Column], records: Sequence[Record | Stored]) -> Table:
        heading = Text(printable(self.title)) if self.title else None
        table = Table(title=heading, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(
                column.title,
                style=column.style,
                justify="right" if column.right else "left",
                no_wrap=column.right or column.whole,
                overflow="fold",
            )
        for record in records:
            cells = (column.text(record, self.names) for column in columns)
            table.add_row(*(Text(printable_lines(cell)) for cell in cells))
        return table


def _plain(record: Record | Stored) -> Record:
    return to_json(record) if isinstance(record, Stored) else record


@dataclass(frozen=True, slots=True)
class Section:
    """A table of an answer with records of several kinds: those whose key ``kind`` is its own.

    Records whose ``total`` is null are of all others.
    """

    kind: str
    title: str
    columns: tuple[Column, ...]
    total: str | None = None


def kinds_of(sections: Sequence[Section]) -> list[str]:
    """Return the kinds of which CSV and Parquet have a file of their own."""
    named = [file_kind(section.kind) for section in sections[1:]]
    return [*named, TOTAL] if any(section.total for section in sections) else named


def write_sections(
    writer: Writer,
    sections: Sequence[Section],
    records: Sequence[Record | Stored],
    main: str | None = None,
) -> None:
    """Write records of all kinds: a table each for people, left out where there are none.

    The ``main`` kind of a CSV is that of the first section, if there are any, else that of the
    first record.
    """
    rows = list(map(_plain, records))
    if not writer.is_table:
        kinds = [row["kind"] for row in rows]
        if main is None:
            main = next((kind for kind in kinds if kind == sections[0].kind), (kinds or [""])[0])
        totals = {section.kind: section.total for section in sections}

        def kind_of(row: Record) -> str:
            if row.get(totals[row["kind"]] or "kind") is None:
                return TOTAL
            return "" if row["kind"] == main else file_kind(row["kind"])

        columns = next((each.columns for each in sections if each.kind == main), ())
        replace(writer, columns=columns).write(rows, kind_of)
        return
    for section in sections:
        own = [row for row in rows if row["kind"] == section.kind]
        if own:
            replace(writer, columns=section.columns, title=section.title).rest(own)


def cell(value: Any, key: str = "", decimals: int = 4) -> str:
    """Write the value of a record's key for a table, nothing as a dash."""
    match value:
        case None:
            return design.MISSING
        case bool():
            return "yes" if value else "no"
        case int():
            return design.count(value)
        case float():
            return design.measure(key, value, decimals)
        case [None | float() | int(), None | float() | int()]:
            return design.ends(value)
        case list():
            return printable(", ".join(map(str, value)))
        case _:
            return printable(str(value))


def _width(table: Table) -> int:
    """Width that a table takes unwrapped: a pipe has no edge to wrap at."""
    return Console(width=10_000, height=25).measure(table).maximum
