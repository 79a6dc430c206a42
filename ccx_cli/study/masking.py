"""Formulas as masks of the input: the images, masked, go through the network.

Each formula does so once, for all the ranges that it explains. Label masking asks how similarly a
unit responds when only a formula's pixels are visible: the input outside the formula is multiplied
by noise and the unit's activations before and after are compared (La Rosa et al., NeurIPS 2023,
section 4).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.loading import Network, load_network, unit_activations
from ccx_cli.probe.ranges import Range
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.study.unit_images import mask_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R_co = TypeVar("R_co", bound=Record, covariant=True)


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


class MaskedStudy(Protocol[R_co, T]):
    """What is done with masked formulas; it goes to workers, which compare it by its settings."""

    def choice(self, inputs: RunInputs) -> NetworkDescription:
        """Return the network, or refuse a run that has none."""

    def masking(self, network: Network) -> Masking[T]:
        """Return what masks, once the network is loaded."""

    def record_of(self, record: ExplanationRecord, of_images: Sequence[T]) -> R_co:
        """Return what is kept of a range from what came of its images."""


def outcomes(
    network: Network,
    formulas: Sequence[MaskedFormula],
    images: Iterable[tuple[int, int, torch.Tensor]],
    index: ConceptIndex,
    masking: Masking[T],
    batch_size: int,
    most: int | None = None,
) -> Iterator[list[T]]:
    """Yield what is kept of each image, an entry for each range of its formula.

    ``images`` are ``(formula, image, pixels)``: index of the formula, of the image, and the image
    itself, ``(3, height, width)`` float32, normalized; formulas share forward passes, in batches of
    so many images and all their versions, of which at most ``most`` go at once.
    """
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
            of_image = None if scores is None else scores[:, row]
            yield [
                masking.outcome(maps[:, row, places[unit]], of_image, masks[row], ends)
                for unit, ends in formulas[position].ranges
            ]


def by_formula(
    formulas: Sequence[MaskedFormula], found: Iterable[tuple[int, list[T]]]
) -> Iterator[tuple[int, list[list[T]]]]:
    """Yield the index of each formula, once all its images are done, and what is kept of it.

    That is a list for each of its ranges, an entry for each image. ``found`` is what ``outcomes``
    yields, in any order, by place in the order of all formulas' images.
    """
    ends = np.cumsum([len(formula.images) for formula in formulas])
    kept: list[dict[int, list[T]]] = [{} for _ in formulas]
    for position, formula in enumerate(formulas):
        if len(formula.images) == 0:
            yield position, [[] for _ in formula.ranges]
    for place, of_ranges in found:
        position = int(np.searchsorted(ends, place, side="right"))
        own = kept[position]
        own[place] = of_ranges
        if len(own) == len(formulas[position].images):
            of_images = [own[place] for place in sorted(own)]
            own.clear()
            yield position, [list(of_range) for of_range in zip(*of_images, strict=True)]


@dataclass(frozen=True)
class Masker(Generic[T]):
    """A network that is loaded, and how the images of a run's dataset are masked for it."""

    inputs: RunInputs
    network: Network
    masking: Masking[T]
    batch_size: int
    most: int

    def read(self, images: Sequence[int], pool: ThreadPoolExecutor) -> Iterator[torch.Tensor]:
        """Yield images by index, ``(3, height, width)`` float32, normalized."""
        choice, dataset = self.network.choice, self.inputs.dataset
        for batch in image_batches(dataset, choice, images, self.batch_size, pool):
            yield from batch

    def outcomes(
        self,
        formulas: Sequence[MaskedFormula],
        order: Sequence[tuple[int, int]],
        pixels: Iterable[torch.Tensor],
    ) -> Iterator[list[T]]:
        """Yield what is kept of images, given by index of the formula and of the image."""
        images = ((*which, one) for which, one in zip(order, pixels, strict=True))
        index, masking = self.inputs.index, self.masking
        return outcomes(self.network, formulas, images, index, masking, self.batch_size, self.most)


def opened_masker(
    inputs: RunInputs, study: MaskedStudy[Any, T], device: str, batch_size: int, most: int
) -> Masker[T]:
    """Load the network of a run, and return what masks images for it as a study does."""
    network = load_network(study.choice(inputs), device)
    return Masker(inputs, network, study.masking(network), batch_size, most)


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
