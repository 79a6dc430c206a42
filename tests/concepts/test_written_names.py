"""Names with whatever a CSV may trip over are read as they were written."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.broden_csv import read_labels
from ccx_cli.concepts.broden_tables import ANY, Tally, WrittenLabel, write_tables
from ccx_cli.concepts.importing import writer
from ccx_cli.concepts.importing.folders import read_image_folders
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import VocabularyBuilder
from ccx_cli.concepts.importing.writer import write_broden
from ccx_cli.errors import DamagedDataError, UsageError

if TYPE_CHECKING:
    from tests.imported_sets import SIDE, save_photograph
else:
    from imported_sets import SIDE, save_photograph

NAMES = [
    "traffic\rlight",
    "traffic\r\nlight",
    "traffic\nlight",
    'the "light"',
    '"',
    "a,b",
    "a;b",
    "a\tb",
    "a\u2028b\u0085c\vd\fe",
    "'",
    "#1",
    "=1+1",
    "x",
]


def write_and_read(root: Path, names: list[str]) -> list[str]:
    vocabulary = VocabularyBuilder()
    for name in names:
        vocabulary.number(name, "object", [name])
    tally = Tally()
    for label in vocabulary.labels():
        tally.add({"object": {label.number: 1}, ANY: {label.number: 1}}, 4)
    write_tables(root, ["object"], vocabulary.labels(), tally, [])
    files = {path.name for path in root.iterdir()}
    return [label.name for label in read_labels(root, ("object",), files)]


def test_names_of_all_kinds_come_back(tmp_path: Path) -> None:
    assert write_and_read(tmp_path, NAMES) == NAMES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_any_text_comes_back_composed_and_without_spaces_around(
    tmp_path: Path, names: list[str]
) -> None:
    composed = [unicodedata.normalize("NFC", name) for name in names]
    expected = [re.sub("[\xad\u200b\u2060\ufeff]", "", name).strip() for name in composed]
    assume(all(name and "\0" not in name for name in expected))
    spaced = {re.sub(r"[^\S\r\n]+", " ", name) for name in expected}
    assume(len(spaced) == len(set(composed)))
    assert write_and_read(tmp_path, names) == list(dict.fromkeys(expected))


def test_a_table_without_odd_names_has_plain_line_ends(tmp_path: Path) -> None:
    labels = [WrittenLabel(1, "cat", ("object",)), WrittenLabel(2, "a\rb", ("object",))]
    write_tables(tmp_path, ["object"], labels, Tally(), [])
    text = (tmp_path / "label.csv").read_bytes()
    assert text == (
        b"number,name,category,frequency,coverage,syns\n"
        b'1,cat,object(0),0,0.000000,\n2,"a\rb",object(0),0,0.000000,\n'
    )


@pytest.mark.parametrize("name", ["", " ", "a\0b", "\ud800", "a\udcff"])
def test_what_is_no_text_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a concept"):
        VocabularyBuilder().number(name, "object")


@pytest.mark.parametrize("other", ["a cat ", "a  cat", "a\xa0cat", "a cat\u200b", "\ufeffa cat"])
def test_names_that_differ_in_what_nobody_sees_are_refused(other: str) -> None:
    vocabulary = VocabularyBuilder()
    vocabulary.number("a cat", "object")
    with pytest.raises(UsageError, match="'a cat' and "):
        vocabulary.number(other, "object")


@pytest.mark.parametrize("name", ["a\rb", 'a"b', "a,b", "a\nb", " a b "])
def test_folders_of_odd_names_are_imported(name: str, tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos" / name / f"{name}.jpg")
    save_photograph(tmp_path / "photos/cat/1.jpg")
    write_broden(
        read_image_folders(tmp_path / "photos"), tmp_path, ImportSettings("s", (SIDE, SIDE))
    )
    dataset = read_broden(next(tmp_path.rglob("index.csv")).parents[1], "s", SIDE)
    assert {label.name for label in dataset.labels} == {f"{name.strip()}-s", "cat-s"}


def test_tables_that_do_not_read_as_written_are_no_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photograph(tmp_path / "photos/cat/1.jpg")
    source = read_image_folders(tmp_path / "photos")

    def shift(root: Path, categories: object, labels: list[WrittenLabel], *others: object) -> None:
        renamed = [label._replace(name=f"{label.name}?") for label in labels]
        write_tables(root, categories, renamed, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "write_tables", shift)
    with pytest.raises(DamagedDataError, match=r"The name 'cat-s' was written .* 'cat-s\?'"):
        write_broden(source, tmp_path / "data", ImportSettings("s", (SIDE, SIDE)))
    assert not [
        path for path in (tmp_path / "data").rglob("ccx-import.json") if path.parent.name[0] != "."
    ]
