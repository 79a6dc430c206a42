"""What lists need of a large file of records, beside it: to decode all of its lines takes longer.

It says of how many bytes of the file it is, and their SHA-256: a file that was changed, other than
by adding lines, does not have it.
"""

from __future__ import annotations

import gc
import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from zlib import crc32

import msgspec

from ccx_cli.records.columns import Columns
from ccx_cli.store.atomic import replacing
from ccx_cli.version import __version__

if TYPE_CHECKING:
    from hashlib import _Hash

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound=msgspec.Struct)
LEAST_BYTES = 1 << 24
_FORMAT, _CHUNK = 2, 1 << 20
# Lines are added to a file by sessions of explain: it is written again after so large a share.
_SHARE = 1 / 16
# How a list of at most 2^32 values begins in MessagePack, before their number, and with it.
_LIST, _LIST_BYTES = b"\xdd", 5


@contextmanager
def keeping_all() -> Iterator[None]:
    """Collect no garbage while much is made that stays: it would be looked at over and over."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


class _Head(msgspec.Struct):
    """The first line of a brief; the columns and the records follow."""

    made_by: list[Any]
    size: int
    digest: str
    is_plain: bool
    columns_bytes: int
    sums: list[int]


@dataclass
class Brief(Generic[R]):
    """The records of the first ``size`` bytes of a file, each as ``kind`` has it.

    ``is_plain`` tells whether no text in it can have a control character.
    """

    kind: type[R]
    size: int = 0
    is_plain: bool = True
    columns: Columns = field(default_factory=Columns)
    digest: _Hash = field(default_factory=hashlib.sha256)
    written: bytes | memoryview = b""
    written_size: int = 0
    added: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def is_worth_writing(self) -> bool:
        """Whether much of the file is not in what is written beside it."""
        return self.size >= LEAST_BYTES and self.size - self.written_size > _SHARE * self.size

    def add(self, line: bytes, record: Any, brief: R, is_plain: bool) -> None:
        """Add the next line of the file."""
        self.digest.update(line)
        self.size += len(line)
        self.is_plain = self.is_plain and is_plain
        self.columns.add_simplest(record, self.size)
        self.added += msgspec.msgpack.encode(brief)

    def records(self, kind: type[K]) -> list[K]:
        """Decode all records, of which only the keys of ``kind`` are read."""
        with keeping_all():
            found: list[K] = msgspec.msgpack.decode(self._packed(), type=list[kind])  # type: ignore[valid-type]
        return found

    def _packed(self) -> bytes | memoryview:
        """Return all records as a list of MessagePack."""
        if not self.added and self.written:
            return self.written
        return _LIST + len(self).to_bytes(4, "big") + self.written[_LIST_BYTES:] + self.added

    def write(self, path: Path) -> None:
        """Write it beside the file, whole or not at all; where that cannot be, it is left out."""
        columns = self.columns.packed()
        records = self._packed()
        head = _Head(
            _made_by(self.kind),
            self.size,
            self.digest.hexdigest(),
            self.is_plain,
            len(columns),
            [crc32(columns), crc32(records)],
        )
        with suppress(OSError), replacing(path) as beside:
            beside.write_bytes(b"".join([msgspec.json.encode(head), b"\n", columns, records]))


def _made_by(kind: type[msgspec.Struct]) -> list[Any]:
    return [_FORMAT, __version__, list(kind.__struct_fields__)]


def read_brief(path: Path, lines: Path, kind: type[R]) -> Brief[R]:
    """Read what is beside a file of lines; an empty one where none is valid."""
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            line = file.readline()
        head = msgspec.json.decode(line, type=_Head)
        columns = content[len(line) : len(line) + head.columns_bytes]
        records = content[len(line) + head.columns_bytes :]
        digest = _digest_of(lines, head.size)
        if (
            head.made_by == _made_by(kind)
            and head.sums == [crc32(columns), crc32(records)]
            and head.digest == digest.hexdigest()
        ):
            found = Columns.unpacked(columns)
            return Brief(kind, head.size, head.is_plain, found, digest, records, head.size)
    except (OSError, ValueError, KeyError):
        pass
    return Brief(kind)


def _digest_of(path: Path, size: int) -> _Hash:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest
