"""``ccx compare runs``: what changed between two stored runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from ccx_cli import design
from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.compare import CompareRunsOptions, Per
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import RANGE, TOTAL, UNIT, Column, Record, Writer, numbers
from ccx_cli.progress import Progress
from ccx_cli.records.comparison import MEASURES, MeasureName, RunDifferenceRecord
from ccx_cli.records.fields import to_json
from ccx_cli.runs.lookup import find_run, short_name, stored_runs
from ccx_cli.runs.run import Run
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.study.differences import conclusion, difference_of_runs
from ccx_cli.study.leads import with_chance
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


_MEASURES = {
    "mcc": "MCC",
    "activation_coverage": "activation coverage",
    "iou": "IoU",
    "explained": "explained units",
}


def _value(measure: MeasureName, value: float | None, sign: str = "") -> str:
    """Write a value of a measure: a share in percent, another as a number."""
    if measure in {"mcc", "iou"}:
        return design.number(value, 4, sign)
    return design.MISSING if value is None else design.number(100 * value, 1, sign) + "%"


def _column(title: str, key: str, sign: str = "") -> Column:
    def show(record: RunDifferenceRecord) -> str:
        return _value(record.measure, getattr(record, key), sign)

    return Column(title, key, right=True, show=show)


def _interval(record: RunDifferenceRecord) -> str:
    ends = record.difference_interval
    if ends is None:
        return design.MISSING
    return " to ".join(_value(record.measure, end, "+") for end in ends)


def _units(record: RunDifferenceRecord) -> str:
    if record.paired:
        return "1 pair" if record.units_a == 1 else f"{record.units_a:,} pairs"
    return f"{record.units_a:,} and {record.units_b:,}"


DIFFERENCE = "difference"
DIFFERENCES = (
    Column("measure", "measure", style="bold", form=_MEASURES.__getitem__),
    _column("A", "mean_a"),
    _column("B", "mean_b"),
    _column("B − A", "difference", "+"),
    Column("95% interval", "difference_interval", right=True, show=_interval),
    Column("p", "p_value", right=True, form="{:.2g}".format),
    Column("units", "units_a", right=True, show=_units, spare=True),
)


def runs(options: CompareRunsOptions) -> None:
    """Compare the explanations of two stored runs, range by range."""
    kinds = (TOTAL, DIFFERENCE)
    with answering(options.out, options.messages, COLUMNS[options.per], kinds=kinds) as (
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
            rows: Iterable[Record] = map(_pair_record, pairs)
        else:
            rows = _tally_records(pairs, options.per)
        found = []
        whole = [with_chance(run, roots, progress) for run in (left, right)]
        with progress.task("Tests", len(MEASURES), unit="measures") as task:
            for each in difference_of_runs(*whole):
                found.append(each)
                task.advance()
        _write(writer, rows, found, options.per)
        if not writer.is_table:
            progress.note(conclusion(found))
        elif options.per != "range":
            following = next_command(
                "compare runs", left.directory, right.directory, also="--per range"
            )
            progress.note(f"Next: {following}")


def _write(
    writer: Writer, rows: Iterable[Record], differences: list[RunDifferenceRecord], per: Per
) -> None:
    def kind_of(row: Record) -> str:
        if row.get("kind") == DIFFERENCE:
            return DIFFERENCE
        return TOTAL if row.get(per, 0) is None else ""

    if not writer.is_table:
        writer.write(chain(rows, map(to_json, differences)), kind_of)
        return
    writer.write(rows)
    writer.sentences("", conclusion(differences))
    replace(writer, columns=DIFFERENCES, title="Means over units").rest(differences)


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
