"""The paragraph that a paper needs on how a run was made."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from ccx_cli.design import listed
from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.libraries import library_of
from ccx_cli.records.header import PACKAGES, Session
from ccx_cli.runs.methods.labels import annotation, colors, data_text, tables
from ccx_cli.runs.methods.network import network_input, source_text
from ccx_cli.runs.methods.search import search_sentences, searched_images
from ccx_cli.runs.methods.studies import cited_in, study_sentences
from ccx_cli.runs.methods.words import Cite, Quote, known
from ccx_cli.runs.references import (
    CLUSTERED,
    COMPOSITIONAL,
    DISSECTION,
    Reference,
    clustering_of,
    method_of,
    references_of,
)
from ccx_cli.runs.run import Run

_METHODS = {
    CLUSTERED: "Clustered Compositional Explanations",
    COMPOSITIONAL: "Compositional Explanations",
    DISSECTION: "Network Dissection",
}
_NAMED = ("numpy", "torch", "torchvision", "scikit-learn", "numba")
_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def methods_text(run: Run) -> str:
    """Return the paragraph in plain text, the references below it."""
    used = run_references(run)

    def cite(reference: Reference) -> str:
        return f"[{used.index(reference) + 1}]"

    listed = "\n".join(f"[{position}] {each.text}" for position, each in enumerate(used, start=1))
    return f"{_paragraph(run, cite, str)}\n\n{listed}"


def methods_latex(run: Run) -> str:
    r"""Return the paragraph for LaTeX, with ``\cite`` for the keys of the BibTeX entries."""
    return _paragraph(run, lambda reference: f"\\cite{{{reference.key}}}", _latex)


def run_references(run: Run) -> tuple[Reference, ...]:
    """Return the papers of everything that a run used."""
    used = (*references_of(run.about, run.identity), *cited_in(study_sentences, run))
    return tuple(dict.fromkeys(used))


def _paragraph(run: Run, cite: Cite, quote: Quote) -> str:
    try:
        sentences = [
            _explained(run, cite, quote),
            *annotation(run, cite, quote),
            *tables(run, quote),
            *colors(run),
            *network_input(run, quote),
            *searched_images(run, quote),
            *_ranges(run, cite),
            _pixels(run),
            *search_sentences(run, cite),
            *study_sentences(run, cite),
            _program(run, quote),
        ]
    except LookupError as error:
        raise UsageError(
            f"The header of {run.name} does not have the {error.args[0]} of the run: run `ccx "
            "explain` again, or name another run."
        ) from error
    return " ".join(sentences)


def _explained(run: Run, cite: Cite, quote: Quote) -> str:
    about = run.about
    done = len(run.finished_units)
    total = known(about.units, "number of units")
    what = "units" if about.sae is None else "latents"
    units = f"all {total:,} {what}" if done == total else f"{done:,} of the {total:,} {what}"
    left = len(run.asked_units or ()) - done
    so_far = "" if left <= 0 else f" (so far: {left:,} more were asked for)"
    return (
        f"We explained {units} of {source_text(run, cite, quote)}{so_far} with "
        f"{_method(run, cite)} on {data_text(run, cite, quote)}, which carry "
        f"{known(about.concepts, 'number of concepts'):,} concepts."
    )


def _method(run: Run, cite: Cite) -> str:
    """Name the method, and those that it builds on."""
    chain = list(_METHODS)
    method = chain.index(method_of(run.identity))
    own, *older = (f"{_METHODS[each]} {cite(each)}" for each in chain[method:])
    return f"{own}, which builds on {listed(older)}," if older else own


def _ranges(run: Run, cite: Cite) -> Iterator[str]:
    found = run.identity.ranges
    split = run.about.split
    if found.by_hand is not UNSET:
        spans = ", ".join(
            f"({_end(lower, '-')}, {_end(upper, '')})" for lower, upper in found.by_hand
        )
        yield f"The ranges of activation were set by hand, the same for every unit: {spans}."
    elif found.num_clusters == 1:
        yield (
            "The range of activation of a unit is what exceeds the threshold that a share of "
            f"{known(found.quantile, 'quantile'):g} of its activations over "
            f"{'those images' if split else 'the dataset'} exceeds."
        )
    else:
        clustering = clustering_of(run.identity)
        how = "exact one-dimensional k-means"
        if known(found.kmeans, "kind of k-means") == "sklearn":
            how = f"scikit-learn's k-means with {found.n_init} starts"
        yield (
            f"The activations of each unit{' on those images' if split else ''} were cut into "
            f"{found.num_clusters} ranges by {how}"
            f"{'' if clustering is None else f' {cite(clustering)}'}, zeros left out where no "
            "activation of the unit is negative."
        )
    if run.identity.skip_zero_range:
        yield "For the range of a unit that holds zero, no formula was sought."


def _end(value: float | None, sign: str) -> str:
    return f"{sign}infinity" if value is None else f"{value:g}"


def _pixels(run: Run) -> str:
    size, mask = run.about.map_size, run.about.mask_size
    grid = "the size of the label maps"
    if mask is not None:
        grid = f"the {mask[0]} x {mask[1]} pixels of the label maps"
    if size == [1, 1]:
        maps = "A unit has one activation for an image, which all pixels of the label maps share"
    elif size is not None and size == mask:
        maps = f"Activation maps have {grid}"
    else:
        # Older headers lack the size of the maps.
        which = "" if size else " of more than one pixel"
        is_larger = size and mask and (size[0] > mask[0] or size[1] > mask[1])
        maps = (
            f"Activation maps{which} were {'scaled' if is_larger else 'upsampled'} bilinearly to "
            f"{grid}"
        )
    return (
        f"{maps}, and a pixel is in range where its activation lies strictly between the range's "
        "ends."
    )


def _program(run: Run, quote: Quote) -> str:
    last = run.sessions[-1] if run.sessions else Session()
    library = library_of(str(run.about.model))
    wanted = {*_NAMED, *(() if library is None else (library.distribution,))}
    named = [name for name in PACKAGES if name in wanted and name in last.versions]
    versions = [f"{name} {last.versions[name]}" for name in named]
    if last.python is not None:
        versions.insert(0, f"Python {last.python}")
    program = "ccx" if last.program is None else f"ccx {last.program}"
    device = f" on {last.device}" if last.device not in (None, "cpu") else ""
    listed = f" ({quote(', '.join(versions))})" if versions else ""
    return f"All of this was computed{device} with {program}{listed}."


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
