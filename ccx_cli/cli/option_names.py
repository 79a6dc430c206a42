"""The options that stand for the parameters which errors of the core name in backticks."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z]+)*)`")
_OTHERWISE = {
    "axes": "--activations-axes",
    "datasets": "--root-datasets",
    "local": "--from",
    "mirrors": "--mirror",
    "model_args": "--model-arg",
}


def with_options(text: str) -> str:
    """Return an error of the core as the command line has it: ``--n-init`` for `` `n_init` ``."""

    def option(match: re.Match[str]) -> str:
        return _OTHERWISE.get(match[1], f"--{match[1].replace('_', '-')}")

    text = text.replace("the traceback shows where", "--debug shows where")
    return _PARAMETER.sub(option, text)
