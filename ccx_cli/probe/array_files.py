"""Arrays in ``.npy`` and HDF5 files, opened without being read: their values come in blocks."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.store.shards import open_hdf5

NPY = ".npy"
NPZ = ".npz"
HDF5 = (".h5", ".hdf5")
_NAMED = re.compile(r"(.*\.(?:h5|hdf5|np[yz])):(.*)", re.IGNORECASE | re.DOTALL)
_PREFERRED_AXES = (4, 2)


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """An array of real numbers in a file that is open, of two or four axes, none of them empty.

    ``name`` is the dataset in an HDF5 file, ``chunks`` the shape of its chunks, if it has any;
    ``values`` reads the part that it is indexed with.
    """

    path: Path
    name: str | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...] | None
    values: Any

    @property
    def where(self) -> str:
        """The file, and the dataset in it."""
        return _where(self.path, self.name)

    def read(self, part: tuple[slice, ...]) -> NDArray[np.generic]:
        """Read a part; DamagedDataError if it cannot be read."""
        with _naming_damage(f"{self.where} is damaged"):
            return np.asarray(self.values[part])


def split_name(text: str) -> tuple[Path, str | None]:
    """Part ``FILE.h5:DATASET``; the dataset is ``None`` where only a file is named."""
    path, name = Path(text), None
    named = _NAMED.fullmatch(text)
    if named and not path.exists():
        path, name = Path(named[1]), named[2].strip("/")
    suffix = path.suffix.lower()
    if suffix not in {NPY, NPZ, *HDF5}:
        raise UsageError(
            f"`activations` {text} must be a .npy, .npz, .h5 or .hdf5 file, or FILE.h5:DATASET."
        )
    if name is not None and suffix in (NPY, NPZ):
        raise UsageError(
            f"`activations` {text}: a {suffix} file holds one array, so leave :{name} out."
        )
    if not path.exists():
        raise MissingInputError(f"`activations` {text}: there is no file {path}, check the path.")
    return path, name


@contextmanager
def open_array(path: Path, name: str | None) -> Iterator[ArrayFile]:
    """Open the array of a ``.npy`` file or a dataset of an HDF5 file.

    Without a ``name``, the only dataset of four axes, or of two where none has four.
    DamagedDataError if there is no array of activations, UsageError if there are several.
    """
    if path.suffix.lower() == NPY:
        yield _checked(path, None, _locate_npy(path), None)
        return
    with _naming_damage(f"{path} is damaged or no HDF5 file"):
        file = open_hdf5(path)
    with file:
        with _naming_damage(f"{path} is damaged or no HDF5 file"):
            name = _only_dataset(path, file) if name is None else name
            found = _dataset(path, file, name)
            array = _checked(path, name, found, found.chunks)
            _check_written(array.where, found)
        yield array


@contextmanager
def _naming_damage(fault: str) -> Iterator[None]:
    """Say ``fault`` for what reading a damaged file ends in, in h5py nearly anything."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        raise DamagedDataError(f"{fault} ({error}): copy or write it again.") from error


def _check_written(where: str, found: h5py.Dataset) -> None:
    """Refuse a dataset of which a part was never written: HDF5 would read zeros there."""
    total, written = 1, min(found.id.get_storage_size(), 1)
    if found.chunks is not None:
        axes = zip(found.shape, found.chunks, strict=True)
        total, written = math.prod(-(-n // chunk) for n, chunk in axes), found.id.get_num_chunks()
    if written < total:
        raise DamagedDataError(
            f"{where} lacks {total - written:,} of its {total:,} chunks, which were never written: "
            "write it again."
        )


@dataclass(frozen=True, slots=True)
class _Npy:
    """The values of a ``.npy`` file, mapped into memory only while a part of them is copied."""

    path: Path
    dtype: np.dtype[Any]
    start: int
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[np.generic]:
        mapped = np.memmap(self.path, self.dtype, "r", self.start, self.shape, self.order)
        return np.array(mapped[part])


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type of an array up to its values; raises nearly anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)


def _locate_npy(path: Path) -> _Npy:
    """Locate the values of a ``.npy`` file; refuse values that would have to be unpickled."""
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = read_npy_header(file)
            start = file.tell()
            size = file.seek(0, 2)
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    except Exception as error:  # NumPy parses the header as Python's literals, which fail many ways
        raise DamagedDataError(f"{path} is no .npy file: write it with numpy.save.") from error
    if dtype.hasobject:
        raise DamagedDataError(
            f"{path} holds pickled Python objects, which ccx does not load: write an array of "
            "numbers with numpy.save."
        )
    wanted = math.prod(shape) * dtype.itemsize
    if size - start < wanted:
        raise DamagedDataError(
            f"{path} is cut off ({size - start:,} of {wanted:,} bytes of values): copy or write it "
            "again."
        )
    if size - start > wanted:
        raise DamagedDataError(
            f"{path} is damaged ({size - start:,} bytes of values where its header says "
            f"{wanted:,}): copy or write it again."
        )
    return _Npy(path, dtype, start, shape, "F" if fortran else "C")


def _only_dataset(path: Path, file: h5py.File) -> str:
    """Find the one dataset that may be activations."""
    found: list[tuple[str, int]] = []

    def look(name: str, each: object) -> None:
        if isinstance(each, h5py.Dataset) and each.shape is not None and is_real(each.dtype):
            found.append((name, len(each.shape)))

    file.visititems(look)
    for n_axes in _PREFERRED_AXES:
        names = [name for name, axes in found if axes == n_axes]
        if len(names) > 1:
            raise UsageError(
                f"{path} holds several datasets of {n_axes} axes ({', '.join(names)}): name one, "
                f"such as {path}:{names[0]}."
            )
        if names:
            return names[0]
    raise DamagedDataError(
        f"{path} holds no dataset of real numbers in four axes or two: write the activations as "
        "one dataset."
    )


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        names: list[str] = []
        file.visititems(
            lambda each, what: names.append(each) if isinstance(what, h5py.Dataset) else None
        )
        mend = suggestion(name, names) or f": it holds {', '.join(names) or 'none'}."
        raise UsageError(f"`activations` {path}:{name}: there is no such dataset{mend}")
    if found.is_virtual or found.external or found.file.filename != file.filename:
        raise DamagedDataError(
            f"{_where(path, name)} keeps its values in other files: copy them into one dataset."
        )
    return found


def _checked(
    path: Path, name: str | None, values: Any, chunks: tuple[int, ...] | None
) -> ArrayFile:
    """Return the array, if it holds real numbers in two or four axes."""
    dtype, shape = values.dtype, values.shape
    if not is_real(dtype):
        text = h5py.check_string_dtype(dtype) is not None or dtype.kind in "SU"
        raise DamagedDataError(
            f"{_where(path, name)} holds {'text' if text else dtype} values: activations are "
            "float16, float32, float64 or integers."
        )
    if shape is None or len(shape) not in _PREFERRED_AXES or 0 in shape:
        raise DamagedDataError(
            f"{_where(path, name)} has the shape {shape_text(shape or ())}: activations are units "
            "x images x height x width, or units x images, or have the images first."
        )
    return ArrayFile(path, name, shape, chunks, values)


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape such as ``48 x 6 x 28 x 28``."""
    return " x ".join(map(str, shape)) or "()"


def is_real(dtype: np.dtype[Any]) -> bool:
    """Tell whether a type is of real numbers that activations may be."""
    return dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _where(path: Path, name: str | None) -> str:
    return str(path) if name is None else f"{path}:{name}"
