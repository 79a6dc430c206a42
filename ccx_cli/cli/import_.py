"""``ccx import``: writes other annotations as datasets in Broden's layout."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.cli.commands.importing import (
    ImportAde20kOptions,
    ImportCocoOptions,
    ImportFolderOptions,
    ImportImagefolderOptions,
    ImportVocOptions,
)
from ccx_cli.cli.importing import (
    import_source,
    label_folders,
    names_files,
    read_folders,
)
from ccx_cli.concepts.importing.ade20k import read_ade20k
from ccx_cli.concepts.importing.coco import read_coco
from ccx_cli.concepts.importing.folders import VOID, read_image_folders
from ccx_cli.concepts.importing.settings import check_category
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress


def folder(options: ImportFolderOptions) -> None:
    """Import a folder of photographs, and a folder of label PNGs for each category."""
    if not options.labels and not options.options.colors:
        raise UsageError(
            "There are no labels: add --labels CATEGORY=FOLDER, or --colors to name colors only."
        )

    def read(progress: Progress) -> Source:
        folders = label_folders(options.labels or ())
        files = names_files([category for category, _ in folders], options.names or ())
        return read_folders(
            options.photographs, folders, files, options.first, options.void, progress
        )

    import_source(
        read, options.photographs, options.options, options.out, options.talk, options.places
    )


def coco(options: ImportCocoOptions) -> None:
    """Import COCO's instances or panoptic segmentation, or others in its format."""

    def read(progress: Progress) -> Source:
        progress.note(f"Reading {options.annotations}.")
        return read_coco(
            options.annotations,
            options.photographs,
            options.panoptic,
            category=check_category(options.category),
            crowds=not options.no_crowds,
        )

    import_source(
        read, options.photographs, options.options, options.out, options.talk, options.places
    )


def ade20k(options: ImportAde20kOptions) -> None:
    """Import ADE20K's full annotations: objects, parts of all levels, scenes."""

    def read(progress: Progress) -> Source:
        return read_ade20k(options.root, progress)

    import_source(read, Path("ade20k"), options.options, options.out, options.talk, options.places)


def voc(options: ImportVocOptions) -> None:
    """Import index PNGs like those of Pascal VOC: the palette's index is the label."""

    def read(progress: Progress) -> Source:
        folders, files = [(options.category, options.label_maps)], {options.category: options.names}
        ignored = options.void or [VOID]
        return read_folders(
            options.photographs, folders, files, options.first, ignored, progress, kind="voc"
        )

    import_source(read, Path("voc"), options.options, options.out, options.talk, options.places)


def imagefolder(options: ImportImagefolderOptions) -> None:
    """Import photographs sorted into folders, which label whole photographs."""

    def read(progress: Progress) -> Source:
        return read_image_folders(options.root, check_category(options.category))

    import_source(read, options.root, options.options, options.out, options.talk, options.places)
