"""Statistics of the concepts of a dataset: how common they are, and which go together.

All of it follows from the label sets: pixels that carry both of two concepts are the pair totals
of the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import count_images
from ccx_cli.formulas.formula import Concept
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.scoring import holds_on


@dataclass(frozen=True, slots=True)
class ConceptFrequency:
    """How common a concept is.

    Attributes
    ----------
    concept
        Its position in the index.
    images
        Images with at least a pixel of it.
    pixels
        Its pixels in all images.
    coverage
        Share of all pixels of the dataset.
    coverage_where_present
        Share of the pixels of the images that have it.
    """

    concept: int
    images: int
    pixels: int
    coverage: float
    coverage_where_present: float


@dataclass(frozen=True, slots=True)
class Cooccurrence:
    """How far two concepts share their pixels.

    Attributes
    ----------
    concept
        The other one's position in the index.
    both
        Pixels that carry both.
    jaccard
        ``both`` over the pixels that carry either.
    share
        ``both`` over the pixels of the one that was asked for.
    share_of_other
        ``both`` over the pixels of the other.
    lift
        How many times more often they meet than if they knew nothing of one another.
    images
        Images that have both, on whatever pixels.
    """

    concept: int
    both: int
    jaccard: float
    share: float
    share_of_other: float
    lift: float
    images: int


@dataclass(frozen=True, slots=True)
class Implication:
    """Pixels of one concept are pixels of another.

    Attributes
    ----------
    premise, conclusion
        Places in the index: each pixel of the premise is one of the conclusion.
    pixels
        Of the premise.
    share
        Of those, the ones that carry the conclusion: 1 without exception.
    coverage
        Share of all pixels that carry the conclusion: what ``share`` would be by chance.
    images
        Images with the premise.
    mutual
        Whether the conclusion implies the premise in the same way.
    """

    premise: int
    conclusion: int
    pixels: int
    share: float
    coverage: float
    images: int
    mutual: bool


@dataclass(frozen=True, slots=True)
class ImageShare:
    """An image with a concept: its index in the dataset, and the concept's part of it."""

    image: int
    pixels: int
    share: float


def concept_frequencies(index: ConceptIndex, data: DataCounts) -> tuple[ConceptFrequency, ...]:
    """Count every concept, in the order of the index."""
    images = index.images_with()
    pixels = np.diagonal(data.totals)
    size = index.mask_shape[0] * index.mask_shape[1]
    return tuple(
        ConceptFrequency(
            concept,
            int(images[concept]),
            int(pixels[concept]),
            int(pixels[concept]) / (size * index.n_images),
            int(pixels[concept]) / (size * int(images[concept])),
        )
        for concept in range(data.n_concepts)
    )


def cooccurrences(index: ConceptIndex, data: DataCounts, concept: int) -> tuple[Cooccurrence, ...]:
    """Return the concepts that share an image with one, by Jaccard index from the highest.

    Parameters
    ----------
    index, data
        The dataset.
    concept
        Its position in the index.
    """
    together = _images_together(index, data, concept)
    totals = np.diagonal(data.totals)
    everything = index.n_images * index.mask_shape[0] * index.mask_shape[1]
    found = []
    for other in np.flatnonzero(together):
        if other == concept:
            continue
        both, one, two = (
            int(count) for count in (data.totals[concept, other], totals[concept], totals[other])
        )
        found.append(
            Cooccurrence(
                int(other),
                both,
                both / (one + two - both),
                both / one,
                both / two,
                both * everything / (one * two),
                int(together[other]),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.jaccard, -each.images, each.concept)))


def implications(
    index: ConceptIndex, data: DataCounts, *, least_share: float = 1.0, least_images: int = 1
) -> tuple[Implication, ...]:
    """Find concepts whose pixels are another's.

    Conclusions that hold on every pixel of the dataset are left out: everything implies them.

    Parameters
    ----------
    index, data
        The dataset.
    least_share
        Share of the premise's pixels that must carry the conclusion, above 0 and up to 1.
    least_images
        Images that must have the premise: what is in few implies much by accident.

    Returns
    -------
    tuple of Implication
        Those of premises in many images first, then those whose conclusion is rarer.
    """
    totals = np.diagonal(data.totals)
    everything = index.n_images * index.mask_shape[0] * index.mask_shape[1]
    images = index.images_with()
    holds = data.totals >= least_share * totals[:, None]
    np.fill_diagonal(holds, False)
    holds &= (images >= least_images)[:, None] & (totals < everything)[None, :]
    found = [
        Implication(
            int(premise),
            int(conclusion),
            int(totals[premise]),
            int(data.totals[premise, conclusion]) / int(totals[premise]),
            int(totals[conclusion]) / everything,
            int(images[premise]),
            bool(data.totals[premise, conclusion] >= least_share * totals[conclusion]),
        )
        for premise, conclusion in np.argwhere(holds)
    ]
    return tuple(sorted(found, key=lambda e: (-e.images, e.coverage, e.premise, e.conclusion)))


def images_of(index: ConceptIndex, data: DataCounts, concept: int) -> tuple[ImageShare, ...]:
    """Return the images that carry a concept, those with the most of it first."""
    size = index.mask_shape[0] * index.mask_shape[1]
    pixels = _pixels_by_image(index, concept)
    order = np.lexsort((np.arange(len(pixels)), -pixels))
    return tuple(
        ImageShare(int(image), int(pixels[image]), int(pixels[image]) / size)
        for image in order[: np.count_nonzero(pixels)]
    )


def _pixels_by_image(index: ConceptIndex, concept: int) -> NDArray[np.int64]:
    """Count the pixels of a concept in each image, ``(n_images,)``."""
    return index.pixels_by_image(holds_on(Concept(int(index.concepts[concept])), index))


def _images_together(index: ConceptIndex, data: DataCounts, concept: int) -> NDArray[np.int64]:
    """Count the images that have both one concept and each other, ``(n_concepts,)``."""
    images = np.flatnonzero(_pixels_by_image(index, concept))
    lengths = np.diff(index.offsets)[images]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.repeat(index.offsets[images] - offsets[:-1], lengths) + np.arange(offsets[-1])
    sets = index.sets
    return count_images(offsets, index.local_sets[rows], sets.indptr, sets.labels, data.n_concepts)
