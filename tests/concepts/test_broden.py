from __future__ import annotations

import codecs
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.broden import ImageRow, Label, read_broden
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from tests.concepts.broden_files import CSVS, BrodenFiles
else:
    from broden_files import CSVS

SHARED = Path(__file__).parents[2] / "../shared"
AGAIN = "restore it, or download the dataset again with `ccx fetch broden224`"


def test_labels_are_read_with_the_category_of_their_largest_coverage(broden: BrodenFiles) -> None:
    dataset = broden.read()
    assert dataset.labels == (
        Label(1, "black-c", "color", ("color",), 3, 0.5, ()),
        Label(2, "white-c", "color", ("color",), 2, 0.25, ()),
        Label(3, "chair, folding (wood)", "object", ("object",), 2, 0.5, ("seat", "stool")),
        Label(4, "leg", "object", ("part", "object"), 15, 1.75, ()),
        Label(300, "wheel", "part", ("part",), 1, 0.125, ()),
    )
    assert dataset.categories == ("color", "object", "part", "scene")
    assert dataset.label(300).name == "wheel"
    with pytest.raises(KeyError):
        dataset.label(5)


def test_rows_are_read_with_their_layers_and_labels_in_order(broden: BrodenFiles) -> None:
    dataset = broden.read()
    assert dataset.rows == (
        ImageRow(
            "a/1.jpg",
            "train",
            8,
            8,
            2,
            3,
            ("a/1_color.png", "a/1_object.png", "a/1_part_1.png", "a/1_part_2.png"),
            (),
        ),
        ImageRow("a/2.jpg", "val", 8, 8, 2, 3, ("a/2_color.png",), (4,)),
        ImageRow("b/3.jpg", "val", 8, 8, 2, 3, ("b/3_part.png",), (3, 4)),
    )
    assert (dataset.name, dataset.subset, dataset.mask_shape) == ("broden1_224", "all", (2, 3))
    assert dataset.image_path("a/1_color.png").is_file()
    assert dataset.image_path("a/1.jpg").is_file()


@pytest.mark.parametrize(
    ("subset", "images"),
    [
        ("all", ["a/1.jpg", "a/2.jpg", "b/3.jpg"]),
        ("a", ["a/1.jpg", "a/2.jpg"]),
        ("2.jpg", ["a/2.jpg"]),
        ("b/", ["b/3.jpg"]),
    ],
)
def test_a_subset_keeps_the_images_whose_path_contains_it(
    broden: BrodenFiles, subset: str, images: list[str]
) -> None:
    assert [row.image for row in broden.read(subset).rows] == images


def test_an_index_of_the_subset_is_read_instead_and_whole(broden: BrodenFiles) -> None:
    lines = (broden.directory / "index.csv").read_text().splitlines(keepends=True)
    broden.write("index_a.csv", lines[0] + lines[3])
    assert [row.image for row in broden.read("a").rows] == ["b/3.jpg"]
    (broden.directory / "index.csv").unlink()
    assert [row.image for row in broden.read("a").rows] == ["b/3.jpg"]
    with pytest.raises(MissingInputError) as caught:
        broden.read("b")
    assert str(caught.value) == (
        f"{broden.directory / 'index.csv'} is missing and there is no index_b.csv: {AGAIN}, "
        "or name a subset that is there with `subset` (a)."
    )


def _shuffle_columns(broden: BrodenFiles) -> None:
    for name in ("label.csv", "index.csv", "c_object.csv", "category.csv"):
        lines = (broden.directory / name).read_text().splitlines()
        # Only the last column moves: the order of the categories is the order of the layers.
        moved = [
            ",".join(["x", line.rpartition(",")[2], line.rpartition(",")[0]]) for line in lines
        ]
        broden.write(name, "\n".join(moved))


def _dress_lines(broden: BrodenFiles) -> None:
    for path in broden.directory.glob("*.csv"):
        lines = path.read_bytes().splitlines()
        path.write_bytes(codecs.BOM_UTF8 + b"\r\n" + b"\r\n\r\n".join(lines) + b"\r\n,,\r\n")


def _pad_cells(broden: BrodenFiles) -> None:
    broden.replace("index.csv", "a/1_part_1.png;a/1_part_2.png", " a/1_part_1.png; ;a/1_part_2.png")
    broden.replace("index.csv", "a/2.jpg,val,8,8", "a/2.jpg,val, 8 ,08")
    broden.replace("index.csv", "image,split", "image , split")


