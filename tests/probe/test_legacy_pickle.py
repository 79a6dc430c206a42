"""What a pickle asks for is refused by its name and never run."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import re
import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.weights.checkpoints import read_checkpoint
from ccx_cli.probe.weights.legacy_checkpoint import RefusedError, read_legacy

if TYPE_CHECKING:
    from tests.old_checkpoints import DAMAGE, legacy_file
else:
    from old_checkpoints import DAMAGE, legacy_file

EXTENSION = 0xE7


def read(pickled: bytes) -> Any:
    """Return the content of a legacy file that holds this pickle as its content."""
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        Path(file.name).write_bytes(legacy_file(pickled))
        return read_legacy(Path(file.name))


SYSTEM = b"cposix\nsystem\n"


def text(words: str) -> bytes:
    return pickle.BINUNICODE + len(words).to_bytes(4, "little") + words.encode()


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def dumped(content: object, protocol: int = 2) -> bytes:
    return pickle.dumps(content, protocol)


def archive(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def as_state(command: str) -> bytes:
    """Give a dictionary ``os.system`` as its ``__setstate__``, and then the command as a state."""
    state = text("__setstate__") + SYSTEM
    return b"ccollections\nOrderedDict\n)R}" + state + b"sb" + text(command) + b"b."


# By way and the name of what is refused: each runs the command where an unpickler is careless.
WAYS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "REDUCE": ("posix.system", lambda c: SYSTEM + text(c) + b"\x85R."),
    "STACK_GLOBAL": ("posix.system", lambda c: dumped(Calls(os.system, c), 4)),
    "INST": ("posix.system", lambda c: b"(" + text(c) + b"iposix\nsystem\n."),
    "OBJ": (
        "subprocess.Popen",
        lambda c: b"(csubprocess\nPopen\n](" + text("sh") + text("-c") + text(c) + b"eo.",
    ),
    "NEWOBJ": (
        "builtins.list",
        lambda c: b"cbuiltins\nlist\ncbuiltins\nmap\n" + SYSTEM + text(c) + b"\x85\x86\x81\x85R.",
    ),
    "BUILD": ("posix.system", as_state),
    "EXT1": ("the pickle opcode EXT1", lambda c: b"\x82\xe7" + text(c) + b"\x85R."),
    "EXT2": ("the pickle opcode EXT2", lambda c: b"\x83\xe7\0" + text(c) + b"\x85R."),
    "EXT4": ("the pickle opcode EXT4", lambda c: b"\x84\xe7\0\0\0" + text(c) + b"\x85R."),
    "eval": ("builtins.eval", lambda c: dumped(Calls(eval, f"__import__('os').system({c!r})"))),
    "Python 2": (
        "builtins.eval",
        lambda c: b"c__builtin__\neval\n" + text(f"__import__('os').system({c!r})") + b"\x85R.",
    ),
    "nested": ("posix.system", lambda c: dumped([{"a": ({"b": [Calls(os.system, c)]},)}])),
    "argument": (
        "posix.system",
        lambda c: dumped(Calls(OrderedDict, [("a", Calls(os.system, c))])),
    ),
    "torch.load": (
        "torch.storage._load_from_bytes",
        lambda c: dumped(Calls(torch.storage._load_from_bytes, archive(Calls(os.system, c)))),
    ),
}


@pytest.fixture
def _extension() -> Iterator[None]:
    """Have ``subprocess.getoutput`` under an extension code, in the cache as well."""
    copyreg.add_extension("subprocess", "getoutput", EXTENSION)
    pickle.loads(b"\x82" + bytes([EXTENSION]) + b".")
    yield
    copyreg.remove_extension("subprocess", "getoutput", EXTENSION)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.mark.usefixtures("_extension")
@pytest.mark.parametrize("way", WAYS)
def test_an_ordinary_unpickler_runs_these(trace: Path, way: str) -> None:
    made = pickle.loads(WAYS[way][1](f"touch {trace}"))
    if isinstance(made, subprocess.Popen):
        made.wait()
    assert trace.exists()


@pytest.mark.usefixtures("_extension")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["first", "version", "machine", "content", "value", "keys"])
def test_runs_nothing_and_names_it(tmp_path: Path, trace: Path, way: str, place: str) -> None:
    name, payload = WAYS[way][0], WAYS[way][1](f"touch {trace}")
    if place == "value":
        place, payload = "content", b"}" + text("state_dict") + payload[:-1] + b"s."
    file = tmp_path / "w.pth"
    file.write_bytes(legacy_file(**{"content": b"}.", place: payload}))
    with pytest.raises(DamagedDataError) as caught:
        read_checkpoint(file)
    assert not trace.exists()
    if place != "content" and b"OrderedDict" in payload:
        name = "collections.OrderedDict"  # which belongs into the content alone
    assert str(caught.value) == (
        f"{file} holds more than weights, it asks for {name}, which could run code and is not "
        "read: save the network's `state_dict()` with torch.save and give that file."
    )


@pytest.mark.parametrize(
    "name",
    [
        "torch.nn.modules.linear.Linear.forward",
        "torch.nn.modules.linear.Bilinear",
        "collections.OrderedDict.__class__",
        "collections.OrderedDict.fromkeys",
        "torch._utils._rebuild_tensor.__globals__",
        "torch.hub.load",
        "torch.UntypedStorage.from_file",
        "builtins.getattr",
        "__main__.Network",
    ],
)
def test_names_nothing_but_what_is_listed(tmp_path: Path, name: str) -> None:
    module, _, attribute = name.partition(".")
    file = tmp_path / "w.pth"
    for split in range(name.count(".")):
        words = name.split(".")
        module, attribute = ".".join(words[: split + 1]), ".".join(words[split + 1 :])
        file.write_bytes(legacy_file(b"\x80\x04" + text(module) + text(attribute) + b"\x93."))
        with pytest.raises(RefusedError, match=f"^{re.escape(name)}$"):
            read_legacy(file)


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(legacy_file(text("os\n\x1b[2J") + text("x" * 5000) + b"\x93."))
    with pytest.raises(DamagedDataError, match=r"asks for os\?\?\[2J\.x{92}, which") as caught:
        read_checkpoint(file)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("pickled", "opcode"),
    [
        (b"P12\n.", "PERSID"),
        (b"cos\nsystem\n)}\x92.", "NEWOBJ_EX"),
        (b")}}\x92.", "NEWOBJ_EX"),
        (b"(\x91.", "FROZENSET"),
        (b"\x96" + bytes(8) + b".", "BYTEARRAY8"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"NQ.", "a persistent identifier"),
    ],
)
def test_refuses_other_opcodes(tmp_path: Path, pickled: bytes, opcode: str) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(legacy_file(keys=pickled))
    with pytest.raises(RefusedError, match=opcode):
        read_legacy(file)


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"}",
        b"K\x01",
        b".",
        b"(.",
        b"0.",
        b"2.",
        b"(0.",
        b"1.",
        b"t.",
        b"h\x05.",
        b"q\x05.",
        b"N(N\x86.",
        b"NNa.",
        b"NNNs.",
        b"}(Nu.",
        b"](NNs.",
        b"}]Ns.",
        b"\x8f(]\x90.",
        b"NN\x93.",
        b"N)R.",
        b"}}b.",
        b"X\xff\xff\xff\xff.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"X\x01\0\0\0\xff.",
        b"I12x\n.",
        b"Fone\n.",
        b"<html>",
    ],
)
def test_a_pickle_that_is_none_is_damaged(pickled: bytes) -> None:
    with pytest.raises(DAMAGE):
        read(pickled)


KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))
VALUES: st.SearchStrategy[Any] = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner)
    ),
)


@given(VALUES, st.integers(0, 5))
def test_reads_plain_values_as_the_ordinary_unpickler_does(value: object, protocol: int) -> None:
    assert repr(read(pickle.dumps(value, protocol))) == repr(value)


@given(st.lists(st.one_of(st.binary(), st.sets(KEYS))), st.integers(4, 5))
def test_reads_bytes_and_sets(value: object, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


def test_reads_shared_and_recursive_values() -> None:
    value: list[Any] = [1, "a" * 300]
    value += [value, [value], value[1]]
    for protocol in range(6):
        back = read(pickle.dumps(value, protocol))
        assert back[2] is back
        assert back[3][0] is back
        assert back[1] == back[4] == "a" * 300


NESTED = b")" + b"2\x86" * 60
"""Each of these tuples holds the one before twice: the hash of the last would take 2^60 steps."""


@pytest.mark.parametrize(
    "pickled",
    [
        b"}" + NESTED + b"Ns.",
        b"}(" + NESTED + b"Nu.",
        b"(" + NESTED + b"Nd.",
        b"\x8f(" + NESTED + b"\x90.",
        b"c__builtin__\nset\n((" + NESTED + b"ltR.",
        b"ccollections\nOrderedDict\n(((" + NESTED + b"NtltR.",
    ],
)
def test_nested_tuples_are_not_hashed(pickled: bytes) -> None:
    with pytest.raises(TypeError, match="a key that is a tuple"):
        read(pickled)


@pytest.mark.parametrize(
    ("pickled", "kind"),
    [
        (b"c__builtin__\nset\n)R}b.", "set"),
        (b"ctorch.nn.parameter\nParameter\n}X\x01\x00\x00\x00aNsb.", "function"),
        (b"}}b.", "dict"),
    ],
)
def test_only_what_keeps_a_state_is_given_one(pickled: bytes, kind: str) -> None:
    with pytest.raises(TypeError, match=f"a state for a {kind}"):
        read(pickled)
