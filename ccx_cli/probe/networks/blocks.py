"""The main blocks of a network, which ``--layer all-blocks`` means."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

from torch import nn

_MANY = 3


def main_blocks(module: nn.Module, maps: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the names of a network's main blocks, in their order.

    A block is a module that has maps of more than one pixel and layers with weights inside. The
    main blocks are the blocks among the children of one module: of the outermost one that has at
    least three (of several as far out, the first), else of the first that has two. Where one alone
    of them is a sequence that has three blocks itself, these take its place. They are
    ``layer1`` to ``layer4`` of a resnet, the stages of a convnext, the encoder layers of a vision
    transformer. In a plain chain of layers, such as alexnet or vgg, where no module has two, they
    are the layers after which the size of the maps changes, and the last one.

    Parameters
    ----------
    module
        The network.
    maps
        Height and width of the maps of each of its layers that can be explained, by name, in the
        order in which they run.
    """
    large = {name: shape for name, shape in maps.items() if shape != (1, 1)}
    fewer: list[str] = []
    pending = deque([("", module)])
    while pending:
        before, parent = pending.popleft()
        children = {f"{before}{name}": child for name, child in parent.named_children()}
        blocks = _blocks_among(children, large)
        if len(blocks) >= _MANY:
            return _opened(blocks, children, large)
        if len(blocks) > len(fewer):
            fewer = blocks
        pending.extend((f"{name}.", child) for name, child in children.items())
    if len(fewer) > 1:
        return fewer
    chain = [name for name in large if not any(module.get_submodule(name).children())]
    return [name for name, after in pairwise(chain) if large[after] != large[name]] + chain[-1:]


def _blocks_among(children: Mapping[str, nn.Module], large: Mapping[str, object]) -> list[str]:
    return [
        name for name, child in children.items() if name in large and _has_weights_inside(child)
    ]


def _opened(
    blocks: list[str], children: Mapping[str, nn.Module], large: Mapping[str, object]
) -> list[str]:
    """Put its blocks in the place of the one sequence, as between a stem and a head."""
    sequences = [name for name in blocks if isinstance(children[name], nn.Sequential)]
    if len(sequences) != 1:
        return blocks
    (whole,) = sequences
    own = {f"{whole}.{name}": child for name, child in children[whole].named_children()}
    inside = _blocks_among(own, large)
    if len(inside) < _MANY:
        return blocks
    place = blocks.index(whole)
    return [*blocks[:place], *inside, *blocks[place + 1 :]]


def _has_weights_inside(module: nn.Module) -> bool:
    return any(True for child in module.children() for _ in child.parameters())