def _drop_empty_categories(broden: BrodenFiles) -> None:
    broden.replace("index.csv", ",scene", ",notes")
    broden.replace("index.csv", ",4\n", ",remarks/../../of ours\n")
    broden.replace("index.csv", "a/2_color.png,,", "a/2_color.png,4,")


@pytest.mark.parametrize(
    "change", [_shuffle_columns, _dress_lines, _pad_cells, _drop_empty_categories]
)
def test_the_same_data_set_written_otherwise_reads_the_same(
    broden: BrodenFiles, change: Callable[[BrodenFiles], None]
) -> None:
    before = broden.read()
    change(broden)
    assert broden.read() == before


def test_own_category_ties_go_to_the_first_and_gaps_to_the_label_table(
    broden: BrodenFiles,
) -> None:
    broden.replace("c_part.csv", "1,4,leg,12,0.25", "1,4,leg,12,1.5")
    broden.replace("c_part.csv", "2,300,wheel,1,0.125\n", "")
    broden.replace("label.csv", "part(1),1", "gone(3);scene;part(1),1")
    broden.write("c_scene.csv", "number,coverage\n")
    dataset = broden.read()
    assert dataset.label(4).category == "object"
    assert dataset.label(300).category == "scene"
    assert dataset.label(300).categories == ("gone", "scene", "part")


def test_categories_beyond_brodens_six_are_read(broden: BrodenFiles) -> None:
    broden.replace("category.csv", "scene,0", "weather,7,7,1,1\nscene,0")
    broden.replace("label.csv", "300,wheel", "7,fog,weather(1),1,1,\n300,wheel")
    broden.write("c_weather.csv", "code,number,name,frequency,coverage\n1,7,fog,1,1\n")
    broden.replace("index.csv", "scene\n", "weather\n")
    broden.replace("index.csv", ",4\n", ",7;a/2_weather.png\n")
    dataset = broden.read()
    assert dataset.label(7).category == "weather"
    assert dataset.rows[1].labels == (7,)
    assert dataset.rows[1].layers == ("a/2_color.png", "a/2_weather.png")


INDEX = "image, split, ih, iw, sh, sw"
LABEL = "number, name, category, frequency, coverage, syns"

