"""Imports are datasets of their own: beside one another, beside Broden, at any side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended
    from tests.cli.tiny_set import draw_pictures, write_set
    from tests.imported_sets import save_photograph, save_values
else:
    from command_line import CommandLine, Ended
    from imported_sets import save_photograph, save_values
    from tiny_set import draw_pictures, write_set

NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
QUICK = ["--num-clusters", "1", "--quantile", "0.1", "--length", "1", "-f", "jsonl"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photographs, masks, names and a network."""
    for number in range(4):
        save_photograph(tmp_path / f"photos/{number}.jpg", 40, 60, number)
        save_values(tmp_path / f"masks/{number}.png", np.tile([[0, 1, 2]], (40, 20)))
    (tmp_path / "names.txt").write_text("1 car\n2 road\n")
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def imported(ccx: CommandLine, root: Path, *arguments: str) -> Ended:
    labels = ["--labels", f"object={root / 'masks'}", "--names", str(root / "names.txt")]
    return ccx("import", "folder", str(root / "photos"), *labels, "--workers", "1", *arguments)


def explained(ccx: CommandLine, root: Path, *arguments: str) -> Ended:
    network = [] if "--activations" in arguments else ["--model", f"{root / 'net.py'}:make"]
    if network and "--model" not in arguments:
        arguments = (*network, "--layer", "0", *arguments)
    return ccx("explain", "--subset", "photos", "--units", "0", *QUICK, *arguments)


def header(ccx: CommandLine) -> dict[str, object]:
    (path,) = ccx.files("results/*/header.json")
    about: dict[str, object] = json.loads(path.read_text())["about"]
    return about


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_force_of_one_import_leaves_the_other(unused: CommandLine, root: Path) -> None:
    assert imported(unused, root, "--side", "16").code == 0
    assert imported(unused, root, "--side", "16", "--subset", "others").code == 0
    before = contents(unused.data / "datasets/others")
    assert imported(unused, root, "--side", "16", "--colors", "--force").code == 0
    assert contents(unused.data / "datasets/others") == before
    for name, categories in (("photos", {"color", "object"}), ("others", {"object"})):
        lines = unused("concepts", "--subset", name, "-f", "jsonl").lines
        assert {line["category"] for line in lines} == categories
    names = {path.parent.name for path in unused.files("segmentations/*/manifest.json")}
    assert len(names) == 2


def test_imports_of_one_side_share_no_caches(unused: CommandLine, root: Path) -> None:
    given = root / "maps.npy"
    np.save(given, np.random.default_rng(0).random((1, 4, 5, 5), dtype=np.float32))
    for name in ("photos", "others"):
        assert imported(unused, root, "--subset", name, "--side", "32").code == 0
        for source in (["--activations", str(given)], []):
            assert explained(unused, root, *source, "--subset", name).code == 0
    assert len(unused.files("segmentations/*/manifest.json")) == 2
    assert len(unused.files("activations/*/manifest.json")) == 4
    assert len(unused.files("results/*/header.json")) == 4


def test_an_import_is_not_broden(unused: CommandLine, root: Path) -> None:
    def states() -> list[str]:
        listed = unused("fetch", "--list", "-f", "jsonl").lines
        return [line["state"] for line in listed if line["name"].startswith("broden")]

    datasets = unused.data / "datasets"
    assert imported(unused, root, "--subset", "photos").code == 0
    assert states() == ["missing", "missing"]
    # Where older versions put it.
    (datasets / "photos/broden1_224").rename(datasets / "broden1_224")
    assert states() == ["missing", "missing"]
    before = contents(datasets)
    for options in ([], ["--force"]):
        ended = unused("fetch", "broden224", "--from", str(root), *options)
        assert ended.code == 2
        assert f"{datasets}/broden1_224 contains an import of an older version" in ended.err
    assert contents(datasets) == before
    assert unused("concepts", "--subset", "photos").code == 0
    assert explained(unused, root).code == 0
    ended = unused("info", "--methods")
    assert "on the 4 images of the dataset photos, which carry 2 concepts" in ended.out
    assert "This import was made before from the same files" in imported(unused, root).err


