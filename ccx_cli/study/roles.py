"""The classes that a unit contributes to, and the accuracy of the network where it is active.

For a layer that only pooling parts from a linear head, a unit's contribution to a class is its
weight there times its mean activation. Compositional Explanations (Mu and Andreas, NeurIPS 2020,
section 4) compares the accuracy on the images where a unit fires with how well it is explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import UsageError
from ccx_cli.probe.autoencoders.encoder import Autoencoder
from ccx_cli.probe.interventions import check_head, class_scores
from ccx_cli.probe.networks.class_names import class_name, plain_name
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.networks.passes import blank_images, run_blank
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.studies import ClassContribution, RoleRecord

MOST_CLASSES = 3


def head_weights(network: Network) -> NDArray[np.float32]:
    """Weights of the linear head over the layer's units, ``(n_classes, n_units)`` float32.

    The head is the only linear layer or convolution, of 1x1, that runs after the layer; a latent of
    a sparse autoencoder has the weights of what it adds to the layer. UsageError if the inputs of
    the head are not the layer's units.
    """
    check_head(network)
    heads = _run_after(network)
    weight = heads[0].weight if len(heads) == 1 else torch.zeros(0, 0)
    flat = weight.detach().flatten(2) if weight.ndim == 4 else weight.detach()[:, :, None]
    if flat.shape[1:] != (network.layout.units, 1):
        raise UsageError(
            f"{network.choice.model} has no linear head right after {network.choice.layer}: name "
            "the last layer before the head with --layer when you explain."
        )
    weights = flat[:, :, 0]
    if network.autoencoder is not None:
        weights = weights @ _directions(network, network.autoencoder).T
    found: NDArray[np.float32] = weights.cpu().numpy()
    return found


def _run_after(network: Network) -> list[nn.Linear | nn.Conv2d]:
    """Return the linear layers and convolutions that run after the last output of the layer."""
    ran: list[nn.Linear | nn.Conv2d] = []
    hooks = [
        each.register_forward_hook(lambda module, _inputs, _output: ran.append(module))
        for each in network.module.modules()
        if isinstance(each, nn.Linear | nn.Conv2d)
    ]
    layer = network.module.get_submodule(network.choice.layer)
    hooks.append(layer.register_forward_hook(lambda *_: ran.clear()))
    try:
        run_blank(network.module, network.choice, blank_images(network.choice, network.device)[0])
    finally:
        for hook in hooks:
            hook.remove()
    return ran


def _directions(network: Network, autoencoder: Autoencoder) -> torch.Tensor:
    network.check_decoder("`ccx roles`")
    if autoencoder.normalize != "none":
        raise UsageError(
            f"The autoencoder in {network.choice.sae} normalizes its input "
            f"({autoencoder.normalize}), so that its latents contribute to the classes in other "
            "shares at every cell: `ccx roles` cannot say them, but `ccx importance` can."
        )
    return autoencoder.directions()


def true_classes(dataset: BrodenDataset, names: Sequence[str]) -> NDArray[np.int64]:
    """True class of every image, by the name of one of its whole-image labels; -1 if none fits.

    Returns
    -------
    ``(n_images,)`` int64.
    """
    numbers = {plain_name(name): number for number, name in enumerate(names)}
    truth = np.full(len(dataset.rows), -1, dtype=np.int64)
    for position, row in enumerate(dataset.rows):
        for label in row.labels:
            number = numbers.get(plain_name(dataset.label(label).name))
            if number is not None:
                truth[position] = number
                break
    return truth


def predictions(
    network: Network, batches: Iterable[torch.Tensor], n_images: int, progress: Progress
) -> NDArray[np.int64]:
    """Predicted class of every image, ``(n_images,)`` int64."""
    predicted = []
    with progress.task("Predictions", n_images) as task:
        for images in batches:
            predicted.append(class_scores(network, images).argmax(1).numpy())
            task.advance(len(images))
    return np.concatenate(predicted).astype(np.int64)


def role_of(
    explained: ExplanationRecord,
    maps: NDArray[np.float32],
    weights: NDArray[np.float32],
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    names: Sequence[str] = (),
) -> RoleRecord:
    """Say what one unit does, whose highest range is ``explained``.

    ``maps`` are its activations, ``(n_images, height, width)`` float32; ``truth`` and ``predicted``
    are classes, ``(n_images,)`` int64, a true one of -1 being unknown.
    """
    top = Range.from_json(explained.range or [None, None])
    inside = (maps > np.float64(top.lower)) & (maps < np.float64(top.upper))
    fires = inside.any(axis=(1, 2))
    known = fires & (truth >= 0)
    right = int((predicted[known] == truth[known]).sum())
    contributions = weights[:, explained.unit].astype(np.float64) * float(
        maps.mean(dtype=np.float64)
    )
    best = np.argsort(-contributions, kind="stable")[:MOST_CLASSES]
    return RoleRecord(
        unit=explained.unit,
        cluster=explained.cluster or 0,
        range=explained.range or [None, None],
        formula=explained.formula,
        iou=explained.iou,
        images=int(fires.sum()),
        labelled=int(known.sum()),
        accuracy=right / int(known.sum()) if known.any() else None,
        classes=[
            ClassContribution(
                class_=class_name(int(label), names), contribution=float(contributions[label])
            )
            for label in best
            if contributions[label] > 0
        ],
    )


def correlation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Pearson's r; ``None`` where it is not defined."""
    if len(xs) < 2 or np.ptp(xs) == 0 or np.ptp(ys) == 0:
        return None
    return float(np.corrcoef(xs, ys)[0, 1])
