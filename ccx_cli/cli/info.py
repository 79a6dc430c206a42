"""``ccx info``: what a stored run is and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ccx_cli.cli.commands.look import InfoOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.options import Format, StoredOptions
from ccx_cli.cli.output import (
    Column,
    Record,
    Section,
    Writer,
    cell,
    numbers,
    write_document,
    write_sections,
)
from ccx_cli.cli.places import roots_of
from ccx_cli.errors import UsageError
from ccx_cli.runs.methods import methods_latex, methods_text, run_references
from ccx_cli.runs.provenance import describe_run, list_run
from ccx_cli.runs.run import Run, find_run, stored_runs

RUN, SESSION, CACHE, STUDY = "run", "session", "cache", "study"
_SIZES = {"input_size", "mask_size"}


def _units(record: Record) -> str:
    of = record["asked"] or record["of_layer"]
    return f"{record['finished']:,}" + ("" if of is None else f" of {of:,}")


def _megabytes(record: Record) -> str:
    return "-" if record["bytes"] is None else f"{record['bytes'] / 1e6:,.1f} MB"


def _seconds(record: Record) -> str:
    return "did not end" if record["seconds"] is None else f"{record['seconds']:,.1f} s"


LISTED = (
    Column("run", "run", style="bold"),
    Column("units", "finished", right=True, show=_units),
    Column("k", "num_clusters", right=True),
    Column("search", "search"),
    Column("length", "length", right=True),
    Column("state", "state"),
    Column("last worked on", "last", whole=True),
    Column("made for", "made_for", spare=True),
)
SECTIONS = (
    Section(RUN, "", (Column("what", "key", style="dim"), Column("is", "value"))),
    Section(
        SESSION,
        "Sessions",
        (
            Column("started", "started", whole=True),
            Column("took", "seconds", right=True, show=_seconds),
            Column("units", "units", right=True),
            Column("ccx", "ccx"),
            Column("command", "command"),
        ),
    ),
    Section(
        CACHE,
        "Made from",
        (
            Column("cache", "cache"),
            Column("state", "state"),
            Column("size", "bytes", right=True, show=_megabytes),
            Column("directory", "directory"),
        ),
    ),
    Section(
        STUDY,
        "Studies kept beside it",
        (
            Column("study", "study"),
            *numbers("units", "lines"),
            Column("file", "file"),
        ),
    ),
)


def info(options: InfoOptions) -> None:
    """Show what a stored run is and how it was made."""
    roots = roots_of(options.places)
    asked = {"--methods": options.methods or options.latex, "--bibtex": options.bibtex}
    documents = [name for name, is_given in asked.items() if is_given]
    _check(options.stored, options.everything, documents, options.out.format)
    if documents:
        run = _shown(find_run(roots.results, options.stored.run_name))
        text = methods_latex(run) if options.latex else methods_text(run)
        if options.bibtex:
            text = "\n\n".join(reference.bibtex for reference in run_references(run))
        write_document(options.out, text)
        return
    columns = LISTED if options.everything else ()
    with answering(options.out, options.messages, columns) as (progress, writer):
        if options.everything:
            runs = stored_runs(roots.results)
            writer.write(list_run(_shown(run)) for run in runs)
            if not runs:
                progress.note(f"There are no runs in {roots.results}: `ccx explain` makes them.")
            return
        record = describe_run(_shown(find_run(roots.results, options.stored.run_name)), roots)
        _write(writer, record)
        for note in record["notes"]:
            progress.note(note)


def _check(stored: StoredOptions, everything: bool, documents: list[str], form: Format) -> None:
    if everything and (stored.run_name is not None or documents):
        other = documents[0] if documents else stored.run_name
        raise UsageError(f"--all and {other} are mutually exclusive.")
    if len(documents) > 1:
        raise UsageError(f"{' and '.join(documents)} are mutually exclusive.")
    if documents and form is not Format.TABLE:
        raise UsageError(f"{documents[0]} writes text, not {form}: remove --format.")


def _shown(run: Run) -> Run:
    return Run(run.directory, shown=True)


def _write(writer: Writer, record: Record) -> None:
    match writer.form:
        case Format.TABLE:
            write_sections(writer, SECTIONS, list(_rows(record)))
        case Format.CSV | Format.PARQUET:
            writer.rest([dict(_flat(record))])
        case _:
            writer.write([record])


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of objects in objects under names such as ``network.model``."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _rows(record: Record) -> Iterator[Record]:
    """Yield a row for everything that is known, then the sessions, caches and studies."""
    lists = {"sessions": SESSION, "caches": CACHE, "studies": STUDY}
    for key, value in _flat({key: value for key, value in record.items() if key not in lists}):
        if value not in (None, [], "") and key != "notes":
            yield {
                "kind": RUN,
                "key": key.replace(".", " ").replace("_", " "),
                "value": _cell(key, value),
            }
    for key, kind in lists.items():
        for each in record[key]:
            yield {"kind": kind, **each, "ccx": each.get("versions", {}).get("ccx")}


def _cell(key: str, value: Any) -> str:
    name = key.rpartition(".")[2]
    if name == "by_hand":
        return ", ".join(cell(ends) for ends in value)
    if name in _SIZES:
        return " x ".join(map(str, value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and name != "mean_iou" else cell(value)
