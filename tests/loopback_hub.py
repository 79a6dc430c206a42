"""A hub of checkpoints, which is a web host on loopback with one network."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_API = "/api/models/someone/network/"


@dataclass
class Hub:
    """Serves ``someone/network``; ``refusal`` is the status and the error code of every answer."""

    folder: Path
    cache: Path
    url: str = ""
    refusal: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)

    def run(self, code: str, **environment: str) -> Ended:
        """Run Python code in a process of its own, to which this is the hub."""
        variables = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.cache), "HF_HUB_DISABLE_XET": "1"}
        said = self.cache.with_name("out.txt"), self.cache.with_name("err.txt")
        process = _FORKS.Process(
            target=_execute, args=(code, os.environ | variables | environment, said)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, *(file.read_text() for file in said))


# What the hub's client reads from the environment, it reads when it is imported: torchvision, half
# of what transformers imports, is there already.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["torchvision"])


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def _execute(code: str, environment: dict[str, str], said: tuple[Path, Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    exec(code, {"__name__": "__main__"})


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
        elif path in {f"{_API}revision/{name}" for name in ("main", "v1", COMMIT)}:
            body = json.dumps({"id": "someone/network", "sha": COMMIT, "siblings": []}).encode()
        elif path.startswith(f"{_API}tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(content), "oid": digest(content)}
                for name, content in files.items()
            ]
            body = json.dumps(listed).encode()
        elif path.startswith(f"/someone/network/resolve/{COMMIT}/"):
            body = files[path.rpartition("/")[2]]
            headers["ETag"] = f'"{digest(body)}"'
        else:
            code = "RevisionNotFound" if path.startswith(f"{_API}revision/") else "EntryNotFound"
            status, headers["X-Error-Code"] = 404, code
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def serving(found: Hub) -> Iterator[Hub]:
    """Serve a hub while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfThisHub", (Handler,), {"hub": found}))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
