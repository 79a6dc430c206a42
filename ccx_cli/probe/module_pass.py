"""Runs the images of a dataset through a network that is in memory, into a file of activations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.probe.images import filled_batch, image_batches
from ccx_cli.probe.networks.loading import Network, layer_activations
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import naming
from ccx_cli.threads import threads


def write_activations(
    path: Path,
    network: Network,
    dataset: BrodenDataset,
    *,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> None:
    """Write the maps of a layer as ``.npy``, ``(n_images, n_units, height, width)`` float32.

    MissingInputError or DamagedDataError for an image that is not there or not readable; CcxError
    if a value is NaN or infinite, or the forward pass fails.
    """
    n_images = len(dataset.rows)
    shape = n_images, network.units, *network.layout.map_shape
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        naming(path),
        path.open("wb") as file,
        threads(workers) as pool,
        progress.task(f"Activations of {network.choice.describe()}", n_images) as task,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        positions = range(n_images)
        for images in image_batches(dataset, network.choice, positions, batch_size, pool):
            batch = filled_batch(images, min(batch_size, n_images))
            maps = layer_activations(network, batch)[: len(images)].numpy()
            if maps.shape[1:] != shape[1:]:
                raise CcxError(
                    f"Layer {network.choice.layer} of {network.choice.name} gives maps of "
                    f"{maps.shape[1:]} for some images and {shape[1:]} for others: let the network "
                    "treat all images alike."
                )
            file.write(maps.astype("<f4").tobytes())
            task.advance(len(images))
