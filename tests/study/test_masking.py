from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.images import read_image
from ccx_cli.probe.ranges import Range
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.masking import LabelMasking, MaskedFormula, by_formula, outcomes
from ccx_cli.study.unit_images import mask_of

if TYPE_CHECKING:
    from tests.golden_classifier import golden_classifier
    from tests.golden_data import GoldenNetwork
else:
    from golden_classifier import golden_classifier
    from golden_data import GoldenNetwork

SEEDS = 6


@pytest.mark.slow
def test_recorded_similarities_lie_within_three_standard_errors(
    golden_network: GoldenNetwork,
    golden: BrodenDataset,
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
) -> None:
    network = golden_classifier(golden_network.name)
    explained = {
        (e.unit, e.num_clusters, e.cluster): e
        for e in golden_network.explanations
        if e.length == 3 and e.heuristic == "none"
    }
    recorded = [e for e in golden_network.record["metrics"] if e["label_masking_5_seeds"]]
    assert len(recorded) == 12
    formulas = []
    for entry in recorded:
        found = explained[entry["unit"], entry["num_clusters"], entry["cluster"]]
        holds = holds_on(found.formula, golden_index)
        formulas.append(
            MaskedFormula(
                holds,
                np.flatnonzero(golden_index.pixels_by_image(holds)),
                ((found.unit, found.range),),
            )
        )
    choice = network.choice
    pictures = [
        torch.from_numpy(read_image(golden.image_path(row.image), 224, choice.mean, choice.std))
        for row in golden.rows
    ]
    order = [(place, int(image)) for place, one in enumerate(formulas) for image in one.images]
    ours = np.empty((SEEDS, len(formulas)))
    for seed in range(SEEDS):
        images = ((place, image, pictures[image]) for place, image in order)
        each = outcomes(network, formulas, images, golden_index, LabelMasking(seed), 32)
        for place, cosines in by_formula(formulas, enumerate(each)):
            ours[seed, place] = np.mean(cosines[0])
    for place, entry in enumerate(recorded):
        theirs = np.array(entry["label_masking_5_seeds"])
        error = np.sqrt(theirs.var(ddof=1) / len(theirs) + ours[:, place].var(ddof=1) / SEEDS)
        # Where hardly anything is left to chance float32 decides the last digits.
        assert abs(theirs.mean() - ours[:, place].mean()) <= 3 * error + 1e-5


def test_noise_is_one_draw_an_image_and_1_inside(golden_index: ConceptIndex) -> None:
    holds = np.arange(len(golden_index.sets)) % 2 == 0
    inside = mask_of(holds, golden_index, 3)
    masking = LabelMasking(seed=5)
    (mask,) = masking.masks(inside, 3)
    assert (mask[inside] == 1).all()
    assert (mask[~inside] < 1).all()
    (other,) = masking.masks(~inside, 3)
    noise = np.where(inside, other, mask)
    assert (masking.masks(np.zeros_like(inside), 3) == noise).all()
    assert (LabelMasking(seed=6).masks(inside, 3) != mask).any()


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_size_of_batches_does_not_matter(
    batch_size: int, golden: BrodenDataset, golden_index: ConceptIndex
) -> None:
    network = golden_classifier("places365")
    random = np.random.default_rng(0)
    choice = network.choice
    nowhere = np.zeros(len(golden_index.sets), dtype=np.bool_)
    some = random.random(len(golden_index.sets)) < 0.5
    ranges = ((0, Range(5.0, 30.0)), (1, Range(1e9, 2e9)))
    formulas = [
        MaskedFormula(nowhere, np.zeros(0, dtype=np.int64), ranges),
        MaskedFormula(some, np.array([1, 4, 6]), ranges),
        MaskedFormula(~some, np.array([2]), ranges[:1]),
    ]

    def similarities(size: int) -> dict[int, list[list[float]]]:
        images = (
            (
                place,
                int(image),
                torch.from_numpy(
                    read_image(
                        golden.image_path(golden.rows[image].image), 224, choice.mean, choice.std
                    )
                ),
            )
            for place, one in enumerate(formulas)
            for image in one.images
        )
        found = outcomes(network, formulas, images, golden_index, LabelMasking(0), size)
        return dict(by_formula(formulas, enumerate(found)))

    found = similarities(batch_size)
    assert found[0] == [[], []]
    assert found[1][1] == [0.0, 0.0, 0.0]  # Nothing is in range: zero vectors count 0.
    # Batches change the order of float32 sums in convolutions.
    assert found[1][0] == pytest.approx(similarities(4)[1][0], abs=1e-5)
    assert found[2][0] == pytest.approx(similarities(4)[2][0], abs=1e-5)


@given(st.permutations(range(6)))
def test_outcomes_in_any_order_are_put_in_that_of_the_images(places: list[int]) -> None:
    counts, n_ranges = (3, 0, 1, 0, 2), 2
    ranges = tuple((unit, Range(0.0, 1.0)) for unit in range(n_ranges))
    formulas = [MaskedFormula(np.zeros(1, np.bool_), np.arange(n), ranges) for n in counts]
    found = dict(by_formula(formulas, ((k, [10 * k, 10 * k + 1]) for k in places)))
    starts = np.cumsum((0, *counts)).tolist()
    assert found == {
        position: [[10 * (starts[position] + k) + r for k in range(n)] for r in range(n_ranges)]
        for position, n in enumerate(counts)
    }
