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

    Where there is one in both places, which happens as soon as two data sets were imported, it is
    the one with the run's images; if neither has them, the one under the root.

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
    two = was.exists() and not was.samefile(here)
    images_are_there = (
        two
        and not _has_images(root, subset, side, identity)
        and _has_images(was.parent, subset, side, identity)
    )
    return read_broden(was.parent if images_are_there else root, subset, side)


def _has_images(datasets: Path, subset: str, side: int, identity: Mapping[str, Any]) -> bool:
    try:
        images = read_broden(datasets, subset, side).images_fingerprint()
    except CcxError:
        return False
    activations = identity.get("activations")
    return isinstance(activations, Mapping) and activations.get("fingerprint") == images
