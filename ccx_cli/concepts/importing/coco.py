"""COCO's annotations: instances (polygons, run lengths) and panoptic segmentation (PNGs)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ccx_cli.concepts.importing.coco_regions import (
    Bounds,
    Instance,
    InstanceRegions,
    damaged_region,
    parse_region,
    parse_size,
)
from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.names_file import means_nothing
from ccx_cli.concepts.importing.sources import (
    PICTURES,
    Annotation,
    Source,
    SourceImage,
    VocabularyBuilder,
    loosely,
    name_in,
    walk_files,
)
from ccx_cli.concepts.importing.text_files import JsonError, parse_json
from ccx_cli.errors import DamagedDataError, MissingInputError

Json = Mapping[str, Any]


def read_coco(
    annotations: Path,
    photographs: Path,
    panoptic: Path | None = None,
    *,
    category: str = "object",
    stuff: str | None = None,
    crowds: bool = True,
) -> Source:
    """Read a JSON of COCO's instances or of its panoptic segmentation, whichever it is.

    ``stuff`` is the category of what panoptic segmentation does not count as a thing (``isthing``),
    ``None`` for the same. Photographs that are not in their folder are skipped, and counted in a
    note. With ``crowds``, regions of many instances (``iscrowd``) count as their category: they
    hold its pixels, and some that are not.
    """
    coco = _Coco(annotations, _load(annotations), category, stuff or category, crowds)
    if coco.is_panoptic:
        kind = "coco panoptic"
        folder = panoptic or annotations.with_suffix("")
        if not folder.is_dir():
            raise MissingInputError(
                f"The panoptic PNGs of {annotations} are not in {folder}: give their folder "
                "with `panoptic`."
            )
        labelled: Mapping[str, tuple[Annotation, ...]] = coco.panoptic(folder)
    else:
        kind = "coco instances"
        labelled = coco.instances()
    sourced = coco.with_photographs(labelled, photographs)
    if not sourced:
        raise MissingInputError(
            f"None of the photographs that {annotations} annotates is in {photographs}"
            f"{coco.missing}: give their folder, or make the names the same."
        )
    notes = coco.notes
    if len(sourced) < len(labelled):
        notes.append(
            f"Skipped {len(labelled) - len(sourced):,} of {len(labelled):,} annotated "
            f"photographs, which are not in {photographs}{coco.missing}."
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
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: give the JSON file of annotations."
        ) from error
    except JsonError as error:
        raise DamagedDataError(f"{path} {error}.") from error
    if not isinstance(content, dict):
        raise DamagedDataError(f"{path} is not a COCO JSON file: give one of annotations.")
    return content


class _Coco:
    """The content of a JSON: images and label numbers by their ids as text, and the annotations."""

    def __init__(self, file: Path, content: Json, category: str, stuff: str, crowds: bool) -> None:
        self.vocabulary = VocabularyBuilder()
        self.notes: list[str] = []
        self.missing = ""
        """The name of a photograph that is missing, at best one that is almost there."""

        self._file = file
        self._content = content
        self._category = category
        self._stuff = stuff
        self._crowds = crowds
        self.images: dict[str, Json] = {}
        for where, record in self._list("images"):
            self._add(self.images, where, record, record)
        self._numbers: dict[str, int] = {}
        self._categories: dict[str, str] = {}
        self._read_categories()
        first = next(self._list("annotations"), None)
        if first is None:
            raise DamagedDataError(f"{file} has no annotations: give a JSON file that has some.")
        self.is_panoptic = "segments_info" in first[1]

    def panoptic(self, folder: Path) -> dict[str, tuple[LabelPng, ...]]:
        """Return the PNG of each image, once for each category."""
        files = _Files(folder)
        labelled: dict[str, tuple[LabelPng, ...]] = {}
        categories = dict.fromkeys((self._category, self._stuff))
        for where, record in self._list("annotations"):
            image = self._find(self.images, record, "image", where)
            name = self._text(record, "file_name", where)
            numbers = {category: {0: 0} for category in categories}
            for segment_at, segment in self._list("segments_info", record, where):
                code = segment.get("id")
                if type(code) is not int or code in numbers[self._category]:
                    raise self._damaged(
                        segment_at, f"{code!r} is no id of its own, from 1", "correct it"
                    )
                key = self._find(self._numbers, segment, "category", segment_at)
                number = self._numbers[key] if self._crowds or not _is_crowd(segment) else 0
                for category, own in numbers.items():
                    own[code] = number if category == self._categories[key] else 0
            if image in labelled:
                raise self._damaged(where, "its image has another record", "remove one of them")
            path = files.find(name) or folder / name
            labelled[image] = tuple(
                LabelPng(category, path, own, Coding.PANOPTIC) for category, own in numbers.items()
            )
        return labelled

    def instances(self) -> dict[str, tuple[InstanceRegions, ...]]:
        """Return the regions of each image; annotations without one are counted in a note."""
        found: dict[str, list[Instance]] = {}
        shapes: dict[str, tuple[int, int]] = {}
        records = list(self._list("annotations"))
        without = [where for where, record in records if not record.get("segmentation")]
        if len(without) == len(records):
            raise DamagedDataError(
                f"{self._file} has no regions, and boxes alone do not label pixels: give a file "
                "with polygons or run lengths."
            )
        if without:
            self.notes.append(
                f"Skipped {len(without):,} of {len(records):,} annotations, which have no region, "
                f"such as {without[0]}."
            )
        for where, record in records:
            image = self._find(self.images, record, "image", where)
            number = self._numbers[self._find(self._numbers, record, "category", where)]
            own = found.setdefault(image, [])
            if image not in shapes:
                shapes[image] = self._shape(image)
            segmentation = record.get("segmentation")
            if segmentation and number and (self._crowds or not _is_crowd(record)):
                try:
                    region = parse_region(segmentation, *shapes[image])
                except ValueError as error:
                    raise damaged_region(self._file, where, error) from error
                own.append(Instance(number, where, region, _parse_box(record.get("bbox"))))
        return {
            image: (InstanceRegions(self._category, self._file, shapes[image], tuple(own)),)
            for image, own in found.items()
        }

    def with_photographs(
        self, labelled: Mapping[str, tuple[Annotation, ...]], folder: Path
    ) -> list[SourceImage]:
        """Pair annotations with the photographs that are there, by name."""
        if not folder.is_dir():
            raise MissingInputError(
                f"The folder {folder} does not exist: give the folder of the photographs."
            )
        files = _Files(folder)
        owners: dict[Path, str] = {}
        sourced = []
        for image, record in self.images.items():
            by_url = not record.get("file_name") and "coco_url" in record
            key = "coco_url" if by_url else "file_name"
            name = self._text(record, key, f"image {image}")
            path = files.find(name)
            if path is None:
                near = files.near(name)
                if image in labelled and (near or not self.missing):
                    self.missing = f", such as {name!r}" + (f" (there is {near})" if near else "")
                continue
            owner = owners.setdefault(path, image)
            if owner != image and not labelled.keys().isdisjoint((owner, image)):
                raise DamagedDataError(
                    f"{self._file} has two images, {owner} and {image}, for {path}: give the "
                    "folder that contains both photographs, or remove one of the images."
                )
            if image in labelled:
                sourced.append(SourceImage(name_in(folder, path), path, "", (), labelled[image]))
        return sorted(sourced, key=lambda each: each.name)

    def _read_categories(self) -> None:
        names: dict[str, str] = {}
        spellings: dict[str, str] = {}
        for where, record in self._list("categories"):
            name = self._text(record, "name", where)
            self._add(names, where, record, name)
            known = spellings.setdefault(" ".join(unicodedata.normalize("NFC", name).split()), name)
            if known != name:
                fault = f"{name!r} and {known!r} differ only in spaces or in their Unicode form"
                raise self._damaged(where, fault, "give them one name, or two")
            number = 0
            category = self._stuff if record.get("isthing") == 0 else self._category
            if not means_nothing(name):
                number = self.vocabulary.number(name, category)
                if list(names.values()).count(name) == 2:
                    self.notes.append(f"Two categories are called {name}: they are one concept.")
            key = self._id(record, "id", where)
            self._numbers[key], self._categories[key] = number, category
        nothing = sorted({name for name in names.values() if means_nothing(name)})
        if nothing:
            self.notes.append(f"Categories that mean no label are left out: {', '.join(nothing)}.")

    def _list(
        self, key: str, content: Json | None = None, inside: str = ""
    ) -> Iterator[tuple[str, Json]]:
        """Yield the records of a list, and how to call each in an error."""
        records = (self._content if content is None else content).get(key)
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            where = f"{key} of {inside}" if inside else key
            raise DamagedDataError(
                f"{self._file} is not a COCO JSON file of instances or panoptic annotations "
                f"({where} must be a list of objects): give one that is."
            )
        for index, record in enumerate(records):
            where = f"{key}[{index}]" + (f" of {inside}" if inside else "")
            yield (f"{where} (id {record['id']!s:.40})" if "id" in record else where), record

    def _add(self, known: dict[str, Any], where: str, record: Json, value: object) -> None:
        """Add a record by its id, which it may share only with a record that says the same."""
        key = self._id(record, "id", where)
        if known.setdefault(key, value) != value:
            raise self._damaged(where, "another one has its id", "give each an id of its own")

    def _id(self, record: Json, key: str, where: str) -> str:
        value = record.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) not in {int, str} or not str(value).strip():
            raise self._damaged(where, f"its {key} is {value!r:.40}", "give it a number or a text")
        return str(value).strip()

    def _find(self, listed: Mapping[str, object], record: Json, what: str, where: str) -> str:
        """Return the id of the image or category that a record is of."""
        key = self._id(record, f"{what}_id", where)
        if key not in listed:
            raise self._damaged(
                where,
                f"the file does not list its {what} {key:.40}",
                "restore it, or remove this record",
            )
        return key

    def _text(self, record: Json, key: str, where: str) -> str:
        value = record.get(key)
        text = str(value) if type(value) in {int, str} else ""
        if not text.strip() or "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
            raise self._damaged(where, f"its {key} is {value!r}", "give it a text")
        return text

    def _shape(self, image: str) -> tuple[int, int]:
        record = self.images[image]
        try:
            return parse_size(record.get("height"), record.get("width"))
        except ValueError as error:
            fault = f"its height and width are not those of a picture ({error})"
            raise self._damaged(f"image {image}", fault, "correct them") from error

    def _damaged(self, where: str, fault: str, fix: str) -> DamagedDataError:
        return DamagedDataError(f"{self._file}, {where}: {fault}; {fix}.")


class _Files:
    """The files below a folder, by names that others gave them."""

    def __init__(self, folder: Path) -> None:
        self._exact: dict[str, Path] = {}
        self._composed: dict[str, Path] = {}
        self._loose: dict[str, Path] = {}
        for path in sorted(walk_files(folder)):
            name = path.relative_to(folder).as_posix()
            self._exact[name] = path
            self._composed.setdefault(unicodedata.normalize("NFC", name), path)
            if path.suffix.lower() in PICTURES:
                self._loose.setdefault(loosely(name), path)

    def find(self, name: str) -> Path | None:
        """Return the file of a name, or of the most of its end that a file here is called.

        The name may have been written on another system: with backslashes, folders that are not
        here, or letters in another Unicode form.
        """
        if name in self._exact:
            return self._exact[name]
        parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self._composed[end] for end in ends if end in self._composed), None)

    def near(self, name: str) -> Path | None:
        """Return a picture whose name differs in case, blanks, ``%20`` or the ending only."""
        return self._loose.get(loosely(name.replace("\\", "/")))


def _is_crowd(record: Json) -> bool:
    return str(record.get("iscrowd") or 0).strip().lower() not in {"", "0", "false"}


def _parse_box(box: object) -> Bounds | None:
    """Return a ``bbox`` of four numbers; regions do not need one."""
    if not isinstance(box, list) or len(box) != 4:
        return None
    try:
        return float(box[0]), float(box[1]), float(box[2]), float(box[3])
    except (TypeError, ValueError, OverflowError):
        return None
