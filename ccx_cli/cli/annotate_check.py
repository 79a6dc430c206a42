"""``ccx annotate --check``: how good an engine's words are, against human labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ccx_cli.annotating.checks import check_path, read_check, write_check
from ccx_cli.annotating.engine import Engine, open_engine
from ccx_cli.annotating.quality import Checked, check_engine, match_words, own_words
from ccx_cli.annotating.words import find_words, words_of
from ccx_cli.cli.commands.importing import AnnotateOptions
from ccx_cli.cli.concepts import open_index
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.network_options import parse_size
from ccx_cli.cli.options import OutputOptions
from ccx_cli.cli.output import IOU, Column, Section, kinds_of, numbers, write_sections
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import FileCheck, images_fingerprint, labels_fingerprint
from ccx_cli.concepts.qualities import read_annotation
from ccx_cli.errors import CcxError, DamagedDataError, UsageError, few
from ccx_cli.progress import Progress
from ccx_cli.records.quality import CheckedEngine, StoredQuality
from ccx_cli.runs.opening import open_dataset
from ccx_cli.store.atomic import replacing
from ccx_cli.version import __version__

_OF_A_DATASET = (
    "--subset",
    "--fit",
    "--colors",
    "--val-share",
    "--threshold",
    "--quality",
    "--dask",
)
_THRESHOLD = Column("threshold", "threshold", right=True, form="{:.2f}".format)
_COMMON = Column("IoU at one threshold", "common_iou", right=True)
SECTIONS = (
    Section(
        "word",
        "",
        (
            Column("word", "word", style="bold"),
            Column("category", "category"),
            _THRESHOLD,
            IOU,
            *numbers("precision", "recall"),
            _COMMON,
            *numbers("images", "pixels"),
        ),
    ),
    Section("all", "Means over words", (*numbers("words"), IOU, _COMMON, _THRESHOLD)),
)


def check(options: AnnotateOptions, subset: str) -> None:
    """Check an engine on a labeled set, or show what the same check found before."""
    for name in _OF_A_DATASET:
        if is_typed(name):
            raise UsageError(f"--check writes no dataset: leave {name} out, or --check.")
    if options.photographs is not None:
        raise UsageError(
            f"PHOTOGRAPHS ({options.photographs}) and --check are mutually exclusive: --check "
            "names images that have labels."
        )
    common = options.common
    out = OutputOptions(common.out.format, common.out.output, common.force)
    with answering(out, common.messages, kinds=kinds_of(SECTIONS)) as (progress, writer):
        roots = common.places.roots
        side = max(parse_size(common.side, "--side")) if is_typed("--side") else None
        dataset = _open_labeled(roots.datasets, subset, side, progress)
        given = None if options.words is None else find_words(options.words)
        if common.dry_run:
            progress.note(
                f"Would check {options.engine} on the {len(dataset.rows):,} images of {subset}."
            )
            return
        engine = open_engine(
            options.engine,
            device=options.device,
            half=options.precision == "half",
            progress=progress,
        )
        if given is None and engine.vocabulary is not None:
            given = words_of(engine.vocabulary)
        index = open_index(dataset, roots, common.parallel.cores, progress)
        checked = own_words(index) if given is None else match_words(given, index)
        about = _describe(options, engine, dataset, progress)
        path = check_path(roots.models, about, [each.word for each in checked])
        quality = None
        if path.exists() and not common.force:
            with suppress(DamagedDataError):
                quality = read_check(path)
                progress.note("Checked before, with the same engine, words and images.")
        if quality is None:
            # A place that cannot be written shows before the work.
            with replacing(path) as beside:
                every, words = check_engine(
                    engine,
                    dataset,
                    index,
                    checked,
                    seed=common.seed,
                    batch_size=options.batch_size,
                    progress=progress,
                )
                quality = StoredQuality(
                    format="ccx-word-quality",
                    version=1,
                    program=__version__,
                    about=about,
                    all=every,
                    words=words,
                )
                write_check(beside, quality)
        ranked = sorted(quality.words, key=lambda word: -1 if word.iou is None else word.iou)
        write_sections(writer, SECTIONS, [*reversed(ranked), quality.all])
        _tell(quality, dataset, checked, progress)
        progress.note(
            f"Stored in {path}: `ccx annotate` with this engine takes its thresholds and IoU, or "
            f"name it with --quality {path.stem}."
        )


def _open_labeled(
    datasets: Path, subset: str, side: int | None, progress: Progress
) -> BrodenDataset:
    try:
        dataset = open_dataset(datasets, subset, side, progress)
    except CcxError as error:
        said = re.sub("`subset`|--subset", "--check", str(error))
        raise type(error)(said) from error
    if read_annotation(dataset.directory) is not None:
        raise UsageError(
            f"--check {subset}: `ccx annotate` predicted these labels, name images that people "
            "labeled."
        )
    return dataset


def _describe(
    options: AnnotateOptions, engine: Engine, dataset: BrodenDataset, progress: Progress
) -> CheckedEngine:
    roots = options.common.places.roots
    files = FileCheck(progress=progress)
    return CheckedEngine(
        **asdict(engine.identity),
        precision=options.precision,
        subset=dataset.subset,
        dataset=dataset.name,
        images=images_fingerprint(dataset, roots.activations, files),
        labels=labels_fingerprint(dataset, roots.segmentations, files),
        seed=options.common.seed,
    )


def _tell(
    quality: StoredQuality, dataset: BrodenDataset, checked: Sequence[Checked], progress: Progress
) -> None:
    n_images = len(dataset.rows)
    progress.note(
        f"Measured on {quality.all.images:,} of {n_images:,} images; the others chose the "
        f"thresholds. A pixel without a label counts as one without the word."
    )
    unlabeled = [each.word.name for each in checked if each.concept is None]
    if unlabeled:
        progress.note(f"No label in {dataset.subset}, so not measured: {few(unlabeled)}.")
