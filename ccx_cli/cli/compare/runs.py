"""``ccx compare runs``: what changed between two stored runs."""

from __future__ import annotations

from ccx_cli import design
from ccx_cli.cli.commands.compare import CompareRunsOptions, Per
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import RANGE, TOTAL, UNIT, Column, Record, numbers
from ccx_cli.progress import Progress
from ccx_cli.records.fields import to_json
from ccx_cli.runs.lookup import find_run, short_name, stored_runs
from ccx_cli.runs.run import Run
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.study.run_comparison import RangePair, compare_runs, differences, tally

MOST_SPANS = 5


_TALLY = (
    *numbers("ranges", "equal", "better", "worse"),
    Column("mean ΔIoU", "mean_difference", right=True, form=design.difference),
    Column("only A", "only_a", right=True),
    Column("only B", "only_b", right=True),
    Column("neither", "neither", right=True, spare=True),
)
COLUMNS = {
    "unit": (Column("unit", "unit", right=True, absent="all"), *_TALLY),
    "cluster": (Column("range", "cluster", right=True, absent="all"), *_TALLY),
    "run": _TALLY,
    "range": (
        UNIT,
        RANGE,
        Column("stored formula in A", "formula_a", style="bold", named=True),
        Column("stored formula in B", "formula_b", style="bold", named=True),
        Column("equal", "equal", spare=True),
        Column("IoU A", "iou_a", right=True),
        Column("IoU B", "iou_b", right=True),
        Column("ΔIoU", "difference", right=True, form=design.difference),
    ),
}


def runs(options: CompareRunsOptions) -> None:
    """Compare the explanations of two stored runs, range by range."""
    with answering(options.out, options.messages, COLUMNS[options.per], kinds=(TOTAL,)) as (
        progress,
        writer,
    ):
        roots = options.places.roots
        left, right = (find_run(roots.results, name).strict() for name in (options.a, options.b))
        _tell_differences(left, right, progress)
        pairs = compare_runs(left, right)
        if options.per == "range":
            # It imports what reads datasets, which tallies do without.
            from ccx_cli.cli.stored import labels_of

            writer.shorten(labels_of(left, roots))
            writer.write(map(_pair_record, pairs))
        else:
            writer.write(
                _tally_records(pairs, options.per),
                lambda row: TOTAL if row.get(options.per, 0) is None else "",
            )


def _pair_record(pair: RangePair) -> Record:
    iou_a, iou_b = pair.ious
    return {
        "unit": pair.unit,
        "cluster": pair.cluster,
        "formula_a": None if pair.a is None else pair.a.formula,
        "formula_b": None if pair.b is None else pair.b.formula,
        "equal": pair.equal,
        "iou_a": iou_a,
        "iou_b": iou_b,
        "difference": pair.difference,
        "range_a": None if pair.a is None else pair.a.range,
        "range_b": None if pair.b is None else pair.b.range,
    }


def _tally_records(pairs: list[RangePair], per: Per) -> list[Record]:
    """Return a row for every unit or cluster, and one for all, whose number is None."""
    if per == "run":
        return [to_json(tally(pairs))]
    groups: dict[int, list[RangePair]] = {}
    for pair in pairs:
        number = pair.unit if per == "unit" else pair.cluster
        if number is not None:
            groups.setdefault(number, []).append(pair)
    rows = [*sorted(groups.items()), (None, pairs)]
    return [{per: number, **to_json(tally(own))} for number, own in rows]


def _tell_differences(a: Run, b: Run, progress: Progress) -> None:
    """Say which runs these are, what they do not share, and which units are in one only."""
    runs = stored_runs(a.directory.parent)
    progress.note(f"A is {short_name(a, runs)}, B is {short_name(b, runs)}.")
    found = differences(a, b)
    if found:
        progress.note(f"They differ in {'; '.join(found)}.")
    for name, only in (
        ("A", a.units.keys() - b.units.keys()),
        ("B", b.units.keys() - a.units.keys()),
    ):
        if only:
            spans = write_spans(only).split(",")
            more = " and others" if len(spans) > MOST_SPANS else ""
            units = ",".join(spans[:MOST_SPANS]) + more
            progress.note(f"Units in {name} only, {len(only):,}: {units}.")
