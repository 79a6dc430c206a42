"""Reads files of weights and fits them into a network, without running code from the files."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.weights.legacy_checkpoint import (
    BESIDE_WEIGHTS,
    Ignored,
    RefusedError,
    check_keys,
    read_legacy,
)

# Where training scripts keep the weights: these go before other keys.
_WRAPPERS = ("state_dict", "model", "model_state_dict")

# How a zip archive begins.
_ZIP = b"PK\x03\x04"

# Auxiliary classifiers, used in training only: the networks are built without them.
_AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the named tensors of a checkpoint, onto the CPU.

    Reads safetensors (by its suffix), torch's zip archives by ``torch.load(weights_only=True)`` and
    its older files by ``read_legacy``: a plain state dict, one kept under a key such as
    ``state_dict``, or (older files only) a whole pickled network. The keys become ``todays_name``.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DamagedDataError
        If it is not a checkpoint, is truncated, or holds objects other than weights.
    """
    content: Any = read_checkpoint(path)
    if not isinstance(content, Mapping):
        content = {}
    wrapper = _wrapper(content, path)
    if wrapper is not None:
        _refuse_a_second(content, wrapper, path)
        content = content[wrapper]
    named = _tensors(content)
    state = OrderedDict((todays_name(name), tensor) for name, tensor in named.items())
    if len(state) < len(named):
        twice = next(name for name in named if name != todays_name(name) in named)
        raise DamagedDataError(
            f"{path} holds {_shown(twice)} and {_shown(todays_name(twice))}, which are one tensor "
            "of the network: save the weights that you mean to a file of their own."
        )
    if not state:
        raise DamagedDataError(
            f"{path} holds no named weights: give a file that was saved from a network's "
            "`state_dict()`."
        )
    versions = getattr(content, "_metadata", {})
    _set_versions(state, _checked_versions(versions) if isinstance(versions, Mapping) else {})
    return state


def _wrapper(content: Mapping[Any, Any], path: Path) -> str | None:
    """Return the key under which the weights are, one of ``_WRAPPERS`` or the only one with any."""
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return wrapper
    if _tensors(content):
        return None
    keys = [key for key, each in content.items() if isinstance(each, Mapping) and _tensors(each)]
    if len(keys) > 1:
        raise _two_sets(path, str(keys[0]), str(keys[1]))
    return keys[0] if keys else None


def _tensors(content: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """Return the named tensors, without the count that torch's ``AveragedModel`` adds."""
    named = {
        name: tensor
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, torch.Tensor)
    }
    averaged = all(name.startswith("module.") for name in named if name != "n_averaged")
    if len(named) > 1 and averaged:
        named.pop("n_averaged", None)
    return named


def _refuse_a_second(content: Mapping[Any, Any], wrapper: str, path: Path) -> None:
    """Raise DamagedDataError if weights of the same names are under another key as well."""
    names = {todays_name(name) for name in _tensors(content[wrapper])}
    for key, value in content.items():
        if key == wrapper or not names or not isinstance(value, Mapping):
            continue
        if names == {todays_name(name) for name in _tensors(value)}:
            raise _two_sets(path, wrapper, str(key))


def _two_sets(path: Path, one: str, other: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} holds two sets of weights, under {_shown(one)} and {_shown(other)}: save the one "
        "that you mean to a file of its own."
    )


def _is_count(name: str) -> bool:
    """Tell whether a tensor counts training batches, which older files do without."""
    return name.endswith("num_batches_tracked")


def under_prefix(
    module: nn.Module, state: Mapping[str, torch.Tensor], path: Path
) -> tuple[Mapping[str, torch.Tensor], str]:
    """Return the tensors of ``module`` where all are under one prefix, and that prefix, or ``""``.

    So Lightning keeps a network. DamagedDataError if there is a whole set of them under several.
    """
    own = [todays_name(each) for each in module.state_dict() if not _is_count(each)]
    if not own or not state.keys().isdisjoint(own):
        return state, ""
    ends = f".{own[0]}"
    starts = [name.removesuffix(own[0]) for name in state if name.endswith(ends)]
    whole = [start for start in starts if all(start + name in state for name in own)]
    if len(whole) > 1:
        raise _two_sets(path, whole[0].rstrip("."), whole[1].rstrip("."))
    if not whole:
        return state, ""
    (prefix,) = whole
    found = OrderedDict(
        (name.removeprefix(prefix), tensor)
        for name, tensor in state.items()
        if name.startswith(prefix)
    )
    own_versions = {
        f"{name}.".removeprefix(prefix).removesuffix("."): version
        for name, version in getattr(state, "_metadata", {}).items()
        if f"{name}.".startswith(prefix)
    }
    _set_versions(found, own_versions)
    return found, prefix.removesuffix(".")


def num_outputs(module: nn.Module, state: Mapping[str, torch.Tensor], num_classes: int) -> int:
    """Return how many classes the classifier in ``state`` tells apart.

    If no tensors differ in shape from those of ``module``, built for ``num_classes``, but its
    classifier's, in their first axis, it is that length; otherwise ``num_classes``.
    """
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    other = {
        (own[name], tuple(tensor.shape))
        for name, tensor in state.items()
        if name in own and own[name] != tuple(tensor.shape)
    }
    lengths = {theirs[:1] for _, theirs in other}
    is_classifier = all(
        ours[:1] == (num_classes,) and theirs and ours[1:] == theirs[1:] for ours, theirs in other
    )
    return next(iter(lengths))[0] if len(lengths) == 1 and is_classifier else num_classes


