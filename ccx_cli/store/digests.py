"""SHA-256 of files and of JSON values, in hexadecimal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ccx_cli.progress import Task

_CHUNK = 1 << 20


def file_digest(path: Path, task: Task | None = None, algorithm: str = "sha256") -> str:
    """Return the SHA-256 of a file's bytes, or another digest; ``task`` counts those read."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if task is not None:
                task.advance(len(chunk))
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
