"""``--activations FILE`` through the commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array, save_npz

from ccx_cli.cli.main import main
from ccx_cli.probe import activation_shards
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.lookup import find_run
from ccx_cli.store.paths import resolve_roots

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, Ended
else:
    from command_line import ON_TINY, CommandLine, Ended

pytestmark = pytest.mark.slow

TINY = ["--subset", "tiny", "-q"]
N_IMAGES = 6


@pytest.fixture(scope="session")
def maps(tiny_data: Path) -> np.ndarray:
    """The activations that the tiny pictures' cache holds, ``(48, 6, 28, 28)``."""
    (manifest,) = tiny_data.glob("activations/*/manifest.json")
    (shard,) = json.loads(manifest.read_text())["shards"].values()
    with h5py.File(manifest.parent / shard["file"], "r") as file:
        return np.asarray(file["activations"])


@pytest.fixture(scope="session")
def network_lines(tiny_data: Path) -> list[str]:
    """The explanations of units 0 to 3 of the network."""
    (lines,) = tiny_data.glob("results/*/explanations.jsonl")
    return sorted(lines.read_text().splitlines())


def save(path: Path, values: np.ndarray, dataset: str = "features") -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        with h5py.File(path, "w") as file:
            file[dataset] = values
    return path


@pytest.fixture
def sae(tmp_path: Path, maps: np.ndarray) -> Path:
    """Eight of the units, images first, in HDF5."""
    return save(tmp_path / "mine" / "sae.h5", maps[:8].swapaxes(0, 1))


