"""Whether two runs differ by more than their units vary: intervals and tests of measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ccx_cli import design
from ccx_cli.records.comparison import MEASURES, MeasureName, RunDifferenceRecord
from ccx_cli.runs.run import Run
from ccx_cli.study.leads import LeadMeasures, measure_leads
from ccx_cli.study.resampling import bootstrap_interval, difference_interval, paired_p, two_sample_p

SIGNIFICANT = 0.05


def difference_of_runs(a: Run, b: Run) -> Iterator[RunDifferenceRecord]:
    """Compare the measures of two runs: unit by unit where they share units of one layer.

    They do where the layers have one path and one number of units, as before and after training,
    and some units are in both. Else the units of either are a sample of their own.
    """
    ours, theirs = measure_leads(a), measure_leads(b)
    shared = sorted(ours.keys() & theirs.keys())
    is_same = (a.about.layer_text, a.about.units) == (b.about.layer_text, b.about.units)
    for measure in MEASURES:
        if is_same and shared:
            yield _paired(measure, ours, theirs, shared)
        else:
            yield _independent(measure, ours, theirs)


def _paired(
    measure: MeasureName,
    ours: Mapping[int, LeadMeasures],
    theirs: Mapping[int, LeadMeasures],
    shared: Sequence[int],
) -> RunDifferenceRecord:
    pairs = [(getattr(ours[unit], measure), getattr(theirs[unit], measure)) for unit in shared]
    known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
    differences = known[:, 1] - known[:, 0]
    return _record(
        measure,
        True,
        (known[:, 0].tolist(), known[:, 1].tolist()),
        bootstrap_interval(differences),
        paired_p(differences),
    )


def _independent(
    measure: MeasureName, ours: Mapping[int, LeadMeasures], theirs: Mapping[int, LeadMeasures]
) -> RunDifferenceRecord:
    a, b = (
        [value for each in units.values() if (value := getattr(each, measure)) is not None]
        for units in (ours, theirs)
    )
    return _record(measure, False, (a, b), difference_interval(a, b), two_sample_p(a, b))


def _record(
    measure: MeasureName,
    is_paired: bool,
    samples: tuple[Sequence[float], Sequence[float]],
    interval: list[float] | None,
    p_value: float | None,
) -> RunDifferenceRecord:
    mean_a, mean_b = (float(np.mean(values)) if values else None for values in samples)
    return RunDifferenceRecord(
        kind="difference",
        measure=measure,
        paired=is_paired,
        units_a=len(samples[0]),
        units_b=len(samples[1]),
        mean_a=mean_a,
        mean_b=mean_b,
        difference=None if mean_a is None or mean_b is None else mean_b - mean_a,
        difference_interval=interval,
        p_value=p_value,
    )


def conclusion(found: Sequence[RunDifferenceRecord]) -> str:
    """Say in a sentence whether B's MCC differs, as far as it is known in both."""
    of_mcc = next(each for each in found if each.measure == "mcc")
    difference, p_value = of_mcc.difference, of_mcc.p_value
    if difference is None or p_value is None:
        return "Whether MCC differs is not known: there is none in one of the runs."
    units = f"{of_mcc.units_a:,} paired {'unit' if of_mcc.units_a == 1 else 'units'}"
    if not of_mcc.paired:
        units = f"{of_mcc.units_a:,} units of A and {of_mcc.units_b:,} of B"
    is_found = p_value < SIGNIFICANT
    interval = "too few units for an interval"
    if of_mcc.difference_interval is not None:
        low, high = of_mcc.difference_interval
        if low == high == 0:
            return f"A and B have the same MCC ({units})."
        if is_found and difference < 0:
            low, high = -high, -low
        interval = f"95% interval {design.number(low)} to {design.number(high)}"
    worth = f"({interval}, p = {p_value:.2g}, {units})."
    if is_found:
        way = "higher" if difference > 0 else "lower"
        return f"B's MCC is {way} by {design.number(abs(difference))} {worth}"
    return (
        "No difference in MCC is found: that of B minus that of A is "
        f"{design.difference(difference)} {worth}"
    )
