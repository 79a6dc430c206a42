"""Which units of a layer come first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.given_activations import PrecomputedActivations
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.unit_activity import By, rank_units
from ccx_cli.progress import Progress
from ccx_cli.runs.preparing import Inputs
from ccx_cli.threads import threads

MOST_IMAGES = 1000


def rank_layer(inputs: Inputs, activations: Activations, by: By, progress: Progress) -> list[int]:
    """Rank a layer's units as ``rank_units`` does; importance is that on ``MOST_IMAGES`` at most.

    These lie evenly in the dataset. UsageError for the importance of precomputed activations.
    """
    choice = inputs.choice
    if by == "importance" and isinstance(choice, PrecomputedActivations):
        raise UsageError(
            f"`by` importance needs the network, and {choice.path.name} is a file: take activation "
            "or frequency."
        )

    def importance() -> NDArray[np.float64]:
        assert isinstance(choice, NetworkDescription)
        # They load torch.
        from ccx_cli.probe.attribution import unit_importance
        from ccx_cli.probe.images import image_batches
        from ccx_cli.probe.networks.loading import load_network

        network = load_network(choice, inputs.device)
        n_images = len(inputs.dataset.rows)
        images = range(0, n_images, -(-n_images // MOST_IMAGES))
        with threads(inputs.workers) as pool:
            batches = image_batches(inputs.dataset, choice, images, inputs.batch_size, pool)
            return unit_importance(network, batches, len(images), progress)

    return rank_units(activations, by, importance, progress)
