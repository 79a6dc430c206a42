"""Reads files that torch wrote before its zip archives, whole pickled networks among them.

Such a file is five pickles (magic number, format version, the writing machine, the content, the
storages' keys) and then each storage: its length as 8 bytes and its values, all little-endian.
torch's own reader of these with ``weights_only`` refuses pickles of Python 2, of other protocols
than 2 and of classes that torch has no more.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001
# More than any network has; records that hold one another twice make endless trees.
_MOST_NAMES = 100_000
_LONGEST_PATH = 1000
_MOST_AXES = 64
# fmt: off
# No weights need these, and the extension codes go by without `find_class`.
_REFUSED = {
    "EXT1", "EXT2", "EXT4", "PERSID", "NEWOBJ_EX", "FROZENSET", "BYTEARRAY8", "NEXT_BUFFER",
    "READONLY_BUFFER",
}
# fmt: on


class RefusedError(Exception):
    """The pickle asks for something that weights do not need; the text names it."""


def read_legacy(path: Path) -> object:
    """Read the content of a file in torch's legacy format, running nothing that it names.

    Returns tensors on the CPU, numbers, strings and containers. A network, at the top or as a
    value of a dictionary there, is its ``OrderedDict`` of named tensors; the state dict of a later
    torch has its attribute ``_metadata``. RefusedError if the file asks for more than weights need;
    nearly any other if it is in another format, or damaged.
    """
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file:
        if _load(file) != _MAGIC_NUMBER or _load(file) != _VERSION:
            raise ValueError("not a checkpoint in torch's legacy format")
        machine = _load(file)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise ValueError("written by a big-endian machine")
        storages = _Storages(len(file))
        content = _load(file, _KNOWN, storages.find)
        storages.fill(file)
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = _weights(value)
    return _weights(content)


def _no_identifier(_identifier: object) -> object:
    raise RefusedError("a persistent identifier")


def _load(
    file: mmap.mmap,
    known: Mapping[str, Any] | None = None,
    persistent: Callable[[object], object] = _no_identifier,
) -> Any:
    """Read one pickle, whose names stand for what is ``known`` under them."""
    begin = file.tell()
    _check_opcodes(file)
    return _Unpickler(file[begin : file.tell()], known or {}, persistent).load()


def _check_opcodes(file: mmap.mmap | io.BytesIO) -> None:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
        if opcode.name in _REFUSED:
            raise RefusedError(f"the pickle opcode {opcode.name}")
        if opcode.name.endswith("PUT") and int(argument or 0) > count:
            raise ValueError("an index that would take any memory")


_PythonUnpickler: Any = pickle._Unpickler  # whose parts have no types
# Where the keys are that an opcode hashes: what was put on the stack since the mark is all there.
_KEYS = {
    pickle.SETITEM: slice(-2, -1),
    pickle.SETITEMS: slice(None, None, 2),
    pickle.DICT: slice(None, None, 2),
    pickle.ADDITEMS: slice(None),
}


def _hashing(opcode: bytes, keys: slice) -> Callable[[Any], None]:
    """Return what does the work of ``opcode`` once its keys are found to be plain."""

    def load(unpickler: Any) -> None:
        for key in unpickler.stack[keys]:
            _plain_key(key)
        _PythonUnpickler.dispatch[opcode[0]](unpickler)

    return load


class _Unpickler(_PythonUnpickler):  # type: ignore[misc]
    """Calls nothing but what is known, and gives a state to nothing else than keeps one.

    The one in C cannot be kept from hashing nested tuples, which can take forever.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = _PythonUnpickler.dispatch | {
        opcode[0]: _hashing(opcode, keys) for opcode, keys in _KEYS.items()
    }

    def __init__(
        self, pickled: bytes, known: Mapping[str, Any], persistent: Callable[[object], object]
    ) -> None:
        super().__init__(io.BytesIO(pickled), encoding="latin1")  # as Python 2 wrote strings
        self._known = known
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full not in self._known:
            raise RefusedError(full)
        return self._known[full]

    def persistent_load(self, identifier: object) -> object:
        return self._persistent(identifier)

    def load_build(self) -> None:
        state = self.stack.pop()
        match self.stack[-1], state:
            case _Record() as record, dict():
                vars(record).update(state)
            case OrderedDict() as weights, {"_metadata": metadata}:
                vars(weights)["_metadata"] = metadata
            case (OrderedDict(), dict()) | (torch.Tensor(), tuple()) | (Ignored(), _):
                pass  # attributes of no meaning here, and a parameter's gradient and hooks
            case target, _:
                raise TypeError(f"a state for a {type(target).__name__}")

    dispatch[pickle.BUILD[0]] = load_build


