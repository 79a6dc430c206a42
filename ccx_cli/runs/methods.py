"""The paragraph that a paper needs on how a run was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TypeVar

from msgspec import UNSET, UnsetType

from ccx_cli.concepts.color_rules import (
    AGREEMENT,
    BOXES_AGREEMENT,
    COLOR_BOXES,
    COLOR_RULE,
    FITTED_TO,
    HELD_OUT,
    LEVELS,
)
from ccx_cli.design import listed
from ccx_cli.errors import UsageError
from ccx_cli.records.explanation import SOFT
from ccx_cli.records.header import PACKAGES, Session
from ccx_cli.runs.provenance import space_of
from ccx_cli.runs.references import (
    CLUSTERED,
    COMPOSITIONAL,
    DISSECTION,
    Reference,
    clustering_of,
    dataset_of,
    engine_of,
    has_own_dataset,
    method_of,
    references_of,
    search_reference,
    weights_of,
)
from ccx_cli.runs.run import Run
from ccx_cli.search.registry import search_named
from ccx_cli.search.space import PROVEN_LENGTH

_METHODS = {
    CLUSTERED: "Clustered Compositional Explanations",
    COMPOSITIONAL: "Compositional Explanations",
    DISSECTION: "Network Dissection",
}
_NAMED = ("numpy", "torch", "torchvision", "scikit-learn", "numba", "timm")
_PROVEN = "it is proven that no other formula of this search space scores higher"
_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}

T = TypeVar("T")
Cite = Callable[[Reference], str]
Quote = Callable[[str], str]


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
    return references_of(run.about, run.identity)


def _known(value: T | UnsetType | None, what: str) -> T:
    """Return what the header says; raises ``LookupError`` if it does not."""
    if value is None or value is UNSET:
        raise LookupError(what)
    return value


def _paragraph(run: Run, cite: Cite, quote: Quote) -> str:
    try:
        sentences = [
            _explained(run, cite, quote),
            *_annotation(run, cite, quote),
            *_tables(run, quote),
            *_colors(run),
            *_input(run, quote),
            *_ranges(run, cite),
            _pixels(run),
            *_search(run, cite),
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
    total = _known(about.units, "number of units")
    units = f"all {total:,} units" if done == total else f"{done:,} of the {total:,} units"
    left = len(run.asked_units or ()) - done
    so_far = "" if left <= 0 else f" (so far: {left:,} more were asked for)"
    return (
        f"We explained {units} of {source_text(run, cite, quote)}{so_far} with "
        f"{_method(run, cite)} on {data_text(run, cite, quote)}, which carry "
        f"{_known(about.concepts, 'number of concepts'):,} concepts."
    )


def _method(run: Run, cite: Cite) -> str:
    """Name the method, and those that it builds on."""
    chain = list(_METHODS)
    method = chain.index(method_of(run.identity))
    own, *older = (f"{_METHODS[each]} {cite(each)}" for each in chain[method:])
    return f"{own}, which builds on {listed(older)}," if older else own


def data_text(run: Run, cite: Cite, quote: Quote) -> str:
    """Name the images of a run; raises ``LookupError`` if its header does not."""
    about = run.about
    images, subset = _known(about.images, "number of images"), _known(about.subset, "subset")
    name = quote(_known(about.dataset, "dataset").rpartition("/")[2])
    data = f"the {images:,} images of the subset {quote(subset)} of {name}"
    if has_own_dataset(about):
        labels = " with predicted labels" if about.annotation is not None else ""
        data = f"the {images:,} images of the dataset {quote(subset)}{labels}"
    elif subset == "all":
        data = f"all {images:,} images of {name}"
    return " ".join((data, *(cite(each) for each in dataset_of(about))))


def source_text(run: Run, cite: Cite, quote: Quote) -> str:
    """Name the layer, network and weights of a run; raises ``LookupError`` likewise."""
    about = run.about
    sha256 = run.identity.weights_sha256
    digest = f"SHA-256 {sha256[:16]}" if sha256 else ""
    layer = f"the layer {quote(_known(about.layer, 'layer'))}"
    model = _known(about.model, "model")
    if about.given is not None:
        return f"{layer} in precomputed activations ({quote(model)}, {digest})"
    pretrained = _known(about.weights_kind, "weights")
    trained = weights_of(about)
    origin = {
        "none": f"random weights, seed {about.seed}",
        "demo": "the weights that come with ccx",
        "timm": "the weights that timm publishes",
    }.get(pretrained, "")
    if trained is not None:
        name = {"places365": "Places365", "imagenet": "ImageNet"}[pretrained]
        origin = f"weights trained on {name} {cite(trained)}"
    if pretrained == "own":
        origin = "the weights that our code gives it"
        if about.weights is not None:
            origin = f"weights of our own from the file {quote(PurePath(about.weights).name)}"
    model = model.rpartition("/")[2]
    if about.model_args:
        model += f" ({', '.join(about.model_args)})"
    words = ", ".join(word for word in (origin, digest) if word)
    return f"{layer} of the network {quote(model)} ({words})"


_ENGINES = {
    "clipseg": "CLIPSeg",
    "semantic": "a network of semantic segmentation",
    "sam3": "SAM 3",
    "callable": "a function of our own",
}


def _annotation(run: Run, cite: Cite, quote: Quote) -> Iterator[str]:
    """Say what predicted labels, and how well that agrees with people where it was checked."""
    made = run.about.annotation
    if made is None or not made.words:
        return
    engine = _ENGINES.get(made.engine, made.engine)
    paper = engine_of(run.about)
    engine += "" if paper is None else f" {cite(paper)}"
    said = [quote(made.checkpoint), f"revision {quote(made.revision[:23])}"]
    said += [f"license {quote(made.license)}"] if made.license else []
    said += ["half precision"] if made.precision == "half" else []
    scores = sorted({_known(word.threshold, "thresholds") for word in made.words})
    least = f"{scores[0]:g}" if len(scores) == 1 else f"{scores[0]:g} to {scores[-1]:g} (by word)"
    colors = " but those of colors" if run.about.color_rule else ""
    categories = {word.category for word in made.words}
    exclusive = [f"{each}s" for each in ("object", "material", "scene") if each in categories]
    highest = f" and, of {listed(exclusive)}, the highest" if exclusive else ""
    whole = ", a scene's being its mean over the image" if "scene" in categories else ""
    parts = sum(word.owner is not None for word in made.words)
    inside = f"; {parts:,} of them only where another word is" if parts else ""
    yield (
        f"All labels{colors} were predicted by {engine} ({', '.join(said)}), not drawn by people, "
        f"for {len(made.words):,} words, where a word's score is at least {least}{highest}{whole}"
        f"{inside}."
    )
    ious = [word.iou for word in made.words if word.iou is not None]
    if ious:
        yield (
            f"On images with human labels, of the check {quote(_known(made.check, 'check'))}, the "
            f"mean IoU of {len(ious):,} of these words was {sum(ious) / len(ious):.2f}."
        )


def _tables(run: Run, quote: Quote) -> Iterator[str]:
    """Say how tables label whole images."""
    made = run.about.tables
    if made is None or not made.categories:
        return
    kind = "category" if len(made.categories) == 1 else "categories"
    named = quote(listed(made.categories))
    said = [f"Attributes from tables, of the {kind} {named}, are labels of whole images"]
    if made.threshold is not None:
        said.append(f"a score of at least {made.threshold:g} counted as present")
    if made.missing is not None:
        absent = "missing values counted as absent"
        dropped = "images that miss a value were left out"
        said.append(absent if made.missing == "no" else dropped)
    yield f"{'; '.join(said)}."


def _colors(run: Run) -> Iterator[str]:
    """Say how an import named colors, and how well that agrees with photographs' labels."""
    rule = run.about.color_rule
    table = f"a table of {LEVELS} x {LEVELS} x {LEVELS} RGB cells"
    if rule == COLOR_RULE:
        yield (
            f"Colors were named by {table}, fitted to the color labels of {FITTED_TO} photographs; "
            f"on {HELD_OUT} others it agrees with {AGREEMENT:.1%} of the labels of pixels."
        )
    elif rule == COLOR_BOXES:
        yield (
            "Colors were named by fixed boxes in hue, saturation and value, which on "
            f"{HELD_OUT} photographs agree with {BOXES_AGREEMENT:.1%} of the labels of pixels."
        )
    elif rule is not None:
        yield f"Colors were named by {table} ({rule})."


