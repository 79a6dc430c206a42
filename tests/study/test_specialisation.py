from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import astuple

from ccx_cli.formulas.formula import Formula
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.study.specialisation import (
    Common,
    Specialisation,
    count_specialisation,
    find_defaults,
)

NAMES = Vocabulary(
    dict(enumerate(["sky", "grass", "sea", "tree", "red", "blue", "wall", "car"], start=1))
)
DOCS = Path(__file__).parents[2] / "docs" / "studies.md"

UNTRAINED = [
    ("(sky OR grass) OR sea", "(grass OR sky) AND NOT tree"),
    ("(grass OR sky) OR sea", "(grass OR sky) AND NOT tree"),
    ("(sky OR grass) OR sea", "(red OR blue) AND wall"),
    ("(sky OR sea) OR grass", "(grass OR sky) AND NOT tree"),
    ("car", "(red OR blue) AND wall"),
    (None, None),
]
TRAINED = [
    (0, "(sea OR grass) OR sky", Specialisation.UNSPECIALISED),
    (1, "(sky OR grass) AND tree", Specialisation.WEAK),
    (0, "(red OR blue) AND NOT car", Specialisation.WEAK),
    (1, "(car AND red) OR wall", Specialisation.SPECIALISED),
    (0, "sky OR grass", Specialisation.SPECIALISED),
    (1, None, None),
]


def read(text: str | None) -> Formula | None:
    return None if text is None else parse_formula(text, NAMES)


def formula(text: str) -> Formula:
    return parse_formula(text, NAMES)


def test_the_example_of_the_docs() -> None:
    defaults = find_defaults([read(text) for unit in UNTRAINED for text in unit], len(UNTRAINED))
    assert defaults.formulas == (
        Common(formula("(sky OR grass) OR sea"), 4),
        Common(formula("(grass OR sky) AND NOT tree"), 3),
    )
    assert defaults.pairs == (
        Common(formula("sky OR grass"), 6),
        Common(formula("red OR blue"), 2),
    )
    judged = []
    for cluster, text, expected in TRAINED:
        kind = None if text is None else defaults.judge(formula(text))
        assert kind is expected
        judged.append((cluster, kind))
    per_cluster = count_specialisation(judged)
    assert [astuple(row)[1:] for row in per_cluster] == [
        (0, 3, 3, 1, 1 / 3, 1, 1 / 3),
        (1, 3, 2, 0, 0, 1, 1 / 2),
        (None, 6, 5, 1, 1 / 5, 2, 2 / 5),
    ]


def test_the_docs_show_this_example() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for unit, formulas in enumerate(UNTRAINED):
        cells = ["-" if each is None else f"`{each}`" for each in formulas]
        assert f"| {unit} | {cells[0]} | {cells[1]} |" in text
    for place, (cluster, each, _) in enumerate(TRAINED):
        assert f"| {place // 2} | {cluster} | {'-' if each is None else f'`{each}`'} |" in text


@pytest.mark.parametrize(("n_units", "places"), [(1, 1), (5, 1), (6, 2), (10, 2), (11, 3)])
def test_a_fifth_of_the_units_rounded_up(n_units: int, places: int) -> None:
    found: list[Formula | None] = [
        formula(text)
        for text in ("sky OR car", "grass OR car", "sea OR car", "tree OR car")
        for _ in range(2)
    ]
    defaults = find_defaults(found, n_units)
    assert len(defaults.formulas) == len(defaults.pairs) == places


def test_ties_go_to_what_comes_first() -> None:
    texts = ["sea", "sky", "grass", "sky", "grass"]
    defaults = find_defaults([formula(text) for text in texts], 6)
    assert [common.formula for common in defaults.formulas] == [formula("sky"), formula("grass")]


def test_a_single_concept_has_no_left_part() -> None:
    defaults = find_defaults([formula("sky"), formula("sky")], 10)
    assert defaults.pairs == ()
    assert defaults.judge(formula("sky OR grass")) is Specialisation.SPECIALISED
    assert defaults.judge(formula("sky")) is Specialisation.UNSPECIALISED


def test_a_formula_that_occurs_once_gives_no_pair() -> None:
    defaults = find_defaults([formula("(sky OR sea) AND car")], 10)
    assert defaults.formulas == (Common(formula("(sky OR sea) AND car"), 1),)
    assert defaults.pairs == ()


def test_formulas_of_any_length_are_judged() -> None:
    four = "((sky OR grass) AND NOT car) OR wall"
    defaults = find_defaults([formula(four), formula(four)], 5)
    equal = "((grass OR sky) AND NOT car) OR wall"
    assert defaults.judge(formula(equal)) is Specialisation.UNSPECIALISED
    begins = "((grass AND NOT car) OR (sky AND NOT car)) AND red"
    assert defaults.judge(formula(begins)) is Specialisation.WEAK


def test_nothing_to_judge() -> None:
    defaults = find_defaults([None, None], 2)
    assert (defaults.formulas, defaults.pairs) == ((), ())
    assert defaults.judge(formula("sky")) is Specialisation.SPECIALISED
    (everything,) = count_specialisation([])
    assert everything.unspecialised_share is None
    assert everything.weakly_specialised_share is None
    silent, _ = count_specialisation([(0, None)])
    assert (silent.ranges, silent.explanations, silent.unspecialised_share) == (1, 0, None)
