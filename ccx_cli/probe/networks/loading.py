"""Loads a network and runs images through it, up to one layer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ccx_cli.errors import CcxError, UsageError, suggestion
from ccx_cli.probe.autoencoders.encoder import Autoencoder
from ccx_cli.probe.autoencoders.files import load_autoencoder
from ccx_cli.probe.autoencoders.maps import form_text
from ccx_cli.probe.networks.building import load_module
from ccx_cli.probe.networks.description import IN_MEMORY, SINGLE, NetworkDescription
from ccx_cli.probe.networks.devices import check_precision, computing, resolve_device
from ccx_cli.probe.networks.heads import refuse_before
from ccx_cli.probe.networks.inputs import USUAL, Input, fit_input
from ccx_cli.probe.networks.layouts import Layout, layout_of
from ccx_cli.probe.networks.made_networks import state_sha256
from ccx_cli.probe.networks.own_networks import raised
from ccx_cli.probe.networks.passes import (
    LayersDone,
    accepting,
    blank_images,
    check_batch,
    check_repeats,
    hearing,
    noise_images,
    unchanged,
)
from ccx_cli.probe.networks.tokens import tokens_of
from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.progress import Progress, SilentProgress


@dataclass(frozen=True)
class Network:
    """A loaded network, ready to be probed at one layer.

    ``module`` is in evaluation mode, on ``device``, without gradients. ``weights_sha256`` is that
    of the weights' file or of the state dict that a factory gave, or ``seed:<n>``. ``layout`` tells
    where in the layer's output for ``choice.input_size`` the units are; of several
    ``layer_calls`` in a forward pass, as of a shared ReLU, the last output counts. ``input`` is
    what ``module`` makes of the images that it gets. The units are the latents of the
    ``autoencoder`` on the layer, if there is one. Without ``has_head``, what
    comes after the layer has no weights, and the network no predictions.
    """

    choice: NetworkDescription
    module: nn.Module
    device: torch.device
    weights_sha256: str
    layout: Layout
    layer_calls: int = 1
    input: Input = USUAL
    autoencoder: Autoencoder | None = None
    has_head: bool = True

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.layout.units if self.autoencoder is None else self.autoencoder.latents

    def units_in(self, maps: torch.Tensor) -> NDArray[np.float32] | SparseBatch:
        """Return the units' maps ``(n_images, units, h, w)``, given the layer's on the CPU."""
        if self.autoencoder is None:
            return maps.numpy()
        with computing(SINGLE, self.device):
            batch = self.autoencoder.encode(maps)
        if not np.isfinite(batch.values).all():
            raise CcxError(
                f"The autoencoder in {self.choice.sae} gives latents that are NaN or infinite: "
                "check that it is of this layer."
            )
        return batch

    def check_decoder(self, needed_by: str) -> None:
        """Raise UsageError where latents cannot be put back into the layer."""
        if self.autoencoder is not None and self.autoencoder.decoder is None:
            raise UsageError(
                f"{needed_by} needs the decoder of the autoencoder, and {self.choice.sae} has no "
                "W_dec: give a file with it as `sae`, or say `sae_map` W_dec=NAME."
            )


def load_network(choice: NetworkDescription, device: str = "cpu") -> Network:
    """Load one network, as ``load_networks`` does several layers of it."""
    return load_networks([choice], device)[0]


def load_networks(
    choices: Sequence[NetworkDescription], device: str = "cpu", progress: Progress | None = None
) -> list[Network]:
    """Build one network that was chosen with several layers, and try each; all share the module.

    ``choices`` differ in nothing but the layer; ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or
    ``auto``. UsageError if the device cannot compute in the precision or a layer gives no maps,
    DamagedDataError if the weights do not fit, CcxError if an output is not finite, or the network
    cannot take an image.
    """
    where = resolve_device(device)
    check_precision(choices[0].precision, where)
    module, identity, taken, unfit = load_module(choices[0], where, progress)
    layers = [_find_layer(module, choice) for choice in choices]
    networks = [
        Network(choice, module, where, identity, *_try_layer(module, layer, choice, where), taken)
        for choice, layer in zip(choices, layers, strict=True)
    ]
    if unfit is not None:
        for network in networks:
            refuse_before(module, network.choice, unfit, where)
        has_head = not unfit.unfilled
        networks = [replace(network, has_head=has_head) for network in networks]
        if progress is not None:
            progress.note(
                f"The head of {choices[0].name} is left out: of the tensors of {unfit.path} are "
                f"{unfit.faults}."
            )
    return [
        network
        if network.choice.sae is None
        else _with_autoencoder(network, network.choice.sae, progress or SilentProgress())
        for network in networks
    ]


def network_of(module: nn.Module, choice: NetworkDescription, device: str) -> Network:
    """Take a network that is in memory, on a copy of it: it stays as it is.

    ``choice`` says what is to be known of it but for its weights; raises as ``load_networks`` does.
    """
    where = resolve_device(device)
    _find_layer(module, choice)
    try:
        copied = deepcopy(module)
    # Anything that a network of one's own may hold, such as a lock or an open file.
    except Exception as error:
        raise UsageError(
            f"{choice.name} cannot be copied ({raised(error)}): write a function that makes it to "
            "a file, and run `ccx explain --model FILE.py:FUNCTION`."
        ) from error
    identity = state_sha256(copied, choice.name)
    copied.requires_grad_(False).eval().to(where)
    taken = fit_input(copied, choice, where)
    layout, calls = _try_layer(copied, _find_layer(copied, choice), choice, where)
    return Network(choice, copied, where, identity, layout, calls, taken)


def _with_autoencoder(network: Network, path: Path, progress: Progress) -> Network:
    choice, units = network.choice, network.layout.units
    autoencoder = load_autoencoder(path, choice.sae_map, network.device)
    if autoencoder.units != units:
        raise UsageError(
            f"`sae` {path} encodes {autoencoder.units:,} units, but layer {choice.layer} of "
            f"{choice.name} has {units:,}: name the layer it was trained on with `layer`."
        )
    form = form_text(choice.sae_map)
    progress.note(
        f"{path.name} encodes {units:,} units as {autoencoder.latents:,} latents: {form}."
    )
    return replace(network, autoencoder=autoencoder)


def layer_activations(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Return the activations of one layer, as ``layers_activations`` does of several."""
    return layers_activations([network], images)[0]


