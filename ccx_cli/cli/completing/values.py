"""What may stand for an option's value: the ``autocompletion`` of options and arguments.

Each completer takes the context of the command line as far as it is typed and the beginning of the
value, and returns values with a word of help. It reads little and imports nothing heavy.
``completing_stored`` has those that look at what is kept.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from inspect import Parameter, Signature
from pathlib import Path

import typer

from ccx_cli.fetching.sources import BRODEN
from ccx_cli.probe.networks.own_networks import OF_TIMM, is_own
from ccx_cli.probe.networks.published_weights import PLACES365
from ccx_cli.probe.networks.timm_networks import timm_names
from ccx_cli.probe.networks.torchvision_models import DEMO, MODELS

Offered = list[tuple[str, str]]

# In place of help: what the shell itself is to offer, or that more may follow the value.
FILES = "\0files"
DIRECTORIES = "\0directories"
OPEN = "\0open"


class Completer:
    """A function as Typer takes it for ``autocompletion``.

    Typer reads the signature of each of them whenever the program starts; this one is at hand.
    """

    __signature__ = Signature(
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("ctx", "incomplete")]
    )

    def __init__(self, find: Callable[[typer.Context, str], Offered]) -> None:
        self._find = find
        self.__annotations__ = {}

    def __call__(self, ctx: typer.Context, incomplete: str) -> Offered:
        """Return what may stand for ``incomplete``, some of which may begin otherwise."""
        return self._find(ctx, incomplete)


@Completer
def files(_ctx: typer.Context, incomplete: str) -> Offered:
    """Offer files."""
    return [(incomplete, FILES)]


@Completer
def directories(_ctx: typer.Context, incomplete: str) -> Offered:
    """Offer directories."""
    return [(incomplete, DIRECTORIES)]


def listed(incomplete: str, names: Iterable[tuple[str, str]]) -> Offered:
    """Offer the next item of a list with commas, without the ones it has already."""
    before, comma, _ = incomplete.rpartition(",")
    taken = {item.strip() for item in before.split(",")}
    offered = [
        (before + comma + name, about)
        for name, about in names
        if name not in taken and "," not in name
    ]
    return [*offered, (incomplete, OPEN)]


def one_of(*names: str) -> Completer:
    """Return a completer of fixed values."""
    return Completer(lambda _ctx, _incomplete: [(name, "") for name in names])


def several_of(*names: str) -> Completer:
    """Return a completer of fixed values in a list with commas."""
    return Completer(lambda _ctx, incomplete: listed(incomplete, ((name, "") for name in names)))


@Completer
def models(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the known networks, those of timm after ``timm:``, else callables in Python files."""
    if incomplete.startswith(OF_TIMM):
        return [(f"{OF_TIMM}{name}", "") for name in timm_names()]
    known = [(name, "") for name in MODELS if name.startswith(incomplete)]
    if OF_TIMM.startswith(incomplete) and find_spec("timm") is not None:
        known.append((OF_TIMM, "a network of timm"))
    if known:
        return known
    place, colon, _ = incomplete.rpartition(":")
    return (
        [(f"{place}:{name}", "") for name in _callables(_source(place))]
        if colon
        else files(ctx, incomplete)
    )


def _source(place: str) -> Path:
    """Find the file of ``file.py`` or ``package.module``, without running what is in it."""
    if place.endswith(".py"):
        return Path(place).expanduser()
    inside = Path(*place.split("."))
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


@Completer
def model_arguments(ctx: typer.Context, incomplete: str) -> Offered:
    """Offer the arguments that the factory of ``--model`` takes."""
    place, _, factory = str(ctx.params.get("model") or "").rpartition(":")
    for node in ast.walk(ast.parse(_source(place).read_bytes())):
        if isinstance(node, ast.FunctionDef) and node.name == factory:
            names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            return [*((f"{name}=", "") for name in names), (incomplete, OPEN)]
    return []


@Completer
def pretrained(ctx: typer.Context, _incomplete: str) -> Offered:
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
        ("none", "seeded random ones"),
    ]


@Completer
def devices(_ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer where a network can run."""
    return [("cpu", ""), ("cuda", "the first GPU"), ("auto", "a GPU if there is one")]


@Completer
def sources(ctx: typer.Context, _incomplete: str) -> Offered:
    """Offer what ``ccx fetch`` gets."""
    taken = set(ctx.params.get("names") or ())
    known = [*(source.name for source in (*BRODEN, *PLACES365)), "all"]
    known += [f"imagenet/{model}" for model in MODELS if model != DEMO]
    return [(name, "") for name in known if name not in taken]
