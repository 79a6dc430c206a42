"""Reads files of weights, without running code from them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.weights.legacy_checkpoint import (
    BESIDE_WEIGHTS,
    Ignored,
    RefusedError,
    check_keys,
    read_legacy,
)

# How a zip archive begins, and where its first member's name does and has its length.
_ZIP = b"PK\x03\x04"
_NAME = 30
_NAME_LENGTH = slice(26, 28)


def read_checkpoint(path: Path, option: str = "weights") -> object:
    """Read what a checkpoint holds, which ``option`` named, running nothing that is in it.

    MissingInputError if there is no such file, DamagedDataError if it is not a checkpoint, is
    truncated, or holds objects other than weights.
    """
    start = b""
    zipped = False
    try:
        with path.open("rb") as file:
            start = file.read(1024)
        zipped = start.startswith(_ZIP)
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
        if kind := _other_kind(start):
            raise DamagedDataError(
                f"{path} is {kind}, not a checkpoint of PyTorch: save the network's `state_dict()` "
                f"with torch.save and give that file with `{option}`."
            ) from error
        if stand_in := _stand_in(start):
            raise DamagedDataError(
                f"{path} is {stand_in} in the place of a checkpoint: download the file itself."
            ) from error
        raise DamagedDataError(
            f"{path} cannot be read as a checkpoint, it is cut short or of another kind: download "
            f"it again, or give another file with `{option}`."
        ) from error


def _other_kind(start: bytes) -> str | None:
    """Return what a file of arrays that is no checkpoint is, by its first 1,024 bytes."""
    first_name = start[_NAME : _NAME + int.from_bytes(start[_NAME_LENGTH], "little")]
    if start.startswith(_ZIP) and first_name.endswith(b".npy"):
        return "a NumPy archive (.npz)"
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array (.npy)"
    return "an HDF5 file" if start.startswith(b"\x89HDF") else None


def _stand_in(start: bytes) -> str | None:
    """Return what a download left in the place of a file, by its first bytes."""
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS"
    is_page = start.lstrip().lower().startswith((b"<!doctype html", b"<html"))
    return "a web page" if is_page else None


def _more_than_weights(path: Path, name: str) -> DamagedDataError:
    return DamagedDataError(
        f"{path} holds more than weights, it asks for {shown(name)}, which could run code and is "
        "not read: save the network's `state_dict()` with torch.save and give that file."
    )


def shown(name: str) -> str:
    """Return a name from a file, fit for a line on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name[:100])


def first_of(names: Iterable[str]) -> str:
    """Return the first three of such names, listed."""
    names = list(names)
    return ", ".join(map(shown, names[:3])) + (", ..." if len(names) > 3 else "")