def _input(run: Run, quote: Quote) -> Iterator[str]:
    about = run.about
    if about.given is not None or about.input_size is None:
        return
    height, width = about.input_size
    mean, std = (
        ", ".join(f"{value:g}" for value in _known(values, "input normalization"))
        for values in (about.mean, about.std)
    )
    precision = about.precision or "single"
    computed = "" if precision == "single" else f" The forward pass was computed in {precision}."
    yield (
        f"Images entered the network at {height} x {width} pixels, normalized with mean ({mean}) "
        f"and standard deviation ({std}).{computed}"
    )
    if about.split:
        yield (
            f"Formulas were searched on the images marked {quote(about.split)} and scored on "
            "the others as well."
        )


def _ranges(run: Run, cite: Cite) -> Iterator[str]:
    found = run.identity.ranges
    if found.by_hand is not UNSET:
        spans = ", ".join(
            f"({_end(lower, '-')}, {_end(upper, '')})" for lower, upper in found.by_hand
        )
        yield f"The ranges of activation were set by hand, the same for every unit: {spans}."
    elif found.num_clusters == 1:
        yield (
            "The range of activation of a unit is what exceeds the threshold that a share of "
            f"{_known(found.quantile, 'quantile'):g} of its activations over the dataset exceeds."
        )
    else:
        clustering = clustering_of(run.identity)
        how = "exact one-dimensional k-means"
        if _known(found.kmeans, "kind of k-means") == "sklearn":
            how = f"scikit-learn's k-means with {found.n_init} starts"
        yield (
            f"The activations of each unit were cut into {found.num_clusters} ranges by {how}"
            f"{'' if clustering is None else f' {cite(clustering)}'}, zeros left out where no "
            "activation of the unit is negative."
        )


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


