"""The same options mean the same caches and the same run for good: their directories' names.

A name ends with a digest of everything that the content depends on. ``identities.json`` has the
options of ``ccx explain`` on the archive's data sets, with what they have been called since 0.1.0.
What is stored in the headers is pinned by ``test_archive.py``, and what of a network by
``tests/cli/test_network_identities.py``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.archive import cases
else:
    import cases

PINNED = json.loads(Path(__file__).with_name("identities.json").read_text(encoding="utf-8"))
STEPS = {"concept index": "index", "activations": "activations", "explanations": "run"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    cases.unpack(root)
    return root


@pytest.mark.parametrize("name", PINNED)
def test_names_of_caches_and_runs(
    name: str, unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in [each for each in os.environ if each.startswith("CCX_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(unpacked / "home"))
    monkeypatch.setattr(sys, "argv", ["ccx"])
    monkeypatch.chdir(unpacked / "run")
    wanted = dict(PINNED[name])
    options = wanted.pop("options").split()
    code = main(
        ["explain", *options, cases.OLDER, "--dry-run", *cases.LINES, "--data-dir", "../data"]
    )
    assert code == 0, capsys.readouterr().err
    steps = map(json.loads, capsys.readouterr().out.splitlines())
    named = {step["step"]: Path(step["path"]).name for step in steps}
    assert {key: named[step] for step, key in STEPS.items()} == wanted


def test_different_options_are_different_runs() -> None:
    runs = [pinned["run"] for pinned in PINNED.values()]
    # The axes are found by themselves; both objects are all of their category.
    assert len(runs) - len(set(runs)) == 2
