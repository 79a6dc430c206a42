"""Formulas as masks of the input: the images, masked, go through the network.

Each formula does so once, for all the ranges that it explains. Label masking asks how similarly a
unit responds when only a formula's pixels are visible: the input outside the formula is multiplied
by noise and the unit's activations before and after are compared (La Rosa et al., NeurIPS 2023,
section 4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.networks.loading import Network, unit_activations
from ccx_cli.probe.ranges import Range
from ccx_cli.study.unit_images import mask_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


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


class Masking(Protocol[T_co]):
    """How images are masked, and what is kept of what the network then does."""

    @property
    def n_versions(self) -> int:
        """Versions of one image, itself included."""

    @property
    def fixed(self) -> bool:
        """Whether a batch that is not full is filled up: outcomes are the same however few."""

    def masks(self, formula: NDArray[np.bool_], image: int) -> NDArray[np.float32]:
        """Return the masks of an image, ``(n_masks, height, width)`` on the mask grid."""

    def versions(
        self, pixels: torch.Tensor, masks: torch.Tensor, images: Sequence[int]
    ) -> torch.Tensor:
        """Return the versions of images, ``(n_versions, n_images, 3, height, width)``.

        ``pixels`` are ``(n_images, 3, height, width)``, ``masks`` ``(n_images, n_masks, height,
        width)`` in the size of the input.
        """

    def run(
        self, network: Network, images: torch.Tensor, units: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the units' maps of images and, if asked for, their class scores, on the CPU."""

    def outcome(
        self,
        maps: NDArray[np.float32],
        scores: NDArray[np.float32] | None,
        masks: NDArray[np.float32],
        found: Range,
    ) -> T_co:
        """Return what is kept of one range in one image.

        ``maps`` are the unit's, ``(n_versions, height, width)``, ``scores`` ``(n_versions,
        n_classes)``, ``masks`` what ``masks`` returned.
        """


def outcomes(
    network: Network,
    formulas: Sequence[MaskedFormula],
    images: Iterable[tuple[int, int, torch.Tensor]],
    index: ConceptIndex,
    masking: Masking[T],
    batch_size: int,
    most: int | None = None,
) -> Iterator[tuple[int, list[list[T]]]]:
    """Yield the index of each formula, once all its images are done, and what is kept of it.

    That is a list for each of its ranges, an entry for each image. ``images`` are ``(formula,
    image, pixels)`` in the order of ``formulas``: index of the formula, of the image, and the image
    itself, ``(3, height, width)`` float32, normalized; formulas share forward passes, in batches of
    so many images and all their versions, of which at most ``most`` go at once.
    """
    kept: list[list[list[T]]] = [[[] for _ in formula.ranges] for formula in formulas]
    for position, formula in enumerate(formulas):
        if len(formula.images) == 0:
            yield position, kept[position]

    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        filled = batch + batch[-1:] * (batch_size - len(batch)) if masking.fixed else batch
        plain = torch.stack([pixels for _, _, pixels in filled])
        masks = np.stack(
            [
                masking.masks(mask_of(formulas[position].holds, index, image), image)
                for position, image, _ in filled
            ]
        )
        resized = torch.nn.functional.interpolate(
            torch.from_numpy(masks), size=plain.shape[2:], mode="bilinear", align_corners=False
        )
        versions = masking.versions(plain, resized, [image for _, image, _ in filled])
        units = sorted({unit for position, *_ in batch for unit, _ in formulas[position].ranges})
        places = {unit: place for place, unit in enumerate(units)}
        shape = versions.shape[:2]
        found = [
            masking.run(network, some, units)
            for some in torch.split(versions.flatten(0, 1), most or shape.numel())
        ]
        together = torch.cat([each for each, _ in found])
        maps = together.reshape(*shape, *together.shape[1:]).numpy()
        scored = [each for _, each in found if each is not None]
        scores = torch.cat(scored).reshape(*shape, -1).numpy() if scored else None
        for row, (position, _, _) in enumerate(batch):
            formula = formulas[position]
            of_image = None if scores is None else scores[:, row]
            for (unit, ends), of_range in zip(formula.ranges, kept[position], strict=True):
                of_unit = maps[:, row, places[unit]]
                of_range.append(masking.outcome(of_unit, of_image, masks[row], ends))
            if len(kept[position][0]) == len(formula.images):
                yield position, kept[position]
                kept[position] = []


@dataclass(frozen=True, slots=True)
class LabelMasking:
    """Multiplies the input outside the formula by noise that the ``seed`` and the image determine.

    The noise is uniform in [0, 1), the same for every formula. The outcome is the cosine of the
    unit's map before and after, both restricted to the positions in range before; 0 where either is
    zero.
    """

    seed: int
    n_versions: int = 2
    fixed: bool = False

    def masks(self, formula: NDArray[np.bool_], image: int) -> NDArray[np.float32]:
        """Return 1 in the formula, else noise."""
        noise = np.random.default_rng([self.seed, image]).random(formula.shape, dtype=np.float32)
        return np.where(formula, np.float32(1), noise)[None]

    def versions(
        self, pixels: torch.Tensor, masks: torch.Tensor, images: Sequence[int]
    ) -> torch.Tensor:
        """Return the images, and the images times their mask."""
        return torch.stack([pixels, pixels * masks])

    def run(
        self, network: Network, images: torch.Tensor, units: Sequence[int]
    ) -> tuple[torch.Tensor, None]:
        """Run the network up to the layer."""
        return unit_activations(network, images, units), None

    def outcome(
        self, maps: NDArray[np.float32], scores: object, masks: object, found: Range
    ) -> float:
        """Return the cosine."""
        before, after = maps
        inside = (before > found.lower) & (before < found.upper)
        a, b = before[inside].astype(np.float64), after[inside].astype(np.float64)
        norms = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return float((a * b).sum()) / norms if norms else 0.0


def seconds_an_image(network: Network, masking: Masking[object], most: int) -> float:
    """Time one forward pass, to estimate how long the versions of an image take."""
    height, width = network.choice.input_size
    blank = torch.zeros(most, 3, height, width)
    masking.run(network, blank[:1], [0])
    began = time.perf_counter()
    masking.run(network, blank, [0])
    return (time.perf_counter() - began) / most * masking.n_versions
