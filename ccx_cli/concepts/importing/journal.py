"""Which photographs of an import are done, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ccx_cli.concepts.importing.painting import PaintedImage
from ccx_cli.concepts.importing.sources import SourceImage
from ccx_cli.errors import MissingInputError
from ccx_cli.store.lines import json_line

JOURNAL = "journal.jsonl"


def fingerprint(image: SourceImage) -> list[object]:
    """Say which files a picture is made of, so that a changed one is taken in again."""
    found: list[object] = [list(pair) for pair in image.labels]
    for path in (image.path, *(annotation.file for annotation in image.annotations)):
        try:
            status = path.stat()
        except OSError as error:
            raise MissingInputError(f"{path} is missing: restore it, or take it out.") from error
        # A file's name need not be text, a journal's is.
        name = str(path.absolute()).encode("utf-8", "backslashreplace").decode()
        found.append([name, status.st_size, status.st_mtime_ns])
    return found


class Journal:
    """The pictures that are written, a line each, after a line that says how they were made."""

    def __init__(self, directory: Path, identity: str) -> None:
        self._path = directory / JOURNAL
        self._identity = identity

    def read(self) -> dict[str, tuple[list[object], PaintedImage]]:
        """Return what a run before has written, by stem; a directory of other ones is cleared."""
        try:
            whole = self._path.read_bytes().rpartition(b"\n")[0]
            head, *lines = [json.loads(line) for line in whole.split(b"\n")]
            if head == {"identity": self._identity}:
                # What a killed run has begun of a line would spoil the next one.
                os.truncate(self._path, len(whole) + 1)
                return {line["stem"]: (line["files"], _from_json(line["made"])) for line in lines}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        shutil.rmtree(self._path.parent, ignore_errors=True)
        self._path.parent.mkdir(parents=True)
        self._path.write_text(json_line({"identity": self._identity}), encoding="utf-8")
        return {}

    def append(self, made: Sequence[tuple[str, list[object], PaintedImage]]) -> None:
        """Note pictures that are written: their stems, what they were made of, what they hold."""
        text = "".join(
            json_line({"stem": stem, "files": files, "made": asdict(painted)})
            for stem, files, painted in made
        )
        with self._path.open("ab") as file:
            file.write(text.encode())


def remove_painted(images: Path, made: PaintedImage) -> None:
    """Remove what was written of a photograph that has changed since, or is gone."""
    cells = [cell for own in made.cells.values() for cell in own.split(";")]
    for name in (made.image, *(cell for cell in cells if not cell.isdecimal())):
        (images / name).unlink(missing_ok=True)


def _from_json(made: Mapping[str, Any]) -> PaintedImage:
    """Make numbers of the keys that JSON made text of."""
    pixels = {
        category: {int(number): count for number, count in own.items()}
        for category, own in made["pixels"].items()
    }
    together = {int(number): count for number, count in made["together"].items()}
    return PaintedImage(**{**made, "pixels": pixels, "together": together})
