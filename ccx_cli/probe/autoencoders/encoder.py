"""Encodes the activations of a layer as the latents of a sparse autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from ccx_cli.probe.sparse_maps import SparseBatch

# Latents that are computed before their zeros are dropped: 64 MiB.
_MOST_VALUES = 1 << 24
_EPSILON = 1e-5


@dataclass(frozen=True)
class Autoencoder:
    """A sparse autoencoder, float32 on one device.

    ``encoder`` is ``(units, latents)``, ``decoder`` ``(latents, units)``. ``bias`` is added to what
    the encoder gives; of a gated one, to the gates. ``center`` is subtracted from the input.
    ``thresholds`` are those of JumpReLU and of BatchTopK, ``k`` is TopK's. ``normalize`` is what
    the input goes through, ``decoder_norm`` whether latents are multiplied by the norms of their
    decoder vectors, ``before`` or ``after`` the activation function.
    """

    encoder: torch.Tensor
    bias: torch.Tensor
    decoder: torch.Tensor | None = None
    center: torch.Tensor | None = None
    thresholds: torch.Tensor | None = None
    magnitude_bias: torch.Tensor | None = None
    magnitude_scale: torch.Tensor | None = None
    k: int | None = None
    normalize: str = "none"
    decoder_norm: str = "none"

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return self.encoder.shape[0]

    @property
    def latents(self) -> int:
        """How many latents there are."""
        return self.encoder.shape[1]

    @cached_property
    def _norms(self) -> torch.Tensor:
        assert self.decoder is not None
        norms: torch.Tensor = self.decoder.norm(dim=1)
        return norms

    def encode(self, maps: torch.Tensor) -> SparseBatch:
        """Return the latents of ``(n_images, units, height, width)`` float32 that are not zero.

        Images are encoded one at a time, so that a latent does not depend on the others of a batch,
        and large ones in parts, so that memory stays bounded.
        """
        n_images, _, height, width = maps.shape
        cells = height * width
        rows = max(1, _MOST_VALUES // self.latents)
        found = []
        for image, one in enumerate(maps):
            tokens = one.flatten(1).T.contiguous()
            for start in range(0, cells, rows):
                latents = self.latents_of(tokens[start : start + rows].to(self.encoder.device))
                at, units = latents.nonzero(as_tuple=True)
                positions = at + (image * cells + start)
                found.append((positions.int(), units.int(), latents[at, units]))
        positions, units, values = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        shape = self.latents, n_images, height, width
        return SparseBatch(shape, positions.numpy(), units.numpy(), values.numpy())

    def latents_of(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the latents of some tokens: ``(n, units)`` to ``(n, latents)``, float32.

        Of latents that are equally large, TopK keeps the first.
        """
        tokens = self._normalized(tokens)
        if self.center is not None:
            tokens = tokens - self.center
        if self.magnitude_scale is not None and self.magnitude_bias is not None:
            product = tokens @ self.encoder
            latents = (product * self.magnitude_scale + self.magnitude_bias).relu_()
            latents.masked_fill_(product + self.bias <= 0, 0)
        else:
            latents = torch.addmm(self.bias, tokens, self.encoder)
            if self.decoder_norm == "before":
                latents *= self._norms
            if self.thresholds is not None:
                latents.masked_fill_(latents <= self.thresholds, 0)
            latents.relu_()
            if self.k is not None:
                keep_largest(latents, self.k)
        if self.decoder_norm == "after":
            latents *= self._norms
        return latents

    def _normalized(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.normalize == "layer_norm":
            tokens = tokens - tokens.mean(1, keepdim=True)
            tokens = tokens / (tokens.std(1, keepdim=True) + _EPSILON)
        elif self.normalize == "constant_norm_rescale":
            norms = tokens.norm(dim=1, keepdim=True)
            tokens = tokens * (self.units**0.5 / norms.masked_fill(norms == 0, 1))
        return tokens


def keep_largest(latents: torch.Tensor, k: int) -> None:
    """Set all but the ``k`` largest of each row to zero; of equal ones, the first are kept.

    ``latents`` is ``(n, latents)`` without negative values.
    """
    least = latents.topk(k, dim=1).values[:, -1:]
    latents.masked_fill_(latents < least, 0)
    # torch picks any of several equal ones.
    many = torch.nonzero((latents != 0).sum(1) > k)[:, 0]
    if len(many):
        rows = latents[many]
        equal = rows == least[many]
        room = k - (rows > least[many]).sum(1, keepdim=True)
        rows.masked_fill_(equal & (equal.cumsum(1) > room), 0)
        latents[many] = rows
