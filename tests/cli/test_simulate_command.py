from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, cells
else:
    from command_line import ON_TINY, CommandLine, cells

WORDS = ("simulate", "--shuffles", "5", "-q", "-f", "jsonl")
KEYS = ("correlation", "image_correlation", "fitted_correlation")


def test_units_then_their_mean_and_median(ccx: CommandLine) -> None:
    ended = ccx(*WORDS)
    assert ended.code == 0
    units = [line for line in ended.lines if line["kind"] == "unit"]
    layer = {line["statistic"]: line for line in ended.lines if line["kind"] == "layer"}
    assert [line["unit"] for line in units] == [0, 1, 2, 3]
    there = [line["correlation"] for line in units if line["correlation"] is not None]
    assert there
    assert all(-1 <= each <= 1 for each in there)
    assert layer["mean"]["correlation"] == pytest.approx(statistics.mean(there))
    assert layer["median"]["correlation"] == pytest.approx(statistics.median(there))
    assert layer["mean"]["units"] + layer["mean"]["left_out"] == 4
    assert {line["images"] for line in ended.lines} == {6}
    assert not any(line["held_out"] for line in ended.lines)


def test_a_table_says_on_which_images(ccx: CommandLine) -> None:
    ended = ccx("simulate", "--shuffles", "3")
    assert ended.out.startswith(
        "Predicted and real activations, correlated on the 6 images that were"
    )
    rows = cells(ended.out)
    r = [float(row[2].replace("−", "-")) for row in rows if row[0].isdigit() and row[2] != "–"]
    assert r == sorted(r, reverse=True)
    assert [row[0] for row in rows[-2:]] == ["mean", "median"]
    assert ended.err.splitlines()[-1].startswith("Next: ccx ")


def test_what_is_simulated_is_kept_and_resumed(ccx: CommandLine) -> None:
    first = ccx(*WORDS)
    file = ccx.file("results/*/simulation-*.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2]) + lines[2][:20])
    plan = ccx(*WORDS, "--dry-run").lines
    assert [(step["total"], step["done"]) for step in plan if step["step"] == "simulation"] == [
        (4, 2)
    ]
    assert ccx(*WORDS).lines == first.lines
    # Lines are in the order in which units are done.
    assert sorted(file.read_text().splitlines(keepends=True)) == sorted(lines)
    for shard in ccx.files("activations/*/images-*.h5"):
        shard.write_bytes(b"")
    assert ccx(*WORDS).lines == first.lines
    assert ccx("simulate", "--shuffles", "6", "-q").code == 4
    assert ccx("remove", "run", "demo-none", "--yes", "-q").code == 0
    assert ccx.files("results/*/simulation-*.jsonl") == []


def test_a_methods_section_says_how_activations_were_predicted(ccx: CommandLine) -> None:
    assert "bills2023language" not in ccx("info", "--bibtex").out
    mean = next(line for line in ccx(*WORDS).lines if line.get("statistic") == "mean")
    (study,) = ccx("info", "-q", "-f", "jsonl").lines[0]["studies"]
    assert (study["study"], study["units"], study["lines"]) == ("simulation", 4, 4)
    text = " ".join(ccx("info", "--methods").out.split())
    assert "On the 6 images, the activation of each unit was predicted at every pixel" in text
    number = f"{mean['correlation']:.4f}".replace("-", "−")
    assert f"a mean Pearson correlation of {number} over the pixels, of {mean['units']}" in text
    assert f"it is {mean['shuffled_mean']:.4f}".replace("-", "−") in text
    assert "bills2023language" in ccx("info", "--bibtex").out


def test_seeds_permute_and_change_nothing_else(ccx: CommandLine) -> None:
    def simulated(*words: str) -> list[dict[str, Any]]:
        return ccx(*WORDS, *words).lines

    one, other = simulated("--seed", "1"), simulated("--seed", "2")
    assert one != other
    assert [[line[key] for key in KEYS] for line in one] == [
        [line[key] for key in KEYS] for line in other
    ]
    assert {line["shuffled_mean"] for line in simulated("--shuffles", "0")} == {None}


def test_a_run_on_one_split_is_measured_on_the_other(fresh: CommandLine) -> None:
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text(index.read_text("utf-8").replace(",val,", ",train,", 4), "utf-8")
    assert fresh("explain", *ON_TINY, "--units", "0-3", "--split", "train", "-q").code == 0
    ended = fresh(*WORDS)
    assert {(line["images"], line["held_out"]) for line in ended.lines} == {(2, True)}
    table = fresh("simulate", "--shuffles", "5")
    assert "the 2 images that are not of the split train: they were not searched." in table.out


def test_a_formula_of_the_whole_activation_correlates_as_it_was_scored(ccx: CommandLine) -> None:
    words = ("--units", "0-3", "--objective", "pearson", "-q", "-f", "jsonl")
    scores = {line["unit"]: line["score"] for line in ccx.explain(*words).lines if line["formula"]}
    assert scores
    units = {line["unit"]: line for line in ccx(*WORDS).lines if line["kind"] == "unit"}
    for unit, score in scores.items():
        assert abs(units[unit]["correlation"]) == pytest.approx(score)


def test_activations_without_a_network_and_units_that_never_fire(fresh: CommandLine) -> None:
    random = np.random.default_rng(0)
    maps = random.random((6, 3, 4, 4)).astype(np.float32)
    maps[:, 1] = 0
    np.save(fresh.data / "maps.npy", maps)
    given = ("--activations", str(fresh.data / "maps.npy"), "--subset", "tiny")
    assert fresh("explain", *given, "-q").code == 0
    ended = fresh("simulate", "-f", "json")
    dead = next(line for line in json.loads(ended.out) if line.get("unit") == 1)
    assert [dead[key] for key in (*KEYS, "shuffled_mean")] == [None] * 4
    assert dead["formulas"] == 0
    assert "1 of 3 units have no correlation" in ended.err


def test_sparse_activations_are_simulated_as_dense_ones(
    fresh: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccx_cli.probe.activation_shards._SMALLER", 10**9)
    random = np.random.default_rng(0)
    maps = random.random((6, 40, 4, 4)).astype(np.float32)
    maps[random.random(maps.shape) < 0.97] = 0
    save_npz(fresh.data / "few.npz", csr_array(maps.transpose(0, 2, 3, 1).reshape(-1, 40)))
    np.save(fresh.data / "maps.npy", maps)
    found = []
    for name, words in (("few.npz", ("--grid", "4x4")), ("maps.npy", ())):
        given = ("--activations", str(fresh.data / name), *words, "--subset", "tiny")
        assert fresh("explain", *given, "--num-clusters", "2", "-q").code == 0
        found.append(fresh(*WORDS).lines)
    assert any(line["correlation"] for line in found[0])
    for sparse, dense in zip(*found, strict=True):
        assert sparse == pytest.approx(dense, abs=2e-6)
