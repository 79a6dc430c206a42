from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET

from ccx_cli.concepts.broden_csv import Label
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord, simplest
from ccx_cli.runs.findings import (
    by_surprise,
    kept_concepts,
    short_names,
    short_text,
    simplified,
    unit_sentence,
)

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

LEVELS = [
    ("road", 0.5, 5, 1.5),
    ("road OR car", 0.597, ["OR", 5, 7], 2.5),
    ("(road OR car) AND street-s", 0.6, ["AND", ["OR", 5, 7], 9], 3.5),
]


def levels() -> list[dict[str, Any]]:
    return [
        {
            "length": n,
            "formula": formula,
            "iou": iou,
            "adds": 0.1,
            "proven": True,
            "lift": lift,
            "mcc": iou,
            "labels": labels,
        }
        for n, (formula, iou, labels, lift) in enumerate(LEVELS, start=1)
    ]


def road(**other: Any) -> ExplanationRecord:
    _, iou, _, lift = LEVELS[-1]
    known: dict[str, Any] = {"lift": lift, "mcc": iou, "proven": True, "by_length": levels()}
    return explanation(**(explanation_of(3) | known | other))


def test_the_simplest_formula_is_the_shortest_within_the_tolerance() -> None:
    def length(record: ExplanationRecord, *tolerance: float) -> int | None:
        level: BestOfLength | None = simplest(record, *tolerance)
        return None if level is None else level.length

    assert [length(road(), *t) for t in ((), (0.001,), (0,), (0.2,))] == [2, 3, 3, 1]
    assert length(explanation()) is None
    assert length(explanation(formula=None, labels=None)) is None
    scores = zip(levels(), (0.6, 0.605, 0.7), strict=True)
    by_score = [level | {"score": score, "iou": 0.5} for level, score in scores]
    assert [length(road(by_length=by_score), *t) for t in ((), (0.15,))] == [3, 1]
    # A length penalty can prefer a shorter formula to a longer one of larger IoU.
    assert length(road(**explanation_of(1), by_length=levels()), 0) == 1


def explanation_of(length: int) -> dict[str, Any]:
    formula, iou, labels, _ = LEVELS[length - 1]
    return {"formula": formula, "iou": iou, "labels": labels, "length": length}


def test_the_simplified_explanation_says_all_of_its_own_formula() -> None:
    found = simplified(road())
    assert (found.formula, found.iou, found.length) == ("road OR car", 0.597, 2)
    assert (found.lift, found.mcc) == (2.5, 0.597)
    assert found.tree is not None
    assert found.names == {5: "road", 7: "car"}
    assert found.proven is not True
    assert simplified(road(), 0) == road()
    assert simplified(road(held_out_iou=0.5)).formula == LEVELS[-1][0]


def test_concepts_that_add_less_are_not_kept() -> None:
    assert kept_concepts(road()) == {5, 7}
    assert kept_concepts(road(), 0) == {5, 7, 9}
    other = [{**level, "labels": 4} if level["length"] == 2 else level for level in levels()]
    assert kept_concepts(road(by_length=other)) == {5, 7, 9}


def test_the_most_surprising_come_first_and_the_unknown_last() -> None:
    records = [explanation(n, mcc=mcc) for n, mcc in enumerate([0.1, None, 0.3, -0.2, 0.3])]
    records.append(explanation(5))
    assert [record.unit for record in by_surprise(records)] == [2, 4, 0, 3, 1, 5]


def test_names_are_short_where_no_other_concept_is_meant() -> None:
    names = ["red-c", "sand", "sand-s", "street-s", "Street", "bath-s", "bath-c", "tree", "not-c"]
    short = short_names(names)
    kept = {name for name, written in short.items() if name == written}
    assert kept == {"sand", "sand-s", "street-s", "Street", "bath-s", "bath-c", "tree"}
    assert short_text('(red-c OR sand-s) AND NOT "not-c"', short) == '(red OR sand-s) AND NOT "not"'
    assert short_text("unknown-c", short) == "unknown-c"
    labels = [
        Label(number, name, category, (category,), 1, 0.5, ())
        for number, (name, category) in enumerate([("vitamin-c", "object"), ("red-c", "color")], 1)
    ]
    assert short_names(labels) == {"vitamin-c": "vitamin-c", "red-c": "red"}


