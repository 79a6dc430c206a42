"""``ccx concepts``: what a dataset labels, how often, and what goes with what."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ccx_cli.cli.commands.data import ConceptsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import open_dataset
from ccx_cli.cli.output import Column
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import FileCheck
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.progress import Progress
from ccx_cli.records.fields import Record
from ccx_cli.records.listings import (
    ConceptImageRecord,
    ConceptPairRecord,
    ConceptRecord,
    ImplicationRecord,
)
from ccx_cli.search.counts import DataCounts, count_data
from ccx_cli.study.concept_statistics import (
    concept_frequencies,
    cooccurrences,
    images_of,
    implications,
    is_of,
)


def _number(title: str, key: str, *, spare: bool = False, decimals: int = 4) -> Column:
    return Column(title, key, right=True, spare=spare, decimals=decimals)


_CONCEPT = Column("concept", "concept", style="bold")
_CATEGORY = Column("category", "category")
LISTED = (
    _number("number", "number", spare=True),
    _CONCEPT,
    _CATEGORY,
    _number("images", "images"),
    _number("of images", "image_share"),
    _number("coverage", "coverage"),
    _number("where present", "coverage_where_present"),
)
IMPLIED = (
    Column("pixels of", "premise", style="bold"),
    Column("are of", "conclusion", style="bold"),
    _number("share", "share"),
    _number("by chance", "coverage"),
    _number("images", "images"),
    _number("pixels", "pixels", spare=True),
    Column("and back", "mutual"),
)
SHOWN = (
    Column("image", "image", style="bold"),
    Column("split", "split"),
    _number("share", "share"),
    _number("pixels", "pixels"),
)


def _together_columns(name: str) -> tuple[Column, ...]:
    return (
        _CONCEPT,
        _CATEGORY,
        _number("images with both", "images"),
        _number("Jaccard", "jaccard"),
        _number(f"of {name} is this", "share"),
        _number(f"of this is {name}", "share_of_other"),
        _number("lift", "lift", decimals=1),
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
    list_records: Callable[[_Opened], Sequence[Record]] = _list_concepts
    if options.images:
        columns, list_records = SHOWN, partial(_list_images, name=options.images)
    elif options.together_with:
        columns = _together_columns(options.together_with)
        list_records = partial(_list_together, name=options.together_with)
    elif options.implications:
        columns, list_records = IMPLIED, _list_implications
    with answering(options.out, options.messages, columns) as (progress, writer):
        records = list_records(_open_concepts(options, progress))
        shown = writer.write(records[: options.top or None])
        if len(shown) < len(records):
            progress.note(f"{len(shown):,} of {len(records):,} rows: --top 0 shows all.")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A dataset with its index and its counts."""

    dataset: BrodenDataset
    index: ConceptIndex
    data: DataCounts
    options: ConceptsOptions

    def index_of(self, name: str) -> int:
        """Return the index of the concept with this name."""
        number = Vocabulary(self.index.names).number(name)
        return [int(each) for each in self.index.concepts].index(number)

    def is_wanted(self, number: int, images: int) -> bool:
        """Tell whether a concept, which so many images have, is of the wanted categories."""
        label = next(label for label in self.index.labels if label.number == number)
        return images >= self.options.min_images and is_of(label, self.options.category)


def _open_concepts(options: ConceptsOptions, progress: Progress) -> _Opened:
    """Open a dataset and its index, which is made where it is missing."""
    roots = options.places.roots
    dataset = open_dataset(roots.datasets, options.subset, options.side, progress)
    # Whatever network needs the index next makes it anew; this command does too.
    cache = index_cache(dataset, roots.segmentations, "", FileCheck(progress=progress))
    cleared = str(cache.directory.absolute())
    cache.rebuild = shlex.join(["ccx", "cache", "clear", "--yes", cleared])
    workers = options.parallel.cores
    build_index(dataset, cache, workers=workers, progress=progress)
    index = load_index(dataset, cache)
    for category in options.category or ():
        if category not in dataset.categories:
            known = ", ".join(dataset.categories)
            near = suggestion(category, dataset.categories)
            raise UsageError(
                f"--category {category} is not a category of {dataset.name} ({known}){near or '.'}"
            )
    return _Opened(dataset, index, count_data(index), options)


def _list_concepts(opened: _Opened) -> list[ConceptRecord]:
    """List the concepts with one of the words in their name."""
    words = opened.options.text or []
    labels = opened.index.labels
    matching = {
        concept
        for concept, label in enumerate(labels)
        if not words
        or any(
            word.casefold() in name.casefold()
            for word in words
            for name in (label.name, *label.synonyms)
        )
    }
    if not matching:
        near = suggestion(words[0], [label.name for label in labels])
        raise UsageError(
            f"No concept of {opened.dataset.subset} has {' or '.join(map(repr, words))} in its "
            f"name{near or '.'}"
        )
    records = [
        each
        for position, each in enumerate(concept_frequencies(opened.index, opened.data))
        if position in matching and opened.is_wanted(each.number, each.images)
    ]
    order = opened.options.sort
    if order == "name":
        return sorted(records, key=lambda record: record.concept.casefold())
    if order == "number":
        return records
    return sorted(records, key=lambda record: (-getattr(record, order), record.number))


def _list_together(opened: _Opened, name: str) -> list[ConceptPairRecord]:
    """List the concepts that share images with the one called ``name``."""
    return [
        each
        for each in cooccurrences(opened.index, opened.data, opened.index_of(name))
        if opened.is_wanted(each.number, each.images)
    ]


def _list_implications(opened: _Opened) -> list[ImplicationRecord]:
    """List the implications whose premise is of one of the categories."""
    options = opened.options
    return implications(
        opened.index,
        opened.data,
        least_share=options.min_share,
        least_images=options.min_images,
        categories=options.category,
    )


def _list_images(opened: _Opened, name: str) -> list[ConceptImageRecord]:
    """List the images with the concept called ``name``, the most of it first."""
    concept = opened.index_of(name)
    size = opened.index.mask_shape[0] * opened.index.mask_shape[1]
    images, pixels = images_of(opened.index, concept)
    return [
        ConceptImageRecord(
            image=row.image,
            split=row.split,
            share=count / size,
            pixels=count,
            concept=opened.index.labels[concept].name,
            path=str(opened.dataset.image_path(row.image)),
        )
        for row, count in zip(
            (opened.dataset.rows[image] for image in images), pixels.tolist(), strict=True
        )
    ]
