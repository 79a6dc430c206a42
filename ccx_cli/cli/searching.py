"""The search that the options name."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from dataclasses import asdict, fields

import numpy as np
from numpy.typing import NDArray

from ccx_cli.cli.search_options import SearchOptions, VocabularyOptions
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.formulas.formula import Operator
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.search.objectives import Objective
from ccx_cli.search.registry import Search, make_search
from ccx_cli.search.space import SearchSpace
from ccx_cli.search.strategy import Strategy

_PROOF = ("ties",)
"""Options of the output that need a search that proves its answer."""
_EFFORT = frozenset({"beam_limit", "node_limit"})
"""Options that a search without them passes over: presets and settings give them to all."""


def check_search(options: SearchOptions) -> None:
    """Refuse options that cannot be meant before long work begins."""
    strategy_of(options, VocabularyOptions(), None)


def strategy_of(
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    index: ConceptIndex | None,
    poor: Collection[str] = (),
) -> Strategy:
    """Make the search that the options name, on a dataset; without, where all may be used.

    ``poor`` are names of concepts to leave out as well.
    """
    space = space_of(vocabulary, index, poor)
    given = asdict(search)
    name = given.pop("search")
    for field in fields(SearchOptions):
        if field.name in given and given[field.name] != field.default:
            _check_belongs(field.name, name)
    if search.within is not None:
        given["within"] = parse_share("--within", search.within)
    if given.pop("min_coverage") is not None:
        if not Objective.parse(search.objective).takes_coverage:
            raise UsageError(
                "--min-coverage works only with --objective mcc, pearson or cosine: add one, or "
                "leave it out."
            )
        given["min_coverage"] = parse_share("--min-coverage", search.min_coverage or "")
    return make_search(name, given, space)


def _check_belongs(option: str, name: Search) -> None:
    """Refuse an option that only other searches have."""
    proves = option in _PROOF
    having = [
        each for each in Search if (each.load().proves if proves else option in each.parameters)
    ]
    if name not in having and option not in _EFFORT:
        raise UsageError(
            f"--{option.replace('_', '-')} works only with --search {' or '.join(having)}: add "
            "that, or leave it out."
        )


def space_of(
    options: VocabularyOptions, index: ConceptIndex | None, poor: Collection[str] = ()
) -> SearchSpace | None:
    """Resolve the vocabulary options; ``None`` where they leave everything in."""
    if options == VocabularyOptions():
        return None
    assert index is not None
    mask = np.ones(len(index.concepts), dtype=np.bool_)
    if options.categories is not None:
        wanted = _categories(options.categories, index)
        mask &= [bool(wanted.intersection(label.categories)) for label in index.labels]
    if options.concepts is not None:
        mask &= _named("--concepts", options.concepts, index)
    if options.exclude is not None:
        mask &= ~_named("--exclude", options.exclude, index)
    if options.min_frequency:
        mask &= index.images_with() >= options.min_frequency
    mask &= [label.name not in poor for label in index.labels]
    if not mask.any():
        raise UsageError(
            "No concept is left to search with: loosen --categories, --concepts, --exclude, "
            "--min-frequency or --min-quality."
        )
    return SearchSpace(mask, _operators(options.operators))


def parse_share(option: str, text: str) -> float:
    """Read ``1%`` or ``0.01`` as a share."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    share = -1.0 if match is None else float(match[1]) / (100 if match[2] else 1)
    if not 0 <= share < 1:
        raise UsageError(f"{option} {text} is not a share below 1, such as 1% or 0.01.")
    return share


def _categories(text: str, index: ConceptIndex) -> set[str]:
    known = sorted({category for label in index.labels for category in label.categories})
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    for name in sorted(wanted):
        if name not in known:
            near = suggestion(name, known) or f": there are {', '.join(known)}."
            raise UsageError(f"--categories {name} is no category of this dataset{near}")
    return wanted


def _named(option: str, text: str, index: ConceptIndex) -> NDArray[np.bool_]:
    vocabulary = Vocabulary(index.names, " of the images that are searched")
    mask = np.zeros(len(index.concepts), dtype=np.bool_)
    for name in next(csv.reader([text], skipinitialspace=True), []):
        if name.strip():
            try:
                number = vocabulary.number(name.strip())
            except UsageError as error:
                raise UsageError(f"{option}: {error}") from error
            mask[np.searchsorted(index.concepts, number)] = True
    return mask


def _operators(text: str) -> tuple[Operator, ...]:
    known = {"or": Operator.OR, "and": Operator.AND, "not": Operator.AND_NOT}
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise UsageError(f"--operators {text} may name or, and and not, not {word}.")
    if not words:
        raise UsageError("--operators is empty: name some of or, and and not.")
    return tuple(sorted({known[word] for word in words}))
