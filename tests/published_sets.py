"""Makes small archives of exactly the layout that the public labeled sets have."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 64, 96
LEFT, RIGHT = np.s_[:, : WIDTH // 2], np.s_[:, WIDTH // 2 :]
TOP = np.s_[: HEIGHT // 4]


def photograph(number: int) -> bytes:
    """Draw a photograph: noise over a left and a right half of colors of its own."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 60, (HEIGHT, WIDTH, 3))
    pixels[LEFT] += random.integers(0, 190, 3)
    pixels[RIGHT] += random.integers(0, 190, 3)
    written = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(written, "JPEG", quality=95)
    return written.getvalue()


def png(values: NDArray[Any], mode: str = "L") -> bytes:
    """Write label values as a PNG: gray, a palette's indices, or RGB."""
    picture = Image.fromarray(values.astype(np.uint8))
    if mode == "P":
        picture.putpalette([level for index in range(256) for level in (index, 0, 255 - index)])
    written = io.BytesIO()
    (picture.convert(mode) if mode == "LA" else picture).save(written, "PNG")
    return written.getvalue()


def halves(left: int, right: int, top: int | None = None) -> NDArray[np.int64]:
    """Label the left half, the right one, and the upper quarter of both, if given."""
    values = np.full((HEIGHT, WIDTH), left)
    values[RIGHT] = right
    if top is not None:
        values[TOP] = top
    return values


def zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def tarred(files: Mapping[str, bytes], packed: bool = False) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz" if packed else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def ade() -> dict[str, bytes]:
    root = "ADEChallengeData2016"
    info = (
        "Idx\tRatio\tTrain\tVal\tName\n1\t0.1576\t11664\t1172\twall\n"
        "2\t0.1072\t6046\t612\tbuilding, edifice\n3\t0.0878\t8265\t796\tsky\n"
        "22 \t0.0074\t709\t75\twater\n"
    )
    files = {f"{root}/objectInfo150.txt": info.encode()}
    scenes = []
    for number in range(1, 7):
        part, stem = ("training", f"ADE_train_{number:08}")
        if number > 4:
            part, stem = "validation", f"ADE_val_{number - 4:08}"
        files[f"{root}/images/{part}/{stem}.jpg"] = photograph(number)
        values = halves(1 + number % 3, 22, top=0)
        files[f"{root}/annotations/{part}/{stem}.png"] = png(values)
        scenes.append(f"{stem} {'street' if number % 2 else 'airport_terminal'}\n")
    files[f"{root}/sceneCategories.txt"] = "".join(scenes).encode()
    return {"ADEChallengeData2016.zip": zipped(files)}


def _val2017() -> dict[str, bytes]:
    files = {f"val2017/{number:012}.jpg": photograph(number) for number in range(1, 5)}
    return {"val2017.zip": zipped(files)}


