"""Options and help of ``ccx import`` and ``ccx annotate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ccx_cli.cli.network_options import device_option
from ccx_cli.cli.options import (
    DATA,
    NETWORK,
    OUTPUT,
    REQUIRED,
    RUNNING,
    DaskOptions,
    FormOptions,
    MessageOptions,
    PlaceOptions,
    WorkerOptions,
    argument,
    flag,
    option,
)
from ccx_cli.concepts.importing.settings import Fit, LabelOrientation, Missing


@dataclass(frozen=True, slots=True)
class LabelPngOptions:
    """How label PNGs are read."""

    panel: ClassVar[str] = DATA
    rare: ClassVar[bool] = True
    void: list[int] | None = option(
        "Value without a label; repeatable.", shown="255, where it has no name"
    )
    first: int | None = option(
        "Value of the first name, in a names file without numbers.",
        min=-1,
        shown="1, or 0 if it is background",
    )
    suffix: str = option(
        "How the names of label PNGs end, such as _gtFine_labelIds.", "", shown="nothing"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """How a dataset is made, whatever it is made from."""

    panel: ClassVar[str] = DATA
    own_name: str | None = option(
        "Name of the dataset, for --subset of other commands.",
        None,
        "--subset",
        shown="the folder's name",
    )
    side: str = option(
        "Side of the images, or height x width such as 96x160: the network's input.",
        "224",
        metavar="SIDE",
    )
    fit: Fit = option(
        "Crop the center of each photograph, or stretch the whole, to that shape.",
        Fit.CROP,
        rare=True,
    )
    colors: bool = flag("Name every pixel's color, one of eleven.")
    val_share: float | None = option(
        "Share of the photographs to mark val instead of train, at random.",
        shown="as the source says",
    )
    seed: int = option("Seed of random choices.", 0, panel=RUNNING, rare=True)
    parallel: WorkerOptions
    dry_run: bool = flag("Say what would be written, and write nothing.", panel=RUNNING)
    force: bool = flag("Overwrite an earlier import, and the output file.", panel=OUTPUT, rare=True)
    out: FormOptions
    messages: MessageOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions(DatasetOptions):
    """The same, made from labels that are there."""

    label_orientation: LabelOrientation | None = option(
        "Which way up the labels of a photograph are that its EXIF turns.",
        shown="as its shape says",
        rare=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFolderOptions:
    """Import a folder of photographs, and a folder of label PNGs for each category.

    A label PNG has the path of its photograph, in another folder: masks/a/1.png
    for photos/a/1.jpg.

    Its values are palette indices, grayscale values of up to 16 bits,
    red + 256 * green, or colors. The names file has a line for each
    value or color (3 car, or car 128 0 0); docs/importing.md lists all forms. The
    value 0 and black are no label unless they have a name. Without --labels,
    --colors alone gives labels.

    [bold]Examples[/bold]

      ccx import folder photos --labels object=masks --names names.txt
      ccx import folder photos --labels object=things --labels part=parts
        --names object=things.txt --names part=parts.txt --colors
    """

    panel: ClassVar[str] = DATA
    photographs: Path = argument("Folder of photographs.")
    labels: list[str] | None = option("Folder of label PNGs at the photographs' paths; repeatable.")
    names: list[str] | None = option(
        "File of names, or CATEGORY=FILE for one category; repeatable."
    )
    pngs: LabelPngOptions
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCocoOptions:
    """Import COCO's instances or panoptic segmentation, or others in its format.

    Regions may be polygons or run lengths, plain or compressed. Instances may
    overlap: a pixel carries the categories of all instances that contain it.

    [bold]Examples[/bold]

      ccx import coco annotations/panoptic_val2017.json val2017 --colors
      ccx import coco annotations/instances_val2017.json val2017
    """

    panel: ClassVar[str] = DATA
    annotations: Path = argument("JSON file of instances or panoptic segments.")
    photographs: Path = argument("Folder of the photographs.")
    panoptic: Path | None = option(
        "Folder of panoptic PNGs.", shown="named like the JSON, beside it"
    )
    category: str = option("Category of the concepts.", "object")
    no_crowds: bool = flag("Skip regions of many instances at once (iscrowd).")
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAde20kOptions:
    """Import ADE20K's full annotations: objects, parts of all levels, scenes.

    Each photograph needs its *_seg.png and *.json beside it, as in the release
    of 2021. The first synonym names a concept.

    [bold]Examples[/bold]

      ccx import ade20k ADE20K_2021_17_01/images/ADE --colors
      ccx import ade20k ADE20K_2021_17_01/images/ADE/validation --subset ade-val
    """

    root: Path = argument("Folder of the full dataset, or any folder in it.")
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportVocOptions:
    """Import index PNGs like those of Pascal VOC: the palette's index is the label.

    It is ccx import folder with one folder of label PNGs. Photographs without an
    index PNG are skipped. 0 and 255, the outlines, are no label unless they have a
    name.

    [bold]Examples[/bold]

      ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
    """

    panel: ClassVar[str] = DATA
    photographs: Path = argument("Folder of photographs (JPEGImages).")
    label_maps: Path = argument("Folder of index PNGs (SegmentationClass).")
    names: Path = option("File of names.", REQUIRED)
    category: str = option("Category of the concepts.", "object")
    pngs: LabelPngOptions
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportImagefolderOptions:
    """Import photographs sorted into folders, which label whole photographs.

    Folders named train and val (or similar) at the top give the split; one of
    them without folders of labels is skipped.

    [bold]Examples[/bold]

      ccx import imagefolder places --val-share 0.2
      ccx import imagefolder textures --category texture --colors
    """

    root: Path = argument("Folder with a folder of photographs for each label.")
    category: str = option("Category of the labels.", "scene", panel=DATA)
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTableOptions:
    """Import tables of attributes, which label whole photographs.

    A CSV has a column image and one for each attribute (1, 0, yes, no, scores),
    or a column attribute; docs/importing.md lists all forms. The category is the
    file's name, unless given. Label PNGs may label pixels as in import folder.

    [bold]Examples[/bold]

      ccx import table attribute=birds.csv --images photos
      ccx import table wing=wings.csv scene=places.csv --images photos
      ccx import table birds.csv --images photos --labels part=m --names names.txt
    """

    panel: ClassVar[str] = DATA
    tables: list[str] = argument("CSV files, as FILE or CATEGORY=FILE.")
    photographs: Path = option("Folder of the photographs.", REQUIRED, "--images", metavar="FOLDER")
    threshold: float | None = option("Least score of a present attribute.")
    missing: Missing | None = option("Missing values: no, or drop their image.", shown="refused")
    separator: str | None = option("What separates attributes in a cell.", shown="nothing")
    labels: list[str] | None = option(
        "Folder of label PNGs at the photographs' paths; repeatable.", rare=True
    )
    names: list[str] | None = option(
        "File of names, or CATEGORY=FILE for one category; repeatable.", rare=True
    )
    pngs: LabelPngOptions
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateOptions:
    """Label photographs with words: a network finds them, no labels are needed.

    The dataset is written as ccx import writes it. A words file has a word on
    each line, with tabs between its columns: category, name, prompts with |
    between them, and of=OWNER for a part that is only inside another word.

    Objects, materials and scenes are exclusive; of other categories a pixel has
    every word above the threshold. An engine of your own is a function of images
    and names that returns scores from 0 to 1; docs/annotating.md describes both.

    --check measures each word's IoU with human labels, at thresholds that other
    images choose; photographs get these thresholds from then on.

    [bold]Examples[/bold]

      ccx annotate photos --words cat,dog,grass
      ccx annotate photos --words words.tsv --colors --subset mine
      ccx annotate photos --words words.tsv --engine rules.py:make
      ccx annotate --check ade20k --words words.tsv
    """

    panel: ClassVar[str] = DATA
    photographs: Path | None = argument("Folder of photographs.", None)
    words: str | None = option("Words file, or objects such as cat,dog.", metavar="WORDS")
    engine: str = option(
        "clipseg, semantic:CHECKPOINT, sam3:CHECKPOINT, or your FILE.py:FUNCTION.",
        "clipseg",
        panel=NETWORK,
    )
    check: str | None = option("Measure the engine on these labeled images.", metavar="SUBSET")
    quality: str | None = option(
        "Check to take thresholds from: its name or file.",
        metavar="CHECK",
        shown="the last one of the engine",
        rare=True,
    )
    threshold: float | None = option(
        "Least score of a word's pixels.", shown="that check's, or 0.5"
    )
    device: str = device_option()
    precision: Literal["single", "half"] = option(
        "Number type that a network computes in.", "single", panel=NETWORK, rare=True
    )
    batch_size: int = option("Images per forward pass.", 16, min=1, panel=NETWORK, rare=True)
    common: DatasetOptions
    cluster: DaskOptions
