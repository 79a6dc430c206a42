"""The paragraph that a paper needs on how a run was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ccx_cli.errors import UsageError
from ccx_cli.runs.provenance import (
    PACKAGES,
    asked_units,
    finished_units,
    space_of,
    weights_sha256,
)
from ccx_cli.runs.references import (
    CLUSTERED,
    COMPOSITIONAL,
    DISSECTION,
    FRACTIONAL,
    Reference,
    clustering_of,
    dataset_of,
    method_of,
    references_of,
    weights_of,
)
from ccx_cli.runs.viewed import ViewedRun

_METHODS = {
    CLUSTERED: "Clustered Compositional Explanations",
    COMPOSITIONAL: "Compositional Explanations",
    DISSECTION: "Network Dissection",
}
_WALKED = 3
_NAMED = ("numpy", "torch", "torchvision", "scikit-learn", "numba", "timm")
_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}

Cite = Callable[[Reference], str]
Quote = Callable[[str], str]


def methods_text(run: ViewedRun) -> str:
    """Return the paragraph in plain text, the references below it.

    Raises
    ------
    UsageError
        If the header does not tell how the run was made.
    """
    used = run_references(run)

    def cite(reference: Reference) -> str:
        return f"[{used.index(reference) + 1}]"

    listed = "\n".join(f"[{place}] {each.text}" for place, each in enumerate(used, start=1))
    return f"{_paragraph(run, cite, str)}\n\n{listed}"


def methods_latex(run: ViewedRun) -> str:
    r"""Return the paragraph for LaTeX, with ``\cite`` for the keys of the BibTeX entries.

    Raises
    ------
    UsageError
        If the header does not tell how the run was made.
    """
    return _paragraph(run, lambda reference: f"\\cite{{{reference.key}}}", _latex)


def run_references(run: ViewedRun) -> tuple[Reference, ...]:
    """Return the papers of everything that a run used."""
    return references_of(run.about, run.identity)


def _paragraph(run: ViewedRun, cite: Cite, quote: Quote) -> str:
    try:
        sentences = [
            _explained(run, cite, quote),
            *_input(run, quote),
            *_ranges(run, cite),
            _pixels(run),
            *_search(run, cite),
            _program(run, quote),
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"The header of {run.name} does not tell how it was made ({error}): run `ccx explain` "
            "again, or name another run."
        ) from error
    return " ".join(sentences)


def _explained(run: ViewedRun, cite: Cite, quote: Quote) -> str:
    about = run.about
    done = len(finished_units(run))
    total = about["units"]
    units = f"all {total:,} units" if done == total else f"{done:,} of the {total:,} units"
    left = len(asked_units(run) or ()) - done
    so_far = "" if left <= 0 else f" (so far: {left:,} more were asked for)"
    data = f"the {about['images']:,} images of the subset {quote(about['subset'])}"
    if about["subset"] == "all":
        data = f"all {about['images']:,} images"
    origin = " ".join(cite(each) for each in dataset_of(about))
    name = quote(_last_part(about["dataset"]))
    return (
        f"We explained {units} of {_source(run, cite, quote)}{so_far} with {_method(run, cite)} "
        f"on {data} of {name}{f' {origin}' if origin else ''}, which carry {about['concepts']:,} "
        "concepts."
    )


def _method(run: ViewedRun, cite: Cite) -> str:
    """Name the method, and those that it builds on."""
    chain = list(_METHODS)
    method = chain.index(method_of(run.identity))
    own, *older = (f"{_METHODS[each]} {cite(each)}" for each in chain[method:])
    return f"{own}, which builds on {_listed(older)}," if older else own


def _source(run: ViewedRun, cite: Cite, quote: Quote) -> str:
    about = run.about
    sha256 = weights_sha256(run)
    digest = f"SHA-256 {sha256[:16]}" if sha256 else ""
    layer = f"the layer {quote(about['layer'])}"
    if "given" in about:
        return f"{layer} in given activations ({quote(about['model'])}, {digest})"
    pretrained = about["pretrained"]
    trained = weights_of(about)
    origin = {
        "none": f"random weights, seed {about['seed']}",
        "own": "weights of our own",
        "demo": "the weights that come with ccx",
        "timm": "the weights that timm publishes",
    }.get(pretrained, "")
    if trained is not None:
        name = {"places365": "Places365", "imagenet": "ImageNet"}[pretrained]
        origin = f"weights trained on {name} {cite(trained)}"
    if pretrained == "own" and about.get("weights") is None:
        origin = "the weights that our code gives it"
    model = about["model"].rpartition("/")[2]
    if about.get("model_args"):
        model += f" ({', '.join(about['model_args'])})"
    words = ", ".join(word for word in (origin, digest) if word)
    return f"{layer} of the network {quote(model)} ({words})"


def _input(run: ViewedRun, quote: Quote) -> Iterator[str]:
    about = run.about
    if "given" in about or "input_size" not in about:
        return
    height, width = about["input_size"]
    mean, std = (", ".join(f"{value:g}" for value in about[key]) for key in ("mean", "std"))
    precision = about.get("precision", "single")
    computed = "" if precision == "single" else f" The forward pass was computed in {precision}."
    yield (
        f"Images entered the network at {height} x {width} pixels, normalised with mean ({mean}) "
        f"and deviation ({std}).{computed}"
    )
    if about.get("split"):
        yield (
            f"Formulas were searched on the images marked {quote(about['split'])} and scored on "
            "the others as well."
        )


def _ranges(run: ViewedRun, cite: Cite) -> Iterator[str]:
    found = run.identity["ranges"]
    if "by_hand" in found:
        spans = ", ".join(
            f"({_end(lower, '-')}, {_end(upper, '')})" for lower, upper in found["by_hand"]
        )
        yield f"The ranges of activation were set by hand, the same for every unit: {spans}."
    elif found["num_clusters"] == 1:
        yield (
            "The range of activation of a unit is what exceeds the threshold that a share of "
            f"{found['quantile']:g} of its activations over the data set exceeds."
        )
    else:
        clustering = clustering_of(run.identity)
        how = "exact one-dimensional k-means"
        if found["kmeans"] == "sklearn":
            how = f"scikit-learn's k-means with {found['n_init']} starts"
        yield (
            f"The activations of each unit were cut into {found['num_clusters']} ranges by {how}"
            f"{'' if clustering is None else f' {cite(clustering)}'}, zeros left out where no "
            "activation of the unit is negative."
        )


def _end(value: float | None, sign: str) -> str:
    return f"{sign}infinity" if value is None else f"{value:g}"


def _pixels(run: ViewedRun) -> str:
    grid = "the size of the label maps"
    if "mask_size" in run.about:
        height, width = run.about["mask_size"]
        grid = f"the {height} x {width} pixels of the label maps"
    return (
        f"Activation maps were upsampled bilinearly to {grid}, and a pixel is in range where its "
        "activation lies strictly between the range's ends."
    )


def _search(run: ViewedRun, cite: Cite) -> Iterator[str]:
    search = run.identity["search"]
    space = space_of(run)
    operators = ["OR", "AND", "AND NOT"]
    limited = ""
    if space is not None:
        operators = [operator.name.replace("_", " ") for operator in space.operators]
        if len(space.concepts) < run.about["concepts"]:
            limited = f", {len(space.concepts):,} of which were allowed,"
    length = search["length"]
    if length == 1:
        wanted = f"the concept{limited}"
    else:
        wanted = (
            f"the formula of at most {length} concepts{limited} joined from left to right by "
            f"{_listed(operators)}"
        )
    over = "those images" if run.about.get("split") else "the whole data set"
    yield f"For each range we searched for {wanted} whose pixels over {over} have the"
    yield "largest intersection over union (IoU) with the pixels in range"
    penalty = search.get("length_penalty", 1)
    if penalty != 1:
        yield f"times {penalty:g} for every concept after the first"
    yield from _how(run, cite)


def _how(run: ViewedRun, cite: Cite) -> Iterator[str]:
    search = run.identity["search"]
    if search["name"] == "beam":
        yield f"by a beam search that keeps {search['beam_limit']} formulas."
        return
    records = [record for record in run.records if record["formula"] is not None]
    proven = sum(record.get("proven") is True for record in records)
    if search["length"] == 1:
        yield "by trying all."
        return
    yield f"by a branch-and-bound search {cite(FRACTIONAL)}:"
    if proven == len(records):
        yield "every formula is proven to be the best there is."
    else:
        yield (
            f"{proven:,} of {len(records):,} formulas are proven to be the best there are, for "
            "the others the search ended at a limit and leaves an upper bound."
        )
    if search["length"] > _WALKED:
        limit = search.get("time_limit")
        yield (
            f"Beyond {_WALKED} concepts at most {search['node_limit']:,} formulas were expanded "
            f"for each length{'' if limit is None else f', for at most {limit:g} s a range'}."
        )


def _program(run: ViewedRun, quote: Quote) -> str:
    last: dict[str, Any] = run.sessions[-1] if run.sessions else {}
    named = [name for name in PACKAGES if name in _NAMED and name in last]
    if not str(run.about["model"]).startswith("timm:"):
        named = [name for name in named if name != "timm"]
    versions = [f"{name} {last[name]}" for name in named]
    if "python" in last:
        versions.insert(0, f"Python {last['python']}")
    program = f"ccx {last['program']}" if "program" in last else "ccx"
    device = f" on {last['device']}" if last.get("device", "cpu") != "cpu" else ""
    listed = f" ({quote(', '.join(versions))})" if versions else ""
    return f"All of this was computed{device} with {program}{listed}."


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
