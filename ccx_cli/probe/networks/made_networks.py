"""Builds networks that other code makes: a factory of the user's own, or a library."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import lru_cache

import torch
from torch import nn

from ccx_cli.errors import CcxError, MissingInputError, UsageError
from ccx_cli.probe.networks.libraries import library_of
from ccx_cli.probe.networks.library import Library
from ccx_cli.probe.networks.own_networks import find_factory, raised, read_arguments


def build_own(model: str, words: Sequence[str], seed: int) -> nn.Module:
    """Call the factory with ``key=value`` words, seeded; what it prints goes to stderr.

    The state of torch's random numbers is restored. UsageError if there is no such callable or it
    returns no network, CcxError if it raises.
    """
    arguments = read_arguments(words)
    with torch.random.fork_rng(devices=[]), redirect_stdout(sys.stderr):
        factory = find_factory(model)
        torch.default_generator.manual_seed(seed)
        try:
            made = factory(**arguments)
        except (Exception, SystemExit) as error:
            given = f" with {', '.join(words)}" if words else ""
            raise CcxError(
                f"`model` {model}: the factory{given} raises {raised(error)}: mend it, or its "
                "`model_args` (the traceback shows where)."
            ) from error
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"`model` {model} returns a {type(made).__name__}, not a torch.nn.Module: name a "
            "callable that returns a network."
        )
    return made


def untrained_own(model: str, words: Sequence[str], seed: int) -> nn.Module:
    """Call the factory as ``build_own`` does, sure that another seed gives other weights."""
    module = build_own(model, words, seed)
    if state_sha256(module, model) == state_sha256(build_own(model, words, seed + 1), model):
        raise UsageError(
            f"`pretrained` none: {model} makes the same weights whatever the seed, as if it loaded "
            "them: leave out `pretrained`, or turn that off by `model_args`."
        )
    return module


def state_sha256(module: nn.Module, model: str) -> str:
    """Return the SHA-256 of a network's state dict; UsageError if its tensors have no bytes yet."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not isinstance(value, torch.Tensor):
            digest.update(f"{name} {value!r}\n".encode())
            continue
        try:
            content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        except (RuntimeError, ValueError, NotImplementedError) as error:
            raise UsageError(
                f"`model` {model}: the weights {name} have no values yet "
                f"({str(error).splitlines()[0]}): let the factory return a network ready to run."
            ) from error
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(content.tobytes())
    return digest.hexdigest()


def build_with(
    library: Library,
    model: str,
    words: Sequence[str] = (),
    seed: int = 0,
    revision: str | None = None,
    *,
    published: bool,
) -> nn.Module:
    """Let a library build a network, its random numbers seeded; what it prints goes to stderr.

    Where ``published``, it gets the weights that the library gives.
    """
    arguments = read_arguments(words)
    inside, package = library.inside(model), library.package
    with torch.random.fork_rng(devices=[]), redirect_stdout(sys.stderr):
        torch.default_generator.manual_seed(seed)
        try:
            module: nn.Module = library.create(model, arguments, revision, published=published)
        except CcxError:
            raise
        # What ends a download, of any of the libraries that timm leaves it to, is an OSError.
        except OSError as error:
            raise MissingInputError(
                f"`pretrained` {library.name}: {package} cannot get the weights of {inside} "
                f"({raised(error)}): check the connection, or give a file with `weights`."
            ) from error
        except Exception as error:
            given = f" with {', '.join(words)}" if words else ""
            mend = "check its `model_args` (" if library.takes_arguments else "take another ("
            raise CcxError(
                f"`model` {model}{given} cannot be made, {package} raises {raised(error)}: "
                f"{mend}the traceback shows where)."
            ) from error
    return module


@lru_cache(maxsize=16)
def made_weights_sha256(
    model: str,
    words: tuple[str, ...],
    seed: int,
    pretrained: str,
    _source: str,
    revision: str | None = None,
) -> str:
    """Return the SHA-256 of the weights that a library, or a factory of that digest, gives."""
    library = library_of(model)
    if library is not None:
        return state_sha256(
            build_with(library, model, words, seed, revision, published=True), model
        )
    build = untrained_own if pretrained == "none" else build_own
    return state_sha256(build(model, words, seed), model)
