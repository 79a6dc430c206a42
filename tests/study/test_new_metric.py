"""A metric is added by a field of ``Metrics`` and its value in ``measure``, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ccx_cli

FIELD = """
    dice: Annotated[
        float | None,
        metric("Dice", "Dice", "Twice the hits in the formula over hits plus its pixels."),
    ]


class WithMasking("""
VALUE = """        dice=_ratio(2 * both, in_range + formula),
    )


def mean_and_deviation("""
PROGRAM = """
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from msgspec import UNSET
from ccx_cli.cli.metrics import COLUMNS
from ccx_cli.records.fields import to_json
from ccx_cli.records.lines import json_line
from ccx_cli.records.metrics import ALL_METRICS, METRICS
from ccx_cli.records.schema import json_schema
from ccx_cli.study.measuring import MeasureSettings, metrics_study
from ccx_cli.study.metrics import ImageCounts, measure

assert METRICS[-1].key == "dice" and METRICS[-1].title == "Dice"
two, one = np.array([2]), np.array([1])
record = to_json(measure(ImageCounts(in_range=two, formula=one, both=one, pixels=3)))
assert record["dice"] == 2 / 3, record
assert "dice" in [column.key for column in COLUMNS]
for alternative in json_schema("metrics")["oneOf"]:
    assert "dice" in alternative["required"]
    assert alternative["properties"]["dice"]["description"].startswith("Twice")

# A line from before the metric was added: shown without it, and measured again.
inputs = SimpleNamespace(kept=Path())
lines = metrics_study(inputs, MeasureSettings()).lines
line = {"unit": 3, "layer": "l", "cluster": 0, "num_clusters": 1, "num_ranges": 1}
line |= {"range": [0.5, None], "hits": 2, "formula": "sky"}
old = line | {each.key: 0.25 for each in METRICS if each.key != "dice"}
lines.path.write_text(json_line(old))
(shown,) = lines.read()
assert shown.iou == 0.25 and shown.dice is UNSET and to_json(shown) == old
assert lines.finished() == {} and lines.step("metrics", [3]).done == 0
lines.append([type(shown)(**old, dice=0.5)])
assert lines.finished()[3][0].dice == 0.5
"""


def _change(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, before
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.slow
def test_a_metric_that_is_added_is_in_lines_schema_and_table(tmp_path: Path) -> None:
    package = tmp_path / "ccx_cli"
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(Path(ccx_cli.__file__).parent, package, ignore=ignored)
    _change(package / "records/metrics.py", "\n\nclass WithMasking(", FIELD)
    _change(package / "study/metrics.py", "    )\n\n\ndef mean_and_deviation(", VALUE)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
