"""``ccx annotate`` from the command line: photographs and words in, explanations out."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ccx_cli.concepts.broden import read_broden

if TYPE_CHECKING:
    from tests.cli.command_line import UNTRAINED, CommandLine, Ended
    from tests.cli.killing import killer
    from tests.imported_sets import files_of
else:
    from command_line import UNTRAINED, CommandLine, Ended
    from imported_sets import files_of
    from killing import killer

RULES = """
import numpy as np


def make():
    def scores(images, words):
        red, green, blue = np.moveaxis(images / np.float32(255), -1, 0)
        left = np.broadcast_to(np.arange(red.shape[2]) < red.shape[2] / 2, red.shape)
        known = {"red": red, "green": green, "blue": blue, "left": left}
        known |= {"dull": 1 - red, "no": 0 * red}
        return np.stack([known[word] for word in words], axis=1).astype(np.float32)

    return scores


number = 3


def wrong(images, words):
    return 2 * make()(images, words)
"""
WORDS = """\
object\tred
object\tgreen
texture\tblue
texture\tdull
part\tleft\tthe left half|left\tof=red
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with photographs of squares, words, and an engine."""
    generator = np.random.default_rng(4)
    for number in range(12):
        pixels = np.kron(generator.integers(0, 256, (4, 4, 3)), np.ones((20, 16, 1)))
        path = tmp_path / f"mine/photos/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    (tmp_path / "mine/rules.py").write_text(RULES)
    (tmp_path / "mine/words.tsv").write_text(WORDS)
    return tmp_path / "mine"


def annotated(ccx: CommandLine, photos: Path, *arguments: str, function: str = "make") -> Ended:
    given = [] if "--words" in arguments else ["--words", str(photos / "words.tsv")]
    engine = ["--engine", f"{photos / 'rules.py'}:{function}"]
    return ccx("annotate", str(photos / "photos"), *given, *engine, "--side", "64", *arguments)


def test_photographs_and_words_become_explanations(unused: CommandLine, photos: Path) -> None:
    ended = annotated(unused, photos, "--subset", "mine", "--colors", "-f", "jsonl")
    assert ended.code == 0
    found = {line["category"]: line for line in ended.lines}
    assert set(found) == {"color", "object", "part", "texture"}
    assert set(found["object"]["commonest"]) == {"red", "green"}
    assert "12 images (12 train) with" in ended.err
    assert "Annotated 12 images, " in ended.err
    assert "% of the time." in ended.err
    assert "Next: ccx concepts --subset mine --side 64" in ended.err
    ended = unused("explain", *UNTRAINED, "--subset", "mine", "--units", "0-2", "-f", "jsonl")
    assert ended.code == 0
    assert any(line["formula"] for line in ended.lines)
    run = unused.file("results/*/header.json").parent.name
    page = unused.data / "page.html"
    assert unused("render", run, "--html", str(page)).code == 0
    assert page.stat().st_size > 10_000


def test_names_between_commas_are_enough(unused: CommandLine, photos: Path) -> None:
    ended = annotated(unused, photos, "--words", "red, blue", "--val-share", "0.25")
    assert ended.code == 0
    assert "12 images (9 train, 3 val) with 2 concepts" in ended.err
    labels = read_broden(unused.data / "datasets", "photos", 64).labels
    assert [(label.name, label.categories) for label in labels] == [
        ("red", ("object",)),
        ("blue", ("object",)),
    ]


def test_a_dry_run_writes_nothing(unused: CommandLine, photos: Path) -> None:
    ended = annotated(unused, photos, "--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert "Would write 12 images with up to 2 object, 1 part, 2 texture concepts" in ended.err
    assert ended.err.endswith("broden1_64, less than 1 MB.\n")
    assert not unused.data.exists()


def test_the_same_again_does_nothing_and_another_threshold_is_another(
    unused: CommandLine, photos: Path
) -> None:
    assert annotated(unused, photos).code == 0
    assert "nothing to do" in annotated(unused, photos).err
    ended = annotated(unused, photos, "--threshold", "0.7")
    assert (ended.code, "set --force to overwrite it" in ended.err) == (2, True)
    assert annotated(unused, photos, "--threshold", "0.7", "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "function", "said"),
    [
        (["--words", "red,red"], "make", "'red' is there twice in the category object"),
        (["--words", ","], "make", "--words names nothing"),
        (["--words", "none.tsv"], "make", "There is no words file none.tsv: check"),
        (["--words", "pink"], "make", "raises KeyError: 'pink' for 12 images: mend it (--debug"),
        (["--threshold", "0"], "make", "--threshold 0 must be above 0, and at most 1."),
        (["--threshold", "1.5"], "make", "--threshold 1.5 must be above 0, and at most 1."),
        (["--words", "no"], "make", "No word was found in any photograph: lower --threshold"),
        (["--precision", "half"], "make", "--precision half is for networks that ccx opens"),
        (["--engine", "clipsag"], "make", "--engine clipsag is not known, did you mean clipseg?"),
        ([], "missing", "missing is not there"),
        ([], "number", "number is no callable"),
        ([], "wrong", "scores must be from 0 to 1."),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    unused: CommandLine, photos: Path, arguments: list[str], function: str, said: str
) -> None:
    ended = annotated(unused, photos, *arguments, function=function)
    assert ended.code == 2 or "none.tsv" in said
    last = ended.err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert said in last
    assert not (unused.data / "datasets/photos/broden1_64").exists()


def test_a_photograph_that_cannot_be_read_is_named(unused: CommandLine, photos: Path) -> None:
    (photos / "photos/3.jpg").write_bytes(b"none")
    ended = annotated(unused, photos)
    assert ended.code == 4
    assert "photos/3.jpg cannot be read as an image" in ended.err.splitlines()[-1]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_equalfiles_of(tmp_path: Path, photos: Path) -> None:
    for copy in range(1, 10):
        for path in sorted((photos / "photos").glob("?.jpg")):
            shutil.copy(path, photos / f"photos/{path.stem}-{copy}.jpg")
    command = ["annotate", str(photos / "photos"), "--words", str(photos / "words.tsv")]
    command += ["--engine", f"{photos / 'rules.py'}:make", "--side", "64", "--colors"]
    command += ["--batch-size", "4", "--workers", "2", "--data-dir"]
    chance = random.Random(5)
    with killer(tmp_path) as kill:
        code, seconds, err = kill.run(*command, str(tmp_path / "whole"))
        assert code == 0, err
        killed = 0
        while code != 0 or killed < 5:
            after = None if killed >= 20 else seconds * chance.random()
            code, _, err = kill.run(*command, str(tmp_path / "killed"), seconds=after)
            assert code in {0, -9}, err
            if code == -9:
                killed += 1
            elif killed < 5:
                shutil.rmtree(tmp_path / "killed")
    whole, again = (files_of(tmp_path / name / "datasets") for name in ("whole", "killed"))
    assert len(whole) > 300
    assert whole == again


def test_what_made_the_labels_is_said_wherever_a_run_is(unused: CommandLine, photos: Path) -> None:
    assert annotated(unused, photos, "--subset", "mine", "--colors", "-q").code == 0
    said = "The labels of words were predicted by callable rules.py:make, not drawn by people."
    command = ["explain", *UNTRAINED, "--subset", "mine", "--units", "0"]
    on_set = ["concepts", "--subset", "mine", "--side", "64"]
    for words in (command, on_set, ["summary"]):
        assert said in unused(*words).err.splitlines()
    header = json.loads(unused.file("results/*/header.json").read_text())
    annotation = header["about"]["annotation"]
    assert (annotation["engine"], annotation["checkpoint"]) == ("callable", "rules.py:make")
    assert annotation["words"][-1] == {
        "category": "part",
        "name": "left",
        "prompts": ["the left half", "left"],
        "owner": "red",
        "threshold": 0.5,
        "iou": None,
    }
    (told,) = unused("info", "-f", "jsonl").lines
    assert told["dataset"]["annotation"] == annotation
    table = " ".join(unused("info").out.split())
    assert "dataset annotation engine │ callable" in table
    text = " ".join(unused("info", "--methods").out.split())
    assert (
        "All labels but those of colors were predicted by a function of our own (rules.py:make, "
        f"revision {annotation['revision'][:23]}), not drawn by people, for 5 words, where a "
        "word's score is at least 0.5 and, of objects, the highest; 1 of them only where "
        "another word is."
    ) in text
    assert "the 12 images of the dataset mine with predicted labels, which carry" in text
    assert "rules.py:make" in unused("info", "--latex").out
    page = unused.data / "page.html"
    assert unused("render", "--html", str(page), "-q").code == 0
    assert "part left of red: the left half | left (score 0.5)" in page.read_text("utf-8")


def test_labels_that_people_made_are_not_said_to_be_predicted(ccx: CommandLine) -> None:
    assert "annotation" not in ccx("info", "-f", "jsonl").lines[0]["dataset"]
    assert "predicted" not in ccx("info", "--methods").out
    assert "predicted" not in ccx("summary").err
