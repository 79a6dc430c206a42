"""COCO JSONs as people write them: read as they are meant, or refused with the record named."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.concepts.importing.coco import read_coco
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.imported_sets import save_photograph
else:
    from imported_sets import save_photograph

HEIGHT, WIDTH = 60, 100
BOX = [20, 30, 60, 30, 60, 50, 20, 50]
THING = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
THING[30:50, 20:60] = True


def run_lengths(mask: NDArray[np.bool_], order: str = "F") -> list[int]:
    flat = mask.ravel(order="F" if order == "F" else "C")
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    runs = np.diff(edges, prepend=0, append=len(flat))
    return [int(run) for run in runs]


def content(segmentation: Any = None, **changed: Any) -> dict[str, Any]:
    record = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation or [BOX]}
    return {
        "images": [{"id": 1, "file_name": "1.jpg", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [record | {"bbox": [20, 30, 40, 20]}],
        **changed,
    }


def read(
    root: Path,
    written: dict[str, Any],
    files: tuple[str, ...] = ("1.jpg",),
    encoding: str = "utf-8",
) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return the masks of each photograph by concept."""
    for file in files:
        save_photograph(root / "photos" / file, HEIGHT, WIDTH)
    (root / "a.json").write_text(json.dumps(written), encoding=encoding)
    source = read_coco(root / "a.json", root / "photos")
    names = {label.number: label.name for label in source.vocabulary}
    return {
        image.path.relative_to(root / "photos").as_posix(): {
            names[int(labels.max())]: labels > 0
            for each in image.annotations
            for labels in each.read()
        }
        for image in source.images
    }


