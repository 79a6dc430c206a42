from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.records.metrics import ChanceCount
from ccx_cli.runs.chance import against_null, false_discovery_rates, kept_against_null, kept_chance
from ccx_cli.runs.methods.paragraph import run_references
from ccx_cli.runs.methods.studies import chance_sentences
from ccx_cli.runs.provenance import describe_run
from ccx_cli.runs.references import DISCOVERY_RATE, PERMUTATION_TEST
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import resolve_roots
from tests.render.made_up_run import write_run

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation


def test_p_values_count_the_observed_and_are_never_zero() -> None:
    chance = against_null(0.5, [0.1, 0.2, 0.5, 0.6])
    assert chance.p_value == 3 / 5
    assert chance.null_mean == pytest.approx(0.35)
    assert chance.null_percentile_95 == pytest.approx(0.585)
    assert against_null(0.9, [0.1] * 99).p_value == 1 / 100


def test_explanations_are_compared_with_the_null_kept_of_most_ranges(tmp_path: Path) -> None:
    run = cast(Run, SimpleNamespace(directory=tmp_path))
    records = [explanation(3, cluster, iou=0.2) for cluster in range(3)]
    assert kept_against_null(run, records) == {}
    for name, clusters, iou, rounds in (
        ("a", 1, 0.9, 99),
        ("b", 2, 0.9, 8),
        ("c", 2, 0.1, 9),
        ("d", 2, 0.9, 8),
    ):
        lines = [
            {"unit": 3, "cluster": cluster, "num_ranges": 3, "null_ious": [iou] * rounds}
            for cluster in range(clusters)
        ]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (tmp_path / f"null-{name}.jsonl").write_text(text)
    found = kept_against_null(run, records)
    assert {key: (one.p_value, one.q_value) for key, one in found.items()} == {
        (3, 0): (0.1, 0.1),
        (3, 1): (0.1, 0.1),
    }


def test_adjusted_values_by_hand() -> None:
    assert false_discovery_rates([0.01, 0.04, 0.03, 0.5]) == pytest.approx(
        [0.04, 0.16 / 3, 0.16 / 3, 0.5]
    )
    assert false_discovery_rates([]) == []


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30))
def test_adjusted_values_keep_the_order_and_exceed_none(p_values: list[float]) -> None:
    adjusted = false_discovery_rates(p_values)
    n = len(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        # The definition: the least m * p(j) / rank(j) over all p(j) >= p, at most 1.
        candidates = [other * n / sum(x <= other for x in p_values) for other in p_values]
        expected = min(c for c, other in zip(candidates, p_values, strict=True) if other >= p)
        assert q == pytest.approx(min(1.0, expected))
        assert p <= q + 1e-12


def _keep_null(run: Run, units: int, iou: float, rounds: int = 99) -> None:
    lines = [
        {"unit": unit, "cluster": cluster, "num_ranges": 3, "null_ious": [iou] * rounds}
        for unit in range(units)
        for cluster in range(3)
    ]
    (run.directory / "null-1.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))


def _said(run: Run) -> str:
    return " ".join(chance_sentences(run, lambda reference: reference.key))


def test_one_count_is_in_the_methods_and_in_what_is_said_of_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=10)
    ious = [record.iou for record in run.records if record.range is not None]
    roots = resolve_roots(tmp_path)
    assert kept_chance(run) is None
    assert "chance" not in describe_run(run, roots)["found"]
    assert not _said(run)
    assert PERMUTATION_TEST not in run_references(run)
    middle = sorted(ious)[len(ious) // 2]
    _keep_null(run, 10, middle)
    count = kept_chance(run)
    assert count is not None
    exceeding = sum(iou > middle for iou in ious)
    assert 0 < exceeding < len(ious)
    assert count == ChanceCount(
        exceeding=exceeding, compared=len(ious), ranges=len(ious), permutations=99
    )
    assert count.sentence == (
        f"{exceeding} of {len(ious)} ranges exceed chance: q at most 0.05, by 99 permutations of "
        "the images."
    )
    assert describe_run(run, roots)["found"]["chance"]["exceeding"] == exceeding
    text = _said(run)
    assert f"For all {len(ious)} ranges the search was repeated on 99 permutations" in text
    assert f"{exceeding} of {len(ious)} formulas exceed chance" in text
    assert {PERMUTATION_TEST, DISCOVERY_RATE} <= set(run_references(run))


def test_a_null_of_some_ranges_says_of_how_many(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=10)
    n = sum(record.range is not None for record in run.records)
    _keep_null(run, 2, 1.0, rounds=19)
    count = kept_chance(run)
    assert count is not None
    assert (count.compared, count.ranges, count.permutations) == (6, n, 19)
    assert count.sentence == (
        f"0 of the 6 ranges (of {n}) whose null is kept exceed chance: q at most 0.05, by 19 "
        "permutations of the images."
    )
    text = _said(run)
    assert f"For 6 of the {n} ranges the search was repeated on 19 permutations of" in text


@pytest.mark.parametrize("text", ["{\n", "", '{"unit": 0, "cluster": 0, "num_ranges": 3}\n'])
def test_a_null_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path / "run", units=1)
    (run.directory / "null-1.jsonl").write_text(text)
    assert kept_chance(run) is None
    assert not _said(run)


def test_too_few_permutations_tell_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", units=2)
    _keep_null(run, 2, 0.0, rounds=18)
    count = kept_chance(run)
    assert count is not None
    assert count.sentence == (
        "18 permutations of the images are too few to tell which ranges exceed chance at q 0.05: "
        "that needs at least 19."
    )
    assert not _said(run)
    _keep_null(run, 2, 0.0, rounds=19)
    assert "ranges exceed chance" in _said(run).replace("formulas", "ranges")
