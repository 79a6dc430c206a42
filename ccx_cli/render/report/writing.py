"""Writes the report: one file, or a directory with the pictures beside the page."""

from __future__ import annotations

import io
import json
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from ccx_cli.errors import CcxError, UsageError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.metrics import Metrics
from ccx_cli.render.overlay import read_picture
from ccx_cli.render.report.page import data_element, document, safe_json
from ccx_cli.render.report.payload import finite, payload_of_run
from ccx_cli.render.report.unit_part import (
    Choice,
    UnitPart,
    concept_part,
    concepts_named,
    image_parts,
    unit_part,
)
from ccx_cli.runs.findings import by_surprise
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.store.atomic import move_directory_into_place, naming, replacing
from ccx_cli.threads import threads

PAGE = "index.html"
THUMBNAIL_SIDE = 224
LIST = "report-files.json"
_LARGE = 40_000_000
_QUALITY = 78
_NO_FOLDER = {".csv", ".gif", ".jpeg", ".jpg", ".json", ".jsonl", ".md", ".pdf", ".png", ".svg"}


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """The page to open, the bytes of all its files, and sentences on what it lacks."""

    page: Path
    size: int
    problems: tuple[str, ...]


def is_one_file(html: Path) -> bool:
    """Return whether a report at this path is one file, rather than a directory."""
    return html.suffix.lower() in {".html", ".htm"}


def check_report_path(html: Path, force: bool) -> None:
    """Raise ``UsageError`` where no report can be written, or where other files would be lost."""
    fault, is_there = "", html.exists()
    if is_one_file(html):
        if html.is_dir():
            fault = "is a directory: name a file, or a directory without .html"
    elif html.suffix.lower() in _NO_FOLDER:
        fault = "is neither an .html file nor a directory: end the name in .html"
    elif is_there and not html.is_dir():
        fault = "is a file: end the name in .html, or name a directory"
    elif is_there:
        others = _files_in(html) - _listed_in(html)
        is_there = any(html.iterdir())
        if others:
            fault = f"contains other files than a report ({min(others)}): name a new directory"
    if fault:
        raise UsageError(f"`html` {html} {fault}.")
    if is_there and not force:
        raise UsageError(f"{html} exists: overwrite it with `force`.")


def write_report(
    inputs: RunInputs,
    html: Path,
    *,
    units: Sequence[int],
    choice: Choice | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    force: bool = False,
) -> WrittenReport:
    """Write the report of some units of a run; without its caches, it has no pictures.

    ``html`` is a file that ends in ``.html``, or a directory. Raises ``UsageError`` if it exists
    and may not be replaced.
    """
    check_report_path(html, force)
    choice, progress = choice or Choice(), progress or SilentProgress()
    inputs = inputs.against_chance()
    html.absolute().parent.mkdir(parents=True, exist_ok=True)
    above = html.absolute().parent
    with naming(html), TemporaryDirectory(dir=above, prefix=f".{html.name}.") as made:
        folder = Path(made) / "report"
        (folder / "data").mkdir(parents=True)
        (folder / "images").mkdir()
        one_file = is_one_file(html)
        payload, images = _write_parts(inputs, folder, units, choice, workers, progress)
        payload["parts"] = "inside" if one_file else "beside"
        if one_file:
            with replacing(html) as beside, beside.open("w", encoding="utf-8") as text:
                text.writelines(
                    document(inputs.run.called, payload, _inside(folder, images), in_folder=False)
                )
            size = html.stat().st_size
        else:
            with (folder / PAGE).open("w", encoding="utf-8") as text:
                text.writelines(document(inputs.run.called, payload, (), in_folder=True))
            files = [*sorted(_files_in(folder)), LIST]
            (folder / LIST).write_text(json.dumps(files, indent=0) + "\n", encoding="utf-8")
            size = sum((folder / name).stat().st_size for name in files)
            ready = html.absolute().with_name(f"{Path(made).name}.ready")
            folder.rename(ready)
            try:
                move_directory_into_place(ready, html.absolute())
            finally:
                shutil.rmtree(ready, ignore_errors=True)
    if one_file and size > _LARGE:
        progress.note(
            f"{html} has {size / 1e6:,.0f} MB: as a directory, {html.with_suffix('')}, it "
            "opens faster."
        )
    page, problems = html if one_file else html / PAGE, payload["notes"][len(inputs.run.notes) :]
    for problem in problems:
        progress.note(problem)
    progress.note(f"{page} ({size / 1e6:,.1f} MB): open it in a browser.")
    return WrittenReport(page, size, tuple(problems))


