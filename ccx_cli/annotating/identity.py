"""What an engine is, for whoever reads its labels later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What scores depend on besides photographs and words.

    ``revision`` is that of the checkpoint, or a digest of the files of a local one; ``license`` is
    that of the weights, empty where nothing says it.
    """

    engine: str
    checkpoint: str = ""
    revision: str = ""
    license: str = ""
