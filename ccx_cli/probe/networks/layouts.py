"""How a layer's output is laid out, and turned into maps ``(images, units, height, width)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, isqrt
from typing import Any

import torch

from ccx_cli.probe.networks.tokens import Tokens

MAPS = "maps"
CHANNELS_LAST = "maps, units last"
TOKENS = "tokens"
VECTOR = "vector"

# A class token, a distillation token and four registers are the most that published networks have.
_MOST_LEADING = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a layer's output the units and the pixels of their maps are.

    ``kind`` is ``MAPS`` for ``(images, units, h, w)``, ``CHANNELS_LAST`` for
    ``(images, h, w, units)``, ``TOKENS`` for ``(images, tokens, units)``, ``VECTOR`` for
    ``(images, units)``. ``leading`` and ``trailing`` are the tokens before and after those of the
    grid: class, register and detection tokens.
    """

    kind: str
    units: int
    map_shape: tuple[int, int]
    leading: int = 0
    trailing: int = 0

    def maps(self, output: torch.Tensor) -> torch.Tensor:
        """Return the output of the layer as ``(images, units, h, w)``."""
        match self.kind:
            case "maps, units last":
                return output.permute(0, 3, 1, 2)
            case "tokens":
                grid = output[:, self._grid(output)].transpose(1, 2)
                return grid.reshape(len(output), self.units, *self.map_shape)
            case "vector":
                return output[:, :, None, None]
        return output

    def output(self, maps: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        """Return the layer's output with other maps, class tokens from its ``plain`` output."""
        match self.kind:
            case "maps, units last":
                return maps.permute(0, 2, 3, 1)
            case "tokens":
                versions = len(maps) // len(plain)
                changed = plain.repeat(versions, 1, 1).to(maps.dtype)
                changed[:, self._grid(plain)] = maps.flatten(2).transpose(1, 2)
                return changed
            case "vector":
                return maps.flatten(1)
        return maps

    def _grid(self, output: torch.Tensor) -> slice:
        return slice(self.leading, output.shape[1] - self.trailing)


def first_tensor(output: Any) -> Any:
    """Return the first tensor of a tuple or list, as attention and LSTM return; else the output."""
    if isinstance(output, tuple | list):
        return next((part for part in output if isinstance(part, torch.Tensor)), output)
    return output


def with_first_tensor(output: Any, tensor: torch.Tensor) -> Any:
    """Return a layer's output with another tensor where ``first_tensor`` found it."""
    if isinstance(output, torch.Tensor):
        return tensor
    first = first_tensor(output)
    parts = [tensor if part is first else part for part in output]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)


def layout_of(
    shape: Sequence[int],
    size: tuple[int, int],
    other: Sequence[int] | None,
    known: Tokens | None = None,
) -> Layout | None:
    """Return how the output of a layer is laid out; None where there are no maps in it.

    ``shape`` is that of the output for one image of ``size``, height and width; ``other`` that for
    an image of another size, if the network takes one: the axis of the units is the one that stays.
    ``known`` is what the network says of its tokens.
    """
    if not shape or shape[0] != 1 or 0 in shape:
        return None
    if other is not None and len(other) != len(shape):
        return None
    match tuple(shape[1:]):
        case (units,):
            return Layout(VECTOR, units, (1, 1))
        case (tokens, units):
            if other is not None and other[2] != units:
                return None
            if known is not None:
                return _on_known_grid(tokens, units, size, known)
            return _on_grid(tokens, units, size)
        case (first, second, third):
            if other is None:
                last = not _alike((second, third), size) and _alike((first, second), size)
            else:
                last = other[1] != first
                if last and other[3] != third:
                    return None
            if last:
                return Layout(CHANNELS_LAST, third, (first, second))
            return Layout(MAPS, first, (second, third))
    return None


def _on_known_grid(tokens: int, units: int, size: tuple[int, int], known: Tokens) -> Layout | None:
    """Lay tokens on the grid of patches, or a smaller one, without as many as the network says."""
    left_out = ((known.leading, known.trailing), (0, 0))
    if known.patch is not None:
        grid = size[0] // known.patch[0], size[1] // known.patch[1]
        for leading, trailing in left_out:
            if tokens - leading - trailing == grid[0] * grid[1]:
                return Layout(TOKENS, units, grid, leading, trailing)
    for leading, trailing in left_out:
        layout = _on_grid(tokens - leading - trailing, units, size)
        if layout is not None and layout.leading == 0:
            return replace(layout, leading=leading, trailing=trailing)
    return None


def _on_grid(tokens: int, units: int, size: tuple[int, int]) -> Layout | None:
    """Lay tokens on the largest grid of the image's proportions, the first ones left over."""
    common = gcd(*size)
    height, width = size[0] // common, size[1] // common
    scale = isqrt(max(tokens, 0) // (height * width))
    leading = tokens - scale * scale * height * width
    if scale == 0 or leading > _MOST_LEADING:
        return None
    return Layout(TOKENS, units, (scale * height, scale * width), leading)


def _alike(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether a grid has the proportions of the image, but for rounding."""
    return abs(grid[0] * size[1] - grid[1] * size[0]) < max(size)
