"""Names files: read in every form that people write them in, or refused; never shifted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.importing.names_cells import Color
from ccx_cli.concepts.importing.names_file import Names, read_names
from ccx_cli.errors import DamagedDataError

WANTED = {1: "wall", 2: "building", 3: "sky"}
COLORS = {(64, 128, 64): "wall", (192, 0, 128): "building", (0, 128, 192): "sky"}


def read(tmp_path: Path, text: str, first: int | None = None) -> Names:
    path = tmp_path / "names.txt"
    path.write_text(text, encoding="utf-8")
    return read_names(path, first)


def test_text_of_two_bytes_a_letter_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("1 wall\n2 building\n3 sky\n", encoding="utf-16")
    assert read_names(path).numbers == WANTED


def test_a_quote_in_a_pbtxt_name_is_kept(tmp_path: Path) -> None:
    assert named(read(tmp_path, r"item { id: 1 name: 'baker\'s' }")) == {1: "baker's"}


def test_a_color_may_begin_all_lines(tmp_path: Path) -> None:
    assert read(tmp_path, "#ff0000 wall\n#00ff00 sky\n").colors == {
        (255, 0, 0): "wall",
        (0, 255, 0): "sky",
    }
    header = "class_name,class_color\nwall,#ff0000\n"
    assert read(tmp_path, header).colors == {(255, 0, 0): "wall"}


def test_a_first_value_that_is_not_used_is_said(tmp_path: Path) -> None:
    names = read(tmp_path, "1 wall\n2 sky\n", first=0)
    assert named(names) == {1: "wall", 2: "sky"}
    assert names.form.endswith("whose values are its own: `first` is not used.")


def test_names_that_are_no_concepts_or_one_are_said(tmp_path: Path) -> None:
    form = read(tmp_path, "0 background\n1 wall\n2 other\n3 wall\n").form
    assert form.endswith("; no label: background, other; one concept of several lines: wall.")


def named(names: Names) -> dict[int, str]:
    return {number: name for number, name in names.numbers.items() if name}


@pytest.mark.parametrize(
    "text",
    [
        "Idx\tRatio\tTrain\tVal\tName\n1\t0.15\t11664\t1172\twall\n2\t0.1\t6046\t612\tbuilding\n"
        "3\t0.08\t8265\t796\tsky\n",
        "id,name\n1,wall\n2,building\n3,sky\n",
        "Idx\tRatio\tTrain\t\tVal\t\tName\n1\t0.15\t11664\t\t1172\t\twall\n"
        "2\t0.1\t6046\t\t612\t\tbuilding\n3\t0.08\t8265\t\t796\t\tsky\n",
        "Idx \tRatio   Train   Name\n1   0.15  11664   wall\n2   0.1   6046    building\n"
        "3   0.08  8265    sky\n",
        "ID;Class Name\n1;wall\n2;building\n3;sky\n",
        "class,label\nwall,1\nbuilding,2\nsky,3\n",
        "id name\n1 wall\n2 building\n3 sky\n",
        "sky,3\nwall,1\nbuilding,2\n",
        "sky: 3\nwall: 1\nbuilding: 2\n",
        "0=background\n1=wall\n2=building\n3=sky\n",
        "3. sky\n1. wall\n2. building\n",
        "1) wall\n2) building\n3) sky\n",
        "1 - wall\n2 - building\n3 - sky\n",
        "1 -> wall\n2 -> building\n3 -> sky\n",
        "names:\n  1: wall\n  2: building\n  3: sky\n",
        "item {\n  id: 3\n  name: 'sky'\n}\nitem {\n  id: 1\n  name: 'wall'\n}\n"
        'item {\n  id: 2\n  name: "/m/0"\n display_name: "building"\n}\n',
        '"wall"\n"building"\n"sky"\n',
        "bg\nwall\nbuilding\nsky\n",
        "__background\nwall\nbuilding\nsky\n",
        "_background_\nwall\nbuilding\nsky\n",
        "__ignore__\n_background_\nwall\nbuilding\nsky\n",
        "-1 ignore\n0 Background\n1 wall\n2 building\n3 sky\n",
        '{"id2label": {"0": "background", "1": "wall", "2": "building", "3": "sky"}}',
        '{"wall": 1, "building": 2, "sky": 3}',
        '{"categories": [{"id": 1, "name": "wall"}, {"id": 2, "name": "building"},'
        ' {"id": 3, "name": "sky"}]}',
        '["background", "wall", "building", "sky"]',
        "color,name,trainId\nred,wall,1\nblue,building,2\ngreen,sky,3\n",
        "item { id: 1, name: 'wall', }\nitem { id: 2, name: 'building' }\n"
        "item { id: 3; name: 'sky' }",
        '{"-1": "void", "1": {"name": "wall"}, "2": {"name": "building"}, "3": {"name": "sky"}}',
        '{"wall": {"id": 1}, "building": {"id": "2"}, "sky": "3"}',
        '{"label2id": {"wall": 1, "building": 2, "sky": 3}}',
        '[{"label": "wall", "value": 1}, {"label": "building", "value": 2},'
        ' {"class_name": "sky", "class_id": 3, "color": null}]',
    ],
)
def test_forms_that_people_write_are_read(text: str, tmp_path: Path) -> None:
    assert named(read(tmp_path, text)) == WANTED


@pytest.mark.parametrize(
    "text",
    [
        "name,r,g,b\nwall,64,128,64\nbuilding,192,0,128\nsky,0,128,192\n",
        "wall #408040\nbuilding (192, 0, 128)\nsky [0, 128, 192]\n",
        "name,color\nwall,#408040\nbuilding,#C00080\nsky,#0080c0\n",
        '{"classes": [{"title": "wall", "color": "#408040", "id": 7}, {"title": "building",'
        ' "color": "#C00080", "id": 8}, {"title": "sky", "color": "#0080C0", "id": 9}]}',
        "name\tcolor\nwall\t64 128 64\nbuilding\t192,0,128\nsky\t(0, 128, 192)\n",
        "wall 64 128 64\nbuilding 192 0 128\nsky 0 128 192\n",
        "64 128 64\twall\n192 0 128\tbuilding\n0 128 192\tsky\n",
        "# label:color_rgb:parts:actions\nwall:64,128,64::\nbuilding:192,0,128::\n"
        "sky:0,128,192::\n",
        '{"wall": [64, 128, 64], "building": [192, 0, 128], "sky": [0, 128, 192]}',
        '{"labels": [{"name": "wall", "color": [64, 128, 64]}, {"name": "building", "color": '
        '[192, 0, 128]}, {"name": "sky", "color": [0, 128, 192]}]}',
    ],
)
def test_forms_with_colors_are_read(text: str, tmp_path: Path) -> None:
    names = read(tmp_path, text)
    assert (names.numbers, names.colors) == ({}, COLORS)


@pytest.mark.parametrize(
    "text",
    ["1 wall 64 128 64\n2 sky 0 128 192\n", "id,name,r,g,b\n1,wall,64,128,64\n2,sky,0,128,192\n"],
)
def test_numbers_and_colors_are_read_together(text: str, tmp_path: Path) -> None:
    names = read(tmp_path, text)
    assert names.numbers == {1: "wall", 2: "sky"}
    assert names.colors == {(64, 128, 64): "wall", (0, 128, 192): "sky"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1\t0.15\t11664\t1172\twall\n2\t0.1\t6046\t612\tsky\n", "line 1, .* of no form"),
        ("1 wall\nbuilding\n3 sky\n", "line 2, 'building', of another form"),
        ("# names\n\nwall\n2 building\n", "line 4, '2 building', of another form"),
        ("wall\nbuilding\nbackground\n", "has 'background' as name 3, not first"),
        ("ignore\nbackground\nwall\n", "has 'background' as name 2"),
        ("clutter/background\nwall\n", "begins with 'clutter/background', which may be 0 or 1"),
        ("name\nwall\nbuilding\n", "begins with the header 'name'"),
        ("wall 1\nbuilding 2\n", "has a number after each name|has a number in each name"),
        ("class 1\nclass 2\n", "has a number in each name"),
        ("1 wall 3000\n2 sky 20\n", "has a number after each name"),
        ("1 wall 0.3\n2 sky 0.2\n", "of no form"),
        ("1 wall # the one\n", "of no form"),
        ("2.wall\n3.sky\n", "of no form"),
        ("- wall\n- sky\n", "of no form"),
        ("names: [wall, sky]\n", "of no form"),
        ("<name>wall</name>\n", "of no form"),
        ("1,wall,3\n2,sky,4\n", "of no form"),
        ("wall 64 128 64\nsky 64 128 64\n", "names the color 64 128 64 twice"),
        ("wall 64 128 264\nsky 0 0 1\n", "names the color 64 128 264, which is above 255"),
        ("id,name\n1,wall,x\n2,sky\n", "row '1,wall,x' that does not fit its header"),
        ("item { id: 1 }\n", "an item \\(line 1\\)"),
        ('{"1": "wall", "1": "sky"}', 'has the key "1" twice'),
        ("{1: 'wall'}", "is not JSON from line 1, column 2 on.* or write lines as `1 car`"),
        ("[1] wall\n[2] sky\n", "is not JSON from line 1, column 5 on"),
        (f'{{"wall": {"1" * 5000}}}', "has a number of thousands of digits"),
        ('["wall", {"id": 2, "name": "sky"}]', "has no value for 'wall', unlike others"),
        ("#1 wall\n#2 sky\n", "line 1, '#1 wall', of no form"),
        ("1 wall 64 128 64\n2 sky\n", "line 2, '2 sky', of another form"),
        ("1,wall,stuff\n2,sky,stuff\n", "has several columns, as in 'wall,stuff'"),
        ("n01,wall\nn02,sky\n", "has several columns, as in 'n01,wall'"),
        ("wall 0xff0000\nsky 0x00ff00\n", "has a number in each name"),
        ("ff0000 wall\n00ff00 sky\n", "has a number in each name"),
        ("wall 128 0 0 255\n", "has a number after each name, as in 'wall 128'"),
        ("wall (1)\nsky (2)\n", "has a number in each name, such as 'wall .1.'"),
        ("1 wall 20%\n2 sky 30%\n", "has a number after each name, as in 'wall 20%'"),
        ("wall:1 sky:2\n", "line 1, 'wall:1 sky:2', of no form"),
        ("item { id: 1 id: 2 name: 'a' }", "an item \\(line 1\\)"),
        ("1 wall\0\n2 sky\n", "has NUL characters"),
        ("names:\n", "of no form"),
        ("index,value,name\n0,11,wall\n1,12,sky\n", r"several columns of numbers \(index, value"),
        ('"1","wall"\n', "of no form"),
        ("0-background\n1-cat\n", "begins with '0-background'"),
        ("1-wall\n2-sky\n", "has a number in each name"),
        ("2\nwall\nsky\n", "line 1, '2', of no form"),
        ("name,id,trainId\nroad,7,0\n", r"several columns of numbers \(id, trainid\)"),
        ('[{"name": "road", "id": 7, "trainId": 0}]', "several numbers"),
        ("name id\ntraffic light 1\nsky 2\n", "begins with the header 'name id'"),
        ('id,name\n1,"wall\n2,sky\n', "has a quoted cell that goes on in the next line"),
        (f"id,name\n1,{'x' * 200_000}\n", "is no table"),
        ("[" * 100_000, "is nested too deeply"),
        ("wall,building,sky\n", "has all names, 'wall,building,sky', in one line"),
    ],
)
def test_what_fits_no_form_is_refused_by_its_line(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match=fault):
        read(tmp_path, text)


WORDS = st.text(st.sampled_from("abcxyz äß'()/&+-"), min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and text[0].isalpha() and "//" not in text
)
NAMES = st.dictionaries(st.integers(0, 300), WORDS, min_size=2, max_size=6)
CHANNEL = st.integers(0, 255)
FORMS = ("{n} {t}", "{n},{t}", "{n}: {t}", "{n}\t{t}", "{n}={t}", "{n}. {t}", "{t},{n}", "{t}\t{n}")
COLOR_FORMS = ("{t} {r} {g} {b}", "{r} {g} {b} {t}", "{t},{r},{g},{b}", "{t}:{r},{g},{b}::")
_Key = TypeVar("_Key", int, Color)


def agrees(found: Mapping[_Key, str], written: Mapping[_Key, str]) -> bool:
    """Tell whether all that was written of some keys is what was read."""
    return all(found.get(key) in {name, ""} for key, name in written.items())


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=NAMES, form=st.sampled_from(FORMS), data=st.data())
def test_numbered_names_are_read_right_or_refused_whatever_a_line_says(
    names: dict[int, str], form: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp()
    lines = [form.format(n=number, t=name) for number, name in names.items()]
    assert agrees(read(root, "\n".join(lines)).numbers, names)
    spoilt = data.draw(st.integers(0, len(lines) - 1))
    lines[spoilt] = data.draw(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["name", "id,name", "Idx\tName", "0.5 x", "7", "background", "a 1 2 3"]
            ),
            st.sampled_from([each.format(n=7, t="seven") for each in FORMS]),
        )
    )
    left = {number: name for at, (number, name) in enumerate(names.items()) if at != spoilt}
    try:
        found = read(root, "\n".join(lines))
    except DamagedDataError:
        return
    assert agrees(found.numbers, left)
    assert not found.counted


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.dictionaries(st.tuples(CHANNEL, CHANNEL, CHANNEL), WORDS, min_size=1, max_size=5),
    form=st.sampled_from(COLOR_FORMS),
)
def test_names_of_colors_are_read_right(
    names: dict[Color, str], form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [form.format(t=name, r=r, g=g, b=b) for (r, g, b), name in names.items()]
    assert agrees(read(tmp_path_factory.getbasetemp(), "\n".join(lines)).colors, names)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(st.text(), st.text("0123456789 ,;:=.\t\n\"'{}[]#-abid", max_size=60)))
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        names = read(tmp_path_factory.getbasetemp(), text)
    except DamagedDataError:
        return
    assert names.numbers or names.colors
