from __future__ import annotations

import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from msgspec import convert

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe import activation_shards, precomputed, sparse_files
from ccx_cli.probe.activations import Activations, activations_cache, open_activations
from ccx_cli.probe.given_activations import Axes, PrecomputedActivations
from ccx_cli.probe.precomputed import choose_precomputed, import_activations
from ccx_cli.probe.sparse_maps import SparseMaps
from ccx_cli.progress import SilentProgress
from ccx_cli.records.header import About

N_IMAGES, N_UNITS, SIDE = 12, 5, 4
FORMS = [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.csc_matrix, sp.coo_matrix]


def rare() -> np.ndarray:
    """``(n_units, n_images, height, width)``, a tenth of it not zero."""
    rng = np.random.default_rng(0)
    shape = N_UNITS, N_IMAGES, SIDE, SIDE
    return np.where(rng.random(shape) < 0.1, rng.normal(size=shape), 0).astype(np.float32)


MAPS = rare()
MATRIX = MAPS.reshape(N_UNITS, -1).T
"""``(n_images * cells, n_units)``."""


@pytest.fixture(scope="session")
def twelve(golden: BrodenDataset) -> BrodenDataset:
    """The first twelve golden images."""
    return replace(golden, rows=golden.rows[:N_IMAGES])


def save(path: Path, matrix: Any, **options: Any) -> Path:
    sp.save_npz(path, matrix, **options)
    return path


def choose(
    path: Path,
    dataset: BrodenDataset,
    grid: tuple[int, int] | None = None,
    axes: Axes | None = None,
) -> PrecomputedActivations:
    memory = path.parent / "kept"
    return choose_precomputed(path, None, axes, grid, None, dataset, memory, SilentProgress())


def imported(
    path: Path, dataset: BrodenDataset, grid: tuple[int, int] | None = None
) -> Activations:
    given = choose(path, dataset, grid)
    cache = activations_cache(dataset, given, path.parent / "kept", "ccx cache build")
    import_activations(dataset, given, cache, SilentProgress())
    return open_activations(dataset, cache)


