"""``ccx import``: writes other annotations as datasets in Broden's layout."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.commands.importing import (
    DatasetOptions,
    ImportAde20kOptions,
    ImportCocoOptions,
    ImportFolderOptions,
    ImportImagefolderOptions,
    ImportOptions,
    ImportTableOptions,
    ImportVocOptions,
)
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.network_options import parse_size
from ccx_cli.cli.option_names import with_options
from ccx_cli.cli.options import OutputOptions
from ccx_cli.cli.output import Column, numbers
from ccx_cli.concepts.importing.ade20k import read_ade20k
from ccx_cli.concepts.importing.coco import read_coco
from ccx_cli.concepts.importing.folders import LabelFolder, read_image_folders, read_label_folders
from ccx_cli.concepts.importing.names_file import read_names
from ccx_cli.concepts.importing.settings import (
    ImportSettings,
    check_category,
    check_subset,
    subset_of,
)
from ccx_cli.concepts.importing.sources import COLOR, Source
from ccx_cli.concepts.importing.tables import add_tables
from ccx_cli.concepts.importing.writer import (
    Conversion,
    ImportSummary,
    PreparedImport,
    check_free_directory,
    write_broden,
)
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress

COLUMNS = (
    Column("category", "category", style="bold"),
    *numbers("concepts", "images", "coverage"),
    Column("commonest", "commonest"),
)


def folder(options: ImportFolderOptions) -> None:
    """Import a folder of photographs, and a folder of label PNGs for each category."""
    if not options.labels and (options.names or not options.common.colors):
        raise UsageError(
            "There are no labels: add --labels CATEGORY=FOLDER, or --colors to name colors only."
        )

    def read(_: Progress) -> Source:
        folders = _label_folders(options.labels or (), options.names or ())
        return _read_folders(options, folders, "folder")

    import_source(read, options.photographs, options.common)


def coco(options: ImportCocoOptions) -> None:
    """Import COCO's instances or panoptic segmentation, or others in its format."""

    def read(progress: Progress) -> Source:
        progress.note(f"Reading {options.annotations}.")
        category, crowds = check_category(options.category), not options.no_crowds
        where = options.annotations, options.photographs, options.panoptic
        return read_coco(*where, category=category, crowds=crowds)

    import_source(read, options.photographs, options.common)


def ade20k(options: ImportAde20kOptions) -> None:
    """Import ADE20K's full annotations: objects, parts of all levels, scenes."""
    import_source(
        lambda progress: read_ade20k(options.root, progress), Path("ade20k"), options.common
    )


def voc(options: ImportVocOptions) -> None:
    """Import index PNGs like those of Pascal VOC: the palette's index is the label."""
    folders = [(options.category, options.label_maps, options.names)]
    import_source(lambda _: _read_folders(options, folders, "voc"), Path("voc"), options.common)


def imagefolder(options: ImportImagefolderOptions) -> None:
    """Import photographs sorted into folders, which label whole photographs."""

    def read(_: Progress) -> Source:
        return read_image_folders(options.root, check_category(options.category))

    import_source(read, options.root, options.common)


def table(options: ImportTableOptions) -> None:
    """Import tables of attributes, beside label PNGs if there are any."""
    if options.names and not options.labels:
        raise UsageError("--names names the values of label PNGs: add --labels CATEGORY=FOLDER.")
    tables: dict[str, Path] = {}
    for text in options.tables:
        category, equals, file = text.partition("=")
        if not equals:
            category, file = Path(text).stem, text
        try:
            check_category(category)
        except UsageError as error:
            raise UsageError(f"{str(error)[:-1]}; give {file} as CATEGORY={file}.") from error
        if category == COLOR and options.common.colors:
            raise UsageError(
                f"--colors names the colors of pixels, in the category of {file}: give the table "
                "another, as CATEGORY=FILE."
            )
        if category in tables:
            raise UsageError(
                f"{tables[category]} and {file} are both tables of the category {category}: give "
                "one of them as CATEGORY=FILE, or join them."
            )
        tables[category] = Path(file)

    def read(progress: Progress) -> Source:
        folders = _label_folders(options.labels or (), options.names or ())
        photographs = _read_folders(options, folders, "table")
        progress.note(f"Reading {', '.join(map(str, tables.values()))}.")
        return add_tables(
            photographs,
            options.photographs,
            tables,
            threshold=options.threshold,
            missing=options.missing,
            separator=options.separator,
        )

    import_source(read, options.photographs, options.common)