@pytest.fixture(scope="session")
def explained_data(
    tiny_data: Path, maps: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A data directory where two given units are explained and the file is gone; not to change."""
    data = tmp_path_factory.mktemp("given")
    (data / "datasets").symlink_to(tiny_data / "datasets")
    path = save(data / "sae.h5", maps[:8].swapaxes(0, 1))
    command = ["explain", "--activations", str(path), *TINY, "--units", "0-3"]
    assert main([*command, "--data-dir", str(data), "-o", str(data / "table.txt")]) == 0
    path.unlink()
    return data


@pytest.fixture
def given(explained_data: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line over it."""
    return CommandLine(explained_data, capsys)


def explain(ccx: CommandLine, file: Path | str, *more: str) -> Ended:
    return ccx("explain", "--activations", str(file), *TINY, "-f", "jsonl", *more)


@pytest.mark.parametrize("name", ["a.npy", "a.hdf5"])
@pytest.mark.parametrize("axes", ["units-first", "images-first"])
@pytest.mark.parametrize("said", [True, False])
def test_the_lines_are_those_of_the_network(
    ccx: CommandLine,
    tmp_path: Path,
    maps: np.ndarray,
    network_lines: list[str],
    name: str,
    axes: str,
    said: bool,
) -> None:
    values = maps if axes == "units-first" else maps.swapaxes(0, 1)
    path = save(tmp_path / "mine" / name, values)
    more = ["--activations-axes", axes] if said else []
    ended = explain(ccx, path, "--layer", "layer4", "--units", "0-3", *more)
    assert (ended.code, ended.err) == (0, "")
    assert sorted(ended.out.splitlines()) == network_lines
    stored = ccx.file("results/given-layer4-*/explanations.jsonl").read_text()
    assert sorted(stored.splitlines()) == network_lines


@pytest.fixture(scope="session")
def rare(maps: np.ndarray) -> np.ndarray:
    """Maps of which one value in 50 is not zero, some below zero; unit 2 is dead."""
    rng = np.random.default_rng(0)
    found = np.where(rng.random(maps.shape) < 0.02, maps - 0.2 * rng.random(maps.shape), 0)
    found[2] = 0
    found[3] = np.maximum(found[3], 0)
    return found.astype(np.float32)[:8]


@pytest.mark.parametrize(
    "options",
    [
        ["--num-clusters", "1"],
        ["--num-clusters", "3"],
        ["--num-clusters", "2", "--kmeans", "sklearn", "--n-init", "1"],
        ["--ranges=-1:1,0:inf,-inf:-0.1"],
        ["--objective", "soft-iou", "--length", "1"],
        ["--objective", "pearson", "--length", "1"],
    ],
)
def test_sparse_activations_have_the_lines_of_dense_ones(
    ccx: CommandLine,
    tmp_path: Path,
    rare: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:
    matrix = csc_array(rare.reshape(len(rare), -1).T)
    save_npz(tmp_path / "a.npz", matrix)
    sparse = explain(ccx, tmp_path / "a.npz", "--layer", "sae", *options)
    assert (sparse.code, sparse.err) == (0, "")
    with monkeypatch.context() as patch:
        patch.setattr(activation_shards, "_SMALLER", 1 << 20)
        dense = explain(ccx, save(tmp_path / "a.npy", rare), "--layer", "sae", *options)
    assert sparse.out == dense.out
    assert len(sparse.lines) >= len(rare)
    cache, other = ccx.files("activations/given-tiny-*/images-000000-000006.*.h5")
    keys = []
    for path in (cache, other):
        with h5py.File(path) as file:
            keys.append(sorted(file))
    assert sorted(keys) == [["activations"], ["ends", "positions", "values"]]


def test_a_run_of_sparse_activations_is_made_again(
    ccx: CommandLine, tmp_path: Path, rare: np.ndarray
) -> None:
    path = tmp_path / "a.npz"
    save_npz(path, csr_array(rare.reshape(len(rare), -1).T))
    planned = explain(ccx, path, "--grid", "14x56", "--units", "0,1", "--dry-run")
    (step,) = [each for each in planned.lines if each["step"] == "activations"]
    assert step["bytes"] == 8 * np.count_nonzero(rare)
    first = explain(ccx, path, "--grid", "14x56", "--units", "0,1")
    about = json.loads(ccx.file("results/given-a-*/header.json").read_text())["about"]
    assert about["given"]["grid"] == [14, 56]
    assert about["map_size"] == [14, 56]
    rebuild = shlex.split(about["rebuild"])
    assert rebuild[rebuild.index("--grid") + 1] == "14x56"
    assert "--activations-axes" not in rebuild
    shown = ccx("info", "-f", "jsonl", "-q")
    assert shown.lines[0]["network"]["given"]["grid"] == [14, 56]
    again = ccx("rerun", "-q")
    assert again.code == 0, again.err
    assert len(first.lines) >= 2
    for command in (
        ["metrics", "--no-label-masking", "--null", "2"],
        ["compare", "thresholds", "--activations", str(path), "--grid", "14x56", *TINY],
        ["compare", "heuristics", "--activations", str(path), "--grid", "14x56", *TINY],
        ["compare", "objectives"],
        ["cluster", "--activations", str(path), "--grid", "14x56", *TINY],
        ["score", "red-c OR ball", "--activations", str(path), "--grid", "14x56", *TINY],
        ["render", "--units", "0", "--top-k", "1", "--dir-images", str(tmp_path / "images")],
        ["render", "--html", str(tmp_path / "report.html")],
    ):
        ended = ccx(*command, "-f", "jsonl", "-q")
        assert (ended.code, ended.err) == (0, ""), command


def test_half_precision_vectors_are_explained(
    ccx: CommandLine, tmp_path: Path, maps: np.ndarray
) -> None:
    vectors = maps.mean((2, 3)).astype(np.float16)
    one = explain(ccx, save(tmp_path / "v.npy", vectors), "--units", "0-5", "--num-clusters", "1")
    other = explain(
        ccx, save(tmp_path / "v.h5", vectors.T, "v"), "--units", "0-5", "--num-clusters", "1"
    )
    assert one.out == other.out
    assert {line["layer"] for line in one.lines} == {"v"}
    # One pixel a map: a unit is in range on whole images.
    hits = [line["hits"] for line in one.lines if line["range"] is not None]
    assert hits
    assert all(count % (28 * 28) == 0 for count in hits)


def test_the_header_says_where_the_activations_come_from(
    given: CommandLine, explained_data: Path
) -> None:
    about = json.loads(given.file("results/*/header.json").read_text())["about"]
    file = explained_data / "sae.h5"
    assert (about["model"], about["pretrained"], about["layer"]) == ("sae.h5", "given", "features")
    assert (about["weights"], about["seed"], about["units"]) == (None, None, 8)
    digest = about["given"].pop("sha256")
    assert about["given"] == {"file": str(file), "array": "features", "axes": "images-first"}
    assert len(digest) == 64
    assert shlex.split(about["rebuild"]) == [
        "ccx", "cache", "build", "--subset", "tiny", "--activations", f"{file}:features",
        "--activations-axes", "images-first", "--layer", "features",
        "--data-dir", str(explained_data),
    ]  # fmt: skip


def test_stored_runs_are_studied_without_the_file(given: CommandLine) -> None:
    summed = given("summary", "-f", "jsonl", "-q")
    assert (summed.code, summed.err) == (0, "")
    assert sum(line["kind"] == "unit" for line in summed.lines) == 4
    measured = given("metrics", "--no-label-masking", "-f", "jsonl", "-q")
    assert (measured.code, measured.err) == (0, "")
    stored = [
        json.loads(line)
        for line in given.file("results/*/explanations.jsonl").read_text().splitlines()
    ]
    found = {(line["unit"], line["cluster"]): line["iou"] for line in measured.lines}
    assert len(stored) > 4
    for line in stored:
        assert found[line["unit"], line["cluster"]] == pytest.approx(line["iou"])
    chance = given("metrics", "--no-label-masking", "--null", "2", "--units", "0", "-q")
    assert (chance.code, chance.err) == (0, "")
    stable = given("stability", "--resamples", "2", "--units", "0", "-q")
    assert (stable.code, stable.err) == (0, "")


@pytest.mark.parametrize(
    ("command", "need"),
    [
        ("metrics --label-masking", "label masking needs: leave --label-masking out."),
        ("importance", "importance needs."),
        ("ablate", "`ccx ablate` needs."),
        ("roles", "`ccx roles` needs."),
        ("analyze", "an untrained counterpart needs: name one with --against."),
    ],
)
def test_what_needs_a_network_is_refused(given: CommandLine, command: str, need: str) -> None:
    run = given.file("results/*").name
    ended = given(*command.split(), run, "-q")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"Error: The run {run} was made from precomputed activations, sae.h5, and has no network, "
        f"which {need}\n"
    )


def test_runs_are_compared_with_those_of_networks(
    ccx: CommandLine, tmp_path: Path, maps: np.ndarray
) -> None:
    assert explain(ccx, save(tmp_path / "a.npy", maps), "--units", "0-3").code == 0
    compared = ccx("compare", "runs", "demo-none", "given-a", "--per", "run", "-f", "jsonl")
    assert compared.code == 0, compared.err
    tally, *differences = compared.lines
    assert (tally["ranges"], tally["equal"]) == (20, 20)
    # The layer has another name.
    assert [row["paired"] for row in differences] == [False] * 4
    assert [row["difference"] for row in differences] == [0.0] * 4
    assert "They differ in model, demo and a.npy: units are matched by number" in compared.err
    against = ccx("analyze", "given-a", "--against", "demo-none", "-f", "jsonl")
    assert against.code == 0, against.err
    assert "The models differ: a.npy and demo." in against.err
    turned = ccx("analyze", "demo-none", "--against", "given-a", "-f", "jsonl")
    assert turned.code == 0, turned.err
    assert "whether their network was untrained is not known." in turned.err


def test_other_commands_take_the_file(ccx: CommandLine, sae: Path) -> None:
    taken = ["--activations", f"{sae}:features", *TINY]
    ranges = ccx("cluster", *taken, "-f", "jsonl")
    assert {line["unit"] for line in ranges.lines} == set(range(8))
    assert ranges.lines[0]["layer"] == "features"
    scored = ccx("score", "square", *taken, "--units", "0-3", "--top", "0", "-f", "jsonl")
    assert (scored.code, scored.err) == (0, "")
    assert {line["unit"] for line in scored.lines} == set(range(4))
    few = [*taken, "--units", "0", "-f", "jsonl"]
    for what in (["heuristics", "--heuristic", "beam,optimal"], ["thresholds"]):
        ended = ccx("compare", *what, *few)
        assert (ended.code, ended.err) == (0, ""), what
        assert ended.lines


def test_damaged_caches_are_mended_from_the_file(ccx: CommandLine, sae: Path) -> None:
    assert explain(ccx, sae, "--units", "0").code == 0
    shard = ccx.file("activations/given-*/images-*.h5")
    shard.write_bytes(shard.read_bytes()[:-1])
    verified = ccx("cache", "verify", "-f", "jsonl", "-q")
    assert verified.code == 4
    (damaged,) = [line for line in verified.lines if line["state"] != "whole"]
    assert main([*shlex.split(damaged["rebuild"])[1:], "-q"]) == 0
    assert ccx("cache", "verify", "-q").code == 0


def test_a_changed_file_makes_another_cache_and_run(
    ccx: CommandLine, sae: Path, maps: np.ndarray
) -> None:
    first = explain(ccx, sae, "--units", "0-1")
    save(sae, maps[8:16].swapaxes(0, 1))
    second = explain(ccx, sae, "--units", "0-1")
    assert first.out != second.out
    assert len(ccx.files("activations/given-*")) == len(ccx.files("results/given-*")) == 2


def test_the_layer_names_the_run_and_not_the_cache(ccx: CommandLine, sae: Path) -> None:
    for layer in ("features", "block/4"):
        ended = explain(ccx, sae, "--layer", layer, "--units", "0")
        assert {line["layer"] for line in ended.lines} == {layer}
    assert len(ccx.files("activations/given-*/manifest.json")) == 1
    assert len(ccx.files("results/given-*/header.json")) == 2


def test_the_import_is_told(ccx: CommandLine, sae: Path) -> None:
    ended = ccx("cluster", "--activations", str(sae), "--subset", "tiny", "--units", "0")
    assert "Checking sae.h5" in ended.err
    assert "Importing sae.h5: 6 of 6 images" in ended.err
    again = ccx("cluster", "--activations", str(sae), "--subset", "tiny", "--units", "0")
    assert "Importing" not in again.err


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "resnet18"],
        ["--model=demo"],
        ["--model-arg", "width=1"],
        ["--pretrained", "none"],
        ["--weights", "x.pth"],
        ["--mean", "0.5"],
        ["--std", "0.5"],
        ["--batch-size", "4"],
        ["--precision", "half"],
    ],
)
def test_options_of_a_network_are_refused(ccx: CommandLine, sae: Path, words: list[str]) -> None:
    ended = explain(ccx, sae, *words)
    option = words[0].partition("=")[0]
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"Error: --activations {sae} needs no network: leave {option} out, or --activations.\n"
    )


