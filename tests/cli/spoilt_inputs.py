"""Spoils what a command reads, for the table of wrong inputs."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

RAN = "ran"


@dataclass(frozen=True)
class Place:
    """The data directory, and the working directory."""

    data: Path
    here: Path

    @property
    def dataset(self) -> Path:
        return self.data / "datasets" / "broden1_224"

    def stored(self, name: str) -> Path:
        """A file of the only run."""
        (found,) = self.data.glob(f"results/*/{name}")
        return found


Spoil = Callable[[Place], object]


def nothing(_place: Place) -> None:
    """Leave all as it is."""


@dataclass(frozen=True)
class Wrong:
    """A command line that has to be refused.

    ``{data}`` stands for the data directory, ``{here}`` for the working one, ``{run}`` for the
    stored run's name, ``{library}`` for the words of another package, and ``TINY`` for the options
    of an untrained network on the tiny set.
    """

    words: str
    code: int
    sentence: str
    spoil: Spoil = nothing
    stdin: bytes | None = None


def edit(name: str, old: str, new: str) -> Spoil:
    """Replace text in a file of the data set."""

    def spoil(place: Place) -> None:
        path = place.dataset / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return spoil


def gone(name: str) -> Spoil:
    """Remove a file of the data set."""
    return lambda place: (place.dataset / name).unlink()


def noise(name: str, content: bytes = b"noise") -> Spoil:
    """Put other bytes in place of a file of the data set."""
    return lambda place: (place.dataset / name).write_bytes(content)


def cut(name: str) -> Spoil:
    """Keep the first half of a file of the data set."""

    def spoil(place: Place) -> None:
        content = (place.dataset / name).read_bytes()
        (place.dataset / name).write_bytes(content[: len(content) // 2])

    return spoil


def picture(name: str, height: int, width: int, *channels: int) -> Spoil:
    """Put a picture of one colour in place of a file of the data set; grey without channels."""
    shape = (height, width, 3) if channels else (height, width)
    pixels = np.full(shape, channels or 0, dtype=np.uint8)
    return lambda place: Image.fromarray(pixels).save(place.dataset / name)


def file(name: str, content: bytes) -> Spoil:
    """Write a file in the working directory."""
    return lambda place: (place.here / name).write_bytes(content)


def array(name: str, values: ArrayLike) -> Spoil:
    """Write a ``.npy`` file in the working directory."""
    return lambda place: np.save(place.here / name, np.asarray(values))


class Malicious:
    """An object whose unpickling makes the file ``RAN``."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (f"open({RAN!r}, 'w')",)


def malicious(name: str, *, zipped: bool) -> Spoil:
    """Write a checkpoint that runs code, as torch writes them now or wrote them once."""

    def spoil(place: Place) -> None:
        content = {"fc.weight": Malicious()}
        made = io.BytesIO()
        if zipped:
            with zipfile.ZipFile(made, "w") as archive:
                archive.writestr("w/data.pkl", pickle.dumps(content, protocol=2))
                archive.writestr("w/version", "3\n")
        else:
            # The magic number, the version, the machine, the content, the storages' keys.
            parts: list[Any] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content, []]
            made.write(b"".join(pickle.dumps(part, protocol=2) for part in parts))
        (place.here / name).write_bytes(made.getvalue())

    return spoil


def stored(name: str, content: bytes) -> Spoil:
    """Put other bytes in place of a file of the stored run."""
    return lambda place: place.stored(name).write_bytes(content)


def line(content: bytes) -> Spoil:
    """Put another line in place of the second of the stored explanations."""

    def spoil(place: Place) -> None:
        path = place.stored("explanations.jsonl")
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], content + b"\n", *lines[2:]]))

    return spoil
