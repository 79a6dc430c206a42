"""``--sae FILE`` through the commands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ccx_cli.probe.sparse_maps import SparseMaps
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.lookup import find_run
from ccx_cli.store.paths import resolve_roots

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

LATENTS = 200
QUICK = ["--num-clusters", "2", "--length", "2", "-q"]


@pytest.fixture
def sae(tmp_path: Path) -> Path:
    """An autoencoder on the 48 units of the demo network's layer4, as SAELens writes it."""
    random = torch.Generator().manual_seed(0)
    encoder = torch.randn(48, LATENTS, generator=random)
    bias = torch.zeros(LATENTS)
    bias[7] = -1000  # Never fires.
    path = tmp_path / "mine" / "sae_weights.safetensors"
    path.parent.mkdir()
    tensors = {
        "W_enc": encoder,
        "b_enc": bias,
        "W_dec": encoder.T.clone(),
        "b_dec": torch.zeros(48),
    }
    save_file({name: each.contiguous() for name, each in tensors.items()}, path)
    config = {"architecture": "topk", "k": 60, "d_in": 48, "d_sae": LATENTS, "hook_name": "x"}
    (path.parent / "cfg.json").write_text(json.dumps(config))
    return path


def lines(ccx: CommandLine) -> list[str]:
    return sorted(ccx.file("results/*/explanations.jsonl").read_text().splitlines())