def _write_parts(
    inputs: RunInputs,
    folder: Path,
    units: Sequence[int],
    choice: Choice,
    workers: int,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, Sequence[int]]]:
    """Write units, concepts and pictures under ``folder``."""
    notes: list[str] = []
    metrics: dict[tuple[int, int | None], Metrics] = {}
    images: dict[str, Sequence[int]] = {}
    concepts: dict[int, set[int]] = {}

    def write(name: str, content: dict[str, Any]) -> None:
        text = f"ccxPart({safe_json(name)},{safe_json(finite(content))});\n"
        (folder / "data" / f"{name}.js").write_text(text, encoding="ascii")

    visible = _with_maps(inputs, units, notes)
    with progress.task("Report", len(visible), unit="units") as task:
        for part in _parts(inputs, visible, choice, workers, notes):
            write(f"unit-{part.unit}", part.content)
            images[f"unit-{part.unit}"] = list(part.concepts)
            for image, numbers in part.concepts.items():
                concepts.setdefault(image, set()).update(numbers)
            metrics |= {(part.unit, cluster): one for cluster, one in part.metrics.items()}
            task.advance()
    records = [record for unit in units for record in inputs.run.units[unit]]
    if images:
        named = {number for record in records for number in concepts_named(record)}
        for number in sorted(named & set(inputs.index.concepts.tolist())):
            content, shown = concept_part(number, inputs, choice.top_k)
            write(f"concept-{number}", content)
            images[f"concept-{number}"] = shown
            for image in shown:
                concepts.setdefault(image, set()).add(number)
    for image, content in image_parts(inputs, concepts).items():
        write(f"image-{image}", content)
    unread = _write_pictures(inputs, folder, sorted(concepts), workers, notes)
    payload = payload_of_run(inputs, units, metrics, notes)
    # What the page shows first is embedded first.
    first = (f"unit-{record.unit}" for record in by_surprise(records))
    ordered = [name for name in dict.fromkeys([*first, *images]) if name in images]
    payload["pictures"] = {
        "parts": ordered,
        "missing": unread,
        "shows": [show.value for show in choice.shows],
        "shape": list(inputs.index.mask_shape) if images else None,
    }
    return payload, {name: images[name] for name in ordered}


def _with_maps(inputs: RunInputs, units: Sequence[int], notes: list[str]) -> list[int]:
    """Open what pictures need and return the units that have maps; note why others have none."""
    try:
        _, _, activations = inputs.dataset, inputs.index, inputs.activations
    except CcxError as error:
        notes.append(f"The report has no pictures, histograms or metrics: {error}")
        return []
    beyond = [unit for unit in units if unit >= activations.units]
    if beyond:
        notes.append(
            f"Units {beyond[0]} and above have no pictures: the layer has {activations.units:,} "
            "units."
        )
    return [unit for unit in units if unit < activations.units]


def _parts(
    inputs: RunInputs, units: Sequence[int], choice: Choice, workers: int, notes: list[str]
) -> Iterator[UnitPart]:
    """Compute the parts of units in order, a few at a time; damage ends this with a note."""
    done = 0
    with threads(workers) as pool:
        try:
            for start in range(0, len(units), 2 * workers):
                some = units[start : start + 2 * workers]
                for part in pool.map(partial(unit_part, inputs=inputs, choice=choice), some):
                    yield part
                    done += 1
        except CcxError as error:
            notes.append(f"Unit {units[done]} and later ones have no pictures: {error}")


def _write_pictures(
    inputs: RunInputs, folder: Path, images: Sequence[int], workers: int, notes: list[str]
) -> list[int]:
    """Write thumbnails and return the images that cannot be read."""
    failed: dict[int, CcxError] = {}

    def work(image: int) -> None:
        try:
            picture = thumbnail(inputs.dataset.image_path(inputs.dataset.rows[image].image))
        except CcxError as error:
            failed[image] = error
        else:
            (folder / "images" / f"{image}.jpg").write_bytes(picture)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, images))
    if failed:
        notes.append(f"{len(failed):,} pictures cannot be read: {failed[min(failed)]}")
    return sorted(failed)


def thumbnail(path: Path) -> bytes:
    """Return an image as a JPEG whose longer side is at most ``THUMBNAIL_SIDE`` pixels.

    Raises ``MissingInputError`` or ``DamagedDataError`` if it is missing or not readable.
    """
    picture = Image.fromarray(read_picture(path))
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()


def _inside(folder: Path, images: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """Yield the parts under ``folder`` as elements of the page, each before its images."""

    def element(name: str) -> str:
        text = (folder / "data" / f"{name}.js").read_text(encoding="ascii")
        return data_element(
            name, text.removeprefix(f"ccxPart({safe_json(name)},").removesuffix(");\n")
        )

    seen: set[int] = set()
    for name, some in images.items():
        yield element(name)
        for image in [image for image in some if image not in seen]:
            yield element(f"image-{image}")
            path = folder / "images" / f"{image}.jpg"
            if path.exists():
                picture = b64encode(path.read_bytes()).decode()
                yield data_element(f"picture-{image}", picture, "text/plain")
        seen.update(some)


def _files_in(folder: Path) -> set[str]:
    """Return the paths of everything under a folder that is no folder, relative to it."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _listed_in(folder: Path) -> set[str]:
    """Return the files that a report in a folder says are its own; none without such a list."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