def all_maps(activations: Activations) -> np.ndarray:
    found = [activations.unit(unit) for unit in range(activations.units)]
    assert all(isinstance(maps, SparseMaps) for maps in found)
    return np.stack([maps.dense() for maps in found if isinstance(maps, SparseMaps)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["float32", ">f8", "int16", "bool"])
def test_every_form_is_read_as_it_is(
    twelve: BrodenDataset, tmp_path: Path, form: Any, compressed: bool, dtype: str
) -> None:
    values = (10 * MATRIX).astype(np.dtype(dtype).newbyteorder("="))
    path = save(tmp_path / "a.npz", form(values), compressed=compressed)
    if dtype == ">f8":
        with np.load(path) as members:
            parts = dict(members) | {"data": members["data"].astype(">f8")}
        np.savez(path, **parts)
    activations = imported(path, twelve)
    assert (activations.units, activations.map_shape) == (N_UNITS, (SIDE, SIDE))
    expected = values.astype(np.float32).T.reshape(MAPS.shape)
    np.testing.assert_array_equal(all_maps(activations), expected)


@pytest.mark.parametrize("at_once", [1, 30, 1 << 20])
def test_blocks_of_any_size_make_the_same(
    twelve: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(precomputed, "_VALUES_AT_ONCE", at_once)
    monkeypatch.setattr(activation_shards, "_MOST_VALUES", 20)
    activations = imported(save(tmp_path / "a.npz", sp.csc_array(MATRIX)), twelve)
    assert len(activations.names) == 1 if at_once > 30 else len(activations.names) > 1
    np.testing.assert_array_equal(all_maps(activations), MAPS)


def test_rows_that_are_images_are_maps_of_one_cell(twelve: BrodenDataset, tmp_path: Path) -> None:
    vectors = MAPS[:, :, 1, 1]
    activations = imported(save(tmp_path / "a.npz", sp.csr_array(vectors.T)), twelve)
    assert activations.map_shape == (1, 1)
    np.testing.assert_array_equal(all_maps(activations)[:, :, 0, 0], vectors)


def test_the_grid_says_how_cells_lie(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", sp.csr_array(MATRIX))
    activations = imported(path, twelve, (2, 8))
    np.testing.assert_array_equal(all_maps(activations), MAPS.reshape(N_UNITS, N_IMAGES, 2, 8))
    assert activations.cache.directory != imported(path, twelve).cache.directory
    given = choose(path, twelve, (2, 8))
    assert PrecomputedActivations.from_header(convert(given.about(), About)) == given
    assert given.about()["given"]["grid"] == [2, 8]


@pytest.mark.parametrize(
    ("rows", "grid", "axes", "sentence"),
    [
        (13, None, None, "{path} is 13 x 5, but `subset` ade20k has 12 images: its rows must be "
         "the cells of one image after another, in the order of the index."),
        (36, None, None, "{path} is 36 x 5, and `subset` ade20k has 12 images: say with `grid` how "
         "the 3 cells of an image lie, as rows x columns."),
        (36, (2, 2), None, "`grid` 2x2 does not fit: {path} is 36 x 5, and `subset` ade20k has 12 "
         "images, so it has 3 cells of each."),
        (36, (3, 1), Axes.UNITS_FIRST,
         "`axes` units-first: {path} is sparse, images x units: leave it out."),
    ],
)  # fmt: skip
def test_a_grid_that_does_not_fit_is_refused(
    twelve: BrodenDataset,
    tmp_path: Path,
    rows: int,
    grid: tuple[int, int] | None,
    axes: Axes | None,
    sentence: str,
) -> None:
    path = save(tmp_path / "a.npz", sp.csr_array(np.ones((rows, 5))))
    with pytest.raises(UsageError) as caught:
        choose(path, twelve, grid, axes)
    assert str(caught.value) == sentence.format(path=path)


def test_a_square_is_not_guessed_for_images_that_are_none(
    twelve: BrodenDataset, tmp_path: Path
) -> None:
    wide = replace(twelve, mask_shape=(56, 112))
    path = save(tmp_path / "a.npz", sp.csr_array(MATRIX))
    with pytest.raises(UsageError, match="say with `grid`"):
        choose(path, wide)
    assert choose(path, wide, (4, 4)).maps == (N_UNITS, 4, 4)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_values_that_are_not_finite_are_named(
    twelve: BrodenDataset, tmp_path: Path, form: Any, value: float
) -> None:
    values = MATRIX.astype(np.float64)
    values[7 * SIDE * SIDE + 3, 2] = value
    path = save(tmp_path / "a.npz", form(values))
    with pytest.raises(DamagedDataError) as caught:
        imported(path, twelve)
    assert str(caught.value) == (
        f"{path} holds {np.float64(value)} for unit 2 and image 7 ({twelve.rows[7].image}): "
        "activations are finite float32 numbers."
    )


def parts_of(matrix: Any) -> dict[str, Any]:
    if matrix.format == "coo":
        inner = {"row": matrix.row, "col": matrix.col}
    else:
        inner = {"indices": matrix.indices, "indptr": matrix.indptr}
    return {"format": matrix.format, "shape": matrix.shape, "data": matrix.data, **inner}


@pytest.mark.parametrize("dtype", [np.int16, np.uint64, ">i4"])
def test_indices_are_of_any_type_of_integers(
    twelve: BrodenDataset, tmp_path: Path, dtype: Any
) -> None:
    for matrix in (sp.csr_array(MATRIX), sp.csc_array(MATRIX), sp.coo_array(MATRIX)):
        parts = parts_of(matrix)
        names = {"indices", "indptr", "row", "col"} & parts.keys()
        np.savez(tmp_path / "a.npz", **parts | {name: parts[name].astype(dtype) for name in names})
        np.testing.assert_array_equal(all_maps(imported(tmp_path / "a.npz", twelve)), MAPS)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.coo_array])
def test_values_are_in_any_order(twelve: BrodenDataset, tmp_path: Path, form: Any) -> None:
    parts = parts_of(form(MATRIX))
    if "indptr" in parts:
        for start, stop in pairwise(parts["indptr"]):
            for name in ("indices", "data"):
                parts[name][start:stop] = parts[name][start:stop][::-1]
    else:
        parts |= {name: parts[name][::-1] for name in ("row", "col", "data")}
    np.savez(tmp_path / "a.npz", **parts)
    np.testing.assert_array_equal(all_maps(imported(tmp_path / "a.npz", twelve)), MAPS)


def test_explicit_zeros_are_dropped_and_two_values_refused(
    twelve: BrodenDataset, tmp_path: Path
) -> None:
    matrix = sp.coo_array(MATRIX)
    parts = parts_of(matrix)
    path = tmp_path / "a.npz"
    empty = np.argwhere(MATRIX == 0)[0]
    more = {"row": empty[0], "col": empty[1], "data": 0}
    np.savez(path, **parts | {name: np.append(parts[name], more[name]) for name in more})
    activations = imported(path, twelve)
    np.testing.assert_array_equal(all_maps(activations), MAPS)
    with activations.cache.read(activations.names[0]) as file:
        assert len(file["values"]) == matrix.nnz

    twice = {name: np.append(parts[name], parts[name][:2]) for name in more}
    np.savez(path, **parts | twice)
    with pytest.raises(DamagedDataError, match=r"holds 2 values of a row and unit that has one"):
        imported(path, twelve)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "bsr"}, "of the form bsr: save it as one of csr, csc, coo with two axes"),
        ({"format": "dia"}, "of the form dia"),
        ({"data": np.array(["a"])}, "<U1 values: activations are float16"),
        ({"data": np.ones(3, complex)}, "complex128 values"),
        ({"data": np.array([{}, 1])}, "object values"),
        ({"shape": (192, 5, 1)}, "two axes"),
        ({"shape": (0, 5)}, "it is empty"),
        ({"data": None}, "holds format, indices, indptr, shape, no sparse matrix"),
        ({"indices": None}, "is damaged or no .npz file"),
        ({"indices": np.array([{}, 1])}, "pickled Python objects"),
        ({"indices": np.full(MATRIX.size, -1)}, "values outside its shape, 192 x 5"),
        ({"indices": np.array([1.5])}, "values outside its shape"),
        ({"indptr": np.zeros(193, int)}, "its indptr does not divide"),
        ({"indptr": np.zeros(2, int)}, "its indptr does not divide"),
    ],
)
def test_a_matrix_that_is_not_whole_is_refused(
    twelve: BrodenDataset, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "a.npz"
    parts = parts_of(sp.csr_array(MATRIX)) | change
    np.savez(path, **{name: part for name, part in parts.items() if part is not None})
    with pytest.raises(DamagedDataError) as caught:
        imported(path, twelve)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_indices_beyond_the_shape_are_refused(twelve: BrodenDataset, tmp_path: Path) -> None:
    for matrix in (sp.csr_array(MATRIX), sp.csc_array(MATRIX), sp.coo_array(MATRIX)):
        parts = parts_of(matrix)
        for name in {"indices", "row", "col"} & parts.keys():
            changed = parts[name].copy()
            changed[-1] = max(MATRIX.shape)
            np.savez(tmp_path / "a.npz", **parts | {name: changed})
            with pytest.raises(DamagedDataError, match="outside its shape"):
                imported(tmp_path / "a.npz", twelve)


def test_a_file_cut_or_changed_anywhere_is_refused(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", sp.csr_array(MATRIX))
    content = path.read_bytes()
    for stop in range(0, len(content), 97):
        path.write_bytes(content[:stop])
        with pytest.raises(DamagedDataError):
            imported(path, twelve)
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), 60, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        try:
            found = all_maps(imported(path, twelve))
        except (DamagedDataError, UsageError):
            continue
        np.testing.assert_array_equal(found, MAPS)  # A byte that says nothing, such as a date.


def test_an_archive_that_swells_is_refused(
    twelve: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_files, "_MOST_UNPACKED", 1 << 20)
    n_values = 1 << 20
    path = tmp_path / "a.npz"
    parts: dict[str, Any] = {
        "format": "coo", "shape": MATRIX.shape, "data": np.ones(n_values, np.int8),
        "row": np.zeros(n_values, np.int8), "col": np.zeros(n_values, np.int8),
    }  # fmt: skip
    np.savez_compressed(path, **parts)
    with pytest.raises(DamagedDataError, match=r"unpacks to 3,\d+,\d+ bytes, more than 100 times"):
        imported(path, twelve)


def test_an_archive_of_other_arrays_says_what_it_holds(
    twelve: BrodenDataset, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, maps=MAPS)
    with pytest.raises(DamagedDataError, match=r"holds maps, no sparse matrix"):
        imported(path, twelve)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(DamagedDataError, match=r"holds nothing, no sparse matrix"):
        imported(path, twelve)