DAMAGE = [
    (
        "index.csv",
        "iw,sh,",
        "iw,",
        f"line 1: the column sh is missing of {INDEX}",
    ),
    ("label.csv", ",syns", ",synonyms", f"line 1: the column syns is missing of {LABEL}"),
    ("category.csv", "name,", "title,", "line 1: the column name is missing of name"),
    ("c_part.csv", ",number", ",no", "line 1: the column number is missing of number, coverage"),
    ("index.csv", ",object,", ",color,", "line 1: two columns are named 'color'"),
    (
        "index.csv",
        "a/2.jpg,val,8,8",
        "a/2.jpg,val,8,x8",
        "line 3: iw must be a whole number from 1 to 65535, not 'x8'",
    ),
    (
        "index.csv",
        "a/2.jpg,val,8,8,2",
        "a/2.jpg,val,8,8,0",
        "line 3: sh must be a whole number from 1 to 65535, not '0'",
    ),
    (
        "index.csv",
        "b/3.jpg,val,8,8,2,3",
        "b/3.jpg,val,8,8,3,2",
        "line 4: the masks of 'b/3.jpg' are 3x2 where those of the subset before it are 2x3",
    ),
    ("index.csv", "a/2_color.png,,,4", "a/2_color.png", "line 3: 7 cells under 10 columns"),
    (
        "label.csv",
        '"chair, folding (wood)"',
        "chair, folding (wood)",
        "line 4: 7 cells under 6 columns",
    ),
    ("index.csv", ",3;4,", ",3;5,", "line 4: label.csv has no label with the number 5"),
    (
        "index.csv",
        "b/3_part.png",
        "/etc/passwd",
        "line 4: a label PNG must be a path inside images/, not '/etc/passwd'",
    ),
    (
        "index.csv",
        "b/3_part.png",
        "b/../../3.png",
        "line 4: a label PNG must be a path inside images/, not 'b/../../3.png'",
    ),
    (
        "index.csv",
        "b/3_part.png",
        "c:3.png",
        "line 4: a label PNG must be a path inside images/, not 'c:3.png'",
    ),
    (
        "index.csv",
        "b/3.jpg",
        "..\\b/3.jpg",
        "line 4: image must be a path inside images/, not '..\\\\b/3.jpg'",
    ),
    ("index.csv", "b/3.jpg", "", "line 4: image must be a path inside images/, not ''"),
    ("index.csv", "b/3.jpg", "a/1.jpg", "line 4: 'a/1.jpg' is already on line 2"),
    (
        "label.csv",
        "300,wheel",
        "3,wheel",
        "line 6: the number 3 is already 'chair, folding (wood)'",
    ),
    (
        "label.csv",
        "300,wheel",
        "65536,wheel",
        "line 6: number must be a whole number from 1 to 65535, not '65536'",
    ),
    (
        "label.csv",
        "300,wheel",
        "0,wheel",
        "line 6: number must be a whole number from 1 to 65535, not '0'",
    ),
    (
        "label.csv",
        "object(2),2,",
        "object(2),-2,",
        "line 4: frequency must be a whole number from 0 to 4294967295, not '-2'",
    ),
    (
        "label.csv",
        "15,1.75",
        "15,nan",
        "line 5: coverage must be a number from 0, not 'nan'",
    ),
    (
        "c_object.csv",
        "3,1.5",
        "3,much",
        "line 3: coverage must be a number from 0, not 'much'",
    ),
    (
        "c_color.csv",
        "2,2,white",
        "2,two,white",
        "line 3: number must be a whole number from 1 to 65535, not 'two'",
    ),
    (
        "label.csv",
        "300,wheel,part(1)",
        "301,spoke,gone(1)",
        "line 6: 'spoke' must have a category that category.csv lists",
    ),
    (
        "category.csv",
        "scene",
        "part",
        "line 5: each category must have a plain name, its own, not 'part'",
    ),
    (
        "category.csv",
        "scene",
        "../scene",
        "line 5: each category must have a plain name, its own, not '../scene'",
    ),
    (
        "label.csv",
        "4,leg",
        '4,"leg" of',
        "line 5: the line must be comma-separated (',' expected after '\"')",
    ),
    (
        "index.csv",
        "b/3_part.png",
        '"b/3_part.png',
        "line 4: the line must be comma-separated (unexpected end of data)",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "fault"), DAMAGE)
def test_a_damaged_csv_is_named_with_its_line(
    broden: BrodenFiles, name: str, old: str, new: str, fault: str
) -> None:
    broden.replace(name, old, new)
    with pytest.raises(DamagedDataError) as caught:
        broden.read()
    assert str(caught.value) == f"{broden.directory / name}, {fault}."


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("index.csv", b"", f"line 1: the file is empty: {AGAIN}"),
        ("label.csv", b"\n\n", f"line 1: the file is empty: {AGAIN}"),
        ("index.csv", b"image,split,ih,iw,sh,sw\n", "line 2: an image must follow the header"),
        ("category.csv", b"name\n", "line 2: a category must follow the header"),
        (
            "label.csv",
            b"number,name,category,frequency,coverage,syns",
            "line 2: a label must follow the header",
        ),
        ("index.csv", codecs.BOM_UTF8 + b"image\n\xff/1.jpg\n", "line 2: the text must be UTF-8"),
        ("label.csv", b"number,name\r1,caf\xe9\r2,b", "line 2: the text must be UTF-8"),
        ("category.csv", "name\ncolor\n".encode("utf-16"), "line 1: the text must be UTF-8"),
    ],
)
def test_a_csv_with_nothing_to_read_is_named(
    broden: BrodenFiles, name: str, content: bytes, fault: str
) -> None:
    broden.write(name, content)
    with pytest.raises(DamagedDataError) as caught:
        broden.read()
    assert str(caught.value) == f"{broden.directory / name}, {fault}."


@pytest.mark.parametrize("name", ["index.csv", "label.csv", "category.csv", "c_part.csv"])
def test_a_missing_csv_is_named(broden: BrodenFiles, name: str) -> None:
    (broden.directory / name).unlink()
    with pytest.raises(MissingInputError) as caught:
        broden.read()
    assert str(caught.value) == f"{broden.directory / name} is missing: {AGAIN}."


