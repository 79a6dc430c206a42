"""Reads sparse autoencoders from files, by the names and shapes of the public trainers' tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ccx_cli.errors import DamagedDataError, UsageError, few, suggestion
from ccx_cli.printable import printable
from ccx_cli.probe.autoencoders.configs import config_settings
from ccx_cli.probe.autoencoders.contents import (
    read_content,
    tensors_of,
    with_normalization,
    without_prefix,
)
from ccx_cli.probe.autoencoders.encoder import Autoencoder
from ccx_cli.probe.autoencoders.maps import (
    TENSORS,
    is_count,
    is_resolved,
    map_words,
    number_of,
    read_map,
    refuse_unused,
)

# OpenAI's files name the class of their activation function; those with TopK normalize their input.
_OPENAI = {
    "TopK": {"activation": "topk", "normalize": "layer_norm"},
    "ReLU": {"activation": "relu"},
}
_SUBTRACTED = ("pre_bias", "bias", "decoder_bias")


def resolve_map(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Complete a map with what the file, and its trainer's configuration beside it, say.

    UsageError for what neither says, MissingInputError or DamagedDataError for a file that is not
    there or not readable.
    """
    given = read_map(words)
    if is_resolved(given):
        refuse_unused(given, given["activation"])
        return map_words(given)
    content = read_content(path)
    file = _File(path, content, given)
    found = file.inferred() | config_settings(path, given) | given | file.k()
    if "activation" not in found:
        raise file.unsaid(
            "which activation function it has", "activation=relu, topk, batchtopk or jumprelu"
        )
    refuse_unused(given, found["activation"])
    found = file.conventions(found["activation"]) | found
    if found["activation"] == "topk":
        if "k" not in found:
            raise file.unsaid("how many latents it keeps", "k=N")
    else:
        found.pop("k", None)
    if "subtract_b_dec" not in found:
        raise file.unsaid("whether b_dec is subtracted first", "subtract_b_dec=yes or no")
    if not file.needs_rows():
        found.pop("encoder_rows", None)
    return map_words(found)


def load_autoencoder(path: Path, words: Sequence[str], device: torch.device) -> Autoencoder:
    """Read an autoencoder with a resolved map; UsageError or DamagedDataError if parts misfit."""
    found = read_map(words)
    return _File(path, read_content(path), found).autoencoder(found, device)


@dataclass(frozen=True, slots=True)
class _Named:
    """A tensor and its name in the file; of a linear layer, rows are what it puts out."""

    name: str
    values: torch.Tensor

    @property
    def is_linear(self) -> bool:
        return self.name.endswith(".weight")


