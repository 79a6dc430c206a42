"""Reads files that torch wrote before its zip archives, whole pickled networks among them.

Such a file is five pickles (magic number, format version, the writing machine, the content, the
storages' keys) and then each storage: its length as 8 bytes and its values, all little-endian. A
network in the content becomes a tree of inert records, of which only the weights are kept.
"""

from __future__ import annotations

import io
import math
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.probe.weights.legacy_pickle import (
    Call,
    Meanings,
    Named,
    Record,
    RefusedError,
    load_pickle,
    plain_key,
)

# What damage to a file ends in, besides RefusedError.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001

# More than any network has; records that hold one another twice make endless trees.
_MOST_NAMES = 100_000
_LONGEST_PATH = 1000

_MODULES = (
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.dropout.Dropout",
    "torch.nn.modules.linear.Linear",
    "torch.nn.modules.pooling.AdaptiveAvgPool2d",
    "torch.nn.modules.pooling.AvgPool2d",
    "torch.nn.modules.pooling.MaxPool2d",
    "torch.nn.parallel.data_parallel.DataParallel",
    "torchvision.models.alexnet.AlexNet",
    "torchvision.models.densenet.DenseNet",
    "torchvision.models.densenet._DenseBlock",
    "torchvision.models.densenet._DenseLayer",
    "torchvision.models.densenet._Transition",
    "torchvision.models.resnet.BasicBlock",
    "torchvision.models.resnet.Bottleneck",
    "torchvision.models.resnet.ResNet",
    "torchvision.models.vgg.VGG",
)


def read_legacy(path: Path) -> object:
    """Read the content of a file in torch's legacy format, running nothing that it names.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        What was saved: tensors on the CPU, numbers, strings and containers. A network, at the top
        or as a value of a dictionary there, is its ``OrderedDict`` of named tensors; the state dict
        of a later torch has its attribute ``_metadata``.

    Raises
    ------
    RefusedError
        If the file asks for a class, a function or a way of pickling that weights do not need.
    OSError
        If it cannot be read.
    Exception
        One of ``DAMAGE``, if it is in another format, or damaged.
    """
    with path.open("rb", buffering=0) as raw, _Bounded(raw) as file:
        if load_pickle(file) != _MAGIC_NUMBER or load_pickle(file) != _VERSION:
            raise ValueError("not a checkpoint in torch's legacy format")
        machine = load_pickle(file)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise ValueError("written by a big-endian machine")
        storages = Storages(file.size)
        content = load_pickle(file, Meanings(_calls(), storages.find, _build))
        storages.fill(file)
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = _weights(value)
    return _weights(content)


class _Bounded(io.BufferedReader):
    """A file that is not asked for more than it can have: a damaged length may be 2^63 bytes."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.size if size is None else min(size, self.size))


def _calls() -> dict[str, Call]:
    modules = {name: _record(name) for name in _MODULES}
    return (
        storage_calls()
        | modules
        | {
            "builtins.set": _set,
            "collections.OrderedDict": _ordered_dict,
            "torch.Size": lambda arguments: tuple(*arguments),
            "torch.device": _record("torch.device", has_arguments=True),
            "torch._utils._rebuild_tensor": lambda arguments: tensor_of(*arguments),
            "torch._utils._rebuild_tensor_v2": lambda arguments: tensor_of(*arguments[:4]),
            "torch._utils._rebuild_parameter": _parameter,
            "torch.autograd.variable.Variable": _parameter,
            # What every module of torch 0.x had under `_backend`.
            "torch.nn.backends.thnn._get_thnn_function_backend": _record("backend"),
            "torch.nn.parameter.Parameter": _parameter,
        }
    )


def _record(name: str, *, has_arguments: bool = False) -> Call:
    def make(arguments: tuple[Any, ...]) -> Record:
        if arguments and not has_arguments:
            raise ValueError(f"a {name} that is made of something")
        return Record(name)

    return make


def _set(arguments: tuple[Any, ...]) -> set[object]:
    return {plain_key(item) for items in arguments for item in items}


def _ordered_dict(arguments: tuple[Any, ...]) -> OrderedDict[object, object]:
    """Return an empty one, or (Python 2) one of the only argument's pairs."""
    pairs = [pair for pairs in arguments for pair in pairs]
    return OrderedDict((plain_key(key), value) for key, value in pairs)


def _parameter(arguments: tuple[Any, ...]) -> torch.Tensor:
    """Return the tensor, the first argument; whether it needs a gradient does not matter here."""
    if not arguments or not isinstance(arguments[0], torch.Tensor):
        raise ValueError("a parameter without a tensor")
    return arguments[0]


def _build(target: object, state: object) -> None:
    match target, state:
        case Record(), dict():
            target.state.update(state)
        case OrderedDict(), {"_metadata": metadata}:
            vars(target)["_metadata"] = metadata
        case (OrderedDict(), dict()) | (torch.Tensor(), tuple()):
            pass  # attributes of no meaning here, and a parameter's gradient and hooks
        case _:
            raise TypeError(f"a state for a {type(target).__name__}")


