"""What studies of a run found, as tables of its report: those that were made, and only those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ccx_cli import design
from ccx_cli.errors import CcxError
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import to_text
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.metrics import SIGNIFICANT, ChanceCount, MetricName
from ccx_cli.records.stability import STABILITY, STABLE
from ccx_cli.records.studies import ClusterImportanceRecord, RangeImportanceRecord, RoleRecord
from ccx_cli.runs.answers import (
    IMPORTANCE,
    KEPT_ABLATION,
    KEPT_STABILITY,
    RANGE_IMPORTANCE,
    ROLES,
    Key,
    kept_simulation,
    read_kept,
)
from ccx_cli.runs.chance import all_against_null, count_chance, kept_null, permutations_of
from ccx_cli.runs.lookup import stored_runs
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots
from ccx_cli.study.ablation_changes import means_over_units, with_q_values
from ccx_cli.study.resampling import of_known
from ccx_cli.study.run_comparison import compare_runs, differences, tally
from ccx_cli.study.simulation import CORRELATIONS, best_first, layer_records, unit_record
from ccx_cli.study.specialisation import Specialisation, count_specialisation, untrained_defaults

T = TypeVar("T")
_MOST_DEFAULTS = 20
_ABLATED = {
    "formula": "Peak, formula masked",
    "rest": "Peak, all else masked",
    "control": "Peak, control masked",
}


@dataclass
class Studies:
    """What is known of a run besides its explanations, for some of its units.

    ``sections`` are tables with a title, a sentence, a head and lines, whose cells are texts or
    ``{"formula": text}``. ``metrics`` are of single ranges, ``common`` the ranges whose formula is
    a default one of the untrained network, ``roles`` what a unit does, in words;
    ``chance`` counts the ranges that exceed it, and ``notes`` say what cannot be read.
    """

    sections: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[MetricName, dict[Key, float | None]] = field(default_factory=dict)
    common: set[Key] = field(default_factory=set)
    roles: dict[int, str] = field(default_factory=dict)
    chance: ChanceCount | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, title: str, about: str, head: Sequence[str], lines: Sequence[Any]) -> None:
        """Add a section, unless it is empty."""
        if lines:
            self.sections.append({"title": title, "about": about, "head": head, "lines": lines})

    def measure(self, name: MetricName, records: Mapping[Key, Record]) -> None:
        """Show what records, if there are any, say of their ranges under the key of a metric."""
        if records:
            self.metrics[name] = {key: getattr(one, name.key) for key, one in records.items()}


def studies_of(
    run: Run, roots: Roots, records: Sequence[ExplanationRecord], names: Mapping[int, str]
) -> Studies:
    """Gather what was found of ``records`` of a run, from files beside it and other runs."""
    found = Studies()
    stored = [Run(each.directory, shown=True) for each in stored_runs(roots.results)]
    others = [other for other in stored if other.name != run.name]
    ranged = {(one.unit, one.cluster): one for one in records if one.range is not None}
    _add_specialisation(found, run, roots, ranged, names)
    _add_chance(found, run, ranged)
    _add_stability(found, run, ranged)
    _add_importance(found, run, ranged)
    _add_simulation(found, run, ranged)
    _add_ablation(found, run, ranged)
    _add_roles(found, run, ranged)
    _add_comparisons(found, run, others, records)
    return found


def _add_specialisation(
    found: Studies,
    run: Run,
    roots: Roots,
    ranged: Mapping[Key, ExplanationRecord],
    names: Mapping[int, str],
) -> None:
    defaults = untrained_defaults(run, roots.results)
    if defaults is None:
        return
    trees = {key: one.tree for key, one in ranged.items()}
    judged = {key: None if tree is None else defaults.judge(tree) for key, tree in trees.items()}
    found.common = {key for key, kind in judged.items() if kind is Specialisation.UNSPECIALISED}
    counts = count_specialisation([(key[1] or 0, kind) for key, kind in judged.items()])
    trained = Counter(canonical_key(tree) for tree in trees.values() if tree is not None)
    found.add(
        "Specialisation",
        "Against the untrained network, as ccx analyze does: a formula is unspecialised if it is "
        "one of the most common there, weakly specialised if it begins as those do.",
        ("range", "explained", "unspecialised", "weakly specialised"),
        [
            (
                "all" if each.cluster is None else str(each.cluster),
                design.count(each.explanations),
                _with_share(each.unspecialised, each.unspecialised_share),
                _with_share(each.weakly_specialised, each.weakly_specialised_share),
            )
            for each in counts
        ],
    )
    found.add(
        "Formulas that the untrained network has by default",
        f"The most common of its {design.count(len(defaults.formulas))} default formulas.",
        ("formula", "ranges, untrained", "ranges, trained"),
        [
            (
                {
                    "formula": to_text(
                        each.formula, lambda number: names.get(number, f"label {number}")
                    )
                },
                design.count(each.count),
                design.count(trained[canonical_key(each.formula)]),
            )
            for each in defaults.formulas[:_MOST_DEFAULTS]
        ],
    )


def _add_chance(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    try:
        null = kept_null(run.directory)
    except CcxError as error:
        found.notes.append(str(error))
        return
    against = all_against_null(null, ranged.values())
    found.chance = count_chance(against.values(), ranged.values(), permutations_of(null))
    found.add(
        "Chance",
        "Against the best formulas on permuted images, as ccx metrics --null does; q is adjusted "
        "over the ranges here (false discovery rate).",
        ("range", "compared", f"q at most {SIGNIFICANT}", "mean IoU by chance"),
        [
            (
                str(number),
                design.count(len(own)),
                design.count(sum(float(one.q_value or 0) <= SIGNIFICANT for one in own)),
                design.iou(of_known(float(one.null_mean or 0) for one in own)),
            )
            for number, own in _by_range(against)
        ],
    )
    for title, name, about in (
        ("IoU by chance", "null_mean", "Mean IoU of the search on permuted images."),
        ("q", "q_value", "Share of such permutations, adjusted over the ranges compared."),
    ):
        found.measure(MetricName(name, title, title, about), against)


def _add_stability(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    kept = KEPT_STABILITY.of_formulas(run.directory, ranged.values())
    found.add(
        "Stability",
        "The search repeated on bootstrap samples of the images, as ccx stability does: how often "
        "it finds an equivalent formula, and the IoU of its formulas on the images left out.",
        (
            *("range", "formulas", "found again", f"by {STABLE:.0%} of the samples"),
            *("mean IoU", "mean out-of-bag IoU"),
        ),
        [
            (
                str(number),
                design.count(len(own)),
                design.share(of_known(one.equivalent for one in own)),
                design.count(sum((one.equivalent or 0) >= STABLE for one in own)),
                design.iou(of_known(one.iou for one in own)),
                design.iou(of_known(one.out_of_bag_iou for one in own)),
            )
            for number, own in _by_range(kept)
        ],
    )
    for name in STABILITY:
        found.measure(name, kept)


def _add_importance(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    found.add(
        "Importance",
        "Images whose predicted class changes when the activations of the measured units are set "
        "to zero in their range of this number, as ccx importance does.",
        ("range", "images", "changed", "with random activations", "ablated"),
        [
            (
                str(each.cluster),
                design.count(each.images),
                _with_share(each.changed, each.share),
                _with_share(each.changed_at_random, each.share_at_random),
                design.share(each.zeroed),
            )
            for each in read_kept(run.directory / IMPORTANCE, ClusterImportanceRecord)
        ],
    )
    kept = read_kept(run.directory / RANGE_IMPORTANCE, RangeImportanceRecord)
    ablated = [each for each in kept if (each.unit, each.cluster) in ranged]
    found.add(
        "Importance of single ranges",
        "Images whose predicted class changes when one unit is set to zero in one range, and the "
        "mean drop of that class's probability; most changed first.",
        ("unit", "range", "formula", "images", "changed", "drop", "largest drops"),
        [
            (
                {"unit": each.unit},
                str(each.cluster),
                {"formula": each.formula},
                design.count(each.images),
                _with_share(each.changed, each.changed / each.images if each.images else None),
                design.number(each.drop),
                ", ".join(f"{one.class_} ({design.number(one.drop, 3)})" for one in each.classes),
            )
            for each in sorted(ablated, key=lambda each: -each.changed)
        ],
    )
    about = "Mean drop of the predicted class's probability when the unit is zero in the range."
    name = MetricName("drop", "Drop when ablated", "drop", about)
    found.measure(name, {(each.unit, each.cluster): each for each in ablated})


def _add_simulation(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    units = {unit for unit, _ in ranged}
    kept = [one for one in kept_simulation(run.directory) if one.unit in units]
    every = [*layer_records(kept), *best_first(map(unit_record, kept))]
    images = "that were not searched" if kept and kept[0].held_out else "that were searched"
    found.add(
        "Simulation",
        f"Pearson correlation of a unit's activation, on the images {images}, with that predicted "
        "from its formulas, and with that predicted from the formulas of other images, as ccx "
        "simulate does.",
        ("unit", "formulas", "r", "r of images", "r fitted", "shuffled", "shuffled 95%"),
        [
            (
                {"unit": one.unit} if one.kind == "unit" else one.statistic,
                design.count(one.formulas) if one.kind == "unit" else design.MISSING,
                *(
                    design.number(getattr(one, key))
                    for key in (*CORRELATIONS, "shuffled_mean", "shuffled_percentile_95")
                ),
            )
            for one in every
        ],
    )


def _add_ablation(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    ablated = with_q_values([*KEPT_ABLATION.of_formulas(run.directory, ranged.values()).values()])
    found.add(
        "Ablation of the input",
        "Mean change of the largest activation, relative to whole images, where the formula's "
        "pixels are masked in the input, where all else is, and at control masks of equal size "
        "elsewhere, as ccx ablate does; ranges where masking the formula lowers it more than "
        f"control masks do, q at most {SIGNIFICANT}; images whose predicted class changes.",
        ("range", "formula", "all else", "control", "significant", "class", "class, control"),
        [
            (
                "all" if each.cluster is None else str(each.cluster),
                *(design.share_difference(getattr(each.peak, key, None)) for key in _ABLATED),
                f"{each.peak.significant:,} of {each.peak.tested:,}" if each.peak else "",
                *(design.share(getattr(each.flipped, key, None)) for key in ("formula", "control")),
            )
            for each in means_over_units(ablated, 0)
        ],
    )
    for key, title in _ABLATED.items() if ablated else ():
        about = "Mean change of the unit's largest activation in an image, relative to the whole."
        found.metrics[MetricName(f"peak_{key}", title, title, about)] = {
            (each.unit, each.cluster): getattr(each.peak, key) / each.peak.whole
            for each in ablated
            if each.peak and each.peak.whole > 0 and getattr(each.peak, key) is not None
        }


def _add_roles(found: Studies, run: Run, ranged: Mapping[Key, ExplanationRecord]) -> None:
    units = {unit for unit, _ in ranged}
    roles = [one for one in read_kept(run.directory / ROLES, RoleRecord) if one.unit in units]
    found.roles = {
        one.unit: ", ".join(
            f"{each.class_} ({design.number(each.contribution, 2)})" for each in one.classes
        )
        for one in roles
        if one.classes
    }
    found.add(
        "Roles",
        "The classes that a unit contributes to most, its weight times its mean activation, and "
        "the network's accuracy where the unit is in its top range, as ccx roles does.",
        ("unit", "formula of the top range", "IoU", "images", "accuracy", "contributes to"),
        [
            (
                {"unit": one.unit},
                {"formula": one.formula},
                design.iou(one.iou),
                design.count(one.images),
                design.share(one.accuracy),
                found.roles.get(one.unit, design.MISSING),
            )
            for one in roles
        ],
    )


def _add_comparisons(
    found: Studies, run: Run, others: Sequence[Run], records: Sequence[ExplanationRecord]
) -> None:
    units = {record.unit for record in records}
    ours = run.with_units({unit: run.units[unit] for unit in units})
    lines = []
    for other in others:
        if not (run.identity.segmentation and run.identity.activations):
            continue
        same = ("segmentation", "activations")
        if any(getattr(run.identity, key) != getattr(other.identity, key) for key in same):
            continue
        shared = {unit: some for unit, some in other.units.items() if unit in units}
        try:
            all_of = tally(compare_runs(ours, other.with_units(shared)))
        except CcxError:
            continue
        if all_of.ranges:
            mean = design.difference(all_of.mean_difference or 0)
            counts = (all_of.ranges, all_of.equal, all_of.better, all_of.worse)
            differ = "; ".join(differences(run, other)) or "nothing"
            lines.append((other.called, differ, *map(design.count, counts), mean))
    found.add(
        "Compared with other runs of this layer",
        "Runs on the same activations and labels, as ccx compare runs does; better and worse are "
        "ranges whose IoU is higher or lower in the other run.",
        ("run", "differs in", "ranges", "equivalent", "better", "worse", "mean IoU difference"),
        lines,
    )


def _by_range(found: Mapping[Key, T]) -> list[tuple[int, list[T]]]:
    """Gather what is of ranges of one number, from the highest."""
    numbers = sorted({cluster or 0 for _, cluster in found}, reverse=True)
    return [(n, [one for (_, own), one in found.items() if (own or 0) == n]) for n in numbers]


def _with_share(number: int, part: float | None) -> str:
    return f"{design.count(number)} ({design.share(part)})"