class _KeyChecker(_Unpickler):
    """Goes through a pickle for its keys alone, and makes nothing of what it names."""

    def find_class(self, module: str, name: str) -> Any:
        return _HASHING.get(f"{module}.{name}", Ignored)

    def persistent_load(self, identifier: object) -> object:
        for part in identifier if isinstance(identifier, tuple) else ():
            if part is not Ignored:
                _plain_key(part)
        return Ignored()


def check_keys(pickled: bytes) -> None:
    """Raise TypeError if a key in ``pickled`` is nested: its hash can take forever."""
    _check_opcodes(io.BytesIO(pickled))
    _KeyChecker(pickled, {}, _no_identifier).load()


class Ignored:
    """Whatever stands for this is no weight: it is called, given a state, and left out."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Leave an item out."""


def _plain_key(key: object) -> object:
    """Return ``key`` if its hash is cheap."""
    for part in key if isinstance(key, tuple) else (key,):
        if part is not None and not isinstance(part, str | int | float | bytes | Ignored):
            raise TypeError(f"a key that is a {type(part).__name__}")
    return key


def _set(items: Iterable[object] = ()) -> set[object]:
    return set(map(_plain_key, items))


def _ordered_dict(pairs: Iterable[tuple[object, object]] = ()) -> OrderedDict[object, object]:
    return OrderedDict((_plain_key(key), value) for key, value in pairs)


class _Record:
    """A module, or what else has a state; of a module only the weights are kept."""


def _parameter(tensor: object, *_: object) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError("a parameter without a tensor")
    return tensor


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> torch.Tensor:
    """Return the tensor that lies in ``storage``, whose values are read only later."""
    numbers = (offset, *shape, *strides)
    if any(type(number) is not int or number < 0 for number in numbers) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor that is none")
    end = offset + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    # Weights never overlap: with overlaps, a few bytes could stand for any number of values.
    if math.prod(shape) > len(storage) or (0 not in shape and end >= len(storage)):
        raise ValueError("a tensor leaves its storage")
    tensor: torch.Tensor = storage.as_strided(shape, strides, storage.storage_offset() + offset)
    return tensor


class _Storages:
    """The storages that the content refers to, one axis each, empty until they are filled."""

    def __init__(self, file_size: int) -> None:
        self._bytes_left = file_size
        self._storages: dict[str, torch.Tensor] = {}

    def find(self, identifier: object) -> object:
        """Return what ``identifier`` stands for, a storage or the class of a module."""
        match identifier:
            case ("module", type() as module, _, _):  # its source file and source are ignored
                return module
            case ("storage", torch.dtype() as dtype, str(key), str(), int(length), None):
                return self._find_storage(dtype, key, length)
            case (
                "storage",
                torch.dtype() as dtype,
                str(key),
                str(),
                int(length),
                (_, int(offset), int(size)),
            ) if 0 <= offset <= offset + size <= length:
                return self._find_storage(dtype, key, length)[offset : offset + size]
            case (str(kind), *_) if kind not in {"module", "storage"}:
                raise RefusedError(f"a persistent identifier {kind!r}")
        raise ValueError("not the identifier of a storage or module")

    def fill(self, file: mmap.mmap) -> None:
        """Read the values of all storages from where their keys begin."""
        keys = _load(file)
        if not isinstance(keys, list) or len(keys) != len(self._storages):
            raise ValueError("other storages than the content has")
        # A key that comes twice leaves another storage unread, which `pop` finds out.
        for key in keys:
            values = self._storages.pop(key)
            length = int.from_bytes(file.read(8), "little", signed=True)
            stored = file.read(values.nbytes)
            if length != len(values) or len(stored) != values.nbytes:
                raise ValueError("a storage of another length")
            values.view(torch.uint8).numpy().data[:] = stored

    def _find_storage(self, dtype: torch.dtype, key: str, length: int) -> torch.Tensor:
        if key not in self._storages:
            self._bytes_left -= length * dtype.itemsize
            if self._bytes_left < 0:
                raise ValueError("more values than the file has bytes")
            self._storages[key] = torch.zeros(length, dtype=dtype)
        storage = self._storages[key]
        if (storage.dtype, len(storage)) != (dtype, length):
            raise ValueError("one storage of two kinds")
        return storage