def test_latents_are_explained_as_the_same_activations_in_a_file(
    fresh: CommandLine, sae: Path, tmp_path: Path
) -> None:
    asked = [*QUICK[:-1], "--units", "0-19"]
    ended = fresh.explain("--layer", "layer4", "--sae", str(sae), *asked)
    assert ended.code == 0, ended.err
    note = "encodes 48 units as 200 latents: topk, k 60, b_dec subtracted."
    assert f"sae_weights.safetensors {note}" in ended.err
    run = fresh.file("results/*")
    assert "-layer4-sae-tiny-" in run.name
    found = lines(fresh)
    activations = RunInputs(find_run(run.parent, run.name), resolve_roots(fresh.data)).activations
    assert activations.units == LATENTS
    maps = [activations.unit(unit) for unit in range(LATENTS)]
    assert all(isinstance(each, SparseMaps) for each in maps)
    dense = np.stack([each.dense() for each in maps if isinstance(each, SparseMaps)])
    assert 0 < np.count_nonzero(dense) <= 6 * 28 * 28 * 60
    for path in sorted(run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.rmdir()
    np.save(tmp_path / "latents.npy", dense)
    given = [
        "--activations",
        str(tmp_path / "latents.npy"),
        "--subset",
        "tiny",
        "--layer",
        "layer4",
    ]
    assert fresh("explain", *given, *asked).code == 0
    assert lines(fresh) == found
    assert sum('"formula": "' in line for line in found) > 10
    assert '"range": null' in next(line for line in found if '"unit": 7,' in line)


def test_a_run_says_which_autoencoder_and_is_made_again_without_its_configuration(
    fresh: CommandLine, sae: Path
) -> None:
    base = ["--layer", "layer4", "--sae", str(sae), *QUICK, "--units", "0-2"]
    assert fresh.explain(*base).code == 0
    header = json.loads(fresh.file("results/*/header.json").read_text())
    said = ["activation=topk", "subtract_b_dec=yes", "k=60"]
    assert header["about"]["sae"]["map"] == said
    assert header["about"]["sae"]["file"] == str(sae)
    digest = header["about"]["sae"]["sha256"]
    assert header["identity"]["activations"]["sae"] == {"sha256": digest, "map": said}
    words = [*("--sae", str(sae)), *(word for each in said for word in ("--sae-map", each))]
    assert shlex.join(words) in header["about"]["rebuild"]
    (network,) = [fresh("info", "--format", "jsonl").lines[0]["network"]]
    assert network["sae"]["map"] == said
    methods = fresh("info", "--methods").out
    assert "We explained 3 of the 200 latents of a sparse autoencoder" in methods
    assert "topk, k 60, b_dec subtracted) on the layer layer4" in methods
    assert "layer4, latents of sae_weights.safetensors of demo" in fresh("summary").out
    # A configuration is not needed again, and one with other settings makes another cache.
    (sae.parent / "cfg.json").unlink()
    assert "All 3 lines" not in fresh("rerun", "-q").err
    ended = fresh("rerun", "--check")
    assert ended.code == 0, ended.err
    ended = fresh.explain(*base)
    assert ended.code == 2
    assert "does not say which activation function it has: say it with --sae-map" in ended.err
    assert fresh.explain(*base, "--sae-map", "activation=topk", "--sae-map", "k=60").code == 0
    assert len(fresh.files("activations/*")) == 1
    assert fresh.explain(*base, "--sae-map", "activation=relu").code == 0
    assert len(fresh.files("activations/*")) == 2


def test_another_file_of_the_same_name_is_noticed(fresh: CommandLine, sae: Path) -> None:
    assert fresh.explain("--layer", "layer4", "--sae", str(sae), *QUICK, "--units", "0").code == 0
    sae.write_bytes(sae.read_bytes()[:-4] + b"ABCD")
    ended = fresh("rerun", "--check")
    assert ended.code == 4
    assert "The sparse autoencoder, or how it encodes, changed since" in ended.err
    sae.unlink()
    ended = fresh("rerun", "--check")
    assert ended.code == 3
    assert f"--sae {sae} is not there: check the path." in ended.err


@pytest.mark.slow
def test_studies_of_latents(fresh: CommandLine, sae: Path) -> None:
    options = [*("--layer", "layer4", "--sae", str(sae)), *QUICK, "--units", "0-19"]
    assert fresh.explain(*options).code == 0
    measured = fresh("metrics", "--label-masking", "--format", "jsonl", "-q").lines
    assert any(line.get("label_masking") for line in measured)
    ablated = fresh("ablate", "--images", "1", "--format", "jsonl", "-q").lines
    assert any(line["peak"] and line["peak"]["formula"] < 0 for line in ablated)
    resampled = fresh("stability", "--resamples", "3", "--format", "jsonl", "-q").lines
    assert any(line["out_of_bag_iou"] for line in resampled)
    assert {line["formula"] for line in resampled if line["unit"] == 7} == {None}
    for also in ([], ["--per", "unit"]):
        ended = fresh("importance", "--format", "jsonl", "-q", *also)
        assert ended.code == 0, ended.err
        assert all(line["images"] <= 6 for line in ended.lines)
    ended = fresh("roles", "--format", "jsonl")
    assert ended.code == 0, ended.err
    spoken = {line["unit"] for line in ended.lines}
    assert spoken <= set(range(20)) - {7}
    assert f"{20 - len(spoken)} of 20 units never fire." in ended.err
    ranked = ["--units", "top:4", "--by", "importance"]
    assert fresh.explain(*options[:-2], *ranked).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--layer layer3 --sae SAE", "encodes 48 units, but layer layer3 of demo has 64"),
        ("--sae SAE", "--sae is on one layer: name the one it was trained on with --layer."),
        ("--layer layer3 --layer layer4 --sae SAE", "is on one layer"),
        ("--layer all-blocks --sae SAE", "is on one layer"),
        ("--layer layer4 --sae no.pt", "--sae no.pt is not there"),
        ("--layer layer4 --sae .", "--sae . is not a file"),
        ("--layer layer4 --sae-map k=3", "--sae-map describes a sparse autoencoder"),
        ("--layer layer4 --sae SAE --sae-map q=3", "--sae-map q is not known"),
        ("--activations SAE --sae SAE", "needs no network: leave --sae out"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fresh: CommandLine, sae: Path, words: str, message: str
) -> None:
    network = ["--subset", "tiny"] if "--activations" in words else ON_TINY
    ended = fresh("explain", *network, *shlex.split(words.replace("SAE", str(sae))))
    assert ended.code in (2, 3)
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not fresh.files("results/*")


def test_layers_are_those_of_the_network(fresh: CommandLine, sae: Path) -> None:
    ended = fresh("layers", "--model", "demo", "--layer", "layer4", "--sae", str(sae))
    assert ended.code == 2
    assert "not the latents on one: leave --sae out" in ended.err


def test_a_dry_run_knows_the_latents(fresh: CommandLine, sae: Path) -> None:
    options = ["--layer", "layer4", "--sae", str(sae), "--dry-run", "--format", "jsonl", "-q"]
    ended = fresh.explain(*options, "--units", "199")
    assert ended.code == 0, ended.err
    assert fresh.explain(*options, "--units", "200").code == 2
    assert not fresh.files("activations/*/*.h5")
