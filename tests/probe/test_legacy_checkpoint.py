"""Storages, tensors and networks in torch's legacy format: whole, odd and damaged ones."""

from __future__ import annotations

import io
import pickle
import random
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._utils import _rebuild_parameter, _rebuild_tensor_v2

from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.probe.weights.checkpoints import read_checkpoint
from ccx_cli.probe.weights.fitting import load_into
from ccx_cli.probe.weights.legacy_checkpoint import RefusedError, read_legacy
from ccx_cli.probe.weights.weight_sets import find_weights

if TYPE_CHECKING:
    from tests.old_checkpoints import (
        DAMAGE,
        legacy_file,
        save_as_once,
        small_densenet,
        with_old_names,
    )
else:
    from old_checkpoints import DAMAGE, legacy_file, save_as_once, small_densenet, with_old_names

TEN = np.arange(10, dtype="<f4")
DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


class Persistent:
    """Pickles as a persistent identifier."""

    def __init__(self, *identifier: object) -> None:
        self.identifier: object = identifier


class Calls:
    """Pickles as a call of ``function``, with a state if there is one."""

    def __init__(
        self, function: Callable[..., Any], *arguments: object, state: object = None
    ) -> None:
        self.call = function, arguments, state

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...], object]:
        return self.call


class Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.identifier if isinstance(value, Persistent) else None


def dumped(content: object) -> bytes:
    file = io.BytesIO()
    Pickler(file, 2).dump(content)
    return file.getvalue()


def storage(length: Any = 10, key: Any = "0", view: Any = None, kind: Any = None) -> Persistent:
    return Persistent("storage", kind or torch.FloatStorage, key, "cpu", length, view)


def tensor(*place: Any, of: object = None) -> Calls:
    """Pickles as a tensor at an offset, of a shape and strides, in a storage (by default ten)."""
    return Calls(_rebuild_tensor_v2, of or storage(), *place, False, OrderedDict())


def module(kind: type[nn.Module] = nn.Linear, **state: object) -> Calls:
    return Calls(kind, state=state)


def stored(values: np.ndarray[Any, Any] = TEN) -> bytes:
    return len(values).to_bytes(8, "little") + values.tobytes()


def read(
    tmp_path: Path, content: object, storages: bytes = stored(), keys: object = ("0",), **parts: Any
) -> Any:
    file = tmp_path / "w.pth"
    pickled = {"keys": dumped(list(keys) if isinstance(keys, tuple) else keys), **parts}
    file.write_bytes(legacy_file(dumped(content), storages=storages, **pickled))
    return read_legacy(file)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (7,), (0,), (3, 0), (2, 3, 4)])
