"""What is in a file of a sparse autoencoder, by name, read without running any of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, few
from ccx_cli.printable import printable
from ccx_cli.probe.autoencoders.maps import TENSORS
from ccx_cli.probe.weights.checkpoints import read_checkpoint
from ccx_cli.probe.weights.stored_names import todays_name


def read_content(path: Path) -> Mapping[str, Any]:
    """Read what is in a file by name, without the dictionary that wraps it, if one does."""
    content: Any
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: torch.from_numpy(np.asarray(file[name])) for name in file}
        except FileNotFoundError as error:
            raise MissingInputError(f"There are no weights at {path}: check the path.") from error
        except Exception as error:  # NumPy's reader of archives fails in many ways.
            raise DamagedDataError(
                f"{path} cannot be read as arrays of numbers: download it again, or give another "
                "file with `sae`."
            ) from error
    else:
        content = read_checkpoint(path, "sae")
    if not isinstance(content, Mapping):
        content = {}
    if not tensors_of(content):
        inside = {
            str(name): each
            for name, each in content.items()
            if isinstance(each, Mapping) and tensors_of(each)
        }
        if len(inside) > 1:
            raise DamagedDataError(
                f"{path} holds several sets of tensors, {few([*map(printable, inside)])}: save the "
                "one of the autoencoder in a file of its own."
            )
        content = next(iter(inside.values()), {})
    if not tensors_of(content):
        raise DamagedDataError(
            f"{path} holds no named tensors: save the autoencoder's `state_dict()` and give that "
            "file."
        )
    return dict(content)


def tensors_of(content: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors among what a file holds."""
    return {
        name: each
        for name, each in content.items()
        if isinstance(name, str) and isinstance(each, torch.Tensor) and _is_plain(each)
    }


def _is_plain(values: torch.Tensor) -> bool:
    """Tell whether a file has all of a tensor's values: a repeated one may claim any size."""
    if values.layout is not torch.strided or values.device.type != "cpu" or values.is_quantized:
        return False
    return values.untyped_storage().nbytes() >= values.numel() * values.element_size()


# What Overcomplete calls the linear layer of its encoder, and the normalization after it.
_SEQUENCES = (("encoder.final_block.0.", "encoder.final_block.1."), ("encoder.0.", "encoder.1."))
_NORM = ("running_mean", "running_var", "weight", "bias")
_EPSILON = 1e-5  # torch's


def with_normalization(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Put the batch normalization after a linear encoder, as it is at inference, into its weights.

    UsageError for an encoder that is not one linear layer then.
    """
    found = dict(tensors)
    for linear, norm in _SEQUENCES:
        weight, bias = (tensors.get(f"{linear}{name}") for name in ("weight", "bias"))
        if weight is None or bias is None:
            continue
        others = {name for name in tensors if name.startswith("encoder.")}
        others -= {f"{linear}weight", f"{linear}bias", f"{norm}num_batches_tracked"}
        if others:
            names = [f"{norm}{name}" for name in _NORM]
            fits = others == set(names) and {tensors[name].shape for name in names} == {bias.shape}
            if not fits or weight.ndim != 2:
                raise UsageError(
                    f"{path} has an encoder that is not one linear layer, with or without batch "
                    "normalization: ccx does not compute such latents, so give them with "
                    "`activations`."
                )
            mean, variance, scale, shift = (tensors[name].float() for name in names)
            factor = scale / (variance + _EPSILON).sqrt()
            weight = weight.float() * factor[:, None]
            bias = (bias.float() - mean) * factor + shift
        found |= {"encoder.weight": weight, "encoder.bias": bias}
    return found


def without_prefix(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take off what wrappers put before the names, and the one prefix of the encoder, if any."""
    short = {todays_name(name): values for name, values in tensors.items()}
    if short.keys() & set(TENSORS["W_enc"]):
        return short
    prefixes = {
        name.removesuffix(own)
        for name in short
        for own in TENSORS["W_enc"]
        if name.endswith(f".{own}")
    }
    if len(prefixes) != 1:
        return short
    (prefix,) = prefixes
    return {
        name.removeprefix(prefix): values
        for name, values in short.items()
        if name.startswith(prefix)
    }
