"""What changed between two stored runs, range by range."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import renumbered
from ccx_cli.records.comparison import ComparedRunRecord
from ccx_cli.records.explanation import SOFT, ExplanationRecord, names_of
from ccx_cli.records.fields import Json, to_json
from ccx_cli.runs.run import Run


@dataclass(frozen=True, slots=True)
class RangePair:
    """A range of one number in two runs, each ``None`` where it is not there.

    ``cluster`` is ``None`` for a unit without ranges in either; ``equal`` says whether the formulas
    are logically equivalent, ``None`` unless there are two.
    """

    unit: int
    cluster: int | None
    a: ExplanationRecord | None
    b: ExplanationRecord | None
    equal: bool | None

    @property
    def ious(self) -> tuple[float | None, float | None]:
        """The IoU in each run, ``None`` where there is no formula."""
        return _iou(self.a), _iou(self.b)

    @property
    def difference(self) -> float | None:
        """IoU in B minus IoU in A, ``None`` unless there are two formulas."""
        a, b = self.ious
        return None if a is None or b is None else b - a


def compare_runs(a: Run, b: Run) -> list[RangePair]:
    """Match the ranges of two runs by unit and cluster, in that order.

    Label numbers are matched too; where one number has two names, as in different datasets, the
    names are matched instead.
    """
    ours, theirs = names_of(a.records), names_of(b.records)
    numbers = [{number: number for number in names} for names in (ours, theirs)]
    if any(ours[number] != theirs[number] for number in ours.keys() & theirs.keys()):
        position = {name: n for n, name in enumerate(sorted({*ours.values(), *theirs.values()}))}
        numbers = [{n: position[name] for n, name in names.items()} for names in (ours, theirs)]
    pairs = []
    for unit in sorted({*a.units, *b.units}):
        for cluster, left, right in _matched(a.units.get(unit), b.units.get(unit)):
            keys = _key(left, numbers[0]), _key(right, numbers[1])
            equal = None if None in keys else keys[0] == keys[1]
            pairs.append(RangePair(unit, cluster, left, right, equal))
    return pairs


def differences(a: Run, b: Run, *, are_layers: bool = False) -> list[str]:
    """Return what two runs were not made alike in, each with its value in either.

    Where they ``are_layers``, these are meant to differ, and units are not matched.
    """
    found = []
    for key, name in _ABOUT.items():
        values = [getattr(run.about, key) for run in (a, b)]
        if values[0] != values[1] and not (are_layers and key == "layer_text"):
            is_other = key in {"model", "layer_text"} and not are_layers
            warning = ": units are matched by number only" if is_other else ""
            written = [value or _UNNAMED.get(key, "?") for value in values]
            found.append(f"{name}, {written[0]} and {written[1]}{warning}")
    for part in (lambda run: to_json(run.identity.ranges), lambda run: run.search_identity):
        was, now = part(a), part(b)
        # Other searches have other parameters: what only one has says nothing.
        is_other = was.get("name") != now.get("name")
        both = was.keys() & now.keys() if is_other else was.keys() | now.keys()
        found += [
            _SETTINGS.get(key, key.replace("_", " ")) + _values(key, was, now)
            for key in sorted(both, key=lambda key: (key != "name", key))
            if was.get(key) != now.get(key)
        ]
    return found


_ABOUT = {
    "subset": "subset",
    "split": "split",
    "model": "model",
    "weights_text": "weights",
    "layer_text": "layer",
}
# What settings are called; the values of some say nothing to a person.
_SETTINGS = {
    "num_clusters": "number of ranges",
    "by_hand": "ranges by hand",
    "n_init": "starts of k-means",
    "name": "search",
    "space": "vocabulary",
}
_UNSPEAKING = {"by_hand", "space"}
# What a setting is where a run does not name it; of others, ``none``.
_UNNAMED = {"objective": "iou", "split": "all images"}


def _values(key: str, was: Json, now: Json) -> str:
    if key in _UNSPEAKING:
        return ""
    unnamed = _UNNAMED.get(key, "none")
    return f", {' and '.join(str(each.get(key, unnamed)) for each in (was, now))}"


def tally(pairs: Sequence[RangePair]) -> ComparedRunRecord:
    """Sum up pairs of ranges; equivalent formulas may be better or worse, as hits may differ."""
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    explained = [tuple(iou is not None for iou in pair.ious) for pair in pairs]
    return ComparedRunRecord(
        ranges=len(differences),
        equal=sum(pair.equal is True for pair in pairs),
        better=sum(difference > 0 for difference in differences),
        worse=sum(difference < 0 for difference in differences),
        mean_difference=sum(differences) / len(differences) if differences else None,
        only_a=explained.count((True, False)),
        only_b=explained.count((False, True)),
        neither=explained.count((False, False)),
    )


def _matched(
    a: Sequence[ExplanationRecord] | None, b: Sequence[ExplanationRecord] | None
) -> Iterator[tuple[int | None, ExplanationRecord | None, ExplanationRecord | None]]:
    """Match one unit's records by cluster; a unit without ranges has one record, cluster None.

    A formula of the whole activation is matched with that of the highest range.
    """
    top = max((record.cluster or 0 for side in (a, b) for record in side or ()), default=0)
    left, right = (
        {top if _is_whole(record) else record.cluster: record for record in side or ()}
        for side in (a, b)
    )
    clusters = sorted({cluster for cluster in (*left, *right) if cluster is not None})
    for cluster in (*clusters, *(() if clusters else (None,))):
        yield cluster, left.get(cluster), right.get(cluster)


def _is_whole(record: ExplanationRecord) -> bool:
    return record.range is not None and record.objective in SOFT


def _iou(record: ExplanationRecord | None) -> float | None:
    return None if record is None or record.formula is None else record.iou


def _key(record: ExplanationRecord | None, numbers: Mapping[int, int]) -> Hashable | None:
    """Return what equivalent formulas of two runs share; ``None`` without a formula."""
    formula = None if record is None else record.tree
    return None if formula is None else canonical_key(renumbered(formula, numbers.__getitem__))
