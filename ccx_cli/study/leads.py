"""What a unit is compared by: its leading explanation, and whether it is explained at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots


@dataclass(frozen=True, slots=True)
class LeadMeasures:
    """Measures of a unit's leading explanation, each ``None`` where it is not known.

    Attributes
    ----------
    lead
        The explanation with the largest MCC, the first of equals; ``None`` without any formula, and
        where an older version wrote no MCC.
    activation_coverage
        Share of the hits that its formula covers.
    explained
        1 if its formula beats its baseline, the IoU of a formula that all labeled pixels satisfy;
        else 0. ``None`` where an older version wrote neither MCC nor baseline.
    fires
        Whether it has ranges.
    """

    lead: ExplanationRecord | None
    activation_coverage: float | None
    explained: float | None
    fires: bool

    @property
    def mcc(self) -> float | None:
        """MCC of the leading explanation."""
        return None if self.lead is None else self.lead.mcc or 0.0

    @property
    def iou(self) -> float | None:
        """Its IoU."""
        return None if self.lead is None else self.lead.iou

    @property
    def lift(self) -> float | None:
        """Its lift."""
        return None if self.lead is None else self.lead.lift or None

    @property
    def length(self) -> float | None:
        """Its number of concepts."""
        return None if self.lead is None else self.lead.length


def measure_leads(run: Run) -> dict[int, LeadMeasures]:
    """Measure the leading explanation of every unit."""
    return {unit: _measured(records) for unit, records in run.listed.items()}


def with_chance(run: Run, roots: Roots, progress: Progress) -> Run:
    """Return the run with lift and MCC in its records, also those of an older version.

    Where what they are computed from is missing, these have none, which is told.
    """
    if _is_complete(run):
        return run
    # It imports what reads datasets, which other runs do without.
    from ccx_cli.runs.inputs import RunInputs

    inputs = RunInputs(run, roots)
    found = inputs.against_chance().run
    if not _is_complete(found):
        try:
            _ = inputs.searched
        except CcxError as error:
            progress.note(f"An older version made {run.called}, without MCC. {error}")
    return found


def _is_complete(run: Run) -> bool:
    return all(each.mcc is not UNSET for records in run.listed.values() for each in records)


def _measured(records: Sequence[ExplanationRecord]) -> LeadMeasures:
    lead = lead_of(records)
    return LeadMeasures(
        lead,
        None if lead is None else activation_coverage(lead),
        _explained(lead, records),
        any(record.range is not None for record in records),
    )


def lead_of(records: Iterable[ExplanationRecord]) -> ExplanationRecord | None:
    """Return the explanation with the largest MCC, the first of equals."""
    known = [each for each in records if isinstance(each.mcc, float)]
    return max(known, key=lambda each: each.mcc or 0.0, default=None)


def _explained(
    lead: ExplanationRecord | None, records: Sequence[ExplanationRecord]
) -> float | None:
    if lead is None:
        return None if any(record.formula is not None for record in records) else 0.0
    if lead.baseline is UNSET or lead.baseline is None:
        return None
    return float(lead.iou > lead.baseline)


def activation_coverage(record: ExplanationRecord) -> float | None:
    """Return the share of the hits that the formula covers, ``|F & N| / |N|``, exactly.

    A line has no ``|F & N|``, but it follows from the IoU, the lift and the baseline: with
    ``q = |F| / P`` and ``v = |N| / P``, the IoU over the lift is ``q v / (q + v - q v)``, and
    ``|F & N|`` is a whole number.
    """
    baseline, lift, iou, hits = record.baseline, record.lift, record.iou, record.hits
    if not hits or record.formula is None or baseline is UNSET or lift is UNSET:
        return None
    if not (iou and baseline and lift):
        return 0.0
    by_chance = iou / lift
    size = by_chance / (baseline - by_chance + by_chance * baseline)  # |F| / |N|
    return round(hits * iou * (1 + size) / (1 + iou)) / hits