def test_the_only_side_is_the_input_size(unused: CommandLine, root: Path) -> None:
    assert imported(unused, root, "--side", "32x48").code == 0
    ended = explained(unused, root)
    assert ended.code == 0
    directory = unused.data / "datasets/photos/broden1_48"
    assert ended.err.splitlines()[0] == (
        f"The input size is 32x48, that of the images in {directory}: choose another with "
        "--input-size."
    )
    assert "resized" not in ended.err
    about = header(unused)
    assert about["input_size"] == [32, 48]
    assert about["dataset"] == str(directory)
    assert "--input-size 32x48" in str(about["rebuild"])
    (manifest,) = unused.files("activations/*/manifest.json")
    assert "--input-size 32x48" in json.loads(manifest.read_text())["rebuild"]
    assert "input size" not in explained(unused, root, "--input-size", "32x48").err
    assert len(unused.files("results/*/header.json")) == 1
    shutil.rmtree(manifest.parent)
    # What is imported later does not change what the run was made from.
    assert imported(unused, root, "--side", "64").code == 0
    ended = unused("rerun", "--check", "--without-caches")
    assert (ended.code, "are the same" in ended.err) == (0, True)
    ended = explained(unused, root)
    assert ended.code == 2
    assert ended.err == (
        f"Error: --subset photos is in {directory} and {directory.with_name('broden1_64')}: "
        "choose one with --input-size.\n"
    )


@pytest.mark.parametrize(
    ("model", "size"),
    [("alexnet", 227), ("vit_b_32", 224), ("resnet18", 32)],
)
def test_networks_with_a_size_of_their_own_keep_it(
    unused: CommandLine, root: Path, model: str, size: int
) -> None:
    assert imported(unused, root, "--side", "32").code == 0
    ended = explained(unused, root, "--model", model, "--pretrained", "none")
    assert ended.code == 0, ended.err
    assert header(unused)["input_size"] == [size, size]
    resized = f"The images of {unused.data}/datasets/photos/broden1_32 are resized to {size} x"
    assert (resized in ended.err) == (size != 32)


def test_an_input_size_that_is_given_is_kept(unused: CommandLine, root: Path) -> None:
    assert imported(unused, root, "--side", "32").code == 0
    for size in (224, 48):
        ended = explained(unused, root, "--input-size", str(size))
        assert f"broden1_32 are resized to {size} x {size}." in ended.err
        ended = unused("analyze", "-f", "json")
        assert f"broden1_32 are resized to {size} x {size}." in ended.err


def test_precomputed_activations_find_the_only_side(unused: CommandLine, root: Path) -> None:
    given = root / "maps.npy"
    np.save(given, np.random.default_rng(0).random((1, 4, 5, 5), dtype=np.float32))
    assert imported(unused, root, "--side", "32").code == 0
    source = ["--activations", str(given)]
    assert explained(unused, root, *source).code == 0
    assert "--input-size 32" in str(header(unused)["rebuild"])
    ended = explained(unused, root, *source, "--input-size", "224")
    directory = unused.data / "datasets/photos/broden1_32"
    assert (ended.code, ended.err) == (
        3,
        f"Error: --subset photos has no dataset of side 224, it is in {directory}: give "
        "--input-size 32.\n",
    )


def test_broden_keeps_its_names(unused: CommandLine, root: Path) -> None:
    write_set(unused.data / "datasets", draw_pictures(3), "pascal")
    ended = imported(unused, root, "--subset", "pascal", "--side", "32")
    assert (ended.code, "--subset pascal names images of" in ended.err) == (2, True)
    assert imported(unused, root, "--side", "32").code == 0
    # A network whose size has no such dataset is told the one there is.
    ended = explained(unused, root, "--subset", "pascal", "--model", "alexnet", "--pretrained",
                      "none")  # fmt: skip
    assert ended.code == 3
    assert "it is in" in ended.err
    assert "give --input-size 224, or download Broden of that side with `ccx fetch" in ended.err
    ended = unused("concepts", "--subset", "photo")
    assert ended.code == 2
    assert "did you mean photos?" in ended.err
    ended = unused("concepts", "--subset", "photos", "--side", "224")
    assert (ended.code, "give --side 32" in ended.err) == (3, True)
