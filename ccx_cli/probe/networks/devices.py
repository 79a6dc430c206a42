"""Where a network computes, and in which type of number."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout

import torch

from ccx_cli.errors import UsageError
from ccx_cli.probe.networks.description import SINGLE


def resolve_device(name: str) -> torch.device:
    """Return the device ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` (a GPU if there is one)."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not re.fullmatch(r"cuda(:\d{1,3})?", name, re.ASCII):
        raise UsageError(f"`device` {name} is not known: it is cpu, cuda, cuda:N or auto.")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UsageError(f"`device` {name}: there is no CUDA GPU here, take `device` cpu.")
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise UsageError(f"`device` {name}: the last GPU here is cuda:{count - 1}.")
    return device


def check_precision(precision: str, device: torch.device) -> None:
    """Raise UsageError where torch cannot compute in ``precision`` on this device."""
    if precision == SINGLE:
        return
    with warnings.catch_warnings():
        # torch only warns, and goes on in single precision.
        warnings.simplefilter("error", UserWarning)
        try:
            torch.autocast(device.type, getattr(torch, precision))
        except (RuntimeError, UserWarning) as error:
            raise UsageError(
                f"`precision` {precision}: torch {torch.__version__} cannot on {device}: take "
                "half, which is what the device can, or single."
            ) from error


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Run forward passes without gradients, in ``precision``; what a network prints goes to stderr.

    ``single`` is float32 throughout: a GPU's convolutions, which by default round to the 10 bits of
    TF32, are kept from it. In ``float16`` or ``bfloat16``, torch's autocast takes the operations
    that stand it, such as convolutions and matrix products, to that type.
    """
    with ExitStack() as contexts:
        contexts.enter_context(torch.inference_mode())
        contexts.enter_context(redirect_stdout(sys.stderr))
        if device.type == "cuda":
            contexts.enter_context(
                torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                )
            )
        if precision != SINGLE:
            contexts.enter_context(torch.autocast(device.type, getattr(torch, precision)))
        yield
