"""Options and help of ``ccx import``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.options import DATA, OUTPUT, RUNNING, FormOptions, PlaceOptions, TalkOptions
from ccx_cli.concepts.importing.settings import Fit

Category = Annotated[str, typer.Option(help="Category of the concepts.", rich_help_panel=DATA)]
First = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Value of the first name, in a names file without numbers.",
        rich_help_panel=DATA,
        show_default="1, or 0 if it is background",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a dataset is made, whatever it is made from."""

    panel: ClassVar[str] = DATA
    subset: Annotated[
        str | None,
        typer.Option(
            help="Name of the dataset, for --subset of other commands.",
            show_default="the folder's name",
        ),
    ] = None
    side: Annotated[
        str,
        typer.Option(
            metavar="SIDE",
            help="Side of the images, or height x width such as 96x160: the network's input.",
        ),
    ] = "224"
    fit: Annotated[
        Fit,
        typer.Option(
            help="Crop the center of each photograph, or stretch the whole, to that shape."
        ),
    ] = Fit.CROP
    colors: Annotated[
        bool, typer.Option(help="Add the eleven basic color names for every pixel.")
    ] = False
    val_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the photographs to mark val instead of train, at random.",
            show_default="as the source says",
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of that choice.", rich_help_panel=RUNNING)] = 0
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of processes (0: one per core).", rich_help_panel=RUNNING),
    ] = 0
    dry_run: Annotated[
        bool,
        typer.Option(
            help="Read the annotations and say what would be written.", rich_help_panel=RUNNING
        ),
    ] = False
    force: Annotated[
        bool,
        typer.Option(
            help="Overwrite an earlier import, and the output file.", rich_help_panel=OUTPUT
        ),
    ] = False
    out: FormOptions
    talk: TalkOptions
    places: PlaceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFolderOptions:
    """Import a folder of photographs, and a folder of label PNGs for each category.

    A label PNG has the path of its photograph, in another folder: masks/a/1.png
    for photos/a/1.jpg. Its values are palette indices, grayscale values of 8 or
    16 bits, or red + 256 * green. The names file has a line for each value, with
    its number (3 car) or without, or is a JSON object. The value 0 is no label
    unless it has a name. Without --labels, --colors alone gives labels.

    [bold]Examples[/bold]

      ccx import folder photos --labels object=masks --names names.txt
      ccx import folder photos --labels object=things --labels part=parts
        --names object=things.txt --names part=parts.txt --colors
    """

    panel: ClassVar[str] = DATA
    photographs: Annotated[
        Path, typer.Argument(help="Folder of photographs.", autocompletion=completing.directories)
    ]
    labels: Annotated[
        list[str] | None,
        typer.Option(help="CATEGORY=FOLDER of label PNGs at the photographs' paths; repeatable."),
    ] = None
    names: Annotated[
        list[str] | None,
        typer.Option(help="File of names, or CATEGORY=FILE for one category; repeatable."),
    ] = None
    void: Annotated[
        list[int] | None,
        typer.Option(
            help="Value without a label; repeatable.", show_default="255, where it has no name"
        ),
    ] = None
    first: First = None
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
    annotations: Annotated[
        Path, typer.Argument(help="JSON file of instances or panoptic segments.")
    ]
    photographs: Annotated[
        Path,
        typer.Argument(help="Folder of the photographs.", autocompletion=completing.directories),
    ]
    panoptic: Annotated[
        Path | None,
        typer.Option(
            help="Folder of panoptic PNGs.",
            autocompletion=completing.directories,
            show_default="named like the JSON, beside it",
        ),
    ] = None
    category: Category = "object"
    no_crowds: Annotated[
        bool, typer.Option(help="Skip regions of many instances at once (iscrowd).")
    ] = False
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

    root: Annotated[
        Path,
        typer.Argument(
            help="Folder of the full dataset, or any folder in it.",
            autocompletion=completing.directories,
        ),
    ]
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportVocOptions:
    """Import index PNGs like those of Pascal VOC: the palette's index is the label.

    Photographs without an index PNG are skipped. 255, the outlines, is no label,
    nor is 0 unless it has a name.

    [bold]Examples[/bold]

      ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
    """

    panel: ClassVar[str] = DATA
    photographs: Annotated[
        Path,
        typer.Argument(
            help="Folder of photographs (JPEGImages).", autocompletion=completing.directories
        ),
    ]
    label_maps: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Folder of index PNGs (SegmentationClass).",
            autocompletion=completing.directories,
        ),
    ]
    names: Annotated[Path, typer.Option(help="File of names.")]
    category: Category = "object"
    void: Annotated[
        list[int] | None,
        typer.Option(help="Value without a label; repeatable.", show_default="255"),
    ] = None
    first: First = None
    common: ImportOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportImagefolderOptions:
    """Import photographs sorted into folders, which label whole photographs.

    Folders named train and val (or similar) at the top give the split.

    [bold]Examples[/bold]

      ccx import imagefolder places --val-share 0.2
      ccx import imagefolder textures --category texture --colors
    """

    root: Annotated[
        Path,
        typer.Argument(
            help="Folder with a folder of photographs for each label.",
            autocompletion=completing.directories,
        ),
    ]
    category: Annotated[str, typer.Option(help="Category of the labels.", rich_help_panel=DATA)] = (
        "scene"
    )
    common: ImportOptions