def _label_folders(labels: Sequence[str], names: Sequence[str]) -> list[tuple[str, Path, Path]]:
    """Read ``--labels`` and ``--names``: category, folder of label PNGs, names file."""
    folders = []
    for text in labels:
        category, equals, folder = text.partition("=")
        if not (category and equals and folder):
            raise UsageError(f"--labels {text} must be CATEGORY=FOLDER, such as object=masks.")
        folders.append((category, Path(folder)))
    categories = {category for category, _ in folders}
    of_all: dict[str, Path] = {}
    own: dict[str, Path] = {}
    for text in names:
        category, equals, file = text.partition("=")
        named = equals and category in categories
        known = own.setdefault(category, Path(file)) if named else of_all.setdefault("", Path(text))
        if known != Path(file if named else text):
            raise UsageError(
                f"--names gives two files, {known} and {file if named else text}, for the same "
                "labels: give one for each category, as CATEGORY=FILE."
            )
    files = dict.fromkeys(categories, of_all[""]) | own if of_all else own
    for category, path in folders:
        if category not in files:
            raise UsageError(
                f"--labels {category}={path} needs a names file: add --names {category}=FILE."
            )
    return [(category, path, files[category]) for category, path in folders]


def _read_folders(
    options: ImportFolderOptions | ImportVocOptions | ImportTableOptions,
    folders: Sequence[tuple[str, Path, Path]],
    kind: str,
) -> Source:
    """Read the names files, each once, say in which form, and pair photographs with label PNGs."""
    files = dict.fromkeys(file for _, _, file in folders)
    read = {file: read_names(file, options.pngs.first) for file in files}
    labelled = []
    for category, pngs, file in folders:
        category, names = check_category(category), read[file]
        labelled.append(
            LabelFolder(category, pngs, names.numbers, names.colors, file, names.counted)
        )
    void = options.pngs.void or None
    source = read_label_folders(options.photographs, labelled, void, kind, options.pngs.suffix)
    return replace(source, notes=(*(names.form for names in read.values()), *source.notes))


def import_source(
    read: Callable[[Progress], Source],
    folder: Path,
    options: DatasetOptions,
    convert: Conversion | None = None,
    about: Callable[[], Iterator[str]] | None = None,
) -> None:
    """Read a source, write the dataset, say what it is; ``folder`` names it by default.

    ``convert`` writes pictures in its own way, and ``about`` says what there is to say of that.
    """
    settings = ImportSettings(
        check_subset(options.own_name if options.own_name is not None else subset_of(folder)),
        parse_size(options.side, "--side"),
        options.fit,
        options.colors,
        options.val_share,
        options.seed,
        options.label_orientation if isinstance(options, ImportOptions) else None,
    )
    out = OutputOptions(options.out.format, options.out.output, options.force)
    with answering(out, options.messages, COLUMNS) as (progress, writer):
        datasets = options.places.roots.datasets
        # Another dataset is refused at once, another import once it is known what this one is.
        target = check_free_directory(datasets, settings, force=True)
        source = read(progress)
        for note in source.notes:
            progress.note(with_options(note))
        if options.dry_run:
            made = PreparedImport(source, settings).find_made(datasets, options.force)
            there = f"{target} already contains this import: nothing would be written."
            progress.note(there if made else _plan(source, settings, target))
            return
        summary = write_broden(
            source,
            datasets,
            settings,
            force=options.force,
            workers=options.parallel.cores,
            progress=progress,
            convert=convert,
        )
        writer.write(summary.categories)
        for sentence in (*sentences(summary, target), *(about() if about else ())):
            progress.note(sentence)
        words = ["ccx", "concepts", "--subset", settings.subset]
        words += [] if settings.side == 224 else ["--side", str(settings.side)]
        for option in ("data_dir", "root_datasets"):
            if (given := getattr(options.places, option)) is not None:
                words += [f"--{option.replace('_', '-')}", str(given)]
        progress.note(f"Next: {shlex.join(words)}")


def sentences(summary: ImportSummary, target: Path) -> Iterator[str]:
    """Say what an import has made."""
    if summary.made_before:
        yield "This import was made before from the same files and options: nothing to do."
    images = sum(summary.splits.values())
    splits = ", ".join(f"{count:,} {split}" for split, count in summary.splits.items())
    yield f"{images:,} images ({splits}) with {summary.concepts:,} concepts in {target}."
    if summary.unused:
        total = summary.unused + summary.concepts
        yield f"Skipped {summary.unused:,} of {total:,} concepts, which no pixel has."
    if summary.unlabelled:
        yield f"{summary.unlabelled:,} of {images:,} images have no label on any pixel."
    yield from map(with_options, summary.notes)


def _plan(source: Source, settings: ImportSettings, target: Path) -> str:
    named = [
        f"{sum(category in label.categories for label in source.vocabulary):,} {category}"
        for category in source.categories
    ]
    named += ["11 color"] if settings.colors and "color" not in source.categories else []
    megabytes = settings.about_bytes(len(source.images)) / 1e6
    size = f"about {megabytes:,.0f} MB" if megabytes >= 1 else "less than 1 MB"
    return (
        f"Would write {len(source.images):,} images with up to {', '.join(named)} concepts to "
        f"{target}, {size}."
    )
