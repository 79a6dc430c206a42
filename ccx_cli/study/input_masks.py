"""Masks of the input: a formula's, everything else, and controls of equal size elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.probe.interventions import activations_and_scores, are_probabilities
from ccx_cli.probe.networks.description import SINGLE
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.loading import Network, unit_activations
from ccx_cli.probe.ranges import Range
from ccx_cli.records.ablation import MEASURES, Fill
from ccx_cli.study.ablation_changes import CONTROLS, VERSIONS, MaskedImage

MOST_OVERLAP = 0.5
"""A mask that meets a larger share of the formula's pixels is not elsewhere."""
BLUR = 1 / 20
"""Standard deviation of the blur, as a share of the input's shorter side."""
_CUT = 3


@dataclass(frozen=True)
class InputMasking:
    """Masks a formula's pixels, all others, and control masks, with what ``fill`` says.

    Noise and controls are determined by the ``seed`` and the image; the noise of an image is the
    same for every formula. Edges of masks are soft, as they are resized bilinearly to the input.
    """

    fill: Fill
    seed: int
    with_classes: bool
    device: torch.device
    n_versions: int = VERSIONS
    fixed: bool = True

    def masks(self, formula: NDArray[np.bool_], image: int) -> NDArray[np.float32]:
        """Return the formula and the controls, 1 inside."""
        random = np.random.default_rng([self.seed, image, 1])
        return np.concatenate([formula[None], control_masks(formula, random)]).astype(np.float32)

    def versions(
        self, pixels: torch.Tensor, masks: torch.Tensor, images: Sequence[int]
    ) -> torch.Tensor:
        """Return the whole image, and without the formula, all else, and each control."""
        pixels, masks = pixels.to(self.device), masks.to(self.device)[:, :, None]
        seeds = [[self.seed, image, 0] for image in images]
        with computing(SINGLE, self.device):
            filled = filling(pixels, self.fill, seeds)
        formula = masks[:, 0]
        hidden = [formula, 1 - formula, *masks[:, 1:].unbind(1)]
        return torch.stack([pixels, *(pixels * (1 - one) + filled * one for one in hidden)])

    def run(
        self, network: Network, images: torch.Tensor, units: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the network, up to the layer only where it gives no class scores."""
        if self.with_classes:
            return activations_and_scores(network, images, units)
        return unit_activations(network, images, units), None

    def outcome(
        self,
        maps: NDArray[np.float32],
        scores: NDArray[np.float32] | None,
        masks: NDArray[np.float32],
        found: Range,
    ) -> MaskedImage:
        """Return the measures of every version, the controls' as their mean."""
        values = np.full((len(MEASURES), self.n_versions), np.nan)
        flat = maps.reshape(self.n_versions, -1).astype(np.float64)
        values[0] = flat.max(1)
        values[1] = flat.mean(1)
        values[2] = ((flat > found.lower) & (flat < found.upper)).sum(1)
        if scores is not None:
            odds = scores.astype(np.float64)
            if not are_probabilities(scores):
                odds = np.exp(odds - scores.max(1, keepdims=True))
            predicted = scores.argmax(1)
            values[3] = odds[:, predicted[0]] / odds.sum(1)
            values[4] = predicted != predicted[0]
        formula, controls = masks[0], masks[1:]
        if not controls.any():
            return MaskedImage(np.column_stack([values[:, :3], np.full(len(values), np.nan)]))
        # Sums of float32 end at 2^24 pixels.
        inside = (controls * formula).sum(dtype=np.float64)
        overlap = float(inside / controls.sum(dtype=np.float64))
        return MaskedImage(np.column_stack([values[:, :3], values[:, 3:].mean(1)]), overlap)


def control_masks(
    formula: NDArray[np.bool_], random: np.random.Generator, controls: int = CONTROLS
) -> NDArray[np.bool_]:
    """Move a mask elsewhere in the image, ``(controls, height, width)``; empty masks if it cannot.

    It is rolled: what leaves the image at one side comes in at the opposite one, so that a control
    has exactly as many pixels. Of all rolls those are taken that meet the fewest of the formula's
    pixels, at random among equals, and only such as meet at most half of them. Where these are
    fewer than ``controls``, they are repeated.
    """
    overlap = _overlaps(formula)
    size = int(formula.sum())
    order = np.lexsort((random.permutation(overlap.size), overlap.reshape(-1)))[:controls]
    chosen = order[overlap.reshape(-1)[order] <= MOST_OVERLAP * size]
    if not len(chosen):
        return np.zeros((controls, *formula.shape), dtype=np.bool_)
    rolls = [np.unravel_index(each, formula.shape) for each in np.resize(chosen, controls)]
    return np.stack([np.roll(formula, roll, axis=(0, 1)) for roll in rolls])


def _overlaps(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count, for a roll by any ``(rows, columns)``, the pixels that a mask shares with itself."""
    spectrum = np.fft.rfft2(mask.astype(np.float64))
    found = np.fft.irfft2(spectrum * spectrum.conj(), s=mask.shape)
    return np.rint(found).astype(np.int64)


def filling(pixels: torch.Tensor, fill: Fill, seeds: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return what is seen in place of masked pixels, of the shape of ``pixels``.

    ``mean`` is the image's mean color; ``noise`` is normal with the mean and the standard deviation
    of each channel in the image, independent by pixel and channel, from the image's own seed;
    ``blur`` is the image under a Gaussian whose standard deviation is a twentieth of the shorter
    side, cut off at three of them, the border's pixels repeated outside.

    Parameters
    ----------
    pixels
        ``(n_images, 3, height, width)`` float32.
    """
    if fill == "blur":
        return _blurred(pixels)
    means = pixels.mean((2, 3), keepdim=True)
    if fill == "mean":
        return means.expand_as(pixels)
    noise = np.stack(
        [
            np.random.default_rng(seed).standard_normal(pixels.shape[1:], dtype=np.float32)
            for seed in seeds
        ]
    )
    deviations = pixels.std((2, 3), correction=0, keepdim=True)
    return means + deviations * torch.from_numpy(noise).to(pixels.device)


def _blurred(pixels: torch.Tensor) -> torch.Tensor:
    deviation = BLUR * min(pixels.shape[2:])
    radius = int(np.ceil(_CUT * deviation))
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / deviation) ** 2)
    kernel = (weights / weights.sum()).to(pixels)
    n_images, channels, height, width = pixels.shape
    padded = torch.nn.functional.pad(pixels, (radius,) * 4, mode="replicate")
    rows = padded.reshape(n_images * channels, 1, *padded.shape[2:])
    rows = torch.nn.functional.conv2d(rows, kernel[None, None, None])
    columns = torch.nn.functional.conv2d(rows, kernel[None, None, :, None])
    return columns.reshape(n_images, channels, height, width)
