"""Label masking: how similarly a unit responds when only a formula's pixels are visible.

The input outside the formula is multiplied by noise and the unit's activations before and after
are compared (La Rosa et al., NeurIPS 2023, section 4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.networks.loading import Network, unit_activations
from ccx_cli.probe.ranges import Range
from ccx_cli.study.unit_images import mask_of


@dataclass(frozen=True, slots=True)
class MaskedFormula:
    """A formula and the units' ranges that it explains.

    Attributes
    ----------
    holds
        ``(n_sets,)`` bool, the label sets on which it holds.
    images
        Indices of the images that contain it, those to look at.
    ranges
        ``(unit, range)`` of every explanation with this formula.
    """

    holds: NDArray[np.bool_]
    images: NDArray[np.int64]
    ranges: tuple[tuple[int, Range], ...]


def noisy_mask(
    holds: NDArray[np.bool_], index: ConceptIndex, image: int, seed: int
) -> NDArray[np.float32]:
    """One image's mask on the mask grid, ``(height, width)`` float32: 1 in the formula, else noise.

    The noise is uniform in [0, 1), seeded by the image, the same for every formula.
    """
    noise = np.random.default_rng([seed, image]).random(index.mask_shape, dtype=np.float32)
    return np.where(mask_of(holds, index, image), np.float32(1), noise)


def masking_similarity(
    network: Network,
    formulas: Sequence[MaskedFormula],
    images: Iterable[tuple[int, int, torch.Tensor]],
    index: ConceptIndex,
    *,
    batch_size: int = 32,
    seed: int = 0,
) -> Iterator[tuple[int, list[float | None]]]:
    """Compare the units' activations before and after masking.

    Each formula goes through the network once, for all units that it explains. ``images`` are
    ``(formula, image, pixels)`` in the order of ``formulas``: index of the formula, of the image,
    and the image itself, ``(3, side, side)`` float32, normalized; formulas share forward passes.
    ``seed`` is of the noise. Yields the index of each formula, once all its images are done, and
    for each of its ranges the mean cosine, over the images, of the unit's map before and after,
    both restricted to the positions in range before; an image where either is zero counts 0.
    ``None`` without images.
    """
    sums = [np.zeros(len(formula.ranges)) for formula in formulas]
    left = [len(formula.images) for formula in formulas]
    for position, count in enumerate(left):
        if count == 0:
            yield position, [None] * len(formulas[position].ranges)

    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        plain = torch.stack([pixels for _, _, pixels in batch])
        masks = torch.from_numpy(
            np.stack(
                [
                    noisy_mask(formulas[position].holds, index, image, seed)
                    for position, image, _ in batch
                ]
            )
        )
        resized = torch.nn.functional.interpolate(
            masks[:, None], size=plain.shape[2:], mode="bilinear", align_corners=False
        )
        units = sorted({unit for position, *_ in batch for unit, _ in formulas[position].ranges})
        places = {unit: place for place, unit in enumerate(units)}
        both = unit_activations(network, torch.cat([plain, plain * resized]), units).numpy()
        before, after = both[: len(batch)], both[len(batch) :]
        for row, (position, _, _) in enumerate(batch):
            formula = formulas[position]
            for column, (unit, found) in enumerate(formula.ranges):
                place = places[unit]
                sums[position][column] += _cosine(before[row, place], after[row, place], found)
            left[position] -= 1
            if left[position] == 0:
                yield position, [float(each) / len(formula.images) for each in sums[position]]


def seconds_an_image(network: Network, batch_size: int) -> float:
    """Time one forward pass, to estimate how long many will take."""
    height, width = network.choice.input_size
    blank = torch.zeros(batch_size, 3, height, width)
    unit_activations(network, blank, [0])
    began = time.perf_counter()
    unit_activations(network, blank, [0])
    return (time.perf_counter() - began) / batch_size


def _cosine(before: NDArray[np.float32], after: NDArray[np.float32], found: Range) -> float:
    inside = (before > found.lower) & (before < found.upper)
    a, b = before[inside].astype(np.float64), after[inside].astype(np.float64)
    norms = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norms if norms else 0.0