def unit_activations(network: Network, images: torch.Tensor, units: Sequence[int]) -> torch.Tensor:
    """Return the maps of some units, ``(n_images, len(units), height, width)`` on the CPU."""
    return _units_of(network, layer_activations(network, images), units)


def activations_and_answer(
    network: Network, images: torch.Tensor, units: Sequence[int]
) -> tuple[torch.Tensor, Any]:
    """Return the same and, from the same forward pass, what the whole network returns."""
    (maps,), answer = _run_images([network], images, to_the_end=True)
    return _units_of(network, maps, units), answer


def _units_of(network: Network, maps: torch.Tensor, units: Sequence[int]) -> torch.Tensor:
    chosen = torch.tensor(units, dtype=torch.int64)
    if network.autoencoder is None:
        return maps[:, chosen]
    with computing(SINGLE, network.device):
        return network.autoencoder.some(maps, chosen.to(network.device)).cpu()


def layers_activations(networks: Sequence[Network], images: torch.Tensor) -> list[torch.Tensor]:
    """Return the activations of several layers of one network, in one forward pass.

    ``images`` are ``(n_images, 3, height, width)`` float32, normalized, on any device; the result,
    one for each network, is ``(n_images, units, height, width)`` float32, on the CPU, contiguous.
    CcxError if a value is NaN or infinite, or the forward pass fails.
    """
    return _run_images(networks, images)[0]


def _run_images(
    networks: Sequence[Network], images: torch.Tensor, *, to_the_end: bool = False
) -> tuple[list[torch.Tensor], Any]:
    """Return what ``layers_activations`` does, and the network's answer if it ran to the end."""
    first = networks[0]
    answer: Any = None
    by_layer = {network.choice.layer: network for network in networks}
    outputs: dict[str, torch.Tensor] = {}
    left = {network.choice.layer: network.layer_calls for network in networks}

    def keep(layer: str, output: torch.Tensor) -> None:
        finite = _finite(output, by_layer[layer].choice)
        # A copy: what comes after the layer may change it in place.
        outputs[layer] = torch.empty(finite.shape, dtype=torch.float32).copy_(finite)
        left[layer] -= 1
        # Code of the user's own may run a layer more often on other images.
        ends = not (to_the_end or first.choice.is_own)
        if ends and all(calls <= 0 for calls in left.values()):
            raise LayersDone

    layers = {name: network.module.get_submodule(name) for name, network in by_layer.items()}
    with (
        hearing(layers, keep),
        accepting(first.choice, images),
        computing(first.choice.precision, first.device),
    ):
        answer = first.module(images.to(first.device))
    for layer in left:
        if layer in outputs and len(outputs[layer]) != len(images):
            raise CcxError(
                f"Layer {layer} of {first.choice.name} gives {len(outputs[layer]):,} maps for "
                f"{len(images):,} images: let the forward pass take all images of a batch at once, "
                "or add `batch_size` 1."
            )
        if layer not in outputs:
            raise CcxError(
                f"Layer {layer} of {first.choice.name} does nothing in the forward pass of "
                f"{len(images):,} images: name one that always does with `layer`."
            )
    with accepting(first.choice, images):
        maps = [net.layout.maps(outputs[net.choice.layer]).contiguous() for net in networks]
    return maps, answer


