"""What an import writes is what it read: round trips by the reader and the concept index."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.color_names import COLOR_NAMES
from ccx_cli.concepts.color_rules import COLOR_BOXES, COLOR_RULE
from ccx_cli.concepts.importing import writer
from ccx_cli.concepts.importing.folders import LabelFolder, read_image_folders, read_label_folders
from ccx_cli.concepts.importing.settings import Fit, ImportSettings
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.concepts.importing.writer import ImportSummary, read_color_rule, write_broden
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.store.paths import IMPORT_MARKER

if TYPE_CHECKING:
    from tests.imported_sets import (
        MASK,
        SIDE,
        StoppedAfter,
        check_tables,
        files_of,
        index_pixels,
        nearest,
        read_values,
        save_photograph,
        save_values,
    )
else:
    from imported_sets import (
        MASK,
        SIDE,
        StoppedAfter,
        check_tables,
        files_of,
        index_pixels,
        nearest,
        read_values,
        save_photograph,
        save_values,
    )

OBJECTS = {1: "car", 2: "bus", 3: "wheel", 4: "never seen"}
PARTS = {1: "wheel", 2: "door"}
SETTINGS = ImportSettings("set", (SIDE, SIDE))


def draw(root: Path, count: int = 5) -> Source:
    """Noise of several shapes, with objects and two levels of parts, some of them named alike."""
    random = np.random.default_rng(3)
    for number in range(count):
        height, width = int(random.integers(9, 40)), int(random.integers(9, 40))
        save_photograph(root / f"photos/{number}.jpg", height, width, number)
        save_values(root / f"object/{number}.png", random.integers(0, 4, (height, width)))
        save_values(root / f"part/{number}.png", random.integers(0, 3, (height, width)), "P")
        save_values(root / f"fine/{number}.png", random.integers(0, 3, (height, width)), "RGB")
    return read_label_folders(
        root / "photos",
        [
            LabelFolder("object", root / "object", OBJECTS),
            LabelFolder("part", root / "part", PARTS),
            LabelFolder("part", root / "fine", PARTS),
        ],
    )


def written(source: Source, datasets: Path, settings: ImportSettings = SETTINGS) -> ImportSummary:
    return write_broden(source, datasets, settings)


@pytest.mark.parametrize("fit", list(Fit))
def test_the_index_counts_the_pixels_of_the_masks(fit: Fit, tmp_path: Path) -> None:
    source = draw(tmp_path)
    summary = written(source, tmp_path / "data", ImportSettings("set", (SIDE, SIDE), fit))
    expected = dict.fromkeys(["car", "bus", "wheel", "door"], 0)
    for number in range(5):
        masks = {
            folder: nearest(read_values(tmp_path / f"{folder}/{number}.png"), crop=fit is Fit.CROP)
            for folder in ("object", "part", "fine")
        }
        part = [(masks["part"] == value) | (masks["fine"] == value) for value in range(3)]
        expected["car"] += int((masks["object"] == 1).sum())
        expected["bus"] += int((masks["object"] == 2).sum())
        expected["wheel"] += int(((masks["object"] == 3) | part[1]).sum())
        expected["door"] += int(part[2].sum())
    pixels = index_pixels(tmp_path / "data", "set")
    assert pixels == expected
    dataset = read_broden(tmp_path / "data", "set", SIDE)
    check_tables(dataset, pixels)
    assert dataset.mask_shape == (MASK, MASK)
    wheel = next(label for label in dataset.labels if label.name == "wheel")
    assert set(wheel.categories) == {"object", "part"}
    assert (summary.concepts, summary.unused) == (4, 1)
    by_category = {each.category: each for each in summary.categories}
    assert by_category["object"].concepts == 3
    assert by_category["part"].images == 5
    for row in dataset.rows:
        with Image.open(dataset.image_path(row.image)) as picture:
            assert picture.size == (SIDE, SIDE)


def test_colors_name_every_pixel(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, : SIDE // 2] = 220, 20, 20
    pixels[:, SIDE // 2 :] = 20, 40, 200
    Image.fromarray(pixels).save(tmp_path / "photos/a.png")
    source = read_label_folders(tmp_path / "photos", [])
    summary = written(source, tmp_path, ImportSettings("set", (SIDE, SIDE), colors=True))
    pixels_of = index_pixels(tmp_path, "set")
    assert sum(pixels_of.values()) == MASK * MASK
    assert summary.unused == len(COLOR_NAMES) - len(pixels_of)
    dataset = read_broden(tmp_path, "set", SIDE)
    (layer,) = read_label_maps(dataset, dataset.rows[0])
    # Beside the edge, a label pixel is of a mean of both.
    for columns, name in ((slice(MASK // 2 - 1), "red-c"), (slice(MASK // 2 + 1, MASK), "blue-c")):
        assert {dataset.label(number).name for number in np.unique(layer[:, columns])} == {name}
    with Image.open(dataset.image_path(dataset.rows[0].image)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_an_import_whose_colors_were_named_by_another_rule_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photograph(tmp_path / "photos/a.jpg")
    source = read_label_folders(tmp_path / "photos", [])
    settings = ImportSettings("set", (SIDE, SIDE), colors=True)
    directory = tmp_path / f"set/broden1_{SIDE}"
    with monkeypatch.context() as earlier:
        earlier.setattr(writer, "COLOR_RULE", "table-before")
        written(source, tmp_path, settings)
        assert read_color_rule(directory) == "table-before"
    with pytest.raises(UsageError, match="already exists"):
        written(source, tmp_path, settings)
    assert read_color_rule(directory) == "table-before"
    write_broden(source, tmp_path, settings, force=True)
    assert read_color_rule(directory) == COLOR_RULE
    assert written(source, tmp_path, settings).made_before

    # Those of the first version do not say the rule.
    marker = json.loads((directory / IMPORT_MARKER).read_text())
    del marker["color_rule"]
    (directory / IMPORT_MARKER).write_text(json.dumps(marker))
    assert read_color_rule(directory) == COLOR_BOXES
    (directory / IMPORT_MARKER).write_text(json.dumps(marker | {"colors": False}))
    assert read_color_rule(directory) is None
    assert read_color_rule(tmp_path) is None


def test_an_interrupted_import_starts_over_where_its_colors_were_named_by_another_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        save_photograph(tmp_path / f"photos/{name}.jpg")
    source = read_label_folders(tmp_path / "photos", [])
    settings = ImportSettings("set", (SIDE, SIDE), colors=True)
    partial = tmp_path / f"set/.broden1_{SIDE}.partial"
    with monkeypatch.context() as earlier:
        earlier.setattr(writer, "COLOR_RULE", "table-before")
        earlier.setattr(writer, "_write_tables", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            written(source, tmp_path, settings)
    before = list(partial.rglob("*_color.png"))
    assert len(before) == 2
    for path in before:
        path.write_bytes(b"named by another rule")
    written(source, tmp_path, settings)
    made = [path.read_bytes() for path in (tmp_path / f"set/broden1_{SIDE}").rglob("*_color.png")]
    assert len(made) == 2
    assert b"named by another rule" not in made


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_labels_of_whole_photographs_are_numbers_in_the_index(tmp_path: Path) -> None:
    for name in ("street/1", "street/2", "beach/1"):
        save_photograph(tmp_path / f"photos/{name}.jpg")
    summary = written(read_image_folders(tmp_path / "photos"), tmp_path / "data")
    assert index_pixels(tmp_path / "data", "set") == {"street-s": 128, "beach-s": 64}
    assert summary.categories[0].coverage == 1.0
    rows = read_broden(tmp_path / "data", "set", SIDE).rows
    assert [row.image for row in rows] == [
        "set/beach/1.jpg",
        "set/street/1.jpg",
        "set/street/2.jpg",
    ]


def test_a_stopped_run_is_no_data_set_and_goes_on(tmp_path: Path) -> None:
    source = draw(tmp_path, 40)
    with pytest.raises(KeyboardInterrupt):
        write_broden(source, tmp_path / "data", SETTINGS, progress=StoppedAfter(20))
    target = tmp_path / f"data/set/broden1_{SIDE}"
    assert not target.exists()
    journal = tmp_path / f"data/set/.broden1_{SIDE}.partial/journal.jsonl"
    assert len(journal.read_bytes().splitlines()) == 33
    with journal.open("ab") as torn:
        torn.write(b'{"stem": "set/39", "files')
    # One that has changed since is taken in again.
    save_values(tmp_path / "object/3.png", np.ones((50, 50)))
    save_photograph(tmp_path / "photos/3.jpg", 50, 50)
    save_values(tmp_path / "part/3.png", np.ones((50, 50)), "P")
    save_values(tmp_path / "fine/3.png", np.ones((50, 50)), "RGB")
    listener = StoppedAfter(999)
    write_broden(source, tmp_path / "data", SETTINGS, progress=listener)
    assert listener.done == 31
    write_broden(source, tmp_path / "again", SETTINGS)
    assert files_of(target) == files_of(tmp_path / f"again/set/broden1_{SIDE}")


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    source = draw(tmp_path, 40)
    for workers in (1, 3):
        write_broden(source, tmp_path / str(workers), SETTINGS, workers=workers)
    one, three = (files_of(tmp_path / f"{n}/set/broden1_{SIDE}") for n in (1, 3))
    assert one == three


def test_a_partial_run_of_other_settings_is_not_used(tmp_path: Path) -> None:
    source = draw(tmp_path, 20)
    with pytest.raises(KeyboardInterrupt):
        write_broden(source, tmp_path / "data", SETTINGS, progress=StoppedAfter(5))
    listener = StoppedAfter(999)
    other = ImportSettings("set", (SIDE, SIDE), Fit.STRETCH)
    write_broden(source, tmp_path / "data", other, progress=listener)
    assert listener.done == 0


def test_an_import_is_overwritten_only_by_force_and_others_never(tmp_path: Path) -> None:
    source = draw(tmp_path)
    written(source, tmp_path / "data")
    target = tmp_path / f"data/set/broden1_{SIDE}"
    before = (target / "index.csv").read_bytes()
    stretched = ImportSettings("set", (SIDE, SIDE), Fit.STRETCH)
    with pytest.raises(UsageError, match="`force`"):
        written(source, tmp_path / "data", stretched)
    written(source, tmp_path / "data", ImportSettings("other", (SIDE, SIDE)))
    assert (target / "index.csv").read_bytes() == before
    beside = files_of(tmp_path / "data/other")
    write_broden(source, tmp_path / "data", stretched, force=True)
    assert read_broden(tmp_path / "data", "set", SIDE).rows
    assert json.loads((target / IMPORT_MARKER).read_text())["fit"] == "stretch"
    assert files_of(tmp_path / "data/other") == beside
    assert [path.name for path in target.parent.iterdir() if path.is_dir()] == [target.name]
    (target / IMPORT_MARKER).unlink()
    with pytest.raises(UsageError, match="never overwrites"):
        write_broden(source, tmp_path / "data", SETTINGS, force=True)


def test_labels_of_another_shape_are_told(tmp_path: Path) -> None:
    source = draw(tmp_path)
    save_values(tmp_path / "object/2.png", np.ones((7, 39)))
    with pytest.raises(
        DamagedDataError, match=r"object/2\.png labels 7x39 pixels but .*2\.jpg has"
    ):
        written(source, tmp_path / "data")
    assert not (tmp_path / f"data/set/broden1_{SIDE}").exists()


def test_labels_of_half_the_size_are_taken(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/a.jpg", 40, 60)
    save_values(tmp_path / "masks/a.png", np.ones((20, 30)))
    folders = [LabelFolder("object", tmp_path / "masks", OBJECTS)]
    made = written(read_label_folders(tmp_path / "photos", folders), tmp_path / "data")
    assert index_pixels(tmp_path / "data", "set") == {"car": MASK * MASK}
    (note,) = made.notes
    assert re.search(r"were scaled .* in 1 of 1 images, .*a\.jpg \(20x30 for 40x60 pixels\)", note)


def test_photographs_without_any_label_make_no_data_set(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/a.jpg")
    with pytest.raises(UsageError, match="`colors`"):
        written(read_label_folders(tmp_path / "photos", []), tmp_path / "data")


@pytest.mark.parametrize(
    ("size", "val_share", "option"),
    [
        ((1, 1), None, "`side` 1"),
        ((64, 9999), None, "`side` 64x9999"),
        ((SIDE, SIDE), 1.5, "`val_share` 1.5"),
    ],
)
def test_settings_out_of_bounds_are_refused(
    size: tuple[int, int], val_share: float | None, option: str
) -> None:
    with pytest.raises(UsageError, match=option):
        ImportSettings("set", size, val_share=val_share)


@pytest.mark.parametrize("colors", [False, True])
def test_values_that_no_name_covers_are_said(colors: bool, tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.png")
    save_values(tmp_path / "masks/1.png", [[0, 255]])
    folders = [LabelFolder("object", tmp_path / "masks", {0: "", 1: "lesion"})]
    source = read_label_folders(tmp_path / "photos", folders)
    settings = ImportSettings("set", (SIDE, SIDE), colors=colors)
    said = "he label PNGs of object hold no value that has a name .* only 0, 255"
    if colors:
        assert re.search(f"^T{said}", written(source, tmp_path / "data", settings).notes[0])
    else:
        with pytest.raises(UsageError, match=f"has a label: t{said}"):
            written(source, tmp_path / "data", settings)


def test_a_largest_value_that_no_pixel_has_is_said(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.png")
    save_values(tmp_path / "masks/1.png", [[0, 1]])
    names, file = {1: "cat", 2: "dog"}, Path("names.txt")
    folder = LabelFolder("object", tmp_path / "masks", names, names_file=file)
    made = written(read_label_folders(tmp_path / "photos", [folder]), tmp_path / "data")
    assert "has the largest value of names.txt, 2 (dog)" in made.notes[0]


def test_255_is_a_label_where_it_has_a_name(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.png")
    save_values(tmp_path / "masks/1.png", [[0, 255]])
    folder = LabelFolder("object", tmp_path / "masks", {0: "", 255: "lesion"})
    for kind in ("folder", "voc"):
        source = read_label_folders(tmp_path / "photos", [folder], kind=kind)
        assert source.images[0].annotations[0].read()[0].tolist() == [[0, 1]]


def test_the_categories_of_many_concepts_are_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cat", "dog", "hen"):
        save_photograph(tmp_path / f"photos/{name}/1.png")
    source = read_image_folders(tmp_path / "photos", "scene")
    asked = []

    def counted(self: Source) -> tuple[str, ...]:
        asked.append(self)
        return ("scene",)

    monkeypatch.setattr(Source, "categories", property(counted))
    assert written(source, tmp_path, ImportSettings("set", (SIDE, SIDE))).concepts == 3
    assert len(asked) <= 2
