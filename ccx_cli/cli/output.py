"""The only writer of stdout: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO, TypeVar

from msgspec import UNSET
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ccx_cli import design
from ccx_cli.cli.options import Format, OutputOptions
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.cli.stdout import reader_may_leave
from ccx_cli.concepts.broden_csv import Label
from ccx_cli.errors import CcxError, UsageError
from ccx_cli.printable import escaped, printable, printable_lines
from ccx_cli.records.fields import Record as Stored
from ccx_cli.records.fields import to_json
from ccx_cli.runs.findings import short_names, short_text
from ccx_cli.store.atomic import is_stream, replacing

Record = dict[str, Any]
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


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records to ``file``, else to stdout; ``names`` are what tables call concepts."""

    file: TextIO | None
    form: Format
    columns: Sequence[Column]
    title: str
    no_color: bool
    names: dict[str, str] = field(default_factory=dict)

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

    def rest(self, records: Sequence[Record | Stored]) -> None:
        """Write all records in the forms that need them together."""
        content = [] if self.is_table else list(map(_plain, records))
        with reader_may_leave():
            match self.form:
                case "jsonl":
                    pass
                case "json":
                    text = json.dumps(content, ensure_ascii=False, indent=1)
                    self.stream.write(escaped(text) + "\n")
                case "csv":
                    text = _csv(content, [column.key for column in self.columns])
                    # A program must get what there is; a terminal would obey it.
                    self.stream.write(printable_lines(text) if self.stream.isatty() else text)
                case "parquet":
                    # It needs pyarrow, which is optional.
                    from ccx_cli.cli.parquet import parquet_bytes

                    keys = [column.key for column in self.columns]
                    self.stream.buffer.write(parquet_bytes(content, keys))
                case "table":
                    self._table(records)
            self.stream.flush()

    def write(self, records: Iterable[AnyRecord]) -> list[AnyRecord]:
        """Write records as they come, in whichever form, and return them."""
        written = []
        for record in records:
            self.line(record)
            written.append(record)
        self.rest(written)
        return written

    def sentences(self, *sentences: str) -> None:
        """Write sentences for people, a line each, above a table; programs get records only."""
        if self.is_table:
            with reader_may_leave():
                self.stream.write(printable_lines("\n".join(sentences)) + "\n")

    def _table(self, records: Sequence[Record | Stored]) -> None:
        columns = list(self.columns)
        table = self._draw(columns, records)
        console = Console(
            file=self.stream,
            no_color=self.no_color or None,
            width=None if self.stream.isatty() else _width(table),
        )
        spare = [column for column in columns if column.spare]
        while spare and _width(table) > console.width:
            columns.remove(spare.pop())
            table = self._draw(columns, records)
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
    """A table of an answer with records of several kinds: those whose key ``kind`` is its own."""

    kind: str
    title: str
    columns: tuple[Column, ...]


def write_sections(
    writer: Writer, sections: Sequence[Section], records: Sequence[Record | Stored]
) -> None:
    """Write records of all kinds: a table each for people, left out where there are none."""
    rows = list(map(_plain, records))
    if not writer.is_table:
        writer.write(rows)
        return
    for section in sections:
        own = [row for row in rows if row["kind"] == section.kind]
        if own:
            replace(writer, columns=section.columns, title=section.title).rest(own)


# Stdout may be a file that the shell opened, whose name would be a file to overwrite.
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1")
_FORMS: Mapping[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".txt": "table",
}


def _form(options: OutputOptions) -> Format:
    """Return the form that the file's ending says, or ``--format``; refuse two that differ."""
    suffix, is_given = Path(options.output).suffix, is_typed("--format")
    form = _FORMS.get(suffix.lower(), options.format)
    if suffix and suffix.lower() not in _FORMS and form == "table" and not is_given:
        raise UsageError(
            f"--output {options.output} ends in no form that ccx writes: end it in .csv, .json, "
            ".jsonl or .parquet, in .txt for a table, or add --format."
        )
    if form == options.format or not is_given:
        return form
    if form != "table":
        raise UsageError(
            f"--format {options.format} and --output {options.output} differ: leave --format out, "
            "or name a file with another ending."
        )
    return options.format


@contextmanager
def writing_to(
    options: OutputOptions,
    columns: Sequence[Column],
    *,
    title: str = "",
    no_color: bool = False,
    form: Format | None = None,
) -> Iterator[Writer]:
    """Open what ``-o`` names; a file is replaced only with ``--force``, and only once all is in.

    The form is that of the file's ending or of ``--format``, if not ``form``. A device or a pipe,
    such as ``/dev/null`` or a shell's ``>(jq)``, is written into.
    """
    form = form or _form(options)
    if form == "parquet":
        _check_parquet(options.output)
    if options.output in _STDOUT:
        sys.stdout.write("")  # An error before long work, where stdout is closed.
        yield Writer(None, form, columns, title, no_color)
        return
    path = Path(options.output)
    check_free(path, options.force)
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", errors="surrogateescape", newline="\n")
    yield Writer(text, form, columns, title, True)
    text.flush()

    try:
        if is_stream(path):
            path.write_bytes(content.getvalue())
        else:
            with replacing(path) as beside:
                beside.write_bytes(content.getvalue())
    except OSError as error:
        raise CcxError(
            f"{path} cannot be written ({error.strerror}): name another file."
        ) from error


def _check_parquet(output: str) -> None:
    if find_spec("pyarrow") is None:
        raise UsageError(
            "--format parquet needs pyarrow, which is not installed: install it with "
            "`pip install 'ccx-cli[parquet]'`, or take another format."
        )
    if output in _STDOUT and sys.stdout.isatty():
        raise UsageError(
            "--format parquet cannot be written to a terminal: name a file with -o FILE."
        )


def check_plot(path: Path, force: bool) -> None:
    """Refuse a plot of no known kind, or where ``check_free`` does."""
    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise UsageError(f"--plot {path} must end in .png, .svg or .pdf.")
    check_free(path, force, "--plot")


def check_free(path: Path, force: bool, option: str = "--output") -> None:
    """Refuse to overwrite a file without ``--force``, or one that could not be written."""
    if path.is_dir():
        raise UsageError(f"{option} {path} is a directory: name a file.")
    if is_stream(path):
        return
    if path.exists() and not force:
        raise UsageError(f"{path} exists: add --force to overwrite it.")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UsageError(
            f"{option} {path}: no file can be written in {above}, name another directory."
        )


def write_document(options: OutputOptions, text: str) -> None:
    """Write text that is no records to what ``-o`` names."""
    with writing_to(options, (), form="table") as writer, reader_may_leave():
        writer.stream.write(text.rstrip("\n") + "\n")
        writer.stream.flush()


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


def _csv(records: Sequence[Record], keys: Sequence[str]) -> str:
    """Write records as CSV; without any, a header of ``keys``."""
    names = list(dict.fromkeys(key for record in records for key in record)) or keys
    rows = [
        [
            json.dumps(value, ensure_ascii=False)
            if isinstance(value, list | dict | bool)
            else value
            for value in map(record.get, names)
        ]
        for record in records
    ]
    lines = []
    for row in (names, *rows):
        text = io.StringIO()
        # With these line ends csv quotes a cell that holds any line end.
        csv.writer(text, lineterminator="\r\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def _width(table: Table) -> int:
    """Width that a table takes unwrapped: a pipe has no edge to wrap at."""
    return Console(width=10_000, height=25).measure(table).maximum
