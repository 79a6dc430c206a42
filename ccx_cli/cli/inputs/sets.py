"""Public labeled sets: what is here of them, and what they take."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.inputs.published import is_whole_dataset
from ccx_cli.concepts.datasets import side_of
from ccx_cli.concepts.importing.settings import ImportSettings, LabelOrientation
from ccx_cli.design import size_text
from ccx_cli.errors import DamagedDataError
from ccx_cli.fetching.sets import ARCHIVES, PublishedSet
from ccx_cli.fetching.status import DownloadStatus, inspect, verify
from ccx_cli.progress import Progress
from ccx_cli.store.paths import Roots, is_imported


def set_settings(name: str, size: tuple[int, int], *, colors: bool = True) -> ImportSettings:
    """Return how a set is imported; those who labeled it took the pixels as they are stored."""
    stored = LabelOrientation.STORED
    return ImportSettings(name, size, colors=colors, label_orientation=stored)


def inspect_set(
    published: PublishedSet, roots: Roots, side: int, *, of_any_side: bool = True
) -> DownloadStatus:
    """Say what is here of a set, without reading it: its dataset, or how much of its archives."""
    source = published.dataset(side)
    target = source.target(roots)
    others = (path for path in sorted(target.parent.glob("broden1_*")) if side_of(path))
    sought = (target, *others) if of_any_side else (target,)
    made = next((path for path in sought if is_imported(path)), None)
    if made is not None:
        return DownloadStatus(source, "here", made, size_of(made))
    arrived = sum(inspect(archive, roots).size or 0 for archive in published.archives)
    return DownloadStatus(source, "partial" if arrived else "missing", target, arrived or None)


def verify_set(
    published: PublishedSet, roots: Roots, side: int, progress: Progress
) -> DownloadStatus:
    """Read the archives that are here and the dataset's tables, and say whether they are whole."""
    found = inspect_set(published, roots, side)
    try:
        for archive in published.archives:
            if (path := archive.found(roots)) is not None:
                verify(archive, path, progress)
    except DamagedDataError as error:
        return replace(found, state="damaged", fault=str(error))
    if found.state == "here" and not is_whole_dataset(found.path):
        fault = f"{found.path} lacks files: `ccx fetch {published.name} --force` makes it anew."
        return replace(found, state="damaged", fault=fault)
    return replace(found, state="whole") if found.state == "here" else found


def kept_archives(published: PublishedSet, roots: Roots) -> dict[Path, int]:
    """Return the archives of a set that ccx keeps, with their sizes in bytes."""
    paths = (archive.target(roots) for archive in published.archives)
    return {path: path.stat().st_size for path in paths if path.is_file()}


def to_fetch(published: PublishedSet, roots: Roots) -> int:
    """Return how many bytes of archives are not here, about."""
    missing = (archive for archive in published.archives if archive.found(roots) is None)
    return sum(archive.about_bytes or 0 for archive in missing)


def space(published: PublishedSet, roots: Roots, settings: ImportSettings) -> str:
    """Say what a set takes before it is fetched."""
    missing = to_fetch(published, roots)
    total = sum(archive.about_bytes or 0 for archive in published.archives)
    dataset = settings.about_bytes(published.images)
    archives = f"about {size_text(missing)} of archives to {roots.datasets / ARCHIVES}, "
    return (
        f"{published.name}: {archives if missing else ''}at most {size_text(total)} more while it "
        f"is imported, and about {size_text(dataset)} of dataset."
    )


def size_of(directory: Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(
        Path(folder, name).stat().st_size
        for folder, _, names in os.walk(directory)
        for name in names
    )
