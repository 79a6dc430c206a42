"""What may stand for an option's value: the ``autocompletion`` of options and arguments.

Each completer may take the context of the command line as far as it is typed and the beginning of
the value, and returns values with a word of help, some of which may begin otherwise. It reads
little and follows the directories that the command line and the environment name. What is missing
or damaged is not offered; ``main`` silences whatever else completers raise.
Every command imports this module for its options, and so nothing that is slow to import at its top.
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
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ccx_cli.concepts.datasets import USUAL_SIDE, find_datasets, own_names
from ccx_cli.fetching.sources import BRODEN
from ccx_cli.probe.networks.layer_names import layer_names
from ccx_cli.probe.networks.own_networks import OF_TIMM, is_own
from ccx_cli.probe.networks.timm_networks import timm_names
from ccx_cli.probe.networks.torchvision_models import DEMO, MODELS, default_layer
from ccx_cli.store.paths import ROOT_NAMES, Roots, resolve_roots

if TYPE_CHECKING:
    from ccx_cli.records.header import About
    from ccx_cli.runs.run import Run

Offered = list[tuple[str, str]]

# Bounds of what one key press reads.
_MOST_ENTRIES = 20_000
_MOST_BYTES = 32 << 20
_MOST_HEADERS = 500

_DEFAULT_SUBSET = "ade20k"
_OPERATORS = ("AND", "OR", "AND NOT")
_UNIT = re.compile(rb'\{"unit": (\d+)')
# What a name in a formula ends at, or begins after.
_BETWEEN_NAMES = re.compile(r"[()|&~!]\s*|(?<![^\s()])(?:AND|OR|NOT)\s+", re.IGNORECASE)


class Kind(StrEnum):
    """What the shell does with the words that are offered; a completer has it in place of help.

    After a word of ``WORDS`` there is a space, after one of ``OPEN`` more may follow at once;
    ``FILES`` and ``DIRECTORIES`` are the shell's own to offer.
    """

    WORDS = "words"
    OPEN = "open"
    FILES = "files"
    DIRECTORIES = "directories"


def files(incomplete: str) -> Offered:
    """Offer files."""
    return [(incomplete, Kind.FILES)]


def directories(incomplete: str) -> Offered:
    """Offer directories."""
    return [(incomplete, Kind.DIRECTORIES)]


def listed(incomplete: str, names: Iterable[tuple[str, str]]) -> Offered:
    """Offer the next item of a list with commas, without the ones it has already."""
    before, comma, _ = incomplete.rpartition(",")
    taken = {item.strip() for item in before.split(",")}
    offered = [
        (before + comma + name, about)
        for name, about in names
        if name not in taken and "," not in name
    ]
    return [*offered, (incomplete, Kind.OPEN)]


def one_of(*names: str) -> Callable[[], Offered]:
    """Return a completer of fixed values."""
    return lambda: [(name, "") for name in names]


def several_of(*names: str) -> Callable[[str], Offered]:
    """Return a completer of fixed values in a list with commas."""
    return lambda incomplete: listed(incomplete, ((name, "") for name in names))


def models(incomplete: str) -> Offered:
    """Offer the known networks, those of timm after ``timm:``, else callables in Python files."""
    if incomplete.startswith(OF_TIMM):
        return [(f"{OF_TIMM}{name}", "") for name in timm_names()]
    known = [(name, "") for name in MODELS if name.startswith(incomplete)]
    if OF_TIMM.startswith(incomplete) and find_spec("timm") is not None:
        known.append((OF_TIMM, "a network of timm"))
    if known:
        return known
    module, colon, _ = incomplete.rpartition(":")
    return (
        [(f"{module}:{name}", "") for name in _callables(_source(module))]
        if colon
        else files(incomplete)
    )


def _source(module: str) -> Path:
    """Find the file of ``file.py`` or ``package.module``, without running what is in it."""
    if module.endswith(".py"):
        return Path(module).expanduser()
    inside = Path(*module.split("."))
    tried = [
        Path(folder, file)
        for folder in (".", *sys.path)
        for file in (inside.with_suffix(".py"), inside / "__init__.py")
    ]
    return next(file for file in tried if file.is_file())


def _callables(file: Path) -> list[str]:
    """Return the public functions and classes of a Python file, without running it."""
    tree = ast.parse(file.read_bytes())
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def model_arguments(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the arguments that the factory of ``--model`` takes."""
    module, _, factory = str(ctx.params.get("model") or "").rpartition(":")
    for node in ast.walk(ast.parse(_source(module).read_bytes())):
        if isinstance(node, ast.FunctionDef) and node.name == factory:
            names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            return [*((f"{name}=", "") for name in names), (incomplete, Kind.OPEN)]
    return []