# What hashes its arguments, of the classes that torch allows.
_HASHING: dict[str, Any] = {
    "builtins.set": _set,
    "__builtin__.set": _set,
    "collections.Counter": _set,
    "collections.OrderedDict": _ordered_dict,
}

# What training scripts keep beside the weights: their options, the best accuracy.
BESIDE_WEIGHTS = (
    "argparse.Namespace",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "numpy.dtype",
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float16", "Float32", "Float64", "Int64", "Bool")),
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
)

# What a pickle may name; a storage's class stands for the type of its numbers.
_KNOWN: dict[str, Any] = {
    **dict.fromkeys(BESIDE_WEIGHTS, Ignored),
    "_codecs.encode": Ignored,  # of the bytes of a number of NumPy
    "builtins.set": _set,
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": tuple,
    "torch.device": lambda *_: None,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.autograd.variable.Variable": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
    # What every module of torch 0.x had under `_backend`.
    "torch.nn.backends.thnn._get_thnn_function_backend": _Record,
    "torch.nn.modules.activation.ReLU": _Record,
    "torch.nn.modules.batchnorm.BatchNorm2d": _Record,
    "torch.nn.modules.container.Sequential": _Record,
    "torch.nn.modules.conv.Conv2d": _Record,
    "torch.nn.modules.dropout.Dropout": _Record,
    "torch.nn.modules.linear.Linear": _Record,
    "torch.nn.modules.pooling.AdaptiveAvgPool2d": _Record,
    "torch.nn.modules.pooling.AvgPool2d": _Record,
    "torch.nn.modules.pooling.MaxPool2d": _Record,
    "torch.nn.parallel.data_parallel.DataParallel": _Record,
    "torchvision.models.alexnet.AlexNet": _Record,
    "torchvision.models.densenet.DenseNet": _Record,
    "torchvision.models.densenet._DenseBlock": _Record,
    "torchvision.models.densenet._DenseLayer": _Record,
    "torchvision.models.densenet._Transition": _Record,
    "torchvision.models.resnet.BasicBlock": _Record,
    "torchvision.models.resnet.Bottleneck": _Record,
    "torchvision.models.resnet.ResNet": _Record,
    "torchvision.models.vgg.VGG": _Record,
}
for _name, _dtype in {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}.items():
    _KNOWN[f"torch.{_name}Storage"] = _KNOWN[f"torch.cuda.{_name}Storage"] = _dtype


def _weights(content: Any) -> Any:
    """Return the named tensors of a pickled network, in the order of its state dict."""
    if not isinstance(content, _Record):
        return content
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    waiting = [("", content)]
    names = 0
    while waiting:
        path, module = waiting.pop()
        state, children = vars(module), []
        temporary = state.get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers", "_modules"):
            for name, value in state.get(kind, {}).items():
                names += 1
                full = f"{path}{name}"
                if names > _MOST_NAMES or len(full) > _LONGEST_PATH:
                    raise ValueError("a network without end")
                if kind == "_modules":
                    if isinstance(value, _Record):
                        children.append((f"{full}.", value))
                elif isinstance(value, torch.Tensor) and name not in temporary:
                    weights[full] = value
        waiting += reversed(children)
    return weights
