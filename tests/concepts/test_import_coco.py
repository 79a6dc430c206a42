"""COCO's two kinds of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ccx_cli.concepts.importing.coco import read_coco
from ccx_cli.errors import DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.imported_sets import save_photograph
else:
    from imported_sets import save_photograph

CATEGORIES = [{"id": 7, "name": "person"}, {"id": 90, "name": "traffic light"}]
IMAGES = [
    {"id": 1, "file_name": "one.jpg", "height": 4, "width": 6},
    {"id": 2, "file_name": "two.jpg", "height": 4, "width": 6},
    {"id": 3, "file_name": "bare.jpg", "height": 4, "width": 6},
]
LEFT_HALF = {"size": [4, 6], "counts": [0, 12, 12]}
LAST_COLUMN_PACKED = {"size": [4, 6], "counts": "d04"}
TOP_LEFT = [[0, 0, 2, 0, 2, 2, 0, 2]]


def write(tmp_path: Path, annotations: list[dict[str, Any]], name: str = "coco.json") -> Path:
    path = tmp_path / name
    content = {"images": IMAGES, "categories": CATEGORIES, "annotations": annotations}
    path.write_text(json.dumps(content), encoding="utf-8")
    for image in ("one", "two", "bare"):
        save_photograph(tmp_path / f"photos/{image}.jpg", 4, 6)
    return path


def instance(image: int, category: int, segmentation: Any, crowd: int = 0) -> dict[str, Any]:
    return {
        "id": 5,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": crowd,
    }


def test_instances_of_all_forms_overlap(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [
            instance(1, 7, LEFT_HALF),
            instance(1, 90, TOP_LEFT),
            instance(1, 7, LAST_COLUMN_PACKED, crowd=1),
            instance(2, 90, [[0, 0, 1, 1], TOP_LEFT[0]]),
        ],
    )
    source = read_coco(path, tmp_path / "photos")
    assert [label.name for label in source.vocabulary] == ["person", "traffic light"]
    assert [image.name for image in source.images] == ["one", "two"]
    assert source.notes == ("Skipped 1 of 3 photographs of coco.json, which have no annotation.",)
    light, person = source.images[0].annotations[0].read()
    expected = np.zeros((4, 6), dtype=int)
    expected[:2, :2] = 2
    np.testing.assert_array_equal(light, expected)
    expected = np.zeros((4, 6), dtype=int)
    expected[:, [0, 1, 2, 5]] = 1
    np.testing.assert_array_equal(person, expected)
    (only,) = source.images[1].annotations[0].read()
    assert int((only == 2).sum()) == 4


def test_crowds_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, [instance(1, 7, LAST_COLUMN_PACKED, crowd=1)])
    source = read_coco(path, tmp_path / "photos", crowds=False)
    assert source.images[0].annotations[0].read() == []


def test_panoptic_segments_are_found_by_their_colors(tmp_path: Path) -> None:
    segments = [
        {"id": 3 + 256 * 2 + 65536, "category_id": 7, "iscrowd": 0},
        {"id": 9, "category_id": 90, "iscrowd": 1},
    ]
    path = write(
        tmp_path, [{"image_id": 2, "file_name": "two.png", "segments_info": segments}], "pan.json"
    )
    colors = np.zeros((4, 6, 3), dtype=np.uint8)
    colors[:, :3] = 3, 2, 1
    colors[0, 5] = 9, 0, 0
    (tmp_path / "pan").mkdir()
    Image.fromarray(colors).save(tmp_path / "pan/two.png")
    expected = np.zeros((4, 6), dtype=int)
    expected[:, :3] = 1
    (calm,) = read_coco(path, tmp_path / "photos", crowds=False).images[0].annotations[0].read()
    np.testing.assert_array_equal(calm, expected)
    expected[0, 5] = 2
    (found,) = read_coco(path, tmp_path / "photos").images[0].annotations[0].read()
    np.testing.assert_array_equal(found, expected)
    colors[3, 5] = 77, 0, 0
    Image.fromarray(colors).save(tmp_path / "pan/two.png")
    with pytest.raises(DamagedDataError, match=r"two\.png has a segment 77"):
        read_coco(path, tmp_path / "photos").images[0].annotations[0].read()


def test_photographs_that_are_not_there_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [instance(1, 7, LEFT_HALF), instance(2, 7, LEFT_HALF)])
    (tmp_path / "photos/two.jpg").unlink()
    source = read_coco(path, tmp_path / "photos")
    assert [image.name for image in source.images] == ["one"]
    assert source.notes[0].startswith("Skipped 1 of 2 annotated photographs, which are not in ")
    (tmp_path / "photos/one.jpg").unlink()
    with pytest.raises(MissingInputError, match="None of the photographs"):
        read_coco(path, tmp_path / "photos")


def test_a_region_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, [instance(1, 7, {"size": [4, 6], "counts": [3, 4]})])
    source = read_coco(path, tmp_path / "photos")
    with pytest.raises(
        DamagedDataError, match=r"coco\.json, annotations\[0\] \(id 5\): its region .*4x6"
    ):
        source.images[0].annotations[0].read()


def test_a_polygon_of_no_numbers_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, [instance(1, 7, [[0, 0, 3, 0, float("nan"), 2]])])
    with pytest.raises(DamagedDataError, match="a coordinate of a polygon is not a finite number"):
        read_coco(path, tmp_path / "photos")


@pytest.mark.parametrize(
    ("annotation", "fault"),
    [
        (instance(1, 8, LEFT_HALF), r"\[0\] \(id 5\): the file does not list its category 8; "),
        (instance(9, 7, LEFT_HALF), r"\[0\] \(id 5\): the file does not list its image 9; "),
        (
            {"image_id": 1, "file_name": "a", "segments_info": [{"id": 3, "category_id": 8}]},
            r"segments_info\[0\] of annotations\[0\] \(id 3\): the file does not list its category",
        ),
    ],
)
def test_what_is_not_listed_is_told(annotation: dict[str, Any], fault: str, tmp_path: Path) -> None:
    path = write(tmp_path, [annotation])
    with pytest.raises(DamagedDataError, match=fault):
        read_coco(path, tmp_path / "photos", tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a COCO JSON file"),
        ('{"images": [], "images": []}', 'has the key "images" twice'),
        ('{"images": []}', "categories must be a list of objects"),
        ('{"images": [3], "categories": [], "annotations": []}', "images must be a list"),
    ],
)
def test_other_jsons_are_refused(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(DamagedDataError, match=fault):
        read_coco(path, tmp_path)


def test_absent_panoptic_pngs_are_told_with_the_option(tmp_path: Path) -> None:
    path = write(tmp_path, [{"image_id": 2, "file_name": "two.png", "segments_info": []}])
    with pytest.raises(MissingInputError, match="`panoptic`"):
        read_coco(path, tmp_path / "photos")
