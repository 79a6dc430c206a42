"""``ccx import``: writes other annotations as datasets in Broden's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing.values import directories
from ccx_cli.cli.importing import (
    ImportOptions,
    import_source,
    label_folders,
    names_files,
    read_folders,
)
from ccx_cli.cli.option_groups import with_groups
from ccx_cli.cli.options import DATA, FormOptions, PlaceOptions, TalkOptions
from ccx_cli.concepts.importing.settings import check_category
from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from ccx_cli.concepts.importing.sources import Source
    from ccx_cli.progress import Progress

app = typer.Typer(
    name="import",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


@app.callback()
def import_() -> None:
    """Import a dataset of your own annotated photographs.

    The dataset is written in Broden's layout: every photograph is square, --side
    pixels, or a rectangle such as --side 96x160, and label PNGs have half that
    size. It goes to broden1_SIDE (the longer side) in the folder of datasets; use
    another --data-dir (or --root-datasets) for each import of the same side.

    [bold]Examples[/bold]

      ccx import folder photos --labels object=masks --names names.txt
      ccx import coco panoptic_val2017.json val2017 --colors --data-dir coco
      ccx import ade20k ADE20K_2021_17_01/images/ADE --colors --data-dir ade
      ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
      ccx import imagefolder textures --category texture --data-dir textures
    """


@app.command()
@with_groups
def folder(
    *,
    photographs: Annotated[
        Path, typer.Argument(help="Folder of photographs.", autocompletion=directories)
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="CATEGORY=FOLDER of label PNGs at the photographs' paths; repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            help="File of names, or CATEGORY=FILE for one category; repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None,
    void: Annotated[
        list[int] | None,
        typer.Option(
            help="Value without a label; repeatable.",
            rich_help_panel=DATA,
            show_default="255, where it has no name",
        ),
    ] = None,
    first: First = None,
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
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
    if not labels and not options.colors:
        raise UsageError(
            "There are no labels: add --labels CATEGORY=FOLDER, or --colors to name colors only."
        )

    def read(progress: Progress) -> Source:
        folders = label_folders(labels or ())
        files = names_files([category for category, _ in folders], names or ())
        return read_folders(photographs, folders, files, first, void, progress)

    import_source(read, photographs, options, out, talk, places)


@app.command()
@with_groups
def coco(
    *,
    annotations: Annotated[
        Path, typer.Argument(help="JSON file of instances or panoptic segments.")
    ],
    photographs: Annotated[
        Path, typer.Argument(help="Folder of the photographs.", autocompletion=directories)
    ],
    panoptic: Annotated[
        Path | None,
        typer.Option(
            help="Folder of panoptic PNGs.",
            rich_help_panel=DATA,
            autocompletion=directories,
            show_default="named like the JSON, beside it",
        ),
    ] = None,
    category: Category = "object",
    no_crowds: Annotated[
        bool,
        typer.Option(
            "--no-crowds",
            metavar="",
            help="Skip regions of many instances at once (iscrowd).",
            rich_help_panel=DATA,
        ),
    ] = False,
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Import COCO's instances or panoptic segmentation, or others in its format.

    Regions may be polygons or run lengths, plain or compressed. Instances may
    overlap: a pixel carries the categories of all instances that contain it.

    [bold]Examples[/bold]

      ccx import coco annotations/panoptic_val2017.json val2017 --colors
      ccx import coco annotations/instances_val2017.json val2017
    """
    from ccx_cli.concepts.importing.coco import read_coco

    def read(progress: Progress) -> Source:
        progress.note(f"Reading {annotations}.")
        return read_coco(
            annotations,
            photographs,
            panoptic,
            category=check_category(category),
            crowds=not no_crowds,
        )

    import_source(read, photographs, options, out, talk, places)


@app.command()
@with_groups
def ade20k(
    *,
    root: Annotated[
        Path,
        typer.Argument(
            help="Folder of the full dataset, or any folder in it.", autocompletion=directories
        ),
    ],
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Import ADE20K's full annotations: objects, parts of all levels, scenes.

    Each photograph needs its *_seg.png and *.json beside it, as in the release
    of 2021. The first synonym names a concept.

    [bold]Examples[/bold]

      ccx import ade20k ADE20K_2021_17_01/images/ADE --colors
      ccx import ade20k ADE20K_2021_17_01/images/ADE/validation --subset ade-val
    """
    from ccx_cli.concepts.importing.ade20k import read_ade20k

    def read(progress: Progress) -> Source:
        return read_ade20k(root, progress)

    import_source(read, Path("ade20k"), options, out, talk, places)


@app.command()
@with_groups
def voc(
    *,
    photographs: Annotated[
        Path, typer.Argument(help="Folder of photographs (JPEGImages).", autocompletion=directories)
    ],
    label_maps: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Folder of index PNGs (SegmentationClass).",
            autocompletion=directories,
        ),
    ],
    names: Annotated[Path, typer.Option(help="File of names.", rich_help_panel=DATA)],
    category: Category = "object",
    void: Annotated[
        list[int] | None,
        typer.Option(
            help="Value without a label; repeatable.", rich_help_panel=DATA, show_default="255"
        ),
    ] = None,
    first: First = None,
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Import index PNGs like those of Pascal VOC: the palette's index is the label.

    Photographs without an index PNG are skipped. 255, the outlines, is no label,
    nor is 0 unless it has a name.

    [bold]Examples[/bold]

      ccx import voc VOC2012/JPEGImages VOC2012/SegmentationClass --names voc.txt
    """
    from ccx_cli.concepts.importing.folders import VOID

    def read(progress: Progress) -> Source:
        folders, files = [(category, label_maps)], {category: names}
        ignored = void or [VOID]
        return read_folders(photographs, folders, files, first, ignored, progress, kind="voc")

    import_source(read, Path("voc"), options, out, talk, places)


@app.command()
@with_groups
def imagefolder(
    *,
    root: Annotated[
        Path,
        typer.Argument(
            help="Folder with a folder of photographs for each label.", autocompletion=directories
        ),
    ],
    category: Annotated[
        str, typer.Option(help="Category of the labels.", rich_help_panel=DATA)
    ] = "scene",
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Import photographs sorted into folders: the folder labels the whole photograph.

    Folders named train and val (or similar) at the top give the split.

    [bold]Examples[/bold]

      ccx import imagefolder places --val-share 0.2
      ccx import imagefolder textures --category texture --colors
    """
    from ccx_cli.concepts.importing.folders import read_image_folders

    def read(progress: Progress) -> Source:
        return read_image_folders(root, check_category(category))

    import_source(read, root, options, out, talk, places)