def _weights(content: Any) -> Any:
    """Return the named tensors of a pickled network, in the order of its state dict."""
    if not isinstance(content, Record):
        return content
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    waiting = [("", content)]
    names = 0
    while waiting:
        path, module = waiting.pop()
        children = []
        temporary = module.state.get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers", "_modules"):
            for name, value in module.state.get(kind, {}).items():
                names += 1
                full = f"{path}{name}"
                if names > _MOST_NAMES or len(full) > _LONGEST_PATH:
                    raise ValueError("a network without end")
                if kind == "_modules":
                    if isinstance(value, Record):
                        children.append((f"{full}.", value))
                elif isinstance(value, torch.Tensor) and name not in temporary:
                    weights[full] = value
        waiting += reversed(children)
    return weights


_MOST_AXES = 64

_STORAGES = {
    "Double": ("<f8", torch.float64),
    "Float": ("<f4", torch.float32),
    "Half": ("<f2", torch.float16),
    "BFloat16": ("<i2", torch.bfloat16),  # which numpy does not know
    "Long": ("<i8", torch.int64),
    "Int": ("<i4", torch.int32),
    "Short": ("<i2", torch.int16),
    "Char": ("i1", torch.int8),
    "Byte": ("u1", torch.uint8),
    "Bool": ("?", torch.bool),
}


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Contiguous values: those of a whole storage, or a part of them."""

    values: torch.Tensor

    def part(self, view: Any) -> Storage:
        """Return the part that a view shows: its key, offset and length."""
        _, *span = view
        offset, length = _counts(span)
        if offset + length > len(self.values):
            raise ValueError("a view leaves its storage")
        return Storage(self.values[offset : offset + length])


class Storages:
    """The storages that the content refers to, empty until their values are read after it."""

    def __init__(self, file_size: int) -> None:
        self._bytes_left = file_size
        self._arrays: dict[str, tuple[str, NDArray[Any]]] = {}
        self._storages: dict[str, Storage] = {}

    def find(self, identifier: object) -> object:
        """Return what ``identifier`` stands for, a storage or the class of a module."""
        match identifier:
            case ("module", Named() as module, _, _):  # its source file and source are ignored
                return module
            case ("storage", Named(name=name), str(key), str(), int(length), view):
                storage = self._find_storage(name, key, length)
                return storage if view is None else storage.part(view)
            case (str(kind), *_) if kind not in {"module", "storage"}:
                raise RefusedError(f"a persistent identifier {kind!r}")
        raise ValueError("not the identifier of a storage or module")

    def fill(self, file: io.BufferedReader) -> None:
        """Read the values of all storages from where their keys begin."""
        keys = load_pickle(file)
        if not isinstance(keys, list) or len(keys) != len(self._arrays):
            raise ValueError("other storages than the content has")
        # A key that comes twice leaves another storage unread, which `pop` finds out.
        for key in keys:
            _, array = self._arrays.pop(key)
            length = int.from_bytes(file.read(8), "little", signed=True)
            if length != len(array) or file.readinto(array.view(np.uint8).data) != array.nbytes:
                raise ValueError("a storage of another length")

    def _find_storage(self, kind: str, key: str, length: int) -> Storage:
        if key in self._arrays:
            known, array = self._arrays[key]
            if (known, len(array)) != (kind, length):
                raise ValueError("one storage of two kinds")
            return self._storages[key]
        prefix, _, name = kind.rpartition(".")
        if prefix not in {"torch", "torch.cuda"} or not name.endswith("Storage"):
            raise ValueError("not a storage")
        stored, dtype = _STORAGES[name.removesuffix("Storage")]
        (length,) = _counts((length,))
        self._bytes_left -= length * np.dtype(stored).itemsize
        if self._bytes_left < 0:
            raise ValueError("more values than the file has bytes")
        array = np.zeros(length, stored)
        self._arrays[key] = (kind, array)
        self._storages[key] = Storage(torch.from_numpy(array).view(dtype))
        return self._storages[key]


def storage_calls() -> dict[str, Call]:
    """Return the names of the storages' classes, which a pickle names but never calls."""
    return {
        f"{module}.{name}Storage": _never_called
        for module in ("torch", "torch.cuda")
        for name in _STORAGES
    }


def tensor_of(storage: object, offset: Any, shape: Any, strides: Any) -> torch.Tensor:
    """Return the tensor that lies in ``storage``, whose values may be read only later.

    Raises
    ------
    TypeError, ValueError
        If there is no such tensor.
    """
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without a storage")
    values = storage.values
    (offset,), shape, strides = _counts((offset,)), _counts(shape), _counts(strides)
    steps = ((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    # Weights never overlap: with overlaps, a few bytes could stand for any number of values.
    if len(shape) > _MOST_AXES or math.prod(shape) > len(values):
        raise ValueError("a tensor larger than its storage")
    if 0 not in shape and offset + sum(steps) >= len(values):
        raise ValueError("a tensor leaves its storage")
    return torch.as_strided(values, shape, strides, values.storage_offset() + offset)


def _counts(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, tuple | list):
        raise TypeError("numbers that are no tuple")
    if any(type(number) is not int or not 0 <= number < 2**62 for number in numbers):
        raise ValueError("a length that is none")
    return tuple(numbers)


def _never_called(_arguments: tuple[Any, ...]) -> object:
    raise ValueError("a storage that is made of something")
