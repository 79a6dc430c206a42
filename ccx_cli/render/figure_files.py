"""Files of figures: what they are called, and which of them are there already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ccx_cli.errors import UsageError
from ccx_cli.render.canvas import fingerprint, is_same_figure
from ccx_cli.render.kinds import FileType, Kind
from ccx_cli.store.lines import Record

if TYPE_CHECKING:
    from ccx_cli.runs.viewed import ViewedRun
    from ccx_cli.study.unit_images import Show

_FIELD = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Drawing:
    """How figures are to be.

    Attributes
    ----------
    kind
        What they show.
    show, top_k, seed
        Which images; see ``UnitImages.choose``.
    file_type
        In what form they are written.
    """

    kind: Kind
    show: Show
    top_k: int
    seed: int
    file_type: FileType

    def digest(self, run: ViewedRun, records: Sequence[Record]) -> str:
        """Return a digest of everything that a figure of these records shows."""
        images = (self.show, self.top_k, self.seed)
        return fingerprint(
            kind=self.kind,
            file_type=self.file_type,
            images=images if self.kind in {Kind.PANEL, Kind.PUBLISHED} else None,
            run=[run.identity, run.about.get("model"), run.about.get("subset")],
            records=records,
        )


def figure_names(
    pattern: str | None, drawing: Drawing, units: Mapping[int, Sequence[Record]]
) -> dict[int, str]:
    """Name every unit's file; a figure of all units has the name of any.

    Parameters
    ----------
    pattern
        With ``{unit}``, ``{k}``, ``{show}`` and ``{kind}`` in it, without an ending; the kind's own
        if ``None``.
    drawing
        What is drawn.
    units
        The records of every unit.

    Raises
    ------
    UsageError
        If the pattern has another field, names a folder, or gives several figures one name.
    """
    stem = drawing.kind.stem if pattern is None else pattern
    if "/" in stem or "\\" in stem or not stem.strip(". "):
        raise UsageError(
            f"--filename-figure {stem} is no file's name: the directory is --dir-images."
        )
    known = {"show": drawing.show.value, "kind": drawing.kind.value}
    if drawing.kind.of_one_unit:
        known |= {"unit": "", "k": ""}
    for field in _FIELD.findall(stem):
        if field not in known:
            fields = ", ".join(f"{{{name}}}" for name in sorted(known))
            raise UsageError(
                f"--filename-figure {stem} has {{{field}}}: what is filled in for this kind is "
                f"{fields}."
            )
    if drawing.kind.of_one_unit and len(units) > 1 and "{unit}" not in stem:
        raise UsageError(
            f"--filename-figure {stem} is one name for {len(units):,} units: put {{unit}} in it."
        )
    names = {}
    for unit, records in units.items():
        filled = stem
        for field, value in (known | {"unit": unit, "k": _clusters(records)}).items():
            filled = filled.replace(f"{{{field}}}", str(value))
        names[unit] = f"{filled}.{drawing.file_type}"
    return names


def _clusters(records: Sequence[Record]) -> int:
    """Return the ranges that were asked for."""
    asked = records[0].get("num_clusters")
    return asked if isinstance(asked, int) else records[0]["num_ranges"]


def check_places(figures: Sequence[tuple[Path, str]], directory: Path, *, force: bool) -> set[Path]:
    """Find the figures that are there already, as they would be drawn again.

    Parameters
    ----------
    figures
        Path and digest of each.
    directory
        Where they are to be.
    force
        Draw over whatever is there; then none is left as it is.

    Raises
    ------
    UsageError
        If something else is there without ``force``, or the directory cannot be one.
    """
    above = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    if not above.is_dir():
        raise UsageError(f"--dir-images {directory}: {above} is no directory, name another.")
    if force:
        return set()
    there = set()
    for path, digest in figures:
        if is_same_figure(path, digest, whole=True):
            there.add(path)
        elif path.exists() and not is_same_figure(path, digest, whole=False):
            raise UsageError(
                f"{path} is there already and shows something else: add --force to overwrite it, "
                "or name another --dir-images."
            )
    return there
