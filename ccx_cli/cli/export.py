"""``ccx export``: the text of each unit, for benchmarks and dashboards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ccx_cli.cli.commands.look import ExportOptions, To
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import Format, OutputOptions
from ccx_cli.cli.output import Column, Record, Writer
from ccx_cli.cli.output_files import FORMS, writing_to
from ccx_cli.cli.searching import parse_share
from ccx_cli.cli.stored import check_explained, labels_of
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.records.flat import flat
from ccx_cli.records.texts import CosyText, NeuronpediaText, UnitText
from ccx_cli.runs.findings import short_names
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.run import Run
from ccx_cli.runs.texts import cosy_layer, cosy_text, neuronpedia_text, range_text, unit_text
from ccx_cli.study.range_rows import measured_beside, range_row

UNIT = "unit"
_FORM: Mapping[To, Format] = {
    "csv": "csv",
    "parquet": "parquet",
    "cosy": "csv",
    "neuronpedia-json": "json",
}
_LONGEST = 240


def export(options: ExportOptions) -> None:
    """Write the text of each unit for benchmarks and dashboards."""
    tolerance = parse_share("--simplest", options.simplest)
    ending = Path(options.output).suffix.lower()
    to: To = options.to or ("parquet" if ending == ".parquet" else "csv")
    form, is_own = _FORM[to], to in ("csv", "parquet")
    if FORMS.get(ending, form) != form:
        raise UsageError(
            f"--to {to} writes {form}, and --output {options.output} ends in {ending}: end "
            f"it in .{form}."
        )
    if options.sentence and is_own:
        raise UsageError(f"--to {to} has both the formula and the sentence: leave --sentence out.")
    record = {"cosy": CosyText, "neuronpedia-json": NeuronpediaText}.get(to, UnitText)
    columns = [Column(key, key) for key in record.__struct_fields__]
    out = OutputOptions(form, options.output, options.force)
    with (
        reporting(options.messages) as progress,
        writing_to(
            out, columns, form=form, kinds=[UNIT] if is_own else [], tell=progress.note
        ) as writer,
    ):
        roots = options.places.roots
        stored = find_run(roots.results, options.which.run_name)
        check_explained(stored, progress)
        chosen = chosen_of_run(options.units, options.seed, stored.units, stored.called)
        run = RunInputs(stored, roots, progress=progress).against_chance().run
        short = short_names(labels_of(run, roots))
        if is_own:
            _write_tables(writer, run, chosen, short, tolerance, progress)
            return
        layer = run.about.layer or run.called
        texts = [unit_text(unit, layer, own, short, tolerance) for unit, own in _read(run, chosen)]
        said = {text.unit: text for text in texts if text.description is not None}
        described = {
            unit: text.sentence if options.sentence else str(text.description)
            for unit, text in said.items()
        }
        if len(said) < len(chosen):
            progress.note(
                f"{len(chosen) - len(said):,} of {len(chosen):,} units are left out: no formula in "
                "the upper half of their ranges beats chance."
            )
        if to == "cosy":
            rows = writer.write(cosy_text(said[unit], text) for unit, text in described.items())
            _tell_cosy(rows, run, layer, progress)
        else:
            writer.write(
                neuronpedia_text(said[unit], text, run.about, run.called)
                for unit, text in described.items()
            )


def _read(run: Run, chosen: list[int]) -> Iterator[tuple[int, list[ExplanationRecord]]]:
    own = run.only(chosen)
    return ((unit, own[unit]) for unit in chosen)


def _tell_cosy(rows: list[CosyText], run: Run, layer: str, progress: Progress) -> None:
    long = sum(len(row.description.encode()) > _LONGEST for row in rows)
    if long:
        progress.note(
            f"{long:,} descriptions are longer than {_LONGEST} bytes, too long for the folders "
            "that CoSy makes of them."
        )
    model = (run.about.model or run.called).rpartition("/")[2]
    progress.note(
        f"CoSy reads it as assets/explanations/CLIP-Dissect/{model}-{cosy_layer(layer)}.csv with "
        "--method CLIP-Dissect, for units that are in it."
    )


def _write_tables(
    writer: Writer,
    run: Run,
    chosen: list[int],
    short: Mapping[str, str],
    tolerance: float,
    progress: Progress,
) -> None:
    """Write a row a range with the metrics that are kept, and a row a unit."""
    beside, problems = measured_beside(run)
    for problem in problems:
        progress.note(problem)
    ranges: list[Record] = []
    units: list[Record] = []
    for unit, records in _read(run, chosen):
        units.append(to_json(unit_text(unit, records[0].layer, records, short, tolerance)))
        for record in records:
            text = {"description": range_text(record, short, tolerance)}
            ranges.append(flat(range_row(record, beside) | text))
    writer.write([*ranges, *units], lambda row: UNIT if "sentence" in row else "")
