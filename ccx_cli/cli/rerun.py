"""``ccx rerun``: a stored run again, from its header alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import UNSET

from ccx_cli.cli.called import command_line, next_command
from ccx_cli.cli.commands.explain import RerunOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.reruns import changes_since, inputs_of
from ccx_cli.cli.options import UnitOptions
from ccx_cli.cli.output import (
    IOU,
    RANGE,
    UNIT,
    Column,
    Record,
    Section,
    Writer,
    numbers,
    write_sections,
)
from ccx_cli.cli.reading import COLUMNS as EXPLAINED
from ccx_cli.cli.reading import as_read
from ccx_cli.cli.units import chosen_of_run, parse_units
from ccx_cli.errors import CcxError, DamagedDataError, UsageError
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.runs.job import ExplainJob, prepare_job, session_of, settings_of
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.run import Run
from ccx_cli.search.older_lines import FormulaSizes
from ccx_cli.store.paths import Roots

CHECK, DIFFERENCE = "check", "difference"
SECTIONS = (
    Section(
        DIFFERENCE,
        "Lines that differ",
        (
            UNIT,
            RANGE,
            Column("stored", "formula", style="bold", named=True),
            Column("found now", "formula_now", style="bold", named=True),
            IOU,
            Column("IoU now", "iou_now", right=True),
            Column("differs in", "differs"),
        ),
    ),
    Section(
        CHECK,
        "",
        (Column("run", "run", style="bold"), *numbers("units", "lines", "equal", "different")),
    ),
)


def rerun(options: RerunOptions) -> None:
    """Run a stored run again, exactly as its header describes it."""
    if options.without_caches and not options.check:
        raise UsageError("--without-caches needs --check: add it.")
    columns = () if options.check else EXPLAINED
    with answering(options.out, options.messages, columns, kinds=(CHECK,)) as (progress, writer):
        roots = options.places.roots
        run = find_run(roots.results, options.stored.run_name)
        before = run.strict()
        device, size, workers = options.device, options.batch_size, options.parallel.cores
        inputs = inputs_of(
            run, options.places, device, size, workers, progress, trusted=options.trust
        )
        writer.shorten(inputs.dataset.labels)
        changes = changes_since(before, inputs)
        if changes and not options.changed:
            raise DamagedDataError(
                f"{' '.join(changes)} Put back what was there, or add --changed to run on what is."
            )
        for sentence in changes:
            progress.note(sentence)
        if before.identity.search.time_limit not in (None, UNSET):
            progress.note("It was searched with --time-limit, so lines may differ.")
        with _elsewhere(roots, options) as place:
            inputs = replace(inputs, roots=place)
            job = prepare_job(inputs, settings_of(before), progress)
            if not changes and job.results.key != before.raw_header().get("identity"):
                raise UsageError(
                    f"{before.name} was made by a version of ccx that read its inputs otherwise, "
                    "so it cannot be run again exactly: run `ccx explain` with the command that "
                    f"`ccx info {before.name}` shows."
                )
            chosen = _choose(options, before, job, progress)
            stored = set(job.results.lines.finished())
            session = session_of(inputs, command_line())
            explained = job.explain(chosen, inputs.workers, session, progress)
            if options.check:
                _check(before, job, chosen, explained, writer, progress)
                return
            records = chain.from_iterable(explained)
            writer.write(as_read(records) if writer.is_table else records)
        progress.note(
            f"{len(chosen):,} of {job.activations.units:,} units, {len(set(chosen) - stored):,} of "
            f"them found now; stored in {job.results.directory}"
        )
        check = next_command("rerun", job.results.directory, also="--check")
        progress.note(f"Next: {next_command('tui', job.results.directory)}, or {check}")


@contextmanager
def _elsewhere(roots: Roots, options: RerunOptions) -> Iterator[Roots]:
    """Yield the roots; to check, with results, and caches if so asked, in a temporary place."""
    moved = ["results"] if options.check else []
    moved += ["segmentations", "activations"] if options.without_caches else []
    with TemporaryDirectory(prefix="ccx-check-") as name:
        yield replace(roots, **{each: Path(name) / each for each in moved})


def _choose(options: RerunOptions, before: Run, job: ExplainJob, progress: Progress) -> list[int]:
    """Return the units that are asked for, by default those that the run was."""
    if options.check:
        return chosen_of_run(UnitOptions(options.units), 0, before.units, before.name)
    if options.units is not None:
        return parse_units(options.units, job.activations.units, job.explainer.layer)
    asked = Run(before.directory).asked_units
    if asked is None:
        asked = sorted(before.units)
        progress.note(
            f"The header of {before.name}, of an older version, does not say which units were "
            f"asked for: the {len(asked):,} that are stored are taken."
        )
    return asked


def _check(
    before: Run,
    job: ExplainJob,
    chosen: list[int],
    explained: Iterable[list[ExplanationRecord]],
    writer: Writer,
    progress: Progress,
) -> None:
    lines, sizes = 0, FormulaSizes(job.explainer.index)
    records: list[Record] = []
    for unit, found in zip(chosen, explained, strict=True):
        lines += len(before.units[unit])
        stored = sizes.completed(before.units[unit])
        records += differences(*(list(map(to_json, side)) for side in (stored, found)))
    total = {
        "kind": CHECK,
        "run": before.name,
        "units": len(chosen),
        "lines": lines,
        "equal": lines - sum(record["iou"] is not None for record in records),
        "different": len(records),
    }
    write_sections(writer, SECTIONS, [*records, total])
    if records:
        raise CcxError(
            f"{len(records):,} of {lines:,} lines of {before.name} differ here: "
            f"`ccx info {before.name}` shows the versions that it was made with."
        )
    progress.note(f"All {lines:,} lines of {len(chosen):,} units are the same.")


def differences(stored: list[Record], found: list[Record]) -> list[Record]:
    """Return a row for every range of one unit whose lines are not the same."""
    then, now = ({record["cluster"]: record for record in side} for side in (stored, found))
    rows = []
    for cluster in dict.fromkeys((*then, *now)):
        old = then.get(cluster, {})
        new = _known_then(now.get(cluster, {}), old)
        keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
        if keys or old.keys() != new.keys():
            rows.append(
                {
                    "kind": DIFFERENCE,
                    "unit": stored[0]["unit"],
                    "cluster": cluster,
                    "differs": keys or sorted(old.keys() ^ new.keys()),
                    "formula": old.get("formula"),
                    "formula_now": new.get("formula"),
                    "iou": old.get("iou"),
                    "iou_now": new.get("iou"),
                }
            )
    return rows


def _known_then(found: Record, stored: Record) -> Record:
    """Leave out of a line the measures that the version which stored it did not know."""
    unknown = {"f1", "pearson", "cosine"} - stored.keys() if stored else set()
    record = {key: value for key, value in found.items() if key not in unknown}
    for level in record.get("by_length", ()):
        for key in unknown:
            level.pop(key, None)
    return record