def pretrained(ctx: typer.Context) -> Offered:
    """Offer the weights that the network may have."""
    model = str(ctx.params.get("model") or "")
    if model.startswith(OF_TIMM):
        return [("timm", "what timm downloads"), ("none", "seeded random ones")]
    if is_own(model):
        return [("own", "what the factory gives"), ("none", "seeded random ones")]
    if model == DEMO:
        return [("demo", "trained on the demo set"), ("none", "seeded random ones")]
    return [
        ("places365", "scenes"),
        ("imagenet", "objects"),
        ("own", "those of --weights"),
        ("none", "seeded random ones"),
    ]


def devices() -> Offered:
    """Offer where a network can run."""
    return [("cpu", ""), ("cuda", "the first GPU"), ("auto", "a GPU if there is one")]


def sources(ctx: typer.Context) -> Offered:
    """Offer what ``ccx fetch`` gets."""
    from ccx_cli.probe.networks.published_weights import PLACES365  # slow to import

    taken = set(ctx.params.get("sources") or ())
    known = [*(source.name for source in (*BRODEN, *PLACES365)), "all"]
    known += [f"imagenet/{model}" for model in MODELS if model != DEMO]
    return [(name, "") for name in known if name not in taken]


def roots_of(ctx: typer.Context) -> Roots:
    """Resolve the five roots as far as the command line says where they are."""

    def given(name: str) -> Path | None:
        path = ctx.params.get(name)
        return None if path is None else Path(os.path.expandvars(path)).expanduser()

    return resolve_roots(given("data_dir"), **{name: given(f"root_{name}") for name in ROOT_NAMES})


