"""Sparse matrices in ``.npz`` files, as ``scipy.sparse.save_npz`` writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.probe.array_files import is_real, read_npy_header, shape_text
from ccx_cli.probe.sparse_maps import SparseBatch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_FORMATS = ("csr", "csc", "coo")
# An archive may unpack to this much in any case, beyond it to so many times its own size.
_MOST_UNPACKED = 1 << 32
_MOST_TIMES = 100


@dataclass(frozen=True, slots=True)
class SparseFile:
    """A matrix of rows x units in a file, of which only the headers were read."""

    path: Path
    form: str
    shape: tuple[int, int]
    n_values: int

    @property
    def where(self) -> str:
        """The file and its matrix in words: ``a.npz is 1280 x 64``."""
        return f"{self.path} is {shape_text(self.shape)}"


@dataclass(frozen=True, slots=True)
class SparseImages:
    """The values of a file, its rows the cells of one image after another."""

    rows: csr_array
    grid: tuple[int, int]

    def read(self, start: int, stop: int) -> SparseBatch:
        """Return what is not zero of the images from ``start`` to before ``stop``."""
        cells = prod(self.grid)
        part = self.rows[start * cells : stop * cells]
        positions = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        shape = self.rows.shape[1], stop - start, *self.grid
        return SparseBatch(shape, positions, part.indices, part.data)


def open_sparse(path: Path) -> SparseFile:
    """Look at the headers of a sparse matrix; DamagedDataError if there is none."""
    with _opened(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        if not {"format", "shape", "data"} <= names:
            raise DamagedDataError(
                f"{path} holds {', '.join(sorted(names)) or 'nothing'}, no sparse matrix: write "
                "one with scipy.sparse.save_npz, or a dense array with numpy.save."
            )
        form = str(np.asarray(_read(archive, "format")).astype(str))
        shape = np.asarray(_read(archive, "shape")).tolist()
        with archive.open("data.npy") as member:
            (n_values, *more), _, dtype = read_npy_header(member)
    if form not in _FORMATS or more or not isinstance(shape, list) or len(shape) != 2:
        raise DamagedDataError(
            f"{path} holds a sparse matrix of the form {form}: save it as one of "
            f"{', '.join(_FORMATS)} with two axes, such as matrix.tocsr()."
        )
    if not is_real(dtype):
        raise DamagedDataError(
            f"{path} holds {dtype} values: activations are float16, float32, float64 or integers."
        )
    if not all(isinstance(each, int) and each > 0 for each in shape):
        raise DamagedDataError(f"{path} has the shape {shape_text(tuple(shape))}: it is empty.")
    return SparseFile(path, form, (shape[0], shape[1]), n_values)


def read_sparse(
    file: SparseFile, grid: tuple[int, int], name_image: Callable[[int], str]
) -> SparseImages:
    """Read the values of a matrix, as float32; its zeros are never made.

    DamagedDataError if it is not whole, its indices are not inside its shape, a cell has two values
    of a unit, or a value is not finite; ``name_image`` says of which image.
    """
    from scipy.sparse import coo_array, csc_array, csr_array  # slow to import

    with _opened(file.path) as archive:
        _refuse_swollen(file.path, archive)
        values = _read(archive, "data")
        if file.form == "coo":
            if "coords.npy" in archive.namelist():
                row, column = _read(archive, "coords")
            else:
                row, column = _read(archive, "row"), _read(archive, "col")
            _check_inside(file, row, file.shape[0])
            _check_inside(file, column, file.shape[1])
        else:
            indices, ends = _read(archive, "indices"), _read(archive, "indptr")
            across = file.form == "csr"
            _check_inside(file, indices, file.shape[1 if across else 0])
            _check_ends(file, ends, file.shape[0 if across else 1], len(values))

    with np.errstate(over="ignore"):
        found = values.astype(np.float32, copy=False)
    finite = np.isfinite(found)
    if not finite.all():
        place = int(np.argmin(finite))
        if file.form == "coo":
            at = int(row[place]), int(column[place])
        else:
            line = int(np.searchsorted(ends, place, "right")) - 1
            at = (line, int(indices[place])) if across else (int(indices[place]), line)
        raise DamagedDataError(
            f"{file.path} holds {values[place]} for unit {at[1]} and "
            f"{name_image(at[0] // prod(grid))}: activations are finite float32 numbers."
        )
    del values, finite
    if file.form == "coo":
        rows = coo_array((found, (row, column)), shape=file.shape).tocsr()
    elif across:
        # Sorted in place, which what was read from the archive cannot be.
        rows = csr_array((found, indices, ends), shape=file.shape, copy=True)
    else:
        rows = csc_array((found, indices, ends), shape=file.shape).tocsr()
    rows.sum_duplicates()
    if rows.nnz < file.n_values:
        raise DamagedDataError(
            f"{file.path} holds {file.n_values - rows.nnz:,} values of a row and unit that has one "
            "already: call sum_duplicates() before you save it."
        )
    return SparseImages(rows, grid)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except CcxError:
        raise
    except Exception as error:  # What reading a torn archive ends in is nearly anything.
        raise DamagedDataError(
            f"{path} is damaged or no .npz file ({error}): copy or write it again."
        ) from error


def _refuse_swollen(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose content is far larger than a file of its size can be."""
    unpacked, size = sum(info.file_size for info in archive.infolist()), path.stat().st_size
    if unpacked > max(_MOST_UNPACKED, _MOST_TIMES * size):
        raise DamagedDataError(
            f"{path} unpacks to {unpacked:,} bytes, more than {_MOST_TIMES} times its size: write "
            "it again with scipy.sparse.save_npz(..., compressed=False)."
        )


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read an array of an archive whole, and so check it against its checksum."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        shape, fortran, dtype = read_npy_header(member)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled Python objects, which ccx does not load")
        rest = info.file_size - member.tell()
        if rest != prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has {rest:,} bytes of values for the shape {shape}")
        content = member.read()
    values = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)


def _check_inside(file: SparseFile, indices: NDArray[Any], size: int) -> None:
    whole = indices.dtype.kind in "iu" and indices.shape == (file.n_values,)
    if not whole or (indices.size and not 0 <= indices.min() <= indices.max() < size):
        raise DamagedDataError(
            f"{file.path} is damaged: it has values outside its shape, {shape_text(file.shape)}. "
            "Write it again."
        )


def _check_ends(file: SparseFile, ends: NDArray[Any], lines: int, n_values: int) -> None:
    whole = ends.dtype.kind in "iu" and ends.shape == (lines + 1,)
    if not whole or ends[0] != 0 or ends[-1] != n_values or (np.diff(ends.astype(int)) < 0).any():
        raise DamagedDataError(
            f"{file.path} is damaged: its indptr does not divide its {n_values:,} values among "
            f"{lines:,} lines. Write it again."
        )
