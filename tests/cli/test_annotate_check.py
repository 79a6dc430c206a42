"""``ccx annotate --check``, and what photographs and searches get from it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.annotating.engine import CallableEngine
from ccx_cli.cli import annotate_check
from ccx_cli.cli.schema import schema_text
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.label_maps import read_label_maps

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended
else:
    from command_line import CommandLine, Ended

SIDE, MASK, N_IMAGES = 32, 16, 12
CAT, DOG, HEAD = 1, 2, 3
WORDS = "object\tcat\nobject\tdog\npart\thead\t\tof=cat\n"
# Photographs carry their labels in blue: 60 for a cat, 120 for a dog, and 30 more for a head.
ENGINE = """import numpy as np

SHARES = {"cat": 0.05, "dog": 0.2, "head": 0.1}

def make(images, words):
    blue = images[:, ::2, ::2, 2].astype(int)
    truth = {"cat": blue // 60 == 1, "dog": blue // 60 == 2, "head": blue % 60 == 30}
    scores = []
    for index, image in enumerate(images):
        random = np.random.default_rng(int(image.sum()))
        own = []
        for word in sorted(SHARES):
            share = SHARES[word]
            flipped = truth[word][index] ^ (random.random(blue.shape[1:]) < share)
            noise = 0.2 * random.random(blue.shape[1:])
            own.append(np.where(flipped, 0.6, 0.2) + noise)
        order = [sorted(SHARES).index(word) for word in words]
        scores.append(np.stack(own)[order])
    return np.stack(scores).astype(np.float32)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, their label PNGs by category, an engine that degrades them, and its words."""
    folder = tmp_path_factory.mktemp("labeled")
    generator = np.random.default_rng(5)
    for category in ("photos", "object", "part"):
        (folder / category).mkdir()
    for image in range(N_IMAGES):
        things, parts = (np.zeros((SIDE, SIDE), dtype=np.uint8) for _ in range(2))
        for label in (CAT, DOG):
            top, left = 2 * generator.integers(0, 8, 2)
            things[top : top + 14, left : left + 14] = label
        top, left = 2 * generator.integers(0, 12, 2)
        parts[top : top + 8, left : left + 8] = HEAD
        parts[things != CAT] = 0
        pixels = generator.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        pixels[..., 2] = 60 * things + 30 * (parts > 0)
        Image.fromarray(pixels).save(folder / "photos" / f"{image:02d}.png")
        Image.fromarray(things).save(folder / "object" / f"{image:02d}.png")
        Image.fromarray(parts).save(folder / "part" / f"{image:02d}.png")
    (folder / "names.txt").write_text("1 cat\n2 dog\n3 head\n")
    (folder / "words.tsv").write_text(WORDS)
    (folder / "engine.py").write_text(ENGINE)
    return folder


@pytest.fixture
def labeled(unused: CommandLine, folders: Path) -> CommandLine:
    """A command line over the photographs, imported with their labels as ``human``."""
    labels = [f"--labels={each}={folders / each}" for each in ("object", "part")]
    options = ["--names", str(folders / "names.txt"), "--side", str(SIDE), "--subset", "human"]
    ended = unused("import", "folder", str(folders / "photos"), *labels, *options, "-q")
    assert (ended.code, ended.err) == (0, "")
    return unused


def check(ccx: CommandLine, folders: Path, *options: str) -> Ended:
    engine = f"{folders / 'engine.py'}:make"
    return ccx("annotate", "--check", "human", "--engine", engine, "-f", "jsonl", *options)


def annotate(ccx: CommandLine, folders: Path, *options: str, words: str = "words.tsv") -> Ended:
    engine, given = f"{folders / 'engine.py'}:make", str(folders / words)
    options = ("--engine", engine, "--words", given, "--side", str(SIDE), *options)
    return ccx("annotate", str(folders / "photos"), "--subset", "found", *options, "-f", "jsonl")


def masks_of(ccx: CommandLine, subset: str) -> dict[str, NDArray[np.bool_]]:
    """The pixels of each concept of a dataset, ``(images, MASK, MASK)``."""
    dataset = read_broden(ccx.data / "datasets", subset, SIDE)
    maps = [read_label_maps(dataset, row) for row in dataset.rows]
    return {
        label.name: np.stack([(each == label.number).any(axis=0) for each in maps])
        for label in dataset.labels
    }


def marker_of(ccx: CommandLine, subset: str) -> Any:
    return json.loads(ccx.file(f"datasets/{subset}/*/ccx-import.json").read_text())


def second_half(seed: int = 0) -> Sequence[int]:
    return random.Random(seed).sample(range(N_IMAGES), N_IMAGES // 2)


def test_what_a_check_reports_is_true_of_what_is_written(
    labeled: CommandLine, folders: Path
) -> None:
    ended = check(labeled, folders, "--words", str(folders / "words.tsv"))
    assert ended.code == 0
    *words, every = ended.lines
    assert [word["kind"] for word in words] == ["word"] * 3
    stored = labeled.file("models/quality/*.json")
    assert annotate(labeled, folders, "--quality", stored.stem).code == 0
    found, human = masks_of(labeled, "found"), masks_of(labeled, "human")
    measured = second_half()
    for word in words:
        mask, true = (each[word["word"]][measured] for each in (found, human))
        both = int((mask & true).sum())
        assert word["iou"] == both / int((mask | true).sum())
        assert word["precision"] == both / int(mask.sum())
        assert word["recall"] == both / int(true.sum())
        assert word["pixels"] == int(true.sum())
    validator = Draft202012Validator(json.loads(schema_text("annotate")))
    assert not [fault for line in ended.lines for fault in validator.iter_errors(line)]
    by_word = {word["word"]: word for word in words}
    assert by_word["dog"]["iou"] < by_word["cat"]["iou"]
    assert all(0.4 < word["threshold"] < 0.8 for word in words)
    annotation = marker_of(labeled, "found")["annotation"]
    assert annotation["check"] == stored.stem
    assert {word["name"]: (word["threshold"], word["iou"]) for word in annotation["words"]} == {
        name: (word["threshold"], word["iou"]) for name, word in by_word.items()
    }
    assert every["iou"] == pytest.approx(np.mean([word["iou"] for word in words]))


def test_the_share_of_flipped_pixels_is_the_quality(labeled: CommandLine, folders: Path) -> None:
    """A part without rivals, at a threshold between the two scores, is the flipped mask."""
    (folders / "head.tsv").write_text("part\thead\n")
    ended = check(labeled, folders, "--words", str(folders / "head.tsv"))
    (head, _) = ended.lines
    true = masks_of(labeled, "human")["head"][second_half()]
    between = 24
    assert head["recalls"][between] == pytest.approx(0.9, abs=0.1)
    expected = 0.9 * true.sum() / (0.9 * true.sum() + 0.1 * (~true).sum())
    assert head["precisions"][between] == pytest.approx(expected, abs=0.05)


def test_the_words_of_a_labeled_set_are_its_own(labeled: CommandLine, folders: Path) -> None:
    ended = check(labeled, folders)
    words = {(line["category"], line["word"], line["owner"]) for line in ended.lines[:-1]}
    assert words == {("object", "cat", None), ("object", "dog", None), ("part", "head", None)}
    assert "Measured on 6 of 12 images" in ended.err
    ious = [line["iou"] for line in ended.lines[:-1]]
    assert ious == sorted(ious, reverse=True)
    for form in ("table", "csv"):
        shown = labeled(
            "annotate", "--check", "human", "--engine", f"{folders / 'engine.py'}:make", "-f", form
        )
        assert "Checked before" in shown.err
        assert "head" in shown.out


def test_an_engine_of_certain_names_is_checked_as_it_annotates(
    labeled: CommandLine, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its names compete, as where photographs get them all."""
    names = ("background", "Dog", "head", "cat")
    monkeypatch.setattr(CallableEngine, "vocabulary", names)
    (folders / "knowing.py").write_text(ENGINE.replace('"dog"', '"Dog"'))
    engine = ("--engine", f"{folders / 'knowing.py'}:make", "-f", "jsonl")
    ended = labeled("annotate", "--check", "human", *engine)
    assert ended.code == 0, ended.err
    assert {line["word"] for line in ended.lines[:-1]} == {"cat", "Dog", "head"}
    assert {line["category"] for line in ended.lines[:-1]} == {"object"}
    photos = (str(folders / "photos"), "--side", str(SIDE), "--subset", "found")
    again = labeled("annotate", *photos, *engine)
    assert "from the check human-callable" in again.err
    assert "Not checked" not in again.err
    assert "other words" not in again.err


def test_a_check_is_made_again_only_where_something_changed(
    labeled: CommandLine, folders: Path, tmp_path: Path
) -> None:
    first = check(labeled, folders)
    before = labeled.file("models/quality/*.json").read_bytes()
    again = check(labeled, folders)
    assert again.lines == first.lines
    assert "Checked before" in again.err
    assert "Checked before" not in check(labeled, folders, "--force").err
    labeled.file("models/quality/*.json").write_text("{")
    assert "Checked before" not in check(labeled, folders).err
    assert labeled.file("models/quality/*.json").read_bytes() == before
    assert "Checked before" not in check(labeled, folders, "--seed", "-1").err
    assert "Checked before" in check(labeled, folders, "--seed", "-1").err
    assert len(labeled.files("models/quality/*.json")) == 2
    stored = json.loads(before)
    assert stored["about"]["engine"] == "callable"
    assert stored["about"]["revision"].startswith("sha256:")
    assert (stored["about"]["subset"], stored["about"]["seed"]) == ("human", 0)


def test_the_last_check_of_the_engine_gives_thresholds(labeled: CommandLine, folders: Path) -> None:
    words = ("--words", str(folders / "words.tsv"))
    check(labeled, folders, *words, "--seed", "1")
    last = check(labeled, folders, *words).lines
    ended = annotate(labeled, folders)
    assert ended.code == 0
    assert "Thresholds and quality of the words are from the check human-callable-" in ended.err
    chosen = {word["name"]: word for word in marker_of(labeled, "found")["annotation"]["words"]}
    assert {name: word["threshold"] for name, word in chosen.items()} == {
        line["word"]: line["threshold"] for line in last[:-1]
    }
    # A threshold that is given is that of all, and nothing is known of what it gives.
    assert annotate(labeled, folders, "--threshold", "0.3", "--force").code == 0
    words_of = marker_of(labeled, "found")["annotation"]["words"]
    assert {word["threshold"] for word in words_of} == {0.3}
    assert {word["iou"] for word in words_of} == {None}


def test_words_that_were_not_checked_are_said(labeled: CommandLine, folders: Path) -> None:
    (folders / "one.tsv").write_text("object\tcat\n")
    *_, every = check(labeled, folders, "--words", str(folders / "one.tsv")).lines
    ended = annotate(labeled, folders)
    assert "Not checked, so of unknown quality: dog, head." in ended.err
    assert "The check had other words of the category object" in ended.err
    chosen = {word["name"]: word for word in marker_of(labeled, "found")["annotation"]["words"]}
    assert chosen["dog"]["threshold"] == every["threshold"]
    assert chosen["dog"]["iou"] is None
    assert chosen["cat"]["iou"] > 0


def test_searches_do_without_poor_words(labeled: CommandLine, folders: Path) -> None:
    words = check(labeled, folders, "--words", str(folders / "words.tsv")).lines[:-1]
    annotate(labeled, folders)
    least = sorted(word["iou"] for word in words)[1]
    ended = labeled(
        *("explain", "--model", "demo", "--pretrained", "none", "--subset", "found"),
        *("--input-size", str(SIDE), "--units", "1", "--min-quality", repr(least), "-f", "jsonl"),
    )
    assert ended.code == 0
    poor = min(words, key=lambda word: float(word["iou"]))["word"]
    assert f"Left out by --min-quality: {poor}." in ended.err


def test_what_cannot_be_meant(labeled: CommandLine, folders: Path, tmp_path: Path) -> None:
    def refused(*options: str) -> str:
        ended = check(labeled, folders, *options)
        assert ended.code != 0
        return ended.err.splitlines()[-1]

    assert refused(str(folders / "photos")).startswith("Error: PHOTOGRAPHS (")
    assert refused("--threshold", "0.4") == (
        "Error: --check writes no dataset: leave --threshold out, or --check."
    )
    (folders / "cow.tsv").write_text("object\tcow\n")
    assert refused("--words", str(folders / "cow.tsv")).startswith(
        "Error: --words has no word that the labeled images have"
    )
    check(labeled, folders)
    (name,) = (path.stem for path in labeled.files("models/quality/*.json"))

    def not_taken(*options: str, words: str = "words.tsv") -> str:
        ended = annotate(labeled, folders, *options, words=words)
        assert ended.code != 0
        return ended.err.splitlines()[-1]

    assert not_taken("--quality", "nothing").startswith(
        f"Error: There is no check called nothing in {labeled.data / 'models/quality'}: make one"
    )
    damaged = tmp_path / "damaged.json"
    for text in ("{}", "{", '{"format": "ccx-word-quality", "version": 2}'):
        damaged.write_text(text)
        said = not_taken("--quality", str(damaged))
        assert said.startswith(f"Error: {damaged} is no check of an engine that")
    assert not_taken("--quality", name, words="cow.tsv").startswith(
        "Error: --quality is a check of other words (cat, dog, head)"
    )
    (folders / "other.py").write_text(ENGINE.replace("0.05", "0.06"))
    other = f"{folders / 'other.py'}:make"
    assert not_taken("--quality", name, "--engine", other).startswith(
        "Error: --quality is a check of callable engine.py:make (sha256:"
    )
    assert annotate(labeled, folders, "-q").code == 0
    engine = ("--engine", other)
    assert labeled("annotate", "--check", "found", *engine).err == (
        "Error: --check found: `ccx annotate` predicted these labels, name images that people "
        "labeled.\n"
    )
    unknown = labeled("annotate", "--check", "humans", *engine)
    assert (unknown.code, "--check" in unknown.err, "subset" in unknown.err) == (3, True, False)
    ended = labeled("annotate", "--engine", other)
    assert ended.err.startswith("Error: There are no photographs:")


def test_an_interrupted_check_does_not_say_that_it_is_kept(
    labeled: CommandLine, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as pressed:
        pressed.setattr(annotate_check, "check_engine", interrupt)
        ended = check(labeled, folders)
    said = "Interrupted. Nothing of an unfinished check is kept: run it again."
    assert (ended.code, ended.err.splitlines()[-1]) == (130, said)
    assert not [*labeled.data.glob("models/quality/*")]
    assert check(labeled, folders).code == 0
