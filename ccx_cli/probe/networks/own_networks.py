"""Networks that a user's own code makes: ``file.py:factory`` and ``package.module:factory``.

The names are read without torch; only a call of the factory imports it, with the user's code.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from modulefinder import ModuleFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.store.digests import file_digest

_NAME_LENGTH = 60
_CLASSES = ("num_classes", "n_classes", "nb_classes", "num_labels", "num_outputs")
_importing = RLock()
_imported: dict[str, str] = {}
"""The digests of files beside factories when they were imported."""
_folders = set[str]()
"""Folders of users' code in ``sys.path``, the last one first."""


def resolve_own(model: str, parameter: str = "model") -> str:
    """Return the name of a factory as it can be found again, the path of its file absolute."""
    location, _, factory = model.rpartition(":")
    if not factory.isidentifier():
        raise UsageError(
            f"`{parameter}` {model} names no factory: write file.py:factory or "
            "package.module:factory."
        )
    if location.endswith(".py"):
        path = Path(location).expanduser().absolute()
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise MissingInputError(
                f"`{parameter}` {model}: the file {path} {what}: check the path."
            )
        return f"{path}:{factory}"
    if not all(part.isidentifier() for part in location.split(".")):
        raise UsageError(
            f"`{parameter}` {model}: {location or 'nothing'} is neither a module nor a file that "
            "ends in .py: write file.py:factory or package.module:factory."
        )
    return model


def short_name(model: str) -> str:
    """Return a factory's name fit for a directory: ``nets.make`` for ``/home/me/nets.py:make``."""
    location, _, factory = model.rpartition(":")
    module = Path(location).stem if location.endswith(".py") else location
    return re.sub(r"[^\w.]", "_", f"{module}.{factory}")[-_NAME_LENGTH:]


def read_arguments(words: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` words as arguments of a factory: Python literals, or else strings."""
    arguments: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"`model_args` {word} is not of the form key=value.")
        if key in arguments:
            raise UsageError(f"`model_args` {key} is given twice: leave one out.")
        try:
            arguments[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            arguments[key] = text
    return arguments


def source_sha256(model: str, parameter: str = "model") -> str:
    """Return the SHA-256 of the factory's file; of its name where there is no file."""
    location = model.rpartition(":")[0]
    path: str | None = location
    if not location.endswith(".py"):
        path = _import_module(model, location, parameter).__file__
    if path is None:
        return hashlib.sha256(model.encode()).hexdigest()
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise MissingInputError(
            f"`{parameter}` {model}: the file {path} cannot be read ({error.strerror}): check the "
            "path."
        ) from error


def imported_sha256(model: str) -> str | None:
    """Return the SHA-256 of the modules beside a factory's file that it imports, None if none.

    Those that changed, or are of another folder, are imported again: a worker of a cluster stays.
    """
    location = model.rpartition(":")[0]
    if location.endswith(".py"):
        path = Path(location)
        root = path.parent
    else:
        path = Path(_import_module(model, location).__file__ or "")
        root = path.parents[location.count(".") + (path.name == "__init__.py")]
    if {"site-packages", "dist-packages"} & {*root.parts}:
        return None
    finder = ModuleFinder(path=[str(root)])
    with suppress(Exception):  # What cannot be parsed is said when it is imported.
        finder.run_script(str(path)) if location.endswith(".py") else finder.import_hook(location)
    finder.modules.pop("__main__", None)
    files = {name: getattr(each, "__file__", None) for name, each in finder.modules.items()}
    digests = {file: file_digest(Path(file)) for file in sorted(filter(None, {*files.values()}))}
    _forget_others(set(files), digests)
    digests.pop(str(path), None)
    beside = [(os.path.relpath(file, root), digest) for file, digest in digests.items()]
    return hashlib.sha256(repr(beside).encode()).hexdigest() if beside else None


def _forget_others(names: set[str], digests: dict[str, str]) -> None:
    """Forget modules if one of them was imported from other files beside factories than these."""
    with _importing:
        files = {name: getattr(sys.modules.get(name), "__file__", None) or "" for name in names}
        known = {*files.values()} & {*_imported}
        is_other = any(_imported[file] != digests.get(file) for file in known)
        _imported.update(digests)
        if is_other:
            for name in names:
                if files[name] in _imported:
                    del sys.modules[name]
            importlib.invalidate_caches()


def find_factory(model: str, parameter: str = "model") -> Callable[..., Any]:
    """Import a factory; raises as ``build_own`` does."""
    location, _, factory = model.rpartition(":")
    with _importing:
        if location.endswith(".py"):
            module = _import_file(model, location, parameter)
        else:
            imported_sha256(model)
            module = _import_module(model, location, parameter)
    found = getattr(module, factory, None)
    if not callable(found):
        what = "is no callable" if hasattr(module, factory) else "is not there"
        known = [name for name, value in vars(module).items() if callable(value)]
        near = suggestion(factory, known) or ": check the name after the colon."
        raise UsageError(f"`{parameter}` {model}: {factory} {what}{near}")
    return found  # type: ignore[no-any-return]


def classes_parameter(model: str) -> str | None:
    """Return which parameter of a factory is the number of classes, None if none is known to be."""
    with suppress(ValueError, TypeError):  # A callable without a signature.
        parameters = inspect.signature(find_factory(model)).parameters
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        known = [name for name in _CLASSES if name in parameters]
        return known[0] if known else _CLASSES[0] if takes_any else None
    return None


def _import_file(model: str, location: str, parameter: str) -> ModuleType:
    code = f"{location} {source_sha256(model, parameter)} {imported_sha256(model)}"
    name = f"ccx_own_{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    look_in(str(Path(location).parent))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, location)
    if spec is None or spec.loader is None:
        raise DamagedDataError(
            f"`{parameter}` {model}: {location} is no Python file: check the path."
        )
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up by its name.
    sys.modules[name] = module
    try:
        with _imports(model, parameter):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(model: str, location: str, parameter: str = "model") -> ModuleType:
    look_in(str(Path.cwd()))
    with _imports(model, parameter):
        try:
            return importlib.import_module(location)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{location}.".startswith(f"{error.name}."):
                raise
            raise MissingInputError(
                f"`{parameter}` {model}: there is no module {error.name}: install it, or run ccx "
                "in the folder that holds it."
            ) from error


@contextmanager
def _imports(model: str, parameter: str) -> Iterator[None]:
    try:
        yield
    except CcxError:
        raise
    except (Exception, SystemExit) as error:
        raise DamagedDataError(
            f"`{parameter}` {model} cannot be imported, it raises {raised(error)}: mend it (the "
            "traceback shows where)."
        ) from error


def look_in(folder: str) -> None:
    """Let imports find what lies beside the user's code, after everything that is installed."""
    if folder in _folders:
        sys.path.remove(folder)
    elif folder in sys.path:
        return
    _folders.add(folder)
    first = next((at for at, each in enumerate(sys.path) if each in _folders), len(sys.path))
    sys.path.insert(first, folder)


def raised(error: BaseException) -> str:
    """Return an error of other code in words, on one line: ``ValueError: too small``."""
    text = " ".join(str(error).split())
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return f"{type(error).__name__}: {shown.rstrip('.')}" if text else type(error).__name__
