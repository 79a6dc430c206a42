"""Completers that look at what is kept: data sets, concepts, runs, units, layers and caches.

They honour the places on the command line and in the environment. What is missing or damaged is
not offered; ``completing_line`` silences whatever else they raise.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from ccx_cli.cli.completing.values import DIRECTORIES, OPEN, Completer, Offered, listed
from ccx_cli.probe.networks.catalog import default_layer
from ccx_cli.probe.networks.layer_names import layer_names
from ccx_cli.records.header import About
from ccx_cli.runs.run import find_run, stored_runs
from ccx_cli.store.paths import ROOT_NAMES, Roots, resolve_roots

# Bounds of what one key press reads.
_MOST_ENTRIES = 20_000
_MOST_BYTES = 32 << 20
_MOST_HEADERS = 500

_DEFAULT_SUBSET = "ade20k"
_DEMO = "demo"
_OPERATORS = ("AND", "OR", "AND NOT")
_UNIT = re.compile(rb'\{"unit": (\d+)')
# What a name in a formula ends at, or begins after.
_BETWEEN_NAMES = re.compile(r"[()|&~!]\s*|(?<![^\s()])(?:AND|OR|NOT)\s+", re.IGNORECASE)


def roots_of(ctx: typer.Context) -> Roots:
    """Resolve the five roots as far as the command line says where they are."""

    def place(name: str) -> Path | None:
        said = ctx.params.get(name)
        return None if said is None else Path(os.path.expandvars(said)).expanduser()

    return resolve_roots(place("data_dir"), **{name: place(f"root_{name}") for name in ROOT_NAMES})


@Completer
def runs(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the stored runs, those last worked on first; a path is completed as one."""
    if "/" in incomplete or incomplete.startswith("~"):
        return [(incomplete, DIRECTORIES)]
    return [(name, _describe(about)) for name, about in _runs(ctx)]


@Completer
def run_units(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer units in a list with commas: those of the run, else those the layer has."""
    before, dash, _ = incomplete.rpartition(",")[2].rpartition("-")
    if dash:
        start = incomplete[: len(incomplete) - len(incomplete.rpartition("-")[2])]
        later = [number for number in _units(ctx) if before.isdecimal() and number > int(before)]
        return [*((f"{start}{number}", "") for number in later), (incomplete, OPEN)]
    return listed(incomplete, ((str(number), "") for number in _units(ctx)))


@Completer
def one_unit(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer the layer's units, one of them."""
    return [(str(number), "") for number in _units(ctx)]


@Completer
def layers(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the layers of the network, level by level; of a factory's, those met before."""
    model = str(ctx.params.get("model") or "")
    met = {str(about.layer): "" for _, about in _runs(ctx) if _is_of(about, model)}
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
        found.append((incomplete, OPEN))  # A dot may follow at once.
    return found


@Completer
def subsets(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer ``demo``, ``all``, and the folders of images and lists of the data sets there are."""
    found = {_DEMO: "built in", "all": "every image"}
    for directory in sorted(roots_of(ctx).datasets.glob("broden1_*")):
        for path in directory.glob("index_*.csv"):
            found.setdefault(path.stem.removeprefix("index_"), directory.name)
        with suppress(OSError), os.scandir(directory / "images") as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.is_dir():
                    found.setdefault(entry.name, directory.name)
    return list(found.items())


@Completer
def concepts(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer the names of the data set's concepts."""
    return _concepts(ctx)


@Completer
def several_concepts(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer concepts in a list with commas."""
    return listed(incomplete, _concepts(ctx))


@Completer
def formula(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer concepts for the last name of a formula, and operators after a whole one."""
    begins = max((match.end() for match in _BETWEEN_NAMES.finditer(incomplete)), default=0)
    before, name = incomplete[:begins], incomplete[begins:]
    known = [
        (f'"{found}"' if re.search(r"[(),]", found) else found, about)
        for found, about in _concepts(ctx)
    ]
    if before.rstrip().endswith(")"):
        # A closed group: an operator follows, after a space.
        start = before if before.endswith(" ") else f"{before} "
        return [*((start + word, "") for word in _OPERATORS), (incomplete, OPEN)]
    offered = [(before + found, about) for found, about in known]
    whole, space, _ = name.rpartition(" ")
    if space and whole.strip() in {found for found, _ in known}:
        offered += [(f"{before}{whole} {word}", "") for word in _OPERATORS]
    return [*offered, (incomplete, OPEN)]


@Completer
def categories(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer the data set's categories of concepts."""
    return [(name, "") for name in _categories(ctx)]


@Completer
def several_categories(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer categories in a list with commas."""
    return listed(incomplete, ((name, "") for name in _categories(ctx)))


@Completer
def caches(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer the caches by name."""
    roots = roots_of(ctx)
    taken = set(ctx.params.get("caches") or ())
    return [
        (path.parent.name, root.name)
        for root in (roots.segmentations, roots.activations)
        for path in sorted(root.glob("*/manifest.json"))
        if path.parent.name not in taken
    ]


def _runs(ctx: typer.Context) -> Iterator[tuple[str, About]]:
    """Yield the stored runs with what their headers say, nothing of damaged ones."""
    for run in islice(stored_runs(roots_of(ctx).results), _MOST_HEADERS):
        if run.about.model is not None:
            yield run.name, run.about


def _describe(about: About) -> str:
    return f"{about.model} ({about.pretrained}), {about.layer}"


def _is_of(about: About, model: str) -> bool:
    """Tell whether a run is of a network; a factory's file may be named by a relative path."""
    file, colon, factory = model.rpartition(":")
    named = f"{Path(file).expanduser().absolute()}:{factory}" if colon else model
    return about.model in {model, named}


def _named_run(ctx: typer.Context) -> Path | None:
    """Find the run that the command line names, the last one where it may name one."""
    if not {"run_name", "a"} & ctx.params.keys():
        return None
    name = ctx.params.get("run_name") or ctx.params.get("a")
    return find_run(roots_of(ctx).results, name).directory


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
    for _, about in _runs(ctx):
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
    """Find the data set that the command line is about."""
    with suppress(Exception):
        run = _named_run(ctx)
        if run is not None:
            header = json.loads((run / "header.json").read_text(encoding="utf-8"))
            return Path(header["about"]["dataset"])
    datasets = roots_of(ctx).datasets
    if (ctx.params.get("subset") or _DEFAULT_SUBSET) == _DEMO:
        datasets /= _DEMO
    side = ctx.params.get("side") or (227 if ctx.params.get("model") == "alexnet" else 224)
    places = [datasets / f"broden1_{side}", *sorted(datasets.glob("broden1_*"))]
    return next((place for place in places if place.is_dir()), None)


def _concepts(ctx: typer.Context) -> Offered:
    dataset = _dataset(ctx)
    if dataset is None:
        return []
    with (dataset / "label.csv").open(encoding="utf-8-sig", newline="") as table:
        return [
            (row["name"], re.split(r"[(;]", row.get("category") or "")[0])
            for row in csv.DictReader(table)
            if row.get("name")
        ]


def _categories(ctx: typer.Context) -> list[str]:
    dataset = _dataset(ctx)
    if dataset is None:
        return []
    with (dataset / "category.csv").open(encoding="utf-8-sig", newline="") as table:
        return [row["name"] for row in csv.DictReader(table) if row.get("name")]
