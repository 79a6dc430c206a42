from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import from_json
from ccx_cli.formulas.truth import evaluate
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.search.scoring import iou_elsewhere

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
else:
    from labelled_pixels import LabelledPixels, labelled_pixels


@settings(max_examples=50)
@given(labelled_pixels(), st.data())
def test_an_index_of_some_images_is_the_index_of_those_images(
    pixels: LabelledPixels, data: st.DataObject
) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(pixels.images) - 1), min_size=1)))
    part = pixels.index().of_images(np.array(chosen))
    alone = LabelledPixels([pixels.images[image] for image in chosen], pixels.shape).index()
    assert part.concepts.tolist() == alone.concepts.tolist()
    assert part.offsets.tolist() == alone.offsets.tolist()
    assert part.local_totals.tolist() == alone.local_totals.tolist()
    assert part.maps.tolist() == alone.maps.tolist()
    assert part.names == alone.names
    ours = [_set_of(part, row) for row in part.local_sets]
    assert ours == [_set_of(alone, row) for row in alone.local_sets]
    assert sorted(part.sets.totals.tolist()) == sorted(alone.sets.totals.tolist())


def _set_of(index: ConceptIndex, place: int) -> list[int]:
    sets = index.sets
    return list(sets.labels[sets.indptr[place] : sets.indptr[place + 1]].tolist())


@settings(max_examples=50)
@given(labelled_pixels(), st.integers(0, 2**32 - 1))
def test_the_iou_elsewhere_is_that_of_the_masks(pixels: LabelledPixels, seed: int) -> None:
    index = pixels.index()
    random = np.random.default_rng(seed)
    maps = random.random((len(pixels.images), *pixels.shape), dtype=np.float32)
    hits = count_hits(maps, [Range(0.3, 0.8)], index)
    formula = from_json(["OR", ["AND", 1, ["NOT", 2]], 60000])
    places = {number: place for place, number in enumerate(pixels.numbers)}

    def carries(number: int) -> NDArray[np.bool_]:
        if number not in places:
            return np.zeros(len(pixels.pixels), dtype=np.bool_)
        mask: NDArray[np.bool_] = pixels.masks[places[number]]
        return mask

    holds = evaluate(formula, carries)
    in_range = (maps > np.float64(0.3)) & (maps < np.float64(0.8))
    union = (holds | in_range.reshape(-1)).sum()
    expected = (holds & in_range.reshape(-1)).sum() / union if union else None
    assert iou_elsewhere(formula, index, hits.per_set[0]) == expected
