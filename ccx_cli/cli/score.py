"""``ccx score``: the IoU of a formula that the user writes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    DataOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.presets import PresetOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ccx_cli.formulas.formula import Formula
    from ccx_cli.formulas.parse import Vocabulary
    from ccx_cli.progress import Progress
    from ccx_cli.search.scoring import Score

_RANGE = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("range", "range", style="dim"),
)
_COUNTS = (Column("IoU", "iou", right=True), Column("hits", "hits", right=True))
RANKED = (*_RANGE, Column("formula", "formula", style="bold"), *_COUNTS)
BESIDE = (
    *_RANGE,
    Column("formula", "formula", style="bold"),
    Column("IoU", "iou", right=True),
    Column("best formula", "best_formula"),
    Column("best IoU", "best_iou", right=True),
    Column("hits", "hits", right=True),
)


def score(
    *,
    formulas: Annotated[
        list[str],
        typer.Argument(
            metavar="FORMULA",
            help='Such as "(water OR river) AND NOT blue"; names with commas or parentheses in '
            "double quotes.",
            autocompletion=completing_stored.formula,
        ),
    ],
    unit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="One unit, with its best formulas beside.",
            metavar="UNIT",
            autocompletion=completing_stored.one_unit,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="So many of the best ranges; 0 for all.")] = 20,
    data: DataOptions,
    network: NetworkOptions,
    units: UnitOptions,
    preset: PresetOptions,
    ranges: RangeOptions,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Score formulas that you write.

    With --unit on each range of one unit, beside the best formula there is;
    otherwise on all units and ranges of the layer, best first: which unit
    detects it best? Formulas that are equivalent, or that differ on no pixel of
    this data set, are said to be.

    [bold]Examples[/bold]

      ccx score "wheel OR hub" --model demo --subset demo --unit 33
      ccx score "sky AND NOT cloud" --model demo --subset demo --top 5
    """
    from ccx_cli.cli.inputs.gathering import (
        gather,
        prepare_activations,
        prepare_index,
        range_method,
    )
    from ccx_cli.cli.units import check_units, choose_units
    from ccx_cli.errors import UsageError
    from ccx_cli.formulas.formula import to_text
    from ccx_cli.formulas.parse import Vocabulary, parse_formula
    from ccx_cli.probe.range_cache import RangeCache
    from ccx_cli.search.counts import count_data
    from ccx_cli.search.scoring import holds_on, score_units

    check_units(units)
    if unit is not None and (units.units is not None or units.random_units):
        raise UsageError("--unit excludes --units and --random-units: give one of them.")
    method = range_method(ranges)
    with (
        reporting(talk) as progress,
        writing_to(out, RANKED if unit is None else BESIDE, no_color=talk.no_color) as writer,
    ):
        inputs = gather(places, data, network, run, progress)
        vocabulary = Vocabulary({label.number: label.name for label in inputs.dataset.labels})
        parsed = [parse_formula(text, vocabulary) for text in formulas]
        activations = prepare_activations(inputs, progress)
        wanted = UnitOptions(units=str(unit)) if unit is not None else units
        if unit is not None and unit >= activations.units:
            raise UsageError(
                f"--unit {unit} goes past the end of {inputs.choice.layer}, which has the units 0 "
                f"to {activations.units - 1}."
            )
        chosen = choose_units(wanted, run.seed, activations.units, inputs.choice.layer)
        index = prepare_index(inputs, progress)
        counts = count_data(index)
        known = RangeCache(activations, method, progress)
        holds = [holds_on(formula, index, counts, vocabulary.name) for formula in parsed]
        _tell_relations(parsed, holds, vocabulary, progress)
        records: list[Record] = []
        try:
            with progress.task("Scores", len(chosen), unit="units") as task:
                for _, scored, hits in score_units(
                    chosen, holds, index, activations.unit, known.of, inputs.workers
                ):
                    for formula, scores in zip(parsed, scored, strict=True):
                        text = to_text(formula, vocabulary.name)
                        records += [
                            {
                                "formula": text,
                                "layer": inputs.choice.layer,
                                "num_clusters": method.num_clusters,
                                **_record(each),
                            }
                            for each in scores
                        ]
                    if unit is not None and hits is not None:
                        _add_best(records, hits.per_set, holds, index, counts)
                    task.advance()
        finally:
            known.save()
        if unit is None:
            records.sort(key=lambda record: -float(record["iou"]))
            records = records[: top or None]
        for record in records:
            writer.line(record)
        writer.rest(records)


def _record(score: Score) -> Record:
    return {
        "unit": score.unit,
        "cluster": score.cluster,
        "num_ranges": score.num_ranges,
        "range": score.range.to_json(),
        "hits": score.hits,
        "both": score.both,
        "total": score.total,
        "iou": score.iou,
    }


def _add_best(
    records: list[Record],
    hits: NDArray[np.int32],
    holds: Sequence[NDArray[np.bool_]],
    index: Any,
    counts: Any,
) -> None:
    """Put the best formula of each range beside what was written for it."""
    from ccx_cli.search.chains import sets_in
    from ccx_cli.search.explanation import Names
    from ccx_cli.search.optimum import OptimumSettings, find_optimum

    names = Names(index.concepts, index.name_of)
    for cluster, in_range in enumerate(hits):
        best = find_optimum(counts, in_range, OptimumSettings()).best
        written = [record for record in records if record["cluster"] == cluster]
        for record, holding in zip(written, holds, strict=True):
            record["best_formula"] = None if best is None else names.text(best)
            record["best_iou"] = 0.0 if best is None else best.iou
            record["same_here"] = best is not None and bool(
                (sets_in(best.chain, counts) == holding).all()
            )


def _tell_relations(
    formulas: Sequence[Formula],
    holds: Sequence[NDArray[np.bool_]],
    vocabulary: Vocabulary,
    progress: Progress,
) -> None:
    """Say which formulas are shorter than written, equivalent, or the same on this data."""
    from ccx_cli.formulas.algebra import equivalent, simplify
    from ccx_cli.formulas.formula import length_of, to_text

    texts = [to_text(formula, vocabulary.name) for formula in formulas]
    for formula, text in zip(formulas, texts, strict=True):
        shorter = simplify(formula)
        if length_of(shorter) < length_of(formula):
            progress.note(f"{text} is, shorter, {to_text(shorter, vocabulary.name)}.")
    for (a, b), (on_a, on_b), (text_a, text_b) in zip(
        combinations(formulas, 2), combinations(holds, 2), combinations(texts, 2), strict=True
    ):
        if equivalent(a, b):
            progress.note(f"{text_a} and {text_b} are equivalent.")
        elif bool((on_a == on_b).all()):
            progress.note(f"{text_a} and {text_b} are the same here: they differ on no pixel.")
