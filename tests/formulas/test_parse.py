from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, concepts_of, to_text
from ccx_cli.formulas.parse import MAX_CHARACTERS, MAX_LEVELS, Vocabulary, parse_formula

NAMES = {
    1: "water",
    2: "river",
    3: "blue-c",
    4: "traffic light",
    5: "street-s",
    6: "living_room-s",
    7: "bed, double (large)",
    8: 'so-called "art"',
    9: "and",
    10: "crane",
    11: "crane",
    12: "orange-c",
    13: "orange-s",
    14: "Tower",
    15: "tower",
    16: "path-s",
    17: "path",
    18: "men's room",
    19: "NOT a\\b",
    20: "",
}
VOCABULARY = Vocabulary(NAMES)
WATER, RIVER, BLUE, LIGHT = map(Concept, (1, 2, 3, 4))


def formulas(numbers: st.SearchStrategy[int], max_leaves: int = 12) -> st.SearchStrategy[Formula]:
    return st.recursive(
        st.builds(Concept, numbers),
        lambda inner: (
            st.builds(And, inner, inner) | st.builds(Or, inner, inner) | st.builds(Not, inner)
        ),
        max_leaves=max_leaves,
    )


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("water", WATER),
        ("(water OR river) AND NOT blue-c", And(Or(WATER, RIVER), Not(BLUE))),
        ("water OR river AND blue", Or(WATER, And(RIVER, BLUE))),
        ("water AND river OR blue", Or(And(WATER, RIVER), BLUE)),
        ("water OR river OR blue", Or(Or(WATER, RIVER), BLUE)),
        ("water AND NOT river AND blue", And(And(WATER, Not(RIVER)), BLUE)),
        ("NOT water OR river", Or(Not(WATER), RIVER)),
        ("NOT (water OR river)", Not(Or(WATER, RIVER))),
        ("not NOT water", Not(Not(WATER))),
        ("water or River And nOt BLUE", Or(WATER, And(RIVER, Not(BLUE)))),
        ("water|river&~blue", Or(WATER, And(RIVER, Not(BLUE)))),
        ("water || river && !blue", Or(WATER, And(RIVER, Not(BLUE)))),
        ("((water))", WATER),
        ("traffic light AND NOT water", And(LIGHT, Not(WATER))),
        ("water\n AND traffic \t light", And(WATER, LIGHT)),
        ("'traffic light' OR \"water\"", Or(LIGHT, WATER)),
        ('"bed, double (large)"', Concept(7)),
        (r'"so-called \"art\""', Concept(8)),
        ("'so-called \"art\"'", Concept(8)),
        ('"and" AND water', And(Concept(9), WATER)),
        ("men's room", Concept(18)),
        ('""', Concept(20)),
        ("#10 OR #11", Or(Concept(10), Concept(11))),
        ("street", Concept(5)),
        ("STREET-S", Concept(5)),
        ("Tower AND tower", And(Concept(14), Concept(15))),
        ("path", Concept(17)),
        ("path-s", Concept(16)),
    ],
)
def test_reads_what_people_type(text: str, formula: Formula) -> None:
    assert parse_formula(text, VOCABULARY) == formula


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["empty"]),
        (" \t\n", ["empty"]),
        ("()", ["')' at character 2", "a concept"]),
        ("(water", ["never closes '(' at character 1"]),
        ("(water OR (river)", ["never closes '(' at character 1"]),
        ("water)", ["')' at character 6", "without"]),
        ("water AND", ["ends after 'AND' at character 7", "a concept"]),
        ("water NOT", ["'NOT' at character 7", "AND NOT"]),
        ("NOT", ["ends after 'NOT'"]),
        ("AND water", ["'AND' at character 1", "a concept"]),
        ("water OR AND river", ["'AND' at character 10", "a concept"]),
        ("water NOT river", ["'NOT' at character 7", "AND NOT"]),
        ("water (river)", ["'(' at character 7", "AND, OR"]),
        ('water "river"', ["'river' at character 7", "AND, OR"]),
        ('water OR "river', ["quote at character 10", "closes"]),
        ("'water", ["quote at character 1", "closes"]),
        ("water, river", ["',' at character 6", "quotes"]),
        ("water \\ river", ["at character 7", "quotes"]),
        ("water OR watre", ["'watre' (character 10", "did you mean water"]),
        ("living room", ["'living room'", "did you mean living_room-s"]),
        ("zzzzzz", ["'zzzzzz'", "label.csv"]),
        ("water river", ["'water river'", "between water and river"]),
        ("crane", ["'crane'", "#10 or #11"]),
        ("orange", ["'orange'", "orange-c (#12)", "orange-s (#13)"]),
        ("TOWER", ["'TOWER'", "#14 or #15"]),
        ("water OR #999", ["number 999", "character 10"]),
        ("#" + "9" * 30, ["No concept"]),
        ("(" * (MAX_LEVELS + 1) + "water" + ")" * (MAX_LEVELS + 1), ["levels"]),
        ("NOT " * (MAX_LEVELS + 1) + "water", ["levels"]),
        ("~" * (MAX_CHARACTERS - 5) + "water", ["levels"]),
        (" OR ".join(["water"] * (MAX_LEVELS + 2)), ["levels"]),
        ("w" * (MAX_CHARACTERS + 1), ["10,001 characters", "10,000"]),
        ("w" * MAX_CHARACTERS, ["No concept"]),
    ],
)
def test_says_where_the_text_is_no_formula(text: str, said: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_formula(text, VOCABULARY)
    for words in said:
        assert words in str(caught.value)
    assert str(caught.value).endswith((".", "?"))
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("left", "right", "depth"),
    [("(", ")", MAX_LEVELS), ("NOT ", "", MAX_LEVELS), ("(water OR ", ")", MAX_LEVELS)],
)
def test_reads_the_deepest_formulas_back(left: str, right: str, depth: int) -> None:
    formula = parse_formula(left * depth + "water" + right * depth, VOCABULARY)
    assert parse_formula(to_text(formula, VOCABULARY.name), VOCABULARY) == formula


