"""How good an engine's words are: its masks against human labels at each of many thresholds.

Thresholds are chosen on one half of the images and measured on the other. One pass counts, for
every word, its pixels and those with the label by the quantized score that ``claim_scores`` gives
them; a word with owners by the scores of those as well. What ``find_masks`` makes at any thresholds
of the grid follows from these counts exactly.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ccx_cli.annotating.engine import Engine, checked_scores
from ccx_cli.annotating.layers import claim_scores, scale_scores
from ccx_cli.annotating.words import Word, owners_of
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.importing.pictures import read_photograph
from ccx_cli.concepts.importing.settings import Fit, LabelOrientation
from ccx_cli.concepts.importing.sources import COLOR
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.parse import with_suffix, without_suffix
from ccx_cli.progress import Progress
from ccx_cli.records.quality import AllWordsQualityRecord, WordQualityRecord

THRESHOLDS = (np.arange(1, 50) / 50).astype(np.float32)
_BINS = len(THRESHOLDS) + 1
_DEEPEST = 2
"""Owners above one another: their counts have a dimension each."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Checked:
    """A word to check; ``concept`` is its index in the concept index, ``None`` without a label."""

    word: Word
    concept: int | None


def own_words(index: ConceptIndex) -> list[Checked]:
    """Return the concepts of a labeled set as words, all but its colors.

    Raises
    ------
    UsageError
        If there is none.
    """
    checked = []
    for concept, label in enumerate(index.labels):
        if label.category != COLOR:
            name = without_suffix(label.name, label.category)
            checked.append(Checked(Word(label.category, name, (name,)), concept))
    if not checked:
        raise UsageError("`check` names images without a label but colors: name others.")
    return checked


def match_words(words: Sequence[Word], index: ConceptIndex) -> list[Checked]:
    """Find the label of each word by its name, else by its prompts, in names, then in synonyms.

    Raises
    ------
    UsageError
        If no word has a label.
    """
    known: dict[str, int] = {}
    for concept, label in enumerate(index.labels):
        known[label.name.casefold()] = concept
    for concept, label in enumerate(index.labels):
        for synonym in label.synonyms:
            known.setdefault(with_suffix(synonym, label.category).casefold(), concept)
    checked = []
    for word in words:
        names = (with_suffix(each, word.category) for each in (word.name, *word.prompts))
        found = [known[name.casefold()] for name in names if name.casefold() in known]
        checked.append(Checked(word, found[0] if found else None))
    if all(each.concept is None for each in checked):
        raise UsageError(
            "`words` has no word that the labeled images have: name some by their labels, which "
            "`ccx concepts` lists."
        )
    return checked


def check_engine(
    engine: Engine,
    dataset: BrodenDataset,
    index: ConceptIndex,
    checked: Sequence[Checked],
    *,
    seed: int,
    batch_size: int,
    progress: Progress,
) -> tuple[AllWordsQualityRecord, list[WordQualityRecord]]:
    """Choose thresholds on half of the images, and measure the words on the others.

    Raises
    ------
    UsageError
        If there is only one image, no word has a label in the first half, or owners are nested too
        deep.
    """
    words = [each.word for each in checked]
    chains = _chains(words)
    measured_on = _second_half(index.n_images, seed)
    halves = [_Half(chains), _Half(chains)]
    with progress.task("Checking", index.n_images) as task:
        for image, scores in _score(engine, dataset, words, batch_size):
            bins = quantize(claim_scores(scores, words)).reshape(len(words), -1)
            masks = _human_masks(index, image, checked)
            halves[measured_on[image]].add(bins, masks)
            task.advance()
    return _measure(words, *halves)


