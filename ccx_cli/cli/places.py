"""Where a command works: its roots and cores, told without importing what works there."""

from __future__ import annotations

import os

from ccx_cli.cli.options import PlaceOptions
from ccx_cli.store.paths import Roots, resolve_roots


def roots_of(places: PlaceOptions) -> Roots:
    """Resolve the five roots."""
    return resolve_roots(
        places.data_dir,
        datasets=places.root_datasets,
        models=places.root_models,
        segmentations=places.root_segmentations,
        activations=places.root_activations,
        results=places.root_results,
    )


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
