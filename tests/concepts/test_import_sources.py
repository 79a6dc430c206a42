"""Readers of label folders, names files and folders of photographs; names that files can have."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.concepts.importing.folders import LabelFolder, read_image_folders, read_label_folders
from ccx_cli.concepts.importing.names_file import Names, read_names
from ccx_cli.concepts.importing.settings import check_subset, subset_of
from ccx_cli.concepts.importing.sources import Source, VocabularyBuilder
from ccx_cli.concepts.importing.writer import name_images
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError

if TYPE_CHECKING:
    from tests.imported_sets import save_photograph, save_values
else:
    from imported_sets import save_photograph, save_values


def read(tmp_path: Path, text: str, first: int | None = None) -> Names:
    path = tmp_path / "names.txt"
    path.write_text(text, encoding="utf-8")
    return read_names(path, first)


@pytest.mark.parametrize(
    "text",
    [
        "1 car\n2 traffic light\n",
        "# what is what\n1,car\n\n2,traffic light\n",
        "1: car\r\n2: traffic light",
        "\ufeff1\tcar\n2\ttraffic light\n",
        "car\ntraffic light\n",
        '{"1": "car", "2": "traffic light"}',
        '["car", "traffic light"]',
    ],
)
def test_names_are_read_in_every_form(text: str, tmp_path: Path) -> None:
    names = read(tmp_path, text)
    assert names.numbers == {1: "car", 2: "traffic light"}
    assert names.counted is ("1" not in text)


def test_a_list_that_begins_with_the_background_counts_from_0(tmp_path: Path) -> None:
    names = read(tmp_path, "background\ncar\n")
    assert names.numbers == {0: "", 1: "car"}
    assert "numbered from 0 (background is 0)" in names.form


COUNTED = {
    "car\nroad\nsky\n": True,
    '["car", "road", "sky"]': True,
    "background\ncar\nroad\nsky\n": False,
    "1 car\n2 road\n3 sky\n": False,
}


@pytest.mark.parametrize("text", COUNTED)
@pytest.mark.parametrize(
    ("values", "is_clear"),
    [
        ([[0, 3], [0, 1]], True),
        ([[3, 3], [3, 3]], True),
        ([[0, 1], [2, 2]], False),  # Counted from 0, or with no sky.
        ([[1, 1], [2, 255]], False),
        ([[0, 0], [255, 255]], True),  # None of them.
    ],
)
def test_names_without_values_need_a_mask_that_has_the_last_one(
    text: str, values: list[list[int]], is_clear: bool, tmp_path: Path
) -> None:
    for name, pixels in (("a", [[0, 0]]), ("b", values)):
        save_photograph(tmp_path / f"photos/{name}.jpg")
        save_values(tmp_path / f"masks/{name}.png", pixels)

    def source(first: int | None = None, void: tuple[int, ...] = ()) -> Source:
        names = read(tmp_path, text, first)
        file, given = tmp_path / "names.txt", (names.numbers, names.colors)
        folder = LabelFolder("object", tmp_path / "masks", *given, file, names.counted)
        return read_label_folders(tmp_path / "photos", [folder], void or None)

    if is_clear or not COUNTED[text]:
        assert {label.name for label in source().vocabulary} == {"car", "road", "sky"}
    else:
        with pytest.raises(UsageError, match=r"with the value 3, .*`first` which value car has"):
            source()
    if COUNTED[text]:
        assert len(source(first=0).vocabulary) == len(source(first=1).vocabulary) == 3
        # What is left out may be the value after the last of those that count from 0.
        if (np.array(values) == 3).any():
            with pytest.raises(UsageError, match="whether they count from 0 or 1"):
                source(void=(3,))


def test_the_first_value_can_be_said(tmp_path: Path) -> None:
    assert read(tmp_path, "road\ncar\n", first=0).numbers == {0: "road", 1: "car"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "contains no names"),
        ("1 car\n1 bus\n", "names the value 1 twice"),
        ("70000 car\n", "above 65535"),
        ("1 car\nbus\n", "line 2, 'bus', of another form"),
        ('{"one": "car"}', "'one' is not a number"),
        ('{"1": ["car"]}', '\\["car"\\] is not a name'),
        ("{", "not JSON from line 1, column 2 on"),
    ],
)
def test_names_files_that_are_none_are_refused(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match=fault):
        read(tmp_path, text)


def test_a_concept_has_one_number_in_all_its_categories() -> None:
    vocabulary = VocabularyBuilder()
    numbers = [
        vocabulary.number(name, category)
        for name, category in [
            ("wheel", "object"),
            ("street", "object"),
            ("wheel", "part"),
            ("street", "scene"),
            ("red", "color"),
        ]
    ]
    assert numbers == [1, 2, 1, 3, 4]
    assert [(label.name, label.categories) for label in vocabulary.labels()] == [
        ("wheel", ("object", "part")),
        ("street", ("object",)),
        ("street-s", ("scene",)),
        ("red-c", ("color",)),
    ]


NAMES = {1: "car", 2: "bus"}


def test_label_maps_are_paired_with_photographs(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/a/1.jpg")
    save_photograph(tmp_path / "photos/b.png")
    save_photograph(tmp_path / "photos/none.png")
    save_values(tmp_path / "photos/masks/a/1.png", [[0, 1], [255, 2]])
    save_values(tmp_path / "photos/masks/b.png", [[2]])
    save_values(tmp_path / "parts/b.png", [[1]])
    source = read_label_folders(
        tmp_path / "photos",
        [
            LabelFolder("object", tmp_path / "photos/masks", NAMES),
            LabelFolder("part", tmp_path / "parts", {1: "wheel"}),
        ],
    )
    assert [(image.name, len(image.annotations)) for image in source.images] == [
        ("a/1", 1),
        ("b", 2),
    ]
    assert source.notes == ("Skipped 1 of 3 photographs, which have no label PNG.",)
    (found,) = source.images[0].annotations[0].read()
    assert found.tolist() == [[0, 2], [0, 1]] or found.tolist() == [[0, 1], [0, 2]]
    assert source.categories == ("object", "part")


def test_zero_is_a_label_where_it_has_a_name(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.jpg")
    save_values(tmp_path / "masks/1.png", [[0, 1]])
    folders = [LabelFolder("object", tmp_path / "masks", {0: "road", 1: "car"})]
    source = read_label_folders(tmp_path / "photos", folders)
    (found,) = source.images[0].annotations[0].read()
    named = {label.number: label.name for label in source.vocabulary}
    assert [named[int(number)] for number in found[0]] == ["road", "car"]


def test_a_value_without_a_name_is_told_with_its_mends(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.jpg")
    save_values(tmp_path / "masks/1.png", [[0, 9]])
    source = read_label_folders(
        tmp_path / "photos", [LabelFolder("object", tmp_path / "masks", NAMES)]
    )
    with pytest.raises(DamagedDataError, match=r"1\.png holds the value 9, .* `void` 9\.$"):
        source.images[0].annotations[0].read()


def test_a_label_map_without_a_photograph_is_told(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.jpg")
    save_values(tmp_path / "masks/2.png", [[1]])
    folders = [LabelFolder("object", tmp_path / "masks", NAMES)]
    with pytest.raises(MissingInputError, match=r"2\.png has no photograph 2 in .*photos: give"):
        read_label_folders(tmp_path / "photos", folders)
    (tmp_path / "masks/2.png").rename(tmp_path / "masks/CAFE 2.png")
    save_photograph(tmp_path / "photos/cafe_2.jpg")
    with pytest.raises(MissingInputError, match=r"CAFE 2 in .* \(there is .*cafe_2\.jpg\): give"):
        read_label_folders(tmp_path / "photos", folders)


def test_an_ending_may_be_written_in_either_unicode_form(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.ppm")
    composed = unicodedata.normalize("NFC", "_é")
    decomposed = unicodedata.normalize("NFD", composed)
    for ending, given in ((composed, decomposed), (decomposed, composed)):
        save_values(tmp_path / f"{given}/1{ending}.png", [[1]])
        folder = LabelFolder("object", tmp_path / given, NAMES)
        (image,) = read_label_folders(tmp_path / "photos", [folder], suffix=given).images
        assert len(image.annotations) == 1


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_folders_without_photographs_are_told(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/._a.jpg").write_bytes(b"not a photograph")
    with pytest.raises(MissingInputError, match=folder):
        read_label_folders(tmp_path / folder, [])


def test_folders_name_whole_photographs(tmp_path: Path) -> None:
    for name in ("street/1", "street/2", "beach/1"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path)
    assert [label.name for label in source.vocabulary] == ["beach-s", "street-s"]
    assert {image.name: image.labels for image in source.images} == {
        "beach/1": (("scene", 1),),
        "street/1": (("scene", 2),),
        "street/2": (("scene", 2),),
    }


def test_folders_of_splits_are_seen_as_such(tmp_path: Path) -> None:
    for name in ("train/dots/1", "valid/dots/1", "valid/lines/2"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path, "texture")
    assert [label.name for label in source.vocabulary] == ["dots", "lines"]
    assert [image.split for image in source.images] == ["train", "val", "val"]


@pytest.mark.parametrize("split", ["dev", "Valid", "evaluation"])
def test_a_split_of_any_name_is_one(split: str, tmp_path: Path) -> None:
    for name in ("train/dots/1", f"{split}/dots/1", "test/1", "test/2"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path, "texture")
    assert [label.name for label in source.vocabulary] == ["dots"]
    assert sorted(image.split for image in source.images) == ["train", "val"]
    (note,) = source.notes
    assert note == "Skipped the split test, which has no folders of labels (photographs: 2)."


def test_splits_in_folders_of_labels_are_followed(tmp_path: Path) -> None:
    for name in ("cat/train/1", "cat/test/1", "dog/train/1", "dog/test/1", "dog/big/images/1"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path)
    assert [label.name for label in source.vocabulary] == ["cat-s", "dog-s"]


def test_splits_in_all_folders_of_labels_are_splits(tmp_path: Path) -> None:
    for name in ("cat/train/1", "cat/test/1", "dog/train/1", "dog/val/1"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path)
    assert [image.split for image in source.images] == ["test", "train", "train", "val"]
    assert not source.notes


def test_folders_in_those_of_labels_are_said(tmp_path: Path) -> None:
    for name in ("a/abbey/1", "a/alley/1", "b/bar/1"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path)
    assert [label.name for label in source.vocabulary] == ["a-s", "b-s"]
    assert source.notes == (
        "The folders in those of the labels, such as a/abbey, were not taken as labels.",
    )


def test_words_beside_a_split_do_not_make_it_a_label(tmp_path: Path) -> None:
    for name in ("training_set/cats/1", "test_set/cats/1", "val2017/cats/1"):
        save_photograph(tmp_path / f"sets/{name}.jpg")
    source = read_image_folders(tmp_path / "sets")
    assert [label.name for label in source.vocabulary] == ["cats-s"]
    assert sorted(image.split for image in source.images) == ["test", "train", "val"]
    for name in ("train_station/1", "test_tube/1"):
        save_photograph(tmp_path / f"labels/{name}.jpg")
    source = read_image_folders(tmp_path / "labels")
    assert [label.name for label in source.vocabulary] == ["test_tube-s", "train_station-s"]


def test_a_folder_without_photographs_is_told(tmp_path: Path) -> None:
    save_photograph(tmp_path / "cat/1.jpg")
    for name in ("dog", ".git", "@eaDir"):
        (tmp_path / name).mkdir()
    assert read_image_folders(tmp_path).notes == ("Skipped folders without photographs: dog.",)
    (tmp_path / "cat").rename(tmp_path / "train")
    (tmp_path / "train/cow").mkdir()
    (tmp_path / "train/1.jpg").rename(tmp_path / "train/cow/1.jpg")
    (tmp_path / "dog").rename(tmp_path / "val")
    assert read_image_folders(tmp_path).notes == ("Skipped folders without photographs: val.",)


def test_a_label_png_may_be_called_as_the_photographs_file(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.jpg")
    save_values(tmp_path / "masks/1.jpg.png", [[0, 1]])
    folder = LabelFolder("object", tmp_path / "masks", {1: "cat"})
    (image,) = read_label_folders(tmp_path / "photos", [folder]).images
    assert (image.name, len(image.annotations)) == ("1", 1)
    save_values(tmp_path / "masks/1.png", [[1, 0]])
    with pytest.raises(UsageError, match=r"1\.jpg\.png and .*1\.png are both label PNGs of"):
        read_label_folders(tmp_path / "photos", [folder])


def test_a_split_of_images_alone_has_no_labels(tmp_path: Path) -> None:
    for name in ("train/n01/images/1", "train/n02/images/1", "val/images/1", "test/images/1"):
        save_photograph(tmp_path / f"{name}.jpg")
    source = read_image_folders(tmp_path)
    assert [label.name for label in source.vocabulary] == ["n01-s", "n02-s"]
    assert len(source.notes) == 2


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (("train/cat/1", "val/cat/1", "extra/cat/1"), "beside others"),
        (("train/cat/1", "holdout/cat/1"), r"splits \(train\) beside others \(holdout\)"),
        (("trainval/cat/1", "test/cat/1"), r"splits \(test\) beside others \(trainval\)"),
        (("train/1", "val/1"), "without folders of labels"),
        (("cat/1", "cat/gt/1", "dog/1"), "The folder gt in"),
        (("images/cat/1", "images/dog/1"), "in one folder, images"),
        (("set/train/cat/1", "set/val/cat/1"), "in one folder, set"),
        (("images/1", "masks/1"), "The folder images in .* can hardly be a label"),
        (("train/Images/1", "train/cat/1"), "The folder Images in .* can hardly be a label"),
        (("photos/1", "masks/1"), "The folder masks in .* can hardly be a label"),
        (("cup/test/1", "cup/ground_truth/1", "pen/test/1"), "The folder ground_truth in"),
        (
            ("fold1/cat/1", "fold1/dog/1", "fold2/cat/1", "fold2/dog/1", "fold2/cow/1"),
            r"fold1, fold2 of .* have the same folders in them \(cat, dog\)",
        ),
        (
            ("train/train/cat/1", "train/train/dog/1", "test/test/cat/1", "test/test/dog/1"),
            "in one folder, test",
        ),
    ],
)
def test_folders_that_may_be_meant_otherwise_are_refused(
    names: tuple[str, ...], fault: str, tmp_path: Path
) -> None:
    for name in names:
        save_photograph(tmp_path / f"{name}.jpg")
    with pytest.raises(UsageError, match=fault):
        read_image_folders(tmp_path)


def test_a_stray_photograph_in_a_split_is_told(tmp_path: Path) -> None:
    for name in ("train/cat/1", "val/cat/1", "train/overview"):
        save_photograph(tmp_path / f"{name}.jpg")
    with pytest.raises(DamagedDataError, match=r"overview\.jpg is in no folder"):
        read_image_folders(tmp_path)


def test_folders_of_systems_are_skipped_and_links_followed(tmp_path: Path) -> None:
    for name in ("cat/1", ".ipynb_checkpoints/1", "cat/@eaDir/1", "__MACOSX/cat/1"):
        save_photograph(tmp_path / f"set/{name}.jpg")
    save_photograph(tmp_path / "elsewhere/1.jpg")
    (tmp_path / "set/dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/dog/again").symlink_to(tmp_path / "elsewhere")
    source = read_image_folders(tmp_path / "set")
    assert [image.name for image in source.images] == ["cat/1", "dog/1"]
    (tmp_path / "set/cow").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MissingInputError, match=r"cow links to .*nowhere, which is missing"):
        read_image_folders(tmp_path / "set")


def test_label_pngs_are_not_taken_for_photographs(tmp_path: Path) -> None:
    for number in (1, 2):
        save_photograph(tmp_path / f"cat/{number}.jpg")
        save_values(tmp_path / f"cat/{number}_mask.png", [[0, 1]])
    with pytest.raises(UsageError, match=r"1_mask\.png looks like a label PNG"):
        read_image_folders(tmp_path)


def test_label_pngs_beside_photographs_that_are_pngs_are_not_taken_for_such(tmp_path: Path) -> None:
    for name in ("benign/a (1)", "benign/a (2)", "normal/b (1)"):
        save_photograph(tmp_path / f"{name}.png")
    save_photograph(tmp_path / "normal/a_2.png")
    for name in ("benign/a (1)_mask", "benign/a (2)_mask", "benign/a (2)_mask_1"):
        save_values(tmp_path / f"{name}.png", [[0, 1]])
    with pytest.raises(
        UsageError, match=r"a \(1\)_mask\.png looks like a label PNG beside its .*\)\.png"
    ):
        read_image_folders(tmp_path)
    for path in tmp_path.glob("benign/*_mask*"):
        save_photograph(path)
    assert len(read_image_folders(tmp_path).images) == 7


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    for name in ("cat/1", "dog/2"):
        save_photograph(tmp_path / f"{name}.jpg")
    (tmp_path / "cat/x").symlink_to("../dog")
    (tmp_path / "dog/y").symlink_to("../cat")
    source = read_image_folders(tmp_path)
    assert [image.name for image in source.images] == ["cat/1", "cat/x/2", "dog/2", "dog/y/1"]


def test_a_photograph_in_no_folder_is_told(tmp_path: Path) -> None:
    save_photograph(tmp_path / "dots/1.jpg")
    save_photograph(tmp_path / "stray.jpg")
    with pytest.raises(DamagedDataError, match=r"stray\.jpg is in no folder"):
        read_image_folders(tmp_path)


def test_splits_are_chosen_by_seed(tmp_path: Path) -> None:
    for number in range(10):
        save_photograph(tmp_path / f"dots/{number}.jpg", 2, 2)
    source = read_image_folders(tmp_path)
    drawn = [image.split for image in source.with_splits(0.3, 1).images]
    assert drawn.count("val") == 3
    assert drawn == [image.split for image in source.with_splits(0.3, 1).images]
    assert drawn != [image.split for image in source.with_splits(0.3, 2).images]
    assert {image.split for image in source.with_splits(None, 1).images} == {"train"}


def test_names_become_files_of_their_own() -> None:
    names = ["a", "a_object", "a_object_2", "b_object", "x;y", "a", "../c", "é"]
    stems = name_images(names, "set", ("object", "part"))
    assert stems == [
        "set/a",
        "set/a_object-image",
        "set/a_object_2-image",
        "set/b_object",
        "set/x_y",
        "set/a-2",
        "set/_/c",
        "set/é",
    ]


@pytest.mark.parametrize("name", ["", "all", "demo", "a/b", "..", "-x", "a b"])
def test_names_that_no_set_can_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="`subset`"):
        check_subset(name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("/data/My photos!", "My-photos"), ("/demo", "demo-images"), ("/", "images")],
)
def test_a_folder_gives_a_name(folder: str, name: str) -> None:
    assert subset_of(Path(folder)) == name
    assert check_subset(name) == name