def test_reads_every_kind_of_tensor(
    tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    values = torch.randint(0, 100, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    file = tmp_path / "w.pth"
    content = {"a": values, "last": [values, values.flip(0) if shape else values]}
    torch.save(content, file, _use_new_zipfile_serialization=False)
    back: Any = read_legacy(file)
    assert back["a"].dtype == dtype
    assert torch.equal(back["a"], values)
    assert torch.equal(back["last"][1], content["last"][1])  # type: ignore[index]
    assert back["a"].data_ptr() == back["last"][0].data_ptr()


def test_reads_slices_and_transposed_tensors(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    content = {
        "t": base.T,
        "row": base[2],
        "step": base[1::2, ::3],
        "parameter": nn.Parameter(base),
    }
    file = tmp_path / "w.pth"
    torch.save(content, file, _use_new_zipfile_serialization=False)
    assert len(file.read_bytes()) < 1500
    back: Any = read_legacy(file)
    for name, expected in content.items():
        assert torch.equal(back[name], expected), name


def test_reads_views_of_storages(tmp_path: Path) -> None:
    """As torch up to 0.3 wrote a storage that is a stretch of another one."""
    part = storage(view=("1", 4, 5))
    content = [tensor(1, (2, 2), (2, 1), of=part), tensor(0, (10,), (1,))]
    back = read(tmp_path, content)
    assert back[0].tolist() == [[5, 6], [7, 8]]
    assert back[1].tolist() == TEN.tolist()


def test_keeps_the_versions_of_the_layers(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    torch.save(nn.DataParallel(nn.BatchNorm2d(3)).state_dict(), file, pickle_protocol=2)
    zipped = vars(find_weights(file, nn.BatchNorm2d(3)).tensors)["_metadata"]
    torch.save(
        nn.DataParallel(nn.BatchNorm2d(3)).state_dict(), file, _use_new_zipfile_serialization=False
    )
    assert vars(find_weights(file, nn.BatchNorm2d(3)).tensors)["_metadata"] == zipped
    assert zipped[""] == {"version": 2}


@pytest.mark.parametrize(
    "metadata", [3, {"": 3, 4: {"version": 1}}, {"": {"version": "x"}}, {"": {}}]
)
def test_odd_versions_are_left_out(tmp_path: Path, metadata: object) -> None:
    state = Calls(OrderedDict, [("weight", tensor(0, (3,), (1,)))], state={"_metadata": metadata})
    read(tmp_path, state)
    assert vars(find_weights(tmp_path / "w.pth", nn.LayerNorm(3)).tensors)["_metadata"] == {}


@pytest.mark.parametrize(
    "content",
    [
        tensor(-1, (2,), (1,)),
        tensor(0, (-2,), (1,)),
        tensor(0, (2,), (-1,)),
        tensor(0, (11,), (1,)),
        tensor(9, (2,), (1,)),
        tensor(10, (), ()),
        tensor(0, (2, 2), (9, 1)),
        tensor(0, (2, 2), (1,)),
        tensor(0, (0, 2), (1,)),
        tensor(0, (2,), (5, 1)),
        tensor(0, (10**6, 10**6), (0, 0)),
        tensor(0, (2**62,) * 9, (0,) * 9),
        tensor(0, (1,) * 100, (1,) * 100),
        tensor(0, (2.0,), (1,)),
        tensor(0, (True,), (1,)),
        tensor(0, "2", (1,)),
        tensor(0, (2,), None),
        tensor(None, (2,), (1,)),
        tensor(0, (2,), (1,), of="storage"),
        tensor(0, (2,), (1,), of=torch.FloatStorage),
        tensor(1, (2, 2), (2, 1), of=storage(view=("1", 4, 4))),
        tensor(0, (2,), (1,), of=storage(view=("1", 4, 7))),
        tensor(0, (2,), (1,), of=storage(view=("1", -4, 7))),
        tensor(0, (2,), (1,), of=storage(view=("1", 4))),
        tensor(0, (2,), (1,), of=storage(view=5)),
        storage(9),
        storage(11),
        storage(-1),
        storage(2**70),
        storage(None),
        storage(True),
        storage(key=0),
        storage(key="1"),
        storage(kind=torch.LongStorage),
        storage(kind="FloatStorage"),
        storage(kind=nn.Linear),
        storage(kind=torch.IntStorage),
        Persistent("storage", torch.FloatStorage, "0"),
        Persistent("storage"),
        Persistent(),
        Persistent("module", "torch.nn.modules.linear.Linear", None, None),
        Persistent("module", nn.Linear),
        Calls(torch.FloatStorage, 10),
        Calls(nn.Linear, 3, 2),
        Calls(_rebuild_tensor_v2, storage()),
        Calls(_rebuild_parameter, [1.0], True, OrderedDict()),
        Calls(nn.Parameter),
        Calls(OrderedDict, [1]),
        Calls(OrderedDict, [(((1,), 2), 3)]),
        Calls(set, [((1,),)]),
        Calls(nn.Linear, state=[1]),
        Calls(torch.Size, 3),
    ],
)
def test_what_no_torch_wrote_is_damaged(tmp_path: Path, content: object) -> None:
    with pytest.raises(DAMAGE):
        read(tmp_path, [storage(), content])
    with pytest.raises(DamagedDataError, match=r"w\.pth cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("storages", "keys"),
    [
        (stored()[:-1], ("0",)),
        (stored()[:7], ("0",)),
        (b"", ("0",)),
        (stored(TEN[:9]), ("0",)),
        (stored(np.arange(11, dtype="<f4")), ("0",)),
        ((-1).to_bytes(8, "little", signed=True) + stored()[8:], ("0",)),
        (stored() * 2, ()),
        (stored() * 2, ("1",)),
        (stored() * 2, ("0", "0")),
        (stored() * 2, ("0", "1")),
        (stored() * 2, (0,)),
        (stored() * 2, (["0"],)),
        (stored() * 2, "0"),
        (stored() * 2, None),
    ],
)
def test_other_storages_than_the_content_has_are_damage(
    tmp_path: Path, storages: bytes, keys: object
) -> None:
    with pytest.raises(DAMAGE):
        read(tmp_path, storage(), storages, keys)


def test_one_storage_twice_leaves_none_unread(tmp_path: Path) -> None:
    both = [storage(), storage(key="1")]
    assert len(read(tmp_path, both, stored() * 2, ("1", "0"))) == 2
    with pytest.raises(DAMAGE):
        read(tmp_path, both, stored() * 2, ("0", "0"))


def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more values than the file has bytes"):
        read(tmp_path, [storage(10**14)])
    with pytest.raises(ValueError, match="more values than the file has bytes"):
        read(tmp_path, [storage(20, str(key)) for key in range(100)])


@pytest.mark.parametrize(
    "parts",
    [
        {"first": dumped(0x1950A86A20F9469CFC6D)},
        {"version": dumped(1000)},
        {"machine": dumped({"little_endian": False})},
        {"machine": dumped({})},
        {"machine": dumped(None)},
    ],
)
def test_files_of_another_format_are_damaged(tmp_path: Path, parts: dict[str, bytes]) -> None:
    read(tmp_path, storage())
    with pytest.raises(ValueError, match=r"not a checkpoint|big-endian"):
        read(tmp_path, storage(), **parts)


def test_other_persistent_identifiers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=re.escape("a persistent identifier 'file'")):
        read(tmp_path, Persistent("file", "/etc/passwd"))


def test_a_network_gives_its_weights_alone(tmp_path: Path) -> None:
    weight, kept, dropped = (tensor(place, (2,), (1,)) for place in (0, 2, 4))
    inner = module(_parameters={"weight": weight, "bias": None}, _modules={"none": None})
    outer = module(
        nn.Sequential,
        _buffers={"kept": kept, "dropped": dropped, "odd": 5},
        _modules=OrderedDict(fc=inner, weight=kept),
        _non_persistent_buffers_set={"dropped"},
        weight=weight,
        forward="__import__('os').abort()",
    )
    weights = read(tmp_path, {"epoch": 3, "model": outer})["model"]
    assert {name: t.tolist() for name, t in weights.items()} == {
        "kept": [2, 3],
        "fc.weight": [0, 1],
    }
    read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("state", [{"_parameters": 3}, {"_modules": [1]}, {"_buffers": None}])
def test_a_network_of_another_make_is_damaged(tmp_path: Path, state: dict[str, Any]) -> None:
    with pytest.raises(DAMAGE):
        read(tmp_path, module(**state), b"", ())


def test_networks_without_end_are_damaged(tmp_path: Path) -> None:
    linear = b"ctorch.nn.modules.linear\nLinear\n)\x81"
    file = tmp_path / "w.pth"
    # Each module holds the one before twice: 2^50 paths.
    doubled = linear + b"".join(
        b"q%c0" % n + linear + b"}U\x08_modules}(U\x01ah%cU\x01bh%cusb" % (n, n) for n in range(50)
    )
    inside_itself = linear + b"q\0}U\x08_modules}U\x01ah\0ssb"
    for pickled in (doubled, inside_itself):
        file.write_bytes(legacy_file(pickled + b"."))
        with pytest.raises(ValueError, match="a network without end"):
            read_legacy(file)


@pytest.mark.parametrize("damage", ["flip", "overwrite", "cut", "drop", "repeat"])
def test_a_damaged_file_loads_or_is_refused(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "w.pth"
    save_as_once(with_old_names(small_densenet()), file, sources=False)
    whole = file.read_bytes()
    blank = small_densenet()
    chance = random.Random(damage)
    refusals = []
    for _ in range(200):
        place = chance.randrange(len(whole))
        broken = bytearray(whole)
        match damage:
            case "flip":
                broken[place] ^= 1 << chance.randrange(8)
            case "overwrite":
                broken[place] = chance.randrange(256)
            case "cut":
                del broken[place:]
            case "drop":
                del broken[place : place + chance.randrange(1, 9)]
            case "repeat":
                broken[place:place] = broken[place : place + chance.randrange(1, 9)]
        file.write_bytes(broken)
        try:
            load_into(blank, find_weights(file, blank).tensors, file, "densenet161")
        except CcxError as error:
            refusals.append(str(error))
    assert all(refusal.startswith(f"{file} ") for refusal in refusals)
    assert 10 < len(refusals) <= 200
    # Whether one of the files that lost a few bytes can still be read is up to chance.
    if damage != "drop":
        assert (len(refusals) == 200) == (damage == "cut")
