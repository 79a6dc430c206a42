"""The layers of a network side by side: what the units of each respond to, and how well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, concepts_of
from ccx_cli.probe.networks.layer_names import layer_names
from ccx_cli.records.comparison import ComparedLayerRecord
from ccx_cli.runs.run import Run
from ccx_cli.study.categories import dominant_category
from ccx_cli.study.leads import LeadMeasures, measure_leads
from ccx_cli.study.resampling import bootstrap_interval, of_known


def in_network_order(runs: Sequence[Run]) -> list[Run]:
    """Put the layers of every network that ccx knows in their order there.

    Networks stay in the order in which they come first, and so do layers of others.
    """
    networks: dict[tuple[str | None, str | None], list[Run]] = {}
    for run in runs:
        networks.setdefault((run.about.model, run.about.weights_text), []).append(run)
    ordered = []
    for (model, _), own in networks.items():
        names = {name: number for number, name in enumerate(layer_names(model or ""))}
        layers = [run.about.layer or "" for run in own]
        if all(layer in names for layer in layers):
            own = sorted(own, key=lambda run: names[run.about.layer or ""])
        ordered += own
    return ordered


def sum_up_layer(run: Run, category_of: Mapping[int, str]) -> ComparedLayerRecord:
    """Sum up the units of a run by their leading explanations.

    ``category_of`` is by label number; without a label's, its formulas are of no category.
    """
    leads = list(measure_leads(run).values())
    mccs = [each.mcc for each in leads if each.mcc is not None]
    quartiles = np.quantile(mccs, [0.25, 0.5, 0.75]).tolist() if mccs else [None] * 3
    explained = [each.explained for each in leads]
    formulas = [lead.tree for each in leads if (lead := each.lead) is not None]
    categories = _categories(leads, category_of)
    return ComparedLayerRecord(
        run=run.name,
        layer=run.about.layer_text,
        layer_units=run.about.units,
        units=len(leads),
        dead=sum(not each.fires for each in leads),
        explained=None if None in explained else explained.count(1.0),
        mcc_units=len(mccs),
        mcc_mean=of_known(mccs),
        mcc_interval=bootstrap_interval(mccs),
        mcc_lower_quartile=quartiles[0],
        mcc_median=quartiles[1],
        mcc_upper_quartile=quartiles[2],
        iou_mean=of_known(each.iou for each in leads),
        lift_median=of_known((each.lift for each in leads), np.median),
        activation_coverage_mean=of_known(each.activation_coverage for each in leads),
        length_mean=of_known(each.length for each in leads),
        formulas=len({canonical_key(formula) for formula in formulas if formula is not None}),
        category=max(categories, key=lambda name: categories[name], default=None),
        categories=categories,
    )


def _categories(leads: Iterable[LeadMeasures], category_of: Mapping[int, str]) -> dict[str, int]:
    found = (
        _category(each.lead.tree, category_of)
        for each in leads
        if each.explained and each.lead is not None
    )
    return dict(Counter(category for category in found if category is not None))


def _category(formula: Formula | None, category_of: Mapping[int, str]) -> str | None:
    if formula is None or not all(number in category_of for number in concepts_of(formula)):
        return None
    return dominant_category([formula], category_of)