def quantize(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return how many of ``THRESHOLDS`` each score reaches, 0 for none."""
    return np.searchsorted(THRESHOLDS, scores, side="right")


def _chains(words: Sequence[Word]) -> list[tuple[int, ...]]:
    """Return of every word its index and those of the owners above it."""
    names = [word.name for word in words]
    chains = []
    for index, word in enumerate(words):
        owners = owners_of(word, words)
        if len(owners) > _DEEPEST:
            raise UsageError(
                f"The word {word.name!r} is inside {len(owners)} owners, one in another, of which "
                f"a check takes {_DEEPEST} at most: remove one with its of=."
            )
        chains.append((index, *map(names.index, owners)))
    return chains


def _second_half(n_images: int, seed: int) -> NDArray[np.intp]:
    """Mark the images to measure on with 1: half of them, chosen at random."""
    if n_images < 2:
        raise UsageError(
            "`check` needs two images or more, one to choose thresholds and one to measure on: "
            "name a larger set."
        )
    marks = np.zeros(n_images, dtype=np.intp)
    marks[random.Random(seed).sample(range(n_images), n_images - n_images // 2)] = 1
    return marks


def _score(
    engine: Engine, dataset: BrodenDataset, words: Sequence[Word], batch_size: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield every image's index and scores, ``(words, *mask_shape)``; equal sizes together."""
    rows = enumerate(dataset.rows)
    for size, group in groupby(rows, key=lambda pair: (pair[1].height, pair[1].width)):
        alike = list(group)
        for start in range(0, len(alike), batch_size):
            batch = alike[start : start + batch_size]
            pixels = [
                read_photograph(
                    dataset.image_path(row.image),
                    size,
                    Fit.STRETCH,
                    dataset.mask_shape,
                    LabelOrientation.STORED,
                ).pixels
                for _, row in batch
            ]
            found = checked_scores(engine, np.stack(pixels), words)
            for (image, _), scores in zip(batch, found, strict=True):
                yield image, scale_scores(scores, dataset.mask_shape)


def _human_masks(
    index: ConceptIndex, image: int, checked: Sequence[Checked]
) -> dict[int, NDArray[np.bool_]]:
    """Return the labeled pixels, ``(n_pixels,)`` bool, of the words that an image has."""
    local_sets = index.local_sets[index.offsets[image] : index.offsets[image + 1]]
    sets = [
        index.sets.labels[index.sets.indptr[each] : index.sets.indptr[each + 1]]
        for each in local_sets
    ]
    there = set(np.concatenate(sets).tolist())
    return {
        position: np.array([each.concept in own for own in sets])[index.maps[image]]
        for position, each in enumerate(checked)
        if each.concept in there
    }


class _Half:
    """Counts of one half of the images: by bin of the word and of each of its owners."""

    def __init__(self, chains: Sequence[tuple[int, ...]]) -> None:
        self.chains = chains
        self.pixels = [np.zeros((_BINS,) * len(chain), dtype=np.int64) for chain in chains]
        self.hits = [np.zeros_like(each) for each in self.pixels]
        self.labeled = [0] * len(chains)
        self.images = [0] * len(chains)
        self.n_images = 0

    def add(self, bins: NDArray[np.intp], masks: dict[int, NDArray[np.bool_]]) -> None:
        """Count one image: bins ``(words, pixels)``, and the labeled pixels of its words."""
        self.n_images += 1
        for position, chain in enumerate(self.chains):
            shape = self.pixels[position].shape
            cells = np.ravel_multi_index(tuple(bins[list(chain)]), shape)
            size = self.pixels[position].size
            self.pixels[position] += np.bincount(cells, minlength=size).reshape(shape)
            if position in masks:
                hits = np.bincount(cells[masks[position]], minlength=size)
                self.hits[position] += hits.reshape(shape)
                self.labeled[position] += int(masks[position].sum())
                self.images[position] += 1

    def curves(self, position: int, owners: Sequence[int]) -> tuple[Counts, Counts]:
        """Return a word's pixels and hits at each threshold, ``owners`` those of its owners."""
        return tuple(  # type: ignore[return-value]
            _reaching(counts[position], owners) for counts in (self.pixels, self.hits)
        )

    def ious(self, position: int, owners: Sequence[int]) -> NDArray[np.float64]:
        """Return the IoU of a labeled word at each threshold."""
        pixels, hits = self.curves(position, owners)
        return hits / (pixels + self.labeled[position] - hits)


def _reaching(counts: Counts, owners: Sequence[int]) -> Counts:
    """Count what reaches each threshold, where its owners reach theirs, given by index."""
    for threshold in reversed(owners):
        counts = counts[..., threshold + 1 :].sum(axis=-1)
    return counts[::-1].cumsum()[::-1][1:]


def _measure(
    words: Sequence[Word], chosen_on: _Half, measured_on: _Half
) -> tuple[AllWordsQualityRecord, list[WordQualityRecord]]:
    own, common = _choose(chosen_on)
    records = []
    for position, word in enumerate(words):
        owners = [own[each] for each in measured_on.chains[position][1:]]
        pixels, hits = measured_on.curves(position, owners)
        labeled = measured_on.labeled[position]
        everywhere = measured_on.curves(position, [common] * len(owners))
        at = own[position]
        ious = _shares(hits, pixels + labeled - hits, labeled > 0)
        precisions = _shares(hits, pixels, labeled > 0)
        recalls = _shares(hits, np.full_like(hits, labeled), labeled > 0)
        common_ious = _shares(everywhere[1], everywhere[0] + labeled - everywhere[1], labeled > 0)
        records.append(
            WordQualityRecord(
                kind="word",
                category=word.category,
                word=word.name,
                prompts=list(word.prompts),
                owner=word.owner,
                images=measured_on.images[position],
                pixels=labeled,
                threshold=_threshold(at),
                iou=ious[at],
                precision=precisions[at],
                recall=recalls[at],
                common_iou=common_ious[common],
                ious=ious,
                precisions=precisions,
                recalls=recalls,
            )
        )
    known = [record for record in records if record.iou is not None]
    every = AllWordsQualityRecord(
        kind="all",
        words=len(known),
        images=measured_on.n_images,
        threshold=_threshold(common),
        iou=_mean([record.iou for record in known]),
        common_iou=_mean([record.common_iou for record in known]),
    )
    return every, records


def _choose(half: _Half) -> tuple[list[int], int]:
    """Return the index of the best threshold for each word, and of the best one for all.

    A word without a label, or that no threshold finds, has the one for all.
    """
    positions = [position for position, labeled in enumerate(half.labeled) if labeled]
    if not positions:
        raise UsageError(
            "`check` finds no label of a word in the half of the images that chooses thresholds: "
            "name a larger set, or set another `seed`."
        )
    alike = [
        [half.ious(each, [at] * (len(half.chains[each]) - 1))[at] for each in positions]
        for at in range(len(THRESHOLDS))
    ]
    common = _best(np.mean(alike, axis=1))
    own = [common] * len(half.chains)
    for position in sorted(positions, key=lambda each: len(half.chains[each])):
        ious = half.ious(position, [own[each] for each in half.chains[position][1:]])
        if ious.max() > 0:
            own[position] = _best(ious)
    return own, common


def _best(ious: NDArray[np.float64]) -> int:
    """Return the index of the threshold with the largest IoU, of several the nearest to 0.5."""
    middle = len(THRESHOLDS) // 2
    return min(range(len(ious)), key=lambda at: (-ious[at], abs(at - middle), at))


def _threshold(index: int) -> float:
    return (index + 1) / 50


def _shares(part: Counts, whole: Counts, known: bool) -> list[float | None]:
    pairs = zip(part.tolist(), whole.tolist(), strict=True)
    return [one / all_ if known and all_ else None for one, all_ in pairs]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
