"""What is annotated is what the engine found: round trips by the reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ccx_cli.annotating.annotate import Annotator, ChosenWord, read_unlabelled
from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.annotating.words import Word, words_of
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.writer import ImportSummary, write_broden
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.progress import Progress
from ccx_cli.store.paths import IMPORT_MARKER

if TYPE_CHECKING:
    from tests.imported_sets import MASK, SIDE, StoppedAfter, files_of
else:
    from imported_sets import MASK, SIDE, StoppedAfter, files_of

WORDS = (
    Word("object", "red", ("red",)),
    Word("object", "blue", ("blue",)),
    Word("part", "left", ("left", "the left"), "red"),
    Word("texture", "any", ("any",)),
    Word("scene", "reddish", ("reddish",)),
    Word("texture", "none", ("none",)),
)
SETTINGS = ImportSettings("set", (SIDE, SIDE))


class Rules:
    """Scores by color and position; counts what it is asked."""

    vocabulary: tuple[str, ...] | None = None

    def __init__(self, revision: str = "1") -> None:
        self.identity = EngineIdentity("rules", "colors", revision)
        self.sizes: list[int] = []
        self.threads: set[int] = set()

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        self.sizes.append(len(images))
        self.threads.add(threading.get_ident())
        red, blue = (images[..., channel] / 255 for channel in (0, 2))
        columns = np.broadcast_to(np.arange(red.shape[2]) < red.shape[2] // 2, red.shape)
        known = {
            "red": red,
            "blue": blue,
            "left": columns,
            "any": np.ones_like(red),
            "reddish": red,
            "none": np.zeros_like(red),
        }
        found = np.stack([known[word.name] for word in words], axis=1)
        return found.astype(np.float32)


def draw(root: Path, count: int = 5) -> Path:
    """Photographs that are red in their upper part and blue below, the n-th from the n-th row."""
    for number in range(count):
        pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        rows = 2 * (number % MASK)
        pixels[:rows, :, 0] = 255
        pixels[rows:, :, 2] = 255
        path = root / f"photos/{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root / "photos"


def annotated(
    photographs: Path,
    datasets: Path,
    engine: Rules,
    threshold: float = 0.6,
    settings: ImportSettings = SETTINGS,
    progress: Progress | None = None,
    batch_size: int = 2,
    words: Sequence[Word] = WORDS,
) -> ImportSummary:
    chosen = [ChosenWord(word, threshold) for word in words]
    source = read_unlabelled(photographs, engine, chosen, "single")
    convert = Annotator(engine, chosen, batch_size, 2)
    return write_broden(source, datasets, settings, progress=progress, convert=convert)


def test_the_reader_finds_what_the_engine_did(tmp_path: Path) -> None:
    engine = Rules()
    summary = annotated(draw(tmp_path, 7), tmp_path / "data", engine)
    dataset = read_broden(tmp_path / "data", "set", SIDE)
    numbers = {label.name: label.number for label in dataset.labels}
    assert set(numbers) == {"red", "blue", "left", "any", "reddish-s"}
    rows, columns = np.mgrid[:MASK, :MASK]
    for number, row in enumerate(dataset.rows):
        maps = read_label_maps(dataset, row)
        masks = {name: (maps == number).any(axis=0) for name, number in numbers.items()}
        assert (masks["red"] == (rows < number)).all()
        assert (masks["blue"] == (rows >= number)).all()
        assert (masks["left"] == ((rows < number) & (columns < MASK // 2))).all()
        assert masks["any"].all()
        whole = [numbers["reddish-s"]] if number / MASK >= 0.6 else []
        assert list(row.labels) == whole
    assert summary.unused == 1
    assert any(
        "Found in no photograph: none (a lower `threshold`" in note for note in summary.notes
    )


def test_batches_go_through_this_thread_in_order(tmp_path: Path) -> None:
    engine = Rules()
    photographs = draw(tmp_path, 7)
    annotated(photographs, tmp_path / "data", engine, batch_size=3)
    assert engine.sizes == [3, 3, 1]
    assert engine.threads == {threading.get_ident()}
    marker = json.loads((tmp_path / f"data/set/broden1_{SIDE}" / IMPORT_MARKER).read_text())
    assert marker["annotation"]["engine"] == "rules"
    assert marker["annotation"]["words"][2] == {
        "category": "part",
        "name": "left",
        "prompts": ["left", "the left"],
        "owner": "red",
        "threshold": 0.6,
        "iou": None,
    }


def test_the_same_again_asks_the_engine_nothing(tmp_path: Path) -> None:
    photographs = draw(tmp_path)
    annotated(photographs, tmp_path / "data", Rules())
    again = Rules()
    assert annotated(photographs, tmp_path / "data", again).made_before
    assert again.sizes == []


@pytest.mark.parametrize("other", ["revision", "threshold", "words", "prompts"])
def test_what_was_asked_otherwise_is_another_dataset(tmp_path: Path, other: str) -> None:
    photographs = draw(tmp_path)
    annotated(photographs, tmp_path / "data", Rules())
    engine = Rules("2" if other == "revision" else "1")
    words = list(WORDS[:-1] if other == "words" else WORDS)
    if other == "prompts":
        words[0] = replace(words[0], prompts=("crimson",))
    with pytest.raises(UsageError, match="`force`"):
        annotated(
            photographs,
            tmp_path / "data",
            engine,
            0.5 if other == "threshold" else 0.6,
            words=words,
        )
    assert engine.sizes == []


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    photographs = draw(tmp_path, 20)
    with pytest.raises(KeyboardInterrupt):
        annotated(photographs, tmp_path / "data", Rules(), progress=StoppedAfter(6))
    assert not (tmp_path / f"data/set/broden1_{SIDE}").exists()
    listener, engine = StoppedAfter(999), Rules()
    annotated(photographs, tmp_path / "data", engine, progress=listener)
    assert listener.done == 6
    assert sum(engine.sizes) == 14
    annotated(photographs, tmp_path / "again", Rules(), batch_size=5)
    target = f"set/broden1_{SIDE}"
    assert files_of(tmp_path / "data" / target) == files_of(tmp_path / "again" / target)


class Failing(Rules):
    """Ends in its fourth batch."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        if len(self.sizes) == 3:
            raise self.error
        return super().scores(images, words)