@pytest.mark.parametrize("side", [224, 227])
def test_a_missing_data_set_names_the_commands_that_help(tmp_path: Path, side: int) -> None:
    with pytest.raises(MissingInputError) as caught:
        read_broden(tmp_path, "ade20k", side)
    assert str(caught.value) == (
        f"There is no dataset in {tmp_path / f'broden1_{side}'}: download it with "
        f"`ccx fetch broden{side}`, or try the built-in one with `ccx demo`."
    )


@pytest.mark.parametrize(
    ("subset", "end"),
    [
        ("ade20k", "."),
        ("mscr", ", did you mean msrc?"),
        ("", "."),
        ("../a", "."),
        ("\0", "."),
        ("x" * 5000, "."),
    ],
)
def test_a_subset_without_images_names_the_subsets_there_are(
    broden: BrodenFiles, subset: str, end: str
) -> None:
    broden.replace("index.csv", "b/3.jpg", "msrc/3.jpg")
    index = (broden.directory / "index.csv").read_text()
    broden.write("index_small.csv", index)
    with pytest.raises(UsageError) as caught:
        broden.read(subset)
    assert str(caught.value) == (
        f"No image path of {broden.directory / 'index.csv'} contains `subset` {subset!r}, "
        f"choose one of all, a, msrc, small{end}"
    )


def test_fingerprints_follow_what_they_are_made_of(broden: BrodenFiles, tmp_path: Path) -> None:
    dataset = broden.read()
    masks, images = dataset.segmentation_fingerprint(), dataset.images_fingerprint()
    assert len(masks) == len(images) == 64

    copy = tmp_path / "elsewhere"
    shutil.copytree(broden.directory, copy / "broden1_224")
    moved = read_broden(copy, "all")
    assert moved.segmentation_fingerprint() == masks
    assert moved.images_fingerprint() == images

    relabelled = replace(dataset, labels=dataset.labels[:-1])
    reordered = replace(dataset, rows=dataset.rows[::-1])
    assert relabelled.segmentation_fingerprint() != masks
    assert relabelled.images_fingerprint() == images
    assert reordered.segmentation_fingerprint() != masks
    assert reordered.images_fingerprint() != images

    path = dataset.image_path("b/3_part.png")
    path.write_bytes(path.read_bytes() + b"\0")
    assert dataset.segmentation_fingerprint() != masks
    assert dataset.images_fingerprint() == images
    path = dataset.image_path("a/1.jpg")
    path.write_bytes(path.read_bytes() + b"\0")
    assert dataset.images_fingerprint() != images


def test_fingerprints_name_a_missing_file(broden: BrodenFiles) -> None:
    dataset = broden.read()
    layer, image = dataset.image_path("a/1_part_2.png"), dataset.image_path("b/3.jpg")
    layer.unlink()
    with pytest.raises(MissingInputError) as caught:
        dataset.segmentation_fingerprint()
    assert str(caught.value) == f"{layer} is missing: {AGAIN}."
    shutil.rmtree(image.parent)
    with pytest.raises(MissingInputError) as caught:
        dataset.images_fingerprint()
    assert str(caught.value) == f"{image} is missing: {AGAIN}."


@pytest.mark.parametrize("name", ["x" * 5000 + ".jpg", "x" * 5000 + "/1.jpg", "a"])
def test_fingerprints_refuse_what_cannot_be_a_file(broden: BrodenFiles, name: str) -> None:
    broden.replace("index.csv", "a/1.jpg", name)
    with pytest.raises(MissingInputError, match="is missing"):
        broden.read().images_fingerprint()


def test_fingerprints_find_files_by_unusual_paths(broden: BrodenFiles) -> None:
    broden.image("top.jpg")
    broden.replace("index.csv", "a/1.jpg", "top.jpg")
    broden.replace("index.csv", "a/2.jpg", "a//./2.jpg")
    assert broden.read().images_fingerprint() != broden.read("a").images_fingerprint()


def test_a_pickled_dataset_is_the_same(broden: BrodenFiles) -> None:
    dataset = broden.read()
    assert dataset.label(1) is dataset.labels[0]
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy == dataset
    assert copy.label(300) == dataset.label(300)
    assert copy.pixel_values == dataset.pixel_values


