"""The data set that a stored run was made from, wherever it is now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.errors import CcxError
from ccx_cli.store.paths import Roots


def read_run_dataset(
    about: Mapping[str, Any], identity: Mapping[str, Any], roots: Roots
) -> BrodenDataset:
    """Read the data set of a run: under the root of data sets, or where its header says it was.

    Where there are different ones in both places, which happens as soon as two were imported, it
    is the one with the run's images; if neither has them, or one is a copy of the other, the one
    under the root.

    Parameters
    ----------
    about, identity
        The parts of the run's header.
    roots
        Where to look first.

    Raises
    ------
    ValueError, KeyError
        If the header does not name a data set.
    MissingInputError, UsageError, DamagedDataError
        If it cannot be read.
    """
    was, subset = Path(about["dataset"]), str(about["subset"])
    side = int(was.name.removeprefix("broden1_"))
    root = roots.datasets / "demo" if subset == "demo" else roots.datasets
    here = root / was.name
    if not here.exists():
        return read_broden(was.parent, subset, side)
    if not was.exists() or was.samefile(here):
        return read_broden(root, subset, side)
    there = _dataset(was.parent, subset, side)
    found = _dataset(root, subset, side)
    if there is None or (found is not None and found.rows == there.rows):
        return found or read_broden(root, subset, side)
    if _has_images(found, identity) or not _has_images(there, identity):
        return found or read_broden(root, subset, side)
    return there


def _dataset(datasets: Path, subset: str, side: int) -> BrodenDataset | None:
    try:
        return read_broden(datasets, subset, side)
    except CcxError:
        return None


def _has_images(dataset: BrodenDataset | None, identity: Mapping[str, Any]) -> bool:
    activations = identity.get("activations")
    try:
        return (
            dataset is not None
            and isinstance(activations, Mapping)
            and activations.get("fingerprint") == dataset.images_fingerprint()
        )
    except CcxError:
        return False
