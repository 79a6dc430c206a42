"""The tables of an import, and their summary."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from ccx_cli.concepts.broden_tables import Tally, WrittenLabel, write_index, write_label_tables
from ccx_cli.concepts.importing.convert import ConvertedImage
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.errors import UsageError

MARKER = "ccx-import.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """What there is of one category.

    Attributes
    ----------
    concepts
        Those that some pixel carries.
    images
        Photographs with any of them.
    coverage
        Share of all pixels that carry any of them.
    commonest
        Names of those in the most photographs.
    """

    category: str
    concepts: int
    images: int
    coverage: float
    commonest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What was made.

    Attributes
    ----------
    splits
        Photographs of each split.
    concepts
        Those that some pixel carries, each once.
    unused
        Concepts of the source that no pixel carries: they are left out.
    unlabelled
        Photographs without any label.
    made_before
        Whether the same import had made it already, and nothing was written.
    """

    splits: Mapping[str, int]
    concepts: int
    unused: int
    unlabelled: int
    categories: tuple[CategorySummary, ...]
    made_before: bool = False


def read_summary(directory: Path, made_from: str) -> ImportSummary | None:
    """Return what is in a dataset, if an import from ``made_from`` has made it."""
    try:
        marker = json.loads((directory / MARKER).read_text(encoding="utf-8"))
        if marker["made_from"] != made_from:
            return None
        summary = msgspec.convert(marker["summary"], ImportSummary)
        return replace(summary, made_before=True)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
        return None


def write_tables(
    directory: Path,
    source: Source,
    converted: Sequence[ConvertedImage],
    settings: ImportSettings,
    made_from: str,
) -> ImportSummary:
    """Write the CSVs and the marker, and sum up.

    Parameters
    ----------
    directory
        Where the images are, to write beside them.
    source, converted
        The photographs before and after, in the same order.
    settings
        Of the dataset.
    made_from
        Digest of all that the dataset depends on.

    Raises
    ------
    UsageError
        If no photograph has a label.
    """
    size = math.prod(settings.mask_size)
    tally = Tally()
    with_any: Counter[str] = Counter()
    labelled: defaultdict[str, int] = defaultdict(int)
    for each in converted:
        shares = {
            category: {number: count / size for number, count in own.items()}
            for category, own in each.pixels.items()
        }
        tally.add(shares, {number: count / size for number, count in each.together.items()})
        for category, count in each.labelled.items():
            with_any[category] += 1
            labelled[category] += count
    labels = tuple(
        WrittenLabel(
            label.number,
            label.name,
            tuple(c for c in source.categories if tally.frequency_in.get((c, label.number))),
            label.synonyms,
        )
        for label in source.vocabulary
        if tally.frequency.get(label.number)
    )
    if not labels:
        raise UsageError(
            "None of the photographs has a label: give the folders of their labels, or set "
            "`colors`."
        )
    there = tuple(c for c in source.categories if with_any[c])
    sizes = [str(side) for side in (*settings.size, *settings.mask_size)]
    rows = [
        [each.image, image.split, *sizes, *(each.cells.get(category, "") for category in there)]
        for image, each in zip(source.images, converted, strict=True)
    ]
    write_index(directory, there, rows)
    write_label_tables(directory, there, labels, tally)
    summary = ImportSummary(
        splits=dict(sorted(Counter(image.split for image in source.images).items())),
        concepts=len(labels),
        unused=len(source.vocabulary) - len(labels),
        unlabelled=sum(not each.together for each in converted),
        categories=tuple(
            _summarize(category, labels, tally, with_any, labelled, size * len(converted))
            for category in there
        ),
    )
    marker = {
        "format": "ccx import",
        "version": VERSION,
        "source": source.kind,
        **asdict(settings),
        "images": len(converted),
        "concepts": len(labels),
        "made_from": made_from,
        "summary": {key: value for key, value in asdict(summary).items() if key != "made_before"},
    }
    (directory / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    return summary


def _summarize(
    category: str,
    labels: Sequence[WrittenLabel],
    tally: Tally,
    with_any: Mapping[str, int],
    labelled: Mapping[str, int],
    pixels: int,
) -> CategorySummary:
    own = [label for label in labels if category in label.categories]
    own.sort(key=lambda label: (-tally.frequency_in[category, label.number], label.number))
    return CategorySummary(
        category,
        len(own),
        with_any[category],
        labelled[category] / pixels,
        tuple(label.name for label in own[:5]),
    )
