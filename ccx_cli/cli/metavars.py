"""What stands for the value of an option or argument in help: what it is, not its type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

_OF_TYPES = {bool: "", int: "N", float: "NUMBER", Path: "FILE"}
_OF_NAMES = {
    "activations": "FILE",
    "activations_axes": "AXES",
    "against": "RUN",
    "by_hand": "LOWER:UPPER,...",
    "caches": "CACHE",
    "categories": "CATEGORY,...",
    "concepts": "CONCEPT,...",
    "data_dir": "DIRECTORY",
    "datasets": "DATASET",
    "dir_images": "DIR",
    "exclude": "CONCEPT,...",
    "filename_figure": "NAME",
    "form": "FORM",
    "format": "FORM",
    "formulas": "[RUN] FORMULA",
    "heuristic": "NAME,...",
    "html": "OUT",
    "images": "CONCEPT",
    "input_size": "PIXELS",
    "into": "DIRECTORY",
    "kind": "KIND",
    "label_maps": "LABELS",
    "labels": "CATEGORY=FOLDER",
    "layers": "LAYER",
    "mean": "R,G,B",
    "min_coverage": "SHARE",
    "mirror": "URL",
    "model_arg": "KEY=VALUE",
    "names": "FILE",
    "objective": "iou|f-beta:B|mcc",
    "operators": "OPERATOR,...",
    "output": "FILE",
    "own_name": "SUBSET",
    "paper": "VENUE",
    "path": "",
    "precision": "TYPE",
    "preset": "PAPER",
    "pretrained": "WEIGHTS",
    "quantile": "SHARE",
    "run_name": "RUN",
    "run_of_records": "RUN",
    "runs": "RUN",
    "schema": "NAME",
    "seed": "SEED",
    "sha256": "DIGEST",
    "show": "IMAGES",
    "simplest": "SHARE",
    "sort": "COLUMN",
    "sources": "NAME",
    "std": "R,G,B",
    "text": "WORD",
    "time_limit": "SECONDS",
    "timeout": "SECONDS",
    "together_with": "CONCEPT",
    "unit": "UNIT",
    "within": "SHARE",
    "words": "COMMAND",
}


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
