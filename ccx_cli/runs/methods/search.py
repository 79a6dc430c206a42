"""Sentences on the search of a run."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from ccx_cli.design import listed
from ccx_cli.records.explanation import SOFT
from ccx_cli.records.header import SearchIdentity
from ccx_cli.runs.methods.words import Cite, Quote, known
from ccx_cli.runs.provenance import space_of
from ccx_cli.runs.references import search_reference
from ccx_cli.runs.run import Run
from ccx_cli.search.registry import search_named
from ccx_cli.search.space import PROVEN_LENGTH

_OPERATORS = ["OR", "AND", "AND NOT"]
_PROVEN = "it is proven that no other formula of this search space scores higher"


def searched_images(run: Run, quote: Quote) -> Iterator[str]:
    """Say which images were searched, if not all."""
    if run.about.split:
        yield (
            f"Formulas were searched on the images marked {quote(run.about.split)} and scored on "
            "the others as well."
        )


def search_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say what was searched for, how, and what is proven of it."""
    search = run.identity.search
    operators, limited = _allowed(run)
    limited += "," if limited else ""
    length = known(search.length, "length")
    if length == 1:
        wanted = f"the concept{limited}"
    else:
        wanted = (
            f"the formula of at most {length} concepts{limited} joined from left to right by "
            f"{listed(operators)}"
        )
    if run.about.min_quality is not None:
        yield (
            f"Words whose labels have an IoU below {run.about.min_quality:g} with human labels, or "
            f"that were not checked, were left out: {len(run.about.left_out):,} of them."
        )
    over = "those images" if run.about.split else "the whole dataset"
    soft = search.objective in SOFT
    searched = "unit" if soft else "range"
    yield f"For each {searched} we searched for {wanted} whose pixels over {over} have the"
    yield largest(search.objective)
    yield from (f"among those {words}," for words in _covering(search))
    yield from (f"{words}," for words in _penalized(search))
    yield from _how(run, cite, searched)
    if soft:
        yield (
            "Activations were scaled to at most 1 and rounded to multiples of 1/1048576. IoU, lift "
            "and MCC are of the hits of the unit's highest range."
        )


def objective_text(search: SearchIdentity) -> str:
    """Say what was maximized, with the penalty on length if there was one."""
    return " ".join([largest(search.objective), *_penalized(search)]).rstrip(",")


def space_text(run: Run) -> str:
    """Say of which formulas it is proven, where it is, that none scores higher."""
    search = run.identity.search
    operators, limited = _allowed(run)
    space = "left chains"
    if search.length == 1:
        space = "single concepts"
    elif search.length is not UNSET:
        space += f" of up to {search.length} concepts"
    parts = [space + limited]
    if operators != _OPERATORS and search.length != 1:
        parts.append(f"joined by {listed(operators)}")
    return ", ".join([*parts, *_covering(search)])


def _allowed(run: Run) -> tuple[list[str], str]:
    """Return the operators that formulas could have, and how many concepts, if not all."""
    space = space_of(run)
    if space is None:
        return _OPERATORS, ""
    operators = [operator.name.replace("_", " ") for operator in space.operators]
    if len(space.concepts) == run.about.concepts:
        return operators, ""
    return operators, f", {len(space.concepts):,} of which were allowed"


def _covering(search: SearchIdentity) -> Iterator[str]:
    if search.min_coverage not in (UNSET, 0):
        covered = "the activation" if search.objective in SOFT else "the hits"
        yield f"that cover at least a share of {search.min_coverage:g} of {covered}"


def _penalized(search: SearchIdentity) -> Iterator[str]:
    if search.length_penalty not in (UNSET, 1):
        yield f"times {search.length_penalty:g} for every concept after the first"


def largest(objective: str | UnsetType) -> str:
    """Say what was maximized."""
    if objective in SOFT:
        return f"largest {_SOFTLY[str(objective)]} at every pixel,"
    hits = "its hits, the pixels in range,"
    if objective == "mcc":
        return f"largest Matthews correlation coefficient (MCC) with {hits}"
    if objective is not UNSET:
        beta = objective.partition(":")[2]
        return f"largest F-beta score (beta {beta}) as a prediction of {hits}"
    return f"largest intersection over union (IoU) with {hits}"


_SOFTLY = {
    "soft-iou": (
        "soft intersection over union (the sum of the smaller values over that of the larger) with "
        "the unit's activation, scaled to run from 0 to 1,"
    ),
    "pearson": "Pearson correlation with the unit's activation",
    "cosine": "cosine similarity to the unit's activation",
}


def _how(run: Run, cite: Cite, searched: str) -> Iterator[str]:
    identity = run.identity.search
    search = search_named(known(identity.name, "search"))
    if search is None:
        raise LookupError("search")
    try:
        method = search.method.format(**run.search_identity)
    except KeyError as error:
        raise LookupError(str(error.args[0]).replace("_", " ")) from error
    records = [record for record in run.records if record.formula is not None]
    proven = [record.proven for record in records if record.proven is not UNSET]
    reference = search_reference(run.identity)
    cited = f"by {method}" if reference is None else f"by {method} {cite(reference)}"
    if not proven:
        yield f"{cited}."
        return
    length = known(identity.length, "length")
    if length == 1:
        yield "by trying all."
        return
    yield f"{cited}:"
    if sum(proven) == len(records):
        yield f"for every {searched} {_PROVEN}."
    else:
        yield (
            f"for {sum(proven):,} of {len(records):,} ranges {_PROVEN}; for the others the search "
            "ended at a limit and leaves an upper bound."
        )
    yield (
        f"The space is all left chains, ((a op b) op c), of up to {length} of these concepts and "
        "operators that begin with a positive concept."
    )
    if length > PROVEN_LENGTH:
        limit = identity.time_limit or None
        nodes = known(identity.node_limit, "node limit")
        yield (
            f"Beyond {PROVEN_LENGTH} concepts at most {nodes:,} formulas were expanded for each "
            f"length{'' if limit is None else f', for at most {limit:g} s a range'}."
        )
