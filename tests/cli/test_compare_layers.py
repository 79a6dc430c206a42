"""``ccx compare layers``."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

LAYERS = ["compare", "layers"]
OTHER = ["explain", "--model", "demo", "--pretrained", "none", "--subset", "tiny", "-f", "csv"]
JSONL = ["-f", "jsonl", "-q"]


def edit_run(run: Path, edit: Any) -> None:
    """Rewrite a run's lines, those that ``edit`` gives for each."""
    path = run / "explanations.jsonl"
    lines = [line for text in path.read_text().splitlines() for line in edit(json.loads(text))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def edit_header(run: Path, part: str, **values: str) -> None:
    header = json.loads((run / "header.json").read_text())
    header[part] |= values
    (run / "header.json").write_text(json.dumps(header))


@pytest.fixture
def run(ccx: CommandLine) -> Path:
    """The directory of the run that there is, of layer4."""
    return ccx.file("results/*/header.json").parent


def test_a_row_a_layer_in_network_order(ccx: CommandLine, run: Path) -> None:
    assert ccx(*OTHER, "--layer", "layer2", "--units", "0-5", "--name", "second").code == 0
    ended = ccx(*LAYERS, run.name, "second", "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert [row["layer"] for row in ended.lines] == ["layer2", "layer4"]
    assert [(row["units"], row["layer_units"]) for row in ended.lines] == [(6, 32), (4, 48)]
    assert "2 layers: MCC is highest, " in ended.err
    assert " differ in " not in ended.err
    # One name may mean several runs.
    assert ccx(*LAYERS, "demo-none", *JSONL).lines == ended.lines
    assert ccx(*LAYERS, "demo-none-layer?-*", run.name, "second", *JSONL).lines == ended.lines
    table = ccx(*LAYERS, "demo-none")
    assert "4 of 48" in table.out
    assert f"Next: ccx compare runs second {run.name[-10:]}" in table.err
    (row, *_) = csv.DictReader(io.StringIO(ccx(*LAYERS, "demo-none", "-f", "csv").out))
    assert float(row["mcc_low"]) <= float(row["mcc_mean"]) <= float(row["mcc_high"])


def test_measures_are_those_of_leading_explanations(ccx: CommandLine, run: Path) -> None:
    (row,) = ccx(*LAYERS, run.name, *JSONL).lines
    units = [line for line in ccx("summary", *JSONL).lines if line["kind"] == "unit"]
    leads = [unit for unit in units if unit["lead_mcc"] is not None]
    assert row["mcc_units"] == len(leads) > 1
    assert row["dead"] == sum(unit["ranges"] == 0 for unit in units)
    mccs = [unit["lead_mcc"] for unit in leads]
    assert row["mcc_mean"] == pytest.approx(np.mean(mccs))
    assert row["mcc_median"] == pytest.approx(np.median(mccs))
    assert row["mcc_lower_quartile"] <= row["mcc_median"] <= row["mcc_upper_quartile"]
    assert row["iou_mean"] == pytest.approx(np.mean([unit["lead_iou"] for unit in leads]))
    assert row["lift_median"] == pytest.approx(np.median([unit["lead_lift"] for unit in leads]))
    measured = {
        (line["unit"], line["cluster"]): line
        for line in ccx("metrics", "--no-label-masking", *JSONL).lines
    }
    own = [measured[unit["unit"], unit["lead_cluster"]] for unit in leads]
    coverage = [line["activation_coverage"] for line in own]
    assert row["activation_coverage_mean"] == pytest.approx(np.mean(coverage))
    assert row["explained"] == sum(line["iou"] > line["baseline"] for line in own)
    assert sum(row["categories"].values()) <= row["explained"]
    assert row["category"] in row["categories"]
    lines = [json.loads(text) for text in (run / "explanations.jsonl").read_text().splitlines()]
    length = {(line["unit"], line["cluster"]): line["length"] for line in lines}
    lengths = [length[unit["unit"], unit["lead_cluster"]] for unit in leads]
    assert row["length_mean"] == pytest.approx(np.mean(lengths))


def test_settings_that_differ_are_told(ccx: CommandLine, run: Path) -> None:
    half = shutil.copytree(run, run.parent / "half")
    edit_header(half, "about", split="train", pretrained="demo")
    ended = ccx(*LAYERS, run.name, "half", run.name)
    assert ended.code == 0, ended.err
    first = run.name[-10:]
    unlike = "split, all images and train; weights, none and demo."
    assert f"{first} and half differ in {unlike}" in ended.err
    # Layers of one name are told apart by their runs.
    assert f"layer4 ({first})" in ended.out
    assert "layer4 (half)" in ended.out
    assert len(ended.out.splitlines()) == 1 + 3 + 2 + 1


def test_runs_of_which_little_is_known(ccx: CommandLine, run: Path) -> None:
    """Of one unit, of dead ones alone, of none, and of whole activations."""
    soft = ["--layer", "layer4", "--units", "0", "--objective", "cosine", "--name", "soft"]
    assert ccx(*OTHER, *soft).code == 0
    dead, empty = (shutil.copytree(run, run.parent / name) for name in ("dead", "empty"))
    nothing = {"range": None, "formula": None, "labels": None, "hits": 0, "iou": 0.0, "length": 0}
    nothing |= {"cluster": None, "num_ranges": 0, "baseline": None, "mcc": None, "lift": None}
    edit_run(dead, lambda line: [line | nothing] if line["cluster"] == 0 else [])
    (empty / "explanations.jsonl").unlink()
    plot = ccx.data / "layers.svg"
    ended = ccx(*LAYERS, "soft", "dead", "empty", *JSONL, "--plot", str(plot))
    assert ended.code == 0, ended.err
    whole, silent, gone = ended.lines
    assert (whole["units"], whole["mcc_units"], whole["mcc_interval"]) == (1, 1, None)
    assert whole["mcc_median"] == whole["mcc_mean"] is not None
    assert (silent["units"], silent["dead"], silent["explained"]) == (4, 4, 0)
    assert (silent["mcc_mean"], silent["category"], silent["formulas"]) == (None, None, 0)
    assert (gone["units"], gone["dead"], gone["mcc_mean"]) == (0, 0, None)
    assert plot.read_bytes().startswith(b"<?xml")
    assert ccx(*LAYERS, "dead", "-q").out.startswith("1 layer: no unit has an MCC.\n")
    compared = ccx("compare", "runs", "dead", "empty", "--per", "run", "-q")
    assert compared.code == 0, compared.err
    assert "Whether MCC differs is not known" in compared.out


def test_lines_of_an_older_version(ccx: CommandLine, run: Path) -> None:
    whole = ccx(*LAYERS, run.name, *JSONL).lines
    newer = ("mcc", "lift", "baseline")
    edit_run(run, lambda line: [{key: value for key, value in line.items() if key not in newer}])
    assert ccx(*LAYERS, run.name, *JSONL).lines == whole
    compared = ccx("compare", "runs", run.name, run.name, *JSONL).lines[-4:]
    assert compared[0]["mean_a"] == whole[0]["mcc_mean"]
    # Without the concept index they are not known.
    edit_header(run, "about", segmentation="nowhere")
    shutil.rmtree(ccx.data / "segmentations")
    ended = ccx(*LAYERS, run.name, "-f", "jsonl")
    assert f"An older version made {run.name}, without MCC. The concept index of " in ended.err
    (row,) = ended.lines
    assert (row["units"], row["mcc_mean"], row["explained"]) == (4, None, None)
    assert ccx(*LAYERS, run.name, "-q", "--plot", str(ccx.data / "old.png")).code == 0


def test_a_missing_dataset_leaves_categories_out(ccx: CommandLine, run: Path) -> None:
    edit_header(run, "about", dataset="nowhere/broden1_224")
    shutil.rmtree(ccx.data / "datasets")
    ended = ccx(*LAYERS, run.name, "-f", "jsonl", "--plot", str(ccx.data / "plot.pdf"))
    assert ended.code == 0, ended.err
    assert "Categories of runs whose dataset is missing are not known" in ended.err
    (row,) = ended.lines
    assert (row["category"], row["categories"]) == (None, {})
    assert row["explained"] > 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 3, "There is no run nowhere in "),
        (["none*where"], 3, "There is no run none*where in "),
        (["demo", "--plot", "plot.gif"], 2, "--plot plot.gif must end in .png, .svg or .pdf."),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], code: int, sentence: str, ccx: CommandLine
) -> None:
    ended = ccx(*LAYERS, *words)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err
