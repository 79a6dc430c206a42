"""Frequencies, co-occurrences and implications against counts of dense masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.concepts.broden import Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import LabelSets, collapse_image, merge_tables
from ccx_cli.search.counts import DataCounts
from ccx_cli.study.concept_statistics import (
    concept_frequencies,
    cooccurrences,
    images_of,
    implications,
)

SHAPE = (3, 4)


def draw(seed: int, n_images: int, density: float) -> NDArray[np.bool_]:
    """Draw dense masks, ``(n_images, n_concepts, height, width)``; some concepts imply others."""
    random = np.random.default_rng(seed)
    masks = random.random((n_images, 5, *SHAPE)) < density
    masks[:, 1] &= masks[:, 0]
    masks[:, 2] |= masks[:, 1]
    return masks


def index_of(masks: NDArray[np.bool_]) -> ConceptIndex:
    """Index dense masks by the pieces that the program uses."""
    tables, maps, offsets = [], [], [0]
    numbers = np.arange(1, masks.shape[1] + 1, dtype=np.uint16)
    for image in masks:
        local, table = collapse_image(image * numbers[:, None, None], np.zeros(0, np.uint16))
        tables.append(table)
        maps.append(local)
        offsets.append(offsets[-1] + len(table))
    long = LabelSets(
        np.concatenate([[0], np.cumsum(np.concatenate([t.lengths() for t in tables]))]).astype(
            np.int64
        ),
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.totals for table in tables]),
    )
    sets, place = merge_tables(long)
    concepts = np.unique(sets.labels)
    return ConceptIndex(
        concepts=concepts,
        sets=LabelSets(
            sets.indptr, np.searchsorted(concepts, sets.labels).astype(np.uint16), sets.totals
        ),
        local_sets=place,
        local_totals=long.totals.astype(np.int32),
        offsets=np.array(offsets, dtype=np.int64),
        maps=np.stack(maps),
        mask_shape=SHAPE,
        labels=tuple(Label(int(n), f"c{n}", "object", (), 1, 1.0, ()) for n in concepts),
    )


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.05, 0.3, 0.8]))
def test_all_counts_are_those_of_dense_masks(seed: int, n_images: int, density: float) -> None:
    dense = draw(seed, n_images, density)
    index = index_of(dense)
    masks = dense[:, index.concepts.astype(int) - 1]
    data = DataCounts(index)
    for position, each in enumerate(concept_frequencies(index, data)):
        own = masks[:, position]
        assert (each.number, each.concept) == (index.concepts[position], f"c{each.number}")
        assert each.image_share == each.images / n_images
        assert each.images == own.any(axis=(1, 2)).sum()
        assert each.pixels == own.sum()
        assert each.coverage == pytest.approx(own.mean())
        assert each.coverage_where_present == pytest.approx(own[own.any(axis=(1, 2))].mean())
        images, pixels = images_of(index, position)
        counts = own.sum(axis=(1, 2))
        assert dict(zip(images.tolist(), pixels.tolist(), strict=True)) == {
            image: count for image, count in enumerate(counts) if count
        }
        assert pixels.tolist() == sorted(counts[counts > 0], reverse=True)
        together = {found.number: found for found in cooccurrences(index, data, position)}
        for other in range(len(index.concepts)):
            theirs = masks[:, other]
            both_images = (own.any(axis=(1, 2)) & theirs.any(axis=(1, 2))).sum()
            number = int(index.concepts[other])
            if other == position or not both_images:
                assert number not in together
                continue
            both = (own & theirs).sum()
            found = together[number]
            assert (found.both, found.images) == (both, both_images)
            assert found.jaccard == pytest.approx(both / (own | theirs).sum())
            assert found.share == pytest.approx(theirs[own].mean())
            assert found.share_of_other == pytest.approx(own[theirs].mean())
            chance = own.mean() * theirs.mean()
            assert found.lift == pytest.approx((own & theirs).mean() / chance)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.sampled_from([0.05, 0.3, 0.8]),
    st.sampled_from([1.0, 0.5]),
    st.integers(1, 3),
)
def test_implications_are_those_of_dense_masks(
    seed: int, n_images: int, density: float, least_share: float, least_images: int
) -> None:
    dense = draw(seed, n_images, density)
    index = index_of(dense)
    masks = dense[:, index.concepts.astype(int) - 1]
    found = implications(
        index, DataCounts(index), least_share=least_share, least_images=least_images
    )
    expected = set()
    for premise in range(masks.shape[1]):
        for conclusion in range(masks.shape[1]):
            a, b = masks[:, premise], masks[:, conclusion]
            if (
                premise != conclusion
                and (a & b).sum() >= least_share * a.sum()
                and not b.all()
                and a.any(axis=(1, 2)).sum() >= least_images
            ):
                expected.add((index.labels[premise].name, index.labels[conclusion].name))
    assert {(each.premise, each.conclusion) for each in found} == expected
    for each in found:
        a, b = (
            masks[:, [label.name for label in index.labels].index(name)]
            for name in (each.premise, each.conclusion)
        )
        assert each.share == pytest.approx(b[a].mean())
        assert each.coverage == pytest.approx(b.mean())
        assert each.mutual == ((a & b).sum() >= least_share * b.sum())
    images = [each.images for each in found]
    assert images == sorted(images, reverse=True)


def test_shares_of_pixels_past_32_bits_are_those_of_few() -> None:
    index = index_of(draw(3, 6, 0.3))
    data = DataCounts(index)
    many = replace(index, mask_shape=(SHAPE[0] << 20, SHAPE[1] << 20))
    counts = DataCounts(replace(index, sets=replace(index.sets, totals=index.sets.totals << 40)))

    def few(found: Any, key: str) -> Any:
        return msgspec.structs.replace(found, **{key: getattr(found, key) >> 40})

    found = [few(each, "pixels") for each in concept_frequencies(many, counts)]
    assert found == concept_frequencies(index, data)
    for concept in range(data.n_concepts):
        pairs = [few(each, "both") for each in cooccurrences(many, counts, concept)]
        assert pairs == cooccurrences(index, data, concept)
    implied = implications(index, data, least_share=0.5)
    assert implied
    found_implied = implications(many, counts, least_share=0.5)
    assert [few(each, "pixels") for each in found_implied] == implied
