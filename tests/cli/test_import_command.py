"""``ccx import`` from the command line: every kind, what it says, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ccx_cli.cli.main import main
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.importing.journal import JOURNAL

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended, finish, start
    from tests.imported_sets import save_photograph, save_values
else:
    from command_line import CommandLine, Ended, finish, start
    from imported_sets import save_photograph, save_values

SMALL = ["--side", "16", "--workers", "1"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with photographs, masks and names."""
    root = tmp_path / "mine"
    for number in range(4):
        save_photograph(root / f"photos/{number}.jpg", 20, 30, number)
        save_values(root / f"masks/{number}.png", np.tile([[0, 1, 2]], (20, 10)), "P")
    (root / "names.txt").write_text("1 car\n2 road\n3 unicorn\n")
    return root


def imported(ccx: CommandLine, photos: Path, *arguments: str) -> Ended:
    labels = ["--labels", f"object={photos / 'masks'}", "--names", str(photos / "names.txt")]
    return ccx("import", "folder", str(photos / "photos"), *labels, *SMALL, *arguments)


def test_a_folder_becomes_a_data_set(unused: CommandLine, photos: Path) -> None:
    ended = imported(unused, photos, "-f", "jsonl", "--val-share", "0.5", "--colors")
    assert ended.code == 0
    color, objects = ended.lines
    assert color["category"] == "color"
    assert objects == {
        "category": "object",
        "concepts": 2,
        "images": 4,
        "coverage": pytest.approx(2 / 3, abs=0.1),
        "commonest": ["car", "road"],
    }
    assert "4 images (2 train, 2 val) with" in ended.err
    assert re.search(r"^Skipped \d of 14 concepts, which no pixel has\.$", ended.err, re.MULTILINE)
    assert f"Next: ccx concepts --subset photos --side 16 --data-dir {unused.data}" in ended.err
    dataset = read_broden(unused.data / "datasets", "photos", 16)
    assert sorted(row.split for row in dataset.rows) == ["train", "train", "val", "val"]


def test_the_next_command_works(unused: CommandLine, photos: Path) -> None:
    next_line = imported(unused, photos).err.splitlines()[-1]
    words = next_line.removeprefix("Next: ccx ").split()
    ended = unused(*words[: words.index("--data-dir")], "-f", "jsonl")
    assert ended.code == 0
    assert [line["concept"] for line in ended.lines] == ["car", "road"]


def test_rectangles_are_made_and_found_under_their_longer_side(
    unused: CommandLine, photos: Path
) -> None:
    ended = imported(unused, photos, "--side", "10x16", "--colors")
    assert "Next: ccx concepts --subset photos --side 16" in ended.err
    dataset = read_broden(unused.data / "datasets", "photos", 16)
    assert dataset.mask_shape == (5, 8)
    assert {(row.height, row.width) for row in dataset.rows} == {(10, 16)}
    with Image.open(dataset.image_path(dataset.rows[0].image)) as picture:
        assert picture.size == (16, 10)
    (line,) = unused("concepts", "car", "--subset", "photos", "--side", "16", "-f", "jsonl").lines
    columns = ((np.arange(8) + 0.5) / 8 * 30).astype(int)
    assert line["coverage"] == (columns % 3 == 1).mean()
    refused = imported(unused, photos, "--side", "10by16")
    assert (refused.code, "--side 10by16 is not a size in pixels" in refused.err) == (2, True)


