"""Times one pass for several layers against a pass for each of them."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.probe.activation_pass import build_activations
from ccx_cli.probe.activations import activations_cache
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.layers import list_layers


def seconds(dataset: BrodenDataset, passes: list[list[NetworkDescription]]) -> float:
    """Fill fresh caches, pass by pass."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        for choices in passes:
            caches = [activations_cache(dataset, each, Path(folder), "") for each in choices]
            build_activations(dataset, list(zip(choices, caches, strict=True)))
        return time.perf_counter() - began


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder that holds broden1_224")
    parser.add_argument("--subset", default="demo")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--images", type=int, default=96)
    given = parser.parse_args()
    dataset = read_broden(given.datasets, given.subset)
    dataset = replace(dataset, rows=dataset.rows[: given.images])
    network = choose_network(Path(), NetworkRequest(given.model, "none", ""))
    blocks = [layer.name for layer in list_layers(network) if layer.is_block]
    choices = [replace(network, layer=name) for name in blocks]
    seconds(replace(dataset, rows=dataset.rows[:32]), [choices])
    once = seconds(dataset, [choices])
    each = seconds(dataset, [[choice] for choice in choices])
    print(f"{given.model}, {len(dataset.rows)} images, {', '.join(blocks)}")
    print(f"one pass {once:.1f} s, {len(blocks)} passes {each:.1f} s: {each / once:.2f} times")


if __name__ == "__main__":
    main()
