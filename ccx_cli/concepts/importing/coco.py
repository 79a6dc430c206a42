"""COCO's annotations: instances (polygons, run lengths) and panoptic segmentation (PNGs)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ccx_cli.concepts.importing.coco_regions import InstanceRegions, Region, parse_region
from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.sources import (
    Source,
    SourceImage,
    VocabularyBuilder,
)
from ccx_cli.errors import DamagedDataError, MissingInputError

Json = Mapping[str, Any]
Listed = TypeVar("Listed")


def read_coco(
    annotations: Path,
    photographs: Path,
    panoptic: Path | None = None,
    *,
    category: str = "object",
    crowds: bool = True,
) -> Source:
    """Read a JSON of COCO's instances or of its panoptic segmentation, whichever it is.

    Parameters
    ----------
    annotations
        ``instances_val2017.json``, ``panoptic_val2017.json`` or another of their form, LVIS's too.
    photographs
        Their folder; those that are not in it are skipped, and counted in a note.
    panoptic
        The folder of panoptic PNGs; by default the one named like the JSON, beside it.
    category
        Of all concepts, things and stuff.
    crowds
        Whether regions of many instances (``iscrowd``) count as their category; they hold its
        pixels, and some that are not.

    Raises
    ------
    MissingInputError
        If a file or folder is not there, or no photograph is.
    DamagedDataError
        If the JSON is not of that form.
    """
    content = _load(annotations)
    try:
        images = {each["id"]: each for each in content["images"]}
        vocabulary = VocabularyBuilder()
        numbers = {
            each["id"]: vocabulary.number(str(each["name"]), category)
            for each in content["categories"]
        }
        records = content["annotations"]
        labelled: Mapping[object, InstanceRegions | LabelPng]
        if any("segments_info" in each for each in records[:1]):
            kind = "coco panoptic"
            folder = panoptic or annotations.with_suffix("")
            if not folder.is_dir():
                raise MissingInputError(
                    f"The panoptic PNGs of {annotations} are not in {folder}: give their folder "
                    "with `panoptic`."
                )
            labelled = _panoptic(records, numbers, annotations, folder, category, crowds)
        else:
            kind = "coco instances"
            labelled = _instances(records, numbers, images, annotations, category, crowds)
        sourced, missing = _with_photographs(images, labelled, photographs)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedDataError(
            f"{annotations} is not a COCO JSON file of instances or panoptic annotations "
            f"({type(error).__name__}: {error}): give one that is."
        ) from error
    if not sourced:
        raise MissingInputError(
            f"None of the photographs that {annotations} annotates is in {photographs}: give "
            "their folder."
        )
    notes = []
    if missing:
        notes.append(
            f"Skipped {missing:,} of {len(labelled):,} annotated photographs, which are not in "
            f"{photographs}."
        )
    without = len(images) - len(labelled)
    if without:
        notes.append(
            f"Skipped {without:,} of {len(images):,} photographs of {annotations.name}, which have "
            "no annotation."
        )
    return Source(kind, vocabulary.labels(), tuple(sourced), tuple(notes))


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: give the JSON file of annotations."
        ) from error
    except ValueError as error:
        raise DamagedDataError(f"{path} is not JSON ({error}): restore it.") from error
    if not isinstance(content, dict):
        raise DamagedDataError(f"{path} is not a COCO JSON file: give one of annotations.")
    return content


def _panoptic(
    records: Iterable[Json],
    numbers: Mapping[object, int],
    file: Path,
    folder: Path,
    category: str,
    crowds: bool,
) -> dict[object, LabelPng]:
    return {
        record["image_id"]: LabelPng(
            category,
            folder / record["file_name"],
            {0: 0}
            | {
                int(segment["id"]): _listed(numbers, segment, "category", file)
                if crowds or not segment.get("iscrowd")
                else 0
                for segment in record["segments_info"]
            },
            Coding.PANOPTIC,
        )
        for record in records
    }


def _instances(
    records: Iterable[Json],
    numbers: Mapping[object, int],
    images: Mapping[object, Json],
    file: Path,
    category: str,
    crowds: bool,
) -> dict[object, InstanceRegions]:
    regions: dict[object, list[tuple[int, object, Region]]] = {}
    for record in records:
        _listed(images, record, "image", file)
        own = regions.setdefault(record["image_id"], [])
        if crowds or not record.get("iscrowd"):
            region = parse_region(record["segmentation"])
            number = _listed(numbers, record, "category", file)
            own.append((number, record.get("id"), region))
    return {
        image: InstanceRegions(
            category, file, (int(images[image]["height"]), int(images[image]["width"])), tuple(own)
        )
        for image, own in regions.items()
    }


def _listed(listed: Mapping[object, Listed], record: Json, what: str, file: Path) -> Listed:
    """Look up the category or image of an annotation, or of a segment of one."""
    number = record[f"{what}_id"]
    if number not in listed:
        raise DamagedDataError(
            f"{file} has an annotation ({record.get('id')}) of {what} {number}, which it does not "
            "list: restore it, or remove the annotation."
        )
    return listed[number]


def _with_photographs(
    images: Mapping[object, Json],
    labelled: Mapping[object, InstanceRegions | LabelPng],
    folder: Path,
) -> tuple[list[SourceImage], int]:
    """Pair annotations with the photographs that are there; also count those that are not."""
    if not folder.is_dir():
        raise MissingInputError(
            f"The folder {folder} does not exist: give the folder of the photographs."
        )
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    sourced = []
    missing = 0
    for image, annotation in labelled.items():
        record = images[image]
        name = str(record["file_name"] if "file_name" in record else record["coco_url"])
        name = name if name in there else name.rpartition("/")[2]
        if name not in there:
            missing += 1
            continue
        stem = Path(name).with_suffix("").as_posix()
        sourced.append(SourceImage(stem, folder / name, "", (), (annotation,)))
    return sorted(sourced, key=lambda each: each.name), missing