def test_a_dry_run_writes_nothing(unused: CommandLine, photos: Path) -> None:
    ended = imported(unused, photos, "--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert "Would write 4 images with up to 3 object concepts to" in ended.err
    assert not unused.data.exists()


def test_the_same_import_again_does_nothing(unused: CommandLine, photos: Path) -> None:
    first = imported(unused, photos, "-f", "jsonl", "--colors")
    before = unused.file("datasets/*/*/index.csv").stat().st_mtime_ns
    again = imported(unused, photos, "-f", "jsonl", "--colors")
    assert (again.code, again.out) == (0, first.out)
    assert "made before from the same files" in again.err
    assert again.err.splitlines()[-3:] == first.err.splitlines()[-3:]
    assert unused.file("datasets/*/*/index.csv").stat().st_mtime_ns == before
    planned = imported(unused, photos, "--colors", "--dry-run")
    assert (planned.code, "already contains this import" in planned.err) == (0, True)


def test_nothing_is_overwritten_without_force(unused: CommandLine, photos: Path) -> None:
    assert imported(unused, photos).code == 0
    before = unused.file("datasets/*/*/index.csv").stat().st_mtime_ns
    for other in (["--colors"], ["--val-share", "0.5"], ["--fit", "stretch"], ["--dry-run"]):
        if other == ["--dry-run"]:
            save_photograph(photos / "photos/1.jpg", 20, 30, 77)
        ended = imported(unused, photos, *other)
        assert (ended.code, ended.out) == (2, "")
        assert "another version of ccx: set --force to overwrite it" in ended.err
    assert unused.file("datasets/*/*/index.csv").stat().st_mtime_ns == before
    assert imported(unused, photos, "--force").code == 0
    assert unused.file("datasets/*/*/index.csv").stat().st_mtime_ns > before


@pytest.mark.parametrize("kind", ["instances", "panoptic"])
def test_coco_of_both_kinds(kind: str, unused: CommandLine, tmp_path: Path) -> None:
    save_photograph(tmp_path / "val/1.jpg", 20, 20)
    record: dict[str, object] = {"image_id": 1}
    if kind == "instances":
        region = [[0, 0, 20, 0, 20, 10, 0, 10]]
        record |= {"id": 1, "category_id": 4, "segmentation": region}
    else:
        record |= {"file_name": "1.png", "segments_info": [{"id": 300, "category_id": 4}]}
        values = np.zeros((20, 20), dtype=int)
        values[:10] = 300
        save_values(tmp_path / "annotations/1.png", values, "RGB")
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 20, "width": 20}],
        "categories": [{"id": 4, "name": "cat"}],
        "annotations": [record],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    paths = [str(tmp_path / "annotations.json"), str(tmp_path / "val")]
    ended = unused("import", "coco", *paths, *SMALL, "-f", "jsonl")
    assert ended.code == 0, ended.err
    (line,) = ended.lines
    assert (line["commonest"], line["coverage"]) == (["cat"], 0.5)
    assert read_broden(unused.data / "datasets", "val", 16).rows[0].image == "val/1.jpg"


@pytest.mark.parametrize("name", ["traffic\rlight", "a\r\nb", 'a "b", c'])
def test_names_with_line_ends_and_quotes_are_read_in_csv(
    name: str, unused: CommandLine, tmp_path: Path
) -> None:
    save_photograph(tmp_path / "photos/1.jpg", 20, 20)
    save_values(tmp_path / "masks/1.png", np.ones((20, 20), dtype=int))
    (tmp_path / "names.json").write_text(json.dumps({"1": name}))
    labels = ["--labels", f"object={tmp_path / 'masks'}", "--names", str(tmp_path / "names.json")]
    assert unused("import", "folder", str(tmp_path / "photos"), *labels, *SMALL).code == 0
    out = unused("concepts", "--subset", "photos", "--side", "16", "-f", "csv").out
    header, row = csv.reader(io.StringIO(out, newline=""), strict=True)
    assert dict(zip(header, row, strict=True))["concept"] == name


