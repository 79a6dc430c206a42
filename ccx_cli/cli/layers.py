"""``ccx layers``: what ``--layer`` may name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ccx_cli.cli.commands.explain import LayersOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import network_of
from ccx_cli.cli.network_options import ALL_BLOCKS
from ccx_cli.cli.output import Column
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.layers import Layer, list_layers
from ccx_cli.probe.networks.libraries import is_own
from ccx_cli.probe.networks.torchvision_models import DEMO, default_layer

_SHAPE = Column("", "", form=lambda shape: " x ".join(map(str, shape)), right=True, whole=True)
COLUMNS = (
    Column(
        "layer",
        "layer",
        style="bold",
        show=lambda record: record["layer"] + (" (default)" if record["default"] else ""),
    ),
    Column("type", "type", style="dim", spare=True),
    Column("kind", "kind"),
    Column("block", "block", form=lambda is_block: "yes" if is_block else ""),
    Column("units", "units", right=True),
    replace(_SHAPE, title="map", key="map"),
    replace(_SHAPE, title="output", key="output"),
)


def layers(options: LayersOptions) -> None:
    """List the layers of a network that can be explained."""
    network = options.network
    if any((network.activations, network.activations_axes, network.grid)):
        raise UsageError(
            "ccx layers lists the layers of a network, and precomputed activations have none: "
            "leave --activations out."
        )
    if network.sae or network.sae_map:
        raise UsageError(
            "ccx layers lists the layers of a network, not the latents on one: leave --sae out."
        )
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        default = None
        with suppress(UsageError):  # Not every network has one.
            default = default_layer(network.model)
        unnamed = not (network.pretrained or network.weights or network.model == DEMO)
        if unnamed and not is_own(network.model):
            network = replace(network, pretrained="none")  # Weights do not change the shapes.
        choice = network_of(options.places.roots, network, options.run, layer="")
        found = list_layers(choice, network.device)
        if choice.library is not None and choice.library.has_default_layer:
            default = next((layer.name for layer in reversed(found) if layer.is_block), None)
        asked = network.distinct_layers
        for within in asked:
            if not any(_is_meant(layer, within) for layer in found):
                raise UsageError(
                    f"--layer {within} of {choice.name} gives no maps, nor does what is in it: "
                    "leave it out to see all layers."
                )
        if asked:
            found = [layer for layer in found if any(_is_meant(layer, each) for each in asked)]
        records = writer.write(
            {
                "layer": layer.name,
                "type": layer.type,
                "kind": layer.layout.kind,
                "units": layer.layout.units,
                "map": list(layer.layout.map_shape),
                "output": list(layer.shape),
                "block": layer.is_block,
                "default": layer.name == default,
            }
            for layer in found
        )
        layers_of = "1 layer" if len(records) == 1 else f"{len(records):,} layers"
        progress.note(f"{layers_of} of {choice.name} can be explained.")


def _is_meant(layer: Layer, asked: str) -> bool:
    if asked == ALL_BLOCKS:
        return layer.is_block
    return f"{layer.name}.".startswith(f"{asked}.")
