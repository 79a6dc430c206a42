"""What the caption of a figure in a paper says: exactly what is drawn, of what, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET

from ccx_cli.records.explanation import SOFT, ExplanationRecord
from ccx_cli.records.metrics import ChanceCount
from ccx_cli.render.figure_files import Drawing, Kind
from ccx_cli.render.latex import cited, escaped
from ccx_cli.render.wording import best_of, network_text
from ccx_cli.runs.methods.labels import data_text
from ccx_cli.runs.methods.network import source_text
from ccx_cli.runs.methods.search import objective_text, space_text
from ccx_cli.runs.methods.studies import chance_sentences, cited_in, stability_sentences
from ccx_cli.runs.references import Reference, references_of
from ccx_cli.runs.run import Run
from ccx_cli.study.unit_images import Show

_IMAGES = {
    Show.TOP: "for the highest range those with its highest activations, else those with most hits",
    Show.SAMPLE: (
        "a random sample of those that contain the formula and whose own IoU is above the one given"
    ),
    Show.MISSES: "those with most hits on which the formula does not hold",
    Show.FALSE_ALARMS: "those with most pixels of the formula that are no hits",
}
_HITS = "hits (the pixels whose activation lies in the range)"
_MEASURES = "its IoU with the unit's {hits}{chance}"
_CHANCE = (
    ", the Matthews correlation coefficient (MCC) of the two, and how many times chance the IoU is "
    "(that of a random mask of the formula's size)"
)
_SAID = {
    Kind.PANEL: (
        "{units} of {origin}. For each range of activation, the highest first: its ends, the "
        "formula, {measures}; and {images}. Hits are in true color, the rest is dimmed; the line "
        "is the edge of the pixels on which the formula holds."
    ),
    Kind.PUBLISHED: (
        "{units} of {origin}. For each range of activation, the highest first: the formula and "
        "{images}. All is black but the unit's {hits}."
    ),
    Kind.DISTRIBUTION: (
        "Activations of {units} of {origin}, over all positions of its maps, on a logarithmic "
        "scale. Colors are its ranges of activation, each with its ends, its formula, {measures}."
    ),
    Kind.CATEGORIES: (
        "Categories of the $n$ concepts in the formulas of {units} of {origin}, by range of "
        "activation, 0 the lowest. Concepts under NOT are left out."
    ),
    Kind.IOU: (
        "IoU of formulas with the {hits}, for {units} of {origin}, by range of activation, 0 the "
        "lowest. A dot is one unit; the line is the median, the box the interquartile range. IoU "
        "grows with the size of a range."
    ),
}

_FIRST = {Kind.PANEL, Kind.PUBLISHED}
_MOST_NAMED = 12


def caption_of(run: Run, shown: Mapping[int, Sequence[ExplanationRecord]], drawing: Drawing) -> str:
    r"""Return the caption of a figure for LaTeX, as ``\caption{...}``."""
    records = [record for own in shown.values() for record in own if record.range is not None]
    units = _units(list(shown))
    chance = _CHANCE if any(record.mcc is not UNSET for record in records) else ""
    said = _SAID[drawing.kind].format(
        units=units if drawing.kind in _FIRST else units.lower(),
        origin=origin_text(run),
        hits=_HITS,
        images=f"up to {drawing.top_k} images, {_IMAGES[drawing.show]}",
        measures=_MEASURES.format(hits=_HITS, chance=chance),
    )
    return rf"\caption{{{' '.join([said, *proof_sentences(run, records, drawing.tolerance)])}}}"


def table_caption(
    run: Run,
    records: Sequence[ExplanationRecord],
    tolerance: float,
    *,
    chance: ChanceCount | None = None,
    resamples: int = 0,
) -> str:
    """Return what a table of explanations says above, for LaTeX.

    ``chance`` is of the run, where the table has q-values. ``resamples`` are those that its
    stability is of; 0 without.
    """
    units = dict.fromkeys(record.unit for record in records)
    papers = (
        *references_of(run.about, run.identity),
        *(cited_in(chance_sentences, run) if chance else ()),
        *(cited_in(stability_sentences, run) if resamples else ()),
    )
    said = [
        f"Explanations of {_units(list(units)).lower()} of {origin_text(run)}",
        cited(dict.fromkeys(papers)),
    ]
    measures = (
        "IoU and Matthews correlation coefficient (MCC) are of the formula's pixels and the unit's "
        f"{_HITS}; lift is the IoU over that of a random mask of the formula's size"
    )
    note = ""
    if chance is not None:
        measures += (
            "; $q$ is, for the best formula of a range, the share of permutations of the images "
            "whose best formula reaches its IoU, adjusted over the ranges compared (false "
            "discovery rate)"
        )
        note = f" {chance.sentence}" if chance.can_tell else ""
    if resamples:
        measures += (
            f"; stability is the share of {resamples:,} bootstrap samples of the images searched "
            "whose best formula is logically equivalent to that of the range"
        )
    ranged = [record for record in records if record.range is not None]
    proof = proof_sentences(run, ranged, tolerance)
    return " ".join([f"{'~'.join(said)}.", f"{measures}.{note}", *proof])


def origin_text(run: Run) -> str:
    """Name the layer, network, weights and images of a run for LaTeX, with citations."""

    def cite(reference: Reference) -> str:
        return cited([reference])

    try:
        return f"{source_text(run, cite, escaped)} on {data_text(run, cite, escaped)}"
    except LookupError:  # the header is of an older version, or damaged
        return escaped(network_text(run.header)) or "a layer"


def proof_sentences(run: Run, records: Sequence[ExplanationRecord], tolerance: float) -> list[str]:
    """Say how formulas were chosen, and for how many it is proven that none scores higher."""
    found = [record for record in records if record.formula is not None]
    search, split = run.identity.search, run.about.split
    best = [best_of(record) for record in found]
    shorter = sum(one.formula != shown.formula for one, shown in zip(best, found, strict=True))
    said = []
    if split is not None:
        said.append(f"Formulas and their scores are of the images marked {escaped(split)}.")
    if search.objective is not UNSET or search.length_penalty not in (UNSET, 1):
        said.append(f"Formulas were searched for the {objective_text(search)}.")
    if search.objective in SOFT:
        said.append("The range of a unit is its highest.")
    if shorter:
        score = "IoU" if all(record.objective is UNSET for record in records) else "score"
        said.append(
            f"Formulas are the shortest whose {score} is within {100 * tolerance:g}% of the best "
            f"one's ({shorter} of {len(found)} are shorter than it)."
        )
    proven = sum(one.proven is True for one in best)
    scores = f"that no formula of the search space, {space_text(run)}, scores higher"
    scores += " than that best one" if shorter else ""
    if proven:
        searched = "unit" if search.objective in SOFT else "range"
        some = f"{proven} of {len(found)} {searched}s"
        if proven == len(found):
            some = f"every {searched}"
        said.append(f"For {some} it is proven {scores}.")
    elif found:
        said.append(f"It is not proven {scores}.")
    return [sentence.replace("%", r"\%") for sentence in said]


def _units(units: Sequence[int]) -> str:
    """Name units, or count them where they are many."""
    if len(units) == 1:
        return f"Unit {units[0]}"
    if len(units) > _MOST_NAMED:
        return f"The {len(units):,} units"
    return f"Units {', '.join(map(str, units[:-1]))} and {units[-1]}"
