"""ADE20K's full annotations: objects, parts of several levels, and the scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccx_cli.concepts.importing.label_pngs import Coding, LabelPng
from ccx_cli.concepts.importing.sources import (
    SCENE,
    TRAIN,
    VAL,
    Source,
    SourceImage,
    VocabularyBuilder,
    walk_files,
)
from ccx_cli.concepts.importing.text_files import JsonError, parse_json
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.progress import Progress, SilentProgress

OBJECT, PART = "object", "part"
_SEGMENTATION = "_seg"
_SPLITS = {"training": TRAIN, "train": TRAIN, "validation": VAL, "val": VAL}


class _Names:
    """What the JSONs say of the name indices: full names, and how many objects have each."""

    def __init__(self) -> None:
        self.full: dict[int, str] = {}
        self.counts: dict[str, Counter[int]] = {OBJECT: Counter(), PART: Counter()}

    def add(self, record: Mapping[str, Any]) -> None:
        index, name = int(record["name_ndx"]), str(record["name"]).strip()
        if name in {"", "-"}:
            name = str(record.get("raw_name") or "").strip()
        if index and name:
            self.full.setdefault(index, name)
            level = int(record["parts"]["part_level"])
            self.counts[PART if level else OBJECT][index] += 1

    def short(self) -> dict[int, tuple[str, tuple[str, ...]]]:
        """Name each index by its first synonym; of two that share it, the rarer keeps all."""
        often = self.counts[OBJECT] + self.counts[PART]
        taken: set[str] = set()
        named: dict[int, tuple[str, tuple[str, ...]]] = {}
        for index in sorted(self.full, key=lambda index: (-often[index], index)):
            first, *others = [word.strip() for word in self.full[index].split(",")]
            name = self.full[index] if first in taken else first
            name = f"{name} ({index})" if name in taken else name
            taken.add(name)
            named[index] = name, tuple(filter(None, others))
        return named


def read_ade20k(root: Path, progress: Progress | None = None) -> Source:
    """Read ADE20K as it is published in full (2021), or any part of its folders.

    Beside ``NAME.jpg`` are ``NAME_seg.png``, ``NAME_parts_1.png`` and so on for finer parts, and
    ``NAME.json``. Objects and parts are called by the first of their synonyms; the scene is the
    last word of the JSON's ``scene``, or the name of the folder where it has none.
    """
    progress = progress or SilentProgress()
    ending = f"{_SEGMENTATION}.png"
    files = sorted(walk_files(root))
    segmented = [path for path in files if path.name.endswith(ending)]
    if not segmented:
        raise MissingInputError(
            f"{root} contains no ADE20K annotations (*_seg.png): give the folder of the full "
            "dataset, images/ADE, or import the PNGs of ADEChallengeData2016 with `ccx import "
            "folder`."
        )
    names = _Names()
    scenes: dict[Path, str] = {}
    with progress.task("Reading annotations", len(segmented)) as task:
        for path in segmented:
            stem = path.with_name(path.stem.removesuffix(_SEGMENTATION))
            scenes[stem] = _read_json(stem.with_name(f"{stem.name}.json"), names)
            task.advance()
    vocabulary, numbers = _number(names)
    scene_numbers = {
        scene: vocabulary.number(scene, SCENE) for scene in sorted(set(scenes.values()))
    }
    images = [_image(root, stem, numbers, scene_numbers[scene]) for stem, scene in scenes.items()]
    images.sort(key=lambda each: each.name)
    total = sum(path.suffix == ".jpg" for path in files)
    skipped = total - len(images)
    notes = [f"Skipped {skipped:,} of {total:,} photographs, which have no *{ending}."]
    return Source("ade20k", vocabulary.labels(), tuple(images), tuple(notes if skipped > 0 else ()))


def _read_json(path: Path, names: _Names) -> str:
    """Take in the names of a JSON, and return its scene."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: each *_seg.png needs its JSON beside it, as in the full "
            "ADE20K of 2021."
        ) from error
    try:
        # Some of the published files are Latin-1.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        annotation = parse_json(text)["annotation"]
        for record in annotation["object"]:
            names.add(record)
        scene = annotation.get("scene")
        given = [scene] if isinstance(scene, str) else scene if isinstance(scene, list) else []
        words = [*filter(None, (str(word).strip() for word in given))]
    except JsonError as error:
        raise DamagedDataError(f"{path} {error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedDataError(
            f"{path} is not an ADE20K annotation, with a list annotation.object of records that "
            "have a name, name_ndx and parts: restore it."
        ) from error
    return words[-1] if words else path.parent.name


def _number(names: _Names) -> tuple[VocabularyBuilder, dict[str, dict[int, int]]]:
    """Number the concepts, in each category the commonest first."""
    short = names.short()
    vocabulary = VocabularyBuilder()
    numbers: dict[str, dict[int, int]] = {}
    for category in (OBJECT, PART):
        often = names.counts[category]
        numbers[category] = {
            index: vocabulary.number(short[index][0], category, short[index][1])
            for index in sorted(often, key=lambda index: (-often[index], index))
        }
    # A part seen whole, or a whole seen as a part: named in the other category's JSONs only.
    for category, other in ((OBJECT, PART), (PART, OBJECT)):
        numbers[category] = {0: 0, **numbers[other], **numbers[category]}
    return vocabulary, numbers


def _image(
    root: Path, stem: Path, numbers: Mapping[str, Mapping[int, int]], scene: int
) -> SourceImage:
    photograph = stem.with_name(f"{stem.name}.jpg")
    if not photograph.is_file():
        raise MissingInputError(f"{photograph} is missing: restore the photograph.")
    segmentation = stem.with_name(f"{stem.name}{_SEGMENTATION}.png")
    maps = [LabelPng(OBJECT, segmentation, numbers[OBJECT], Coding.ADE20K)]
    level = 1
    while (parts := stem.with_name(f"{stem.name}_parts_{level}.png")).is_file():
        maps.append(LabelPng(PART, parts, numbers[PART], Coding.ADE20K))
        level += 1
    inside = stem.relative_to(root)
    # Above the given folder too: it may be the one of the training images.
    above = (part.lower() for part in reversed(stem.absolute().parts[:-1]))
    split = next((_SPLITS[part] for part in above if part in _SPLITS), "")
    return SourceImage(
        inside.name if stem.name.startswith("ADE_") else inside.as_posix(),
        photograph,
        split,
        ((SCENE, scene),),
        tuple(maps),
    )
