"""The report's page: one HTML document that contains its style, script and data."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from ccx_cli.design import css_variables

# In the order in which they are joined.
_SCRIPTS = "text data formulas masks pictures lists ranges unit concepts studies made main"
_PARTS = "<!-- parts -->"


def safe_json(value: Any) -> str:
    """Return JSON that is safe inside a script element: ASCII, without ``<``, ``>`` and ``&``."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def data_element(name: str, text: str, form: str = "application/json") -> str:
    """Return an element that holds data for the script and is never executed."""
    return f'<script type="{form}" id="{escape(name, quote=True)}">{text}</script>\n'


def document(
    title: str, payload: dict[str, Any], parts: Iterable[str], *, in_folder: bool
) -> Iterator[str]:
    """Yield the document piece by piece.

    ``payload`` is from ``payload_of_run``, with what the script needs besides. ``parts`` are
    elements with the units and pictures; with ``in_folder`` they are files beside the page
    instead.
    """
    style = f"\n:root {{\n{css_variables()}\n}}\n{_asset('report.css')}"
    body = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS.split())
    script = f'\n(() => {{\n"use strict";\n{body}\n}})();\n'
    # The page's own script and style, and no network.
    beside = " 'self' file:" if in_folder else ""
    policy = (
        f"default-src 'none'; script-src {_hash(script)}{beside}; style-src {_hash(style)}; "
        f"img-src data:{beside}; base-uri 'none'; form-action 'none'"
    )
    filled = {
        "title": escape(title),
        "policy": policy,
        "style": style,
        "data": safe_json(payload),
        "script": script,
    }
    before, after = _asset("report.html").split(_PARTS)
    # In one pass, so that no value is taken for a template.
    yield re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], before)
    yield from parts
    yield after


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
