"""Which networks there are, and what a request for one means; imports no torch.

Help, shell completion and the planning of a run read this module; only the run itself loads torch.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.own_networks import is_own, read_arguments, resolve_own
from ccx_cli.probe.networks.timm_networks import is_timm, timm_preprocessing, timm_size
from ccx_cli.probe.networks.torchvision_models import (
    DEFAULT_LAYERS,
    DEMO_CLASSES,
    MODELS,
    own_preprocessing,
)
from ccx_cli.probe.networks.weight_files import check_pretrained, usual_weights, weights_file


def choose_network(models_root: Path, request: NetworkRequest) -> NetworkDescription:
    """Resolve a request for a network, looking up the file of its weights.

    Parameters
    ----------
    models_root
        Folder of published weights, in ``places365/`` and ``imagenet/``.
    request
        What is asked for. Unless it gives size, mean and standard deviation, timm is asked for
        those of its networks, which imports torch.

    Raises
    ------
    UsageError
        If the parts of the request contradict one another.
    MissingInputError
        If the file of the weights is not there.
    """
    model, words = request.model, request.model_args
    own, from_timm = is_own(model), is_timm(model)
    if own:
        model = resolve_own(model)
    if own or from_timm:
        read_arguments(words)
    elif model not in MODELS:
        raise UsageError(f"`model` {model} is not known{_mend(model)}")
    elif words:
        raise UsageError(
            f"`model_args` {words[0]} is for a factory of your own or a network of timm: leave "
            f"it out for {model}."
        )
    pretrained = request.pretrained
    if pretrained is None:
        pretrained = usual_weights(model, request.weights)
    check_pretrained(model, pretrained, request.weights)
    layer = default_layer(model) if request.layer is None else request.layer
    file = weights_file(models_root, model, pretrained, request.weights)
    side = 227 if model == "alexnet" else 224
    if from_timm:
        request = replace(request, input_size=request.input_size or timm_size(words))
    if from_timm and not request.has_preprocessing:
        usual = timm_preprocessing(model)
    else:
        usual = own_preprocessing(model, pretrained, None if file is None else file.name, side)
    outputs = {"imagenet": 1000, "demo": len(DEMO_CLASSES)}.get(pretrained, 365)
    num_classes = 0 if own or from_timm else outputs
    return NetworkDescription.of(request, model, pretrained, layer, file, side, num_classes, usual)


def default_layer(model: str) -> str:
    """Return the path of the last convolutional, or encoder, block of ``model``.

    Raises
    ------
    UsageError
        If it is timm's or a factory's, which have none, or the model is not known.
    """
    for family, layer in DEFAULT_LAYERS.items():
        if model.startswith(family) and ":" not in model:
            return layer
    raise UsageError(
        f"`model` {model} needs a `layer`, one of those that `ccx layers --model "
        f"{shlex.quote(model)}` lists, or all-blocks."
    )


def _mend(model: str) -> str:
    if model.endswith(".py"):
        return f": name the callable in it too, such as {model}:factory."
    return suggestion(model, MODELS) or ": `ccx explain --help` lists the models."