def test_the_csvs_are_read_without_numpy() -> None:
    code = "import sys, ccx_cli.concepts.broden; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


_CELL = st.one_of(
    st.sampled_from(["a/1.jpg", "8", "2", "3;4", "0", "-1", "1e3", "x.png", "..", '"', ";", "\0"]),
    st.text(max_size=4),
)
_ROWS = st.lists(st.lists(_CELL, max_size=11).map(",".join), max_size=4)
WHOLE_INDEX = (
    b"image,split,ih,iw,sh,sw,color,object\n"
    b"a/1.jpg,train,8,8,2,3,a/1_color.png,a/1_object.png;3\n"
    b'a/2.jpg,val,8,8,2,3,"a/2_color.png",4\n'
)
_INDEX = st.one_of(
    st.binary(max_size=300),
    _ROWS.map(lambda rows: "\n".join(["image,split,ih,iw,sh,sw,color,scene", *rows]).encode()),
    st.tuples(st.binary(max_size=3), st.integers(0, 250)),
)


@given(content=_INDEX)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_index_is_read_or_refused(
    broden: BrodenFiles, content: bytes | tuple[bytes, int]
) -> None:
    if isinstance(content, tuple):
        patch, start = content
        content = WHOLE_INDEX[:start] + patch + WHOLE_INDEX[start + len(patch) :]
    broden.write("index.csv", content)
    with suppress(CcxError):
        dataset = broden.read()
        assert dataset.rows
        dataset.images_fingerprint()


_TABLES = ("label.csv", "category.csv", "c_color.csv", "c_object.csv", "c_part.csv")
_TABLE = st.one_of(
    st.binary(max_size=200),
    st.tuples(_ROWS.map("\n".join).map(str.encode), st.integers(0, 250)),
    st.tuples(st.binary(max_size=3), st.integers(0, 250)),
)


@given(name=st.sampled_from(_TABLES), content=_TABLE)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_of_labels_is_read_or_refused(
    broden: BrodenFiles, name: str, content: bytes | tuple[bytes, int]
) -> None:
    whole = CSVS[name].encode()
    if isinstance(content, tuple):
        patch, start = content
        content = whole[:start] + patch + whole[start + len(patch) :]
    broden.write(name, content)
    said = str(broden.directory)
    try:
        dataset = broden.read()
        assert len({label.number for label in dataset.labels}) == len(dataset.labels) > 0
        assert {label.category for label in dataset.labels} <= set(dataset.categories)
    except CcxError as error:
        said = str(error)
    finally:
        broden.write(name, whole)
    assert str(broden.directory) in said


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the photographs are not beside it")
@pytest.mark.parametrize(("subset", "images"), [("msrc", 591), ("dtd", 300), ("all", 891)])
def test_the_photographs_are_read(subset: str, images: int) -> None:
    dataset = read_broden(SHARED / "real/dataset", subset)
    assert len(dataset.rows) == images
    assert dataset.mask_shape == (112, 112)
    assert len(dataset.labels) == 45
    of = Counter(label.category for label in dataset.labels)
    assert of == {"color": 11, "object": 22, "part": 2, "texture": 10}
    assert dataset.segmentation_fingerprint() != dataset.images_fingerprint()


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the CSVs are not beside it")
def test_brodens_own_csvs_are_read(tmp_path: Path) -> None:
    (tmp_path / "broden1_224").symlink_to((SHARED / "real/broden-meta").resolve())
    dataset = read_broden(tmp_path, "ade20k")
    assert len(dataset.labels) == 1197
    assert len(dataset.rows) == 22210
    assert dataset.categories == ("color", "object", "part", "material", "scene", "texture")
    assert dataset.label(15).synonyms == ("window",)
    assert dataset.label(15).categories == ("object", "part")
    assert dataset.rows[0].labels == (83,)
    assert dataset.label(83).name == "bedroom-s"
    assert pickle.loads(pickle.dumps(dataset)) == dataset


def test_the_demo_dataset_is_not_repaired_by_a_download(broden: BrodenFiles) -> None:
    (broden.directory / "ccx-demo.json").write_text("{}")
    (broden.directory / "label.csv").unlink()
    with pytest.raises(MissingInputError, match=f"or delete {broden.directory} and run `ccx demo`"):
        broden.read()
