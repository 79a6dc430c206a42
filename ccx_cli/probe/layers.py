"""Which layers of a network can be explained, and what their outputs look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ccx_cli.probe.building import load_module
from ccx_cli.probe.catalog import NetworkChoice
from ccx_cli.probe.layouts import Layout, layout_of
from ccx_cli.probe.networks import blank_images, resolve_device, run_blank


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that ``--layer`` takes.

    Attributes
    ----------
    name
        Its dotted path.
    type
        The name of its class.
    shape
        Of its output for one image.
    layout
        Where in it the units are.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    layout: Layout


def list_layers(choice: NetworkChoice, device: str = "cpu") -> list[Layer]:
    """Run a blank image through a network and list the layers that give maps, in their order.

    Parameters
    ----------
    choice
        The network; its layer is not looked at.
    device
        A torch device.

    Raises
    ------
    CcxError
        As ``load_network``, but for the layer.
    """
    place = resolve_device(device)
    module, _ = load_module(choice, place)
    size, smaller = blank_images(choice, place)
    shapes = _shapes(module, lambda: run_blank(module, choice, size))
    try:
        others = _shapes(module, lambda: run_blank(module, choice, smaller))
    except Exception:  # A network for one input size only.
        others = {}
    found = []
    for name, shape in shapes.items():
        height, width = size.shape[2:]
        layout = layout_of(shape, (height, width), others.get(name))
        if layout is not None:
            found.append(Layer(name, type(module.get_submodule(name)).__name__, shape, layout))
    return found


def _shapes(module: nn.Module, run: Callable[[], None]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all outputs that are tensors of numbers; of several runs, the last."""
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_layer: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.is_floating_point():
                shapes[name] = tuple(output.shape)
            else:
                shapes.pop(name, None)

        return hook

    hooks = [
        layer.register_forward_hook(keep(name)) for name, layer in module.named_modules() if name
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    order = [name for name, _ in module.named_modules() if name in shapes]
    return {name: shapes[name] for name in order}
