"""Writes checkpoints the way that torch 0.2 did, whose files are still the published ones."""

from __future__ import annotations

import copyreg
import io
import pickle
import pickletools
import re
import types
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._utils import _rebuild_tensor
from torch.nn.backends import thnn
from torchvision import models

# What damage to a file ends in.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)

_LONGEST_NAME = 100
_PRIVATE_STATE = {"_parameters", "_buffers", "_modules"}


class _Backend:
    """What every module of torch 0.2 had an instance of."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return thnn._get_thnn_function_backend, ()


class _OldPickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, nn.Parameter):
            return nn.Parameter, (value.data,), (value.requires_grad, False, OrderedDict())
        if isinstance(value, torch.Tensor):
            storage: torch.TypedStorage = value._typed_storage()  # type: ignore[no-untyped-call]
            place = (value.storage_offset(), tuple(value.shape), value.stride())
            return _rebuild_tensor, (storage, *place)
        if isinstance(value, nn.Module):
            return copyreg.__newobj__, (type(value),), _old_state(value)  # type: ignore[attr-defined]
        return NotImplemented


def _old_state(module: nn.Module) -> dict[str, Any]:
    kept = {
        name: OrderedDict(value) if name in _PRIVATE_STATE else value
        for name, value in vars(module).items()
        if name in _PRIVATE_STATE or not name.startswith("_")
    }
    kept["_buffers"].pop("num_batches_tracked", None)
    hooks = ("_backward_hooks", "_forward_hooks")
    return {"_backend": _Backend(), **{name: OrderedDict() for name in hooks}, **kept}


def save_as_once(
    content: object,
    path: Path,
    *,
    cuda: bool = False,
    python_2: bool = False,
    sources: bool = True,
) -> None:
    """Save ``content``, a state dict or a whole network, as torch 0.2 did.

    The storages of ``cuda`` files come from a GPU; Python 2 wrote byte strings where 3 writes text.
    Without ``sources`` the file has no source code of classes, as where torch did not find it.
    """
    old = types.ModuleType("pickle_of_once")
    vars(old).update(Pickler=_OldPickler, dump=pickle.dump)
    saved = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class of a test has no source code
        torch.save(content, saved, pickle_module=old, _use_new_zipfile_serialization=False)
    saved.seek(0)
    with path.open("wb") as file:
        for _ in range(5):  # magic number, version, machine, content and keys; the storages follow
            file.write(_rewritten(saved, cuda, python_2, sources))
        file.write(saved.read())


def _rewritten(saved: io.BytesIO, cuda: bool, python_2: bool, sources: bool) -> bytes:
    """Return the next pickle of a file with other text strings and classes of storages."""
    steps = [*pickletools.genops(saved)]
    pickled = saved.getvalue()[: saved.tell()]
    ends = [position for _, _, position in steps[1:]] + [len(pickled)]
    written = bytearray()
    for (opcode, argument, begin), end in zip(steps, ends, strict=True):
        assert begin is not None
        assert end is not None
        piece = pickled[begin:end]
        if opcode.name == "GLOBAL" and cuda:
            piece = re.sub(rb"^ctorch\n(\w+Storage)", rb"ctorch.cuda\n\1", piece)
        if opcode.name == "GLOBAL" and python_2:
            piece = piece.replace(b"cbuiltins\n", b"c__builtin__\n")
        if opcode.name == "BINUNICODE":
            text = ("cuda:0" if argument == "cpu" and cuda else str(argument)).encode()
            if len(text) > _LONGEST_NAME and not sources:
                piece = b"N"
            elif not python_2:
                piece = b"X" + len(text).to_bytes(4, "little") + text
            elif len(text) < 256:
                piece = b"U" + bytes([len(text)]) + text
            else:
                piece = b"T" + len(text).to_bytes(4, "little") + text
        written += piece
    return bytes(written)


def legacy_file(
    content: bytes = b"}.",
    *,
    first: bytes = pickle.dumps(0x1950A86A20F9469CFC6C, 2),
    version: bytes = pickle.dumps(1001, 2),
    machine: bytes = pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2),
    keys: bytes = b"].",
    storages: bytes = b"",
) -> bytes:
    """Return a file in torch's legacy format, of pickles made by hand."""
    return first + version + machine + content + keys + storages


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight and running statistic of a network values that are not its first ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                tensor.uniform_(-1, 1, generator=generator)
                tensor /= max(1.0, tensor[0].numel() ** 0.5)
    return module.eval()


def small_densenet(seed: int = 0) -> nn.Module:
    """Return a densenet of a few kilobytes."""
    return seeded(
        models.DenseNet(
            growth_rate=4, block_config=(1, 2), num_init_features=8, bn_size=1, num_classes=5
        ),
        seed,
    )


def with_old_names(densenet: nn.Module) -> nn.Module:
    """Rename ``norm1`` to ``norm.1`` and so on in a densenet, which will not run after that."""
    for layer in densenet.modules():
        if type(layer).__name__ == "_DenseLayer":
            renamed = [
                (re.sub(r"(\d)$", r".\1", name), child) for name, child in layer.named_children()
            ]
            layer._modules.clear()
            layer._modules.update(renamed)
    return densenet