def _find_layer(module: nn.Module, choice: NetworkDescription) -> nn.Module:
    layers: dict[str, nn.Module] = dict(module.named_modules())
    layers.pop("", None)
    if choice.layer not in layers:
        children = ", ".join(name for name, _ in module.named_children())
        near = suggestion(choice.layer, layers) or f": it has {children}, and what is in them."
        raise UsageError(
            f"`layer` {choice.layer} is not a layer of {choice.name} (`{_listing(choice)}` lists "
            f"them){near}"
        )
    return layers[choice.layer]


def _listing(choice: NetworkDescription, layer: str | None = None) -> str:
    if choice.pretrained == IN_MEMORY:
        return "module.named_modules()"
    words = ["ccx", "layers", "--model", choice.model]
    words += [word for given in choice.model_args for word in ("--model-arg", given)]
    return shlex.join(words if layer is None else [*words, "--layer", layer])


def _try_layer(
    module: nn.Module, layer: nn.Module, choice: NetworkDescription, device: torch.device
) -> tuple[Layout, int]:
    """Return how the layer's output is laid out, and how often the layer ran."""
    blank, half = blank_images(choice, device)
    with accepting(choice, blank):
        output, calls = _run_layer(module, layer, choice, blank)
    if calls == 0:
        raise UsageError(
            f"`layer` {choice.layer} of {choice.name} does nothing in a forward pass: name one "
            "that does with `layer`."
        )
    if not isinstance(output, torch.Tensor):
        raise UsageError(
            f"`layer` {choice.layer} of {choice.name} gives a {type(output).__name__}, not a "
            f"tensor: name one of the layers in it, as `{_listing(choice, choice.layer)}` lists "
            "them."
        )
    shape = tuple(output.shape)
    if not output.is_floating_point():
        raise _no_maps(choice, f"{shape} of {output.dtype}")
    _finite(output, choice)
    if choice.is_own:
        # What runs after the layer may change its output in place.
        images = noise_images(choice, device)
        with accepting(choice, images[:1]):
            first, second = (
                _run_layer(module, layer, choice, images[:1], stop_after=calls)[0] for _ in range(2)
            )
        check_repeats(first, second, choice)
        with suppress(Exception):  # A network that takes one image at a time.
            second, _ = _run_layer(module, layer, choice, images, stop_after=calls)
        check_batch(first, second, choice)
    other: tuple[int, ...] | None = None
    with suppress(Exception), unchanged(module):  # A network for one input size only.
        smaller, _ = _run_layer(module, layer, choice, half, stop_after=calls)
        other = tuple(smaller.shape)
    layout = layout_of(shape, choice.input_size, other, tokens_of(module, choice.library))
    if layout is None:
        raise _no_maps(choice, f"{shape}")
    return layout, calls


def _run_layer(
    module: nn.Module,
    layer: nn.Module,
    choice: NetworkDescription,
    images: torch.Tensor,
    stop_after: int | None = None,
) -> tuple[Any, int]:
    """Return the last output of the layer and how often it ran, ending after ``stop_after``."""
    output: Any = None
    calls = 0

    def keep(_name: str, result: Any) -> None:
        nonlocal output, calls
        output = result
        calls += 1
        if calls == stop_after:
            raise LayersDone

    with hearing({"": layer}, keep), computing(choice.precision, images.device):
        module(images)
    return output, calls


def _finite(output: torch.Tensor, choice: NetworkDescription) -> torch.Tensor:
    finite = torch.isfinite(output.float()).flatten(1).all(1)
    if not bool(finite.all()):
        single = "" if choice.precision != "float16" else "take `precision` single, or "
        raise CcxError(
            f"Layer {choice.layer} of {choice.name} gives values that are NaN or infinite for "
            f"{int((~finite).sum()):,} of {len(finite):,} images: "
            f"{single}check the weights in {choice.weights or 'use'}."
        )
    return output


def _no_maps(choice: NetworkDescription, shape: str) -> UsageError:
    return UsageError(
        f"`layer` {choice.layer} of {choice.name} gives {shape} for one image, neither maps "
        "(images, units, height, width) nor tokens on a grid nor a vector: name another with "
        "`layer`."
    )
