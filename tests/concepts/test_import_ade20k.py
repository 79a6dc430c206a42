"""ADE20K's full annotations: made ones, and real ones where they lie beside the repository."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ccx_cli.concepts.importing.ade20k import read_ade20k
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.writer import write_broden
from ccx_cli.errors import DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.imported_sets import index_pixels, nearest, save_photograph
else:
    from imported_sets import index_pixels, nearest, save_photograph

REAL = Path(__file__).parents[2] / "../shared/real/ade20k"
CAR, WHEEL, CRANE, BIRD = 401, 2900, 30, 31


def thing(index: int, name: str, level: int = 0) -> dict[str, Any]:
    return {"name": name, "name_ndx": index, "raw_name": "raw", "parts": {"part_level": level}}


def annotate(
    folder: Path, name: str, things: list[dict[str, Any]], scene: object, encoding: str = "utf-8"
) -> None:
    save_photograph(folder / f"{name}.jpg", 8, 8)
    content = {"annotation": {"scene": scene, "object": things}}
    (folder / f"{name}.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))


def paint(path: Path, indices: list[list[int]]) -> None:
    values = np.kron(np.array(indices), np.ones((4, 4), dtype=int))
    rgb = np.stack([values // 256 * 10, values % 256, values * 0 + 5], axis=-1)
    Image.fromarray(rgb.astype(np.uint8)).save(path)


def test_objects_parts_and_scenes_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "validation/urban/street"
    things = [thing(CAR, "car, auto"), thing(WHEEL, "wheel", 1), thing(WHEEL, "wheel", 2)]
    annotate(folder, "ADE_val_1", things, ["outdoor", "urban", "street"])
    paint(folder / "ADE_val_1_seg.png", [[CAR, CAR], [0, CAR]])
    paint(folder / "ADE_val_1_parts_1.png", [[WHEEL, 0], [0, 0]])
    paint(folder / "ADE_val_1_parts_2.png", [[0, WHEEL], [0, 0]])
    source = read_ade20k(tmp_path)
    (image,) = source.images
    assert (image.name, image.split) == ("ADE_val_1", "val")
    assert [(label.name, label.categories, label.synonyms) for label in source.vocabulary] == [
        ("car", ("object",), ("auto",)),
        ("wheel", ("part",), ()),
        ("street-s", ("scene",), ()),
    ]
    maps = [found for annotation in image.annotations for found in annotation.read()]
    assert [annotation.category for annotation in image.annotations] == ["object", "part", "part"]
    assert [found[::4, ::4].tolist() for found in maps] == [
        [[1, 1], [0, 1]],
        [[2, 0], [0, 0]],
        [[0, 2], [0, 0]],
    ]


def test_names_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    things = [thing(BIRD, "crane, bird"), thing(CRANE, "crane, machine"), thing(CRANE, "crane")]
    annotate(tmp_path, "a", things, "", encoding="latin-1")
    paint(tmp_path / "a_seg.png", [[CRANE, BIRD]])
    names = [label.name for label in read_ade20k(tmp_path).vocabulary]
    assert names == ["crane", "crane, bird", f"{tmp_path.name}-s"]


def test_photographs_without_a_segmentation_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        annotate(tmp_path, name, [thing(CAR, "car")], ["street"])
    paint(tmp_path / "a_seg.png", [[CAR]])
    source = read_ade20k(tmp_path)
    assert [image.name for image in source.images] == ["a"]
    assert source.notes == ("Skipped 1 of 2 photographs, which have no *_seg.png.",)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    annotate(tmp_path, "a", [thing(CAR, "car")], ["street"], encoding="utf-8-sig")
    paint(tmp_path / "a_seg.png", [[CAR]])
    assert [label.name for label in read_ade20k(tmp_path).vocabulary] == ["car", "street-s"]


def test_a_file_that_is_not_utf8_is_read_as_latin1(tmp_path: Path) -> None:
    annotate(tmp_path, "a", [thing(CAR, "café, coffee shop")], ["café"], encoding="latin-1")
    paint(tmp_path / "a_seg.png", [[CAR]])
    assert [label.name for label in read_ade20k(tmp_path).vocabulary] == ["café", "café-s"]


def test_an_index_without_a_name_is_told(tmp_path: Path) -> None:
    annotate(tmp_path, "a", [thing(CAR, "car")], ["street"])
    paint(tmp_path / "a_seg.png", [[CAR, WHEEL]])
    source = read_ade20k(tmp_path)
    with pytest.raises(DamagedDataError, match=r"a_seg\.png holds the name index 2900"):
        source.images[0].annotations[0].read()


def test_what_is_missing_or_other_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"\*_seg\.png"):
        read_ade20k(tmp_path)
    paint(tmp_path / "a_seg.png", [[CAR]])
    with pytest.raises(MissingInputError, match=r"a\.json cannot be read"):
        read_ade20k(tmp_path)
    (tmp_path / "a.json").write_text('{"annotation": {"object": [{}]}}')
    with pytest.raises(DamagedDataError, match=r"a\.json is not an ADE20K annotation, .*name_ndx"):
        read_ade20k(tmp_path)
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(DamagedDataError, match=r"a\.json is nested too deeply"):
        read_ade20k(tmp_path)
    (tmp_path / "a.json").write_text('{"annotation": {"object": []}}')
    with pytest.raises(MissingInputError, match=r"a\.jpg is missing"):
        read_ade20k(tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason="the real annotations are not here")
def test_real_annotations_come_out_with_their_pixels(tmp_path: Path) -> None:
    source = read_ade20k(REAL)
    assert len(source.images) == 3
    assert {image.split for image in source.images} == {"train"}
    summary = write_broden(source, tmp_path, ImportSettings("ade", (224, 224), colors=True))
    pixels = index_pixels(tmp_path, "ade", 224)
    assert len(pixels) == summary.concepts
    expected: Counter[str] = Counter()
    for path in sorted(REAL.rglob("ADE_train_*.json")):
        things = json.loads(path.read_text(encoding="utf-8"))["annotation"]["object"]
        names = {each["name_ndx"]: each["name"].partition(",")[0] for each in things}
        layers = [path.with_name(f"{path.stem}_seg.png"), *path.parent.glob(f"{path.stem}_parts_*")]
        grids = []
        for layer in layers:
            rgb = np.asarray(Image.open(layer)).astype(int)
            grids.append(nearest(rgb[..., 0] // 10 * 256 + rgb[..., 1], 112))
        for row, column in np.ndindex(112, 112):
            expected.update({names[int(g[row, column])] for g in grids if g[row, column]})
    expected["street-s"] = 3 * 112 * 112
    assert {name: count for name, count in pixels.items() if not name.endswith("-c")} == expected
    assert sum(count for name, count in pixels.items() if name.endswith("-c")) == 3 * 112 * 112
