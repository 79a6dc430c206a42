"""``--layer`` given several times, and ``--precision``, through the commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.errors import CcxError
from ccx_cli.runs import dask_worker
from ccx_cli.runs.inputs import open_inputs
from ccx_cli.runs.job import ExplainJob
from ccx_cli.runs.lookup import find_run
from ccx_cli.runs.units_on_dask import _explain, _Session
from ccx_cli.store.paths import resolve_roots

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

pytestmark = pytest.mark.slow

BLOCKS = ["layer1", "layer2", "layer3", "layer4"]
FEW = ["--units", "0,3", "--length", "1", "--num-clusters", "2", "-f", "jsonl"]


def kept(data: Path) -> dict[str, list[bytes]]:
    """The bytes of shards, and the lines of results: sorted, as units finish in any order."""
    found = {path: [path.read_bytes()] for path in data.glob("activations/*/*.h5")}
    for path in data.glob("results/*/*.jsonl"):
        found[path] = sorted(path.read_bytes().splitlines())
    return {str(path.relative_to(data)): content for path, content in found.items()}


def test_all_blocks_are_what_each_gives_alone(
    fresh: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = CommandLine(tmp_path / "alone", capsys)
    shutil.copytree(fresh.data, alone.data)
    expected = [line for layer in BLOCKS for line in alone.explain("--layer", layer, *FEW).lines]
    ended = fresh.explain("--layer", "all-blocks", "--layer", "layer2", *FEW)
    assert ended.code == 0, ended.err
    assert ended.lines == expected
    assert [line["layer"] for line in ended.lines[::4]] == BLOCKS
    assert kept(fresh.data) == kept(alone.data)
    assert ended.err.count("Activations of demo (none), 4 layers: 6 of 6 images") == 1
    assert ended.err.count("Activations of") == 1
    assert "Explanations of all layers: 8 of 8 units" in ended.err
    for layer, units in zip(BLOCKS, (16, 32, 64, 48), strict=True):
        assert f"2 of {units} units of {layer} explained; stored in " in ended.err
    again = fresh.explain("--layer", "layer3", "--layer", "layer1", *FEW)
    assert "Activations of" not in again.err
    assert again.lines == [line for n in (2, 0) for line in expected[4 * n : 4 * n + 4]]
    headers = {
        json.loads(path.read_text())["about"]["rebuild"]
        for path in fresh.files("results/*/header.json")
    }
    assert {words.split("--layer ")[1].split()[0] for words in headers} == set(BLOCKS)


def test_a_worker_keeps_what_is_of_all_layers_once(ccx: CommandLine) -> None:
    assert ccx.explain("--layer", "layer3", "--layer", "layer4", *FEW).code == 0
    directories = tuple(path.parent for path in ccx.files("results/*-k2-*/header.json"))
    little = _Session(directories, resolve_roots(ccx.data), "cpu", memory=1000)
    with pytest.raises(CcxError, match=r"more than `memory` of 1 kB"):
        _explain(little, directories[0], 3)
    session = replace(little, memory=1_000_000_000)
    assert [len(_explain(session, each, 3).records) for each in directories] == [2, 2]
    jobs: dict[Path, ExplainJob] = dask_worker.kept(session, dict)
    one, other = (jobs[each].explainer for each in directories)
    assert one.index is other.index
    assert one.data is other.data
    assert one.summer is other.summer


def test_ranges_of_several_layers(ccx: CommandLine) -> None:
    words = ["cluster", *ON_TINY, "--units", "0-2", "--num-clusters", "2"]
    single = [
        line for n in "34" for line in ccx(*words, "--layer", f"layer{n}", "-f", "jsonl").lines
    ]
    both = ccx(*words, "--layer", "layer3", "--layer", "layer4", "-f", "jsonl")
    assert both.lines == single
    table = ccx(*words, "--layer", "layer3", "--layer", "layer4").out
    assert table.splitlines()[1].split()[1] == "layer"
    assert "layer" not in ccx(*words, "--layer", "layer3").out


def test_caches_of_several_layers_are_built_and_mended(fresh: CommandLine) -> None:
    words = ["cache", "build", *ON_TINY, "--layer", "layer3", "--layer", "layer4"]
    ended = fresh(*words)
    assert ended.code == 0, ended.err
    assert "64 units of demo (none), layer3." in ended.err
    assert "48 units of demo (none), layer4." in ended.err
    before = kept(fresh.data)
    fresh.file("activations/*layer3*/*.h5").write_bytes(b"damaged")
    assert fresh(*words).code == 0
    assert kept(fresh.data) == before


def test_what_cannot_be_meant_is_refused_before_work(fresh: CommandLine) -> None:
    ended = fresh.explain("--layer", "layer1", "--layer", "layr2", *FEW)
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean layer2" in ended.err
    assert "Activations of" not in ended.err
    for words in (["score", "red"], ["compare", "thresholds"]):
        ended = fresh(*words, *ON_TINY, "--layer", "layer1", "--layer", "layer2")
        assert ended.code == 2
        assert ended.err == (
            "Error: --layer layer1 --layer layer2: this takes one layer only: name one; "
            "`ccx explain`, `ccx cluster` and `ccx cache build` take several.\n"
        )
    assert fresh("score", "red", *ON_TINY, "--layer", "all-blocks").code == 2
    ended = fresh.explain("--layer", "layer1", "--layer", "layer4", "--units", "40", "-q")
    assert "--units 40 goes past the end of layer1" in ended.err
    assert not fresh.files("results/*")


def test_the_layers_command_shows_the_blocks(unused: CommandLine) -> None:
    lines = unused("layers", "--model", "demo", "-f", "jsonl").lines
    assert [line["layer"] for line in lines if line["block"]] == BLOCKS
    lines = unused("layers", "--model", "demo", "--layer", "all-blocks", "-f", "jsonl").lines
    assert [line["layer"] for line in lines] == BLOCKS


def test_half_precision_is_another_cache_and_run(ccx: CommandLine) -> None:
    single = ccx.explain(*FEW)
    half = ccx.explain(*FEW, "--precision", "half")
    assert (single.code, half.code) == (0, 0)
    assert "Activations of demo (none, bfloat16), layer4" in half.err
    assert [line["unit"] for line in half.lines] == [line["unit"] for line in single.lines]
    assert half.lines != single.lines
    for one, other in zip(single.lines, half.lines, strict=True):
        # As far apart as bfloat16's 8 bits may put activations into another range.
        assert other["range"][1] == pytest.approx(one["range"][1], rel=0.05)
    assert len(ccx.files("activations/*")) == 2
    directory = next(
        path.parent
        for path in ccx.files("results/*/header.json")
        if json.loads(path.read_text())["about"]["precision"] == "bfloat16"
    )
    roots = resolve_roots(ccx.data)
    opened = open_inputs(find_run(roots.results, directory.name), roots)
    assert str(opened.run.about.rebuild).split("--precision ")[1].split()[0] == "bfloat16"
    assert opened.network("a test").precision == "bfloat16"
    assert opened.activations.cache.made_from["precision"] == "bfloat16"
    again = ccx.explain(*FEW, "--precision", "bfloat16")
    assert again.lines == half.lines
    assert "Activations of" not in again.err


def test_an_unknown_precision_is_refused(ccx: CommandLine) -> None:
    ended = ccx.explain("--precision", "quarter")
    assert ended.code == 2
    assert "quarter" in ended.err


@pytest.mark.slow
def test_runs_in_half_precision_are_studied_in_it(ccx: CommandLine) -> None:
    half = [*FEW[2:], "--units", "0", "--precision", "half"]
    assert ccx.explain(*half).code == 0
    run = "demo-none-layer4-tiny-k2-optimal1"
    for words in (["metrics", "--masking-images", "1"], ["importance", "--units", "0"]):
        ended = ccx(*words, run, "-f", "json")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)
