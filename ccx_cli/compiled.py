"""How kernels are compiled: once, kept on disk, without Python's global lock."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

with suppress(KeyError, ValueError):
    if int(os.environ["NUMBA_NUM_THREADS"]) < 1:
        del os.environ["NUMBA_NUM_THREADS"]  # numba could not be imported; no kernel uses it.

import numba
from llvmlite import ir
from numba.core import event, types
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic
from platformdirs import user_cache_path

_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH

P = ParamSpec("P")
R = TypeVar("R")


def _candidates() -> Iterator[Path]:
    """Yield where compiled kernels may be kept, the best place first.

    Beside the modules, they would outlive an uninstall and hide the next installation.
    """
    yield user_cache_path("ccx") / "kernels"
    data = os.environ.get("CCX_DATA_DIR")
    if data:
        yield Path(data) / "kernels"
    yield Path(tempfile.gettempdir()) / f"ccx-kernels-{os.getuid()}"


def cache_directory() -> Path | None:
    """Return the first directory that kernels can be kept in, made if need be; None for none.

    Machines without a writable home, such as containers, have a data directory or a temporary one.
    One that another user may write to is not taken: what is in it is run.
    """
    for directory in _candidates():
        with suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.stat()
            is_private = status.st_uid in (os.getuid(), 0) and not status.st_mode & _OF_OTHERS
            if is_private and os.access(directory, os.W_OK | os.X_OK):
                return directory
    return None


def _called_files(function: Callable[..., Any]) -> dict[str, tuple[int, int]]:
    """Return time and size of the other files with kernels that a kernel may call."""
    found: dict[str, tuple[int, int]] = {}
    waiting = [function.__globals__]
    while waiting:
        for value in list(waiting.pop().values()):
            is_ours = isinstance(value, ModuleType) and value.__name__.startswith("ccx_cli.")
            for each in list(vars(value).values()) if is_ours else [value]:
                if isinstance(each, CPUDispatcher):
                    path = each.py_func.__code__.co_filename
                    if path not in found and path != function.__code__.co_filename:
                        status = Path(path).stat()
                        found[path] = status.st_mtime_ns, status.st_size
                        waiting.append(each.py_func.__globals__)
    return found


_FunctionCache: Any = FunctionCache  # which has no types
_unliteral: Any = types.unliteral


class _KernelCache(_FunctionCache):  # type: ignore[misc]
    """Compiled kernels on disk, which nothing depends on: what is damaged is compiled anew.

    numba compiles again what was changed, but not what calls it: here the files of all kernels that
    may be called count as well.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._cache_file._source_stamp
        self._cache_file._source_stamp = (stamp, sorted(_called_files(function).items()))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # A power cut leaves files empty or torn, and pickle raises anything.
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError, EOFError):
            super().save_overload(sig, data)


_config: Any = numba.config
# numba takes settings, and with them where kernels are, from a file in the working directory.
_config._config_fname = os.devnull
_config.reload_config()
_config.DISABLE_JIT = 0  # Python has no fused multiply-add, and would take hours for the rest.
if not _config.CACHE_DIR:
    _config.CACHE_DIR = str(cache_directory() or "")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` with numba at its first call; threads may run it side by side."""
    compiled: Any = numba.njit(nogil=True)(function)
    find_call = compiled.get_call_template

    def find_call_of_any(args: Sequence[Any], named: dict[str, Any]) -> Any:
        return find_call(
            [_unliteral(each) for each in args],
            {name: _unliteral(each) for name, each in named.items()},
        )

    # Else each constant that a kernel passes to it would have it compiled once more.
    compiled.get_call_template = find_call_of_any
    if _config.CACHE_DIR:
        with suppress(RuntimeError, OSError):  # The directory went away: compile without it.
            compiled._cache = _KernelCache(function)
    return cast(Callable[P, R], compiled)


@contextmanager
def compilations() -> Iterator[Sequence[Any]]:
    """Yield what gets an entry for each kernel that is compiled meanwhile."""
    with event.install_recorder("numba:compile") as recorder:
        yield recorder.buffer


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


def _products(builder: Any, arguments: Any) -> tuple[Any, Any]:
    """Return ``a * b`` and ``c * d`` in 128 bits, of four int64."""
    a, b, c, d = (builder.sext(each, ir.IntType(128)) for each in arguments)
    return builder.mul(a, b), builder.mul(c, d)


def _compared(_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        left, right = _products(builder, arguments)
        signs = (builder.icmp_signed(sign, left, right) for sign in "><")
        above, below = (builder.zext(sign, ir.IntType(64)) for sign in signs)
        return builder.sub(above, below)

    return types.int64(*[types.int64] * 4), generate


def _subtracted(_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word, double = ir.IntType(64), ir.DoubleType()
        whole = builder.sub(*_products(builder, arguments))
        low = builder.trunc(whole, word)
        high = builder.trunc(builder.ashr(whole, ir.IntType(128)(64)), word)
        is_word = builder.icmp_signed("==", high, builder.ashr(low, word(63)))
        upper = builder.fmul(builder.sitofp(high, double), double(2.0**64))
        both = builder.fadd(upper, builder.uitofp(low, double))
        return builder.select(is_word, builder.sitofp(low, double), both)

    return types.float64(*[types.int64] * 4), generate


_compare_products: Any = intrinsic(_compared)
_subtract_products: Any = intrinsic(_subtracted)


@kernel
def compare_products(a: float, b: float, c: float, d: float) -> int:
    """Sign of ``a * b - c * d`` of whole numbers below 2^63, exact; for use inside kernels."""
    sign: int = _compare_products(np.int64(a), np.int64(b), np.int64(c), np.int64(d))
    return sign


@kernel
def subtract_products(a: float, b: float, c: float, d: float) -> float:
    """``a * b - c * d`` of such numbers, rounded once, twice from 2^63; for use inside kernels."""
    found: float = _subtract_products(np.int64(a), np.int64(b), np.int64(c), np.int64(d))
    return found
