"""Shows the fields of a command's option groups to Typer, each as an option of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from typing import Any, get_type_hints


@cache
def _field_hints(group: type[Any]) -> dict[str, Any]:
    return get_type_hints(group, include_extras=True)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Show the fields of a command's option groups as options of its own."""
    hints = get_type_hints(command, include_extras=True)
    shown: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        annotation = hints[parameter.name]
        if not (isinstance(annotation, type) and is_dataclass(annotation)):
            shown.append(parameter.replace(annotation=annotation, kind=parameter.KEYWORD_ONLY))
            continue
        field_hints = _field_hints(annotation)
        names = [field.name for field in fields(annotation)]
        groups[parameter.name] = (annotation, names)
        shown += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=field_hints[field.name],
            )
            for field in fields(annotation)
        ]

    @wraps(command)
    def run(**values: Any) -> None:
        gathered = {
            name: group(**{field: values.pop(field) for field in names})
            for name, (group, names) in groups.items()
        }
        command(**gathered, **values)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run
