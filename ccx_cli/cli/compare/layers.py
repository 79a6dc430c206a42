"""``ccx compare layers``: the layers of a network side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ccx_cli import design
from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.compare import CompareLayersOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column
from ccx_cli.cli.output_files import check_plot
from ccx_cli.cli.stored import labels_of
from ccx_cli.concepts.broden_csv import Label
from ccx_cli.progress import Progress
from ccx_cli.records.comparison import ComparedLayerRecord
from ccx_cli.records.header import model_name
from ccx_cli.runs.lookup import find_runs, short_name, stored_runs
from ccx_cli.runs.run import Run
from ccx_cli.study.layers import in_network_order, sum_up_layer
from ccx_cli.study.leads import with_chance
from ccx_cli.study.run_comparison import differences

_TOLD = 3


def _units(record: ComparedLayerRecord) -> str:
    of = record.layer_units
    return f"{record.units:,}" if of in {None, record.units} else f"{record.units:,} of {of:,}"


def _share(record: ComparedLayerRecord) -> str:
    if record.explained is None or not record.units:
        return design.MISSING
    return design.share(record.explained / record.units)


def _interval(ends: Sequence[float]) -> str:
    return " to ".join(map(design.mcc, ends))


COLUMNS = (
    Column("layer", "layer", style="bold", whole=True),
    Column("units", "units", right=True, show=_units),
    Column("explained", "explained", right=True, show=_share),
    Column("mean MCC", "mcc_mean", right=True, form=design.mcc),
    Column("95% interval", "mcc_interval", right=True, form=_interval),
    Column("median", "mcc_median", right=True, form=design.mcc),
    Column("lift", "lift_median", right=True, form=design.lift),
    Column("IoU", "iou_mean", right=True),
    Column("coverage", "activation_coverage_mean", right=True, form=design.share),
    Column("concepts", "length_mean", right=True, form="{:.2f}".format, spare=True),
    Column("formulas", "formulas", right=True, spare=True),
    Column("category", "category", spare=True),
    Column("dead", "dead", right=True, spare=True),
)


def layers(options: CompareLayersOptions) -> None:
    """Compare the layers of a network, a stored run each."""
    if options.plot is not None:
        check_plot(options.plot, options.out.force)
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        roots = options.places.roots
        runs = in_network_order([run.strict() for run in find_runs(roots.results, options.runs)])
        _tell_differences(runs, progress)
        labels: dict[tuple[str | None, str | None], tuple[Label, ...]] = {}
        found: list[ComparedLayerRecord] = []
        with progress.task("Layers", len(runs), unit="runs") as task:
            for run in runs:
                of = run.about.dataset, run.about.subset
                if of not in labels:
                    labels[of] = labels_of(run, roots)
                categories = {label.number: label.category for label in labels[of]}
                found.append(sum_up_layer(with_chance(run, roots, progress), categories))
                task.advance()
        names = _names(runs)
        if any(name != record.layer for name, record in zip(names, found, strict=True)):
            called = {record.run: name for name, record in zip(names, found, strict=True)}
            first = replace(COLUMNS[0], show=lambda record: called[record.run])
            writer = replace(writer, columns=(first, *COLUMNS[1:]))
        said = _conclusion(found, names)
        if writer.is_table:
            writer.sentences(said)
        else:
            progress.note(said)
        writer.write(found)
        if not all(labels.values()):
            progress.note(
                "Categories of runs whose dataset is missing are not known: say with "
                "--root-datasets where it is."
            )
        if options.plot is not None:
            # It is slow to import.
            from ccx_cli.render.study_plots import plot_layers

            plot_layers(found, names, _title(runs), options.plot)
            progress.note(f"Plot: {options.plot}")
        if len(runs) > 1:
            ends = runs[0].directory, runs[-1].directory
            progress.note(f"Next: {next_command('compare runs', *ends)}")


def _tell_differences(runs: Sequence[Run], progress: Progress) -> None:
    """Say what layers were not made alike in, which their numbers then compare as well."""
    others = {
        run.directory: unlike
        for run in runs[1:]
        if (unlike := differences(runs[0], run, are_layers=True))
    }
    stored = stored_runs(runs[0].directory.parent)
    for directory, unlike in list(others.items())[:_TOLD]:
        first, other = (short_name(run, stored) for run in (runs[0], Run(directory)))
        progress.note(f"{first} and {other} differ in {'; '.join(unlike)}.")
    if len(others) > _TOLD:
        progress.note(f"So do {len(others) - _TOLD:,} more runs, in these or other settings.")


def _names(runs: Sequence[Run]) -> list[str]:
    """Name the layers; those of one name with their runs."""
    layers = [run.about.layer_text or design.MISSING for run in runs]
    often, stored = Counter(layers), stored_runs(runs[0].directory.parent)
    return [
        layer if often[layer] == 1 else f"{layer} ({short_name(run, stored)})"
        for layer, run in zip(layers, runs, strict=True)
    ]


def _conclusion(found: Sequence[ComparedLayerRecord], names: Sequence[str]) -> str:
    """Say in a sentence where MCC is highest and lowest."""
    known = [
        (record.mcc_mean, name)
        for record, name in zip(found, names, strict=True)
        if record.mcc_mean is not None
    ]
    layers = "1 layer" if len(found) == 1 else f"{len(found):,} layers"
    if not known:
        return f"{layers}: no unit has an MCC."
    (low, lowest), (high, highest) = min(known), max(known)
    said = f"{design.mcc(high)} on average in {highest}"
    if len(known) == 1:
        return f"{layers}: MCC is {said}."
    return f"{layers}: MCC is highest, {said}, and lowest, {design.mcc(low)} in {lowest}."


def _title(runs: Sequence[Run]) -> str:
    named = {
        f"{model_name(run.about.model or '?')} ({run.about.weights_kind}), {run.about.subset}"
        for run in runs
    }
    return named.pop() if len(named) == 1 else f"{len(named):,} networks or datasets"