def test_a_dry_run_knows_the_units_and_writes_nothing(ccx: CommandLine, sae: Path) -> None:
    before = ccx.files("**/*")
    ended = explain(ccx, sae, "--dry-run")
    assert ended.code == 0, ended.err
    steps = {line["step"]: line for line in ended.lines}
    assert steps["activations"]["bytes"] == 4 * 8 * N_IMAGES * 28 * 28
    assert steps["explanations"]["total"] == 8
    assert ccx.files("**/*") == before


def test_a_viewer_finds_the_activations(given: CommandLine, maps: np.ndarray) -> None:
    roots = resolve_roots(given.data)
    shown = RunInputs(find_run(roots.results, None), roots)
    np.testing.assert_array_equal(shown.activations.unit(3), maps[3])


def test_a_file_is_one_layer(ccx: CommandLine, sae: Path) -> None:
    ended = explain(ccx, sae, "--layer", "a", "--layer", "b")
    assert (ended.code, ended.err) == (
        2,
        f"Error: --activations {sae} is one layer: name it with one --layer, or leave that out.\n",
    )


def test_axes_without_a_file_are_refused(ccx: CommandLine) -> None:
    ended = ccx("explain", *ON_TINY, "--activations-axes", "units-first")
    assert (ended.code, ended.err) == (
        2,
        "Error: --activations-axes units-first describes a file: add --activations FILE.\n",
    )


