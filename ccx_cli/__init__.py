"""ccx: which concepts the units of an image classifier respond to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ccx_cli.version import __version__

if TYPE_CHECKING:
    from ccx_cli.errors import CcxError as CcxError
    from ccx_cli.notebook.arrays import score as score
    from ccx_cli.notebook.explaining import explain as explain
    from ccx_cli.notebook.stored_run import load_run as load_run

__all__ = ["CcxError", "__version__", "explain", "load_run", "score"]

_WHERE = {
    "CcxError": "errors",
    "explain": "notebook.explaining",
    "load_run": "notebook.stored_run",
    "score": "notebook.arrays",
}


def __getattr__(name: str) -> Any:
    """Import what needs numba only once it is asked for: ``ccx --help`` does not."""
    if name in _WHERE:
        return getattr(import_module(f"ccx_cli.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
