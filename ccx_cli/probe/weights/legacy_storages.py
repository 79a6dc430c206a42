"""The storages of a file in torch's legacy format, and the tensors that lie in them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.probe.weights.legacy_pickle import Call, Named, RefusedError, load_pickle

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
    """Values in a row: those of a whole storage, or a stretch of them."""

    values: torch.Tensor

    def part(self, view: Any) -> Storage:
        """Return the stretch of a view: its key, first place and length."""
        _, *place = view
        offset, length = _counts(place)
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
        f"{place}.{name}Storage": _never_called
        for place in ("torch", "torch.cuda")
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
    # Weights that share places are none: a few bytes could stand for any number of them.
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