@pytest.mark.parametrize("error", [KeyboardInterrupt, UsageError])
def test_what_an_engine_did_before_it_ended_is_kept(
    tmp_path: Path, error: type[BaseException]
) -> None:
    photographs = draw(tmp_path, 20)
    with pytest.raises(error):
        annotated(photographs, tmp_path / "data", Failing(error))
    listener = StoppedAfter(999)
    annotated(photographs, tmp_path / "data", Rules(), progress=listener)
    assert listener.done == 6


class Shifting(Rules):
    """Scores that depend on what else is in a batch, as the last digits of networks do."""

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        return super().scores(images, words) * np.float32(images.mean() / 255 + 0.5)


def test_batches_are_the_same_where_a_run_stopped_amid_one(tmp_path: Path) -> None:
    photographs = draw(tmp_path, 20)
    for name in ("whole", "stopped"):
        listener = StoppedAfter(8 if name == "stopped" else 999)
        with suppress(KeyboardInterrupt):
            engine = Shifting()
            annotated(photographs, tmp_path / name, engine, 0.4, progress=listener, batch_size=4)
    journal = tmp_path / f"stopped/set/.broden1_{SIDE}.partial/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    engine = Shifting()
    annotated(photographs, tmp_path / "stopped", engine, 0.4, batch_size=4)
    assert engine.sizes == [4] * 4
    whole, stopped = (files_of(tmp_path / f"{name}/set") for name in ("whole", "stopped"))
    assert whole == stopped


def test_a_stopped_run_of_another_threshold_is_not_used(tmp_path: Path) -> None:
    photographs = draw(tmp_path, 20)
    with pytest.raises(KeyboardInterrupt):
        annotated(photographs, tmp_path / "data", Rules(), progress=StoppedAfter(6))
    listener = StoppedAfter(999)
    annotated(photographs, tmp_path / "data", Rules(), 0.7, progress=listener)
    assert listener.done == 0


