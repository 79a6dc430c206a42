"""From a source of annotated photographs to a dataset, and what to say of it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ccx_cli.cli.commands.importing import ImportOptions
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.network_options import parse_size
from ccx_cli.cli.option_names import with_options
from ccx_cli.cli.options import (
    FormOptions,
    OutputOptions,
    PlaceOptions,
    TalkOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.concepts.importing.folders import VOID, LabelFolder, read_label_folders
from ccx_cli.concepts.importing.names_file import read_names
from ccx_cli.concepts.importing.settings import (
    ImportSettings,
    check_category,
    check_subset,
    subset_of,
)
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.concepts.importing.summary import ImportSummary
from ccx_cli.concepts.importing.writer import check_free_directory, find_made, write_broden
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress

COLUMNS = (
    Column("category", "category", style="bold"),
    Column("concepts", "concepts", right=True),
    Column("images", "images", right=True),
    Column("coverage", "coverage", right=True),
    Column("commonest", "commonest", show=lambda record: ", ".join(record["commonest"])),
)


def import_source(
    read: Callable[[Progress], Source],
    folder: Path,
    options: ImportOptions,
    out: FormOptions,
    talk: TalkOptions,
    places: PlaceOptions,
) -> None:
    """Read a source, write the dataset, say what it is; ``folder`` names it by default."""
    subset = check_subset(options.subset if options.subset is not None else subset_of(folder))
    settings = ImportSettings(
        subset,
        parse_size(options.side, "--side"),
        options.fit,
        options.colors,
        options.val_share,
        options.seed,
    )
    settings.check()
    with (
        reporting(talk) as progress,
        writing_to(
            OutputOptions(out.format, out.output, options.force), COLUMNS, no_color=talk.no_color
        ) as writer,
    ):
        datasets = roots_of(places).datasets
        # Another dataset is refused at once, another import once it is known what this one is.
        target = check_free_directory(datasets, settings.side, force=True)
        source = read(progress)
        for note in source.notes:
            progress.note(note)
        if options.dry_run:
            made = find_made(source, datasets, settings, options.force)
            there = f"{target} already contains this import: nothing would be written."
            progress.note(there if made else _plan(source, settings, target))
            return
        summary = write_broden(
            source,
            datasets,
            settings,
            force=options.force,
            workers=options.workers or available_cores(),
            progress=progress,
        )
        records: list[Record] = [asdict(category) for category in summary.categories]
        for record in records:
            writer.line(record)
        writer.rest(records)
        _tell(summary, settings, places, progress)


def _tell(
    summary: ImportSummary, settings: ImportSettings, places: PlaceOptions, progress: Progress
) -> None:
    """Say what was made, where, and what comes next."""
    if summary.made_before:
        progress.note("This import was made before from the same files: nothing to do.")
    images = sum(summary.splits.values())
    splits = ", ".join(f"{count:,} {split}" for split, count in summary.splits.items())
    progress.note(
        f"{images:,} images ({splits}) with {summary.concepts:,} concepts in {summary.directory}."
    )
    if summary.unused:
        total = summary.unused + summary.concepts
        progress.note(f"Skipped {summary.unused:,} of {total:,} concepts, which no pixel has.")
    if summary.unlabelled:
        progress.note(f"{summary.unlabelled:,} of {images:,} images have no label on any pixel.")
    words = ["ccx", "concepts", "--subset", settings.subset]
    words += [] if settings.side == 224 else ["--side", str(settings.side)]
    if places.root_datasets is not None:
        words += ["--root-datasets", str(places.root_datasets)]
    elif places.data_dir is not None:
        words += ["--data-dir", str(places.data_dir)]
    progress.note(f"Next: {shlex.join(words)}")


def _plan(source: Source, settings: ImportSettings, target: Path) -> str:
    """Say how much a run would write, and where."""
    named = [
        f"{sum(category in label.categories for label in source.vocabulary):,} {category}"
        for category in source.categories
    ]
    named += ["11 color"] if settings.colors and "color" not in source.categories else []
    # Measured: a photograph takes some 0.5 bytes a pixel, its label PNGs a tenth of that each.
    megabytes = len(source.images) * math.prod(settings.size) * 0.7 / 1e6
    return (
        f"Would write {len(source.images):,} images with up to {', '.join(named)} concepts to "
        f"{target}, about {megabytes:,.0f} MB."
    )


def label_folders(labels: Sequence[str]) -> list[tuple[str, Path]]:
    """Read ``--labels``: category and folder.

    Raises
    ------
    UsageError
        If one has no category or no folder.
    """
    folders = []
    for text in labels:
        category, equals, folder = text.partition("=")
        if not (category and equals and folder):
            raise UsageError(f"--labels {text} must be CATEGORY=FOLDER, such as object=masks.")
        folders.append((category, Path(folder)))
    return folders


def names_files(categories: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Read ``--names``: the file of each category, if it has one."""
    files: dict[str, Path] = {}
    for text in names:
        category, equals, own = text.partition("=")
        if equals and category in categories:
            files[category] = Path(own)
        else:
            files |= dict.fromkeys(set(categories).difference(files), Path(text))
    return files


def read_folders(
    photographs: Path,
    folders: Sequence[tuple[str, Path]],
    files: Mapping[str, Path],
    first: int | None,
    void: Sequence[int] | None,
    progress: Progress,
    *,
    kind: str = "folder",
) -> Source:
    """Read photographs and folders of label PNGs with their names files.

    Without ``void``, 255 is no label unless it has a name.

    Raises
    ------
    UsageError
        If a category has no names file.
    """
    read: dict[Path, dict[int, str]] = {}
    labelled = []
    for category, folder in folders:
        if category not in files:
            raise UsageError(
                f"--labels {category}={folder} needs a names file: add --names {category}=FILE."
            )
        file = files[category]
        if file not in read:
            read[file], counted = read_names(file, first)
            if counted:
                progress.note(with_options(counted))
        labelled.append(LabelFolder(check_category(category), folder, read[file]))
    if not void:
        void = [] if any(names.get(VOID) for names in read.values()) else [VOID]
    return read_label_folders(photographs, labelled, void, kind)
