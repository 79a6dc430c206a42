"""``ccx analyze``: what training made of the units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from ccx_cli import design
from ccx_cli.cli.called import command_line, next_command
from ccx_cli.cli.commands.study import AnalyzeOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.inputs.reruns import plan_like, settings_like, untrained_inputs
from ccx_cli.cli.output import (
    FORMULA,
    IOU,
    RANGE,
    UNIT,
    Column,
    Section,
    kinds_of,
    numbers,
    write_sections,
)
from ccx_cli.cli.stored import labels_of
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.concepts.fingerprints import is_by_size
from ccx_cli.errors import UsageError
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, left_of, to_json, to_text
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import names_of
from ccx_cli.records.fields import Record
from ccx_cli.records.studies import DefaultRecord, SpecialisedRangeRecord
from ccx_cli.runs.inputs import open_inputs
from ccx_cli.runs.job import prepare_job, session_of
from ccx_cli.runs.lookup import find_run, stored_runs
from ccx_cli.runs.preparing import Inputs
from ccx_cli.runs.run import Run
from ccx_cli.store.steps import Step
from ccx_cli.study.specialisation import Defaults, count_specialisation, find_defaults


def _shared(key: str) -> Callable[[dict[str, Any]], str]:
    """Show a count with its share."""

    def show(record: dict[str, Any]) -> str:
        share = record[f"{key}_share"]
        return design.MISSING if share is None else f"{record[key]:,} ({design.share(share)})"

    return show


_COMMON = (Column("untrained", "untrained", right=True), Column("trained", "trained", right=True))
# On a terminal, what is asked for first stands last.
SECTIONS = (
    Section(
        "range", "Ranges", (UNIT, RANGE, FORMULA, IOU, Column("specialisation", "specialisation"))
    ),
    Section("default pair", "Default pairs", (FORMULA, *_COMMON)),
    Section("default formula", "Default formulas", (FORMULA, *_COMMON)),
    Section(
        "cluster",
        "Specialisation",
        (
            Column("range", "cluster", right=True, absent="all"),
            *numbers("ranges", "explanations"),
            Column("unspecialised", "unspecialised", right=True, show=_shared("unspecialised")),
            Column("weakly", "weakly_specialised", right=True, show=_shared("weakly_specialised")),
        ),
        total="cluster",
    ),
)


def analyze(options: AnalyzeOptions) -> None:
    """Compare the units with those of an untrained network."""
    with answering(options.out, options.messages, kinds=kinds_of(SECTIONS)) as (progress, writer):
        roots = options.places.roots
        found_run = None
        if options.which.run_name is None:  # The untrained ones are made after theirs.
            runs = stored_runs(roots.results)
            found_run = next((run for run in runs if run.about.pretrained != "none"), None)
        found_run = found_run or find_run(roots.results, options.which.run_name)
        stored = found_run.strict()
        writer.shorten(labels_of(stored, roots))
        chosen = chosen_of_run(options.units, options.run.seed, stored.units, stored.name)
        if options.against is not None:
            untrained = find_run(roots.results, options.against).strict()
        else:
            if (stored.about.pretrained, stored.about.seed) == ("none", options.run.seed):
                raise UsageError(
                    f"The run {stored.name} has an untrained network itself: name another run "
                    "with --against, or another --seed."
                )
            trusted = options.passes.trust
            opened = open_inputs(found_run, roots, trusted=trusted, progress=progress)
            inputs = untrained_inputs(opened, options.places, options.run, options.passes, progress)
            if options.dry.dry_run:
                write_plan(writer, plan_like(stored, inputs), progress)
                return
            untrained = _explained(stored, inputs, progress)
        check_against(stored, untrained, progress)
        if options.dry.dry_run:
            directory, stored_units = roots.results / untrained.name, len(untrained.units)
            step = Step("untrained run", directory, "units", stored_units, stored_units)
            write_plan(writer, [step], progress)
            return
        formulas = [record.tree for record in untrained.records]
        defaults = find_defaults(formulas, len(untrained.units))
        trained = [record for unit in chosen for record in stored.units[unit]]
        ranges = [record for record in trained if record.range is not None]
        found = [record.tree for record in ranges]
        judged = [None if formula is None else defaults.judge(formula) for formula in found]
        counts = count_specialisation(
            [(record.cluster or 0, kind) for record, kind in zip(ranges, judged, strict=True)]
        )
        records: list[Record] = [
            *counts,
            *default_records(defaults, found, names_of(untrained.records)),
        ]
        if options.each:
            records += [
                SpecialisedRangeRecord(
                    kind="range",
                    unit=record.unit,
                    cluster=record.cluster or 0,
                    formula=record.formula,
                    labels=record.labels,
                    iou=None if kind is None else record.iou,
                    specialisation=kind,
                )
                for record, kind in zip(ranges, judged, strict=True)
            ]
        write_sections(writer, SECTIONS, records)
        dead = len({record.unit for record in trained if record.range is None})
        if dead:
            progress.note(f"{dead:,} of {len(chosen):,} units have no range: they never fire.")
        compare = next_command("compare runs", untrained.directory, stored.directory)
        progress.note(f"Next: {compare} shows them range by range.")


def check_against(stored: Run, untrained: Run, progress: Progress) -> None:
    """Refuse runs that cannot be compared, and say what makes a comparison weak."""
    if stored.name == untrained.name:
        raise UsageError(
            f"The run {stored.name} cannot be compared with itself: name another run with "
            "--against, or another --seed."
        )
    labels = stored.identity.segmentation, untrained.identity.segmentation
    if labels[0] != labels[1]:
        older = is_by_size(labels[0]) != is_by_size(labels[1])
        seems = ", or seems to, since ccx 0.1 made one of them" if older else ""
        raise UsageError(
            f"The run {untrained.name} has other images than {stored.name}{seems}: name a run on "
            "the same images with --against."
        )
    about = untrained.about
    if about.pretrained == "given":
        progress.note(
            f"{untrained.name} was made from precomputed activations: whether their network was "
            "untrained is not known."
        )
    elif about.pretrained != "none":
        progress.note(f"{untrained.name} is not of an untrained network.")
    for what in ("model", "layer"):
        here, there = getattr(stored.about, what), getattr(about, what)
        if here != there:
            progress.note(f"The {what}s differ: {here} and {there}.")
    for what in ("ranges", "search"):
        if getattr(stored.identity, what) != getattr(untrained.identity, what):
            progress.note(f"{stored.name} and {untrained.name} differ in their {what}.")
    total = about.units or 0
    if len(untrained.units) < total:
        progress.note(
            f"{untrained.name} holds {len(untrained.units):,} of {total:,} units: the "
            "default formulas are those of these."
        )


def default_records(
    defaults: Defaults, trained: list[Formula | None], names: dict[int, str]
) -> list[DefaultRecord]:
    """Return the rows of the default formulas and pairs, and how many trained ranges have them."""
    explained = [each for each in trained if each is not None]
    parts = filter(None, map(left_of, explained))
    kinds: tuple[tuple[Literal["default formula", "default pair"], Any, Any], ...] = (
        ("default formula", defaults.formulas, explained),
        ("default pair", defaults.pairs, parts),
    )
    records = []
    for kind, common, trees in kinds:
        counts = Counter(map(canonical_key, trees))
        records += [
            DefaultRecord(
                kind=kind,
                formula=to_text(one.formula, lambda number: names[number]),
                labels=to_json(one.formula),
                untrained=one.count,
                trained=counts[canonical_key(one.formula)],
            )
            for one in common
        ]
    return records


def _explained(stored: Run, inputs: Inputs, progress: Progress) -> Run:
    """Explain all units of the untrained network like a run, or read what is stored of it."""
    job = prepare_job(inputs, settings_like(stored), progress)
    progress.note(f"The untrained run is {job.results.called}.")
    units = range(job.activations.units)
    for _ in job.explain(units, inputs.workers, session_of(inputs, command_line()), progress):
        pass
    return job.results.strict()
