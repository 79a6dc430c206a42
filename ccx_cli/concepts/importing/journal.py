"""The journal of an import: which pictures are written, and from which files."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ccx_cli.concepts.importing.coco_regions import InstanceRegions
from ccx_cli.concepts.importing.convert import ConvertedImage
from ccx_cli.concepts.importing.label_pngs import LabelPng
from ccx_cli.concepts.importing.sources import SourceImage
from ccx_cli.errors import MissingInputError

JOURNAL = "journal.jsonl"


def fingerprint(image: SourceImage, known: dict[int, str]) -> list[object]:
    """Say which files a picture is made of and how they are read: what changed is read again."""
    found: list[object] = [list(pair) for pair in image.labels]
    for annotation in image.annotations:
        if isinstance(annotation, LabelPng):
            for meant in (annotation.numbers, annotation.colors):
                if id(meant) not in known:
                    text = json.dumps(sorted(meant.items()))
                    known[id(meant)] = sha256(text.encode()).hexdigest()
                found.append(known[id(meant)])
        elif isinstance(annotation, InstanceRegions):
            found.append([each.number for each in annotation.instances])
        else:
            found.append(sorted(annotation.numbers.items()))
        found.append(annotation.category)
    for path in (image.path, *(annotation.file for annotation in image.annotations)):
        try:
            status = path.stat()
        except OSError as error:
            raise MissingInputError(f"{path} is missing: restore it.") from error
        # A file's name need not be text, a journal's is.
        name = str(path.absolute()).encode("utf-8", "backslashreplace").decode()
        found.append([name, status.st_size, status.st_mtime_ns, status.st_ctime_ns])
    return found


class Entry(msgspec.Struct):
    """A line of the journal: a picture that is written, and a fingerprint of its files."""

    stem: str
    files: list[Any]
    made: ConvertedImage


def read_journal(path: Path, identity: str) -> list[Entry]:
    """Return what an interrupted run has written; a directory of other pictures is cleared."""
    with suppress(OSError, ValueError, msgspec.MsgspecError):
        whole = path.read_bytes().rpartition(b"\n")[0]
        head, *lines = whole.split(b"\n")
        if json.loads(head) == {"identity": identity}:
            # The beginning of a line from a killed run would spoil the next one.
            os.truncate(path, len(whole) + 1)
            return [msgspec.json.decode(line, type=Entry) for line in lines]
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode({"identity": identity}) + b"\n")
    return []


def files_of(made: ConvertedImage) -> list[str]:
    """Return the paths of what was written of a photograph."""
    cells = [cell for own in made.cells.values() for cell in own.split(";")]
    return [made.image, *(cell for cell in cells if not cell.isdecimal())]


def remove_files(images: Path, made: ConvertedImage) -> None:
    """Remove what was written of a photograph that has changed since, or is gone."""
    for name in files_of(made):
        (images / name).unlink(missing_ok=True)
