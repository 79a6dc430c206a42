"""What scores of words become: a mask a word, and label layers a category.

An object, a material and a scene are exclusive: a pixel has the word of the highest score, if that
is at least the word's threshold. In other categories a pixel has every word that is at least that.
A scene is of a whole image, as in Broden: its score is its mean over the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.annotating.words import EXCLUSIVE, Word, owners_of
from ccx_cli.concepts.importing.sources import SCENE


@dataclass(frozen=True, slots=True, eq=False)
class FoundLabels:
    """The labels of one image.

    ``layers`` are ``(height, width)`` label numbers, 0 for none, each with its category; ``whole``
    are labels of the whole image, a category and a number each.
    """

    layers: tuple[tuple[str, NDArray[np.uint16]], ...]
    whole: tuple[tuple[str, int], ...]


def scale_scores(scores: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Scale ``(words, height, width)`` bilinearly; where it shrinks, over all pixels it covers."""
    if scores.shape[1:] == shape:
        return scores
    scaled = np.empty((len(scores), *shape), dtype=np.float32)
    for index, each in enumerate(scores):
        picture = Image.fromarray(np.ascontiguousarray(each))
        scaled[index] = np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))
    return scaled


def claim_scores(scores: NDArray[np.float32], words: Sequence[Word]) -> NDArray[np.float32]:
    """Return the scores by which pixels are claimed: -1 where another word of its kind is higher.

    The kinds are the exclusive categories; a scene's score is its mean. No threshold changes who is
    highest, so each word's can be chosen by itself.
    """
    claimed = scores.copy()
    is_scene = [word.category == SCENE for word in words]
    if any(is_scene):
        claimed[is_scene] = scores[is_scene].mean(axis=(1, 2), keepdims=True)
    for category in EXCLUSIVE:
        own = [index for index, word in enumerate(words) if word.category == category]
        if own:
            best = claimed[own].argmax(axis=0)
            claimed[own] = np.where(
                best == np.arange(len(own))[:, None, None], claimed[own], np.float32(-1)
            )
    return claimed


def find_masks(
    scores: NDArray[np.float32], words: Sequence[Word], thresholds: Sequence[float]
) -> NDArray[np.bool_]:
    """Return which pixels have which word, ``(words, height, width)`` as ``scores`` are.

    A word with an owner is only where its owner is, and the owner's own.
    """
    floors = np.asarray(thresholds, dtype=np.float32)
    unowned = claim_scores(scores, words) >= floors[:, None, None]
    masks: NDArray[np.bool_] = unowned.copy()
    names = [word.name for word in words]
    for mask, word in zip(masks, words, strict=True):
        for owner in owners_of(word, words):
            mask &= unowned[names.index(owner)]
    return masks


def label_layers(
    masks: NDArray[np.bool_], words: Sequence[Word], numbers: Sequence[int]
) -> FoundLabels:
    """Return the layers of each category; where words meet, the smaller mask comes first.

    ``masks`` are ``(words, height, width)``, ``numbers`` the label numbers of the words.
    """
    sizes = masks.sum(axis=(1, 2))
    layers: list[tuple[str, NDArray[np.uint16]]] = []
    whole: list[tuple[str, int]] = []
    exclusive: dict[str, NDArray[np.uint16]] = {}
    for index in np.argsort(sizes, kind="stable"):
        category, number = words[index].category, numbers[index]
        if not sizes[index]:
            continue
        if category == SCENE:
            whole.append((category, number))
            continue
        numbered = masks[index] * np.uint16(number)
        if category not in EXCLUSIVE:
            layers.append((category, numbered))
        elif category in exclusive:
            exclusive[category] += numbered
        else:
            exclusive[category] = numbered
    return FoundLabels((*exclusive.items(), *layers), tuple(whole))
