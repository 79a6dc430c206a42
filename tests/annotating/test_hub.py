"""Checkpoints of a hub, which here is a web host on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.loopback_hub import COMMIT, Hub, serving
    from tests.tiny_networks import save_segformer
else:
    from loopback_hub import COMMIT, Hub, serving
    from tiny_networks import save_segformer

DOWNLOADING = "Downloading someone/network from the Hugging Face hub, which may take minutes.\n"
OPEN = """
import json, sys
from dataclasses import asdict
from ccx_cli.annotating.engine import open_engine
from ccx_cli.errors import CcxError
from ccx_cli.progress import SilentProgress

class Telling(SilentProgress):
    def note(self, text):
        print(text, file=sys.stderr)

try:
    engine = open_engine("semantic:someone/network", progress=Telling())
    print(json.dumps(asdict(engine.identity)))
except CcxError as error:
    sys.exit(f"{type(error).__name__} {error}")
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with a network, and a cache where nothing is."""
    found = Hub(tmp_path / "network", tmp_path / "cache")
    save_segformer(found.folder)
    (found.folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\nA network\n")
    with serving(found):
        yield found


def test_a_checkpoint_is_downloaded_once(hub: Hub) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"must not be downloaded")
    (hub.folder / "modeling.py").write_text("raise SystemExit('must not be run')")
    first = hub.run(OPEN)
    assert first.stderr == DOWNLOADING
    assert json.loads(first.stdout) == {
        "engine": "semantic",
        "checkpoint": "someone/network",
        "revision": COMMIT,
        "license": "cc-by-nc-4.0",
    }
    fetched = {path.rpartition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert fetched == {"config.json", "model.safetensors", "preprocessor_config.json", "README.md"}
    hub.asked.clear()
    again = hub.run(OPEN)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert not [path for path in hub.asked if "/resolve/" in path]
    # Without a network, from the cache.
    hub.asked.clear()
    offline = hub.run(OPEN, HF_HUB_OFFLINE="1")
    assert (offline.stdout, offline.stderr) == (first.stdout, "")
    unreachable = hub.run(OPEN, HF_ENDPOINT="http://127.0.0.1:9")
    assert (unreachable.stdout, unreachable.stderr) == (first.stdout, "")
    assert not hub.asked


def test_a_checkpoint_with_a_pickle_alone(hub: Hub) -> None:
    import torch
    from safetensors.torch import load_file

    state = load_file(hub.folder / "model.safetensors")
    torch.save(state, hub.folder / "pytorch_model.bin")
    (hub.folder / "model.safetensors").unlink()
    ended = hub.run(OPEN)
    assert ended.stderr == DOWNLOADING
    assert json.loads(ended.stdout)["revision"] == COMMIT
    assert hub.run(OPEN, HF_HUB_OFFLINE="1").stdout == ended.stdout


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            (404, "RepoNotFound"),
            "MissingInputError `engine` semantic:someone/network: there",
        ),
        ((403, "GatedRepo"), "accept its license at https://huggingface.co/someone/network, then"),
        ((503, ""), "the hub cannot be reached, and no copy was downloaded before: give a folder"),
    ],
)
def test_the_hub_refuses(hub: Hub, refusal: tuple[int, str], message: str) -> None:
    hub.refusal = refusal
    ended = hub.run(OPEN)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.startswith(DOWNLOADING)
    assert ended.stderr.count("\n") == 2
