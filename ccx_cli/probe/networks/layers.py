"""The layers of a network that can be explained, their outputs, and its main blocks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.building import load_module
from ccx_cli.probe.networks.description import SINGLE, NetworkDescription
from ccx_cli.probe.networks.devices import resolve_device
from ccx_cli.probe.networks.layouts import Layout, layout_of
from ccx_cli.probe.networks.passes import blank_images, hearing, run_blank, unchanged
from ccx_cli.probe.networks.tokens import tokens_of


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that can be explained: dotted path, class, and shape of the output for one image."""

    name: str
    type: str
    shape: tuple[int, ...]
    layout: Layout
    is_block: bool = False


def list_layers(choice: NetworkDescription, device: str = "cpu") -> list[Layer]:
    """Run a blank image through a network and list the layers that give maps, in their order."""
    torch_device = resolve_device(device)
    module, *_ = load_module(choice, torch_device)
    return layers_of(module, choice, torch_device)


def last_block(choice: NetworkDescription) -> str:
    """Return a network's last main block, found without its weights; UsageError if it has none."""
    shapes_only = replace(choice, pretrained="none", weights=None, precision=SINGLE)
    # Not on meta: transformers keeps index tensors of a pass for all networks of the process.
    device = torch.device("cpu")
    module, *_ = load_module(shapes_only, device)
    blocks = [layer.name for layer in layers_of(module, shapes_only, device) if layer.is_block]
    if not blocks:
        raise UsageError(
            f"`model` {choice.model} has no blocks of which one is the last: name a layer with "
            "`layer`."
        )
    return blocks[-1]


def time_pass(choice: NetworkDescription, images: int = 4) -> tuple[list[Layer], float]:
    """List the layers of a network, and measure the seconds that an image takes it on the CPU."""
    torch_device = torch.device("cpu")
    module, *_ = load_module(choice, torch_device)
    found = layers_of(module, choice, torch_device)
    blank = blank_images(choice, torch_device)[0].expand(images, -1, -1, -1).contiguous()
    run_blank(module, choice, blank)  # The first pass of a shape chooses how to compute it.
    began = time.monotonic()
    run_blank(module, choice, blank)
    return found, (time.monotonic() - began) / images


def layers_of(module: nn.Module, choice: NetworkDescription, device: torch.device) -> list[Layer]:
    """List the layers of a network that is built already, on the device where it is."""
    size, smaller = blank_images(choice, device)
    shapes = _shapes(module, lambda: run_blank(module, choice, size))
    others: dict[str, tuple[int, ...]] = {}
    with suppress(Exception), unchanged(module):  # A network for one input size only.
        others = _shapes(module, lambda: run_blank(module, choice, smaller))
    found = []
    known = tokens_of(module, choice.library)
    for name, shape in shapes.items():
        height, width = size.shape[2:]
        layout = layout_of(shape, (height, width), others.get(name), known)
        if layout is not None:
            found.append(Layer(name, type(module.get_submodule(name)).__name__, shape, layout))
    maps = {layer.name: layer.layout.map_shape for layer in found}
    lists = choice.library is not None and choice.library.lists_blocks
    blocks = set((lists and listed_blocks(module, maps)) or main_blocks(module, maps))
    order = {name: position for position, (name, _) in enumerate(module.named_modules())}
    found.sort(key=lambda layer: order[layer.name])
    return [replace(layer, is_block=layer.name in blocks) for layer in found]


def _shapes(module: nn.Module, run: Callable[[], None]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all outputs that are tensors of numbers; of each layer, of the last."""
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str, output: Any) -> None:
        shapes.pop(name, None)
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            shapes[name] = tuple(output.shape)

    with hearing({name: layer for name, layer in module.named_modules() if name}, keep):
        run()
    return shapes


_MANY = 3


def main_blocks(module: nn.Module, maps: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the names of a network's main blocks, in their order.

    A block is a module with weights inside whose maps have more than one pixel. The main blocks are
    the blocks among the children of one module: of the outermost that has three or more (of several
    as far out, the first), else of the first that has two. One alone of them that is a sequence of
    three or more blocks is replaced by these. They are ``layer1`` to ``layer4`` of a resnet, the
    stages of a convnext, the encoder layers of a vision transformer. In a plain chain of layers,
    such as vgg, they are the layers after which the size of the maps changes, and the last one.
    ``maps`` are height and width of the maps of the layers that can be explained, as they run.
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


def listed_blocks(module: nn.Module, maps: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the blocks, as ``main_blocks`` does, of the outermost list with two or more.

    Lists in a list count as one. Of several as far out, such as patch embeddings and blocks of each
    stage, it is that whose last block runs last; ``maps`` are in the order in which layers run.
    """
    large = {name: shape for name, shape in maps.items() if shape != (1, 1)}
    order = {name: position for position, name in enumerate(large)}
    lists = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    found = {name: _blocks_among(_listed(module, name), large) for name in lists}
    several = [name for name in lists if len(found[name]) > 1]
    if not several:
        return []
    return found[max(several, key=lambda each: (-each.count("."), order[found[each][-1]]))]


def _listed(module: nn.Module, name: str) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for number, child in module.get_submodule(name).named_children():
        inside = f"{name}.{number}"
        is_list = isinstance(child, nn.ModuleList)
        found |= _listed(module, inside) if is_list else {inside: child}
    return found


def _blocks_among(children: Mapping[str, nn.Module], large: Mapping[str, object]) -> list[str]:
    """Return the names of the children that have large maps, and weights inside."""
    return [
        name
        for name, child in children.items()
        if name in large and any(True for part in child.children() for _ in part.parameters())
    ]


def _opened(
    blocks: list[str], children: Mapping[str, nn.Module], large: Mapping[str, object]
) -> list[str]:
    """Replace the one sequence, as between a stem and a head, by its blocks."""
    sequences = [name for name in blocks if isinstance(children[name], nn.Sequential)]
    if len(sequences) != 1:
        return blocks
    (whole,) = sequences
    own = {f"{whole}.{name}": child for name, child in children[whole].named_children()}
    inside = _blocks_among(own, large)
    if len(inside) < _MANY:
        return blocks
    position = blocks.index(whole)
    return [*blocks[:position], *inside, *blocks[position + 1 :]]
