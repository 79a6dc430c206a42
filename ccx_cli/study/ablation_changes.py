"""What masked images come to: means over the images of a range, and over the units of a layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.records.ablation import (
    MEASURES,
    RELATIVE,
    AblationMeanRecord,
    AblationRecord,
    Change,
    Fill,
    MeanChange,
)
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import SIGNIFICANT
from ccx_cli.runs.chance import false_discovery_rates
from ccx_cli.study.resampling import bootstrap_interval, paired_p

CONTROLS = 3
VERSIONS = 3 + CONTROLS
"""An image whole, without the formula, without all else, and with each control mask."""
_ROUNDS = 2_000
_CHANGES = ("formula", "rest", "control", "difference")


class MaskedImage(NamedTuple):
    """What one image came to.

    ``values`` are ``(n_measures, 4)``, of the image whole, without the formula, without all else,
    and at control masks; NaN where there is nothing to measure. ``overlap`` is the share of the
    formula's pixels that the controls meet.
    """

    values: NDArray[np.float64]
    overlap: float | None = None


def ablation_record(
    record: ExplanationRecord, images: Sequence[MaskedImage], fill: Fill, seed: int
) -> AblationRecord:
    """Summarize what the images of one range came to."""
    overlaps = [image.overlap for image in images if image.overlap is not None]
    values = np.array([image.values for image in images]).reshape(-1, len(MEASURES), 4)
    changes: dict[str, Any] = {key: _change(values[:, n], seed) for n, key in enumerate(MEASURES)}
    return AblationRecord(
        kind="range",
        unit=record.unit,
        cluster=record.cluster or 0,
        num_ranges=record.num_ranges,
        range=record.range or [],
        formula=record.formula or "",
        fill=fill,
        images=len(images),
        controlled=len(overlaps),
        overlap=float(np.mean(overlaps)) if overlaps else None,
        **changes,
    )


def _change(values: NDArray[np.float64], seed: int) -> Change | None:
    """Compare the columns of one measure, a row an image."""
    if not len(values) or np.isnan(values[0, 0]):
        return None
    whole = values[:, 0]
    formula, rest, control = (values[:, 1:] - whole[:, None]).T
    there = ~np.isnan(control)
    differences = formula[there] - control[there]
    return Change(
        whole=float(whole.mean()),
        formula=float(formula.mean()),
        rest=float(rest.mean()),
        **_compared(differences, control[there], seed),
    )


def _compared(
    differences: NDArray[np.float64], control: NDArray[np.float64], seed: int
) -> dict[str, Any]:
    if not len(differences):
        return dict.fromkeys(("control", "difference", "difference_interval", "p"))
    return {
        "control": float(control.mean()),
        "difference": float(differences.mean()),
        "difference_interval": bootstrap_interval(differences, rounds=_ROUNDS, seed=seed),
        "p": paired_p(differences, rounds=_ROUNDS, seed=seed),
    }


def with_q_values(records: Sequence[AblationRecord]) -> list[AblationRecord]:
    """Adjust the p-values of every measure over the records."""
    changed: list[dict[str, Change]] = [{} for _ in records]
    for key in MEASURES:
        tested = [
            (place, change)
            for place, change in enumerate(getattr(record, key) for record in records)
            if change is not None and change.p is not None
        ]
        q_values = false_discovery_rates([change.p for _, change in tested])
        for (place, change), q in zip(tested, q_values, strict=True):
            changed[place][key] = replace(change, q=q)
    return [replace(record, **each) for record, each in zip(records, changed, strict=True)]


def means_over_units(records: Sequence[AblationRecord], seed: int) -> list[AblationMeanRecord]:
    """Average what was measured of the ranges of each number, from the highest, then of all."""
    numbers: list[int | None] = [*sorted({record.cluster for record in records}, reverse=True)]
    means = []
    for number in [*numbers, None] if numbers else ():
        own = [one for one in records if number in (None, one.cluster)]
        changes: dict[str, Any] = {key: _mean_change(own, key, seed) for key in MEASURES}
        means.append(AblationMeanRecord(kind="layer", cluster=number, ranges=len(own), **changes))
    return means


def _mean_change(records: Sequence[AblationRecord], key: str, seed: int) -> MeanChange | None:
    """Average a measure over units, each unit's ranges first."""
    levels: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    n_ranges = tested = significant = 0
    for record in records:
        change: Change | None = getattr(record, key)
        scale = change.whole if change is not None and key in RELATIVE else 1.0
        if change is None or scale <= 0:
            continue
        n_ranges += 1
        levels["whole"][record.unit].append(change.whole)
        for name in _CHANGES:
            value = getattr(change, name)
            if value is not None:
                levels[name][record.unit].append(value / scale)
        if change.difference is not None:
            tested += 1
            is_stronger = change.difference > 0 if key == "flipped" else change.difference < 0
            significant += is_stronger and change.q is not UNSET and (change.q or 0) <= SIGNIFICANT
    if not n_ranges:
        return None
    of_units = {
        name: np.array([np.mean(own) for own in levels[name].values()])
        for name in ("whole", *_CHANGES)
    }
    return MeanChange(
        ranges=n_ranges,
        whole=float(of_units["whole"].mean()),
        formula=float(of_units["formula"].mean()),
        rest=float(of_units["rest"].mean()),
        **_compared(of_units["difference"], of_units["control"], seed),
        tested=tested,
        significant=significant,
    )
