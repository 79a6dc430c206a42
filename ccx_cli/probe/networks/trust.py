"""Which factories of networks may be run because a stored run names them.

A run may come from anyone, and the factory that its header names is code. It is run only if the
user named the same factory with the same arguments before, on this machine, and its file is the
same still, or says so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from platformdirs import user_config_path

from ccx_cli.probe.networks.libraries import is_own
from ccx_cli.probe.networks.own_networks import look_in
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import file_digest

FILE = "trusted-factories.json"


class _Trusted(msgspec.Struct):
    """The file of a factory as it was when the user named it, and where its package was."""

    path: str
    sha256: str
    package: str | None = None


def trust(model: str, arguments: Sequence[str]) -> None:
    """Remember a factory that the user named, where the user's configuration can be written."""
    if not is_own(model):
        return
    with suppress(OSError, ImportError, ValueError, AttributeError):
        found = _describe(model)
        known = _read()
        call = shlex.join([model, *arguments])
        if known.get(call) != found:
            known[call] = found
            path = user_config_path("ccx") / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(msgspec.to_builtins(known), indent=1) + "\n")


def is_trusted(model: str, arguments: Sequence[str]) -> bool:
    """Return whether a network may be made without asking; imports nothing that ``model`` names.

    Its arguments may name files to load, or other code, as those of ``torch.hub:load`` do.
    """
    if not is_own(model):
        return True
    known = _read().get(shlex.join([model, *arguments]))
    if known is None:
        return False
    location = model.rpartition(":")[0]
    with suppress(OSError, ValueError):
        is_same = file_digest(Path(known.path)) == known.sha256
        return is_same and (location.endswith(".py") or _package(location) == known.package)
    return False


def _describe(model: str) -> _Trusted:
    location = model.rpartition(":")[0]
    if location.endswith(".py"):
        path, package = Path(location).expanduser().absolute(), None
    else:
        look_in(str(Path.cwd()))
        spec = importlib.util.find_spec(location)  # Imports the packages that the module is in.
        if spec is None or spec.origin is None:
            raise ValueError(f"there is no module {location}")
        path, package = Path(spec.origin), _package(location)
    return _Trusted(str(path), file_digest(path), package)


def _package(location: str) -> str | None:
    """Return where the outermost package of a module is, in several places if need be."""
    path = sys.path
    # Only to look: of a module that is not trusted, nothing beside it may be imported later.
    sys.path = [*path, str(Path.cwd())]
    try:
        spec = importlib.util.find_spec(location.partition(".")[0])
        if spec is None:
            return None
        return spec.origin or os.pathsep.join(spec.submodule_search_locations or ())
    finally:
        sys.path = path


def _read() -> dict[str, _Trusted]:
    with suppress(OSError, ValueError):
        content = (user_config_path("ccx") / FILE).read_bytes()
        return msgspec.json.decode(content, type=dict[str, _Trusted])
    return {}
