"""Checks of engines against a plain twin: dense masks, and every threshold tried."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.annotating.layers import find_masks, scale_scores
from ccx_cli.annotating.quality import Checked, check_engine, match_words, own_words
from ccx_cli.annotating.words import Word
from ccx_cli.concepts.arrays import index_of_masks
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.broden_csv import ImageRow
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.progress import SilentProgress
from ccx_cli.records.quality import AllWordsQualityRecord, WordQualityRecord

MASK = (6, 8)
GRID = [at / 50 for at in range(1, 50)]
WORDS = [
    Word("object", "cat", ("cat",)),
    Word("object", "dog", ("dog", "puppy")),
    Word("part", "head", ("head",), "cat"),
    Word("part", "eye", ("eye",), "head"),
    Word("scene", "street", ("street",)),
    Word("scene", "beach", ("beach",)),
    Word("texture", "striped", ("striped",)),
]


class Stored:
    """An engine that knows the scores of each photograph, by the red of its first pixel."""

    identity = EngineIdentity("stored")
    vocabulary: tuple[str, ...] | None = None

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self.known = scores

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        assert len(words) == self.known.shape[1]
        return self.known[images[:, 0, 0, 0]]


def dataset_of(folder: Path, index: ConceptIndex) -> BrodenDataset:
    """Save a photograph for each image of an index; every third is of another size."""
    rows = []
    for image in range(index.n_images):
        height, width = (12, 16) if image % 3 else (14, 18)
        pixels = np.full((height, width, 3), image, dtype=np.uint8)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / f"{image}.png")
        rows.append(ImageRow(f"{image}.png", "", height, width, *MASK, (), ()))
    return BrodenDataset(folder, "all", index.labels, ("object",), tuple(rows), MASK)


def check(
    folder: Path, scores: NDArray[np.float32], index: ConceptIndex, checked: Sequence[Checked]
) -> tuple[AllWordsQualityRecord, list[WordQualityRecord]]:
    engine, dataset, silent = Stored(scores), dataset_of(folder, index), SilentProgress()
    return check_engine(engine, dataset, index, checked, seed=3, batch_size=2, progress=silent)


def made_up(seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores, ``(images, words, 5, 7)``, that follow human masks, ``(words, images, *MASK)``."""
    generator = np.random.default_rng(seed)
    masks = generator.random((len(WORDS), 9, *MASK)) < 0.3
    masks[1, generator.integers(0, 9, 5)] = False
    masks[4:6] = (np.arange(9) % 2 == [[0], [1]])[..., None, None]
    coarse = np.stack([scale_scores(each.astype(np.float32), (5, 7)) for each in masks])
    noise = generator.random(coarse.shape)
    scores = np.clip(0.6 * coarse + 0.5 * noise, 0, 1).astype(np.float32).swapaxes(0, 1)
    # Some lie on a threshold.
    scores[0] = np.round(scores[0] * 50) / np.float32(50)
    return scores, masks


