"""Runs the tutorial and keeps what it shows: ``python -m tools.tutorial docs/tutorial.ipynb``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

_KEPT = ("kernelspec",)


def executed(notebook: Path, folder: Path) -> Any:
    """Run a notebook in a folder, with the ``ccx`` of this Python; an error in a cell is raised."""
    read: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    # Cells that name no place must not find the user's data.
    places = {name: str(folder / name) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CCX_")}
    NotebookClient(read, timeout=600, resources={"metadata": {"path": str(folder)}}).execute(
        env=variables | places | {"PATH": path}
    )
    return read


def main(notebook: Path) -> None:
    """Run the notebook and write it again, without what differs from run to run."""
    with TemporaryDirectory() as folder:
        found = executed(notebook, Path(folder))
    found.metadata = {key: found.metadata[key] for key in _KEPT if key in found.metadata}
    for number, cell in enumerate(found.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    text = nbformat.writes(found)  # type: ignore[no-untyped-call]
    notebook.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
