"""Reads files that torch wrote before its zip archives, whole pickled networks among them.

Such a file is five pickles (magic number, format version, the writing machine, the content, the
storages' keys) and then each storage: its length as 8 bytes and its values, all little-endian.
torch's own reader of these with ``weights_only`` refuses pickles of Python 2, of other protocols
than 2 and of classes that torch has no more.
"""

from __future__ import annotations

import mmap
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001


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
        reader = _Unpickler(file, _KNOWN)
        content = reader.load()
        _fill(reader.storages, file)
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = _weights(value)
    return _weights(content)


def _load(file: mmap.mmap) -> Any:
    """Read one pickle that may name nothing."""
    return _Unpickler(file, {}).load()


_PythonUnpickler: Any = pickle._Unpickler  # whose parts have no types


class _Unpickler(_PythonUnpickler):  # type: ignore[misc]
    """Calls nothing but what is known, and gives a state to nothing else than keeps one.

    ``storages`` are those that the content refers to, one axis each, empty until they are filled.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, file: mmap.mmap, known: Mapping[str, Any]) -> None:
        super().__init__(file, encoding="latin1")  # as Python 2 wrote strings
        self._known = known
        self.storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if self._known and full.startswith(_MODULES):
            return _Record
        if full not in self._known:
            raise RefusedError(full)
        return self._known[full]

    def get_extension(self, code: int) -> None:
        raise RefusedError(f"the extension code {code}")

    def persistent_load(self, identifier: Any) -> object:
        match identifier:
            case ("module", type() as module, _, _):  # its source file and source are ignored
                return module
            case ("storage", torch.dtype() as dtype, str(key), str(), int(length), view):
                if key not in self.storages:
                    self.storages[key] = torch.empty(length, dtype=dtype)
                storage = self.storages[key]
                if (storage.dtype, len(storage)) != (dtype, length):
                    raise ValueError("one storage of two kinds")
                if view is None:
                    return storage
                _, start, length = view
                return storage.narrow(0, start, length)
            case (str(kind), *_) if kind not in {"module", "storage"}:
                raise RefusedError(f"a persistent identifier {kind!r}")
        raise ValueError("not the identifier of a storage or module")

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


def _fill(storages: dict[str, torch.Tensor], file: mmap.mmap) -> None:
    """Read the values of all storages from where their keys begin."""
    keys = _load(file)
    if not isinstance(keys, list) or len(keys) != len(storages):
        raise ValueError("other storages than the content has")
    # A key that comes twice leaves another storage unread, which `pop` finds out.
    for key in keys:
        values = storages.pop(key)
        length = int.from_bytes(file.read(8), "little", signed=True)
        stored = file.read(values.nbytes)
        if length != len(values) or len(stored) != values.nbytes:
            raise ValueError("a storage of another length")
        values.view(torch.uint8).numpy().data[:] = stored


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


class _Record:
    """A module, or what else has a state; of a module only the weights are kept."""


def _parameter(tensor: object, *_: object) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError("a parameter without a tensor")
    return tensor


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, *_: object) -> torch.Tensor:
    """Return the tensor that lies in ``storage``, whose values are read only later."""
    last = offset + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    if offset < 0 or (0 not in shape and last >= len(storage)):
        raise ValueError("a tensor leaves its storage")
    tensor: torch.Tensor = storage.as_strided(shape, strides, storage.storage_offset() + offset)
    return tensor


# A module of any class stands for its weights, and is none of its own.
_MODULES = ("torch.nn.modules.", "torchvision.models.")

# What training scripts keep beside the weights: their options, the best accuracy.
BESIDE_WEIGHTS = (
    "argparse.Namespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath",
    "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath", "numpy.dtype",
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float16", "Float32", "Float64", "Int64", "Bool")),
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
)  # fmt: skip
_NUMBERS = (
    "Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
)  # fmt: skip

# What a pickle may name; a storage's class stands for the type of its numbers.
_KNOWN: dict[str, Any] = {
    **dict.fromkeys(BESIDE_WEIGHTS, Ignored),
    # What every module of torch 0.x had under `_backend`.
    "torch.nn.backends.thnn._get_thnn_function_backend": _Record,
    "torch.nn.parallel.data_parallel.DataParallel": _Record,
    **{f"torch.{kind}Storage": getattr(torch, f"{kind}Storage")._dtype for kind in _NUMBERS},
    **{f"torch.cuda.{kind}Storage": getattr(torch, f"{kind}Storage")._dtype for kind in _NUMBERS},
    "_codecs.encode": Ignored,  # of the bytes of a number of NumPy
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    "torch.device": lambda *_: None,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.autograd.variable.Variable": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
}


def _weights(content: Any) -> Any:
    """Return the named tensors of a pickled network, in the order of its state dict."""
    return OrderedDict(_named(content, "")) if isinstance(content, _Record) else content


def _named(module: _Record, path: str) -> Iterator[tuple[str, torch.Tensor]]:
    state = vars(module)
    temporary = state.get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, value in state.get(kind, {}).items():
            if isinstance(value, torch.Tensor) and name not in temporary:
                yield f"{path}{name}", value
    for name, child in state.get("_modules", {}).items():
        if isinstance(child, _Record):
            yield from _named(child, f"{path}{name}.")
