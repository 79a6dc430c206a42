"""From ``--layer``, given several times or as ``all-blocks``, to inputs and their activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ccx_cli.cli.inputs.gathering import Inputs, gather, rebuild_of
from ccx_cli.cli.network_options import ALL_BLOCKS, NetworkOptions
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.errors import UsageError
from ccx_cli.probe.activation_pass import build_activations
from ccx_cli.probe.activations import activations_cache
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.progress import Progress


def are_several(network: NetworkOptions) -> bool:
    """Tell whether more than one layer is asked for."""
    return len(network.distinct_layers) > 1 or ALL_BLOCKS in network.distinct_layers


def gather_layers(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    progress: Progress,
) -> list[Inputs]:
    """Resolve everything as ``gather`` does, once for each distinct layer, in the order given.

    Raises
    ------
    UsageError, MissingInputError, DamagedDataError
        As ``gather``; also where ``all-blocks`` finds none.
    """
    if not are_several(network) or network.activations is not None:
        return [gather(places, data, network, run, progress)]
    alone = replace(network, layers=network.distinct_layers[:1])
    if ALL_BLOCKS in network.distinct_layers:
        alone = replace(network, layers=[""])
    first = gather(places, data, alone, run, progress)
    choice = first.choice
    assert isinstance(choice, NetworkDescription)
    names = []
    for layer in network.distinct_layers:
        names += _blocks(choice, first.device) if layer == ALL_BLOCKS else [layer]
    return [
        replace(
            first,
            choice=(named := replace(choice, layer=name)),
            rebuild=rebuild_of(places, data, network, run, named),
        )
        for name in dict.fromkeys(names)
    ]


def build_layers(everything: Sequence[Inputs], progress: Progress) -> None:
    """Build what the activations caches of several layers lack, in one pass over the images."""
    first = everything[0]
    build_activations(
        first.dataset,
        [
            (
                inputs.choice,
                activations_cache(
                    inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild
                ),
            )
            for inputs in everything
            if isinstance(inputs.choice, NetworkDescription)
        ],
        device=first.device,
        batch_size=first.batch_size,
        workers=first.workers,
        progress=progress,
    )


def _blocks(choice: NetworkDescription, device: str) -> list[str]:
    from ccx_cli.probe.networks.layers import list_layers

    found = [layer.name for layer in list_layers(choice, device) if layer.is_block]
    if not found:
        raise UsageError(
            f"--layer {ALL_BLOCKS}: no layer of {choice.name} gives maps of more than one pixel: "
            "name layers that `ccx layers` lists."
        )
    return found
