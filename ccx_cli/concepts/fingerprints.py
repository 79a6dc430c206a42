"""What tells one state of a dataset's files from another.

Fingerprints begin with ``contents:`` and cover the contents of the files, by the SHA-256 of each.
Those of older versions, without it, cover names and byte sizes alone: a file that was corrected in
place may keep them. Stored runs and caches that have one are compared by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.known_files import digest_files
from ccx_cli.store.shards import MANIFEST, ShardedCache, read_manifest

# What makes the caches of runs of older versions again, added to their command.
BY_SIZE = "--by-size"
_CONTENTS = "contents:"
_LENGTH = 64  # as long as those of older versions; 220 bits are enough


@dataclass(frozen=True, slots=True)
class FileCheck:
    """How files are told apart: by contents, or ``by_size`` as older versions did.

    ``remember`` says whether digests that are not known yet are stored.
    """

    by_size: bool = False
    remember: bool = True
    progress: Progress = field(default_factory=SilentProgress)


def is_by_size(fingerprint: object) -> bool:
    """Tell whether a fingerprint is of the older kind, over names and byte sizes."""
    return isinstance(fingerprint, str) and not fingerprint.startswith(_CONTENTS)


def labels_fingerprint(dataset: BrodenDataset, memory: Path, check: FileCheck) -> str:
    """Return the fingerprint of the labels, the rows and the label PNGs.

    ``memory`` is where digests of files are remembered, as for ``digest_files``. Raises
    ``MissingInputError`` or ``DamagedDataError`` if a label PNG is missing or cannot be read.
    """
    if check.by_size:
        return dataset.segmentation_fingerprint()
    layers = [layer for row in dataset.rows for layer in row.layers]
    return _fingerprint(dataset, layers, memory, check, [dataset.labels, *dataset.label_rows()])


def images_fingerprint(dataset: BrodenDataset, memory: Path, check: FileCheck) -> str:
    """Return the fingerprint of the photographs and their names; as ``labels_fingerprint``."""
    if check.by_size:
        return dataset.images_fingerprint()
    names = [row.image for row in dataset.rows]
    return _fingerprint(dataset, names, memory, check, names)


def _fingerprint(
    dataset: BrodenDataset, names: Sequence[str], memory: Path, check: FileCheck, of: object
) -> str:
    try:
        digests = digest_files(
            dataset.directory / "images", names, memory, check.progress, remember=check.remember
        )
    except FileNotFoundError as error:
        raise dataset.missing(error) from error
    whole = hashlib.sha256(json.dumps(of).encode())
    whole.update(b"".join(digests))
    return (_CONTENTS + whole.hexdigest())[:_LENGTH]


def note_older(cache: ShardedCache, progress: Progress) -> None:
    """Say which caches of an older version are passed over, where a cache is about to be made."""
    older = [] if is_by_size(cache.made_from["fingerprint"]) else _older_than(cache)
    if older:
        progress.note(
            f"{' and '.join(map(str, older))} {'is' if len(older) == 1 else 'are'} not used: an "
            "older version of ccx made it from files that it knew by name and size alone, so "
            "contents may have changed since (`ccx cache clear --older` removes such caches, and "
            f"{BY_SIZE} uses them)."
        )


def _older_than(cache: ShardedCache) -> list[Path]:
    """Return the caches of the same inputs whose files were known by name and size."""
    title = cache.directory.name.rpartition("-")[0]
    inputs = json.loads(json.dumps(cache.made_from))
    found = []
    for manifest in sorted(cache.directory.parent.glob(f"*/{MANIFEST}")):
        if manifest.parent.name.rpartition("-")[0] != title:
            continue
        with suppress(CcxError, OSError):
            other = dict(read_manifest(manifest.parent).made_from)
            fingerprint = other.pop("fingerprint", None)
            if is_by_size(fingerprint) and inputs == {
                **other,
                "fingerprint": inputs["fingerprint"],
            }:
                found.append(manifest.parent)
    return found
