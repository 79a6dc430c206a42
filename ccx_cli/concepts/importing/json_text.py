"""Parses JSON that others wrote; what is wrong with it is said in words that end in a fix."""

from __future__ import annotations

import json
from typing import Any


class JsonError(ValueError):
    """What is wrong with a JSON file and what to do, to follow its name in a sentence."""


def parse_json(data: str | bytes) -> Any:
    """Parse JSON of any of its encodings, in which no object has a key twice."""
    if data[:2] in {b"\x1f\x8b", b"PK"}:
        raise JsonError("is compressed: unpack it")
    try:
        return json.loads(data, object_pairs_hook=_each_key_once)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"is not JSON from {where} on: correct or restore it") from error
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 text at byte {error.start + 1}: save it as UTF-8") from error
    except RecursionError as error:
        raise JsonError("is nested too deeply: correct or restore it") from error
    except ValueError as error:
        # The only other fault: more digits than Python reads.
        raise JsonError("has a number of thousands of digits: correct it") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f'has the key "{twice}" twice in one object: correct it')
    return found