def test_layers_are_those_of_networks(ccx: CommandLine, sae: Path) -> None:
    ended = ccx("layers", "--activations", str(sae))
    assert (ended.code, ended.err) == (
        2,
        "Error: ccx layers lists the layers of a network, and precomputed activations have none: "
        "leave --activations out.\n",
    )


def bad_file(path: Path, values: np.ndarray) -> Path:
    """Save what holds no activations of the six pictures; what is wrong is in the name."""
    match path.stem:
        case "pickled":
            np.save(path, np.array([None]), allow_pickle=True)
        case "cut":
            np.save(path, values)
            os.truncate(path, path.stat().st_size - 4)
        case "nan":
            values = values.copy()
            values[1, 4, 0, 0] = np.nan
            np.save(path, values)
        case "text":
            save(path, np.array([[b"a"]]))
        case "complex":
            save(path, values.astype(np.complex64))
        case "object":
            with h5py.File(path, "w") as file:
                kind = h5py.special_dtype(vlen=np.float32)
                file.create_dataset("features", (2, N_IMAGES), dtype=kind)
        case "empty":
            h5py.File(path, "w").close()
        case "three":
            save(path, values[0])
        case "five":
            save(path, values[:, :5])
        case "square":
            save(path, values[:6])
    return path


NUMBERS = "activations are float16, float32, float64 or integers."


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("absent.npy", 3, "--activations {path}: there is no file {path}, check the path."),
        ("absent.txt", 2,
         "--activations {path} must be a .npy, .npz, .h5 or .hdf5 file, or FILE.h5:DATASET."),
        ("pickled.npy", 4,
         "{path} holds pickled Python objects, which ccx does not load: write an array of numbers "
         "with numpy.save."),
        ("cut.npy", 4,
         "{path} is cut off (75,260 of 75,264 bytes of values): copy or write it again."),
        ("nan.npy", 4,
         "{path} holds nan for unit 1 and image 4 (tiny/004.png): activations are finite float32 "
         "numbers."),
        ("text.npy", 4, "{path} holds text values: " + NUMBERS),
        ("complex.npy", 4, "{path} holds complex64 values: " + NUMBERS),
        ("complex.h5:features", 4, "{path} holds complex64 values: " + NUMBERS),
        ("object.h5:features", 4, "{path} holds object values: " + NUMBERS),
        ("empty.h5", 4,
         "{path} holds no dataset of real numbers in four axes or two: write the activations as "
         "one dataset."),
        ("three.npy", 4,
         "{path} has the shape 6 x 28 x 28: activations are units x images x height x width, or "
         "units x images, or have the images first."),
        ("five.npy", 2,
         "{path} is 4 x 5 x 28 x 28, but --subset tiny has 6 images: one of the first two axes "
         "must be the images, in the order of the index."),
        ("square.h5", 2,
         "{path}:features is 6 x 6 x 28 x 28, and --subset tiny has 6 images: say with "
         "--activations-axes whether it is units-first or images-first."),
    ],
)  # fmt: skip
def test_files_without_activations_end_in_a_sentence(
    ccx: CommandLine, tmp_path: Path, maps: np.ndarray, name: str, code: int, sentence: str
) -> None:
    file, _, dataset = name.partition(":")
    values = maps[:6] if "square" in name else maps[:4]
    path = bad_file(tmp_path / file, values)
    ended = explain(ccx, f"{path}{f':{dataset}' if dataset else ''}")
    shown = f"{path}{f':{dataset}' if dataset else ''}"
    assert (ended.code, ended.out) == (code, "")
    assert ended.err == f"Error: {sentence.format(path=shown)}\n"


def test_the_data_set_is_the_one_there_is(ccx: CommandLine, sae: Path) -> None:
    datasets = ccx.data / "datasets"
    (datasets / "broden1_224").rename(datasets / "broden1_32")
    assert explain(ccx, sae, "--units", "0").code == 0
    shutil.copytree(datasets / "broden1_32", datasets / "broden1_48")
    ended = explain(ccx, sae, "--units", "0")
    assert (ended.code, ended.err) == (
        2,
        f"Error: --subset tiny is in {datasets / 'broden1_32'} and {datasets / 'broden1_48'}: "
        "choose one with --input-size.\n",
    )
    assert explain(ccx, sae, "--units", "0", "--input-size", "32").code == 0
    ended = explain(ccx, sae, "--units", "0", "--input-size", "32x48")
    assert ended.code == 2
    assert "so give one side" in ended.err