@pytest.mark.parametrize("colors", [False, True])
def test_no_word_anywhere_is_refused(tmp_path: Path, colors: bool) -> None:
    settings = ImportSettings("set", (SIDE, SIDE), colors=colors)
    with pytest.raises(UsageError, match="No word was found in any photograph: lower `threshold`"):
        annotated(draw(tmp_path), tmp_path / "data", Rules(), settings=settings, words=WORDS[-1:])
    assert not (tmp_path / f"data/set/broden1_{SIDE}").exists()


def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    photographs = draw(tmp_path)
    (photographs / "03.png").write_bytes(b"no picture")
    with pytest.raises(DamagedDataError, match=r"photos/03\.png cannot be read as an image"):
        annotated(photographs, tmp_path / "data", Rules())


def test_a_folder_of_label_pngs_beside_photographs_is_refused(tmp_path: Path) -> None:
    draw(tmp_path)
    draw(tmp_path / "a").rename(tmp_path / "Masks")
    with pytest.raises(UsageError, match=r"The folder Masks in .* can hardly hold photographs"):
        annotated(tmp_path, tmp_path / "data", Rules())
    assert annotated(tmp_path / "Masks", tmp_path / "data", Rules()).splits == {"train": 5}


def test_the_engine_sees_photographs_the_right_way_up_in_the_shape_of_the_dataset(
    tmp_path: Path,
) -> None:
    pixels = np.zeros((60, 40, 3), dtype=np.uint8)
    pixels[:, 20:, 0] = pixels[:, :20, 2] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos/a.jpg", exif=exif, quality=100)
    settings = ImportSettings("set", (8, 12))
    annotated(tmp_path / "photos", tmp_path / "data", Rules(), settings=settings)
    dataset = read_broden(tmp_path / "data", "set", 12)
    (row,) = dataset.rows
    red = next(label.number for label in dataset.labels if label.name == "red")
    # Viewers turn it clockwise by a quarter: what is stored on the right is shown below.
    shown = (read_label_maps(dataset, row) == red).any(axis=0)
    assert shown.tolist() == [[False] * 6] * 2 + [[True] * 6] * 2


def test_folders_at_the_top_say_the_split(tmp_path: Path) -> None:
    draw(tmp_path / "a")
    photographs = tmp_path / "all"
    photographs.mkdir()
    (tmp_path / "a/photos").rename(photographs / "train")
    draw(tmp_path / "a", 2).rename(photographs / "val")
    summary = annotated(photographs, tmp_path / "data", Rules())
    assert summary.splits == {"train": 5, "val": 2}
    draw(tmp_path / "a").rename(photographs / "others")
    summary = annotated(photographs, tmp_path / "other", Rules())
    assert summary.splits == {"train": 12}


def test_what_an_engine_knows_can_be_all_its_words() -> None:
    words = words_of(["background", "cat", "", "dog "])
    assert [word.name for word in words] == ["cat", "dog"]
    with pytest.raises(UsageError, match="`engine` knows no class with a name"):
        words_of(["background"])


def test_a_word_that_the_engine_does_not_know_is_refused(tmp_path: Path) -> None:
    engine = Rules()
    engine.vocabulary = ("red", "blue", "bluish")
    chosen = [ChosenWord(Word("object", "blau", ("blu",)), 0.5)]
    with pytest.raises(UsageError, match="does not know 'blu' of 'blau', did you mean blue"):
        read_unlabelled(draw(tmp_path), engine, chosen, "single")
    chosen = [ChosenWord(Word("object", "blau", ("blue",)), 0.5)]
    assert read_unlabelled(draw(tmp_path), engine, chosen, "single").vocabulary[0].name == "blau"


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_a_threshold_that_cannot_be_meant_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="`threshold`"):
        ChosenWord(WORDS[0], threshold)
