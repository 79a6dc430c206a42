"""Times the forward pass of ``ccx cache build`` against a plain loop on the same images.

Each takes its turn in a process of its own: ccx has torch set up from its first array on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import models
from torchvision.transforms import Compose, Normalize, ToTensor

from benchmarks.machine import machine
from ccx_cli.cli.entry import use_large_pages
from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.probe import activation_pass
from ccx_cli.probe.activations import activations_cache, open_activations
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.building import load_module
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.sparse_maps import dense_maps

_BATCH = 32


class _Photographs(Dataset[torch.Tensor]):
    """The images of a dataset, as a script reads them."""

    def __init__(self, dataset: BrodenDataset, network: NetworkDescription) -> None:
        self._paths = [dataset.image_path(row.image) for row in dataset.rows]
        self._normalized = Compose([ToTensor(), Normalize(network.mean, network.std)])

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        image: torch.Tensor = self._normalized(Image.open(self._paths[position]).convert("RGB"))
        return image


def plain(
    dataset: BrodenDataset, network: NetworkDescription, place: Path, workers: int
) -> tuple[float, NDArray[np.float32]]:
    """Save the output of a layer as a script does; return seconds, without those of building it."""
    module = models.get_model(network.model, num_classes=network.num_classes).eval()
    module.load_state_dict(load_module(network, torch.device("cpu"))[0].state_dict())
    kept: list[NDArray[np.float32]] = []
    module.get_submodule(network.layer).register_forward_hook(
        lambda _layer, _inputs, output: kept.append(output.numpy())
    )
    began = time.perf_counter()
    with torch.inference_mode():
        for images in DataLoader(_Photographs(dataset, network), _BATCH, num_workers=workers):
            module(images)
    maps = np.concatenate(kept)
    np.save(place / "plain.npy", maps)
    return time.perf_counter() - began, maps


def build(
    dataset: BrodenDataset, network: NetworkDescription, place: Path
) -> tuple[float, NDArray[np.float32]]:
    """Fill a fresh cache; return all seconds, and what it holds, ``(n_images, units, h, w)``."""
    began = time.perf_counter()
    cache = activations_cache(dataset, network, place, "")
    activation_pass.build_activations(dataset, [(network, cache)], batch_size=_BATCH)
    seconds = time.perf_counter() - began
    stored = open_activations(dataset, cache)
    return seconds, np.stack([dense_maps(stored.unit(unit)) for unit in range(stored.units)], 1)


class _Waiting:
    """Which share of a pass it waits for images that are still being decoded."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def batches(self, *given: Any) -> Iterator[torch.Tensor]:
        """Yield what ``image_batches`` does."""
        began, waited = time.perf_counter(), 0.0
        batches = image_batches(*given)
        while True:
            asked = time.perf_counter()
            images = next(batches, None)
            waited += time.perf_counter() - asked
            if images is None:
                break
            yield images
        self.shares.append(waited / (time.perf_counter() - began))


_WAYS = {"ccx": None, "plain, decoding itself": 0, "plain, 2 processes decoding": 2}
"""The processes that decode for a plain loop, by what is printed of each way."""


def run_once(
    name: str, dataset: BrodenDataset, network: NetworkDescription
) -> tuple[float, NDArray[np.float32], float]:
    """Return seconds, the layer's output, and for ccx the share of waiting for images."""
    waiting, workers = _Waiting(), _WAYS[name]
    with (
        TemporaryDirectory() as folder,
        patch.object(activation_pass, "image_batches", waiting.batches),
    ):
        place = Path(folder)
        if workers is None:
            took, maps = build(dataset, network, place)
            return took, maps, waiting.shares[0]
        return *plain(dataset, network, place, workers), 0.0


def main() -> None:
    """Print images a second of both, their ratio, and how much of the largest value they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder that holds broden1_224")
    parser.add_argument("--subset", default="all")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--layer", default="layer4")
    parser.add_argument("--images", type=int, help="so many instead of all")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    dataset = read_broden(given.datasets, given.subset)
    dataset = replace(dataset, rows=dataset.rows[: given.images])
    network = choose_network(Path(), NetworkRequest(given.model, "none", given.layer))
    seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
    maps: dict[str, NDArray[np.float32]] = {}
    waits: list[float] = []
    spawned = multiprocessing.get_context("spawn")
    for _ in range(given.runs):
        for name, workers in _WAYS.items():
            start = use_large_pages if workers is None else None
            with ProcessPoolExecutor(1, spawned, start) as pool:
                took, maps[name], wait = pool.submit(run_once, name, dataset, network).result()
            seconds[name].append(took)
            waits += [wait] if workers is None else []
    n_images = len(dataset.rows)
    print(f"{given.model}, {given.layer}, {n_images} images, {given.runs} runs; {machine()}")
    for name, each in seconds.items():
        rates = ", ".join(f"{n_images / one:.1f}" for one in sorted(each, reverse=True))
        print(f"{name}: {n_images / median(each):.1f} images a second ({rates})")
    first, *others = _WAYS
    best = min(others, key=lambda name: median(seconds[name]))
    ratios = [one / other for one, other in zip(seconds[best], seconds[first], strict=True)]
    largest = float(np.abs(maps[best]).max())
    apart = float(np.abs(maps[first] - maps[best]).max()) / largest
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{median(ratios):.2f} times as fast as {best} ({spread})")
    print(f"apart by {apart:.1e} of the largest value at most")
    print(f"waiting for the decoder: {median(waits):.1%} of the pass")


if __name__ == "__main__":
    main()
