"""Explanations against the null that was kept of a run, and how many of them exceed it.

P-values are those of a permutation test with the observed value counted among them (Phipson and
Smyth, Statistical Applications in Genetics and Molecular Biology 9/1, 2010), so never below
``1 / (rounds + 1)``; q-values control the false discovery rate over a run (Benjamini and Hochberg,
Journal of the Royal Statistical Society B 57/1, 1995).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.errors import CcxError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import SIGNIFICANT, AgainstNull, ChanceCount
from ccx_cli.runs.answers import KEPT_NULL, Key
from ccx_cli.runs.run import Run


def against_null(observed: float, null: Sequence[float]) -> AgainstNull:
    """Compare an IoU with the best ones under the null, of which there is at least one."""
    ious = np.array(null)
    return AgainstNull(
        null_mean=float(ious.mean()),
        null_percentile_95=float(np.quantile(ious, 0.95)),
        p_value=(1 + int((ious >= observed).sum())) / (1 + len(ious)),
    )


def false_discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted values, in the order of ``p_values``."""
    p = np.array(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.minimum.accumulate(adjusted[::-1])[::-1]
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1)
    return [float(value) for value in result]


def adjusted(compared: Mapping[Key, AgainstNull]) -> dict[Key, AgainstNull]:
    """Add the q-values, over all that are compared."""
    q_values = false_discovery_rates([float(one.p_value or 0) for one in compared.values()])
    return {
        key: replace(one, q_value=q_value)
        for (key, one), q_value in zip(compared.items(), q_values, strict=True)
    }


def kept_null(directory: Path) -> dict[Key, list[float]]:
    """Read the best IoU of every round by range."""
    return {key: one.null_ious for key, one in KEPT_NULL.fullest(directory).items()}


def kept_against_null(run: Run, records: Iterable[ExplanationRecord]) -> dict[Key, AgainstNull]:
    """Compare explanations with the null that was kept of most ranges, as far as there is one."""
    return all_against_null(kept_null(run.directory), records)


def all_against_null(
    null: Mapping[Key, Sequence[float]], records: Iterable[ExplanationRecord]
) -> dict[Key, AgainstNull]:
    """Compare explanations with the best IoUs by range, with q-values over all that have some."""
    if not null:
        return {}  # Then the records, which may be very many, are not read either.
    return adjusted(
        {
            (record.unit, record.cluster): against_null(record.iou, ious)
            for record in records
            if record.skipped is UNSET and (ious := null.get((record.unit, record.cluster)))
        }
    )


def count_chance(
    against: Collection[AgainstNull], records: Iterable[ExplanationRecord], permutations: int
) -> ChanceCount | None:
    """Count what exceeds chance of the ranges of ``records``; ``None`` if none is compared."""
    if not against:
        return None
    searched = sum(one.range is not None and one.skipped is UNSET for one in records)
    exceeding = sum(float(one.q_value or 0) <= SIGNIFICANT for one in against)
    return ChanceCount(
        exceeding=exceeding, compared=len(against), ranges=searched, permutations=permutations
    )


def kept_chance(run: Run) -> ChanceCount | None:
    """Count the ranges of a run that exceed the null that was kept of most ranges.

    ``None`` if none was kept that can be read.
    """
    try:
        null = kept_null(run.directory)
    except (CcxError, OSError):
        return None
    against = all_against_null(null, run.records)
    return count_chance(against.values(), run.records, permutations_of(null))


def permutations_of(null: Mapping[Key, Sequence[float]]) -> int:
    """Return how many permutations a null is of."""
    return max(map(len, null.values()), default=0)
