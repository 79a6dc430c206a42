"""``ccx info``: what a stored run is and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from ccx_cli.cli.commands.look import InfoOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column, Record, Section, Writer, cell, numbers, write_sections
from ccx_cli.cli.output_files import write_document
from ccx_cli.design import duration, size_text
from ccx_cli.errors import UsageError
from ccx_cli.printable import printable
from ccx_cli.records.annotation import AnnotatedWord
from ccx_cli.records.header import model_name
from ccx_cli.runs.lookup import call_run, find_run, short_names, stored_runs
from ccx_cli.runs.methods.paragraph import methods_latex, methods_text, run_references
from ccx_cli.runs.provenance import describe_run, list_run
from ccx_cli.runs.run import Run

RUN, SESSION, CACHE, STUDY = "run", "session", "cache", "study"
_SIZES = {"input_size", "mask_size"}


def _units(record: Record) -> str:
    of = record["asked"] or record["of_layer"]
    return f"{record['finished']:,}" + ("" if of is None else f" of {of:,}")


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


# Of these, the list of all runs has those in which runs differ, and says the others above it.
MADE_OF = (
    Column("network", "model", form=model_name, absent="?"),
    Column("weights", "pretrained", whole=True),
    Column("layer", "layer"),
    Column("images", "subset", whole=True),
    Column("ranges", "num_clusters", right=True),
    Column("search", "search", whole=True),
    Column("length", "length", right=True),
    Column("state", "state"),
)
SECTIONS = (
    Section(RUN, "", (Column("what", "key", style="dim"), Column("is", "value"))),
    Section(
        SESSION,
        "Sessions",
        (
            Column("started", "started", whole=True),
            Column("took", "seconds", right=True, form=duration, absent="did not end"),
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
            Column("size", "bytes", right=True, form=size_text),
            Column("directory", "directory"),
        ),
    ),
    Section(
        STUDY,
        "Studies kept beside it",
        (Column("study", "study"), *numbers("units", "lines"), Column("file", "file")),
    ),
)


def info(options: InfoOptions) -> None:
    """Show what a stored run is and how it was made."""
    roots = options.places.roots
    asked = {"--methods": options.methods or options.latex, "--bibtex": options.bibtex}
    documents = [name for name, is_given in asked.items() if is_given]
    named = [name for name in ("name", "note") if getattr(options.naming, name) is not None]
    exclusive = [*documents, *(f"--{name}" for name in named[:1])]
    if options.everything:
        exclusive = ["--all", *exclusive, *filter(None, [options.stored.run_name])]
    if len(exclusive) > 1:
        raise UsageError(f"{' and '.join(exclusive[:2])} are mutually exclusive.")
    if documents and options.out.format != "table":
        raise UsageError(f"{documents[0]} writes text, not {options.out.format}: remove --format.")
    if documents:
        run = _shown(find_run(roots.results, options.stored.run_name))
        text = methods_latex(run) if options.latex else methods_text(run)
        if options.bibtex:
            text = "\n\n".join(reference.bibtex for reference in run_references(run))
        write_document(options.out, text)
        return
    with answering(options.out, options.messages) as (progress, writer):
        if options.everything:
            runs = [_shown(run) for run in stored_runs(roots.results)]
            names = {path.name: name for path, name in short_names(runs).items()}
            _write_list(writer, [list_run(run) for run in runs], names)
            if not runs:
                progress.note(f"There are no runs in {roots.results}: `ccx explain` makes them.")
            return
        found = find_run(roots.results, options.stored.run_name)
        run = call_run(found, options.naming.name, options.naming.note)
        record = describe_run(_shown(run), roots)
        _write(writer, record)
        for note in record["notes"]:
            progress.note(note)


def _write_list(writer: Writer, records: list[Record], names: Mapping[str, str]) -> None:
    """Write a line for each run: in a table what tells them apart."""
    distinct = {
        column: {printable(column.text(record, {})) for record in records} for column in MADE_OF
    }
    common = [column for column, values in distinct.items() if len(values) == 1]
    columns = (
        Column("run", "run", style="bold", whole=True, show=lambda each: names[each["run"]]),
        *(column for column in MADE_OF if column not in common),
        Column("units", "finished", right=True, show=_units),
        Column("last worked on", "last", whole=True, form=_minute, absent="?", spare=True),
        *([Column("note", "note", spare=True)] if any(each["note"] for each in records) else []),
    )
    if common:
        said = ", ".join(f"{column.title} {distinct[column].pop()}" for column in common)
        writer.sentences(f"{'All runs' if len(records) > 1 else 'The run'}: {said}.")
    replace(writer, columns=columns).write(records)


def _shown(run: Run) -> Run:
    return Run(run.directory, shown=True)


def _write(writer: Writer, record: Record) -> None:
    match writer.form:
        case "table":
            write_sections(writer, SECTIONS, list(_rows(record)))
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
    if name == "words":
        return "; ".join(msgspec.convert(word, AnnotatedWord).text for word in value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and name != "mean_iou" else cell(value)
