"""Engines: what says how likely each pixel of a photograph shows each word."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ccx_cli.annotating.identity import EngineIdentity
from ccx_cli.annotating.words import Word
from ccx_cli.errors import CcxError, UsageError, suggestion
from ccx_cli.probe.networks.own_networks import (
    find_factory,
    imported_sha256,
    raised,
    resolve_own,
    source_sha256,
)
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.digests import json_digest

CALLABLE = "callable"
MODELS = ("clipseg", "semantic", "sam3")
"""Engines of networks, in the module ``models``, which is imported for no other."""


class Engine(Protocol):
    """Finds words in photographs."""

    identity: EngineIdentity
    vocabulary: tuple[str, ...] | None
    """The names it knows, ``None`` if any word will do."""

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return scores from 0 to 1, ``(n, words, height, width)`` in any height and width.

        ``images`` are ``(n, height, width, 3)`` in the size of the dataset.
        """


def open_engine(
    text: str, *, device: str = "cpu", half: bool = False, progress: Progress | None = None
) -> Engine:
    """Open ``file.py:make``, or a network: ``clipseg[:CHECKPOINT]``, ``semantic:CHECKPOINT`` ...

    ``half`` lets a network compute in half precision.

    Raises
    ------
    CcxError
        If there is no such engine, or it cannot be opened.
    """
    name, _, checkpoint = text.partition(":")
    if name in MODELS:
        # They take seconds to import, and need an extra.
        from ccx_cli.annotating.models import open_model

        silent = SilentProgress()
        return open_model(name, checkpoint, device=device, half=half, progress=progress or silent)
    file, _, function = text.rpartition(":") if ":" in text else (text, "", "")
    if file.endswith(".py"):
        if not function.isidentifier():
            raise UsageError(f"`engine` {text} names no function: write {file}:make, by its name.")
        if half:
            raise UsageError(
                f"`precision` half is for networks that ccx opens, not for {text}: leave it out."
            )
        if device != "cpu":
            # It imports torch.
            from ccx_cli.probe.networks.devices import resolve_device

            device = str(resolve_device(device))
        return CallableEngine(text, device)
    near = suggestion(name, MODELS) or (
        f": it is {', '.join(MODELS[:-1])} or {MODELS[-1]}, or a file.py:make of your own."
    )
    raise UsageError(f"`engine` {text} is not known{near}")


class CallableEngine:
    """A function of the user's: ``(images, names) -> scores``, or a factory that returns one.

    ``make`` is the function if it needs the two arguments. If it needs none it is a factory, and
    is called once, with ``device`` if it has an argument of that name.
    """

    vocabulary: tuple[str, ...] | None = None

    def __init__(self, text: str, device: str) -> None:
        self._text = text
        own = resolve_own(text, "engine")
        with redirect_stdout(sys.stderr):
            made = find_factory(own, "engine")
        digest, beside = source_sha256(own, "engine"), imported_sha256(own)
        digest = digest if beside is None else json_digest([digest, beside])
        self.identity = EngineIdentity(CALLABLE, Path(own).name, f"sha256:{digest}")
        self._scores = self._make(made, device)

    def _make(self, made: Callable[..., Any], device: str) -> Callable[..., Any]:
        try:
            parameters = inspect.signature(made)
        except (TypeError, ValueError):
            return made
        keywords = {"device": device} if "device" in parameters.parameters else {}
        try:
            parameters.bind(**keywords)
        except TypeError:
            self._check(parameters)
            return made
        with self._calling("when it is called"):
            found = made(**keywords)
        if not callable(found):
            raise UsageError(
                f"`engine` {self._text} returns {type(found).__name__}: it must return a function "
                "of images and names, or be one."
            )
        function: Callable[..., Any] = found
        return function

    def _check(self, parameters: inspect.Signature) -> None:
        try:
            parameters.bind(None, None)
        except TypeError as error:
            raise UsageError(
                f"`engine` {self._text} takes {parameters}: it must take (images, words), or "
                "nothing and return a function that does."
            ) from error

    @contextmanager
    def _calling(self, when: str) -> Iterator[None]:
        try:
            with redirect_stdout(sys.stderr):
                yield
        except CcxError:
            raise
        except (Exception, SystemExit) as error:
            raise UsageError(
                f"`engine` {self._text} raises {raised(error)} {when}: mend it (the traceback "
                "shows where)."
            ) from error

    def scores(self, images: NDArray[np.uint8], words: Sequence[Word]) -> NDArray[np.float32]:
        """Return what the function does, as it is."""
        with self._calling(f"for {len(images):,} images"):
            return self._scores(images, [word.name for word in words])  # type: ignore[no-any-return]


def checked_scores(
    engine: Engine, images: NDArray[np.uint8], words: Sequence[Word]
) -> NDArray[np.float32]:
    """Return an engine's scores.

    Raises
    ------
    UsageError
        If they are not ``(n, words, height, width)`` numbers from 0 to 1.
    """
    found: Any = engine.scores(images, words)
    name = engine.identity.checkpoint or engine.identity.engine
    given = type(found).__name__
    # Of an array with masked numbers there is no telling which are meant.
    is_array = isinstance(found, np.ndarray) and not isinstance(found, np.ma.MaskedArray)
    if is_array:
        given = f"an array of {found.dtype} and shape {found.shape}"
    shape = (len(images), len(words))
    is_array = is_array and found.dtype.kind == "f" and found.ndim == 4
    if not is_array or found.shape[:2] != shape or found.size == 0:
        raise UsageError(
            f"`engine` {name} gave {given}: it must give a float32 NumPy array of (images, words, "
            f"height, width), here ({shape[0]}, {shape[1]}, ...)."
        )
    # Of an array with a NaN both are NaN.
    if not (found.min() >= 0 and found.max() <= 1):
        image, word, row, column = np.argwhere(~((found >= 0) & (found <= 1)))[0].tolist()
        raise UsageError(
            f"`engine` {name} gave {words[word].name!r} the score {found[image, word, row, column]}"
            ": scores must be from 0 to 1."
        )
    scores: NDArray[np.float32] = found.astype(np.float32, copy=False)
    return scores
