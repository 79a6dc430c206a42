"""What options are called: in errors, and what stands for their values in help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

_PARAMETER = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z]+)*)`")
_OTHERWISE = {
    "axes": "--activations-axes",
    "datasets": "--root-datasets",
    "local": "--from",
    "mirrors": "--mirror",
    "model_args": "--model-arg",
}
_OF_TYPES = {bool: "", int: "N", float: "NUMBER", Path: "FILE"}
_WORDS = {
    "": "path",
    "AXES": "activations_axes",
    "CACHE": "caches",
    "CELLS": "grid",
    "CATEGORY,...": "categories",
    "CATEGORY=FOLDER": "labels",
    "COLUMN": "sort",
    "COMMAND": "words",
    "CONCEPT": "images together_with",
    "CONCEPT,...": "concepts exclude",
    "DATASET": "datasets",
    "DIGEST": "sha256",
    "DIR": "dir_images",
    "DIRECTORY": "data_dir into",
    "FILE": "activations names output",
    "FORM": "form format",
    "IMAGES": "show",
    "KEY": "weights_key",
    "KEY=NAME": "sae_map",
    "KEY=VALUE": "model_arg",
    "KIND": "kind",
    "LABELS": "label_maps",
    "LAYER": "layers",
    "LOWER:UPPER,...": "by_hand",
    "NAME": "filename_figure objective schema sources",
    "NAME,...": "heuristic",
    "OPERATOR,...": "operators",
    "OUT": "html",
    "PAPER": "preset",
    "PIXELS": "input_size",
    "R,G,B": "mean std",
    "RUN": "against run_name run_of_records runs",
    "SECONDS": "time_limit timeout",
    "SEED": "seed",
    "SHARE": "min_coverage quantile simplest within",
    "SUBSET": "own_name",
    "TYPE": "precision",
    "UNIT": "unit",
    "URL": "mirror",
    "VENUE": "paper",
    "WEIGHTS": "pretrained",
    "WORD": "text",
    "[RUN] FORMULA": "formulas",
}
_OF_NAMES = {name: word for word, names in _WORDS.items() for name in names.split()}


def with_options(text: str) -> str:
    """Return an error of the core as the command line has it: ``--n-init`` for `` `n_init` ``."""

    def option(match: re.Match[str]) -> str:
        return _OTHERWISE.get(match[1], f"--{match[1].replace('_', '-')}")

    text = text.replace("the traceback shows where", "--debug shows where")
    return _PARAMETER.sub(option, text)


def name_values(command: Any) -> None:
    """Give the arguments of a command, and its options that list no choices, words for values."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            if parameter.metavar is None:
                parameter.metavar = _word(parameter)
        else:
            known = _OF_NAMES.get(parameter.name, parameter.name.upper())
            parameter.metavar = parameter.metavar or known
            # Typer would write the type beside it, and braces around one that is required.
            parameter.display_type_rich = lambda ctx: None
            parameter.get_usage_pieces = lambda ctx, argument=parameter: [usage(argument)]


def usage(argument: Any) -> str:
    """Write an argument of ``name_values`` as a line of usage has it."""
    name = str(argument.metavar)
    if not argument.required:
        name = f"[{name}]"
    return name if argument.nargs == 1 else f"{name}..."


def _word(option: Any) -> str | None:
    if option.name in _OF_NAMES:
        return _OF_NAMES[option.name]
    annotation = option.type_descriptor.annotation
    kind = (get_args(annotation) or (annotation,))[0]
    if kind is Path and option.name.startswith("root_"):
        return "DIRECTORY"
    return str(option.name).upper() if kind is str else _OF_TYPES.get(kind)
