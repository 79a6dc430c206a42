"""What may stand for an option's value: ``COMPLETERS``, by the name of an option or argument.

Each takes the context of the command line as far as it is typed and the beginning of the value, and
yields values, or pairs of one and a word of help; some may begin otherwise. It reads little and
follows the directories that the command line and the environment name. What is missing or damaged
is not offered; ``main`` silences whatever else completers raise. All must be imported quickly.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ccx_cli.concepts.datasets import USUAL_SIDE, find_datasets, own_names
from ccx_cli.fetching.sets import SETS
from ccx_cli.fetching.sources import BRODEN
from ccx_cli.probe.autoencoders.maps import SETTINGS
from ccx_cli.probe.networks.layer_names import layer_names
from ccx_cli.probe.networks.libraries import LIBRARIES, is_own, library_of
from ccx_cli.probe.networks.torchvision_models import COCO_MODELS, DEMO, KNOWN, default_layer
from ccx_cli.store.paths import ROOT_NAMES, Roots, resolve_roots

if TYPE_CHECKING:
    from ccx_cli.records.header import About
    from ccx_cli.runs.run import Run

Offered = Iterable[str | tuple[str, str]]

# Bounds of what one key press reads.
_MOST_ENTRIES = 20_000
_MOST_LINES = 100_000
_MOST_HEADERS = 500

_DEFAULT_SUBSET = "ade20k"
_OPERATORS = ("AND", "OR", "AND NOT")
_UNIT = re.compile(rb'\{"unit": (\d+)')
# What a name in a formula ends at, or begins after.
_BETWEEN_NAMES = re.compile(r"[()|&~!]\s*|(?<![^\s()])(?:AND|OR|NOT)\s+", re.IGNORECASE)


class Kind(StrEnum):
    """What the shell does with the words that are offered; a completer has it in place of help.

    After a word of ``OPEN`` more may follow at once; ``FILES`` are the shell's own to offer.
    """

    WORDS = "words"
    OPEN = "open"
    FILES = "files"
    DIRECTORIES = "directories"


def _items(incomplete: str, offered: Offered) -> Offered:
    """Offer the next item of a list with commas, without the ones it has already."""
    before, comma, _ = incomplete.rpartition(",")
    taken = {item.strip() for item in before.split(",")}
    for each in offered:
        name, about = (each, "") if isinstance(each, str) else each
        if name not in taken and "," not in name:
            yield before + comma + name, about
    yield incomplete, Kind.OPEN


def _models(_: typer.Context, incomplete: str) -> Offered:
    """Offer the known networks, a library's after its prefix, else callables in Python files."""
    library = library_of(incomplete)
    if library is not None:
        return [f"{library.prefix}{name}" for name in library.names()]
    known: list[str | tuple[str, str]] = [name for name in KNOWN if name.startswith(incomplete)]
    known += [
        (each.prefix, f"a network of {each.package}")
        for each in LIBRARIES.values()
        if each.prefix.startswith(incomplete) and each.is_installed()
    ]
    module, colon, _module = incomplete.rpartition(":")
    if known or not colon:
        return known or [(incomplete, Kind.FILES)]
    return [
        f"{module}:{node.name}"
        for node in _parsed(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def _parsed(module: str) -> ast.Module:
    """Read ``file.py`` or ``package.module``, without running what is in it."""
    file = Path(module).expanduser()
    if not module.endswith(".py"):
        inside = Path(*module.split("."))
        tried = (
            Path(folder, name)
            for folder in (".", *sys.path)
            for name in (inside.with_suffix(".py"), inside / "__init__.py")
        )
        file = next(each for each in tried if each.is_file())
    return ast.parse(file.read_bytes())


def _model_arguments(ctx: typer.Context, incomplete: str) -> Offered:
    module, _, factory = _model(ctx).rpartition(":")
    for node in _parsed(module).body:
        if isinstance(node, ast.FunctionDef) and node.name == factory:
            names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            return [*(f"{name}=" for name in names), (incomplete, Kind.OPEN)]
    return []


def _model(ctx: typer.Context) -> str:
    return str(ctx.params.get("model") or "")


def _pretrained(ctx: typer.Context, _: str) -> Offered:
    model, found = _model(ctx), [("places365", "scenes"), ("imagenet", "objects")]
    found.append(("own", "those of --weights"))
    library = library_of(model)
    if library is not None:
        found = [(library.name, library.origin)]
    elif is_own(model):
        found = [("own", "what the factory gives")]
    elif model in COCO_MODELS:
        found[:2] = [("coco", "objects")]
    elif model == DEMO:
        found = [("demo", "trained on the demo set")]
    return [*found, ("none", "seeded random ones")]


def _sources(ctx: typer.Context, _: str) -> Offered:
    from ccx_cli.probe.networks.published_weights import PLACES365, TORCHVISION  # slow to import

    known = [*(source.name for source in (*BRODEN, *PLACES365)), "all", *SETS, *TORCHVISION]
    return [name for name in known if name not in (ctx.params.get("sources") or ())]


def _roots(ctx: typer.Context) -> Roots:
    """Resolve the five roots as far as the command line says where they are."""

    def given(name: str) -> Path | None:
        path = ctx.params.get(name)
        return None if path is None else Path(os.path.expandvars(path)).expanduser()

    return resolve_roots(given("data_dir"), **{name: given(f"root_{name}") for name in ROOT_NAMES})


def _run_names(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the stored runs, those last worked on first; a path is completed as one."""
    if "/" in incomplete or incomplete.startswith("~"):
        return [(incomplete, Kind.DIRECTORIES)]
    return [
        (name, f"{run.about.model} ({run.about.weights_kind}), {run.about.layer_text}")
        for run in _runs(ctx)
        for name in (run.naming.name, run.name)
        if name is not None
    ]


def _spans(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer units in a list with commas: those of the run, else those the layer has."""
    first, dash, last = incomplete.rpartition(",")[2].rpartition("-")
    if not dash:
        return _items(incomplete, map(str, _units(ctx)))
    start = incomplete.removesuffix(last)
    later = [number for number in _units(ctx) if first.isdecimal() and number > int(first)]
    return [*(f"{start}{number}" for number in later), (incomplete, Kind.OPEN)]


def _layers(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the layers of the network, level by level; of a factory's, those met before."""
    model = _model(ctx)
    met = [str(run.about.layer) for run in _runs(ctx) if _is_of(run.about, model)]
    names = [*layer_names(model), *met]
    level = incomplete.count(".") + 1
    offered: dict[str, str] = {}
    for name in names:
        cut = ".".join(name.split(".")[:level])
        offered.setdefault(cut if cut in names else f"{cut}.", "")
    with suppress(Exception):
        if (default := default_layer(model)) in offered:
            offered[default] = "the default"
    yield from offered.items()
    fitting = tuple(f"{name}." for name in offered if name.startswith(incomplete))
    if any(name.startswith(fitting) for name in names):
        yield incomplete, Kind.OPEN  # A dot may follow at once.


def _subsets(ctx: typer.Context, _: str) -> Offered:
    """Offer ``demo``, ``all``, imports, and folders and lists of images of what there is."""
    found = {DEMO: "built in", "all": "every image"}
    datasets = _roots(ctx).datasets
    found |= dict.fromkeys(own_names(datasets), "imported")
    for directory in sorted(datasets.glob("broden1_*")):
        for path in directory.glob("index_*.csv"):
            found.setdefault(path.stem.removeprefix("index_"), directory.name)
        with suppress(OSError), os.scandir(directory / "images") as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.is_dir():
                    found.setdefault(entry.name, directory.name)
    return found.items()


def _datasets(ctx: typer.Context, _: str) -> Offered:
    """Offer the datasets there are: imports, the demo, and Broden by its directories."""
    root = _roots(ctx).datasets
    yield from ((name, "imported") for name in own_names(root))
    if any(root.glob(f"{DEMO}/broden1_*")):
        yield DEMO, "built in"
    yield from sorted(path.name for path in root.glob("broden1_*"))


def _concepts(ctx: typer.Context, _: str = "") -> list[tuple[str, str]]:
    return [
        (row["name"], re.split(r"[(;]", row.get("category") or "")[0])
        for row in _named_rows(ctx, "label.csv")
    ]


def _formula(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer concepts for the last name of a formula, and operators after a whole one."""
    begins = max((match.end() for match in _BETWEEN_NAMES.finditer(incomplete)), default=0)
    before, name = incomplete[:begins], incomplete[begins:]
    known = [
        (f'"{found}"' if re.search(r"[(),]", found) else found, about)
        for found, about in _concepts(ctx)
    ]
    whole, space, _ = name.rpartition(" ")
    if before.rstrip().endswith(")"):
        # A closed group: an operator follows, after a space.
        start = before if before.endswith(" ") else f"{before} "
        yield from (start + word for word in _OPERATORS)
    else:
        yield from ((before + found, about) for found, about in known)
        if space and whole.strip() in dict(known):
            yield from (f"{before}{whole} {word}" for word in _OPERATORS)
    yield incomplete, Kind.OPEN


def _run_or_formula(ctx: typer.Context, incomplete: str) -> Offered:
    is_first = not ctx.params.get("formulas")
    return [*(_run_names(ctx, incomplete) if is_first else []), *_formula(ctx, incomplete)]


def _categories(ctx: typer.Context, _: str = "") -> Offered:
    return [row["name"] for row in _named_rows(ctx, "category.csv")]


def _caches(ctx: typer.Context, _: str) -> Offered:
    roots, taken = _roots(ctx), set(ctx.params.get("caches") or ())
    return [
        (path.parent.name, root.name)
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob("*/manifest.json"))
        if path.parent.name not in taken
    ]


def _checks(ctx: typer.Context, _: str) -> Offered:
    return sorted(path.stem for path in (_roots(ctx).models / "quality").glob("*.json"))


def _schemas(_: typer.Context, _incomplete: str) -> Offered:
    from ccx_cli.records.schema import SCHEMAS  # slow to import

    return SCHEMAS


def _runs(ctx: typer.Context) -> Iterator[Run]:
    """Yield the stored runs whose headers say what they are about."""
    from ccx_cli.runs.lookup import stored_runs  # slow to import

    for run in islice(stored_runs(_roots(ctx).results), _MOST_HEADERS):
        if run.about.model is not None:
            yield run


def _is_of(about: About, model: str) -> bool:
    """Tell whether a run is of a network; a factory's file may be named by a relative path."""
    file, colon, factory = model.rpartition(":")
    named = f"{Path(file).expanduser().absolute()}:{factory}" if colon else model
    return about.model in {model, named}


def _named_run(ctx: typer.Context) -> Path | None:
    """Find the run that the command line names, the last one where it may name one."""
    formulas = ctx.params.get("formulas") or ()
    if not formulas and not {"run_name", "a"} & ctx.params.keys():
        return None
    from ccx_cli.runs.lookup import find_run  # slow to import

    results = _roots(ctx).results
    if formulas:  # The first of which may be a run.
        with suppress(Exception):
            return find_run(results, formulas[0]).directory
        return None
    return find_run(results, ctx.params.get("run_name") or ctx.params.get("a")).directory


def _units(ctx: typer.Context) -> list[int]:
    run = _named_run(ctx)
    if run is not None:
        with (run / "explanations.jsonl").open("rb") as lines:
            found = map(_UNIT.match, islice(lines, _MOST_LINES))
            return sorted({int(match[1]) for match in found if match})
    model = _model(ctx)
    layers = ctx.params.get("layers") or [default_layer(model)]
    for about in (each.about for each in _runs(ctx)):
        if about.layer in layers and _is_of(about, model):
            return list(range(about.units or 0))
    return []


def _dataset(ctx: typer.Context) -> Path | None:
    with suppress(Exception):
        run = _named_run(ctx)
        if run is not None:
            header = json.loads((run / "header.json").read_text(encoding="utf-8"))
            return Path(header["about"]["dataset"])
    found = find_datasets(_roots(ctx).datasets, ctx.params.get("subset") or _DEFAULT_SUBSET)
    side = ctx.params.get("side") or (227 if _model(ctx) == "alexnet" else USUAL_SIDE)
    return found.get(side) or next(iter(found.values()), None)


def _named_rows(ctx: typer.Context, table: str) -> list[dict[str, str]]:
    dataset = _dataset(ctx)
    if dataset is None:
        return []
    with (dataset / table).open(encoding="utf-8-sig", newline="") as text:
        return [row for row in csv.DictReader(text) if row.get("name")]


_OBJECTIVES = ("iou", "f-beta:2", "f-beta:0.5", "mcc", "soft-iou", "pearson", "cosine")
_DEVICES = (("cpu", ""), ("cuda", "the first GPU"), ("auto", "a GPU if there is one"))
_DIRECTORIES = {"data_dir", "dir_images", "into", "label_maps", "panoptic", "photographs", "root"}
_DIRECTORIES |= {f"root_{name}" for name in ROOT_NAMES}

COMPLETERS: Mapping[str, Callable[[typer.Context, str], Offered]] = {
    **dict.fromkeys(_DIRECTORIES, lambda _, incomplete: [(incomplete, Kind.DIRECTORIES)]),
    **dict.fromkeys(("activations", "output"), lambda _, incomplete: [(incomplete, Kind.FILES)]),
    **dict.fromkeys(("a", "b", "against", "run_name", "run_of_records", "runs"), _run_names),
    **dict.fromkeys(("images", "text", "together_with"), _concepts),
    **dict.fromkeys(
        ("concepts", "exclude"), lambda ctx, incomplete: _items(incomplete, _concepts(ctx))
    ),
    "caches": _caches,
    "categories": lambda ctx, incomplete: _items(incomplete, _categories(ctx)),
    "category": _categories,
    "datasets": _datasets,
    "device": lambda _, _incomplete: _DEVICES,
    "formulas": _run_or_formula,
    "layers": _layers,
    "model": _models,
    "model_arg": _model_arguments,
    "objective": lambda _, _incomplete: _OBJECTIVES,
    "operators": lambda _, incomplete: _items(incomplete, ("or", "and", "not")),
    "pretrained": _pretrained,
    "quality": _checks,
    "sae_map": lambda _, incomplete: [
        *(f"{key}={value}" for key, values in SETTINGS.items() for value in values),
        (incomplete, Kind.OPEN),
    ],
    "schema": _schemas,
    "sources": _sources,
    "split": lambda _, _incomplete: ("train", "val"),
    **dict.fromkeys(("check", "subset"), _subsets),
    "unit": lambda ctx, _: map(str, _units(ctx)),
    "units": _spans,
}