def load_into(module: nn.Module, state: Mapping[str, torch.Tensor], path: Path, model: str) -> None:
    """Copy ``state`` into ``module``; DamagedDataError unless every parameter is there and fits."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    # A network of the user's own may have names that are renamed in files.
    renamed = {todays_name(name): name for name in own}
    training_only = _AUXILIARY.get(model, ())
    given = {
        renamed.get(name, name): tensor
        for name, tensor in state.items()
        if not name.startswith(training_only or "\0")
    }
    reshaped = [
        name for name, tensor in given.items() if name in own and own[name] != tuple(tensor.shape)
    ]
    fitting = OrderedDict((name, t) for name, t in given.items() if name not in reshaped)
    _set_versions(fitting, _versions(module, state))
    try:
        left = module.load_state_dict(fitting, strict=False)
    except (RuntimeError, ValueError) as error:
        raise DamagedDataError(
            f"{path} does not fit {model} ({str(error).splitlines()[0]}): check `model` and "
            "`weights`."
        ) from error
    missing = [name for name in left.missing_keys if name not in reshaped and not _is_count(name)]
    shapes = [f"{name} {tuple(given[name].shape)} for {own[name]}" for name in reshaped]
    faults = [
        f"{len(names)} {what} ({_first(names)})"
        for names, what in (
            (missing, "missing"),
            (left.unexpected_keys, "unexpected"),
            (shapes, "of another shape"),
        )
        if names
    ]
    if faults:
        raise DamagedDataError(
            f"{path} does not fit {model}, of its tensors are {', '.join(faults)}: check `model` "
            "and `weights`."
        )


def read_checkpoint(path: Path, option: str = "weights") -> object:
    """Read what a checkpoint holds, which ``option`` named, running nothing that is in it.

    MissingInputError if there is no such file, DamagedDataError if it is not a checkpoint, is
    truncated, or holds objects other than weights.
    """
    zipped = False
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_ZIP)) == _ZIP
        if path.suffix == ".safetensors":
            return load_file(path)
        if not zipped:
            return read_legacy(path)
        with warnings.catch_warnings():
            # What torch finds odd about a file either loads nevertheless or ends in an error.
            warnings.simplefilter("ignore")
            check_keys(torch._C.PyTorchFileReader(str(path)).get_record("data.pkl"))
            ignored: list[Any] = [(Ignored, name) for name in BESIDE_WEIGHTS]
            with torch.serialization.safe_globals(ignored):
                return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise MissingInputError(f"There are no weights at {path}: check the path.") from error
    except RefusedError as error:
        raise _more_than_weights(path, str(error)) from error
    # Damaged pickles and archives end in nearly any exception.
    except Exception as error:
        refused = re.search(
            r"unsupported (?:global|class)(?:: global)? ([\w.]+)|TorchScript",
            str(error),
            re.IGNORECASE,
        )
        if zipped and refused:
            raise _more_than_weights(path, refused[1] or "TorchScript") from error
        raise DamagedDataError(
            f"{path} cannot be read as a checkpoint, it is cut short or of another kind: download "
            f"it again, or give another file with `{option}`."
        ) from error


def _more_than_weights(path: Path, name: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} holds more than weights, it asks for {_shown(name)}, which could run code and is "
        "not read: save the network's `state_dict()` with torch.save and give that file."
    )


def _versions(module: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the versions of the layers in ``state``, and today's of the network if it has none."""
    versions = dict(getattr(state, "_metadata", {}))
    if "version" not in versions.get("", {}):
        versions[""] = {"version": module._version}
    return versions


def _checked_versions(versions: Mapping[Any, Any]) -> dict[str, Any]:
    """Return those versions that a file gives in torch's way, by today's module paths."""
    return {
        todays_name(name): {"version": version["version"]}
        for name, version in versions.items()
        if isinstance(name, str)
        and isinstance(version, Mapping)
        and isinstance(version.get("version"), int)
    }


def _set_versions(state: OrderedDict[str, torch.Tensor], versions: Mapping[str, Any]) -> None:
    vars(state)["_metadata"] = OrderedDict(versions)


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(_shown, names[:3])) + (", ..." if len(names) > 3 else "")


def _shown(name: str) -> str:
    """Return a name from a file, fit for a line on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name[:100])


# Path components that DataParallel and torch.compile put between a network and its layers.
_WRAPPER_MODULES = {"module", "_orig_mod"}

# torchvision's densenets were once saved with the keys `norm.1`, `conv.2`: a module path may not
# hold a dot today.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])(?=\.|$)")

# The dissection project's VGG-16 has the names of the Caffe model that its weights came from;
# torchvision numbers the layers, ReLUs, poolings and dropouts among them.
_CAFFE_VGG16 = {
    "features.conv1_1": "features.0", "features.conv1_2": "features.2",
    "features.conv2_1": "features.5", "features.conv2_2": "features.7",
    "features.conv3_1": "features.10", "features.conv3_2": "features.12",
    "features.conv3_3": "features.14", "features.conv4_1": "features.17",
    "features.conv4_2": "features.19", "features.conv4_3": "features.21",
    "features.conv5_1": "features.24", "features.conv5_2": "features.26",
    "features.conv5_3": "features.28", "classifier.fc6": "classifier.0",
    "classifier.fc7": "classifier.3", "classifier.fc8a": "classifier.6",
}  # fmt: skip


def todays_name(name: str) -> str:
    """Return the name that torchvision gives today to a weight, or to a module, of a file.

    Takes out what wrappers such as DataParallel put in, and renames the layers of old densenets
    and of the dissection project's VGG-16; any other name stays as it is.
    """
    path = ".".join(part for part in name.split(".") if part not in _WRAPPER_MODULES)
    path = _OLD_DENSENET.sub(r"\1\2", path)
    first_two = ".".join(path.split(".", 2)[:2])
    return _CAFFE_VGG16.get(first_two, first_two) + path.removeprefix(first_two)
