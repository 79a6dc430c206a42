"""How much the class scores of a network depend on each unit of a layer, to first order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.probe.interventions import check_scores, put, scores_of, works_in_place
from ccx_cli.probe.networks.devices import computing
from ccx_cli.probe.networks.layouts import first_tensor
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.networks.passes import accepting
from ccx_cli.progress import Progress


def unit_importance(
    network: Network, batches: Iterable[torch.Tensor], n_images: int, progress: Progress
) -> NDArray[np.float64]:
    """Return how much the score of the predicted class depends on each unit, ``(n_units,)``.

    That is the absolute value of gradient times activation, summed over a unit's map, the mean of
    all images: by how much the score would change without the unit, to first order (Molchanov et
    al., ICLR 2017, equation 8). Before a linear head it is the contribution of ``ccx roles`` to the
    predicted class. ``batches`` are images, ``(n, 3, height, width)`` float32, normalized,
    ``n_images`` in all. UsageError if the network returns no class scores, or none that depends on
    the layer.
    """
    network.check_decoder("Importance")
    if network.choice.is_own:
        check_scores(network)
    in_place = works_in_place(network)
    total = torch.zeros(network.units, dtype=torch.float64)
    with progress.task("Importance of the units", n_images) as task:
        for images in batches:
            total += _of_images(network, images, in_place=in_place).sum(0).cpu()
            task.advance(len(images))
    mean: NDArray[np.float64] = (total / n_images).numpy()
    return mean


def _of_images(network: Network, images: torch.Tensor, *, in_place: bool) -> torch.Tensor:
    """Return the absolute value of every unit's effect, ``(n_images, n_units)`` float64."""
    outputs: list[torch.Tensor] = []

    def hold(_layer: Any, _inputs: Any, output: Any) -> Any:
        outputs.append(first_tensor(output).detach().requires_grad_())
        # A copy: what comes next may change it in place.
        return put(output, outputs[-1].clone(), in_place=in_place)

    layer = network.module.get_submodule(network.choice.layer)
    handle = layer.register_forward_hook(hold)
    try:
        with (
            accepting(network.choice, images),
            computing(network.choice.precision, network.device),
            torch.inference_mode(mode=False),
            torch.enable_grad(),
        ):
            answer = network.module(images.to(network.device))
    finally:
        handle.remove()
    scores = scores_of(answer, network).amax(1).sum()
    gradient = None
    if scores.requires_grad:
        (gradient,) = torch.autograd.grad(scores, outputs[-1], allow_unused=True)
    if gradient is None:
        raise UsageError(
            f"No class score of {network.choice.name} depends on {network.choice.layer}: name "
            "another with `layer`, or take `by` activation."
        )
    output = outputs[-1].detach()
    if network.autoencoder is not None:
        maps, slopes = (network.layout.maps(each).float() for each in (output, gradient))
        return network.autoencoder.effects(maps, slopes).abs()
    effects = network.layout.maps(gradient.double() * output.double())
    return effects.sum((2, 3)).abs()