@pytest.mark.parametrize(
    "segmentation",
    [
        [BOX],
        BOX,
        [[20, 30], [60, 30], [60, 50], [20, 50]],
        [[[20, 30], [60, 30], [60, 50], [20, 50]]],
        [[[20, 30], [60, 30], [60, 50], [20, 50], [20, 40]]],
        [[str(value) for value in BOX]],
        [[20, 30, 40, 30, 40, 50, 20, 50], [[40, 30], [60, 30], [60, 50], [40, 50]]],
        [BOX, [20, 30, 60, 50]],
        {"counts": run_lengths(THING), "size": [HEIGHT, WIDTH]},
        {"counts": run_lengths(THING), "size": [f"{HEIGHT}", f"{WIDTH}.0"]},
        {"counts": run_lengths(THING)},
        {"counts": run_lengths(THING[::2, ::2]), "size": [HEIGHT // 2, WIDTH // 2]},
        {"counts": run_lengths(THING.repeat(3, 0).repeat(3, 1)), "size": [HEIGHT * 3, WIDTH * 3]},
        [{"counts": run_lengths(THING), "size": [HEIGHT, WIDTH]}],
        [BOX, {"counts": run_lengths(THING), "size": [HEIGHT, WIDTH]}],
    ],
)
def test_regions_of_all_forms_are_the_same(segmentation: Any, tmp_path: Path) -> None:
    (masks,) = read(tmp_path, content(segmentation)).values()
    np.testing.assert_array_equal(masks["thing"], THING)


@pytest.mark.parametrize(
    ("segmentation", "fault"),
    [
        ([[20, 30, 60, 50]], "no polygon of three or more points; a box has four corners"),
        ([20, 30, 60, 50], "no polygon of three"),
        ([[20, 30], [60, 50]], "no polygon of three"),
        ([[]], "no polygon of three"),
        ([[*BOX, 7]], "x and y in turn"),
        ([[[20, 30, 2], [60, 30, 2], [60, 50, 2]]], "x and y in turn"),
        ([[[20, 30], [60]]], "x and y in turn"),
        ([{"x": 3, "y": 4}], "an object of x, y; polygons are lists of x and y in turn"),
        ([[{"x": 3, "y": 4}, {"x": 5, "y": 6}]], "'x': 3.* is not a list of x and y in turn"),
        (["abc"], "x and y in turn"),
        ("abc", "no list of polygons"),
        ([[10**400, 0, 1, 1, 2, 2]], "x and y in turn"),
        ([[float("inf"), 0, 1, 1, 2, 2]], "not a finite number"),
        ([[None, 0, 1, 1, 2, 2]], "not a finite number"),
        ([[value / 100 for value in BOX]], "from 0 to 1"),
        ([[value / 50 for value in BOX]], "from 0 to 1"),
        ([[value * 10 for value in BOX]], "out of the picture, which is 100 wide and 60 high"),
        ([[-value for value in BOX]], "out of the picture"),
        (
            [[30, 20, 30, 60, 50, 60, 50, 20]],
            "its region is from 30, 20 to 50, 60, its bbox",
        ),
        ({"counts": run_lengths(THING, "C"), "size": [HEIGHT, WIDTH]}, "its bbox from 20, 30 to"),
        ({"counts": [0, HEIGHT * WIDTH], "size": [HEIGHT, WIDTH]}, "its bbox from 20, 30 to"),
        ({"counts": [HEIGHT * WIDTH], "size": [HEIGHT, WIDTH]}, "its bbox from 20, 30 to"),
        ({"counts": run_lengths(THING), "size": [WIDTH, HEIGHT]}, "run lengths are of 100x60"),
        ({"counts": run_lengths(THING), "size": [HEIGHT]}, "not height and width"),
        ({"counts": run_lengths(THING), "size": [0, 0]}, "no size of a picture"),
        ({"counts": run_lengths(THING), "size": [10**9, 10**9]}, "no size of a picture"),
        ({"counts": run_lengths(THING), "size": [True, 1]}, "no number of pixels"),
        ({"counts": [1.5, 2]}, "neither whole numbers nor text"),
        ({"counts": [10**30]}, "not those of"),
        ({"counts": [2**63 - 1, 2**63 - 1, HEIGHT * WIDTH + 2]}, "not those of"),
        ({"counts": "b'abc'"}, "character"),
        ({"size": [HEIGHT, WIDTH]}, "an object of size; polygons"),
    ],
)
def test_regions_that_mean_something_else_are_refused(
    segmentation: Any, fault: str, tmp_path: Path
) -> None:
    with pytest.raises(DamagedDataError, match=rf"annotations\[0\] \(id 1\): .*({fault})"):
        read(tmp_path, content(segmentation))


@pytest.mark.parametrize("name", [{}, {"file_name": None}, {"file_name": ""}])
def test_an_image_without_a_file_name_has_that_of_its_url(
    name: dict[str, Any], tmp_path: Path
) -> None:
    written = content()
    del written["images"][0]["file_name"]
    written["images"][0] |= name | {"coco_url": "http://images.cocodataset.org/val2017/1.jpg"}
    assert list(read(tmp_path, written)) == ["1.jpg"]


def test_rows_taken_for_columns_are_seen_by_the_pixels_where_the_bounds_agree(
    tmp_path: Path,
) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[10:50, 15:85] = True
    written = content({"counts": run_lengths(mask), "size": [HEIGHT, WIDTH]})
    written["annotations"][0]["bbox"] = [15, 10, 70, 40]
    np.testing.assert_array_equal(read(tmp_path, written)["1.jpg"]["thing"], mask)
    written["annotations"][0]["segmentation"]["counts"] = run_lengths(mask, "C")
    with pytest.raises(DamagedDataError, match="of its region is outside its bbox from 15, 10"):
        read(tmp_path, written)


@pytest.mark.parametrize("segmentation", [None, []])
def test_annotations_without_a_region_are_skipped_and_counted(
    segmentation: Any, tmp_path: Path
) -> None:
    written = content()
    without = {"id": 9, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    written["annotations"].append(without)
    (masks,) = read(tmp_path, written).values()
    np.testing.assert_array_equal(masks["thing"], THING)
    source = read_coco(tmp_path / "a.json", tmp_path / "photos")
    assert source.notes == (
        "Skipped 1 of 2 annotations, which have no region, such as annotations[1] (id 9).",
    )
    with pytest.raises(DamagedDataError, match="has no regions, and boxes alone"):
        read(tmp_path, content() | {"annotations": [without]})


def images(*names: object) -> list[dict[str, Any]]:
    return [
        {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
        for number, name in enumerate(names, start=1)
    ]


def boxes(*image_ids: object) -> list[dict[str, Any]]:
    return [{"image_id": each, "category_id": 1, "segmentation": [BOX]} for each in image_ids]


CAFE = "café"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("images\\1.jpg", "1.jpg"),
        ("..\\a\\1.jpg", "a/1.jpg"),
        ("C:\\data\\a\\1.jpg", "a/1.jpg"),
        ("./a/1.jpg", "a/1.jpg"),
        ("/home/a/1.jpg", "a/1.jpg"),
        ("https://host/train/1.jpg", "1.jpg"),
        (unicodedata.normalize("NFD", CAFE) + ".jpg", f"{CAFE}.jpg"),
        (f"{CAFE}.jpg", unicodedata.normalize("NFD", CAFE) + ".jpg"),
    ],
)
def test_photographs_are_found_by_the_end_of_their_path(
    name: str, file: str, tmp_path: Path
) -> None:
    found = read(tmp_path, content(images=images(name)), (file, "other.jpg"))
    assert list(found) == [file]
    np.testing.assert_array_equal(found[file]["thing"], THING)


@pytest.mark.parametrize("name", ["A 1.JPG", "a%201.jpg", "a_1.png", "u/a 1.jpg?size=9", "a 1"])
def test_names_that_are_almost_those_of_photographs_are_said(name: str, tmp_path: Path) -> None:
    there = f"such as {re.escape(repr(name))} \\(there is .*/a 1.jpg\\)"
    with pytest.raises(MissingInputError, match=f"None of the .*, {there}: give their folder, or"):
        read(tmp_path, content(images=images(name)), ("a 1.jpg",))
    read(tmp_path, content(images=images(name, "2.jpg"), annotations=boxes(1, 2)), ("2.jpg",))
    source = read_coco(tmp_path / "a.json", tmp_path / "photos")
    assert re.search(f"^Skipped 1 of 2 annotated photographs, .*{there}\\.$", source.notes[0])


def test_each_of_two_photographs_of_one_name_has_its_own_labels(tmp_path: Path) -> None:
    small = {"image_id": 2, "category_id": 1, "segmentation": [[0, 0, 10, 0, 10, 10, 0, 10]]}
    written = content(images=images("x/a/1.jpg", "x/b/1.jpg"), annotations=[*boxes(1), small])
    found = read(tmp_path, written, ("a/1.jpg", "b/1.jpg", "1.jpg"))
    pixels = {file: int(masks["thing"].sum()) for file, masks in found.items()}
    assert pixels == {"a/1.jpg": 800, "b/1.jpg": 100}


@pytest.mark.parametrize(
    "ids",
    [
        {"image_id": "1", "category_id": "1"},
        {"image_id": 1.0, "category_id": " 1 "},
        {"id": None},
        {"bbox": [20, 30, 60, 50]},
        {"bbox": "20 30 40 20"},
        {"bbox": [0.2, 0.5, 0.4, 0.3]},
        {"iscrowd": "0"},
    ],
)
def test_ids_and_boxes_may_be_written_otherwise(ids: dict[str, Any], tmp_path: Path) -> None:
    written = content()
    written["annotations"][0] |= ids
    (masks,) = read(tmp_path, written).values()
    np.testing.assert_array_equal(masks["thing"], THING)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    assert list(read(tmp_path, content(), encoding=encoding)) == ["1.jpg"]


@pytest.mark.parametrize("name", ["background", "_Background_", "other", "void"])
def test_a_category_that_means_no_label_is_none_as_in_names_files(
    name: str, tmp_path: Path
) -> None:
    categories = [{"id": 0, "name": name}, {"id": 1, "name": "thing"}]
    whole = {"image_id": 1, "category_id": 0, "segmentation": [[0, 0, 100, 0, 100, 60, 0, 60]]}
    written = content(categories=categories, annotations=[*boxes(1), whole])
    (masks,) = read(tmp_path, written).values()
    assert list(masks) == ["thing"]
    np.testing.assert_array_equal(masks["thing"], THING)
    source = read_coco(tmp_path / "a.json", tmp_path / "photos")
    assert source.notes == (f"Categories that mean no label are left out: {name}.",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (gzip.compress(b"{}", mtime=0)[:-4], "is compressed: unpack it"),
        ('{"é": 1}'.encode("latin-1"), "is not UTF-8 text at byte 3: save it as UTF-8"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"images": [{"id": ' + b"1" * 5000 + b"}]}", "has a number of thousands of digits"),
        (b'{"images": [],\n}', "is not JSON from line 2, column 1 on"),
    ],
)
def test_what_no_json_parser_reads_is_said_in_words(
    text: bytes, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(DamagedDataError, match=rf"a\.json {fault}"):
        read_coco(tmp_path / "a.json", tmp_path)


def test_two_categories_of_one_name_are_one_concept(tmp_path: Path) -> None:
    two = [{"id": 1, "name": "thing"}, {"id": 2, "name": "thing"}]
    (masks,) = read(tmp_path, content(categories=two)).values()
    np.testing.assert_array_equal(masks["thing"], THING)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"images": [*images("1.jpg"), images("2.jpg")[0]]}, r"images\[1\] \(id 1\): another one"),
        ({"images": images("u/4/1.jpg", "u/5/1.jpg")}, "two images, 1 and 2, for .*1.jpg"),
        ({"images": images(None)}, "image 1: its file_name is None"),
        ({"images": images(" ")}, "image 1: its file_name is ' '"),
        ({"images": [{"file_name": "1.jpg"}]}, r"images\[0\]: its id is None"),
        ({"images": [{"id": 1, "file_name": "1.jpg"}]}, "image 1: its height and width"),
        (
            {"images": [{"id": 1, "file_name": "1.jpg", "height": 0, "width": 0}]},
            "image 1: its height and width",
        ),
        ({"categories": [{"id": 1, "name": ""}]}, r"categories\[0\] \(id 1\): its name is ''"),
        ({"categories": [{"id": 1, "name": None}]}, "its name is None"),
        ({"categories": [{"id": 1}]}, "its name is None"),
        ({"categories": [{"id": 1, "name": ["a"]}]}, "its name is"),
        ({"categories": [{"id": 1, "name": "a\0b"}]}, "its name is"),
        ({"categories": [{"id": 1, "name": "\ud800"}]}, "its name is"),
        (
            {"categories": [{"id": 1, "name": "thing"}, {"id": 2, "name": "thing "}]},
            r"categories\[1\] \(id 2\): .* differ only in spaces",
        ),
        (
            {
                "categories": [
                    {"id": 1, "name": CAFE},
                    {"id": 2, "name": unicodedata.normalize("NFD", CAFE)},
                ]
            },
            "in their Unicode form",
        ),
        ({"categories": [{"id": 1, "name": "a"}, {"id": "1", "name": "b"}]}, "another one has"),
        ({"annotations": boxes([1])}, r"annotations\[0\]: its image_id is \[1\]"),
        ({"annotations": boxes(2)}, "does not list its image 2"),
        ({"annotations": boxes(True)}, "its image_id is True"),
        ({"annotations": []}, "has no annotations"),
        ({"annotations": {"1": {}}}, "annotations must be a list of objects"),
    ],
)
def test_records_that_say_two_things_or_none_are_named(
    changed: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(DamagedDataError, match=fault):
        read(tmp_path, content(**changed))


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ([{"id": 0, "category_id": 1}], r"segments_info\[0\] of annotations\[0\] .*0 is no id"),
        ([{"id": 3, "category_id": 1}, {"id": 3, "category_id": 1}], "3 is no id of its own"),
        ([{"id": "3", "category_id": 1}], "'3' is no id of its own"),
        (None, "must be a list of objects"),
    ],
)
def test_panoptic_segments_without_an_id_of_their_own_are_named(
    records: object, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    one = {"id": 1, "image_id": 1, "file_name": "1.png", "segments_info": records}
    with pytest.raises(DamagedDataError, match=fault):
        read(tmp_path, content(annotations=[one]))


def test_two_panoptic_records_of_one_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = {"image_id": 1, "file_name": "1.png", "segments_info": []}
    with pytest.raises(DamagedDataError, match=r"annotations\[1\]: its image has another record"):
        read(tmp_path, content(annotations=[one, one]))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 120)
    | st.floats()
    | st.sampled_from(["1", "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["counts", "size", "id", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["id", "image_id", "category_id", "segmentation", "bbox", "iscrowd", "height", "width"]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["images", "categories", "annotations"]),
        st.sampled_from([*KEYS, "file_name", "name", "segments_info"]),
        ANYTHING,
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@settings(
    max_examples=4000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES)
def test_whatever_a_json_holds_is_read_or_refused(
    tmp_path: Path, changes: list[tuple[str, str, object]]
) -> None:
    written = content()
    for where, key, value in changes:
        written[where][0][key] = value
    try:
        found = read(tmp_path, written)
    except CcxError:
        return
    for masks in found.values():
        for mask in masks.values():
            assert mask.dtype == np.bool_
            assert mask.ndim == 2
