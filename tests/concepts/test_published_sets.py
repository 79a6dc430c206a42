"""Readers of public sets: what their files mean, and files that are wrong."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.concepts.importing.coco_stuff_names import NAMES, THINGS
from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.pascal_parts import part_meaning
from ccx_cli.concepts.importing.published_sets import VOC_CLASSES, read_set
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.errors import DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.published_sets import cub, halves, png
else:
    from published_sets import cub, halves, png

ROOT = "CUB_200_2011"
LABELS = f"{ROOT}/attributes/image_attribute_labels.txt"


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    for content in cub().values():
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(tmp_path, filter="data")
    return tmp_path


def names_of(source: Source) -> dict[int, str]:
    return {label.number: label.name for label in source.vocabulary}


def test_labels_by_their_values() -> None:
    assert (len(NAMES), len(set(NAMES)), len(VOC_CLASSES)) == (182, 182, 20)
    assert (NAMES[0], NAMES[THINGS - 1], NAMES[THINGS], NAMES[-1]) == (
        *("person", "hair brush", "banner", "wood"),
    )
    assert (VOC_CLASSES[0], VOC_CLASSES[14], VOC_CLASSES[19]) == (
        *("aeroplane", "person", "tvmonitor"),
    )


@pytest.mark.parametrize(
    ("meaning", "names"),
    [
        ("leg", "lleg rleg lfleg rbleg lfuleg lflleg rblleg llleg luleg rlleg ruleg"),
        ("arm", "llarm luarm rlarm ruarm"),
        ("ear", "lear rear"),
        ("eye", "leye reye"),
        ("eyebrow", "lebrow rebrow"),
        ("hoof", "lfho rfho lbho rbho"),
        ("paw", "lfpa rbpa"),
        ("foot", "lfoot rfoot"),
        ("wheel", "fwheel bwheel wheel_1 wheel_12"),
        ("mirror", "leftmirror rightmirror"),
        ("license plate", "fliplate bliplate"),
        ("side", "leftside rightside hleftside hrightside cleftside_2"),
        ("front side", "frontside hfrontside cfrontside_1"),
        ("back side", "backside hbackside cbackside_9"),
        ("roof", "roofside hroofside croofside_3"),
        ("chain wheel", "chainwheel"),
        ("headlight", "headlight_1"),
        ("beak", "beak"),
        ("body", "body"),
        ("horn", "lhorn rhorn"),
        ("wing", "lwing rwing"),
        ("antler", "antler"),
    ],
)
def test_parts_are_called_without_their_places(meaning: str, names: str) -> None:
    assert {part_meaning(name) for name in names.split()} == {meaning}


def test_levels_of_gray_whatever_the_picture(tmp_path: Path) -> None:
    levels = {level: int(level > 127) for level in range(256)}
    values = halves(153, 102)
    colors = np.stack([values] * 3, axis=-1)
    for content in (png(values), png(values, "LA"), png(colors)):
        (tmp_path / "mask.png").write_bytes(content)
        (read,) = LabelPng("object", tmp_path / "mask.png", levels, Coding.GRAY).read()
        assert np.array_equal(read, values == 153)


def test_attributes_that_were_seen(birds: Path) -> None:
    source = read_set("cub200", birds)
    names = names_of(source)
    found = {
        image.path.stem: {(category, names[number]) for category, number in image.labels}
        for image in source.images
    }
    assert len(found) == 6
    # The line of image 3 has a 0 too many; its size was not visible.
    assert found["Bird_0003_3"] == {
        ("species", "Laysan Albatross"),
        ("bill-shape", "bill shape: curved (up or down)"),
        ("wing-color", "wing color: blue"),
    }
    assert [image.split for image in source.images] == ["train"] * 3 + ["test"] * 3


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (LABELS, "1 1 1 4 1.2", "1 1 1", "line 1: '1 1 1' must have 4 columns"),
        (LABELS, "1 1 1 4 1.2", "1 9 1 4 1.2", "the attribute 9 of image 1 is not in"),
        (LABELS, "1 1 1 4 1.2", "1 1 2 4 1.2", "neither 0 nor 1"),
        ("attributes.txt", "has_size::large", "size large", "'size large' is not has_KIND"),
        (f"{ROOT}/image_class_labels.txt", "2 1\n", "2 7\n", "the image 2 of images.txt has no"),
        (f"{ROOT}/train_test_split.txt", "2 1\n", "", "the image 2 of images.txt has no"),
    ],
)
def test_lists_that_are_wrong(birds: Path, file: str, old: str, new: str, said: str) -> None:
    text = (birds / file).read_text()
    assert old in text
    (birds / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DamagedDataError, match=re.escape(said)):
        read_set("cub200", birds)


def test_files_that_are_missing_or_no_text(birds: Path) -> None:
    classes = birds / ROOT / "classes.txt"
    kept = classes.read_bytes()
    classes.write_bytes(b"1 \xff\xfe")
    with pytest.raises(DamagedDataError, match="is not text"):
        read_set("cub200", birds)
    classes.unlink()
    with pytest.raises(MissingInputError, match=r"classes.txt is missing: restore it\."):
        read_set("cub200", birds)
    classes.write_bytes(kept)
    mask = next((birds / "segmentations").rglob("Bird*.png"))
    mask.unlink()
    with pytest.raises(MissingInputError, match=rf"{mask.name} is missing"):
        read_set("cub200", birds)