def runs(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the stored runs, those last worked on first; a path is completed as one."""
    if "/" in incomplete or incomplete.startswith("~"):
        return [(incomplete, Kind.DIRECTORIES)]
    return [
        (name, f"{run.about.model} ({run.about.weights_kind}), {run.about.layer}")
        for run in _runs(ctx)
        for name in (run.naming.name, run.name)
        if name is not None
    ]


def run_units(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer units in a list with commas: those of the run, else those the layer has."""
    before, dash, _ = incomplete.rpartition(",")[2].rpartition("-")
    if dash:
        start = incomplete[: len(incomplete) - len(incomplete.rpartition("-")[2])]
        later = [number for number in _units(ctx) if before.isdecimal() and number > int(before)]
        return [*((f"{start}{number}", "") for number in later), (incomplete, Kind.OPEN)]
    return listed(incomplete, ((str(number), "") for number in _units(ctx)))


def one_unit(ctx: typer.Context) -> Offered:
    """Offer the layer's units, one of them."""
    return [(str(number), "") for number in _units(ctx)]


def layers(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the layers of the network, level by level; of a factory's, those met before."""
    model = str(ctx.params.get("model") or "")
    met = {str(run.about.layer): "" for run in _runs(ctx) if _is_of(run.about, model)}
    names = [*layer_names(model), *met]
    level = incomplete.count(".") + 1
    offered: dict[str, str] = {}
    for name in names:
        cut = ".".join(name.split(".")[:level])
        offered.setdefault(cut if cut in names else f"{cut}.", "")
    with suppress(Exception):
        if (default := default_layer(model)) in offered:
            offered[default] = "the default"
    found = list(offered.items())
    fitting = [name for name in offered if name.startswith(incomplete)]
    if any(name.startswith(f"{whole}.") for whole in fitting for name in names):
        found.append((incomplete, Kind.OPEN))  # A dot may follow at once.
    return found


def subsets(ctx: typer.Context) -> Offered:
    """Offer ``demo``, ``all``, imports, and folders and lists of images of what there is."""
    found = {DEMO: "built in", "all": "every image"}
    datasets = roots_of(ctx).datasets
    found |= dict.fromkeys(own_names(datasets), "imported")
    for directory in sorted(datasets.glob("broden1_*")):
        for path in directory.glob("index_*.csv"):
            found.setdefault(path.stem.removeprefix("index_"), directory.name)
        with suppress(OSError), os.scandir(directory / "images") as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.is_dir():
                    found.setdefault(entry.name, directory.name)
    return list(found.items())


def datasets(ctx: typer.Context) -> Offered:
    """Offer the datasets there are: imports, the demo, and Broden by its directories."""
    root = roots_of(ctx).datasets
    found = [(name, "imported") for name in own_names(root)]
    found += [(path.parent.name, "built in") for path in root.glob(f"{DEMO}/broden1_*")][:1]
    return found + [(path.name, "") for path in sorted(root.glob("broden1_*"))]


def concepts(ctx: typer.Context) -> Offered:
    """Offer the names of the dataset's concepts."""
    return [
        (row["name"], re.split(r"[(;]", row.get("category") or "")[0])
        for row in _named_rows(ctx, "label.csv")
    ]


def several_concepts(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer concepts in a list with commas."""
    return listed(incomplete, concepts(ctx))


def formula(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer concepts for the last name of a formula, and operators after a whole one."""
    begins = max((match.end() for match in _BETWEEN_NAMES.finditer(incomplete)), default=0)
    before, name = incomplete[:begins], incomplete[begins:]
    known = [
        (f'"{found}"' if re.search(r"[(),]", found) else found, about)
        for found, about in concepts(ctx)
    ]
    if before.rstrip().endswith(")"):
        # A closed group: an operator follows, after a space.
        start = before if before.endswith(" ") else f"{before} "
        return [*((start + word, "") for word in _OPERATORS), (incomplete, Kind.OPEN)]
    offered = [(before + found, about) for found, about in known]
    whole, space, _ = name.rpartition(" ")
    if space and whole.strip() in {found for found, _ in known}:
        offered += [(f"{before}{whole} {word}", "") for word in _OPERATORS]
    return [*offered, (incomplete, Kind.OPEN)]


def run_or_formula(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer runs for the first word, and what a formula goes on with."""
    is_first = not ctx.params.get("formulas")
    return [*(runs(ctx, incomplete) if is_first else []), *formula(ctx, incomplete)]


def categories(ctx: typer.Context) -> Offered:
    """Offer the dataset's categories of concepts."""
    return [(row["name"], "") for row in _named_rows(ctx, "category.csv")]


def several_categories(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer categories in a list with commas."""
    return listed(incomplete, categories(ctx))


def caches(ctx: typer.Context) -> Offered:
    """Offer the caches by name."""
    roots = roots_of(ctx)
    taken = set(ctx.params.get("caches") or ())
    return [
        (path.parent.name, root.name)
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob("*/manifest.json"))
        if path.parent.name not in taken
    ]


def _runs(ctx: typer.Context) -> Iterator[Run]:
    """Yield the stored runs whose headers say what they are about."""
    from ccx_cli.runs.lookup import stored_runs  # slow to import

    for run in islice(stored_runs(roots_of(ctx).results), _MOST_HEADERS):
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

    name = ctx.params.get("run_name") or ctx.params.get("a")
    results = roots_of(ctx).results
    if formulas:  # The first of which may be a run.
        with suppress(Exception):
            return find_run(results, formulas[0]).directory
        return None
    return find_run(results, name).directory


def _units(ctx: typer.Context) -> list[int]:
    run = _named_run(ctx)
    if run is not None:
        with (run / "explanations.jsonl").open("rb") as lines:
            found = map(_UNIT.match, _bounded(lines))
            return sorted({int(match[1]) for match in found if match})
    model = str(ctx.params.get("model") or "")
    layers = list(ctx.params.get("layers") or ())
    if not layers:
        layers = [default_layer(model)]
    for about in (each.about for each in _runs(ctx)):
        if about.layer in layers and _is_of(about, model):
            return list(range(about.units or 0))
    return []


def _bounded(lines: Any) -> Iterator[bytes]:
    read = 0
    for line in lines:
        read += len(line)
        if read > _MOST_BYTES:
            return
        yield line


def _dataset(ctx: typer.Context) -> Path | None:
    """Find the dataset that the command line is about."""
    with suppress(Exception):
        run = _named_run(ctx)
        if run is not None:
            header = json.loads((run / "header.json").read_text(encoding="utf-8"))
            return Path(header["about"]["dataset"])
    found = find_datasets(roots_of(ctx).datasets, ctx.params.get("subset") or _DEFAULT_SUBSET)
    side = ctx.params.get("side") or (227 if ctx.params.get("model") == "alexnet" else USUAL_SIDE)
    return found.get(side) or next(iter(found.values()), None)


def _named_rows(ctx: typer.Context, table: str) -> list[dict[str, str]]:
    """Read the rows with a name of one of the dataset's tables."""
    dataset = _dataset(ctx)
    if dataset is None:
        return []
    with (dataset / table).open(encoding="utf-8-sig", newline="") as text:
        return [row for row in csv.DictReader(text) if row.get("name")]


COMPLETERS: Mapping[str, Callable[..., Offered]] = {
    "a": runs,
    "activations": files,
    "against": runs,
    "b": runs,
    "caches": caches,
    "category": categories,
    "categories": several_categories,
    "concepts": several_concepts,
    "data_dir": directories,
    "datasets": datasets,
    "device": devices,
    "dir_images": directories,
    "exclude": several_concepts,
    "formulas": run_or_formula,
    "images": concepts,
    "into": directories,
    "label_maps": directories,
    "layers": layers,
    "model": models,
    "model_arg": model_arguments,
    "objective": one_of("iou", "f-beta:2", "f-beta:0.5", "mcc"),
    "operators": several_of("or", "and", "not"),
    "output": files,
    "panoptic": directories,
    "photographs": directories,
    "pretrained": pretrained,
    "root": directories,
    "run_name": runs,
    "run_of_records": runs,
    "runs": runs,
    "sources": sources,
    "split": one_of("train", "val"),
    "subset": subsets,
    "text": concepts,
    "together_with": concepts,
    "unit": one_unit,
    "units": run_units,
    **{f"root_{name}": directories for name in ROOT_NAMES},
}
"""By the name of an option or argument; those that commands mean differently name their own."""
