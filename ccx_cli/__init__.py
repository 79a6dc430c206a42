"""ccx: which concepts the units of an image classifier respond to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ccx_cli.version import __version__

if TYPE_CHECKING:
    from ccx_cli.notebook import explain as explain
    from ccx_cli.notebook import score as score

__all__ = ["__version__", "explain", "score"]


def __getattr__(name: str) -> Any:
    """Import what needs numba only once it is asked for: ``ccx --help`` does not."""
    if name in {"explain", "score"}:
        from ccx_cli import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
