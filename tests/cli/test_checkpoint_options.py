"""Which weights of a file, and whether its head is ignored, from the options to what is stored."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

NETS = """from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 8, 8), nn.ReLU())
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images):
        return self.fc(self.block(images).mean((2, 3)))
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def state(seed: int, num_classes: int | None = 4) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {"block.0.weight": (3, 3, 8, 8), "block.0.bias": (3,)}
    if num_classes is not None:
        shapes |= {"fc.weight": (num_classes, 3), "fc.bias": (num_classes,)}
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


def words(work: Path, content: Any, name: str = "w.pth") -> list[str]:
    torch.save(content, work / name)
    return [
        *("--model", f"{work}/nets.py:Net", "--weights", f"{work}/{name}", "--layer", "block"),
        *("--subset", "tiny", "--input-size", "224", "--num-clusters", "1", "--length", "2"),
    ]


def found(ccx: CommandLine, given: list[str], *more: str) -> list[Any]:
    """Explain; return each unit's formula and range."""
    ended = ccx("explain", *given, *more, "-f", "jsonl")
    assert ended.code == 0, ended.err
    return [(line["unit"], line["formula"], line["range"]) for line in ended.lines]


def header(ccx: CommandLine, pattern: str = "results/*/header.json") -> dict[str, Any]:
    return json.loads(ccx.file(pattern).read_text())  # type: ignore[no-any-return]


def forget(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_the_average_is_taken_and_named_and_a_key_takes_the_other(
    fresh: CommandLine, work: Path
) -> None:
    both = {"model": state(1), "model_ema": state(2), "epoch": 3}
    average = found(fresh, words(work, state(2), "average.pth"))
    plain = found(fresh, words(work, state(1), "plain.pth"))
    assert average != plain
    forget(fresh.data / "results")
    given = words(work, both)
    assert found(fresh, given) == average
    usual = header(fresh)
    assert "weights_key" not in usual["about"]
    assert "weights_key" not in usual["identity"]["activations"]
    forget(fresh.data / "results")
    ended = fresh("explain", *given, "--weights-key", "model")
    assert ended.code == 0
    chosen = header(fresh)
    assert chosen["about"]["weights_key"] == "model"
    assert chosen["identity"]["activations"] == {
        **usual["identity"]["activations"],
        "weights_key": "model",
    }
    assert found(fresh, given, "--weights-key", "model") == plain
    assert (
        "weights of our own from the file w.pth, those under model, SHA-256"
        in fresh("info", "--methods").out
    )
    network = fresh("info", "--format", "jsonl").lines[0]["network"]
    assert (network["weights_key"], network["ignore_head"]) == ("model", None)
    for command in ("rerun --check -q", "rerun -q", "metrics -q"):
        ended = fresh(*command.split())
        assert ended.code == 0, ended.err
    forget(fresh.data / "activations")
    rebuild = shlex.split(chosen["about"]["rebuild"])
    assert rebuild[rebuild.index("--weights-key") + 1] == "model"
    position = rebuild.index("--data-dir")
    ended = fresh(*rebuild[1:position])
    assert ended.code == 0, ended.err
    assert fresh("metrics", "-q").code == 0


def test_runs_of_two_sets_of_a_file_are_told_apart(fresh: CommandLine, work: Path) -> None:
    given = words(work, {"model": state(1), "model_ema": state(2)})
    for key in ("model", "model_ema"):
        assert fresh("explain", *given, "--weights-key", key).code == 0
    one, two = (path.name for path in fresh.files("results/*"))
    ended = fresh("compare", "runs", one, two)
    assert ended.code == 0, ended.err
    first, second = (
        json.loads((fresh.data / "results" / name / "header.json").read_text())["about"]
        for name in (one, two)
    )
    expected = " and ".join(f"weights {each['weights_key']} of w.pth" for each in (first, second))
    assert f"They differ in weights, {expected}" in " ".join(ended.err.split())


def test_a_note_names_the_set_of_several(fresh: CommandLine, work: Path) -> None:
    both = {"model": state(1), "model_ema": state(2)}
    ended = fresh("explain", *words(work, both))
    assert (
        f"The weights of {work}/w.pth are those under model_ema; those under model are left out "
        "(--weights-key chooses)."
    ) in " ".join(ended.err.split())
    ended = fresh("explain", *words(work, both), "--weights-key", "model")
    assert "are left out" not in ended.err


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        (
            None,
            4,
            "holds 2 sets of weights, under student and teacher: choose one with --weights-k",
        ),
        ("pupil", 2, "--weights-key pupil: WORK/w.pth has no weights there: it has them under stu"),
    ],
)
def test_sets_are_refused_with_the_choices(
    fresh: CommandLine, work: Path, key: str | None, code: int, said: str
) -> None:
    given = words(work, {"student": state(1), "teacher": state(2)})
    ended = fresh("explain", *given, *(() if key is None else ("--weights-key", key)))
    assert ended.code == code
    assert said.replace("WORK", str(work)) in " ".join(ended.err.split())
    assert found(fresh, given, "--weights-key", "teacher")


@pytest.mark.parametrize("option", ["--weights-key model", "--ignore-head"])
def test_options_of_a_file_need_one(fresh: CommandLine, option: str) -> None:
    ended = fresh("explain", "--model", "demo", "--subset", "tiny", *option.split())
    assert ended.code == 2
    assert f"{option.split()[0]} is about a file of weights: give one with --weights" in ended.err


@pytest.mark.parametrize("num_classes", [None, 7])
def test_a_head_is_left_out(fresh: CommandLine, work: Path, num_classes: int | None) -> None:
    whole = found(fresh, words(work, state(1), "whole.pth"))
    forget(fresh.data / "results")
    given = words(work, state(1, num_classes))
    ended = fresh("explain", *given)
    assert ended.code == 4
    text = " ".join(ended.err.split())
    assert "leave its head out with --ignore-head if --layer comes before that." in text
    assert ("build it for the 7 classes of the file with --model-arg num_classes=7" in text) is (
        num_classes == 7
    )
    ended = fresh("explain", *given, "--ignore-head")
    assert ended.code == 0, ended.err
    assert "The head of nets.Net is left out: of the tensors of" in " ".join(ended.err.split())
    assert found(fresh, given, "--ignore-head") == whole
    stored = header(fresh)
    assert stored["about"]["ignore_head"] is True
    assert stored["about"]["rebuild"].split().count("--ignore-head") == 1
    assert stored["identity"]["activations"]["ignore_head"] is True
    assert fresh("explain", *given).code == 4
    assert "but for what does not fit after the layer" in fresh("info", "--methods").out
    assert fresh("info", "--format", "jsonl").lines[0]["network"]["ignore_head"] is True
    for command in ("rerun --check -q", "rerun -q", "metrics -q --masking-images 2"):
        ended = fresh(*command.split())
        assert ended.code == 0, ended.err
    for command in ("importance", "importance --per unit", "roles"):
        ended = fresh(*command.split())
        assert ended.code == 2
        assert "This needs predictions, but" in ended.err
    ended = fresh("layers", *given[:4], "--ignore-head", "-f", "jsonl")
    assert [line["layer"] for line in ended.lines] == ["block", "block.0", "block.1", "fc"]
    ended = fresh("explain", *given, "--ignore-head", "--layer", "fc")
    assert ended.code == 4
    assert "leaves out only what comes after --layer fc, and not fc.weight" in ended.err
