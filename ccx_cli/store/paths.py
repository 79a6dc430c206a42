"""Where things are: the five roots."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from ccx_cli.config import VARIABLE_PREFIX, read_files
from ccx_cli.errors import UsageError

ROOT_NAMES = ("datasets", "models", "segmentations", "activations", "results")
IMPORT_MARKER = "ccx-import.json"
"""The file in a dataset that says that ``ccx import`` wrote it, and from what."""
DEMO_MARKER = "ccx-demo.json"
"""The same for the demo dataset."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The directories ccx reads from and writes to.

    ``datasets`` are in Broden's layout: ``broden1_224`` and ``broden1_227``, and others in
    ``NAME/broden1_SIDE``; ``segmentations`` are concept indexes, ``activations`` those and the
    ranges found in them, ``results`` stored explanations, a directory a run.
    """

    datasets: Path
    models: Path
    segmentations: Path
    activations: Path
    results: Path

    def absolute(self) -> Roots:
        """Return the same directories for a process that works in another one."""
        return Roots(**{name: getattr(self, name).absolute() for name in ROOT_NAMES})


def resolve_roots(data_dir: Path | None, **roots: Path | None) -> Roots:
    """Resolve each root: the path given, else its name under ``data_dir``, or the user's."""
    base = data_dir if data_dir is not None else user_data_path("ccx")
    return Roots(**{name: roots.get(name) or base / name for name in ROOT_NAMES})


def roots_here(data_dir: Path | None = None) -> Roots:
    """Resolve each root as the command line does without options: by variables, then by files."""
    files = [file for file in read_files() if file is not None]

    def found(name: str) -> Path | None:
        if said := os.environ.get(VARIABLE_PREFIX + name.upper()):
            return Path(said)
        key = name.replace("_", "-")
        for file in files:
            value = file.content.get(key)
            if isinstance(value, str):
                return file.path.parent / Path(value).expanduser()
            if value is not None:
                raise UsageError(f"{file.path}: {key} must be text in quotes, not {value}.")
        return None

    roots = {name: found(f"root_{name}") for name in ROOT_NAMES}
    return resolve_roots(data_dir or found("data_dir"), **roots)


def rebuilt_here(command: str, roots: Roots) -> str:
    """Rewrite the ``ccx cache build`` that made a cache for these roots: directories move."""
    words = shlex.split(command)
    if words[1:3] != ["cache", "build"]:
        return command
    places = {name: getattr(roots, name).absolute() for name in ROOT_NAMES if name != "results"}
    bases = [path.parent for name, path in places.items() if path.name == name]
    base = max(bases, key=bases.count, default=user_data_path("ccx"))
    given = {} if base == user_data_path("ccx") else {"--data-dir": base}
    given |= {f"--root-{name}": path for name, path in places.items() if path != base / name}
    known = {"--data-dir", *(f"--root-{name}" for name in ROOT_NAMES)}
    kept = [pair for pair in zip(words[3::2], words[4::2], strict=False) if pair[0] not in known]
    kept += [(option, str(path)) for option, path in given.items()]
    flag = words[-1:] if len(words) % 2 == 0 else []
    return shlex.join([*words[:3], *(word for pair in kept for word in pair), *flag])


def is_imported(directory: Path) -> bool:
    """Tell whether ``ccx import`` wrote the dataset in a directory."""
    return (directory / IMPORT_MARKER).is_file()
