from __future__ import annotations

import re
from pathlib import Path

import pytest

from ccx_cli.annotating.words import Word, find_words, label_words, parse_words, read_words
from ccx_cli.errors import CcxError, MissingInputError

LINES = """\
# cars and their parts

object\tcar\ta photo of a car|a car
part\twheel\t\tof=car
part\tspoke\tof=wheel
scene\tstreet\tan empty street
texture\tst. bernard
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "words.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_has_categories_prompts_and_owners(tmp_path: Path) -> None:
    path = _file(tmp_path, LINES)
    assert read_words(path) == (
        Word("object", "car", ("a photo of a car", "a car")),
        Word("part", "wheel", ("wheel",), "car"),
        Word("part", "spoke", ("spoke",), "wheel"),
        Word("scene", "street", ("an empty street",)),
        Word("texture", "st. bernard", ("st. bernard",)),
    )
    assert find_words(str(path)) == read_words(path)


def test_quotes_of_spreadsheets_are_no_part_of_a_cell(tmp_path: Path) -> None:
    lines = 'object\tcar\t"a car, parked|a ""new"" car"\npart\twheel\t"a"|"b"\t"of=car"\n'
    assert read_words(_file(tmp_path, lines)) == (
        Word("object", "car", ("a car, parked", 'a "new" car')),
        Word("part", "wheel", ('"a"', '"b"'), "car"),
    )


def test_names_between_commas_are_objects() -> None:
    assert parse_words(" cat, st. bernard ,") == (
        Word("object", "cat", ("cat",)),
        Word("object", "st. bernard", ("st. bernard",)),
    )
    assert find_words("st. bernard")[0].name == "st. bernard"


def test_one_name_in_two_categories_is_one_concept() -> None:
    words = (Word("object", "rock", ("rock",)), Word("material", "rock", ("rock",)))
    labels, numbers = label_words(words)
    assert numbers == (1, 1)
    assert labels[0].categories == ("object", "material")


def test_a_scene_is_named_as_in_broden() -> None:
    labels, _ = label_words((Word("scene", "street", ("street",)),))
    assert labels[0].name == "street-s"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "contains no words"),
        ("# nothing\n\n", "contains no words"),
        ("object\tcat\nobject\tcat\n", "line 2: 'cat' is there twice"),
        ("scene\tstreet\nscene\tstreet-s\n", "line 2: 'street-s' is there twice"),
        ("cat\n", "line 1: 'cat' must be a category, a tab and a name"),
        ("object\t\n", "must be a category, a tab and a name"),
        ("ob ject\tcat\n", "line 1: 'ob ject' cannot name a category"),
        ("index/\tcat\n", "cannot name a category"),
        ("image\tcat\n", "'image' cannot name a category"),
        ("color\tred\n", "with `colors`"),
        ("object\tcat\nObject\tdog\n", "line 2: 'dog' is in the category Object, which"),
        ("object\tcat\tprompt\tother\n", "'other' is one column too many"),
        ("part\twheel\tin=car\n", "'in=car' is no column"),
        ("part\twheel\tof =car\n", "'of =car' is no column"),
        ("part\twheel\tof=\n", "names no owner"),
        ("object\tcar\npart\twheel\tof=car\tof=car\n", "is no column"),
        ("object\tcar\npart\twheel\tof=cat\n", "'cat' of 'wheel' is no word, did you mean car?"),
        ("part\twheel\tof=bicycle\n", "is no word: add it"),
        ("object\tcar\nscene\tcar\npart\twheel\tof=car\n", "the name of several words"),
        ("part\twheel\tof=wheel\n", "is an owner of itself"),
        ("part\ta\tof=b\npart\tb\tof=c\npart\tc\tof=a\n", "'a' is an owner of itself"),
        ("object\tcar\nobject\twheel\tof=car\n", "are both in the category object"),
        (
            "object\tcar\npart\twheel\tof=car\nobject\tvalve\tof=wheel\n",
            "'valve' and its owner 'car' are both in",
        ),
        ("object\tcar\nscene\tstreet\tof=car\n", "'street' is a scene"),
        ("object\tcat\0\n", "has NUL characters"),
        ("object\t\u200b\n", "cannot be the name of a concept"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(CcxError) as caught:
        read_words(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert re.search(r"[^.?][.?]$", str(caught.value))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names nothing"),
        (" , ", "names nothing"),
        ("cat,dog,cat", "'cat' is there twice"),
        ("cat\0", "cannot be the name"),
        ("object\tcat", "has tabs or line breaks"),
        ("cat\ndog", "give the path of the file"),
        ("x" * 5000, ""),
    ],
)
def test_names_that_cannot_be_meant_are_refused(text: str, said: str) -> None:
    if not said:
        assert len(find_words(text)) == 1
        return
    with pytest.raises(CcxError, match=said):
        find_words(text)


def test_a_file_that_is_missing_is_no_word(tmp_path: Path) -> None:
    for name in (tmp_path / "a,b" / "words.tsv", tmp_path, "words.tsv"):
        with pytest.raises(MissingInputError, match="There is no words file"):
            find_words(str(name))
    assert [word.name for word in find_words("tv/monitor,cat")] == ["tv/monitor", "cat"]
