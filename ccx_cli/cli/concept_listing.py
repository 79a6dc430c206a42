"""Records of the concepts of a dataset, for ``ccx concepts``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ccx_cli.cli.inputs.gathering import open_dataset
from ccx_cli.cli.output import Record
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.progress import Progress
from ccx_cli.search.counts import DataCounts, count_data
from ccx_cli.store.paths import Roots
from ccx_cli.study.concept_statistics import (
    concept_frequencies,
    cooccurrences,
    images_of,
    implications,
)


@dataclass(frozen=True, slots=True)
class OpenedConcepts:
    """A dataset with its index and its counts."""

    dataset: BrodenDataset
    index: ConceptIndex
    data: DataCounts

    def index_of(self, name: str) -> int:
        """Return the index of the concept with this name."""
        number = Vocabulary(self.index.names).number(name)
        return [int(each) for each in self.index.concepts].index(number)

    def describe(self, concept: int) -> Record:
        """Return number, name and category of the concept with this index."""
        label = self.index.labels[concept]
        return {"number": label.number, "concept": label.name, "category": label.category}

    def is_of(self, concept: int, categories: Sequence[str]) -> bool:
        """Tell whether a concept is of one of some categories, or none are given."""
        label = self.index.labels[concept]
        return not categories or bool({label.category, *label.categories}.intersection(categories))


def open_concepts(
    roots: Roots, subset: str, side: int, workers: int, progress: Progress
) -> OpenedConcepts:
    """Open a dataset and its index, which is made where it is missing."""
    dataset = open_dataset(roots.datasets, subset, side, progress)
    # Whatever network needs the index next makes it anew; this command does too.
    cleared = index_cache(dataset, roots.segmentations, "").directory
    rebuild = shlex.join(["ccx", "cache", "clear", "--yes", str(cleared.absolute())])
    cache = index_cache(dataset, roots.segmentations, rebuild)
    build_index(dataset, cache, workers=workers, progress=progress)
    index = load_index(dataset, cache)
    return OpenedConcepts(dataset, index, count_data(index))


def check_categories(opened: OpenedConcepts, wanted: Sequence[str]) -> None:
    """Refuse categories that the dataset does not have.

    Raises
    ------
    UsageError
        If there is one.
    """
    for category in wanted:
        if category not in opened.dataset.categories:
            known = ", ".join(opened.dataset.categories)
            near = suggestion(category, opened.dataset.categories)
            raise UsageError(
                f"--category {category} is not a category of {opened.dataset.name} ({known})"
                f"{near or '.'}"
            )


def list_concepts(
    opened: OpenedConcepts,
    words: Sequence[str],
    categories: Sequence[str],
    min_images: int,
    order: str,
) -> list[Record]:
    """List the concepts with one of the words in their name, ordered by ``order``.

    Raises
    ------
    UsageError
        If no concept has one.
    """
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
        {
            **opened.describe(each.concept),
            "images": each.images,
            "image_share": each.images / opened.index.n_images,
            "pixels": each.pixels,
            "coverage": each.coverage,
            "coverage_where_present": each.coverage_where_present,
            "categories": list(labels[each.concept].categories),
            "synonyms": list(labels[each.concept].synonyms),
        }
        for each in concept_frequencies(opened.index, opened.data)
        if each.concept in matching
        and each.images >= min_images
        and opened.is_of(each.concept, categories)
    ]
    match order:
        case "name":
            return sorted(records, key=lambda record: str(record["concept"]).casefold())
        case "number":
            return records
        case _:
            return sorted(records, key=lambda record: (-record[order], record["number"]))


def list_together(
    opened: OpenedConcepts, name: str, categories: Sequence[str], min_images: int
) -> list[Record]:
    """List the concepts that share images with the one called ``name``."""
    concept = opened.index_of(name)
    return [
        {
            **opened.describe(each.concept),
            "with": opened.index.labels[concept].name,
            "images": each.images,
            "both": each.both,
            "jaccard": each.jaccard,
            "share": each.share,
            "share_of_other": each.share_of_other,
            "lift": each.lift,
        }
        for each in cooccurrences(opened.index, opened.data, concept)
        if each.images >= min_images and opened.is_of(each.concept, categories)
    ]


def list_implications(
    opened: OpenedConcepts, categories: Sequence[str], min_share: float, min_images: int
) -> list[Record]:
    """List the implications whose premise is of one of the categories."""
    labels = opened.index.labels
    found = implications(opened.index, opened.data, least_share=min_share, least_images=min_images)
    return [
        {
            "premise": labels[each.premise].name,
            "premise_category": labels[each.premise].category,
            "conclusion": labels[each.conclusion].name,
            "conclusion_category": labels[each.conclusion].category,
            "share": each.share,
            "coverage": each.coverage,
            "images": each.images,
            "pixels": each.pixels,
            "mutual": each.mutual,
        }
        for each in found
        if opened.is_of(each.premise, categories)
    ]


def list_images(opened: OpenedConcepts, name: str) -> list[Record]:
    """List the images with the concept called ``name``, the most of it first."""
    concept = opened.index_of(name)
    rows = opened.dataset.rows
    return [
        {
            "image": rows[each.image].image,
            "split": rows[each.image].split,
            "share": each.share,
            "pixels": each.pixels,
            "concept": opened.index.labels[concept].name,
            "path": str(opened.dataset.image_path(rows[each.image].image)),
        }
        for each in images_of(opened.index, opened.data, concept)
    ]
