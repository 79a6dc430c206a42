"""Sparse autoencoders of every trainer, against NumPy in float64 that knows each of them alone."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe.autoencoders.encoder import Autoencoder, largest
from ccx_cli.probe.autoencoders.files import load_autoencoder, resolve_map
from ccx_cli.probe.autoencoders.maps import form_text, read_map

UNITS, LATENTS = 6, 20
CPU = torch.device("cpu")
Array = NDArray[np.float64]
Tensors = dict[str, torch.Tensor]
_RANDOM = np.random.default_rng(3)
X: Array = _RANDOM.normal(0.3, 1, (40, UNITS)).astype(np.float32).astype(np.float64)


def drawn(*shape: int, scale: float = 1) -> torch.Tensor:
    return torch.from_numpy((_RANDOM.normal(0, scale, shape)).astype(np.float32))


ENCODER, DECODER = drawn(UNITS, LATENTS), drawn(LATENTS, UNITS)
BIAS, CENTER = drawn(LATENTS, scale=0.3), drawn(UNITS)
THRESHOLDS = drawn(LATENTS).abs()
GATE, MAGNITUDE = drawn(LATENTS), drawn(LATENTS)


def of(tensor: torch.Tensor) -> Array:
    return tensor.numpy().astype(np.float64)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def pre(x: Array) -> Array:
    return x @ of(ENCODER) + of(BIAS)


def centered(x: Array) -> Array:
    return x - of(CENTER)


def topk(z: Array, k: int) -> Array:
    kept = np.zeros_like(z)
    for row, values in enumerate(z):
        best = np.argsort(-values, kind="stable")[:k]
        kept[row, best] = values[best]
    return relu(kept)


def over(z: Array, thresholds: Array | float) -> Array:
    kept: Array = (z > thresholds) * relu(z)
    return kept


def layer_norm(x: Array) -> Array:
    x = x - x.mean(1, keepdims=True)
    normed: Array = x / (x.std(1, ddof=1, keepdims=True) + 1e-5)
    return normed


def constant_norm(x: Array) -> Array:
    normed: Array = x * np.sqrt(UNITS) / np.linalg.norm(x, axis=1, keepdims=True)
    return normed


def gated(x: Array, gate: Array) -> Array:
    gates = x @ of(ENCODER) + gate > 0
    kept: Array = gates * relu(np.exp(of(GATE)) * (x @ of(ENCODER)) + of(MAGNITUDE))
    return kept


NORMS = np.linalg.norm(of(DECODER), axis=1)
PLAIN = {"W_enc": ENCODER, "b_enc": BIAS, "W_dec": DECODER, "b_dec": CENTER}
LINEAR = {
    "encoder.weight": ENCODER.T,
    "encoder.bias": BIAS,
    "decoder.weight": DECODER.T,
    "b_dec": CENTER,
}
SAELENS = {"d_in": UNITS, "d_sae": LATENTS, "normalize_activations": "none"}
GATES = {"b_gate": BIAS, "b_mag": MAGNITUDE, "r_mag": GATE}
MEAN, VARIANCE = drawn(LATENTS), drawn(LATENTS).square()
OVERCOMPLETE = {
    "encoder.final_block.0.weight": ENCODER.T,
    "encoder.final_block.0.bias": BIAS,
    "encoder.final_block.1.weight": GATE,
    "encoder.final_block.1.bias": MAGNITUDE,
    "encoder.final_block.1.running_mean": MEAN,
    "encoder.final_block.1.running_var": VARIANCE,
    "encoder.final_block.1.num_batches_tracked": torch.tensor(7),
    "dictionary._weights": DECODER,
}


def batch_normed(z: Array) -> Array:
    normed: Array = (z - of(MEAN)) / np.sqrt(of(VARIANCE) + 1e-5) * of(GATE) + of(MAGNITUDE)
    return normed


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], Callable[[Array], Array], str]]
CASES = {
    # What is in the file, in the configuration and in `--sae-map`; what it computes, and its name.
    "plain relu": (PLAIN, {}, ["activation=relu"], lambda x: relu(pre(centered(x))), "relu"),
    "plain transposed": (
        PLAIN | {"W_enc": ENCODER.T, "W_dec": DECODER.T, "k": torch.tensor(4)},
        {},
        [],
        lambda x: topk(pre(centered(x)), 4),
        "topk, k 4, b_dec subtracted",
    ),
    "plain jumprelu, as Gemma Scope": (
        PLAIN | {"threshold": THRESHOLDS},
        {},
        [],
        lambda x: over(pre(x), of(THRESHOLDS)),
        "jumprelu, b_dec kept",
    ),
    "plain jumprelu, told": (
        PLAIN | {"log_threshold": THRESHOLDS.log()},
        {},
        ["subtract_b_dec=yes"],
        lambda x: over(pre(centered(x)), of(THRESHOLDS)),
        "jumprelu, b_dec subtracted",
    ),
    "plain batchtopk": (
        PLAIN | {"threshold": torch.tensor(0.7), "k": torch.tensor(4)},
        {},
        ["activation=batchtopk"],
        lambda x: over(pre(centered(x)), 0.7),
        "batchtopk, b_dec subtracted",
    ),
    "a threshold by hand": (
        PLAIN,
        {},
        ["activation=batchtopk", "threshold=0.25"],
        lambda x: over(pre(centered(x)), 0.25),
        "batchtopk, threshold 0.25, b_dec subtracted",
    ),
    "names by hand": (
        {"enc.w": ENCODER, "enc.b": BIAS, "middle": CENTER, "k": torch.tensor(9)},
        {},
        ["W_enc=enc.w", "b_enc=enc.b", "b_dec=middle", "activation=topk", "k=3"],
        lambda x: topk(pre(centered(x)), 3),
        "topk, k 3",
    ),
    "k by name": (
        PLAIN | {"kept": torch.tensor(3.0)},
        {},
        ["activation=topk", "k=kept"],
        lambda x: topk(pre(centered(x)), 3),
        "topk, k 3, b_dec subtracted",
    ),
    "a prefix": (
        {f"module.sae.{name}": each for name, each in PLAIN.items()} | {"other": BIAS},
        {},
        ["activation=relu", "subtract_b_dec=no"],
        lambda x: relu(pre(x)),
        "relu, b_dec kept",
    ),
    "SAELens standard": (
        PLAIN,
        SAELENS | {"architecture": "standard", "apply_b_dec_to_input": False},
        [],
        lambda x: relu(pre(x)),
        "relu, b_dec kept",
    ),
    "SAELens before 4": (
        PLAIN,
        {"d_in": UNITS, "hook_point": "blocks.1.hook_resid_pre", "activation_fn_str": "topk",
         "activation_fn_kwargs": {"k": 5}, "normalize_activations": "layer_norm"},
        [],
        lambda x: topk(pre(layer_norm(x) - of(CENTER)), 5),
        "topk, k 5, b_dec subtracted, layer norm",
    ),
    "SAELens topk": (
        PLAIN,
        SAELENS | {"architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": True},
        [],
        lambda x: topk(pre(centered(x)) * NORMS, 5),
        "topk, k 5, b_dec subtracted, scaled by decoder norms before",
    ),
    "SAELens jumprelu": (
        PLAIN | {"threshold": THRESHOLDS},
        SAELENS | {"architecture": "jumprelu", "normalize_activations": "constant_norm_rescale"},
        [],
        lambda x: over(pre(constant_norm(x) - of(CENTER)), of(THRESHOLDS)),
        "jumprelu, b_dec subtracted, constant norm rescale",
    ),
    "SAELens gated": (
        {key: each for key, each in PLAIN.items() if key != "b_enc"} | GATES,
        SAELENS | {"architecture": "gated"},
        [],
        lambda x: gated(centered(x), of(BIAS)),
        "gated, b_dec subtracted",
    ),
    "gated, scaled": (
        {key: each for key, each in PLAIN.items() if key != "b_enc"} | GATES,
        {},
        ["decoder_norm=before"],
        lambda x: gated(centered(x), of(BIAS)) * NORMS,
        "gated, b_dec subtracted, scaled",
    ),
    "SAELens in training": (
        PLAIN | {"topk_threshold": torch.tensor(0.4, dtype=torch.float64)},
        SAELENS | {"architecture": "batchtopk", "k": 7.5},
        [],
        lambda x: over(pre(centered(x)), 0.4),
        "batchtopk",
    ),
    "sparsify": (
        {"encoder.weight": ENCODER.T, "encoder.bias": BIAS, "W_dec": DECODER, "b_dec": CENTER},
        {"expansion_factor": 4, "k": 3, "d_in": UNITS, "num_latents": 0, "multi_topk": False},
        [],
        lambda x: topk(pre(centered(x)), 3),
        "topk, k 3, b_dec subtracted",
    ),
    "sparsify's transcoder": (
        {"encoder.weight": ENCODER.T, "encoder.bias": BIAS, "b_dec": CENTER},
        {"expansion_factor": 4, "k": 3, "d_in": UNITS, "activation": "topk", "transcode": True},
        [],
        lambda x: topk(pre(x), 3),
        "topk, k 3, b_dec kept",
    ),
    "OpenAI": (
        {"pre_bias": CENTER, "encoder.weight": ENCODER.T, "latent_bias": BIAS,
         "decoder.weight": DECODER.T, "stats_last_nonzero": torch.zeros(LATENTS).long(),
         "activation": "TopK", "activation_state_dict": {"k": 6, "postact_fn": "ReLU"}},
        {},
        [],
        lambda x: topk(pre(layer_norm(x) - of(CENTER)), 6),
        "topk, k 6, b_dec subtracted, layer norm",
    ),
    "Overcomplete": (
        OVERCOMPLETE,
        {},
        ["activation=topk", "k=4"],
        lambda x: topk(batch_normed(pre(x)), 4),
        "topk, k 4, b_dec kept",
    ),
    "Overcomplete jumprelu": (
        {name.replace("final_block.", ""): each for name, each in OVERCOMPLETE.items()}
        | {"thresholds": THRESHOLDS.log()},
        {},
        [],
        lambda x: over(batch_normed(pre(x)), of(THRESHOLDS)),
        "jumprelu, b_dec kept",
    ),
    "dictionary_learning AutoEncoder": (
        {"bias": CENTER, **{key: each for key, each in LINEAR.items() if key != "b_dec"}},
        {},
        [],
        lambda x: relu(pre(centered(x))),
        "relu, b_dec subtracted",
    ),
    "dictionary_learning AutoEncoderNew": (
        {key: each for key, each in LINEAR.items() if key != "b_dec"} | {"decoder.bias": CENTER},
        {"trainer": {"dict_class": "AutoEncoderNew", "lr": 0.1}},
        [],
        lambda x: relu(pre(x)),
        "relu, b_dec kept",
    ),
    "dictionary_learning BatchTopK": (
        LINEAR | {"k": torch.tensor(4, dtype=torch.int32), "threshold": torch.tensor(0.6)},
        {"trainer": {"dict_class": "BatchTopKSAE", "k": 4}, "buffer": {}},
        [],
        lambda x: over(pre(centered(x)), 0.6),
        "batchtopk, b_dec subtracted",
    ),
    "dictionary_learning TopK": (
        LINEAR | {"k": torch.tensor(4, dtype=torch.int32), "threshold": torch.tensor(-1.0)},
        {"trainer": {"dict_class": "AutoEncoderTopK", "k": 5}},
        [],
        lambda x: topk(pre(centered(x)), 4),
        "topk, k 4, b_dec subtracted",
    ),
    "dictionary_learning nested": (
        PLAIN
        | {"k": torch.tensor(4), "threshold": torch.tensor(0.6), "group_sizes": torch.ones(2)},
        {},
        [],
        lambda x: over(pre(centered(x)), 0.6),
        "batchtopk, b_dec subtracted",
    ),
    "dictionary_learning gated": (
        {"decoder_bias": CENTER, "encoder.weight": ENCODER.T, "decoder.weight": DECODER.T,
         "r_mag": GATE, "gate_bias": BIAS, "mag_bias": MAGNITUDE},
        {},
        [],
        lambda x: gated(centered(x), of(BIAS)) * NORMS,
        "gated, b_dec subtracted, scaled by decoder norms after",
    ),
    "dictionary_learning jumprelu": (
        PLAIN | {"threshold": THRESHOLDS},
        {"trainer": {"dict_class": "JumpReluAutoEncoder"}},
        [],
        lambda x: over(pre(x), of(THRESHOLDS)) * NORMS,
        "jumprelu, b_dec kept, scaled by decoder norms after",
    ),
}  # fmt: skip


def write(folder: Path, content: dict[str, Any], config: dict[str, Any], kind: str) -> Path:
    folder.mkdir(exist_ok=True)
    if config:
        name = "config.json" if "trainer" in config else "cfg.json"
        (folder / name).write_text(json.dumps(config))
    path = folder / f"sae.{kind}"
    content = {
        name: each.clone().contiguous() if isinstance(each, torch.Tensor) else each
        for name, each in content.items()
    }
    if kind == "safetensors":
        save_file(content, path)
    elif kind == "npz":
        np.savez(path, **{name: each.numpy() for name, each in content.items()})
    else:
        torch.save({"state_dict": content, "epoch": 3} if kind == "ckpt" else content, path)
    return path


def loaded(path: Path, words: list[str]) -> Autoencoder:
    return load_autoencoder(path, resolve_map(path, words), CPU)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (case, kind)
        for case, (content, *_) in CASES.items()
        for kind in ("safetensors", "pt", "ckpt", "npz")
        if kind == "pt" or all(isinstance(each, torch.Tensor) for each in content.values())
    ],
)
def test_each_layout_encodes_as_its_trainer_does(tmp_path: Path, case: str, kind: str) -> None:
    content, config, words, computes, said = CASES[case]
    path = write(tmp_path, content, config, kind)
    resolved = resolve_map(path, words)
    assert form_text(resolved).startswith(said)
    found = load_autoencoder(path, resolved, CPU)
    assert (found.units, found.latents) == (UNITS, LATENTS)
    expected = computes(X)
    assert 0 < (expected > 0).sum() < expected.size
    latents = found.latents_of(torch.from_numpy(X.astype(np.float32))).numpy()
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents, expected, rtol=1e-4, atol=1e-5)
    # What is resolved needs nothing beside the weights.
    alone = write(tmp_path / "alone", content, {}, kind)
    assert resolve_map(alone, resolved) == resolved


@given(
    st.integers(1, 12),
    st.lists(st.lists(st.integers(0, 4), min_size=12, max_size=12), min_size=1, max_size=6),
)
def test_of_equal_latents_the_first_are_kept(k: int, rows: list[list[int]]) -> None:
    values = np.array(rows, np.float32)
    found, indices = largest(torch.from_numpy(values), k)
    assert found.shape == (len(rows), k)
    kept = np.zeros_like(values)
    np.put_along_axis(kept, indices.numpy(), found.numpy(), 1)
    assert np.array_equal(kept, topk(values.astype(np.float64), k))


@pytest.mark.parametrize("rows", ["units", "latents"])
def test_a_square_encoder_is_told_or_refused(tmp_path: Path, rows: str) -> None:
    square = {"W_enc": drawn(5, 5), "b_enc": drawn(5), "b_dec": torch.zeros(5)}
    path = write(tmp_path, square, {}, "safetensors")
    with pytest.raises(UsageError, match="rows of its 5 x 5 W_enc are units or latents"):
        loaded(path, ["activation=relu"])
    x = drawn(7, 5)
    encoder = square["W_enc"] if rows == "units" else square["W_enc"].T
    expected = (x @ encoder + square["b_enc"]).relu()
    found = loaded(path, ["activation=relu", f"encoder_rows={rows}"]).latents_of(x)
    assert torch.allclose(found, expected, atol=1e-6)
    # SAELens and linear layers have one way each.
    if rows == "units":
        config = {"d_in": 5, "architecture": "standard"}
        lens = write(tmp_path / "lens", square, config, "safetensors")
        assert "encoder_rows=units" in resolve_map(lens, [])
        assert torch.equal(loaded(lens, []).latents_of(x), found)
    else:
        linear = {
            "encoder.weight": square["W_enc"],
            "encoder.bias": square["b_enc"],
            "k": torch.tensor(5),
        }
        assert torch.equal(loaded(write(tmp_path / "l", linear, {}, "pt"), []).latents_of(x), found)


UNSAID: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], str]] = {
    "activation": (PLAIN, {}, [], "which activation function .* activation=relu, topk"),
    "one of two": (
        LINEAR | {"k": torch.tensor(4), "threshold": torch.tensor(0.5)},
        {},
        [],
        "which activation function",
    ),
    "k": (PLAIN, {}, ["activation=topk"], "how many latents .* k=N"),
    "center": (
        {key: each for key, each in LINEAR.items() if key != "b_dec"} | {"decoder.bias": CENTER},
        {},
        ["activation=relu"],
        "whether b_dec is subtracted .* subtract_b_dec=yes or no",
    ),
    "groupmax": (PLAIN, {"d_in": 6, "k": 3, "activation": "groupmax"}, [], "groupmax"),
    "signed": (PLAIN, {"d_in": 6, "k": 3, "signed": True}, [], "signed topk"),
    "no number": (PLAIN, SAELENS | {"architecture": "topk", "k": "x"}, [], "k is x, not a whole"),
    "scaled": (
        PLAIN,
        SAELENS | {"architecture": "standard", "normalize_activations": "expected_average_only_in"},
        [],
        "expected_average_only_in for normalize.*normalize= and one of none",
    ),
    "transcoder": (PLAIN, SAELENS | {"architecture": "transcoder"}, [], "transcoder"),
    "tanh": (PLAIN, SAELENS | {"activation_fn": "tanh-relu"}, [], "tanh-relu"),
    "crosscoder": (PLAIN, {"trainer": {"dict_class": "CrossCoder"}}, [], "CrossCoder"),
    "k of relu": (LINEAR, {}, ["activation=relu", "k=4"], "relu, which has no k: .*=topk"),
    "threshold of topk": (
        PLAIN,
        {},
        ["activation=topk", "k=4", "subtract_b_dec=yes", "threshold=1"],
        "topk, which has no threshold: .*activation=batchtopk or jumprelu",
    ),
    "two biases": (PLAIN | {"bias": CENTER}, {}, ["activation=relu"], "holds b_dec and bias"),
}


@pytest.mark.parametrize("case", UNSAID)
def test_what_nothing_says_is_asked(tmp_path: Path, case: str) -> None:
    content, config, words, message = UNSAID[case]
    path = write(tmp_path, content, config, "safetensors")
    with pytest.raises(UsageError, match=message) as error:
        loaded(path, words)
    assert "sae_map" in str(error.value)


def test_a_factor_that_is_folded_is_said(tmp_path: Path) -> None:
    config = SAELENS | {"architecture": "standard", "normalize_activations": True}
    path = write(tmp_path, PLAIN, config, "safetensors")
    assert resolve_map(path, ["normalize=none"]) == ("activation=relu", "subtract_b_dec=yes")


def test_json_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN | {"k": torch.tensor(2)}, {}, "pt")
    (tmp_path / "config.json").write_text('{"architectures": ["ViT"], "d_in": [], "k": 9}')
    (tmp_path / "cfg.json").write_text("[1]")
    assert "k=2" in resolve_map(path, [])
    (tmp_path / "cfg.json").write_text("{not json")
    with pytest.raises(DamagedDataError, match="cannot be read as JSON"):
        loaded(path, [])


RELU = ["activation=relu"]
HOSTILE: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "NaN": (PLAIN | {"W_enc": ENCODER * float("nan")}, RELU, "W_enc .* NaN or infinite"),
    "infinite": (PLAIN | {"b_enc": BIAS.double() * 1e300}, RELU, "b_enc .* NaN or infinite"),
    "integers": (PLAIN | {"W_enc": ENCODER.long()}, RELU, "int64 values"),
    "three axes": (PLAIN | {"W_enc": ENCODER[None]}, RELU, "its W_enc, is 1 x 6 x 20"),
    "other latents": (PLAIN | {"b_enc": BIAS[:7]}, RELU, "its W_enc, is 6 x 20, not units x 7"),
    "no bias": ({"W_enc": ENCODER, "b_dec": CENTER}, RELU, "no tensor called b_enc"),
    "empty bias": (PLAIN | {"b_enc": torch.zeros(0)}, RELU, "its W_enc"),
    "bias of two axes": (PLAIN | {"b_enc": BIAS[:, None]}, RELU, "its b_enc, is 20 x 1"),
    "center": (PLAIN | {"b_dec": CENTER[:3]}, RELU, "its b_dec, is 3, not 6 values"),
    "decoder": (PLAIN | {"W_dec": DECODER[:3]}, RELU, "its W_dec, is 3 x 6, not 20"),
    "thresholds": (PLAIN | {"threshold": THRESHOLDS[:3]}, [], "threshold, is 3, not one number"),
    "unset": (
        PLAIN | {"threshold": torch.tensor(-1.0)},
        ["activation=batchtopk"],
        "threshold below zero",
    ),
    "k of zero": (PLAIN | {"k": torch.tensor(0)}, [], "k is 0"),
    "k of several": (PLAIN | {"k": torch.tensor([1, 2])}, [], "k is"),
    "k beyond": (PLAIN | {"k": torch.tensor(21)}, [], "has 20 latents only"),
    "no threshold": (PLAIN, ["activation=jumprelu"], "no tensor called threshold"),
    "no gates": (PLAIN, ["activation=gated"], "no tensor called b_gate"),
    "no decoder": (
        {"W_enc": ENCODER, "b_enc": BIAS},
        ["activation=relu", "decoder_norm=after"],
        "no tensor called W_dec",
    ),
    "no encoder": ({"weights": ENCODER, "b_enc": BIAS}, RELU, "no tensor called W_enc.*it holds"),
    "a number": (PLAIN, [*RELU, "W_enc=3"], "no such tensor"),
    "layer norm": (
        {name: each for name, each in OVERCOMPLETE.items() if "running" not in name},
        RELU,
        "not one linear layer",
    ),
    "deep": (
        OVERCOMPLETE | {"encoder.mlp_blocks.0.0.weight": drawn(UNITS, UNITS)},
        RELU,
        "not one linear layer",
    ),
    "another name": (PLAIN, [*RELU, "W_enc=W_end"], "no such tensor, did you mean W_en"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, case: str) -> None:
    content, words, message = HOSTILE[case]
    path = write(tmp_path, content, {}, "safetensors")
    with pytest.raises((UsageError, DamagedDataError), match=message) as error:
        loaded(path, words)
    assert str(path) in str(error.value)


def test_of_several_sets_none_is_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": PLAIN, "b": PLAIN}, {}, "pt")
    with pytest.raises(DamagedDataError, match="holds several sets of tensors, a, b: save the one"):
        loaded(path, RELU)


class Harm:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.unlink, (Path("precious"),)  # type: ignore[return-value]


def test_files_that_are_no_autoencoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    precious = tmp_path / "precious"
    precious.touch()
    whole = write(tmp_path, PLAIN, {}, "safetensors").read_bytes()
    files: dict[str, Callable[[Path], object]] = {
        "cut.safetensors": lambda path: path.write_bytes(whole[:-40]),
        "pickle.pt": lambda path: path.write_bytes(pickle.dumps(PLAIN | {"x": Harm()})),
        "zip.pt": lambda path: torch.save(PLAIN | {"x": Harm()}, path),
        "module.pt": lambda path: torch.save(torch.nn.Linear(2, 3), path),
        "list.pt": lambda path: torch.save([1, 2], path),
        "objects.npz": lambda path: np.savez(path, W_enc=np.array([Harm()])),
        "text.npz": lambda path: path.write_text("no archive"),
        "npy.npz": lambda path: path.with_suffix("").write_bytes(b""),
        "claims.pt": lambda path: torch.save(
            {"W_enc": torch.zeros(1).expand(1 << 20, 1 << 20)}, path
        ),
        "sparse.pt": lambda path: torch.save({"W_enc": ENCODER.to_sparse()}, path),
    }
    for name, make in files.items():
        path = tmp_path / name
        make(path)
        with pytest.raises((DamagedDataError, MissingInputError)) as error:
            loaded(path, RELU)
        assert str(path) in str(error.value), name
        assert precious.exists(), name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["topk"], "not of the form KEY=NAME"),
        (["activation="], "not of the form"),
        (["activaton=topk"], "did you mean activation?"),
        (["activation=softmax"], "activation is one of relu, topk"),
        (["subtract_b_dec=1"], "subtract_b_dec is one of yes, no"),
        (["k=0"], "whole number from 1 up"),
        (["k=1.5"], "whole number from 1 up"),
        (["k=3", "k=4"], "given twice"),
        (["threshold=nan"], "a number from 0 up"),
        (["threshold=-1"], "a number from 0 up"),
    ],
)
def test_words_of_a_map_are_checked(words: list[str], message: str) -> None:
    with pytest.raises(CcxError, match=message):
        read_map(words)
