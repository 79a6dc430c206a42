"""Where a subset is: of Broden, of an import in either layout, of the demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ccx_cli.concepts.datasets import check_free_name, find_dataset, find_datasets, own_names
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.store.paths import IMPORT_MARKER


def make(directory: Path, *subsets: str, imported: str = "") -> Path:
    """Make the folders of a dataset, of an import if that is named."""
    for subset in subsets:
        (directory / "images" / subset).mkdir(parents=True)
    if imported:
        (directory / IMPORT_MARKER).write_text(json.dumps({"subset": imported}))
    return directory


@pytest.fixture
def broden(tmp_path: Path) -> Path:
    return make(tmp_path / "broden1_224", "ade20k", "pascal")


def test_a_dataset_is_found_by_its_name_whatever_its_side(tmp_path: Path, broden: Path) -> None:
    small = make(tmp_path / "photos/broden1_96", "photos", imported="photos")
    make(tmp_path / "demo/broden1_224", "demo")
    assert find_datasets(tmp_path, "photos") == {96: small}
    assert find_dataset(tmp_path, "photos") == find_dataset(tmp_path, "photos", 96) == small
    assert find_dataset(tmp_path, "ade20k") == find_dataset(tmp_path, "all") == broden
    assert find_dataset(tmp_path, "ade") == broden
    assert own_names(tmp_path) == ["photos"]
    usual = make(tmp_path / "photos/broden1_224", "photos", imported="photos")
    assert find_dataset(tmp_path, "photos") == usual


def test_an_import_of_an_older_version_is_found_where_it_is(tmp_path: Path, broden: Path) -> None:
    old = make(tmp_path / "broden1_96", "photos", imported="photos")
    assert find_dataset(tmp_path, "photos") == old
    assert check_free_name(tmp_path, "photos", 96) == old
    assert check_free_name(tmp_path, "photos", 64) == tmp_path / "photos/broden1_64"
    assert check_free_name(tmp_path, "others", 96) == tmp_path / "others/broden1_96"
    new = make(tmp_path / "photos/broden1_96", "photos", imported="photos")
    assert find_dataset(tmp_path, "photos") == new


def test_a_list_of_images_of_an_import_is_a_subset(tmp_path: Path, broden: Path) -> None:
    photos = make(tmp_path / "photos/broden1_96", "photos", imported="photos")
    (photos / "index_few.csv").touch()
    assert find_datasets(tmp_path, "few") == {96: photos}
    others = make(tmp_path / "others/broden1_96", "others", imported="others")
    (others / "index_few.csv").touch()
    with pytest.raises(UsageError, match=r"`subset` few is in .* as well as in .*: move one"):
        find_datasets(tmp_path, "few")


def test_a_missing_side_says_where_the_dataset_is(tmp_path: Path, broden: Path) -> None:
    small = make(tmp_path / "photos/broden1_96", "photos", imported="photos")
    with pytest.raises(MissingInputError) as caught:
        find_dataset(tmp_path, "photos", 224, "input_size")
    assert str(caught.value) == (
        f"`subset` photos has no dataset of side 224, it is in {small}: give `input_size` 96."
    )
    with pytest.raises(MissingInputError) as caught:
        find_dataset(tmp_path, "ade20k", 227)
    assert str(caught.value) == (
        f"`subset` ade20k has no dataset of side 227, it is in {broden}: give `side` 224, or "
        "download Broden of that side with `ccx fetch broden227`."
    )
    smaller = make(tmp_path / "photos/broden1_64", "photos", imported="photos")
    with pytest.raises(UsageError) as refused:
        find_dataset(tmp_path, "photos")
    assert str(refused.value) == (
        f"`subset` photos is in {smaller} and {small}: choose one with `side`."
    )


def test_a_missing_dataset_names_the_imports(tmp_path: Path) -> None:
    make(tmp_path / "photos/broden1_96", "photos", imported="photos")
    with pytest.raises(MissingInputError) as caught:
        find_dataset(tmp_path, "ade20k")
    assert str(caught.value) == (
        f"There is no dataset in {tmp_path / 'broden1_224'}: name one that is here with `subset` "
        "(photos), download it with `ccx fetch broden224`, or try the built-in one with `ccx demo`."
    )


def test_an_import_and_broden_of_one_name_are_told_apart_by_nobody(
    tmp_path: Path, broden: Path
) -> None:
    own = make(tmp_path / "ade20k/broden1_96", "ade20k", imported="ade20k")
    with pytest.raises(UsageError) as caught:
        find_dataset(tmp_path, "ade20k")
    assert str(caught.value) == (
        f"`subset` ade20k is in {own} as well as in {broden}: move one of them into a folder of "
        "its own, and choose it with `datasets`."
    )


def test_names_that_are_taken_are_refused(tmp_path: Path, broden: Path) -> None:
    (broden / "index_few.csv").touch()
    for name in ("ade20k", "few"):
        with pytest.raises(UsageError, match=f"`subset` {name} names images of .*broden1_224"):
            check_free_name(tmp_path, name, 96)
    (tmp_path / "holiday").mkdir()
    assert check_free_name(tmp_path, "holiday", 96) == tmp_path / "holiday/broden1_96"
    (tmp_path / "holiday/1.jpg").touch()
    (tmp_path / "file").touch()
    for name, path in (("holiday", "holiday/1.jpg"), ("file", "file")):
        with pytest.raises(UsageError, match=f"{path} is not ccx's, so .*{name} cannot hold"):
            check_free_name(tmp_path, name, 96)


@pytest.mark.parametrize("subset", ["", "..", "a/b", "/", "\0", "x" * 9999, "demo"])
def test_no_word_leads_out_of_the_folder(tmp_path: Path, broden: Path, subset: str) -> None:
    inside = tmp_path / "datasets"
    inside.mkdir()
    assert find_datasets(inside, subset) == {}
