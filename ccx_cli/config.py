"""Files of settings: the project's ``ccx.toml`` and the user's ``config.toml``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError

PROJECT_FILE = "ccx.toml"
USER_FILE = "config.toml"
VARIABLE_PREFIX = "CCX_"
CONFIG_VARIABLE = f"{VARIABLE_PREFIX}CONFIG"

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where one file is, and its keys, written with dashes, and tables."""

    path: Path
    content: Table


def project_file(named: Path | None = None) -> tuple[Path, bool]:
    """Return the project's file, and whether it was named and so has to be there.

    Unless it is ``named``, or ``CCX_CONFIG`` names it, it is looked for in the working directory.
    """
    said = named or os.environ.get(CONFIG_VARIABLE)
    return (Path(said), True) if said else (Path(PROJECT_FILE), False)


def user_file() -> Path:
    """Return where the user's file is looked for: XDG's directory on Linux."""
    return user_config_path("ccx") / USER_FILE


def read_files(named: Path | None = None) -> list[ConfigFile | None]:
    """Read the project's file and the user's; ``None`` for one that is not there."""
    path, required = project_file(named)
    return [read_file(path, required=required), read_file(user_file())]


def read_file(path: Path, *, required: bool = False) -> ConfigFile | None:
    """Read a file of settings; ``None`` where there is none, unless it is ``required``."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if required:
            raise MissingInputError(f"`config` {path} is not there: check the path.") from error
        return None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} cannot be read as TOML ({error}): mend or remove it.") from error
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not text in UTF-8: mend or remove it.") from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a directory: name a TOML file.") from error
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    return ConfigFile(path, _dashed(path, content))


def _dashed(path: Path, table: Table) -> Table:
    dashed: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name in dashed:
            raise UsageError(f"{path} has the key {name} twice, once as {key}: keep one of them.")
        dashed[name] = _dashed(path, value) if isinstance(value, dict) else value
    return dashed
