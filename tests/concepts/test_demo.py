"""The demo data set: its layout, its counts, its labels and how it lands on the disk."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts import demo
from ccx_cli.concepts.color_names import COLOR_NAMES
from ccx_cli.concepts.demo import demo_labels, write_demo_dataset
from ccx_cli.concepts.demo_colors import name_demo_colors
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.progress import SilentProgress, Task

Row = dict[str, str]

LABEL_NUMBERS = {label: number for number, label in enumerate(demo_labels(), start=1)}
CATEGORIES = tuple(dict.fromkeys(category for category, _ in LABEL_NUMBERS))


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_mask(path: Path) -> NDArray[np.int64]:
    rgb = np.asarray(Image.open(path)).astype(np.int64)
    return np.asarray(rgb[..., 0] + 256 * rgb[..., 1])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_dataset(tmp_path_factory.mktemp("datasets"))


def test_index_names_files_of_the_sizes_it_gives(dataset: Path) -> None:
    rows = rows_of(dataset / "index.csv")
    assert dataset.name == "broden1_224"
    assert 240 <= len(rows) <= 320
    assert [row["image"] for row in rows] == [f"demo/{n:06d}.jpg" for n in range(len(rows))]
    named = set()
    for row in rows:
        image = Image.open(dataset / "images" / row["image"])
        assert image.size == (int(row["iw"]), int(row["ih"])) == (224, 224)
        named.add(row["image"])
        for category in ("color", "object", "part", "material"):
            for cell in filter(None, row[category].split(";")):
                assert Image.open(dataset / "images" / cell).size == (112, 112)
                assert (row["sw"], row["sh"]) == ("112", "112")
                named.add(cell)
    images = dataset / "images"
    there = {path.relative_to(images).as_posix() for path in images.rglob("*.*")}
    assert named == there


def test_index_exercises_every_form_of_a_cell(dataset: Path) -> None:
    rows = rows_of(dataset / "index.csv")
    assert {row["split"] for row in rows} == {"train", "val"}
    assert any(";" in row["part"] for row in rows)
    assert any(row["part"] and ";" not in row["part"] for row in rows)
    assert any(not row["texture"] for row in rows)
    for (category, _), number in LABEL_NUMBERS.items():
        if category != "scene":
            continue
        of_scene = [row for row in rows if row["scene"] == str(number)]
        assert {row["split"] for row in of_scene} == {"train", "val"}


def test_tables_count_what_the_masks_hold(dataset: Path) -> None:
    frequency: defaultdict[int, int] = defaultdict(int)
    coverage: defaultdict[int, float] = defaultdict(float)
    for row in rows_of(dataset / "index.csv"):
        for category in CATEGORIES:
            covered: defaultdict[int, NDArray[np.bool_]] = defaultdict(
                lambda: np.zeros((112, 112), dtype=bool)
            )
            for cell in filter(None, row[category].split(";")):
                layer = (
                    np.full((112, 112), int(cell))
                    if cell.isdigit()
                    else read_mask(dataset / "images" / cell)
                )
                for label in np.unique(layer[layer > 0]):
                    covered[int(label)] |= layer == label
            for label, mask in covered.items():
                frequency[label] += 1
                coverage[label] += float(mask.mean())

    labels = rows_of(dataset / "label.csv")
    assert [int(row["number"]) for row in labels] == list(range(1, len(labels) + 1))
    by_number = {int(row["number"]): row for row in labels}
    assert set(frequency) == set(by_number), "every label occurs, and only labels do"
    for number, row in by_number.items():
        assert int(row["frequency"]) == frequency[number]
        assert float(row["coverage"]) == pytest.approx(coverage[number], abs=1e-5)

    for row in rows_of(dataset / "category.csv"):
        codes = rows_of(dataset / f"c_{row['name']}.csv")
        numbers = [int(code["number"]) for code in codes]
        assert (min(numbers), max(numbers)) == (int(row["first"]), int(row["last"]))
        assert len(codes) == int(row["count"])
        assert sum(int(code["frequency"]) for code in codes) == int(row["frequency"])
        for code in codes:
            label = by_number[int(code["number"])]
            assert label["name"] == code["name"]
            assert label["category"] == f"{row['name']}({code['frequency']})"
            assert label["coverage"] == code["coverage"]


def test_the_color_layer_names_the_colors_of_the_written_picture(dataset: Path) -> None:
    agreeing = []
    for row in rows_of(dataset / "index.csv")[::12]:
        image = np.asarray(Image.open(dataset / "images" / row["image"]), dtype=np.float64)
        cells = image.reshape(112, 2, 112, 2, 3).mean(axis=(1, 3))
        written = read_mask(dataset / "images" / row["color"])
        named = name_demo_colors(cells).astype(np.int64) + LABEL_NUMBERS["color", "black-c"]
        agreeing.append(float((written == named).mean()))
    assert np.mean(agreeing) > 0.9


def test_parts_lie_in_objects_that_have_them(dataset: Path) -> None:
    owners: defaultdict[str, set[str]] = defaultdict(set)
    names = {number: name for (_, name), number in LABEL_NUMBERS.items()}
    for row in rows_of(dataset / "index.csv"):
        objects = read_mask(dataset / "images" / row["object"])
        for cell in filter(None, row["part"].split(";")):
            parts = read_mask(dataset / "images" / cell)
            for number in np.unique(parts[parts > 0]):
                for owner in np.unique(objects[parts == number]):
                    owners[names[int(number)]].add(names[int(owner)])
    assert owners["wheel"] == owners["hub"] == {"car", "cart"}
    assert owners["window"] == {"car", "house", "building", "boat"}
    assert owners["head"] == {"person"}
    assert owners["cloud"] == {"sky"}


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 12), "black"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "grey"),
        ((206, 38, 40), "red"),
        ((36, 86, 190), "blue"),
        ((90, 160, 240), "blue"),
        ((60, 140, 60), "green"),
        ((246, 200, 40), "yellow"),
        ((240, 130, 30), "orange"),
        ((240, 130, 180), "pink"),
        ((118, 60, 170), "purple"),
        ((110, 70, 40), "brown"),
    ],
)
def test_clear_colors_have_their_names(rgb: tuple[int, int, int], name: str) -> None:
    assert COLOR_NAMES[int(name_demo_colors(np.array(rgb, dtype=np.uint8)))] == name


def test_every_file_is_the_same_each_time(dataset: Path, tmp_path: Path) -> None:
    again = write_demo_dataset(tmp_path)
    files = sorted(path.relative_to(dataset) for path in dataset.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for file in files:
        assert (dataset / file).read_bytes() == (again / file).read_bytes(), file


def test_side_227_has_masks_of_113(tmp_path: Path) -> None:
    written = write_demo_dataset(tmp_path, side=227)
    assert written == tmp_path / "broden1_227"
    row = rows_of(written / "index.csv")[0]
    assert (row["ih"], row["iw"], row["sh"], row["sw"]) == ("227", "227", "113", "113")
    assert Image.open(written / "images" / row["image"]).size == (227, 227)
    assert read_mask(written / "images" / row["object"]).shape == (113, 113)


class _KilledAt(SilentProgress):
    """Raises in the middle of the work, as an interrupt does."""

    def __init__(self, picture: int) -> None:
        self.left = picture

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        yield self

    def advance(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt


def test_killed_writing_leaves_no_data_set_and_the_next_run_completes(
    dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_demo_dataset(tmp_path, progress=_KilledAt(3))
    assert not (tmp_path / "broden1_224").exists()
    whole = write_demo_dataset(tmp_path)
    assert (whole / "index.csv").read_bytes() == (dataset / "index.csv").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "broden1_224"
    ]


def test_a_written_data_set_is_kept(dataset: Path) -> None:
    before = (dataset / "index.csv").stat().st_mtime_ns
    assert write_demo_dataset(dataset.parent) == dataset
    assert (dataset / "index.csv").stat().st_mtime_ns == before


def test_another_data_set_is_never_overwritten(tmp_path: Path) -> None:
    other = tmp_path / "broden1_224"
    other.mkdir()
    (other / "index.csv").write_text("image\n")
    with pytest.raises(UsageError, match="another dataset"):
        write_demo_dataset(tmp_path)
    assert [path.name for path in other.iterdir()] == ["index.csv"]


def test_an_impossible_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="224 or 227"):
        write_demo_dataset(tmp_path, side=299)


@pytest.mark.parametrize("left", [None, 1000], ids=["absent", "torn"])
def test_unreadable_scenes_are_named(
    left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = tmp_path / "demo_scenes.zip"
    if left is not None:
        scenes.write_bytes(demo.DEMO_SCENES.read_bytes()[:left])
    monkeypatch.setattr(demo, "DEMO_SCENES", scenes)
    with pytest.raises(DamagedDataError, match=r"demo_scenes\.zip cannot be read: reinstall"):
        write_demo_dataset(tmp_path / "datasets")
    assert not (tmp_path / "datasets" / "broden1_224").exists()
