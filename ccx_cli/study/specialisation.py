"""Which units the training has given a formula of their own.

The definition of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023):
an untrained network has explanations too, and the most common of them are what a unit gets by
default. ``docs/studies.md`` shows it on an example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, left_of
from ccx_cli.records.fields import to_json
from ccx_cli.records.studies import SpecialisationRecord
from ccx_cli.runs.lookup import stored_runs
from ccx_cli.runs.run import Run
from ccx_cli.search.strategy import LISTING


class Specialisation(StrEnum):
    """What training made of a range."""

    UNSPECIALISED = "unspecialised"
    WEAK = "weakly specialised"
    SPECIALISED = "specialised"


@dataclass(frozen=True, slots=True)
class Common:
    """A formula and how many of the untrained explanations are, or begin with, one like it."""

    formula: Formula
    count: int


@dataclass(frozen=True)
class Defaults:
    """Default formulas and left sub-formulas of an untrained network, most common first."""

    formulas: tuple[Common, ...]
    pairs: tuple[Common, ...]

    @cached_property
    def _keys(self) -> tuple[frozenset[Hashable], frozenset[Hashable]]:
        formulas, pairs = (
            frozenset(canonical_key(common.formula) for common in part)
            for part in (self.formulas, self.pairs)
        )
        return formulas, pairs

    def has(self, formula: Formula) -> bool:
        """Tell whether a formula is a default one: also common in the untrained network."""
        return canonical_key(formula) in self._keys[0]

    def judge(self, formula: Formula) -> Specialisation:
        """Tell whether a trained range's formula is a default one, begins with one, or neither."""
        if self.has(formula):
            return Specialisation.UNSPECIALISED
        left = left_of(formula)
        if left is not None and canonical_key(left) in self._keys[1]:
            return Specialisation.WEAK
        return Specialisation.SPECIALISED


def find_defaults(untrained: Sequence[Formula | None], n_units: int) -> Defaults:
    """Find what explanations look like without training.

    ``untrained`` are the untrained network's formulas by unit and cluster. A fifth of its units,
    rounded up, is how many default formulas and pairs there are at most. Logically equivalent
    formulas count as one; ties go to what comes first.
    """
    most = -(-n_units // 5)
    explained = [formula for formula in untrained if formula is not None]
    common = _most_common(explained)
    lefts = [left for formula in explained if (left := left_of(formula)) is not None]
    left_counts = {canonical_key(left.formula): left.count for left in _most_common(lefts)}
    pairs: dict[Hashable, Common] = {}
    for each in common:
        left = left_of(each.formula)
        if each.count > 1 and left is not None:
            key = canonical_key(left)
            pairs.setdefault(key, Common(left, left_counts[key]))
    return Defaults(tuple(common[:most]), tuple(pairs.values())[:most])


def untrained_defaults(run: Run, results: Path) -> Defaults | None:
    """Return the defaults of the untrained counterpart that ``ccx analyze`` made of a run, if any.

    It was made for this run or for another like it: of the same network, layer, labels and search.
    """
    about = run.about
    alike = [
        other
        for other in stored_runs(results)
        if (other.about.pretrained, other.about.model) == ("none", about.model)
        and _how(other) == _how(run)
        and (other.about.made_for == run.name or about.pretrained != "none")
    ]
    alike.sort(key=lambda other: other.about.made_for != run.name)
    if not alike or not alike[0].units:
        return None
    return find_defaults([record.tree for record in alike[0].records], len(alike[0].units))


def _how(run: Run) -> Any:
    """Return what runs have in common that differ only in the weights."""
    search = {key: run.search_identity[key] for key in run.search_identity if key not in LISTING}
    identity = run.identity
    ranges = to_json(identity.ranges), identity.skip_zero_range
    return run.about.layer, identity.segmentation, ranges, search, identity.split


def count_specialisation(
    judged: Sequence[tuple[int, Specialisation | None]],
) -> list[SpecialisationRecord]:
    """Count what training made of ranges, ``None`` without a formula, by cluster, then in total."""
    clusters = sorted({cluster for cluster, _ in judged})
    rows = []
    for wanted in [*clusters, None]:
        found = Counter(kind for cluster, kind in judged if wanted in (None, cluster))
        explained = found.total() - found[None]
        default, weak = found[Specialisation.UNSPECIALISED], found[Specialisation.WEAK]
        rows.append(
            SpecialisationRecord(
                kind="cluster",
                cluster=wanted,
                ranges=found.total(),
                explanations=explained,
                unspecialised=default,
                unspecialised_share=default / explained if explained else None,
                weakly_specialised=weak,
                weakly_specialised_share=weak / explained if explained else None,
            )
        )
    return rows


def _most_common(formulas: Iterable[Formula]) -> list[Common]:
    """Count formulas, most common first; of equivalent ones the first stands for all."""
    first: dict[Hashable, Formula] = {}
    counts: Counter[Hashable] = Counter()
    for formula in formulas:
        key = canonical_key(formula)
        first.setdefault(key, formula)
        counts[key] += 1
    # Counter.most_common keeps the order in which equally common ones came.
    return [Common(first[key], count) for key, count in counts.most_common()]
