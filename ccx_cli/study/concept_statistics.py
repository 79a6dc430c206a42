"""Statistics of the concepts of a dataset: how common they are, and which go together.

All of it follows from the label sets: pixels that carry both of two concepts are the pair totals
of the search.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import count_images
from ccx_cli.formulas.formula import Concept
from ccx_cli.records.listings import ConceptPairRecord, ConceptRecord, ImplicationRecord
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.scoring import holds_on


def concept_frequencies(index: ConceptIndex, data: DataCounts) -> list[ConceptRecord]:
    """Count every concept, in the order of the index."""
    images = index.images_with()
    pixels = np.diagonal(data.totals)
    size = index.mask_shape[0] * index.mask_shape[1]
    return [
        ConceptRecord(
            number=label.number,
            concept=label.name,
            category=label.category,
            images=n_images,
            image_share=n_images / index.n_images,
            pixels=n_pixels,
            coverage=n_pixels / (size * index.n_images),
            coverage_where_present=n_pixels / (size * n_images),
            categories=list(label.categories),
            synonyms=list(label.synonyms),
        )
        for label, n_images, n_pixels in zip(
            index.labels, images.tolist(), pixels.tolist(), strict=True
        )
    ]


def cooccurrences(index: ConceptIndex, data: DataCounts, concept: int) -> list[ConceptPairRecord]:
    """Return the concepts that share an image with the one at a position, by Jaccard index."""
    together = _images_together(index, data, concept)
    totals = np.diagonal(data.totals)
    n_pixels = index.n_images * index.mask_shape[0] * index.mask_shape[1]
    found = []
    for other in np.flatnonzero(together):
        if other == concept:
            continue
        both, one, two = (
            int(count) for count in (data.totals[concept, other], totals[concept], totals[other])
        )
        label = index.labels[other]
        found.append(
            ConceptPairRecord(
                number=label.number,
                concept=label.name,
                category=label.category,
                with_=index.labels[concept].name,
                images=int(together[other]),
                both=both,
                jaccard=both / (one + two - both),
                share=both / one,
                share_of_other=both / two,
                lift=both * n_pixels / (one * two),
            )
        )
    return sorted(found, key=lambda each: (-each.jaccard, -each.images, each.number))


def implications(
    index: ConceptIndex,
    data: DataCounts,
    *,
    least_share: float = 1.0,
    least_images: int = 1,
    categories: Collection[str] | None = None,
) -> list[ImplicationRecord]:
    """Find concepts whose pixels are another's, those in many images first, then rarer conclusions.

    ``least_share`` of the premise's pixels, above 0 and up to 1, must carry the conclusion. The
    premise must be in ``least_images``, as what is in few implies much by accident, and of one of
    the ``categories``, ``None`` for any. Conclusions that hold on every pixel of the dataset are
    left out.
    """
    labels = index.labels
    totals = np.diagonal(data.totals)
    n_pixels = index.n_images * index.mask_shape[0] * index.mask_shape[1]
    images = index.images_with()
    premises = np.array([is_of(label, categories) for label in labels], dtype=np.bool_)
    premises &= images >= least_images
    holds = data.totals >= least_share * totals[:, None]
    np.fill_diagonal(holds, False)
    holds &= premises[:, None] & (totals < n_pixels)[None, :]
    found = [
        ImplicationRecord(
            premise=labels[premise].name,
            premise_category=labels[premise].category,
            conclusion=labels[conclusion].name,
            conclusion_category=labels[conclusion].category,
            share=int(data.totals[premise, conclusion]) / int(totals[premise]),
            coverage=int(totals[conclusion]) / n_pixels,
            images=int(images[premise]),
            pixels=int(totals[premise]),
            mutual=bool(data.totals[premise, conclusion] >= least_share * totals[conclusion]),
        )
        for premise, conclusion in np.argwhere(holds)
    ]
    # They are in the order of premise and conclusion, which the sort keeps.
    return sorted(found, key=lambda each: (-each.images, each.coverage))


def is_of(label: Label, categories: Collection[str] | None) -> bool:
    """Tell whether a concept is of one of the categories; ``None`` for any."""
    return not categories or not {label.category, *label.categories}.isdisjoint(categories)


def images_of(index: ConceptIndex, concept: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the images that carry a concept, most of it first, and its pixels in each."""
    pixels = _pixels_by_image(index, concept)
    order = np.argsort(-pixels, kind="stable")[: np.count_nonzero(pixels)]
    return order, pixels[order]


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
