"""How kernels are compiled: once, kept on disk, without Python's global lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from platformdirs import user_cache_path

# Beside the modules, what is compiled would outlive an uninstall and hide the next installation.
_config: Any = numba.config
if not _config.CACHE_DIR:
    _config.CACHE_DIR = str(user_cache_path("ccx") / "kernels")

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` with numba at its first call; threads may run it side by side."""
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))


def _fused(_context: Any, x: Any, y: Any, z: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


_fused_multiply_add: Any = intrinsic(_fused)


@kernel
def fused_multiply_add(x: np.float32, y: np.float32, z: np.float32) -> np.float32:
    """``x * y + z`` with one rounding, in float32; for use inside kernels."""
    fused: np.float32 = _fused_multiply_add(x, y, z)
    return fused
