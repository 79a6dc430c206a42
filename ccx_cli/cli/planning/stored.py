"""The plans of the commands that study a stored run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ccx_cli.cli.inputs.gathering import Inputs
from ccx_cli.cli.inputs.jobs import name_run
from ccx_cli.cli.inputs.untrained import ranges_like, strategy_like
from ccx_cli.cli.planning.dry_run import Step
from ccx_cli.cli.planning.inputs import plan_caches, plan_units
from ccx_cli.runs.opened import OpenedRun
from ccx_cli.runs.stored import StoredRun
from ccx_cli.study.measuring import MeasureSettings, kept_lines


def plan_importance(opened: OpenedRun, units: Sequence[int], *, per_unit: bool) -> list[Step]:
    """Plan the passes of ``ccx importance``: how often the rest of the network sees an image.

    Per unit that is at most: images in which a unit does not fire in the range are left out.
    """
    opened.network("importance")
    ranges = [
        record["cluster"]
        for unit in units
        for record in opened.units[unit]
        if record["range"] is not None
    ]
    n_images = len(opened.dataset.rows)
    passes = len(ranges) if per_unit else 2 * len(set(ranges))
    what = "at most, of the images" if per_unit else "of the images"
    return [
        _run_step(opened, units),
        Step(f"forward passes {what}", None, "passes", n_images * (passes + 1), size=0),
    ]


def plan_metrics(
    opened: OpenedRun,
    units: Sequence[int],
    settings: MeasureSettings,
    *,
    label_masking: bool,
    null: int,
) -> list[Step]:
    """Plan ``ccx metrics``: what is kept beside the run, and what is left of it."""
    asked = {"bootstrap": settings.bootstrap, "seed": settings.seed}
    steps = [_run_step(opened, units), _kept_step(opened, units, "metrics", asked)]
    if label_masking:
        opened.network("label masking")
        lines = kept_lines(
            opened, "masking", {"seed": settings.seed, "images": settings.masking_images}
        )
        known = {(record["unit"], record["cluster"]) for record in lines.all_lines()}
        left: dict[str, bool] = {}
        for unit in units:
            for record in opened.units[unit]:
                if record["labels"] is not None:
                    formula = json.dumps(record["labels"])
                    here = (unit, record["cluster"]) in known
                    left[formula] = left.get(formula, True) and here
        steps.append(Step("label masking", lines.path, "formulas", len(left), sum(left.values())))
    if null:
        asked = {"rounds": null, "seed": settings.seed}
        steps.append(_kept_step(opened, units, "null", asked))
    return steps


def plan_untrained(stored: StoredRun, inputs: Inputs) -> list[Step]:
    """Plan the untrained run that ``ccx analyze`` makes to compare a run with."""
    planned = plan_caches([inputs])
    (layer,) = planned.layers
    assert planned.index is not None
    method, by_hand = ranges_like(stored)
    run = name_run(
        inputs,
        method,
        by_hand,
        strategy_like(stored, int(stored.about["concepts"])),
        planned.index,
        layer.cache,
        ties=False,
        split=stored.identity.get("split"),
    )
    units = None if layer.units is None else range(layer.units)
    return [*planned.steps, plan_units(layer, run, units)]


def _run_step(opened: OpenedRun, units: Sequence[int]) -> Step:
    return Step("stored run", opened.run.directory, "units", len(units), len(units))


def _kept_step(opened: OpenedRun, units: Sequence[int], what: str, asked: dict[str, int]) -> Step:
    lines = kept_lines(opened, what, asked)
    done = len(set(lines.finished()) & set(units))
    return Step(what, lines.path, "units", len(units), done)
