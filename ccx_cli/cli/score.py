"""``ccx score``: the IoU of a formula that the user writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from ccx_cli.cli.commands.explain import ScoreOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import gather, range_method
from ccx_cli.cli.inputs.reruns import changes_since, inputs_of
from ccx_cli.cli.network_options import OF_A_NETWORK
from ccx_cli.cli.options import UnitOptions
from ccx_cli.cli.output import (
    ACTIVATION,
    FORMULA,
    HITS,
    IOU,
    LIFT,
    MCC,
    RANGE,
    UNIT,
    Column,
    Record,
    Writer,
)
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.cli.units import check_units, choose_units
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.design import MISSING, iou
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError
from ccx_cli.formulas.algebra import equivalent, simplify
from ccx_cli.formulas.formula import Operator, concepts_of, length_of, to_text
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import first_within
from ccx_cli.runs.findings import short_text, sort_key
from ccx_cli.runs.job import JobSettings, settings_of
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.preparing import Inputs, prepare_activations, prepare_index
from ccx_cli.runs.run import Run
from ccx_cli.runs.scoring import score_like
from ccx_cli.runs.splits import split_images
from ccx_cli.search.chains import sets_in
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.explanation import ConceptNames
from ccx_cli.search.optimum import OptimumSettings, find_optimum
from ccx_cli.search.scoring import FormulaOnData, check_seen
from ccx_cli.search.space import outside_space

RANKED = (
    UNIT,
    RANGE,
    ACTIVATION,
    FORMULA,
    MCC,
    LIFT,
    IOU,
    HITS,
)
BESIDE = (
    *RANKED[:-1],
    Column("simplest formula", "best_formula", named=True, show=lambda each: each["simplest"]),
    Column("its IoU", "best_iou", right=True, show=lambda each: iou(each["simplest_iou"])),
    RANKED[-1],
)


_BATCH_SIZE = "--batch-size"
_OF_INPUTS = (
    *(option for option in OF_A_NETWORK if option != _BATCH_SIZE),
    *("--layer", "--input-size", "--activations", "--subset", "--by-size"),
    *("--preset", "--num-clusters", "--quantile", "--kmeans", "--n-init"),
)
"""The options that say what to score on, as a run does."""


def score(options: ScoreOptions) -> None:
    """Score formulas that you write."""
    check_units(options.units)
    if options.unit is not None and (options.units.units is not None or options.units.random_units):
        raise UsageError("--unit and --units or --random-units are mutually exclusive.")
    columns = RANKED if options.unit is None else BESIDE
    with answering(options.out, options.messages, columns) as (progress, writer):
        stored = _named_run(options)
        if stored is None:
            made = JobSettings(range_method(options.ranges))
            try:
                inputs = gather(options, progress)
            except MissingInputError as error:
                if not _may_name_run(options):
                    raise
                raise MissingInputError(
                    f"There is no run {options.formulas[0]}, and without one: {error}"
                ) from error
        else:
            made = settings_of(stored)
            inputs = _inputs_of(stored, options, progress)
        writer.shorten(inputs.dataset.labels)
        vocabulary = Vocabulary({label.number: label.name for label in inputs.dataset.labels})
        written = options.formulas if stored is None else options.formulas[1:]
        if len(written) > 1 and {"OR", "AND", "NOT"} & {*map(str.upper, written)}:
            raise UsageError(f'Put a formula in quotes: "{" ".join(written)}".')
        parsed = [parse_formula(text, vocabulary) for text in written]
        activations = prepare_activations(inputs, progress)
        wanted = UnitOptions(units=str(options.unit)) if options.unit is not None else options.units
        if options.unit is not None and options.unit >= activations.units:
            raise UsageError(
                f"--unit {options.unit} goes past the end of {inputs.choice.layer}, which has the "
                f"units 0 to {activations.units - 1}."
            )
        chosen = choose_units(wanted, inputs, activations, options.run.seed, progress)
        index = prepare_index(inputs, progress)
        if made.split is not None:
            index = index.of_images(split_images(inputs.dataset, made.split)[0])
        on_data = [FormulaOnData.of(formula, index, vocabulary.name) for formula in parsed]
        check_seen(on_data)
        _tell_relations(on_data, vocabulary, writer.names, progress)
        records: list[Record] = []
        with progress.task("Scores", len(chosen), unit="units") as task:
            for found in score_like(
                made,
                on_data,
                index,
                chosen,
                inputs.dataset,
                activations,
                inputs.workers,
                progress,
            ):
                records += found.records(on_data, inputs.choice.layer, made.num_clusters)
                if options.unit is not None and found.hits is not None:
                    _add_best(records, found.hits.per_set, on_data, index, writer)
                    _tell_better(records, on_data, writer.names, progress)
                task.advance()
        if writer.is_table or options.unit is None:
            records.sort(key=sort_key(options.sorting.sort))
        if options.unit is None:
            records = records[: options.top or None]
        writer.write(records)


def _may_name_run(options: ScoreOptions) -> bool:
    return len(options.formulas) > 1 and not any(map(is_typed, _OF_INPUTS))


def _named_run(options: ScoreOptions) -> Run | None:
    """Find the run that the first word names, unless options say what to score on."""
    if not _may_name_run(options):
        return None
    try:
        return find_run(options.places.roots.results, options.formulas[0])
    except MissingInputError:
        return None


def _inputs_of(stored: Run, options: ScoreOptions, progress: Progress) -> Inputs:
    """Resolve what a run was made from; what changed since is refused."""
    network = options.network
    size = network.batch_size if is_typed(_BATCH_SIZE) else None
    inputs = inputs_of(
        stored,
        options.places,
        network.device,
        size,
        options.run.cores,
        progress,
        trusted=options.trust,
    )
    changes = changes_since(stored, inputs)
    if changes:
        raise DamagedDataError(
            f"{' '.join(changes)} Put back what was there, or name what is there with options."
        )
    return inputs


def _add_best(
    records: list[Record],
    hits: PixelCounts,
    formulas: Sequence[FormulaOnData],
    index: ConceptIndex,
    writer: Writer,
) -> None:
    """Put the best formula of each range beside what was written; people read the simplest."""
    counts = DataCounts(index)
    names = ConceptNames(index.concepts, index.name_of)
    for cluster, in_range in enumerate(hits):
        found = find_optimum(RangeCounts(counts, in_range), OptimumSettings())
        best, levels = found.best, [level.best[0] for level in found.levels]
        near = first_within([level.iou for level in levels], levels[-1].iou) if levels else None
        written = [record for record in records if record["cluster"] == cluster]
        for record, formula in zip(written, formulas, strict=True):
            record["best_formula"] = None if best is None else names.text(best)
            record["best_iou"] = 0.0 if best is None else best.iou
            record["same_here"] = best is not None and formula.is_same_here(
                sets_in(best.chain, counts)
            )
            if writer.is_table:
                simplest = None if near is None else levels[near]
                record["simplest"] = MISSING if simplest is None else names.text(simplest)
                record["simplest_iou"] = None if simplest is None else simplest.iou


def _tell_better(
    records: Sequence[Record],
    formulas: Sequence[FormulaOnData],
    names: Mapping[str, str],
    progress: Progress,
) -> None:
    """Say why formulas score higher than the best one: the search does not try such."""
    length = OptimumSettings().length
    for each in formulas:
        ranges = [
            str(record["cluster"])
            for record in records
            if record["formula"] == each.text and record["iou"] > record["best_iou"]
        ]
        concepts = set(concepts_of(each.formula))
        why = outside_space(each.formula, length, concepts, tuple(Operator))
        if ranges:
            of = "range" if len(ranges) == 1 else "ranges"
            progress.note(
                f"{short_text(each.text, names)} beats the best formula of {of} "
                f"{', '.join(ranges)}: it is outside the searched space, left chains of up to "
                f"{length} concepts that begin with a positive concept"
                f"{f' ({why})' if why else ''}."
            )


def _tell_relations(
    formulas: Sequence[FormulaOnData],
    vocabulary: Vocabulary,
    names: Mapping[str, str],
    progress: Progress,
) -> None:
    """Say which formulas are shorter than written, equivalent, or the same on this data."""
    for each in formulas:
        shorter = simplify(each.formula)
        if length_of(shorter) < length_of(each.formula):
            texts = each.text, to_text(shorter, vocabulary.name)
            progress.note(" is, shorter, ".join(short_text(text, names) for text in texts) + ".")
    for a, b in combinations(formulas, 2):
        both = short_text(f"{a.text} and {b.text}", names)
        if equivalent(a.formula, b.formula):
            progress.note(f"{both} are equivalent.")
        elif a.is_same_here(b.holds):
            progress.note(f"{both} are the same here: they differ on no pixel.")
