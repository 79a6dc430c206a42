"""``ccx concepts``: what a dataset labels, how often, and what goes with what."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ccx_cli.cli.commands.data import ConceptsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import LIFT, Column, numbers
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import FileCheck
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.concepts.qualities import read_annotation
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.progress import Progress
from ccx_cli.records.fields import Record
from ccx_cli.records.listings import ConceptImageRecord, ConceptPairRecord, ConceptRecord
from ccx_cli.runs.opening import open_dataset
from ccx_cli.search.counts import DataCounts
from ccx_cli.store.paths import Roots
from ccx_cli.study.concept_statistics import (
    concept_frequencies,
    cooccurrences,
    images_of,
    implications,
    is_of,
)

_CONCEPT = Column("concept", "concept", style="bold")
_CATEGORY = Column("category", "category")
_IMAGES = Column("images", "images", right=True)
_PIXELS = Column("pixels", "pixels", right=True, spare=True)
LISTED = (
    Column("number", "number", right=True, spare=True),
    _CONCEPT,
    _CATEGORY,
    _IMAGES,
    Column("of images", "image_share", right=True),
    Column("coverage", "coverage", right=True),
    Column("where present", "coverage_where_present", right=True),
)
IMPLIED = (
    Column("pixels of", "premise", style="bold"),
    Column("are of", "conclusion", style="bold"),
    Column("share", "share", right=True),
    Column("by chance", "coverage", right=True),
    _IMAGES,
    _PIXELS,
    Column("and back", "mutual"),
)
SHOWN = (
    Column("image", "image", style="bold"),
    Column("split", "split"),
    *numbers("share", "pixels"),
)


def _together_columns(name: str) -> tuple[Column, ...]:
    return (
        _CONCEPT,
        _CATEGORY,
        Column("images with both", "images", right=True),
        Column("Jaccard", "jaccard", right=True),
        Column(f"of {name} is this", "share", right=True),
        Column(f"of this is {name}", "share_of_other", right=True),
        LIFT,
    )


def concepts(options: ConceptsOptions) -> None:
    """Browse the concepts of a dataset."""
    modes = {
        "--with": options.together_with,
        "--images": options.images,
        "--implications": options.implications,
    }
    asked = [option for option, given in modes.items() if given]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are mutually exclusive.")
    if options.text and asked:
        raise UsageError(
            f"WORD ({' '.join(options.text)}) and {asked[0]} are mutually exclusive: WORD "
            "searches the list of concepts."
        )
    columns: tuple[Column, ...] = LISTED
    if options.images:
        columns = SHOWN
    elif options.together_with:
        columns = _together_columns(options.together_with)
    elif options.implications:
        columns = IMPLIED
    with answering(options.out, options.messages, columns) as (progress, writer):
        records = _records(options, *_open(options, progress))
        shown = writer.write(records[: options.top or None])
        if len(shown) < len(records):
            progress.note(f"{len(shown):,} of {len(records):,} rows: --top 0 shows all.")


def _open(options: ConceptsOptions, progress: Progress) -> tuple[BrodenDataset, ConceptIndex]:
    roots = options.places.roots
    dataset = open_dataset(roots.datasets, options.subset, options.side, progress)
    index = open_index(dataset, roots, options.parallel.cores, progress)
    annotation = read_annotation(dataset.directory)
    if annotation is not None:
        progress.note(annotation.sentence)
    for category in options.category or ():
        if category not in dataset.categories:
            known = ", ".join(dataset.categories)
            near = suggestion(category, dataset.categories)
            raise UsageError(
                f"--category {category} is not a category of {dataset.name} ({known}){near or '.'}"
            )
    return dataset, index


def open_index(
    dataset: BrodenDataset, roots: Roots, workers: int, progress: Progress
) -> ConceptIndex:
    """Read the concept index of a dataset, made if it is missing."""
    # Whatever network needs the index next makes it anew; this command does too.
    cache = index_cache(dataset, roots.segmentations, "", FileCheck(progress=progress))
    cleared = str(cache.directory.absolute())
    cache.rebuild = shlex.join(["ccx", "cache", "clear", "--yes", cleared])
    build_index(dataset, cache, workers=workers, progress=progress)
    return load_index(dataset, cache)


def _records(
    options: ConceptsOptions, dataset: BrodenDataset, index: ConceptIndex
) -> Sequence[Record]:
    """Return what is asked for: images, concepts beside one, implications, or concepts."""

    def index_of(name: str) -> int:
        number = Vocabulary(index.names).number(name)
        return [int(each) for each in index.concepts].index(number)

    if options.images:
        return _images(dataset, index, index_of(options.images))
    data = DataCounts(index)
    if options.implications:
        return implications(
            index,
            data,
            least_share=options.min_share,
            least_images=options.min_images,
            categories=options.category,
        )
    labels = {label.number: label for label in index.labels}
    found: list[ConceptRecord] | list[ConceptPairRecord] = concept_frequencies(index, data)
    if options.together_with:
        found = cooccurrences(index, data, index_of(options.together_with))
    elif options.text:
        named = _named(options.text, dataset, index)
        found = [each for each in concept_frequencies(index, data) if each.number in named]
    records = [
        each
        for each in found
        if each.images >= options.min_images and is_of(labels[each.number], options.category)
    ]
    if options.together_with or options.sort == "number":
        return records
    if options.sort == "name":
        return sorted(records, key=lambda record: record.concept.casefold())
    return sorted(records, key=lambda record: (-getattr(record, options.sort), record.number))


def _named(words: list[str], dataset: BrodenDataset, index: ConceptIndex) -> set[int]:
    """Return the numbers of the concepts with one of the words in their name."""
    found = {
        label.number
        for label in index.labels
        for name in (label.name, *label.synonyms)
        if any(word.casefold() in name.casefold() for word in words)
    }
    if not found:
        near = suggestion(words[0], [label.name for label in index.labels])
        raise UsageError(
            f"No concept of {dataset.subset} has {' or '.join(map(repr, words))} in its "
            f"name{near or '.'}"
        )
    return found


def _images(dataset: BrodenDataset, index: ConceptIndex, concept: int) -> list[ConceptImageRecord]:
    size = index.mask_shape[0] * index.mask_shape[1]
    images, pixels = images_of(index, concept)
    return [
        ConceptImageRecord(
            image=row.image,
            split=row.split,
            share=count / size,
            pixels=count,
            concept=index.labels[concept].name,
            path=str(dataset.image_path(row.image)),
        )
        for row, count in zip(
            (dataset.rows[image] for image in images), pixels.tolist(), strict=True
        )
    ]