class _File:
    """The tensors of a file that has been read, by their canonical names."""

    def __init__(self, path: Path, content: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self.path = path
        self._content = content
        self._tensors = tensors_of(content)
        self._short = with_normalization(without_prefix(self._tensors), path)
        self._given = given
        self._named = {key: named for key in TENSORS if (named := self._find(key)) is not None}

    def _find(self, key: str) -> _Named | None:
        given = self._given.get(key)
        is_number = key in ("k", "threshold") and number_of(given or "") is not None
        if given is not None and not is_number:
            values = self._tensors.get(given, self._short.get(given))
            if values is None:
                mend = suggestion(given, self._tensors) or f": it holds {self._held()}."
                raise UsageError(f"`sae_map` {key}={given}: {self.path} has no such tensor{mend}")
            return _Named(given, values)
        names = [name for name in TENSORS[key] if name in self._short]
        if len(names) > 1:
            raise UsageError(
                f"{self.path} holds {' and '.join(names)}: say which is {key} with `sae_map` "
                f"{key}={names[0]}."
            )
        return _Named(names[0], self._short[names[0]]) if names else None

    def _held(self) -> str:
        return few([printable(name[:100]) for name in self._tensors])

    def unsaid(self, what: str, mend: str) -> UsageError:
        """Return the error about what nothing says."""
        return UsageError(f"{self.path} does not say {what}: say it with `sae_map` {mend}.")

    def inferred(self) -> dict[str, str]:
        """Return what the tensors that are there, and words among them, say for certain."""
        openai = _OPENAI.get(str(self._content.get("activation")), {})
        if openai:
            return dict(openai)
        if "b_gate" in self._named:
            return {"activation": "gated"}
        if self._named.keys() & {"threshold", "log_threshold"}:
            if "k" not in self._named:
                return {"activation": "jumprelu"}
            # Of dictionary_learning's, the nested ones are all of one kind; others need a word.
            return {"activation": "batchtopk"} if "group_sizes" in self._short else {}
        if "k" in self._named:
            return {"activation": "topk"}
        return {"activation": "relu"} if self._bias() == "bias" else {}

    def conventions(self, activation: str) -> dict[str, str]:
        """Return what is usual for an activation function where nothing else says it.

        JumpReLU's paper and Gemma Scope encode the input itself; all others subtract what the
        decoder adds.
        """
        bias = self._bias()
        if bias == "decoder.bias":
            return {}
        subtracts = bias in _SUBTRACTED or (bias is not None and activation != "jumprelu")
        scales = activation == "gated" and bias == "decoder_bias"
        return {
            "subtract_b_dec": "yes" if subtracts else "no",
            "decoder_norm": "after" if scales else "none",
        }

    def _bias(self) -> str | None:
        return self._named["b_dec"].name if "b_dec" in self._named else None

    def k(self) -> dict[str, str]:
        """Return how many latents are kept, as the map says or else the file."""
        if is_count(self._given.get("k", "")):
            return {}
        said = self._content.get("activation_state_dict")
        value = said.get("k") if isinstance(said, Mapping) else None
        if "k" in self._named:
            tensor = self._named["k"].values
            value = tensor.item() if tensor.numel() == 1 else tuple(tensor.shape)
        if value is None:
            return {}
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not is_count(str(value)):
            raise DamagedDataError(
                f"{self.path} says that k is {value}, not a whole number from 1 up: give it with "
                "`sae_map` k=N."
            )
        return {"k": str(value)}

    def needs_rows(self) -> bool:
        """Tell whether the shape of the encoder leaves open which axis is which."""
        encoder = self._named.get("W_enc")
        if encoder is None or encoder.values.ndim != 2 or encoder.is_linear:
            return False
        return encoder.values.shape[0] == encoder.values.shape[1]

    def autoencoder(self, found: Mapping[str, str], device: torch.device) -> Autoencoder:
        """Put the tensors together, in float32 on a device."""
        gated = found["activation"] == "gated"
        bias = self._vector("b_gate" if gated else "b_enc", None)
        latents = len(bias)
        encoder = self._encoder(latents, found)
        units = len(encoder)
        thresholds = None
        if found["activation"] in ("batchtopk", "jumprelu"):
            thresholds = self._thresholds(found, latents)
        k = int(found["k"]) if found["activation"] == "topk" else None
        if k is not None and k > latents:
            raise UsageError(f"`sae_map` k={k}: {self.path} has {latents:,} latents only.")
        decoder = self._decoder(units, latents)
        scale = found.get("decoder_norm", "none")
        if scale != "none" and decoder is None:
            raise self._lacking("W_dec")
        subtracts = found["subtract_b_dec"] == "yes"

        def on_device(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values.to(device).contiguous()

        return Autoencoder(
            encoder=encoder.to(device).contiguous(),
            bias=bias.to(device),
            decoder=on_device(decoder),
            center=on_device(self._vector("b_dec", units) if subtracts else None),
            thresholds=on_device(thresholds),
            magnitude_bias=on_device(self._vector("b_mag", latents) if gated else None),
            magnitude_scale=on_device(self._vector("r_mag", latents).exp() if gated else None),
            k=k,
            normalize=found.get("normalize", "none"),
            decoder_norm=scale,
        )

    def _lacking(self, key: str) -> UsageError:
        return UsageError(
            f"{self.path} has no tensor called {' or '.join(TENSORS[key])}: say which is {key} "
            f"with `sae_map` {key}=NAME; it holds {self._held()}."
        )

    def _floats(self, key: str) -> torch.Tensor:
        if key not in self._named:
            raise self._lacking(key)
        named = self._named[key]
        if not named.values.is_floating_point():
            raise DamagedDataError(
                f"{printable(named.name)} in {self.path} holds {named.values.dtype} values, not "
                "floating-point numbers: save the autoencoder's weights."
            )
        values = named.values.float()
        if not bool(values.isfinite().all()):
            raise DamagedDataError(
                f"{printable(named.name)} in {self.path} holds values that are NaN or infinite: "
                "give another file with `sae`."
            )
        return values

    def _vector(self, key: str, length: int | None) -> torch.Tensor:
        values = self._floats(key)
        if values.ndim != 1 or (length is not None and len(values) != length):
            raise self._misfit(key, "one axis" if length is None else f"{length:,} values")
        return values

    def _misfit(self, key: str, wanted: str) -> DamagedDataError:
        named = self._named[key]
        shape = " x ".join(map(str, named.values.shape)) or "one number"
        return DamagedDataError(
            f"{printable(named.name)} in {self.path}, its {key}, is {shape}, not {wanted}: check "
            "`sae_map` and the file."
        )

    def _encoder(self, latents: int, found: Mapping[str, str]) -> torch.Tensor:
        """Return the encoder as ``(units, latents)``."""
        values = self._floats("W_enc")
        if values.ndim != 2 or latents not in values.shape:
            raise self._misfit("W_enc", f"units x {latents:,} latents")
        rows = "latents" if values.shape[1] != latents else "units"
        if values.shape[0] == values.shape[1]:
            told = "latents" if self._named["W_enc"].is_linear else found.get("encoder_rows")
            if told is None:
                raise self.unsaid(
                    f"whether the rows of its {latents:,} x {latents:,} W_enc are units or latents",
                    "encoder_rows=units or latents",
                )
            rows = told
        return values if rows == "units" else values.T

    def _decoder(self, units: int, latents: int) -> torch.Tensor | None:
        """Return the decoder as ``(latents, units)``; None where there is none."""
        if "W_dec" not in self._named:
            return None
        values = self._floats("W_dec")
        if tuple(values.shape) not in {(units, latents), (latents, units)}:
            raise self._misfit("W_dec", f"{latents:,} latents x {units:,} units")
        square = units == latents
        is_turned = self._named["W_dec"].is_linear if square else len(values) == units
        return values.T if is_turned else values

    def _thresholds(self, found: Mapping[str, str], latents: int) -> torch.Tensor:
        number = number_of(found.get("threshold", ""))
        if number is not None:
            return torch.full((latents,), number)
        logarithmic = "threshold" not in self._named and "log_threshold" in self._named
        key = "log_threshold" if logarithmic else "threshold"
        values = self._floats(key)
        if values.numel() == 1:
            values = values.reshape(1).expand(latents)
        elif values.shape != (latents,):
            raise self._misfit(key, f"one number or {latents:,}")
        if found["activation"] == "batchtopk" and bool((values < 0).any()):
            raise UsageError(
                f"{self.path} has a threshold below zero, which its trainer never set: give one "
                "with `sae_map` threshold=NUMBER."
            )
        return values.exp() if logarithmic else values
