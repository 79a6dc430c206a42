"""Text from data, made harmless for a terminal."""

from __future__ import annotations

import json
import unicodedata

# Control characters, those that turn the direction of writing, and halves of surrogate pairs.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of showing, line breaks included, by ``�``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("�" if unicodedata.category(letter) in _HARMFUL else letter for letter in text)


def printable_lines(text: str) -> str:
    """Do the same to each line, and keep the line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def escaped(json_text: str) -> str:
    """Write as escapes what a terminal would obey in JSON: its value stays the same."""
    if json_text.isascii() and json_text.isprintable():
        return json_text
    return "".join(
        json.dumps(letter)[1:-1] if _is_obeyed(letter) else letter for letter in json_text
    )


def _is_obeyed(letter: str) -> bool:
    return letter != "\n" and unicodedata.category(letter) in _HARMFUL
