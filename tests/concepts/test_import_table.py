"""Tables of attributes of whole images: all forms say the same, what is in doubt is refused."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.importing.folders import LabelFolder, read_label_folders
from ccx_cli.concepts.importing.settings import ImportSettings, Missing
from ccx_cli.concepts.importing.sources import Source, SourceImage
from ccx_cli.concepts.importing.tables import add_tables
from ccx_cli.concepts.importing.writer import write_broden
from ccx_cli.errors import CcxError, MissingInputError
from ccx_cli.records.annotation import TablesRecord

if TYPE_CHECKING:
    from tests.imported_sets import (
        MASK,
        SIDE,
        check_tables,
        index_pixels,
        save_photograph,
        save_values,
    )
else:
    from imported_sets import MASK, SIDE, check_tables, index_pixels, save_photograph, save_values

PHOTOS = Path("photos")
NAMES = ("a/1.jpg", "a/2.jpg", "b/3.png", "b/4.jpg")


def photographs(*names: str) -> Source:
    """A source of photographs without labels, that need not be there."""
    paths = [PHOTOS / name for name in names or NAMES]
    images = (SourceImage(str(path.relative_to(PHOTOS).with_suffix("")), path) for path in paths)
    return Source("table", (), tuple(images))


def labels_of(source: Source) -> dict[str, set[str]]:
    names = {label.number: label.name for label in source.vocabulary}
    found = {}
    for image in source.images:
        own = [names[number] for _, number in image.labels]
        assert len(set(own)) == len(own)
        found[image.name] = set(own)
    return found


def add(tmp_path: Path, text: str | bytes, source: Source | None = None, **how: Any) -> Source:
    path = tmp_path / "attribute.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return add_tables(source or photographs(), PHOTOS, {"attribute": path}, **how)


WIDE = "image,striped,red\na/1.jpg,1,0\na/2.jpg,0,0\nb/3.png,1,1\nb/4.jpg,0,1\n"
SAID = {"a/1": {"striped"}, "a/2": set(), "b/3": {"striped", "red"}, "b/4": {"red"}}
LONG = (
    "image,attribute,value\na/1.jpg,striped,1\na/1.jpg,red,0\na/2.jpg,striped,0\na/2.jpg,red,0\n"
    "b/3.png,striped,1\nb/3.png,red,1\nb/4.jpg,striped,0\nb/4.jpg,red,1\n"
)


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        LONG,
        "\ufeff" + WIDE,
        WIDE.encode("utf-16"),
        WIDE.replace(",", "\t"),
        WIDE.replace(",", ";").replace("\n", "\r\n"),
        "\n" + WIDE.replace("\n", "\r"),
        WIDE.replace(",1", ",yes").replace(",0", ",No"),
        WIDE.replace(",1", ",TRUE").replace(",0", ",0.0"),
        WIDE.replace("image", "Image Index").replace(".jpg", "").replace(".png", ""),
        WIDE.replace("a/", "").replace("b/", ""),
        WIDE.replace("a/", "./a/").replace("b/", "C:\\photos\\b\\"),
        WIDE.replace("a/1.jpg", '"a/1.jpg"').replace("red", '"red"'),
        WIDE + "1,yes,no,,\n",
        WIDE.replace("\n", ",\n"),
        WIDE + ",,\n\n",
        LONG.replace("attribute,value", "label,is_present"),
        LONG.replace("\n", ",7\n").replace("value,7", "value,certainty"),
        WIDE.replace("image", "Unnamed: 0,is_training_image,image")
        .replace("a/", "1,2,a/")
        .replace("b/", "3,4,b/"),
        WIDE.replace("image", "id"),
    ],
)
def test_every_form_says_the_same(text: str | bytes, tmp_path: Path) -> None:
    assert labels_of(add(tmp_path, text)) == SAID


def test_lists_of_what_is_present_say_what_is_not(tmp_path: Path) -> None:
    text = "image,label\n1,striped\n3,red\n3,striped\n1,striped\n4,red\n2,\n"
    assert labels_of(add(tmp_path, text, missing=Missing.NO)) == SAID
    dropped = add(tmp_path, text, missing=Missing.DROP)
    assert labels_of(dropped) == {name: own for name, own in SAID.items() if own}
    assert dropped.notes == ("Left out 1 of 4 images, which miss a value.",)
    joined = "image,Finding Labels,Age\n1,striped,9\n2,None,8\n3,red | striped,7\n4,red,6\n"
    found = add(tmp_path, joined, separator="|")
    assert labels_of(found) == SAID
    assert found.notes[0].endswith("that were not read: Age.")
    assert found.notes[1] == "Attributes that mean no label are left out: None."


def test_scores_count_from_the_threshold_on(tmp_path: Path) -> None:
    text = "image,striped,red\n1,0.7,0.69\n2,0,-3\n3,1,1e1\n4,0.6999999,7\n"
    assert labels_of(add(tmp_path, text, threshold=0.7)) == SAID
    text = text.replace("0.7,", "70,").replace(",1,", ",100,")
    assert labels_of(add(tmp_path, text, threshold=7)) == SAID
    for threshold in (0, 1):
        text_ = f"image,red\n1,{threshold}\n2,{threshold - 0.001}\n"
        assert labels_of(add(tmp_path, text_, threshold=threshold)) == {
            "a/1": {"red"},
            "a/2": set(),
        }
    # Words say the same whatever the threshold is.
    text = text.replace("1,70", "1,yes").replace("4,0.6999999", "4,no")
    assert labels_of(add(tmp_path, text, threshold=7)) == SAID


def test_numbers_that_every_image_has_may_be_no_scores(tmp_path: Path) -> None:
    text = "image,age,striped,red\n1,60,0.7,0.69\n2,50,0,-3\n3,40,1,1e1\n4,30,0.6999999,7\n"
    found = add(tmp_path, text, threshold=0.7)
    assert found.notes == (
        f"Every image of {tmp_path / 'attribute.csv'} has, from 0.7 on: age (remove columns that "
        "are no scores).",
    )
    assert labels_of(found) == {image: own | {"age"} for image, own in SAID.items()}
    assert add(tmp_path, text.replace(",60", ",0"), threshold=0.7).notes == ()


def test_missing_values_are_unknown_until_it_is_said_what_they_mean(tmp_path: Path) -> None:
    text = "image,striped,red\n1,1,\n2,0,0\n3,1,1\n4,NaN,1\n"
    sentence = r"no value of 'red' for photos/a/1.jpg \(missing values: 2\): say with `missing` no"
    with pytest.raises(CcxError, match=sentence):
        add(tmp_path, text)
    assert labels_of(add(tmp_path, text, missing=Missing.NO)) == SAID
    assert labels_of(add(tmp_path, text, missing=Missing.DROP)).keys() == {"a/2", "b/3"}
    # Another line of the image may have it.
    assert labels_of(add(tmp_path, text + "4,no,yes\n1,,0\n")) == SAID
    # What a line with values lacks is missing; a list of what is present lacks nothing.
    with pytest.raises(
        CcxError, match=r"no value of 'red' for photos/b/4.jpg \(missing values: 1\)"
    ):
        add(tmp_path, LONG.replace("b/4.jpg,red,1\n", ""))


def test_what_is_only_in_one_of_table_and_folder_is_counted(tmp_path: Path) -> None:
    text = WIDE.replace("b/4.jpg", "B/4.JPG") + "c/5.jpg,1,0\n"
    source = add(tmp_path, text, photographs(*NAMES, "c/6.jpg"))
    assert labels_of(source).keys() == {"a/1", "a/2", "b/3"}
    assert source.notes == (
        f"Skipped 2 of 5 images of {tmp_path / 'attribute.csv'}, which are not in photos, such as "
        "'B/4.JPG' (there is photos/b/4.jpg).",
        f"Skipped 2 of 5 photographs, which have no line in {tmp_path / 'attribute.csv'}.",
    )
    with pytest.raises(MissingInputError, match=r"attribute.csv are not in photos, such as 'a/1"):
        add(tmp_path, WIDE, photographs("x.jpg"))


def test_names_in_several_folders_need_them(tmp_path: Path) -> None:
    source = photographs("a/1.jpg", "b/1.jpg", "1.png")
    text = "image,red\na/1.jpg,1\nsomewhere/b/1,0\n1.png,1\n"
    assert labels_of(add(tmp_path, text, source)) == {"a/1": {"red"}, "b/1": set(), "1": {"red"}}
    # Letters are composed or not; an image of another folder is another image.
    source = photographs("a/\u00e9.jpg")
    assert labels_of(add(tmp_path, "image,red\na/e\u0301,1\n", source)) == {"a/\u00e9": {"red"}}
    with pytest.raises(MissingInputError, match="are not in photos, such as 'b/\u00e9'"):
        add(tmp_path, "image,red\nb/\u00e9,1\n", source)
    for name in ("1.jpg", "1.PNG.jpg"):
        source = photographs("a/1.jpg", "b/1.jpg", "a/1.PNG.jpg", "b/1.PNG.jpg")
        with pytest.raises(CcxError, match=r"may be photos/a/.*write more of its path"):
            add(tmp_path, f"image,red\n{name},1\n", source)


def test_a_column_says_the_split(tmp_path: Path) -> None:
    text = "image,split,red\n1,Train,0\n2,valid,1\n3,test,0\n4,,0\n"
    splits = [image.split for image in add(tmp_path, text).images]
    assert splits == ["train", "val", "test", ""]
    with pytest.raises(CcxError, match="line 6: 2 is train, but not so before"):
        add(tmp_path, text + "2,train,1\n")


def test_tables_have_a_category_each(tmp_path: Path) -> None:
    tables = {}
    for category, text in (("scene", "image,place\n1,1\n2,0\n"), ("wing", "file,label\n1,red\n")):
        tables[category] = tmp_path / f"{category}.csv"
        tables[category].write_text(text)
    with pytest.raises(CcxError, match=r"wing.csv has no value of 'red' for photos/a/2.jpg"):
        add_tables(photographs(), PHOTOS, tables)
    source = add_tables(photographs(), PHOTOS, tables, missing=Missing.NO)
    assert [label[1:3] for label in source.vocabulary] == [
        ("place-s", ("scene",)),
        ("red", ("wing",)),
    ]
    assert labels_of(source) == {"a/1": {"place-s", "red"}, "a/2": set()}
    assert source.tables == TablesRecord(categories=["scene", "wing"], missing="no")
    tables["scene"].write_text("image,place,split\n1,1,val\n2,,\n3,0,\n")
    tables["wing"].write_text("file,label\n1,red\n2,red\n")
    source = add_tables(photographs(), PHOTOS, tables, missing=Missing.DROP)
    assert (labels_of(source), source.images[0].split) == ({"a/1": {"place-s", "red"}}, "val")
    assert source.tables == TablesRecord(categories=["scene", "wing"], missing="drop")
    tables["wing"].write_text("file,label,split\n1,red,train\n")
    with pytest.raises(
        CcxError, match=r"The tables say of photos/a/1.jpg that it is train and val"
    ):
        add_tables(photographs(), PHOTOS, tables, missing=Missing.DROP)
    tables["beak"] = tmp_path / "beak.csv"
    tables["beak"].write_text("image,red\n1,0\n2,1\n")
    with pytest.raises(CcxError, match=r"'red' of .*beak.csv and 'red' of .*wing.csv would be one"):
        add_tables(photographs(), PHOTOS, tables)


@pytest.mark.parametrize(
    ("text", "how", "fault"),
    [
        ("", {}, "line 1: the header has no column of images"),
        ("1.jpg,striped\n", {}, "line 1: the header has no column of images"),
        ("image red\n1 -1\n", {}, "separate columns by commas, semicolons or tabs"),
        ("image,red\n", {}, "line 1: no line follows the header"),
        ("image\n1\n", {}, "line 1: no column is an attribute"),
        ("image,path,red\n1,1,1\n", {}, r"columns may have the images \(image, path\)"),
        ("image,label,tag\n1,a,b\n", {}, r"columns may have attributes \(label, tag\)"),
        ("image,red, red\n1,1,1\n", {}, "two columns are named 'red'"),
        ("image,label,red\n1,a,1\n", {}, "cells of the column 'label', or columns such as 'red'"),
        ("image,label\n1,0\n2,1\n", {}, "'label' names no attribute, it only holds 0, 1"),
        (
            "image,kind\n1,sparrow\n",
            {},
            "line 2: 'sparrow' in the column 'kind' is neither yes nor",
        ),
        ("image,red\n1,0.5\n", {}, "'0.5' in the column 'red' is a score: say with `threshold`"),
        ("image,red\n1,-1\n2,1\n", {}, "'-1' in the column 'red' is a score"),
        ("image,red\n1,high\n", {"threshold": 0.5}, "'high' in the column 'red' is neither"),
        ("image,red\n1,inf\n", {"threshold": 0.5}, "'inf' in the column 'red' is neither"),
        ("image,red\n1,1_0\n", {"threshold": 0.5}, "'1_0' in the column 'red' is neither"),
        ("image;red\n1;0,5\n", {"threshold": 0.5}, "'0,5' in the column 'red' is neither"),
        ("image,red\n1,1\n", {"threshold": 0.5}, "`threshold` 0.5 has no use"),
        ("image,label\n1,a\n", {"threshold": 0.5}, "`threshold` 0.5 has no use"),
        ("image,a,b\n1,70,1\n", {"threshold": 50}, "only 0 and 1 for 'b', which may be scores"),
        ("image,label\n1,a\n", {"separator": "|"}, r"`separator` '\|' is in no cell of"),
        ("image,red\n1,1\n", {"separator": "|"}, r"`separator` '\|' is in no cell of"),
        ("image,label\n1,a|b\n", {}, r"line 2: 'a\|b' may be several attributes: say so with"),
        ("image,label\n1,a;b\n", {}, "say so with `separator` ';'"),
        ("image,label\n1,['a']\n", {"separator": ","}, "line 2: .*'a'.* is a list: name its"),
        ('image,label\n1,a\n2,"a, b"\n', {}, "line 3: 'a, b' may be several attributes"),
        ("image,label\nx/a/1,a\ny/a/1,b\n", {}, "'y/a/1' and 'x/a/1' would both be photos/a/1.jpg"),
        ("image,red\n1,1\n", {"threshold": float("nan")}, "`threshold` nan must be a number"),
        ("image,red\n1,1\n", {"separator": ""}, "`separator` must not be empty"),
        ("image,label\n1,a|\n", {"separator": "|"}, "line 2: it names no attribute"),
        ("image,label,value\n1,,1\n", {}, "line 2: it names no attribute"),
        ("image,red\n,1\n", {}, "line 2: the column 'image' names no image"),
        ("image,red\n1\n", {}, "line 2: it has 1 cells under 2 columns"),
        ("image,red\n1,0,5\n", {}, "line 2: it has 3 cells under 2 columns"),
        ("image,red\n1,0\n2,1\na/1.jpg,1\n", {}, "line 4: 'red' of a/1.jpg is yes, but no on a"),
        ("image,red\n1,no\n1,yes\n", {}, "line 3: 'red' of 1 is yes, but no on a line before"),
        ("image,label,value\n1,red,1\n1,red,0\n", {}, "line 3: 'red' of 1 is no, but yes on a"),
        ("image,red\n1,\n2,\n", {"missing": Missing.DROP}, "Each image of .* misses a value"),
        ("image,split,red\n1,2,1\n", {}, "'2' in the column 'split' must be train, val or test"),
        ('image,red\n"1,0\n', {}, "line 2: it is no line of a table"),
        (b"PK\x03\x04\xff", {}, "is not UTF-8 text: save it as CSV"),
        (b"image,r\xe9d\n1,0\n", {}, "is not UTF-8 text"),
        ("image,red\n1,0\n".encode("utf-16-le"), {}, "is not UTF-8 text"),
        ("image,e\u0301,\u00e9\n1,0,1\n", {}, "would be one concept"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(
    text: str | bytes, how: Mapping[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(CcxError, match=fault) as error:
        add(tmp_path, text, **how)
    assert "\n" not in str(error.value)
    with pytest.raises(MissingInputError, match="cannot be read"):
        add_tables(photographs(), PHOTOS, {"a": tmp_path / "none.csv"})


@settings(deadline=None, max_examples=60)
@given(
    said=st.lists(
        st.lists(st.sampled_from([None, False, True]), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    ),
    form=st.sampled_from(["wide", "long"]),
    missing=st.sampled_from(Missing),
    seed=st.integers(0, 99),
)
def test_any_table_is_read_as_it_was_written(
    said: list[list[bool | None]],
    form: str,
    missing: Missing,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    chance = random.Random(seed)
    names = ("red", 'a "b", c:d', "has_bill::hooked\nor not")
    texts = {None: ["", "NA"], False: ["0", "no", "0.25"], True: ["1", "Yes", "0.75"]}
    lines: list[list[str]] = []
    for image, row in zip(NAMES, said, strict=False):
        cells = [chance.choice(texts[each]) for each in row]
        if form == "wide":
            lines.append([image, *cells])
        else:
            lines += [[image, *pair] for pair in zip(names, cells, strict=True)]
    # So that the threshold has a use, and every name a line.
    scores = ["0.75"] * len(names)
    lines += [["none", *scores]] if form == "wide" else [["none", name, "0.75"] for name in names]
    lines += [chance.choice(lines)]
    chance.shuffle(lines)
    header = ["image", *(names if form == "wide" else ["attribute", "value"])]
    text = StringIO()
    csv.writer(text, delimiter=chance.choice(",;\t")).writerows([header, *lines])
    wanted = {
        image.partition(".")[0]: {name for name, has in zip(names, row, strict=True) if has}
        for image, row in zip(NAMES, said, strict=False)
        if missing is Missing.NO or None not in row
    }
    folder, source = tmp_path_factory.mktemp("table"), photographs(*NAMES, "none.jpg")
    read = add(folder, text.getvalue(), source, missing=missing, threshold=0.5)
    assert labels_of(read) == wanted | {"none": set(names)}


def test_a_concept_has_all_pixels_of_its_images_beside_those_of_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    has = rng.random((6, 40)) < 0.4
    has[0] |= ~has.any(axis=0)
    columns = [f"attribute {index}" for index in range(40)]
    lines = [",".join(["image", *columns])]
    cats = 0
    for number, row in enumerate(has):
        save_photograph(photos / f"{number}.png", seed=number)
        values = np.repeat(np.repeat(rng.integers(0, 3, (MASK, MASK)), 2, axis=0), 2, axis=1)
        save_values(masks / f"{number}.png", values)
        cats += int((values == 1).sum()) // 4
        lines.append(",".join([str(number), *map(str, row.astype(int))]))
    table = tmp_path / "attribute.csv"
    table.write_text("\n".join(lines))
    folder = LabelFolder("object", masks, {1: "cat", 2: "dog"})
    # In the category of the masks as well, where label PNGs are beside the labels of the whole.
    for category in ("attribute", "object", "scene"):
        pixelwise = read_label_folders(photos, [folder])
        source = add_tables(pixelwise, photos, {category: table})
        write_broden(source, tmp_path, ImportSettings(category, (SIDE, SIDE)))
        pixels = index_pixels(tmp_path, category)
        check_tables(read_broden(tmp_path, category, SIDE), pixels)
        ending = "-s" if category == "scene" else ""
        wanted = {
            f"{name}{ending}": int(own.sum()) * MASK * MASK
            for name, own in zip(columns, has.T, strict=True)
        }
        assert {name: pixels[name] for name in wanted} == wanted
        assert (pixels["cat"], len(pixels)) == (cats, 42)
    table.write_text("image,cat\n1,1\n")
    with pytest.raises(CcxError, match=r"'cat' of .* and 'cat' of the label PNGs would be one"):
        add_tables(pixelwise, photos, {"attribute": table})
