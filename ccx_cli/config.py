"""Settings that are kept in files: the project's ``ccx.toml`` over the user's ``config.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from ccx_cli.errors import UsageError, suggestion

PROJECT_FILE = "ccx.toml"
USER_FILE = "config.toml"
_KEYS = ("mirrors",)


@dataclass(frozen=True, slots=True)
class Config:
    """What the files say.

    Attributes
    ----------
    mirrors
        Addresses to try before the published hosts, in this order.
    """

    mirrors: tuple[str, ...] = ()


def read_config(project: Path | None = None) -> Config:
    """Read the settings that hold in a directory, the working one by default.

    A key of the project's file replaces the user's.

    Raises
    ------
    UsageError
        If a file cannot be read, is no TOML, or has a key or a value that is not known.
    """
    settings: dict[str, Any] = {}
    for path in (user_config_path("ccx") / USER_FILE, (project or Path()) / PROJECT_FILE):
        settings |= _read(path)
    return Config(mirrors=tuple(settings.get("mirrors", ())))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as TOML ({error}): mend or remove it.") from error
    for key in content:
        if key not in _KEYS:
            raise UsageError(
                f"{path} has the key {key}, which is not known"
                f"{suggestion(key, _KEYS) or ': it may have ' + ' and '.join(_KEYS) + '.'}"
            )
    mirrors = content.get("mirrors", [])
    if not isinstance(mirrors, list) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise UsageError(f'{path}: mirrors has to be a list such as ["https://example.org/ccx"].')
    return content
