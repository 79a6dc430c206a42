"""``ccx layers``: what ``--layer`` may name."""

from __future__ import annotations

from dataclasses import replace

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    NetworkOptions,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to


def _product(key: str) -> Column:
    return Column(
        key, key, show=lambda record: " x ".join(map(str, record[key])), right=True, whole=True
    )


COLUMNS = (
    Column(
        "layer",
        "layer",
        style="bold",
        show=lambda record: record["layer"] + (" (default)" if record["default"] else ""),
    ),
    Column("type", "type", style="dim", spare=True),
    Column("kind", "kind"),
    Column("units", "units", right=True),
    _product("map"),
    _product("output"),
)


def layers(
    *,
    network: NetworkOptions,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """List the layers of a network that can be explained.

    A blank image is run through the network. The kind says how a layer's
    output becomes one map for each unit: maps are maps already; tokens are
    laid on their grid, class and register tokens dropped; a vector is one
    pixel for each unit. With --layer, what is inside that layer.

    [bold]Examples[/bold]

      ccx layers --model resnet18
      ccx layers --model nets.py:make --format csv
    """
    from ccx_cli.cli.inputs import DEMO, default_or_none, network_of, roots_of
    from ccx_cli.errors import UsageError
    from ccx_cli.probe.layers import list_layers

    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        default = default_or_none(network.model)
        if not (network.pretrained or network.weights or default is None or network.model == DEMO):
            network = replace(network, pretrained="none")  # Weights do not change the shapes.
        choice = network_of(roots_of(places), network, run, layer=network.layer or default or "")
        found = list_layers(choice, network.device)
        if network.layer is not None:
            within = f"{network.layer}."
            found = [layer for layer in found if f"{layer.name}.".startswith(within)]
            if not found:
                raise UsageError(
                    f"--layer {network.layer} of {choice.name} gives no maps, nor does what is in "
                    "it: leave it out to see all layers."
                )
        records: list[Record] = [
            {
                "layer": layer.name,
                "type": layer.type,
                "kind": layer.layout.kind,
                "units": layer.layout.units,
                "map": list(layer.layout.map_shape),
                "output": list(layer.shape),
                "default": layer.name == default,
            }
            for layer in found
        ]
        for record in records:
            writer.line(record)
        writer.rest(records)
        layers_of = "1 layer" if len(records) == 1 else f"{len(records):,} layers"
        progress.note(f"{layers_of} of {choice.name} can be explained.")
