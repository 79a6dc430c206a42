"""Checkpoints of a hub, which here is a web host on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.tiny_networks import save_segformer
else:
    from tiny_networks import save_segformer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
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


@dataclass
class Hub:
    """Serves one network; ``refusal`` is the status and the error code of every answer."""

    folder: Path
    cache: Path
    url: str = ""
    refusal: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)

    def open(self, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.cache), "HF_HUB_DISABLE_XET": "1"}
        return subprocess.run(
            [sys.executable, "-c", OPEN],
            env=os.environ | variables | environment,
            capture_output=True,
            text=True,
            check=False,
        )


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    hub: Hub

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, *, with_body: bool) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append(path)
        headers = {"X-Repo-Commit": COMMIT}
        status, body = 200, b""
        files = {file.name: file.read_bytes() for file in hub.folder.iterdir()}
        if hub.refusal is not None:
            status, headers["X-Error-Code"] = hub.refusal
        elif path == "/api/models/someone/network/revision/main":
            body = json.dumps({"id": "someone/network", "sha": COMMIT, "siblings": []}).encode()
        elif path.startswith("/api/models/someone/network/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(content), "oid": digest(content)}
                for name, content in files.items()
            ]
            body = json.dumps(listed).encode()
        elif path.startswith(f"/someone/network/resolve/{COMMIT}/"):
            body = files[path.rpartition("/")[2]]
            headers["ETag"] = f'"{digest(body)}"'
        else:
            status, headers["X-Error-Code"] = 404, "EntryNotFound"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with a network, and a cache where nothing is."""
    found = Hub(tmp_path / "network", tmp_path / "cache")
    save_segformer(found.folder)
    (found.folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\nA network\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfThisHub", (Handler,), {"hub": found}))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_checkpoint_is_downloaded_once(hub: Hub) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"must not be downloaded")
    (hub.folder / "modeling.py").write_text("raise SystemExit('must not be run')")
    first = hub.open()
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
    again = hub.open()
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert not [path for path in hub.asked if "/resolve/" in path]
    # Without a network, from the cache.
    hub.asked.clear()
    offline = hub.open(HF_HUB_OFFLINE="1")
    assert (offline.stdout, offline.stderr) == (first.stdout, "")
    unreachable = hub.open(HF_ENDPOINT="http://127.0.0.1:9")
    assert (unreachable.stdout, unreachable.stderr) == (first.stdout, "")
    assert not hub.asked


def test_a_checkpoint_with_a_pickle_alone(hub: Hub) -> None:
    import torch
    from safetensors.torch import load_file

    state = load_file(hub.folder / "model.safetensors")
    torch.save(state, hub.folder / "pytorch_model.bin")
    (hub.folder / "model.safetensors").unlink()
    ended = hub.open()
    assert ended.stderr == DOWNLOADING
    assert json.loads(ended.stdout)["revision"] == COMMIT
    assert hub.open(HF_HUB_OFFLINE="1").stdout == ended.stdout


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
    ended = hub.open()
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.startswith(DOWNLOADING)
    assert ended.stderr.count("\n") == 2