def _search(run: Run, cite: Cite) -> Iterator[str]:
    search = run.identity.search
    space = space_of(run)
    operators = ["OR", "AND", "AND NOT"]
    limited = ""
    if space is not None:
        operators = [operator.name.replace("_", " ") for operator in space.operators]
        if len(space.concepts) < (run.about.concepts or 0):
            limited = f", {len(space.concepts):,} of which were allowed,"
    length = _known(search.length, "length")
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
    if search.min_coverage not in (UNSET, 0):
        covered = "the activation" if soft else "the hits"
        yield f"among those that cover at least a share of {search.min_coverage:g} of {covered},"
    if search.length_penalty not in (UNSET, 1):
        yield f"times {search.length_penalty:g} for every concept after the first,"
    yield from _how(run, cite, searched)
    if soft:
        yield (
            "Activations were scaled to at most 1 and rounded to multiples of 1/1048576. IoU, lift "
            "and MCC are of the hits of the unit's highest range."
        )


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
    search = search_named(_known(identity.name, "search"))
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
    length = _known(identity.length, "length")
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
        nodes = _known(identity.node_limit, "node limit")
        yield (
            f"Beyond {PROVEN_LENGTH} concepts at most {nodes:,} formulas were expanded for each "
            f"length{'' if limit is None else f', for at most {limit:g} s a range'}."
        )


def _program(run: Run, quote: Quote) -> str:
    last = run.sessions[-1] if run.sessions else Session()
    named = [name for name in PACKAGES if name in _NAMED and name in last.versions]
    if not str(run.about.model).startswith("timm:"):
        named = [name for name in named if name != "timm"]
    versions = [f"{name} {last.versions[name]}" for name in named]
    if last.python is not None:
        versions.insert(0, f"Python {last.python}")
    program = "ccx" if last.program is None else f"ccx {last.program}"
    device = f" on {last.device}" if last.device not in (None, "cpu") else ""
    listed = f" ({quote(', '.join(versions))})" if versions else ""
    return f"All of this was computed{device} with {program}{listed}."


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