def test_reads_the_longest_chain_back() -> None:
    formula = parse_formula(" OR ".join(["water"] * (MAX_LEVELS + 1)), VOCABULARY)
    assert parse_formula(to_text(formula, VOCABULARY.name), VOCABULARY) == formula


@given(
    st.dictionaries(
        st.integers(0, 2000),
        st.text(max_size=6)
        | st.sampled_from(["and", "Or", "NOT", "#7", "a b", "a, b", "(a)", "'", '\\"', " a", "|"]),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_reads_back_what_was_written(names: dict[int, str], data: st.DataObject) -> None:
    names = {number: name for name, number in {name: n for n, name in names.items()}.items()}
    vocabulary = Vocabulary(names)
    formula = data.draw(formulas(st.sampled_from(sorted(names))))
    assert parse_formula(to_text(formula, vocabulary.name), vocabulary) == formula


WORDS = ["AND", "or", "not", "(", ")", "~", "|", "&&", '"', "'", "\\", ",", "#1", " ", "\n", "\x1c"]


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*WORDS, *NAMES.values()]), max_size=40).map("".join)
    | st.lists(st.sampled_from([*WORDS, *NAMES.values()]), max_size=40).map(" ".join)
)
def test_any_text_is_a_formula_or_a_usage_error(text: str) -> None:
    try:
        formula = parse_formula(text, VOCABULARY)
    except UsageError:
        return
    assert set(concepts_of(formula)) <= set(NAMES)


def test_vocabulary_names_numbers() -> None:
    assert VOCABULARY.name(4) == "traffic light"
    assert VOCABULARY.number("#4") == VOCABULARY.number("traffic light") == 4
    with pytest.raises(UsageError, match="999"):
        VOCABULARY.name(999)
    with pytest.raises(UsageError, match="did you mean water"):
        VOCABULARY.number("watre")


def test_a_name_that_looks_like_a_number_comes_first() -> None:
    vocabulary = Vocabulary({1: "#2", 2: "water"})
    assert vocabulary.number("#2") == 1
    assert parse_formula("#2 OR water", vocabulary) == Or(Concept(1), Concept(2))
