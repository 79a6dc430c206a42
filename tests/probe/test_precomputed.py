from __future__ import annotations

import fcntl
import os
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from msgspec import convert

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe import precomputed
from ccx_cli.probe.activations import Activations, activations_cache, open_activations
from ccx_cli.probe.array_files import ArrayFile, open_array, split_name
from ccx_cli.probe.given_activations import Axes, PrecomputedActivations
from ccx_cli.probe.precomputed import choose_precomputed, import_activations
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.progress import SilentProgress
from ccx_cli.records.header import About
from ccx_cli.store import known_files
from ccx_cli.store.known_files import digest_file

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
else:
    from heard_progress import HeardProgress

N_IMAGES = 12
MAPS = np.random.default_rng(0).normal(size=(5, N_IMAGES, 3, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def twelve(golden: BrodenDataset) -> BrodenDataset:
    """The first twelve golden images."""
    return replace(golden, rows=golden.rows[:N_IMAGES])


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files for old that were just written."""
    monkeypatch.setattr(known_files, "_SETTLED_NS", -1)


def save(path: Path, values: np.ndarray, **options: Any) -> Path:
    """Save as ``.npy``, or as the dataset ``maps`` of an HDF5 file."""
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("maps", data=values, **options)
    return path


def choose(
    path: Path | str,
    dataset: BrodenDataset,
    axes: Axes | None = None,
    layer: str | None = None,
    grid: tuple[int, int] | None = None,
) -> PrecomputedActivations:
    memory = Path(str(path)).parent / "kept"
    return choose_precomputed(
        *split_name(str(path)), axes, grid, layer, dataset, memory, SilentProgress()
    )


def imported(path: Path, dataset: BrodenDataset, axes: Axes | None = None) -> Activations:
    given = choose(path, dataset, axes)
    cache = activations_cache(dataset, given, path.parent / "kept", "ccx cache build")
    import_activations(dataset, given, cache, SilentProgress())
    return open_activations(dataset, cache)


def all_maps(activations: Activations) -> np.ndarray:
    return np.stack([dense_maps(activations.unit(unit)) for unit in range(activations.units)])


@pytest.mark.parametrize("axes", list(Axes))
@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.HDF5"])
@pytest.mark.parametrize("block", [1, 5, 512])
def test_every_file_and_order_gives_the_same_maps(
    twelve: BrodenDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    axes: Axes,
    name: str,
    block: int,
) -> None:
    monkeypatch.setattr(precomputed, "images_per_shard", lambda *_: block)
    values = MAPS if axes is Axes.UNITS_FIRST else MAPS.swapaxes(0, 1)
    activations = imported(save(tmp_path / name, values), twelve)
    assert (activations.units, activations.n_images, activations.map_shape) == (5, 12, (3, 2))
    assert len(activations.names) == -(-N_IMAGES // block)
    np.testing.assert_array_equal(all_maps(activations), MAPS)


@pytest.mark.parametrize("name", ["a.npy", "a.h5"])
@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64", "int8", "uint16", "int64", "bool"])
def test_real_numbers_become_float32(
    twelve: BrodenDataset, tmp_path: Path, dtype: str, name: str
) -> None:
    values = (10 * MAPS).astype(dtype)
    found = all_maps(imported(save(tmp_path / name, values), twelve))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_two_axes_are_maps_of_one_pixel(twelve: BrodenDataset, tmp_path: Path) -> None:
    vectors = MAPS[:, :, 0, 0]
    for path, values in ((tmp_path / "u.npy", vectors), (tmp_path / "i.npy", vectors.T)):
        activations = imported(save(path, values), twelve)
        assert activations.map_shape == (1, 1)
        np.testing.assert_array_equal(all_maps(activations)[:, :, 0, 0], vectors)


def test_columns_first_in_memory_is_read_too(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", np.asfortranarray(MAPS))
    np.testing.assert_array_equal(all_maps(imported(path, twelve)), MAPS)


@pytest.mark.parametrize(
    ("chunk", "shards"),
    [(1, [4, 4, 4]), (3, [3, 3, 3, 3]), (6, [6, 6]), (12, [12])],
)
def test_blocks_are_whole_chunks(
    twelve: BrodenDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    shards: list[int],
) -> None:
    monkeypatch.setattr(precomputed, "images_per_shard", lambda *_: 4)
    path = save(tmp_path / "a.h5", MAPS, chunks=(2, chunk, 3, 2), compression="gzip")
    activations = imported(path, twelve)
    spans = [name.removeprefix("images-").split("-") for name in activations.names]
    assert [int(stop) - int(start) for start, stop in spans] == shards
    np.testing.assert_array_equal(all_maps(activations), MAPS)


def test_chunks_that_memory_does_not_hold_are_cut(
    twelve: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precomputed, "images_per_shard", lambda *_: 4)
    monkeypatch.setattr(precomputed, "_MOST_BYTES", 12 * 5 * 6 * 4 - 1)
    activations = imported(save(tmp_path / "a.h5", MAPS, chunks=MAPS.shape), twelve)
    assert len(activations.names) == 3
    np.testing.assert_array_equal(all_maps(activations), MAPS)


@pytest.mark.parametrize("name", ["a.npy", "a.h5"])
def test_only_the_asked_images_are_in_memory(tmp_path: Path, name: str) -> None:
    path, shape = tmp_path / name, (8, 1 << 16, 64, 64)  # 8 GiB, of which the disk holds nothing.
    if path.suffix == ".npy":
        np.lib.format.open_memmap(path, "w+", np.float32, shape)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("maps", shape, np.float32)[-1, -1, -1, -1] = 1
    tracemalloc.start()
    with open_array(path, None) as array:
        found = array.read((slice(None), slice(7, 9)))
        _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (8, 2, 64, 64)
    assert most < 4 * found.nbytes


def test_a_killed_import_goes_on(
    twelve: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precomputed, "images_per_shard", lambda *_: 5)
    read: list[slice] = []
    whole = ArrayFile.read

    def counted(self: ArrayFile, place: tuple[slice, ...]) -> np.ndarray:
        read.append(place[1])
        if len(read) == 2:
            raise KeyboardInterrupt
        return whole(self, place)

    monkeypatch.setattr(ArrayFile, "read", counted)
    path = save(tmp_path / "a.npy", MAPS)
    with pytest.raises(KeyboardInterrupt):
        imported(path, twelve)
    np.testing.assert_array_equal(all_maps(imported(path, twelve)), MAPS)
    assert [place.start for place in read] == [0, 5, 5, 10]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_named(
    twelve: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(precomputed, "images_per_shard", lambda *_: 5)
    for axes in Axes:
        values = MAPS.astype(np.float64)
        values[3, 7, 1, 1] = value
        values = values if axes is Axes.UNITS_FIRST else values.swapaxes(0, 1)
        path = save(tmp_path / f"{axes}.npy", values)
        with pytest.raises(DamagedDataError) as caught:
            imported(path, twelve)
        assert str(caught.value) == (
            f"{path} holds {np.float64(value)} for unit 3 and image 7 ({twelve.rows[7].image}): "
            "activations are finite float32 numbers."
        )


def test_a_file_that_changes_during_the_import_is_refused(
    twelve: BrodenDataset, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.npy", MAPS)
    given = choose(path, twelve)
    cache = activations_cache(twelve, given, tmp_path / "kept", "ccx cache build")
    save(path, MAPS + 1)
    with pytest.raises(CcxError, match=r"a.npy changed while it was read: run the command again"):
        import_activations(twelve, given, cache, SilentProgress())
    assert not cache.shards


def test_a_file_is_needed_until_it_is_imported(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", MAPS)
    given = choose(path, twelve)
    cache = activations_cache(twelve, given, tmp_path / "kept", "ccx cache build")
    path.rename(tmp_path / "b.npy")
    with pytest.raises(MissingInputError) as caught:
        import_activations(twelve, given, cache, SilentProgress())
    assert str(caught.value) == (
        f"{path} is gone, and so are its activations in {cache.directory}: put it back."
    )
    (tmp_path / "b.npy").rename(path)
    imported(path, twelve)
    path.unlink()
    cache.refresh()
    import_activations(twelve, given, cache, SilentProgress())
    np.testing.assert_array_equal(all_maps(open_activations(twelve, cache)), MAPS)


def test_the_cache_is_known_by_the_content(twelve: BrodenDataset, tmp_path: Path) -> None:
    first = save(tmp_path / "a.npy", MAPS)
    second = first.rename(tmp_path / "b.npy")
    names = {imported(second, twelve).cache.directory.name}
    save(first, MAPS)
    names.add(imported(first, twelve).cache.directory.name)
    assert len(names) == 1
    save(first, MAPS + 1)
    changed = imported(first, twelve)
    assert changed.cache.directory.name not in names
    np.testing.assert_array_equal(all_maps(changed), MAPS + 1)


def test_the_axes_and_the_dataset_are_part_of_what_a_cache_is(
    golden: BrodenDataset, tmp_path: Path
) -> None:
    two = replace(golden, rows=golden.rows[:2])
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["one"], file["other"] = np.ones((2, 2)), np.zeros((2, 2))
    names = {
        activations_cache(two, choose(f"{path}:{name}", two, axes), tmp_path, "").directory.name
        for name in ("one", "other")
        for axes in Axes
    }
    assert len(names) == 4


def test_a_header_holds_what_makes_it_again(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", MAPS)
    given = choose(path, twelve, layer="block/4")
    assert PrecomputedActivations.from_header(convert(given.about(), About)) == given
    assert given.maps == (5, 3, 2)
    assert (given.title, given.describe()) == ("given-block_4", "a.h5 (precomputed), block/4")


def test_the_layer_is_named_after_the_dataset_or_the_file(
    twelve: BrodenDataset, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["block/4"] = MAPS
    assert choose(tmp_path / "a.h5", twelve).layer == "block.4"
    assert choose(save(tmp_path / "sae.v2.npy", MAPS), twelve).layer == "sae.v2"


@pytest.mark.usefixtures("settled")
def test_a_digest_is_remembered_until_the_file_is_touched(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", MAPS)
    heard = [HeardProgress() for _ in range(3)]
    digest, stamp = digest_file(path, tmp_path / "kept", heard[0])
    assert digest_file(path, tmp_path / "kept", heard[1]) == (digest, stamp)
    times = path.stat()
    save(path, MAPS + 1)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed, _ = digest_file(path, tmp_path / "kept", heard[2])
    assert changed != digest
    assert [len(each.tasks) for each in heard] == [1, 0, 1]
    (task,) = heard[0].tasks
    assert (task.what, task.total, task.done, task.unit) == (
        "Checking a.npy", times.st_size, times.st_size, "bytes",
    )  # fmt: skip


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", MAPS)
    heard = HeardProgress()
    for _ in range(2):
        digest_file(path, tmp_path, heard)
    assert len(heard.tasks) == 2


def open_any(text: str) -> None:
    with open_array(*split_name(text)):
        pass


def pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def truncated(path: Path) -> None:
    np.save(path, MAPS)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)


def with_more(path: Path) -> None:
    np.save(path, MAPS)
    with path.open("ab") as file:
        file.write(bytes(8))


def zipped(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, maps=MAPS)


NOT_NUMBERS = "activations are float16, float32, float64 or integers."
NOT_MAPS = (
    "activations are units x images x height x width, or units x images, or have the images first."
)


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (pickled, "holds pickled Python objects, which ccx does not load: write an array of "
                  "numbers with numpy.save."),
        (truncated, "is cut off (1,432 of 1,440 bytes of values): copy or write it again."),
        (with_more, "is damaged (1,448 bytes of values where its header says 1,440): copy or "
                    "write it again."),
        (zipped, "is no .npy file: write it with numpy.save."),
        (lambda path: path.write_bytes(b""), "is no .npy file: write it with numpy.save."),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((("),
         "is no .npy file: write it with numpy.save."),
        (lambda path: np.save(path, MAPS.astype(complex)),
         f"holds complex128 values: {NOT_NUMBERS}"),
        (lambda path: np.save(path, np.array([["a"]])), f"holds text values: {NOT_NUMBERS}"),
        (lambda path: np.save(path, MAPS[0]), f"has the shape 12 x 3 x 2: {NOT_MAPS}"),
        (lambda path: np.save(path, MAPS[:0]), f"has the shape 0 x 12 x 3 x 2: {NOT_MAPS}"),
        (lambda path: np.save(path, np.float32(1)), f"has the shape (): {NOT_MAPS}"),
    ],
)  # fmt: skip
def test_npy_files_that_hold_no_activations(
    tmp_path: Path, write: Callable[[Path], object], fault: str
) -> None:
    path = tmp_path / "a.npy"
    write(path)
    with pytest.raises(DamagedDataError) as caught:
        open_any(str(path))
    assert str(caught.value) == f"{path} {fault}"


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "a.npy"
    np.save(path, np.array([Touch()], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedDataError):
        open_any(str(path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("datasets", "name", "error", "sentence"),
    [
        ({}, "", DamagedDataError,
         "{path} holds no dataset of real numbers in four axes or two: write the activations as "
         "one dataset."),
        ({"text": ["a"], "line": [1.0, 2.0]}, "", DamagedDataError,
         "{path} holds no dataset of real numbers in four axes or two: write the activations as "
         "one dataset."),
        ({"a": MAPS, "b/c": MAPS, "d": MAPS[0, 0]}, "", UsageError,
         "{path} holds several datasets of 4 axes (a, b/c): name one, such as {path}:a."),
        ({"features": MAPS, "b": MAPS}, ":featurs", UsageError,
         "`activations` {path}:featurs: there is no such dataset, did you mean features?"),
        ({"group/a": MAPS, "b": MAPS}, ":group", UsageError,
         "`activations` {path}:group: there is no such dataset, did you mean group/a?"),
        ({"group/a": MAPS, "b": MAPS}, ":sae", UsageError,
         "`activations` {path}:sae: there is no such dataset: it holds b, group/a."),
        ({"a": MAPS.astype(complex)}, ":a", DamagedDataError,
         "{path}:a holds complex128 values: " + NOT_NUMBERS),
        ({"a": ["word"]}, ":a", DamagedDataError, "{path}:a holds text values: " + NOT_NUMBERS),
        ({"a": MAPS[0]}, ":a", DamagedDataError, "{path}:a has the shape 12 x 3 x 2: " + NOT_MAPS),
    ],
)  # fmt: skip
def test_hdf5_files_that_hold_no_activations(
    tmp_path: Path, datasets: dict[str, Any], name: str, error: type[CcxError], sentence: str
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for key, values in datasets.items():
            file[key] = values
    with pytest.raises(error) as caught:
        open_any(f"{path}{name}")
    assert type(caught.value) is error
    assert str(caught.value) == sentence.format(path=path)


def test_an_hdf5_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"text")
    with pytest.raises(DamagedDataError, match=r"a.h5 is damaged or no HDF5 file \(.*\): copy"):
        open_any(str(path))


def test_values_in_other_files_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "other.h5", MAPS)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "maps")
        layout = h5py.VirtualLayout(MAPS.shape, MAPS.dtype)
        layout[:] = h5py.VirtualSource("other.h5", "maps", MAPS.shape)
        file.create_virtual_dataset("virtual", layout)
    for name in ("link", "virtual"):
        with pytest.raises(DamagedDataError) as caught:
            open_any(f"{path}:{name}")
        assert str(caught.value) == (
            f"{path}:{name} keeps its values in other files: copy them into one dataset."
        )


def test_the_four_axes_of_many_datasets_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["ids"], file["deep/maps"], file["table"] = [1, 2], MAPS, MAPS[0, 0]
    with open_array(path, None) as array:
        assert array.where == f"{path}:deep/maps"


def test_a_damaged_chunk_is_told(twelve: BrodenDataset, tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", MAPS, compression="gzip")
    content = bytearray(path.read_bytes())
    with h5py.File(path, "r") as file:
        chunk = file["maps"].id.get_chunk_info(0)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(DamagedDataError, match=r"a.h5:maps is damaged \(.*\): copy or write it"):
        imported(path, twelve)


@pytest.mark.parametrize(
    ("how", "lacks"), [({"chunks": (1, 1, 3, 2)}, "5 of its 60"), ({}, "1 of its 1")]
)
def test_chunks_that_were_never_written_are_no_zeros(
    how: dict[str, Any], lacks: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        maps = file.create_dataset("maps", MAPS.shape, MAPS.dtype, **how)
        if how:
            maps[:, : MAPS.shape[1] - 1] = MAPS[:, :-1]
    with pytest.raises(DamagedDataError, match=f"a.h5:maps lacks {lacks} chunks, which were never"):
        open_any(str(path))


def read_all(named: str) -> None:
    with open_array(*split_name(named)) as array:
        array.read((slice(None),))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_any_damaged_byte_is_told_or_harmless(libver: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("group/maps", data=MAPS)
    whole = path.read_bytes()
    values = whole.index(MAPS.tobytes())
    for position in (*range(0, values, 3), *range(values + MAPS.nbytes, len(whole), 3)):
        path.write_bytes(whole[:position] + b"\xff" + whole[position + 1 :])
        for name in ("", ":group/maps"):
            with suppress(DamagedDataError, UsageError):
                read_all(f"{path}{name}")


def test_a_file_that_another_program_has_locked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", MAPS)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CcxError, match=r"a.h5 cannot be locked \(errno 11, .*HDF5_USE_FILE_L"):
            open_any(str(path))
    open_any(str(path))


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("sae.txt", UsageError,
         "`activations` sae.txt must be a .npy, .npz, .h5 or .hdf5 file, or FILE.h5:DATASET."),
        ("sae.npy:a", UsageError,
         "`activations` sae.npy:a: a .npy file holds one array, so leave :a out."),
        ("no.npy", MissingInputError,
         "`activations` no.npy: there is no file no.npy, check the path."),
        ("no.h5:a/b", MissingInputError,
         "`activations` no.h5:a/b: there is no file no.h5, check the path."),
    ],
)  # fmt: skip
def test_names_of_files(text: str, error: type[CcxError], sentence: str) -> None:
    with pytest.raises(error) as caught:
        split_name(text)
    assert str(caught.value) == sentence


def test_a_colon_may_be_part_of_a_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5:b.npy", MAPS)
    assert split_name(str(path)) == (path, None)
    path = save(tmp_path / "a.h5", MAPS)
    assert split_name(f"{path}:/b/c") == (path, "b/c")


@pytest.mark.parametrize(
    ("shape", "axes", "sentence"),
    [
        ((5, 11, 2, 2), None,
         "{path} is 5 x 11 x 2 x 2, but `subset` {subset} has 12 images: one of the first two axes "
         "must be the images, in the order of the index."),
        ((5, 11), Axes.IMAGES_FIRST,
         "{path} is 5 x 11, but `subset` {subset} has 12 images: one of the first two axes must "
         "be the images, in the order of the index."),
        ((12, 12), None,
         "{path} is 12 x 12, and `subset` {subset} has 12 images: say with `axes` "
         "whether it is units-first or images-first."),
        ((5, 12), Axes.IMAGES_FIRST,
         "`axes` images-first does not fit: {path} is 5 x 12 and `subset` {subset} has "
         "12 images, so it is units-first."),
        ((12, 5), Axes.UNITS_FIRST,
         "`axes` units-first does not fit: {path} is 12 x 5 and `subset` {subset} has "
         "12 images, so it is images-first."),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_the_images(
    twelve: BrodenDataset, tmp_path: Path, shape: tuple[int, ...], axes: Axes | None, sentence: str
) -> None:
    path = save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(UsageError) as caught:
        choose(path, twelve, axes)
    assert str(caught.value) == sentence.format(path=path, subset=twelve.subset)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((N_IMAGES, 3, 3, 2), Axes.IMAGES_FIRST),
        ((N_IMAGES, 3, 4, 64), Axes.IMAGES_FIRST),
        ((5, N_IMAGES, 9, 1), Axes.UNITS_FIRST),
    ],
)
def test_units_in_the_last_axis_are_not_taken_for_a_side(
    shape: tuple[int, ...], first: Axes, twelve: BrodenDataset, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.npy", np.ones(shape, np.float32))
    with pytest.raises(UsageError, match=f"if the units are its last axis.*`axes` {first}"):
        choose(path, twelve)
    assert choose(path, twelve, first).axes is first


def test_a_square_takes_the_axes_that_are_said(golden: BrodenDataset, tmp_path: Path) -> None:
    two = replace(golden, rows=golden.rows[:2])
    path = save(tmp_path / "a.npy", np.array([[1, 2], [3, 4]]))
    for axes, expected in ((Axes.UNITS_FIRST, [1, 2]), (Axes.IMAGES_FIRST, [1, 3])):
        assert dense_maps(imported(path, two, axes).unit(0)).ravel().tolist() == expected
