"""The kinds of figures, the names of their files, and which files exist already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import UsageError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.render.style import SCREEN, Style
from ccx_cli.version import __version__

if TYPE_CHECKING:
    from ccx_cli.runs.run import Run
    from ccx_cli.study.unit_images import Show

_FIELD = re.compile(r"\{(\w*)\}")


class FileType(StrEnum):
    """The file type of a figure."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class Kind(StrEnum):
    """What a figure shows."""

    PANEL = "panel"
    PUBLISHED = "published"
    DISTRIBUTION = "distribution"
    CATEGORIES = "categories"
    IOU = "iou"

    @property
    def of_one_unit(self) -> bool:
        """Whether there is one figure per unit, not one of all units."""
        return self in {Kind.PANEL, Kind.PUBLISHED, Kind.DISTRIBUTION}

    @property
    def stem(self) -> str:
        """The default name of its files, without the ending."""
        return {
            Kind.PANEL: "unit_{unit}_c_{k}_{show}",
            Kind.PUBLISHED: "unit_{unit}_c_{k}",
            Kind.DISTRIBUTION: "unit_{unit}_c_{k}_distribution",
        }.get(self, "{kind}")


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the figures show, of which images, and how they are set."""

    kind: Kind
    show: Show
    top_k: int
    seed: int
    file_type: FileType
    tolerance: float
    style: Style = SCREEN

    def units_share(self, filename_figure: str | None) -> bool:
        """Return whether one figure shows several units, as panels do on the pages of a paper."""
        named = filename_figure is not None and "{unit}" in filename_figure
        paged = self.kind is Kind.PANEL and self.style.in_paper and not named
        return paged or not self.kind.of_one_unit

    def digest(self, run: Run, records: Sequence[ExplanationRecord]) -> str:
        """Return a digest of everything a figure of these records shows."""
        images = (self.show, self.top_k, self.seed)
        return fingerprint(
            kind=self.kind,
            file_type=self.file_type,
            images=images if self.kind in {Kind.PANEL, Kind.PUBLISHED} else None,
            style=asdict(self.style),
            tolerance=self.tolerance,
            run=[run.identity_key, run.about.model, run.about.subset],
            records=[to_json(record) for record in records],
        )


def figure_names(
    filename_figure: str | None,
    drawing: Drawing,
    groups: Sequence[Mapping[int, Sequence[ExplanationRecord]]],
) -> list[str]:
    """Name the file of every group of units that a figure shows.

    ``filename_figure`` is a name without ending, with fields ``{unit}``, ``{k}``, ``{show}`` and
    ``{kind}``; ``None`` means that of the kind, also for the page of a paper that has one unit.
    Figures of several units are numbered where there is more than one figure. Raises
    ``UsageError`` if it has another field, names a directory, or gives several figures one name.
    """
    shared = drawing.units_share(filename_figure)
    default = "{kind}" if shared else drawing.kind.stem
    stem = default if filename_figure is None else filename_figure
    if "/" in stem or "\\" in stem or not stem.strip(". "):
        raise UsageError(
            f"`filename_figure` {stem} is not a file name: set the directory with `dir_images`."
        )
    known = {"show": drawing.show.value, "kind": drawing.kind.value}
    if drawing.kind.of_one_unit:
        known |= {"unit": "", "k": ""}
    for field in _FIELD.findall(stem):
        if field not in known:
            fields = ", ".join(f"{{{name}}}" for name in sorted(known))
            raise UsageError(
                f"`filename_figure` {stem} has an unknown field {{{field}}}: this kind has "
                f"{fields}."
            )
    if not shared and len(groups) > 1 and "{unit}" not in stem:
        raise UsageError(
            f"`filename_figure` {stem} is one name for {len(groups):,} units: add {{unit}} to it."
        )
    names = []
    for number, units in enumerate(groups, start=1):
        unit, records = next(iter(units.items()))
        alone = filename_figure is None and drawing.kind.of_one_unit and len(units) == 1
        filled = drawing.kind.stem if alone else stem
        for field, value in (known | {"unit": unit, "k": records[0].num_clusters}).items():
            filled = filled.replace(f"{{{field}}}", str(value))
        page = f"-{number}" if shared and len(groups) > 1 and not alone else ""
        names.append(f"{filled}{page}.{drawing.file_type}")
    return names


def fingerprint(**shown: Any) -> str:
    """Return a digest of what a figure shows and of the version that draws it."""
    content = json.dumps([__version__, shown], sort_keys=True, default=str)
    return f"ccx-{hashlib.sha256(content.encode()).hexdigest()[:24]}"


def description(digest: str, *, whole: bool) -> str:
    """Return what the metadata of a figure's file says of it."""
    return f"{digest} {'whole' if whole else 'with gaps'}"


def existing_figures(
    figures: Sequence[tuple[Path, str]], dir_images: Path, *, force: bool
) -> set[Path]:
    """Return which of the files already show what would be drawn, by path and digest.

    None counts with ``force``. Raises ``UsageError`` if another file exists without it, or the
    directory is a file.
    """
    above = next(path for path in (dir_images, *dir_images.absolute().parents) if path.exists())
    if not above.is_dir():
        raise UsageError(f"`dir_images` {dir_images}: {above} is not a directory, name another.")
    if force:
        return set()
    existing = set()
    for path, digest in figures:
        content = b""
        with suppress(OSError):
            content = path.read_bytes()
        if description(digest, whole=True).encode() in content:
            existing.add(path)
        elif path.exists() and digest.encode() not in content:
            raise UsageError(
                f"{path} exists and shows something else: overwrite it with `force`, or name "
                "another `dir_images`."
            )
    return existing
