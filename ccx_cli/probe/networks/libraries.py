"""The libraries whose networks ccx can take, in ``LIBRARIES``."""

from __future__ import annotations

from ccx_cli.probe.networks.hf_networks import HuggingFace
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.open_clip_networks import OpenClip
from ccx_cli.probe.networks.timm_networks import Timm

LIBRARIES: dict[str, Library] = {each.name: each for each in (Timm(), HuggingFace(), OpenClip())}
"""By name, which begins the names of their networks."""


def library_of(model: str) -> Library | None:
    """Return the library that makes a network, if one does."""
    name, colon, _ = model.partition(":")
    return LIBRARIES.get(name) if colon else None


def is_own(model: str) -> bool:
    """Return whether ``model`` names a factory, not a network that ccx or a library knows."""
    return ":" in model and library_of(model) is None
