"""The files that trainers of sparse autoencoders write beside the weights; without torch.

Read are ``cfg.json`` of SAELens and of EleutherAI's sparsify, and ``config.json`` of
dictionary_learning and ViT-Prisma. Any other JSON is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe.autoencoders.maps import SETTINGS, is_count

_NAMES = ("cfg.json", "config.json")
_MOST_BYTES = 1 << 20

# How dictionary_learning's classes encode: activation, whether b_dec is subtracted, and whether
# latents are multiplied by the norms of their decoder vectors.
_DICTIONARIES = {
    "AutoEncoder": ("relu", True, False),
    "AutoEncoderNew": ("relu", False, False),
    "AutoEncoderTopK": ("topk", True, False),
    "BatchTopKSAE": ("batchtopk", True, False),
    "GatedAutoEncoder": ("gated", True, True),
    "JumpReluAutoEncoder": ("jumprelu", False, True),
    "MatryoshkaBatchTopKSAE": ("batchtopk", True, False),
}


def config_settings(path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return what the trainer's file beside the weights says; settings that are ``given`` win.

    UsageError for a form that is not known, DamagedDataError if the file cannot be read.
    """
    for name in _NAMES:
        beside = path.with_name(name)
        if not beside.is_file():
            continue
        said = _settings(_read(beside))
        if said is None:
            continue
        for key, value in said.items():
            fits = is_count(value) if key == "k" else value in SETTINGS[key]
            if not fits and key not in given:
                raise UsageError(
                    f"{beside} says that k is {value}, not a whole number from 1 up: give it with "
                    "`sae_map` k=N."
                    if key == "k"
                    else f"{beside} says {value} for {key}, which ccx does not compute: if the "
                    f"weights do without it, say `sae_map` {key}= and one of "
                    f"{', '.join(SETTINGS[key])}."
                )
        return said
    return {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedDataError(
            f"{path}, beside the autoencoder, cannot be read as JSON: mend it, or move it away."
        ) from error
    return content if isinstance(content, dict) else {}


def _settings(config: Mapping[str, Any]) -> dict[str, str] | None:
    trainer = config.get("trainer")
    if isinstance(trainer, Mapping) and "dict_class" in trainer:
        return _of_dictionary(trainer)
    if not isinstance(config.get("d_in"), int):
        return None
    if config.keys() & {"architecture", "activation_fn", "activation_fn_str", "hook_name"}:
        return _of_saelens(config)
    return _of_sparsify(config) if "k" in config else None


def _of_dictionary(trainer: Mapping[str, Any]) -> dict[str, str]:
    name = str(trainer["dict_class"])
    if name not in _DICTIONARIES:
        return {"activation": name}
    activation, subtracts, scales = _DICTIONARIES[name]
    return {
        "activation": activation,
        "subtract_b_dec": "yes" if subtracts else "no",
        "decoder_norm": "after" if scales else "none",
        **({"k": str(trainer["k"])} if activation == "topk" and "k" in trainer else {}),
    }


def _of_saelens(config: Mapping[str, Any]) -> dict[str, str]:
    """Read the configuration of SAELens, or of ViT-Prisma, which grew from it."""
    function = str(config.get("activation_fn_str") or config.get("activation_fn") or "relu")
    architecture = str(config.get("architecture") or "standard")
    activation = function if architecture == "standard" else architecture
    options = config.get("activation_fn_kwargs")
    k = config.get("k", options.get("k") if isinstance(options, Mapping) else None)
    normalized = config.get("normalize_activations", "none")
    if isinstance(normalized, bool):
        normalized = "expected_average_only_in" if normalized else "none"
    said = {
        "activation": "batchtopk" if activation == "matryoshka_batchtopk" else activation,
        "subtract_b_dec": "yes" if config.get("apply_b_dec_to_input", True) else "no",
        "normalize": str(normalized or "none"),
        "decoder_norm": "before" if config.get("rescale_acts_by_decoder_norm") else "none",
        "encoder_rows": "units",
    }
    return said | ({"k": str(k)} if activation == "topk" and k is not None else {})


def _of_sparsify(config: Mapping[str, Any]) -> dict[str, str]:
    activation = str(config.get("activation", "topk"))
    return {
        "activation": "signed topk" if config.get("signed") else activation,
        "subtract_b_dec": "no" if config.get("transcode") else "yes",
        "k": str(config["k"]),
    }
