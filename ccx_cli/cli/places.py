"""The directories and CPU cores that a command may use, found without importing anything heavy."""

from __future__ import annotations

import os

from ccx_cli.cli.options import PlaceOptions
from ccx_cli.store.paths import ROOT_NAMES, Roots, resolve_roots


def roots_of(places: PlaceOptions) -> Roots:
    """Resolve the five roots."""
    roots = {name: getattr(places, f"root_{name}") for name in ROOT_NAMES}
    return resolve_roots(places.data_dir, **roots)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
