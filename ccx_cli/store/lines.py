"""JSON, one value a line."""

from __future__ import annotations

import json
from typing import Any

from ccx_cli.printable import escaped

Record = Any
"""What a line holds, until every room uses the structures of ``ccx_cli.records``."""


def json_line(record: Any) -> str:
    """Write JSON as one line."""
    return escaped(json.dumps(record, ensure_ascii=False, allow_nan=False)) + "\n"
