"""What the parameters of a vision transformer say of its tokens: which are not of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import nn

from ccx_cli.probe.networks.library import Library

_LEADING = {"cls_token", "class_token", "class_embedding", "distillation_token", "dist_token"}
_LEADING |= {"register_tokens", "reg_token"}
_TRAILING = {"detection_tokens"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens before and after those of the grid, and height and width of a patch, if known."""

    leading: int
    trailing: int
    patch: tuple[int, int] | None


def tokens_of(module: nn.Module, library: Library | None) -> Tokens | None:
    """Read the tokens of a network of a library that names such parameters alike."""
    if library is None or not library.knows_tokens:
        return None
    leading = trailing = 0
    for name, parameter in module.named_parameters():
        last = name.rpartition(".")[2]
        count = parameter.shape[-2] if parameter.ndim > 1 else 1
        leading += count if last in _LEADING else 0
        trailing += count if last in _TRAILING else 0
    return Tokens(leading, trailing, _patch_size(module))


def _patch_size(module: nn.Module) -> tuple[int, int] | None:
    """Return the kernel of the first convolution, where it cuts the image in patches."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            height, width = part.kernel_size
            is_cut = part.kernel_size == part.stride and prod(part.kernel_size) > 1
            return (height, width) if is_cut else None
    return None