def of_range(cluster: int, formula: str | None, lift: Any = 70.4, **other: Any) -> Any:
    said = {"num_ranges": 5, "iou": 0.194, "range": [1.0, 2.0]}
    if lift is not UNSET and formula is not None:
        said |= {"lift": lift, "mcc": 0.2}
    text = {"formula": formula, "labels": None if formula is None else 3, "length": 1}
    return explanation(197, cluster, **(said | text | other))


WORTH = "(IoU 0.19, 70 times chance)"


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([explanation(197, None)], "never fires."),
        ([of_range(0, None)], "responds to no labeled concept."),
        ([of_range(0, None, hits=0)], "has no pixels strictly inside its ranges."),
        ([of_range(0, "sky", 0.9)], "responds to no labeled concept more than by chance."),
        ([of_range(0, "face", range=[1.5, None])], f"responds to face {WORTH}."),
        ([of_range(0, "face", range=[0.25, 1.5])], f"is between 0.25 and 1.5 on face {WORTH}."),
        ([of_range(0, "face", range=[None, 1.5])], f"is up to 1.5 on face {WORTH}."),
        ([of_range(0, "face", objective="cosine")], f"responds to face {WORTH}."),
        (
            [of_range(0, "sky", 1.2), of_range(1, "wall"), of_range(2, "face", 2.04)],
            f"responds most strongly to face (IoU 0.19, 2.0 times chance), more weakly to wall "
            f"{WORTH}.",
        ),
        (
            [of_range(0, "sky"), of_range(1, "face"), of_range(2, "face")],
            f"responds most strongly to face {WORTH}.",
        ),
        (
            [of_range(0, "sky", range=[None, 1]), of_range(1, "face")],
            f"responds most strongly to face {WORTH}, and is least active on sky {WORTH}.",
        ),
        (
            [of_range(0, "sky", range=[-2, 1]), of_range(1, "face", 0.8)],
            f"is least active on sky {WORTH}; its strongest responses match no concept beyond "
            "chance.",
        ),
        (
            [of_range(n, name) for n, name in enumerate(["sky", "sea", "red", "hand", "face"])],
            f"responds most strongly to face {WORTH}, more weakly to hand {WORTH}.",
        ),
        (
            [of_range(0, "sea", mcc=0.6), of_range(1, "hand", mcc=0.5), of_range(2, "face", 3.0)],
            f"responds to hand {WORTH}, most strongly to face (IoU 0.19, 3.0 times chance), and "
            f"weakly to sea {WORTH}.",
        ),
        (
            [of_range(0, "sky", 1.5), of_range(1, "hand"), of_range(2, None)],
            f"responds to hand {WORTH}; its strongest responses match no concept beyond chance.",
        ),
        (
            [of_range(0, "sky", mcc=0.3), of_range(1, "face", 0.8)],
            f"responds weakly to sky {WORTH}; its strongest responses match no concept beyond "
            "chance.",
        ),
        (
            [of_range(0, "sky", 1.1), of_range(1, "face", UNSET)],
            "responds most strongly to face (IoU 0.19).",
        ),
    ],
)
def test_a_unit_is_summed_up_in_a_sentence(records: list[Any], sentence: str) -> None:
    assert unit_sentence(197, records) == f"Unit 197 {sentence}"


def test_a_sentence_has_the_simplest_formula_and_short_names() -> None:
    records = [explanation(5, formula=None, labels=None), road(unit=5, cluster=1)]
    assert "to road OR car (IoU 0.60, 2.5 times chance)." in unit_sentence(5, records)
    short = {"street-s": "street"}
    assert "AND street (IoU 0.60, 3.5 times" in unit_sentence(5, records, 0, short)
