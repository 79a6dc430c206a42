"""COCO's annotations: instances (polygons, run lengths) and panoptic segmentation (PNGs)."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from ccx_cli.concepts.importing.coco_regions import InstanceRegions, Region, parse_region
from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.sources import (
    Annotation,
    Source,
    SourceImage,
    VocabularyBuilder,
)
from ccx_cli.errors import DamagedDataError, MissingInputError

Json = Mapping[str, Any]


def read_coco(
    annotations: Path,
    photographs: Path,
    panoptic: Path | None = None,
    *,
    category: str = "object",
    crowds: bool = True,
) -> Source:
    """Read a JSON of COCO's instances or of its panoptic segmentation, whichever it is.

    Photographs that are not in their folder are skipped, and counted in a note. With ``crowds``,
    regions of many instances (``iscrowd``) count as their category: they hold its pixels, and some
    that are not.
    """
    content = _load(annotations)
    try:
        coco = _Coco(annotations, content, category, crowds)
        if any("segments_info" in each for each in coco.records[:1]):
            kind = "coco panoptic"
            folder = panoptic or annotations.with_suffix("")
            if not folder.is_dir():
                raise MissingInputError(
                    f"The panoptic PNGs of {annotations} are not in {folder}: give their folder "
                    "with `panoptic`."
                )
            labelled: Mapping[object, Annotation] = coco.panoptic(folder)
        else:
            kind = "coco instances"
            labelled = coco.instances()
        sourced = coco.with_photographs(labelled, photographs)
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
    if len(sourced) < len(labelled):
        notes.append(
            f"Skipped {len(labelled) - len(sourced):,} of {len(labelled):,} annotated "
            f"photographs, which are not in {photographs}."
        )
    without = len(coco.images) - len(labelled)
    if without:
        notes.append(
            f"Skipped {without:,} of {len(coco.images):,} photographs of {annotations.name}, which "
            "have no annotation."
        )
    return Source(kind, coco.vocabulary.labels(), tuple(sourced), tuple(notes))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: give the JSON file of annotations."
        ) from error
    except ValueError as error:
        raise DamagedDataError(f"{path} is not JSON ({error}): restore it.") from error
    if not isinstance(content, dict):
        raise DamagedDataError(f"{path} is not a COCO JSON file: give one of annotations.")
    return content


class _Coco:
    """The content of a JSON: images and label numbers by their ids, and the annotations."""

    def __init__(self, file: Path, content: Json, category: str, crowds: bool) -> None:
        self.images: dict[object, Json] = {each["id"]: each for each in content["images"]}
        self.vocabulary = VocabularyBuilder()
        self._numbers = {
            each["id"]: self.vocabulary.number(str(each["name"]), category)
            for each in content["categories"]
        }
        self.records: list[Json] = content["annotations"]
        self._file = file
        self._category = category
        self._crowds = crowds

    def panoptic(self, folder: Path) -> dict[object, LabelPng]:
        """Return the PNG of each image."""
        labelled = {}
        for record in self.records:
            numbers = {0: 0}
            for segment in record["segments_info"]:
                wanted = self._crowds or not segment.get("iscrowd")
                numbers[int(segment["id"])] = self._number(segment) if wanted else 0
            labelled[record["image_id"]] = LabelPng(
                self._category, folder / record["file_name"], numbers, Coding.PANOPTIC
            )
        return labelled

    def instances(self) -> dict[object, InstanceRegions]:
        """Return the regions of each image."""
        regions: dict[object, list[tuple[int, object, Region]]] = {}
        for record in self.records:
            self._require(self.images, record, "image")
            own = regions.setdefault(record["image_id"], [])
            if self._crowds or not record.get("iscrowd"):
                region = parse_region(record["segmentation"])
                own.append((self._number(record), record.get("id"), region))
        labelled = {}
        for image, own in regions.items():
            shape = int(self.images[image]["height"]), int(self.images[image]["width"])
            labelled[image] = InstanceRegions(self._category, self._file, shape, tuple(own))
        return labelled

    def with_photographs(
        self, labelled: Mapping[object, Annotation], folder: Path
    ) -> list[SourceImage]:
        """Pair annotations with the photographs that are there, by name."""
        if not folder.is_dir():
            raise MissingInputError(
                f"The folder {folder} does not exist: give the folder of the photographs."
            )
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        sourced = []
        for image, annotation in labelled.items():
            record = self.images[image]
            name = str(record["file_name"] if "file_name" in record else record["coco_url"])
            name = name if name in there else name.rpartition("/")[2]
            if name in there:
                stem = Path(name).with_suffix("").as_posix()
                sourced.append(SourceImage(stem, folder / name, "", (), (annotation,)))
        return sorted(sourced, key=lambda each: each.name)

    def _number(self, record: Json) -> int:
        """Return the label number of an annotation, or of a segment of one."""
        self._require(self._numbers, record, "category")
        return self._numbers[record["category_id"]]

    def _require(self, listed: Container[object], record: Json, what: str) -> None:
        number = record[f"{what}_id"]
        if number not in listed:
            raise DamagedDataError(
                f"{self._file} has an annotation ({record.get('id')}) of {what} {number}, which it "
                "does not list: restore it, or remove the annotation."
            )
