"""Names files in JSON."""

from __future__ import annotations

import json

from ccx_cli.concepts.importing.names_cells import (
    EITHER_COLUMNS,
    INTEGER,
    NAME_COLUMNS,
    NUMBER_COLUMNS,
    ONE_COLOR_COLUMN,
    Color,
    Entry,
    column,
    is_color,
    parse_color,
)
from ccx_cli.concepts.importing.text_files import JsonError, parse_json

_WRAPPERS = ("id2label", "label2id", "names", "categories", "classes", "labels")


def parse_json_names(text: str) -> list[Entry]:
    """Read names by number, numbers or colors by name, names, or records of both."""
    try:
        content = parse_json(text)
        if isinstance(content, dict):
            wrapped = (content.get(key) for key in _WRAPPERS)
            content = next((each for each in wrapped if isinstance(each, dict | list)), content)
        if isinstance(content, list):
            return [_parse_record(each) for each in content]
        return [_parse_pair(key, value) for key, value in content.items()]
    except JsonError as error:
        raise ValueError(f"begins as JSON does, but {error}, or write lines as `1 car`") from error
    except ValueError as error:
        raise ValueError(
            f"is not a JSON object of numbers and names ({error}): correct it"
        ) from error


def _parse_pair(key: str, value: object) -> Entry:
    """Read a pair of a JSON object: a number and a name, or a name and what it has."""
    if INTEGER.fullmatch(key.strip()):
        if isinstance(value, dict):
            return _parse_record({"id": int(key), **value})
        return Entry(_text(value), int(key))
    if isinstance(value, dict):
        return _parse_record({"name": key, **value})
    if isinstance(value, list) or (isinstance(value, str) and is_color(value)):
        return Entry(_text(key), None, _json_color(value))
    number = _json_number(value)
    if number is None:
        raise ValueError(f"{key!r} is not a number")
    return Entry(_text(key), number)


def _parse_record(record: object) -> Entry:
    """Read an element of a JSON list: a name, or a record such as one of COCO's categories."""
    if not isinstance(record, dict):
        return Entry(_text(record))
    fields = {column(key): value for key, value in record.items() if value is not None}
    if "title" in fields and "color" in fields:
        # Supervisely's; its ids are those of a database.
        return Entry(_text(fields["title"]), None, _json_color(fields["color"]))
    numbers = {_json_number(fields[key]): key for key in NUMBER_COLUMNS if key in fields}
    if len(numbers) > 1:
        raise ValueError(f"{json.dumps(record)} has several numbers: leave that of the label PNGs")
    number = next(iter(numbers), None)
    color = next((fields[key] for key in ONE_COLOR_COLUMN if key in fields), None)
    if number is None and (numbers or not color):
        raise ValueError(f"{json.dumps(record)} has no id")
    names = (fields[key] for key in [*NAME_COLUMNS, *EITHER_COLUMNS] if key in fields)
    return Entry(_text(next(names, None)), number, None if not color else _json_color(color))


def _json_number(value: object) -> int | None:
    """Return a whole number, which may be written as text; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if INTEGER.fullmatch(str(value).strip()) else None


def _text(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{json.dumps(name)} is not a name")
    return name.strip()


def _json_color(value: object) -> Color:
    text = value if isinstance(value, str) else json.dumps(value)
    if not isinstance(value, list | str) or not is_color(text):
        raise ValueError(f"{text} is not a color of three numbers")
    return parse_color(text)
