"""Sentences on the images of a run and their labels."""

from __future__ import annotations

from collections.abc import Iterator

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
from ccx_cli.runs.methods.words import Cite, Quote, known
from ccx_cli.runs.references import dataset_of, engine_of, has_own_dataset
from ccx_cli.runs.run import Run


def data_text(run: Run, cite: Cite, quote: Quote) -> str:
    """Name the images of a run; raises ``LookupError`` if its header does not."""
    about = run.about
    images, subset = known(about.images, "number of images"), known(about.subset, "subset")
    name = quote(known(about.dataset, "dataset").rpartition("/")[2])
    data = f"the {images:,} images of the subset {quote(subset)} of {name}"
    if has_own_dataset(about):
        labels = " with predicted labels" if about.annotation is not None else ""
        data = f"the {images:,} images of the dataset {quote(subset)}{labels}"
    elif subset == "all":
        data = f"all {images:,} images of {name}"
    return " ".join((data, *(cite(each) for each in dataset_of(about))))


_ENGINES = {
    "clipseg": "CLIPSeg",
    "semantic": "a network of semantic segmentation",
    "sam3": "SAM 3",
    "callable": "a function of our own",
}


def annotation(run: Run, cite: Cite, quote: Quote) -> Iterator[str]:
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
    scores = sorted({known(word.threshold, "thresholds") for word in made.words})
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
            f"On images with human labels, of the check {quote(known(made.check, 'check'))}, the "
            f"mean IoU of {len(ious):,} of these words was {sum(ious) / len(ious):.2f}."
        )


def tables(run: Run, quote: Quote) -> Iterator[str]:
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


def colors(run: Run) -> Iterator[str]:
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
