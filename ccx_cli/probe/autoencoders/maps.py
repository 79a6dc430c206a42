"""What ``--sae-map`` says: which tensor is which, and how an autoencoder encodes; without torch.

A resolved map says all that the tensors themselves do not: it goes into headers and cache keys, so
that no file beside the weights is needed again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ccx_cli.errors import UsageError, suggestion

# What public trainers call each tensor. Of a linear layer, `.weight` has the outputs as rows.
TENSORS: Mapping[str, tuple[str, ...]] = {
    "W_enc": ("W_enc", "encoder.weight"),
    "b_enc": ("b_enc", "encoder.bias", "latent_bias"),
    "W_dec": ("W_dec", "decoder.weight"),
    "b_dec": ("b_dec", "pre_bias", "bias", "decoder_bias", "decoder.bias"),
    "threshold": ("threshold", "topk_threshold"),
    "log_threshold": ("log_threshold", "thresholds"),
    "b_gate": ("b_gate", "gate_bias"),
    "b_mag": ("b_mag", "mag_bias"),
    "r_mag": ("r_mag",),
    "k": ("k",),
}
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "activation": ("relu", "topk", "batchtopk", "jumprelu", "gated"),
    "subtract_b_dec": ("yes", "no"),
    "normalize": ("none", "layer_norm", "constant_norm_rescale"),
    "decoder_norm": ("none", "before", "after"),
    "encoder_rows": ("units", "latents"),
}
# What only some activation functions have.
_OWN = {
    "k": ("topk",),
    "threshold": ("batchtopk", "jumprelu"),
    "log_threshold": ("batchtopk", "jumprelu"),
    "b_gate": ("gated",),
    "b_mag": ("gated",),
    "r_mag": ("gated",),
}
_USUAL = {"normalize": "none", "decoder_norm": "none"}


def read_map(words: Sequence[str]) -> dict[str, str]:
    """Part ``KEY=VALUE`` words; UsageError for a key or a value that is not known."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not (equals and key and value):
            raise UsageError(
                f"`sae_map` {word} is not of the form KEY=NAME, such as W_enc=encoder.weight or "
                "activation=topk."
            )
        known = [*SETTINGS, *TENSORS]
        if key not in known:
            mend = suggestion(key, known) or f": it is one of {', '.join(known)}."
            raise UsageError(f"`sae_map` {key} is not known{mend}")
        if key in found:
            raise UsageError(f"`sae_map` {key} is given twice: leave one out.")
        if key in SETTINGS and value not in SETTINGS[key]:
            raise UsageError(
                f"`sae_map` {key}={value}: {key} is one of {', '.join(SETTINGS[key])}."
            )
        number = number_of(value)
        if key == "k" and number is not None and not is_count(value):
            raise UsageError(f"`sae_map` k={value}: k is a whole number from 1 up.")
        if key == "threshold" and number is not None and not 0 <= number < math.inf:
            raise UsageError(f"`sae_map` threshold={value}: a threshold is a number from 0 up.")
        found[key] = value
    return found


def refuse_unused(given: Mapping[str, str], activation: str) -> None:
    """Refuse what a map sets and an activation function does not have, with UsageError."""
    for key, value in given.items():
        if activation not in _OWN.get(key, (activation,)):
            raise UsageError(
                f"`sae_map` {key}={value}: the autoencoder encodes with {activation}, which has "
                f"no {key}: leave it out, or say activation={' or '.join(_OWN[key])}."
            )


def map_words(found: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of a map in one order, without what is usual."""
    keys = [*SETTINGS, "k", *(key for key in TENSORS if key != "k")]
    return tuple(
        f"{key}={found[key]}" for key in keys if key in found and found[key] != _USUAL.get(key)
    )


def is_resolved(found: Mapping[str, str]) -> bool:
    """Tell whether a map leaves nothing that would have to be looked up beside the tensors."""
    if found.get("activation") == "topk" and not is_count(found.get("k", "")):
        return False
    return "activation" in found and "subtract_b_dec" in found


def is_count(text: str) -> bool:
    """Tell whether a text is a whole number from 1 up."""
    return text.isascii() and text.isdecimal() and int(text) > 0


def number_of(text: str) -> float | None:
    """Return the number that a value is, None for the name of a tensor."""
    try:
        return float(text)
    except ValueError:
        return None


def form_text(words: Sequence[str]) -> str:
    """Return in words how an autoencoder encodes: ``topk, k 32, b_dec subtracted``."""
    found = dict(word.split("=", 1) for word in words)
    parts = [found.get("activation", "")]
    if found.get("activation") == "topk":
        parts.append(f"k {found['k']}")
    if found.get("activation") in ("batchtopk", "jumprelu") and "threshold" in found:
        parts.append(f"threshold {found['threshold']}")
    parts.append("b_dec subtracted" if found.get("subtract_b_dec") == "yes" else "b_dec kept")
    if "normalize" in found:
        parts.append(found["normalize"].replace("_", " "))
    if "decoder_norm" in found:
        parts.append(f"scaled by decoder norms {found['decoder_norm']} the activation function")
    return ", ".join(parts)
