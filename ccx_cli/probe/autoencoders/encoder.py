"""Encodes the activations of a layer as the latents of a sparse autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
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
        found = []
        for first, tokens in self._tokens(maps):
            at, units, values = self._active(tokens)
            found.append(((at + first).int(), units.int(), values))
        positions, units, values = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        shape = self.latents, n_images, height, width
        return SparseBatch(shape, positions.numpy(), units.numpy(), values.numpy())

    def some(self, maps: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """Return some latents with their zeros, ``(n_images, len(units), height, width)``."""
        n_images, _, height, width = maps.shape
        found = [self.latents_of(tokens)[:, units] for _, tokens in self._tokens(maps)]
        return torch.cat(found).reshape(n_images, height, width, len(units)).permute(0, 3, 1, 2)

    def decoded(
        self, maps: torch.Tensor, changes: torch.Tensor, units: torch.Tensor
    ) -> torch.Tensor:
        """Return what changes of some latents of ``maps`` add to the decoded maps.

        ``changes`` are ``(versions, n_images, len(units), height, width)``, the result is
        ``(versions, n_images, layer's units, height, width)``: decoding is linear, so that what the
        autoencoder does not reconstruct stays as it is.
        """
        added = torch.einsum("vnlhw,lu->vnuhw", changes, self.directions()[units])
        scale = self._scale(maps.movedim(1, -1))
        return added if scale is None else added * scale.movedim(-1, 1)

    def effects(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return gradient times latent, summed over an image's map, ``(n_images, latents)``.

        ``gradient`` is that of the layer's ``maps``, of the same shape.
        """
        sums = torch.zeros(len(maps), self.latents, dtype=torch.float64, device=maps.device)
        cells = maps.shape[2] * maps.shape[3]
        both = zip(self._tokens(maps), self._tokens(gradient), strict=True)
        for (first, tokens), (_, slopes) in both:
            scale = self._scale(tokens)
            slopes = (slopes if scale is None else slopes * scale) @ self.directions().T
            sums[first // cells] += (slopes * self.latents_of(tokens)).sum(0, dtype=torch.float64)
        return sums

    def _tokens(self, maps: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the cells of one image after another, large ones in parts, and their positions."""
        cells = maps.shape[2] * maps.shape[3]
        rows = max(1, _MOST_VALUES // self.latents)
        for image, one in enumerate(maps):
            tokens = one.flatten(1).T.contiguous()
            for start in range(0, cells, rows):
                part = tokens[start : start + rows]
                yield image * cells + start, part.to(self.encoder.device)

    def directions(self) -> torch.Tensor:
        """Return what each latent adds to the layer, ``(latents, units)``."""
        assert self.decoder is not None
        if self.decoder_norm == "none":
            return self.decoder
        # A latent without a decoder vector adds nothing.
        return self.decoder / self._norms.masked_fill(self._norms == 0, 1)[:, None]

    def _scale(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """Return by what the decoded ``(..., units)`` are multiplied to undo the normalization."""
        scale: torch.Tensor | None = None
        if self.normalize == "layer_norm":
            scale = tokens.std(-1, keepdim=True)
        elif self.normalize == "constant_norm_rescale":
            scale = tokens.norm(dim=-1, keepdim=True) / self.units**0.5
        return scale

    def latents_of(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the latents of some tokens: ``(n, units)`` to ``(n, latents)``, float32.

        Of latents that are equally large, TopK keeps the first.
        """
        if self.k is None:
            return self._before_topk(tokens)
        latents = torch.zeros(len(tokens), self.latents, device=tokens.device)
        at, units, values = self._active(tokens)
        latents[at, units] = values
        return latents

    def _active(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the token, the latent and the value of each that is not zero."""
        latents = self._before_topk(tokens)
        if self.k is None:
            at, units = latents.nonzero(as_tuple=True)
            return at, units, latents[at, units]
        values, indices = largest(latents, self.k)
        at, rank = values.nonzero(as_tuple=True)
        units, values = indices[at, rank], values[at, rank]
        return at, units, values * self._norms[units] if self.decoder_norm == "after" else values

    def _before_topk(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the latents, none below zero, of which TopK keeps some."""
        tokens = self._normalized(tokens)
        if self.center is not None:
            tokens = tokens - self.center
        if self.magnitude_scale is not None and self.magnitude_bias is not None:
            product = tokens @ self.encoder
            latents = (product * self.magnitude_scale + self.magnitude_bias).relu_()
            latents.masked_fill_(product + self.bias <= 0, 0)
            if self.decoder_norm == "before":
                latents *= self._norms
        else:
            latents = torch.addmm(self.bias, tokens, self.encoder)
            if self.decoder_norm == "before":
                latents *= self._norms
            if self.thresholds is not None:
                latents.masked_fill_(latents <= self.thresholds, 0)
            latents.relu_()
        if self.decoder_norm == "after" and self.k is None:
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


def largest(latents: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ``k`` largest of each row and their indices; of equal ones, the first.

    ``latents`` is ``(n, latents)`` without negative values; which zeros are returned is left open.
    """
    values, indices = latents.topk(min(k + 1, latents.shape[1]), dim=1)
    if values.shape[1] > k:
        # torch picks any of several equal ones.
        last, next_one = values[:, k - 1], values[:, k]
        tied = torch.nonzero((last == next_one) & (last > 0))[:, 0]
        if len(tied):
            order = latents[tied].argsort(dim=1, descending=True, stable=True)
            indices[tied] = order[:, : k + 1]
    return values[:, :k], indices[:, :k]