def test_the_same_files_read_otherwise_are_another_import(
    unused: CommandLine, tmp_path: Path
) -> None:
    save_photograph(tmp_path / "photos/1.jpg", 20, 20)
    mask = save_values(tmp_path / "masks/1.png", np.repeat([[1, 1, 1, 2]], 20, axis=0).repeat(5, 1))
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\ncow\n")

    def imported(*options: str) -> Ended:
        paths = [str(tmp_path / "photos"), str(tmp_path / "masks"), "--names", str(names)]
        return unused("import", "voc", *paths, *SMALL, *options)

    assert imported("--first", "0").code == 0
    assert "nothing to do" in imported("--first", "0").err
    for options in (["--first", "1"], ["--first", "0", "--void", "1"]):
        ended = imported(*options)
        assert (ended.code, "another version of ccx: set --force" in ended.err) == (2, True)
    status = mask.stat()
    assert imported("--first", "1", "--force").code == 0
    assert "nothing to do" in imported("--first", "1").err
    # Whoever writes a file can set its time back, but not when that was done.
    mask.write_bytes(mask.read_bytes())
    os.utime(mask, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert imported("--first", "1").code == 2


def test_voc_leaves_its_outlines_and_photographs_without_labels(
    unused: CommandLine, photos: Path
) -> None:
    save_values(photos / "masks/0.png", np.tile([[255, 1, 2]], (20, 10)), "P")
    (photos / "masks/3.png").unlink()
    names = photos / "voc.txt"
    names.write_text("background\ncar\nroad\n")
    paths = [str(photos / "photos"), str(photos / "masks"), "--names", str(names)]
    ended = unused("import", "voc", *paths, *SMALL, "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert ended.lines[0]["images"] == 3
    assert "Skipped 1 of 4 photographs, which have no label PNG." in ended.err
    assert "numbered from 0 (background is 0)" in ended.err
    assert {
        row.image.partition("/")[0] for row in read_broden(unused.data / "datasets", "voc", 16).rows
    } == {"voc"}


def test_folders_become_scenes_or_another_category(unused: CommandLine, tmp_path: Path) -> None:
    for name in ("dots/1", "lines/2"):
        save_photograph(tmp_path / f"kinds/{name}.jpg", 20, 20)
    command = ["import", "imagefolder", str(tmp_path / "kinds"), *SMALL, "-f", "jsonl"]
    ended = unused(*command)
    assert ended.lines[0]["commonest"] == ["dots-s", "lines-s"]
    ended = unused(*command, "--force", "--category", "texture")
    assert (ended.lines[0]["category"], ended.lines[0]["commonest"]) == (
        "texture",
        ["dots", "lines"],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--side", "1"], 2, "--side 1 must be from 2"),
        (["--val-share", "2"], 2, "--val-share 2.0 must be"),
        (["--subset", "demo"], 2, "--subset 'demo' cannot name a dataset"),
        (["--labels", "masks"], 2, "--labels masks must be CATEGORY=FOLDER"),
        (["--labels", "part=nowhere"], 3, "The folder nowhere does not exist"),
        (["--labels", "ih=masks"], 2, "'ih' cannot name a category"),
        (["--void", "1"], 0, ""),
        (["--names", "object=none.txt"], 3, "none.txt cannot be read"),
        (["--names", "none.txt"], 2, "names.txt and none.txt, for the same labels: give one"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], code: int, sentence: str, unused: CommandLine, photos: Path
) -> None:
    ended = imported(unused, photos, *arguments)
    assert ended.code == code
    if code:
        assert ended.err.startswith("Error: ")
        assert sentence in ended.err
        assert ended.err.count("\n") == 1
        assert not unused.data.exists()


def test_a_value_without_a_name_stops_and_the_mended_run_completes(
    unused: CommandLine, photos: Path
) -> None:
    save_values(photos / "masks/2.png", np.full((20, 30), 77))
    ended = imported(unused, photos)
    assert ended.code == 4
    assert "2.png holds the value 77" in ended.err
    assert not unused.files("datasets/photos/broden1_16")
    assert imported(unused, photos, "--void", "77").code == 0


def test_labels_without_names_are_refused(unused: CommandLine, photos: Path) -> None:
    ended = unused("import", "folder", str(photos / "photos"), "--labels", "object=masks")
    assert (ended.code, "add --names object=FILE" in ended.err) == (2, True)
    ended = unused("import", "folder", str(photos / "photos"))
    assert (ended.code, "--colors" in ended.err) == (2, True)
    ended = unused("import", "folder", str(photos / "photos"), "--colors", "--names", "a.txt")
    assert (ended.code, "add --labels CATEGORY=FOLDER" in ended.err) == (2, True)


def test_an_interrupted_import_goes_on(tmp_path: Path) -> None:
    for number in range(120):
        save_photograph(tmp_path / f"photos/{number:03d}.png", 200, 200, number)
    command = ["import", "folder", str(tmp_path / "photos"), "--colors", "--workers", "1"]
    process = start(tmp_path / "data", *command, PYTHONUNBUFFERED="1")
    journal = tmp_path / "data/datasets/photos/.broden1_224.partial" / JOURNAL
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 1000):
        pass
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert ended.err.splitlines()[-1].startswith("Interrupted.")
    assert not (tmp_path / "data/datasets/photos/broden1_224").exists()
    done = len(journal.read_bytes().splitlines()) - 1
    assert 0 < done < 120
    ended = finish(start(tmp_path / "data", *command))
    assert ended.code == 0
    assert "120 images (120 train)" in ended.err
    assert len(read_broden(tmp_path / "data/datasets", "photos").rows) == 120


def test_help_of_import_and_concepts_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main;"
        "main(['import', 'coco', '--help']); main(['concepts', '--help']);"
        "sys.exit(bool({'torch', 'numba', 'numpy', 'PIL'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        "import",
        "import folder",
        "import coco",
        "import ade20k",
        "import voc",
        "import imagefolder",
        "concepts",
    ],
)
def test_help_fits_a_terminal_and_begins_with_examples(
    command: str, unused: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command.split(), "--help"]) == 0
    out = unused.capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert 0 < out.index("Examples") < out.index("  ccx ") < out.index("╭─")
