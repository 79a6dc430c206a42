"""``--preset``: the options of a paper under its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

SPELLED = {
    "netdissect": "--num-clusters 1 --quantile 0.005 --length 1",
    "compexp": "--num-clusters 1 --quantile 0.005 --search beam --length 3 --beam-limit 5",
    "cce": "--num-clusters 5 --kmeans sklearn --n-init 10 --search beam --length 3 --beam-limit 5",
}


@pytest.mark.parametrize("preset", SPELLED)
def test_a_preset_is_its_options(preset: str, ccx: CommandLine) -> None:
    before = set(ccx.files("results/*"))
    by_name = ccx.explain("--preset", preset, "--units", "1", "-f", "jsonl", "-q")
    (run,) = set(ccx.files("results/*")) - before
    spelled = ccx.explain(*SPELLED[preset].split(), "--units", "1", "-f", "jsonl", "-q")
    assert by_name.code == 0
    assert by_name == spelled
    assert set(ccx.files("results/*")) - before == {run}
    command = json.loads((run / "header.json").read_text())["sessions"][0]["command"]
    assert f"--preset {preset}" in command


def test_cluster_and_score_take_the_ranges_of_a_preset(ccx: CommandLine) -> None:
    units = ["--units", "0-2", "-f", "jsonl", "-q"]
    ranges = ccx("cluster", *ON_TINY, "--preset", "netdissect", *units)
    assert ranges == ccx("cluster", *ON_TINY, "--num-clusters", "1", *units)
    scores = ccx("score", "square", *ON_TINY, "--preset", "compexp", *units)
    assert scores == ccx("score", "square", *ON_TINY, "--num-clusters", "1", *units)
    assert scores.code == 0


def held(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, int, str]:
    """The clusters, the length and the search that ``explain`` would take."""
    capsys.readouterr()
    assert main(["config", "explain", "-f", "jsonl", "--", *flags]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    found = {line["option"]: line["value"] for line in lines if line["kind"] == "setting"}
    return found["num-clusters"], found["length"], found["search"]


def test_a_preset_stands_behind_what_is_spelled_out_where_it_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    user = tmp_path / "settings" / "ccx" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('num-clusters = 9\nlength = 9\nsearch = "beam"\n')
    assert held(capsys) == (9, 9, "beam")
    Path("ccx.toml").write_text('[explain]\npreset = "netdissect"\n')
    assert held(capsys) == (1, 1, "beam")
    Path("ccx.toml").write_text('length = 2\n[explain]\npreset = "compexp"\n')
    assert held(capsys) == (1, 2, "beam")
    monkeypatch.setenv("CCX_NUM_CLUSTERS", "7")
    assert held(capsys) == (7, 2, "beam")
    assert held(capsys, "--preset", "cce") == (5, 3, "beam")
    assert held(capsys, "--length", "4", "--preset", "cce") == (5, 4, "beam")
    monkeypatch.setenv("CCX_PRESET", "cce")
    assert held(capsys) == (7, 3, "beam")
    assert held(capsys, "--preset", "netdissect", "--search", "optimal") == (1, 1, "optimal")


def test_a_preset_that_is_not_known(unused: CommandLine) -> None:
    ended = unused("explain", "--preset", "cec")
    assert (ended.code, ended.out) == (2, "")
    assert "'--preset'" in ended.err
    assert "netdissect" in ended.err
