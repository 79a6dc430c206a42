"""Where things are: the five roots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

ROOT_NAMES = ("datasets", "models", "segmentations", "activations", "results")
IMPORT_MARKER = "ccx-import.json"
"""The file in a dataset that says that ``ccx import`` wrote it, and from what."""
DEMO_MARKER = "ccx-demo.json"
"""The same for the demo dataset."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The directories ccx reads from and writes to.

    Attributes
    ----------
    datasets
        Datasets in Broden's layout: ``broden1_224`` and ``broden1_227``, and others in
        ``NAME/broden1_SIDE``.
    segmentations
        Concept indexes.
    activations
        Activations and the ranges computed from them.
    results
        Stored explanations, a directory a run.
    """

    datasets: Path
    models: Path
    segmentations: Path
    activations: Path
    results: Path


def resolve_roots(data_dir: Path | None, **roots: Path | None) -> Roots:
    """Resolve each root: the path given, else its name under ``data_dir``.

    ``data_dir`` is the user's data directory by default (XDG on Linux).
    """
    base = data_dir if data_dir is not None else user_data_path("ccx")
    return Roots(**{name: roots.get(name) or base / name for name in ROOT_NAMES})


def is_imported(directory: Path) -> bool:
    """Tell whether ``ccx import`` wrote the dataset in a directory."""
    return (directory / IMPORT_MARKER).is_file()
