from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.annotating.layers import find_masks, label_layers, scale_scores
from ccx_cli.annotating.words import EXCLUSIVE, Word, owners_of

CATEGORIES = ("object", "material", "scene", "part", "texture")


def _word(category: str, name: str, owner: str | None = None) -> Word:
    return Word(category, name, (name,), owner)


def _masks(words: list[Word], *rows: list[float], threshold: float = 0.5) -> list[list[int]]:
    scores = np.array(rows, dtype=np.float32)[:, None, :]
    found = find_masks(scores, words, [threshold] * len(words))
    return found[:, 0].astype(int).tolist()  # type: ignore[no-any-return]


def test_of_objects_a_pixel_has_the_best_above_the_floor() -> None:
    words = [_word("object", "cat"), _word("object", "dog")]
    assert _masks(words, [0.9, 0.5, 0.4, 0.7], [0.8, 0.6, 0.3, 0.7]) == [[1, 0, 0, 1], [0, 1, 0, 0]]


def test_a_word_below_its_own_threshold_leaves_its_pixels_to_no_other() -> None:
    words = [_word("object", "cat"), _word("object", "dog")]
    scores = np.array([[[0.6]], [[0.4]]], dtype=np.float32)
    assert find_masks(scores, words, [0.7, 0.3]).tolist() == [[[False]], [[False]]]
    assert find_masks(scores, words, [0.6, 0.3]).tolist() == [[[True]], [[False]]]


def test_the_threshold_itself_is_enough() -> None:
    assert _masks([_word("object", "cat")], [0.7, 0.69], threshold=0.7) == [[1, 0]]


def test_categories_do_not_compete() -> None:
    words = [_word("object", "cat"), _word("material", "fur")]
    assert _masks(words, [0.9, 0.2], [0.8, 0.6]) == [[1, 0], [1, 1]]


def test_a_pixel_has_every_texture_above_the_threshold() -> None:
    words = [_word("texture", "striped"), _word("texture", "woven")]
    assert _masks(words, [0.9, 0.2], [0.8, 0.6]) == [[1, 0], [1, 1]]


def test_a_scene_is_of_the_whole_image_by_its_mean() -> None:
    words = [_word("scene", "street"), _word("scene", "beach")]
    assert _masks(words, [1, 0.3, 0.5], [0.9, 0.6, 0]) == [[1, 1, 1], [0, 0, 0]]
    assert _masks(words, [1, 0.3, 0.1], [0.9, 0.5, 0]) == [[0, 0, 0], [0, 0, 0]]


def test_a_part_is_only_where_its_owners_are() -> None:
    words = [
        _word("part", "spoke", "wheel"),
        _word("part", "wheel", "car"),
        _word("object", "car"),
        _word("object", "tree"),
    ]
    spoke, wheel = [0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.1, 0.9]
    car, tree = [0.9, 0.1, 0.9, 0.6], [0.1, 0.1, 0.1, 0.7]
    assert _masks(words, spoke, wheel, car, tree) == [
        [1, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 1],
    ]


def _brute_force(
    scores: NDArray[np.float32], words: list[Word], thresholds: list[float]
) -> NDArray[np.bool_]:
    n_words, height, width = scores.shape
    floors = [np.float32(each) for each in thresholds]
    masks = np.zeros(scores.shape, dtype=bool)
    for y in range(height):
        for x in range(width):
            at = [
                scores[i].mean() if words[i].category == "scene" else scores[i, y, x]
                for i in range(n_words)
            ]
            for i in range(n_words):
                rivals = [j for j in range(n_words) if words[j].category == words[i].category]
                first = min(rivals, key=lambda j: (-at[j], j))
                if at[i] >= floors[i]:
                    masks[i, y, x] = words[i].category not in EXCLUSIVE or first == i
    found = masks.copy()
    by_name = {word.name: index for index, word in enumerate(words)}
    for index, word in enumerate(words):
        owner = word.owner
        while owner is not None:
            found[index] &= masks[by_name[owner]]
            owner = words[by_name[owner]].owner
    return found


@st.composite
def _cases(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[Word], list[float]]:
    words: list[Word] = []
    for index in range(draw(st.integers(1, 6))):
        category = draw(st.sampled_from(CATEGORIES))
        owners = [each.name for each in words if each.category != category]
        owner = draw(st.sampled_from([None, *owners])) if category != "scene" else None
        words.append(_word(category, f"w{index}", owner))
    # A few values, so that words are equal, or are at the threshold.
    values = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.7, 1.0])
    flat = draw(st.lists(values, min_size=len(words) * 4, max_size=len(words) * 4))
    scores = np.array(flat, dtype=np.float32).reshape(len(words), 2, 2)
    thresholds = draw(
        st.lists(st.sampled_from([0.3, 0.5, 0.7]), min_size=len(words), max_size=len(words))
    )
    return scores, draw(st.permutations(words)), thresholds


@given(_cases())
@settings(max_examples=300, deadline=None)
def test_masks_and_layers_are_those_of_brute_force(
    case: tuple[NDArray[np.float32], list[Word], list[float]],
) -> None:
    scores, words, thresholds = case
    before = scores.copy()
    masks = find_masks(scores, words, thresholds)
    assert (scores == before).all()
    assert (masks == _brute_force(scores, words, thresholds)).all()
    found = label_layers(masks, words, range(1, len(words) + 1))
    for index, word in enumerate(words):
        number = index + 1
        of_pixels = [
            layer == number for category, layer in found.layers if category == word.category
        ]
        mask = np.any(of_pixels, axis=0) if of_pixels else np.zeros((2, 2), dtype=bool)
        if ("scene", number) in found.whole:
            mask = np.ones((2, 2), dtype=bool)
        assert (mask == masks[index]).all()
    exclusive = [category for category, _ in found.layers if category in EXCLUSIVE]
    assert len(exclusive) == len(set(exclusive))
    assert all(category != "scene" for category, _ in found.layers)
    assert len(found.whole) <= 1
    assert all(layer.any() and layer.dtype == np.uint16 for _, layer in found.layers)


def test_of_textures_that_meet_the_smaller_comes_first() -> None:
    words = [_word("texture", "large"), _word("texture", "small"), _word("texture", "none")]
    masks = np.array([[[1, 1]], [[1, 0]], [[0, 0]]], dtype=bool)
    found = label_layers(masks, words, [5, 300, 7])
    assert [(category, layer.tolist()) for category, layer in found.layers] == [
        ("texture", [[300, 0]]),
        ("texture", [[5, 5]]),
    ]


def test_owners_come_nearest_first() -> None:
    words = [_word("object", "car"), _word("part", "wheel", "car"), _word("part", "spoke", "wheel")]
    assert owners_of(words[2], words) == ["wheel", "car"]
    assert owners_of(words[0], words) == []


def test_scores_are_scaled_by_what_they_cover() -> None:
    halves = np.zeros((1, 8, 8), dtype=np.float32)
    halves[:, :, 4:] = 1
    shrunk = scale_scores(halves, (4, 4))
    assert shrunk.shape == (1, 4, 4)
    assert shrunk[0, :, [0, 3]].tolist() == [[0] * 4, [1] * 4]
    assert shrunk[0, 0, 1] == pytest.approx(0.125)
    grown = scale_scores(np.array([[[0, 1]]], dtype=np.float32), (1, 4))
    assert grown[0, 0].tolist() == pytest.approx([0, 0.25, 0.75, 1])
    assert scale_scores(halves, (8, 8)) is halves
