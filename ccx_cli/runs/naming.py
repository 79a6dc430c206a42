"""What a person calls a run, and says of it: a file beside its header, which neither changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import msgspec

from ccx_cli.errors import UsageError
from ccx_cli.store.atomic import write_text

NAMING = "name.json"
_LONGEST = 80


class Naming(NamedTuple):
    """A name, which stands for the run wherever one is asked for, and a note."""

    name: str | None = None
    note: str | None = None


def read_naming(directory: Path) -> Naming:
    """Read what a run is called; nothing where that cannot be read."""
    try:
        said = msgspec.json.decode((directory / NAMING).read_bytes(), type=dict[str, str | None])
    except (OSError, ValueError):
        return Naming()
    return Naming(said.get("name") or None, said.get("note") or None)


def write_naming(directory: Path, naming: Naming) -> None:
    """Keep what a run is called from now on."""
    text = json.dumps(naming._asdict(), ensure_ascii=False)
    write_text(directory / NAMING, text + "\n")


def check_name(name: str) -> None:
    """Refuse a name that a command line or a terminal could take for something else."""
    if (
        not name[:1].isalnum()
        or not name.isprintable()
        or name.endswith(" ")
        or "/" in name
        or len(name) > _LONGEST
    ):
        raise UsageError(
            f"`name` {name} is no name for a run: begin with a letter or a digit, leave out "
            f"slashes, and take at most {_LONGEST} letters."
        )
