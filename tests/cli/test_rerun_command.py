"""``ccx rerun``: the header alone is enough."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

pytestmark = pytest.mark.slow

TINY_NETWORK = """from torch import nn
def make(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 9, 8), nn.ReLU())
"""


def the_run(ccx: CommandLine, *, but: Path | None = None) -> Path:
    (run,) = (each.parent for each in ccx.files("results/*/header.json") if each.parent != but)
    return run


def lines_of(run: Path) -> list[str]:
    """The lines of a run, in the order of units; they are stored as units end."""
    lines = (run / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(lines, key=lambda line: json.loads(line)["unit"])


def header_of(run: Path) -> Any:
    return json.loads((run / "header.json").read_text(encoding="utf-8"))


OPTIONS = [
    "--num-clusters 1 --quantile 0.02 --length 2",
    "--ranges 0:0.7,0.7:inf --ties --within 5%",
    "--categories object,color --exclude ball --min-frequency 2 --length 2",
    "--objective mcc --min-coverage 2% --num-clusters 2 --within 3%",
    "--objective cosine --min-coverage 2% --num-clusters 2 --within 3%",
    "--seed 3 --random-units 2 --layer layer3 --num-clusters 2",
]
SLOW_OPTIONS = [
    "--num-clusters 3 --kmeans sklearn --n-init 2 --search beam --beam-limit 2",
    "--length 4 --node-limit 50 --length-penalty 0.9 --operators or,not",
    "--input-size 96x64 --mean 0.1,0.2,0.3 --std 1,2,0.123456789 --precision bfloat16",
]


@pytest.mark.parametrize(
    "options",
    [*OPTIONS, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW_OPTIONS)],
)
def test_every_run_is_made_again_elsewhere(
    fresh: CommandLine, options: str, tmp_path: Path
) -> None:
    words = options.split()
    units = [] if "--random-units" in words else ["--units", "0,5"]
    assert fresh.explain(*words, *units, "--workers", "2", "-q").code == 0
    run = the_run(fresh)
    other = CommandLine(tmp_path / "other", fresh.capsys)
    made = other("rerun", str(run), "--workers", "1", "-q", "-f", "jsonl")
    assert (made.code, made.err) == (0, "")
    again = the_run(other)
    assert again.name == run.name
    assert lines_of(again) == lines_of(run)
    assert sorted(made.out.splitlines(), key=lambda line: json.loads(line)["unit"]) == lines_of(run)
    assert header_of(again)["identity"] == header_of(run)["identity"]
    assert header_of(again)["sessions"][0]["asked"] == header_of(run)["sessions"][0]["asked"]
    assert str(other.data) in header_of(again)["about"]["rebuild"]
    checked = fresh("rerun", run.name, "--check", "--without-caches", "-f", "jsonl")
    assert checked.code == 0
    assert checked.lines[-1]["equal"] == len(lines_of(run))


def test_images_go_through_in_the_batches_of_the_run(fresh: CommandLine, tmp_path: Path) -> None:
    assert fresh.explain("--units", "0", "--batch-size", "4", "-q").code == 0
    run = the_run(fresh)
    assert header_of(run)["sessions"][0]["batch_size"] == 4
    assert header_of(run)["sessions"][0]["threads"] >= 1
    for words, size in (([], 4), (["--batch-size", "3"], 3)):
        other = CommandLine(tmp_path / f"other{size}", fresh.capsys)
        assert other("rerun", str(run), *words, "-q").code == 0
        assert header_of(the_run(other))["sessions"][0]["batch_size"] == size


def test_what_was_cut_off_is_completed(ccx: CommandLine) -> None:
    run = the_run(ccx)
    whole = lines_of(run)
    kept = [line for line in whole if json.loads(line)["unit"] < 2]
    (run / "explanations.jsonl").write_text("\n".join(kept) + '\n{"unit": 2, "la', "utf-8")
    ended = ccx("rerun", "-f", "jsonl")
    assert ended.code == 0
    assert "4 of 48 units, 2 of them found now" in ended.err
    assert lines_of(run) == whole
    assert header_of(run)["sessions"][-1]["units"] == 2


def test_an_older_header_is_read(ccx: CommandLine) -> None:
    run = the_run(ccx)
    header = header_of(run)
    for session in header["sessions"]:
        for key in ("asked", "workers", "device", "seconds", "platform", "batch_size", "threads"):
            del session[key]
    for key in ("mask_size", "precision", "input_size", "mean", "std"):
        del header["about"][key]
    (run / "header.json").write_text(json.dumps(header), "utf-8")
    ended = ccx("rerun", "--check", "-f", "jsonl")
    assert (ended.code, ended.lines[-1]["equal"]) == (0, 20)
    ended = ccx("rerun", "-f", "jsonl")
    assert ended.code == 0
    assert "does not say which units were asked for" in ended.err
    assert ccx("info", "--methods").code == 0


def test_a_line_that_differs_is_told(ccx: CommandLine) -> None:
    run = the_run(ccx)
    lines = lines_of(run)
    record = json.loads(lines[7])
    lines[7] = json.dumps({**record, "formula": "unicorn OR ball", "iou": 0.5})
    (run / "explanations.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    before = (run / "explanations.jsonl").read_bytes()
    ended = ccx("rerun", "--check", "-f", "jsonl")
    assert ended.code == 1
    difference, total = ended.lines
    assert (difference["unit"], difference["cluster"]) == (record["unit"], record["cluster"])
    assert difference["differs"] == ["formula", "iou"]
    assert (difference["formula"], difference["formula_now"]) == (
        "unicorn OR ball",
        record["formula"],
    )
    assert (total["equal"], total["different"]) == (19, 1)
    assert "1 of 20 lines" in ended.err
    assert "unicorn" in ccx("rerun", "--check", "--units", str(record["unit"])).out
    assert (run / "explanations.jsonl").read_bytes() == before


def test_labels_that_changed_are_told_and_make_another_run(fresh: CommandLine) -> None:
    fresh.explain("--units", "0", "-q")
    run = the_run(fresh)
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text("\n".join(index.read_text("utf-8").splitlines()[:-1]) + "\n", "utf-8")
    ended = fresh("rerun")
    assert ended.code == 4
    assert f"changed since {run.name} was made" in ended.err
    assert "--changed" in ended.err
    ended = fresh("rerun", run.name, "--changed")
    assert ended.code == 0
    assert the_run(fresh, but=run).name != run.name


def test_weights_that_changed_are_told(fresh: CommandLine, tmp_path: Path) -> None:
    import torch
    from torch import nn

    def save() -> None:
        torch.save(nn.Sequential(nn.Conv2d(3, 4, 9, 8), nn.ReLU()).state_dict(), weights)

    nets, weights = tmp_path / "nets.py", tmp_path / "weights.pth"
    nets.write_text(TINY_NETWORK, "utf-8")
    save()
    words = ["--model", f"{nets}:make", "--weights", str(weights), "--layer", "1"]
    assert fresh("explain", *words, "--subset", "tiny", "--units", "0", "-q").code == 0
    assert fresh("rerun", "--check", "-q").code == 0
    save()
    ended = fresh("rerun")
    assert ended.code == 4
    assert f"{weights} changed since" in ended.err
    assert "its SHA-256 was" in ended.err
    weights.unlink()
    assert fresh("rerun").code == 3


def test_own_networks_and_given_activations_are_run_again(
    fresh: CommandLine, tmp_path: Path
) -> None:
    nets = tmp_path / "nets.py"
    nets.write_text(TINY_NETWORK, "utf-8")
    network = ["--model", f"{nets}:make", "--model-arg", "width=3", "--layer", "1"]
    network += ["--pretrained", "none", "--subset", "tiny", "-q"]
    assert fresh("explain", *network).code == 0
    own = the_run(fresh)
    assert fresh("rerun", "--check", "--without-caches").code == 0
    maps = tmp_path / "maps.npy"
    np.save(maps, np.random.default_rng(0).random((3, 6, 4, 4), np.float32))
    given = ["--activations", str(maps), "--subset", "tiny", "-q"]
    assert fresh("explain", *given).code == 0
    assert fresh("rerun", "--check", "--without-caches").code == 0
    np.save(maps, np.zeros((3, 6, 4, 4), np.float32))
    ended = fresh("rerun")
    assert ended.code == 4
    assert f"{maps} changed since" in ended.err
    nets.write_text(f"{TINY_NETWORK}\n", "utf-8")
    ended = fresh("rerun", own.name)
    assert ended.code == 4
    assert f"The code of {nets}:make changed since" in ended.err


def test_the_data_set_may_have_moved(ccx: CommandLine, tmp_path: Path) -> None:
    run = the_run(ccx)
    before = lines_of(run)
    moved = CommandLine(tmp_path / "moved", ccx.capsys)
    shutil.move(ccx.data, moved.data)
    shutil.rmtree(moved.data / "activations")
    shutil.rmtree(moved.data / "segmentations")
    (moved.data / "results" / run.name / "explanations.jsonl").unlink()
    assert moved("rerun", "-q").code == 0
    assert lines_of(moved.data / "results" / run.name) == before


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--without-caches"], 2, "needs --check"),
        (["--units", "60"], 2, "goes past the end"),
        (["--check", "--units", "9"], 2, "goes past the end of the run"),
        (["nonesuch"], 3, "no run nonesuch"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    ccx: CommandLine, words: list[str], code: int, sentence: str
) -> None:
    ended = ccx("rerun", *words)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err


def test_a_header_that_says_too_little_is_refused(ccx: CommandLine) -> None:
    run = the_run(ccx)
    header = header_of(run)
    header["identity"]["search"]["name"] = "magic"
    (run / "header.json").write_text(json.dumps(header), "utf-8")
    ended = ccx("rerun")
    assert ended.code == 2
    assert "not 'magic'" in ended.err


def test_all_sessions_units_are_asked_for(ccx: CommandLine) -> None:
    """Two sessions over other units are one run, whose units are those of both."""
    ccx("explain", *ON_TINY, "--units", "6", "-q")
    assert [each["asked"] for each in header_of(the_run(ccx))["sessions"]] == ["0-3", "6"]
    assert len({record["unit"] for record in ccx("rerun", "-f", "jsonl").lines}) == 5
