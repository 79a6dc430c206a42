"""What stands for the value of an option or argument in help: what it is, not its type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

_OF_TYPES = {bool: "", int: "N", float: "NUMBER", Path: "FILE"}
_OF_OPTIONS = {
    "activations_axes": "AXES",
    "by_hand": "LOWER:UPPER,...",
    "categories": "CATEGORY,...",
    "concepts": "CONCEPT,...",
    "data_dir": "DIRECTORY",
    "exclude": "CONCEPT,...",
    "format": "FORM",
    "heuristic": "NAME,...",
    "labels": "CATEGORY=FOLDER",
    "mirror": "URL",
    "min_coverage": "SHARE",
    "names": "FILE",
    "objective": "iou|f-beta:B|mcc",
    "operators": "OPERATOR,...",
    "output": "FILE",
    "precision": "TYPE",
    "preset": "PAPER",
    "pretrained": "WEIGHTS",
    "quantile": "SHARE",
    "seed": "SEED",
    "sha256": "DIGEST",
    "simplest": "SHARE",
    "sort": "COLUMN",
    "time_limit": "SECONDS",
    "timeout": "SECONDS",
    "within": "SHARE",
}


def name_values(command: Any) -> None:
    """Give the arguments of a command, and its options that list no choices, words for values."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            if parameter.metavar is None:
                parameter.metavar = _word(parameter)
        else:
            parameter.metavar = parameter.metavar or parameter.name.upper()
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
    if option.name in _OF_OPTIONS:
        return _OF_OPTIONS[option.name]
    annotation = option.type_descriptor.annotation
    kind = (get_args(annotation) or (annotation,))[0]
    if kind is Path and option.name.startswith("root_"):
        return "DIRECTORY"
    return str(option.name).upper() if kind is str else _OF_TYPES.get(kind)
