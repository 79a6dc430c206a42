"""Public labeled sets: their archives, and which files of these are read.

Sizes and digests are those that others have published, as no host of these archives does: of
TensorFlow Datasets (``url_checksums/``: ``ade20k``, ``coco``, ``voc`` and ``caltech_birds2011``),
of torchvision (``datasets/voc.py``: the MD5 of VOC 2010, and a second host of both years), and of
scripts that prepare PASCAL-Part (its MD5, the same in two). Of COCO-Stuff's maps none is known: the
CRC of each file that is read is checked, and the SHA-256 that was seen first is kept. Sizes of
archives without a SHA-256 are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccx_cli.fetching.sources import Source
from ccx_cli.store.paths import Roots

ARCHIVES = "archives"
"""The folder in that of datasets that keeps them."""


@dataclass(frozen=True, slots=True)
class Unpacking:
    """Which files of an archive are unpacked: those whose paths fit a pattern with ``*``.

    Every pattern must fit a file. With ``labeled_by``, such as ``.png``, only files are unpacked
    whose name an unpacked file with that suffix has. ``inner`` is an archive that was unpacked
    from this one and is unpacked in its place.
    """

    archive: Source
    patterns: tuple[str, ...]
    labeled_by: str = ""
    inner: str = ""


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A labeled set that others publish, and ccx imports.

    ``images`` is how many photographs have labels.
    """

    name: str
    licence: str
    images: int
    unpackings: tuple[Unpacking, ...]

    @property
    def archives(self) -> tuple[Source, ...]:
        """The archives, each once."""
        return tuple(dict.fromkeys(each.archive for each in self.unpackings))

    def dataset(self, side: int) -> Source:
        """Return the dataset that is made of it as a source: where it is, how large."""
        return Source(
            self.name,
            "datasets",
            f"{self.name}/broden1_{side}",
            self.archives[0].url,
            self.licence,
            sum(archive.about_bytes or 0 for archive in self.archives),
        )

    def unpacked(self, roots: Roots) -> Path:
        """Return where its archives are unpacked while it is imported."""
        return roots.datasets / ARCHIVES / f".{self.name}"


def _archive(url: str, size: int, *others: str, sha256: str = "", md5: str = "") -> Source:
    location = f"{ARCHIVES}/{url.rpartition('/')[2]}"
    return Source("", "datasets", location, url, "", size, sha256, md5, others)


def _set(name: str, licence: str, images: int, unpackings: Sequence[Unpacking]) -> PublishedSet:
    """Name the archives by the set, as errors do."""
    named = (replace(each, archive=replace(each.archive, name=name)) for each in unpackings)
    return PublishedSet(name, licence, images, tuple(named))


_ADE = _archive(
    "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
    967_382_037,
    sha256="7ff1be44964418441f542a7cc1e1a650e7dc0fc275f5d23252bc9bbdbc977b29",
)
_VAL2017 = _archive(
    "http://images.cocodataset.org/zips/val2017.zip",
    815_585_330,
    sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
)
_PANOPTIC = _archive(
    "http://images.cocodataset.org/annotations/panoptic_annotations_trainval2017.zip",
    860_725_834,
    sha256="c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
)
_STUFF = _archive(
    "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/"
    "stuffthingmaps_trainval2017.zip",
    659_000_000,
)
_VOC2012 = _archive(
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    1_999_639_040,
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "http://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
    sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
)
_VOC2010 = _archive(
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
    1_300_000_000,
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
    md5="da459979d0c395079b5c75ee67908abb",
)
_PARTS = _archive(
    "http://roozbehm.info/pascal-parts/trainval.tar.gz",
    78_000_000,
    md5="2fa0a19ee9b5e43b2bee520166111120",
)
_BIRDS = _archive(
    "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
    1_150_585_339,
    sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
)
_BIRD_MASKS = _archive(
    "https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz",
    39_272_883,
    sha256="dc77f6cffea0cbe2e41d4201115c8f29a6320ecb04fffd2444f51b8066e4b84f",
)

_COCO_LICENCE = "labels: CC BY 4.0; photographs: Flickr's terms of use"
_VOC_LICENCE = "labels: none stated; photographs: Flickr's terms of use"

SETS = {
    each.name: each
    for each in (
        _set(
            "ade20k-challenge",
            "labels: BSD-3-Clause; photographs: non-commercial research and education",
            22_210,
            [
                Unpacking(
                    _ADE,
                    (
                        "ADEChallengeData2016/objectInfo150.txt",
                        "ADEChallengeData2016/sceneCategories.txt",
                        "ADEChallengeData2016/annotations/*.png",
                        "ADEChallengeData2016/images/*.jpg",
                    ),
                )
            ],
        ),
        _set(
            "coco-panoptic-val",
            _COCO_LICENCE,
            5_000,
            [
                Unpacking(_VAL2017, ("val2017/*.jpg",)),
                Unpacking(
                    _PANOPTIC,
                    ("annotations/panoptic_val2017.json", "annotations/panoptic_val2017.zip"),
                ),
                Unpacking(
                    _PANOPTIC,
                    ("panoptic_val2017/*.png",),
                    inner="annotations/panoptic_val2017.zip",
                ),
            ],
        ),
        _set(
            "coco-stuff-val",
            _COCO_LICENCE,
            5_000,
            [
                Unpacking(_VAL2017, ("val2017/*.jpg",)),
                Unpacking(_STUFF, ("val2017/*.png",)),
            ],
        ),
        _set(
            "voc2012",
            _VOC_LICENCE,
            2_913,
            [
                Unpacking(
                    _VOC2012,
                    (
                        "VOCdevkit/VOC2012/SegmentationClass/*.png",
                        "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt",
                        "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt",
                    ),
                ),
                Unpacking(_VOC2012, ("VOCdevkit/VOC2012/JPEGImages/*.jpg",), labeled_by=".png"),
            ],
        ),
        _set(
            "pascal-parts",
            _VOC_LICENCE,
            10_103,
            [
                Unpacking(_PARTS, ("Annotations_Part/*.mat",)),
                Unpacking(
                    _VOC2010,
                    (
                        "VOCdevkit/VOC2010/ImageSets/Main/train.txt",
                        "VOCdevkit/VOC2010/ImageSets/Main/val.txt",
                    ),
                ),
                Unpacking(_VOC2010, ("VOCdevkit/VOC2010/JPEGImages/*.jpg",), labeled_by=".mat"),
            ],
        ),
        _set(
            "cub200",
            "labels: none known; photographs: of Flickr's users",
            11_788,
            [
                Unpacking(
                    _BIRDS,
                    (
                        "*attributes.txt",
                        "CUB_200_2011/attributes/image_attribute_labels.txt",
                        "CUB_200_2011/classes.txt",
                        "CUB_200_2011/image_class_labels.txt",
                        "CUB_200_2011/images.txt",
                        "CUB_200_2011/train_test_split.txt",
                        "CUB_200_2011/images/*.jpg",
                    ),
                ),
                Unpacking(_BIRD_MASKS, ("segmentations/*.png",)),
            ],
        ),
    )
}
