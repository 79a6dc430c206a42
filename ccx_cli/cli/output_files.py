"""Opens what ``-o`` names: stdout, a stream or files, in the form that is asked for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ccx_cli.cli.options import Format, OutputOptions
from ccx_cli.cli.output import Column, Writer
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.cli.stdout import reader_may_leave
from ccx_cli.errors import CcxError, UsageError
from ccx_cli.store.atomic import is_stream, replacing

# Stdout may be a file that the shell opened, whose name would be a file to overwrite.
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1")
FORMS: Mapping[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".txt": "table",
}


def _form(options: OutputOptions) -> Format:
    """Return the form that the file's ending says, or ``--format``; refuse two that differ."""
    suffix, is_given = Path(options.output).suffix, is_typed("--format")
    form = FORMS.get(suffix.lower(), options.format)
    if suffix and suffix.lower() not in FORMS and form == "table" and not is_given:
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
    kinds: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Writer]:
    """Open what ``-o`` names; a file is replaced only with ``--force``, and only once all is in.

    The form is that of the file's ending or of ``--format``, if not ``form``. A device or a pipe,
    such as ``/dev/null`` or a shell's ``>(jq)``, is written into. CSV and Parquet have a file for
    each kind of record, of which ``kinds`` names those that are not the main one; what is left out
    of a stream is told.
    """
    form = form or _form(options)
    if form == "parquet":
        _check_parquet(options.output)
    path = Path(options.output)
    if options.output in _STDOUT:
        sys.stdout.write("")  # An error before long work, where stdout is closed.
        writer = Writer(None, form, columns, title, no_color)
        yield writer
        _tell_left_out(writer, tell)
        return
    is_file = not is_stream(path)
    if is_file and form in _ONE_KIND:
        for kind in kinds:
            check_free(_beside(path, kind), options.force)
    check_free(path, options.force)
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", errors="surrogateescape", newline="\n")
    writer = Writer(text, form, columns, title, True)
    yield writer
    text.flush()

    if not is_file:
        with _naming(path):
            path.write_bytes(content.getvalue())
        _tell_left_out(writer, tell)
        return
    files = {_beside(path, kind): own for kind, own in writer.beside.items()}
    for file in files:
        check_free(file, options.force)
    for file, own in {path: content.getvalue(), **files}.items():
        with _naming(file), replacing(file) as beside:
            beside.write_bytes(own)
    if files:
        tell(f"Also written: {', '.join(map(str, files))}.")


_ONE_KIND = ("csv", "parquet")


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.stem}-{kind}{path.suffix}")


def _tell_left_out(writer: Writer, tell: Callable[[str], None]) -> None:
    if writer.beside:
        files = ", ".join(str(_beside(Path(f"FILE.{writer.form}"), kind)) for kind in writer.beside)
        tell(
            f"Not in this table, which has one kind of row: {', '.join(writer.beside)}. "
            f"-o FILE.{writer.form} writes {files} as well, and --format jsonl all rows."
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file that cannot be written."""
    try:
        yield
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