def halves(n_images: int, seed: int) -> tuple[list[int], list[int]]:
    measured = random.Random(seed).sample(range(n_images), n_images - n_images // 2)
    return [image for image in range(n_images) if image not in measured], measured


def iou(found: NDArray[np.bool_], human: NDArray[np.bool_]) -> float:
    return float((found & human).sum() / (found | human).sum())


def nearest_best(values: Sequence[float]) -> int:
    return min(range(49), key=lambda at: (-values[at], abs(at - 24), at))


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_thresholds_are_those_of_dense_masks(tmp_path: Path, seed: int) -> None:
    scores, human = made_up(seed)
    index = index_of_masks(human, [word.name for word in WORDS])
    checked = [Checked(word, position) for position, word in enumerate(WORDS)]
    every, records = check(tmp_path, scores, index, checked)
    scaled = [scale_scores(each, MASK) for each in scores]

    def masks(images: list[int], thresholds: Sequence[float]) -> NDArray[np.bool_]:
        found = [find_masks(scaled[image], WORDS, thresholds) for image in images]
        return np.stack(found, axis=1)

    choosing, measured = halves(9, 3)
    truth = human[:, choosing]
    alike = [masks(choosing, [each] * len(WORDS)) for each in GRID]
    common = nearest_best([float(np.mean([*map(iou, each, truth)])) for each in alike])
    own = [GRID[common]] * len(WORDS)
    for position in (0, 1, 4, 5, 6, 2, 3):  # Owners before what is inside them.
        tried = [[*own[:position], each, *own[position + 1 :]] for each in GRID]
        ious = [iou(masks(choosing, each)[position], truth[position]) for each in tried]
        own[position] = GRID[nearest_best(ious)]

    assert every.threshold == GRID[common]
    assert [record.threshold for record in records] == own
    assert len(set(own)) > 2
    found, truth = masks(measured, own), human[:, measured]
    at_common = masks(measured, [GRID[common]] * len(WORDS))
    for position, record in enumerate(records):
        mask, true = found[position], truth[position]
        both = int((mask & true).sum())
        assert record.iou == both / int((mask | true).sum())
        assert record.precision == (both / int(mask.sum()) if mask.any() else None)
        assert record.recall == both / int(true.sum())
        assert record.common_iou == iou(at_common[position], true)
        assert record.ious[GRID.index(own[position])] == record.iou
        assert record.pixels == int(true.sum())
        assert record.images == int(true.any(axis=(1, 2)).sum())
        for at in (0, 17, 48):
            others = [*own[:position], GRID[at], *own[position + 1 :]]
            assert record.ious[at] == iou(masks(measured, others)[position], true)
    assert every.iou == pytest.approx(np.mean([record.iou for record in records]))
    assert every.common_iou == pytest.approx(np.mean([record.common_iou for record in records]))
    assert (every.images, every.words) == (5, len(WORDS))


def test_a_perfect_engine_is_perfect_at_the_middle_of_its_thresholds(tmp_path: Path) -> None:
    human = np.zeros((2, 4, *MASK), dtype=bool)
    human[0, :, :3], human[1, :, 4:] = True, True
    index = index_of_masks(human, ["cat", "dog"])
    scores = human.swapaxes(0, 1).astype(np.float32)
    every, records = check(tmp_path, scores, index, own_words(index))
    assert (every.threshold, every.iou, every.common_iou) == (0.5, 1, 1)
    assert [record.recall for record in records] == [1, 1]


def test_words_without_labels_compete_but_have_no_quality(tmp_path: Path) -> None:
    human = np.zeros((1, 4, *MASK), dtype=bool)
    human[0, :, :, :4] = True
    index = index_of_masks(human, ["cat"])
    scores = np.full((4, 2, *MASK), 0.4, dtype=np.float32)
    scores[:, 0, :, :4], scores[:, 1, :2] = 0.6, 0.9
    checked = match_words([WORDS[0], WORDS[1]], index)
    assert [each.concept for each in checked] == [0, None]
    every, (cat, dog) = check(tmp_path, scores, index, checked)
    assert cat.iou == 4 / 6  # The rival takes two of six rows.
    assert (dog.iou, dog.precision, dog.threshold) == (None, None, every.threshold)
    assert every.words == 1


def test_words_are_matched_by_name_then_prompt_then_synonym() -> None:
    index = index_of_masks(np.ones((4, 1, 2, 2), bool), ["aeroplane", "street-s", "red-c", "Dog"])
    categories = ["object", "scene", "color", "object"]
    labels = [
        label._replace(category=category, synonyms=("hound",) if label.name == "Dog" else ())
        for label, category in zip(index.labels, categories, strict=True)
    ]
    index = replace(index, labels=tuple(labels))

    def matched(category: str, name: str, *prompts: str) -> int | None:
        words = [Word(category, name, prompts or (name,)), Word("object", "dog", ("dog",))]
        return match_words(words, index)[0].concept

    assert matched("object", "aeroplane") == 0
    assert matched("object", "plane", "a plane", "Aeroplane") == 0
    assert matched("scene", "street") == 1
    assert matched("object", "street") is None
    assert matched("object", "hound") == 3
    with pytest.raises(UsageError, match="`words` has no word that the labeled images have"):
        match_words([Word("object", "cow", ("cow",))], index)
    assert [each.word.name for each in own_words(index)] == ["aeroplane", "street", "Dog"]
    colors = replace(index, labels=tuple(label._replace(category="color") for label in labels))
    with pytest.raises(UsageError, match="`check` names images without a label but colors"):
        own_words(colors)


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    def refused(n_images: int, words: list[Word], labeled: Sequence[int]) -> str:
        human = np.zeros((1, n_images, *MASK), dtype=bool)
        human[0, list(labeled)] = True
        index = index_of_masks(human, ["cat"])
        scores = np.zeros((n_images, len(words), 2, 2), dtype=np.float32)
        with pytest.raises(UsageError) as raised:
            check(tmp_path, scores, index, match_words(words, index))
        return str(raised.value)

    assert refused(1, WORDS[:1], [0]).startswith("`check` needs two images or more")
    _, measured = halves(4, 3)
    assert refused(4, WORDS[:1], measured).startswith("`check` finds no label of a word in the")
    names = ["cat", "head", "eye", "iris"]
    nested = [
        Word("part", name, (name,), owner)
        for name, owner in zip(names[1:], names[:-1], strict=True)
    ]
    assert refused(4, [WORDS[0], *nested], [0, 1]) == (
        "The word 'iris' is inside 3 owners, one in another, of which a check takes 2 at most: "
        "remove one with its of=."
    )