def coco_panoptic() -> dict[str, bytes]:
    categories = [
        {"id": 1, "name": "person", "supercategory": "person", "isthing": 1, "color": [9, 9, 9]},
        {"id": 17, "name": "cat", "supercategory": "animal", "isthing": 1, "color": [8, 9, 9]},
        {"id": 187, "name": "sky-other-merged", "supercategory": "sky", "isthing": 0},
        {"id": 193, "name": "grass-merged", "supercategory": "plant", "isthing": 0},
    ]
    images, annotations, maps = [], [], {}
    for number in range(1, 5):
        name = f"{number:012}"
        images.append({"id": number, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH})
        ids = (3_226_956 + number, 6_979_964)
        segments = [
            {"id": ids[0], "category_id": 1 if number % 2 else 17, "iscrowd": 0},
            {"id": ids[1], "category_id": 187 if number % 2 else 193, "iscrowd": 0},
        ]
        codes = halves(*ids, top=0)
        colors = np.stack([codes % 256, codes // 256 % 256, codes // 65536], axis=-1)
        maps[f"panoptic_val2017/{name}.png"] = png(colors)
        maps[f"__MACOSX/panoptic_val2017/._{name}.png"] = b"fork"
        annotations.append(
            {"image_id": number, "file_name": f"{name}.png", "segments_info": segments}
        )
    content = {"images": images, "annotations": annotations, "categories": categories}
    files = {
        "annotations/panoptic_train2017.json": b"{}",
        "annotations/panoptic_val2017.json": json.dumps(content).encode(),
        "annotations/panoptic_train2017.zip": zipped({"panoptic_train2017/1.png": b"unread"}),
        "annotations/panoptic_val2017.zip": zipped(maps),
    }
    return {**_val2017(), "panoptic_annotations_trainval2017.zip": zipped(files)}


def coco_stuff() -> dict[str, bytes]:
    files = {"train2017/000000000009.png": png(halves(0, 91))}
    for number in range(1, 5):
        # 0 is person and 16 cat, 123 grass and 156 sky-other, 255 nothing.
        values = halves(0 if number % 2 else 16, 123 if number % 2 else 156, top=255)
        files[f"val2017/{number:012}.png"] = png(values)
    return {**_val2017(), "stuffthingmaps_trainval2017.zip": zipped(files)}


def voc(images: int = 5) -> dict[str, bytes]:
    root = "VOCdevkit/VOC2012"
    stems = [f"2007_{number:06}" for number in range(1, images + 1)]
    files = {f"{root}/JPEGImages/{stem}.jpg": photograph(i) for i, stem in enumerate(stems)}
    files[f"{root}/JPEGImages/2008_000001.jpg"] = photograph(99)
    for index, stem in enumerate(stems):
        values = halves(15 if index % 2 else 8, 0, top=255)
        files[f"{root}/SegmentationClass/{stem}.png"] = png(values, "P")
    for split, own in (("train", stems[:3]), ("val", stems[3:]), ("trainval", stems)):
        files[f"{root}/ImageSets/Segmentation/{split}.txt"] = "".join(
            f"{stem}\n" for stem in own
        ).encode()
    return {"VOCtrainval_11-May-2012.tar": tarred(files)}


def _struct(**fields: Any) -> NDArray[np.void]:
    """Make the struct array that MATLAB has for lists of fields, one for each element."""
    count = len(next(iter(fields.values())))
    array = np.zeros((1, count), dtype=[(name, "O") for name in fields])
    for name, values in fields.items():
        for index, value in enumerate(values):
            array[name][0, index] = value
    return array


def pascal_parts(part: str = "lfuleg") -> dict[str, bytes]:
    mats, photographs = {}, {}
    root = "VOCdevkit/VOC2010"
    stems = [f"2008_{number:06}" for number in range(1, 6)]
    for number, stem in enumerate(stems):
        photographs[f"{root}/JPEGImages/{stem}.jpg"] = photograph(number)
        masks = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(4)]
        masks[0][LEFT] = masks[1][RIGHT] = 1
        masks[2][TOP] = masks[0][TOP]
        masks[3][20:28, 24:32] = 1
        parts = _struct(part_name=["head", "reye", part], mask=[masks[2], masks[3], masks[3][::-1]])
        objects = _struct(
            **{"class": ["cow", "table"]},
            class_ind=[10, 11],
            mask=masks[:2],
            parts=[parts, np.zeros((0, 0))],
        )
        written = io.BytesIO()
        savemat(cast("Any", written), {"anno": {"imname": stem, "objects": objects}})
        mats[f"Annotations_Part/{stem}.mat"] = written.getvalue()
    photographs[f"{root}/JPEGImages/2009_000001.jpg"] = photograph(99)
    photographs[f"{root}/ImageSets/Main/train.txt"] = "\n".join(stems[:2]).encode()
    photographs[f"{root}/ImageSets/Main/val.txt"] = "\n".join(stems[2:]).encode()
    return {
        "trainval.tar.gz": tarred(mats, packed=True),
        "VOCtrainval_03-May-2010.tar": tarred(photographs),
    }


def cub() -> dict[str, bytes]:
    root = "CUB_200_2011"
    species = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    attributes = ["has_bill_shape::curved_(up_or_down)", "has_wing_color::blue", "has_size::large"]
    files = {"attributes.txt": "".join(f"{i} {a}\n" for i, a in enumerate(attributes, 1)).encode()}
    masks: dict[str, bytes] = {}
    lists: dict[str, str] = dict.fromkeys(
        ("images", "image_class_labels", "train_test_split", "attributes/image_attribute_labels"),
        "",
    )
    for number in range(1, 7):
        name = f"{species[number % 2]}/Bird_{number:04}_{number}"
        files[f"./{root}/images/{name}.jpg"] = photograph(number)
        masks[f"segmentations/{name}.png"] = png(halves(153, 102), "LA" if number % 2 else "L")
        lists["images"] += f"{number} {name}.jpg\n"
        lists["image_class_labels"] += f"{number} {number % 2 + 1}\n"
        lists["train_test_split"] += f"{number} {int(number < 4)}\n"
        rows = [f"{number} 1 1 4 1.2", f"{number} 2 {number % 2} 3 0.5", f"{number} 3 1 1 0.1"]
        if number == 3:
            rows[0] = f"{number} 1 1 4 0  1.509"
        lists["attributes/image_attribute_labels"] += "".join(f"{row}\n" for row in rows)
    files[f"{root}/images/{species[0]}/Bird_0001_1_rgb.jpg"] = photograph(98)
    files |= {f"{root}/{name}.txt": text.encode() for name, text in lists.items()}
    files[f"{root}/classes.txt"] = "".join(f"{i} {s}\n" for i, s in enumerate(species, 1)).encode()
    return {
        "CUB_200_2011.tgz": tarred(files, packed=True),
        "segmentations.tgz": tarred({**masks, "segmentations/._x.png": b"fork"}, packed=True),
    }


ARCHIVES = {
    "ade20k-challenge": ade,
    "coco-panoptic-val": coco_panoptic,
    "coco-stuff-val": coco_stuff,
    "voc2012": voc,
    "pascal-parts": pascal_parts,
    "cub200": cub,
}
