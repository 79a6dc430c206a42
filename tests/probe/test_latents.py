"""Latents on the layers of networks: kept, changed and followed, against hooks outside ccx."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ccx_cli.errors import CcxError, UsageError
from ccx_cli.probe.attribution import unit_importance
from ccx_cli.probe.autoencoders.encoder import Autoencoder
from ccx_cli.probe.interventions import Intervention
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import (
    Network,
    layer_activations,
    load_network,
    unit_activations,
)
from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.progress import SilentProgress

LATENTS = 50
IMAGES = torch.randn(5, 3, 224, 224, generator=torch.Generator().manual_seed(1))
KINDS = {
    "relu": ["activation=relu", "subtract_b_dec=yes"],
    "topk": ["activation=topk", "k=4", "subtract_b_dec=no"],
    "jumprelu": ["activation=jumprelu", "threshold=0.2", "subtract_b_dec=yes"],
    "layer norm": ["activation=relu", "subtract_b_dec=yes", "normalize=layer_norm"],
    "constant norm": ["activation=topk", "k=9", "subtract_b_dec=no",
                      "normalize=constant_norm_rescale"],
    "scaled": ["activation=topk", "k=9", "subtract_b_dec=yes", "decoder_norm=before"],
    "scaled after": ["activation=relu", "subtract_b_dec=yes", "decoder_norm=after"],
}  # fmt: skip


def write(path: Path, units: int, *, decoder: bool = True) -> Path:
    random = torch.Generator().manual_seed(units)
    tensors = {
        "W_enc": torch.randn(units, LATENTS, generator=random) / units**0.5,
        "b_enc": torch.randn(LATENTS, generator=random) / 10,
        "b_dec": torch.randn(units, generator=random) / 10,
    }
    if decoder:
        tensors["W_dec"] = torch.randn(LATENTS, units, generator=random) / units**0.5
    save_file(tensors, path)
    return path


def load(model: str, layer: str, path: Path, words: list[str], **others: Any) -> Network:
    request = NetworkRequest(model, layer=layer, sae=path, sae_map=tuple(words), **others)
    return load_network(choose_network(Path("nowhere"), request))


def dense(found: Any, network: Network) -> torch.Tensor:
    assert isinstance(found, SparseBatch)
    latents, n_images, height, width = found.shape
    assert (latents, height, width) == (LATENTS, *network.layout.map_shape)
    maps = torch.zeros(latents, n_images * height * width)
    maps[torch.from_numpy(found.units).long(), torch.from_numpy(found.positions).long()] = (
        torch.from_numpy(found.values)
    )
    return maps.reshape(found.shape).swapaxes(0, 1)


def reference(tokens: torch.Tensor, path: Path, words: list[str]) -> torch.Tensor:
    """Encode ``(..., units)`` in float64, a line a step."""
    from safetensors.torch import load_file

    said = dict(word.split("=") for word in words)
    w = {name: each.double() for name, each in load_file(path).items()}
    x = tokens.double()
    if said.get("normalize") == "layer_norm":
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.std(-1, keepdim=True) + 1e-5)
    if said.get("normalize") == "constant_norm_rescale":
        x = x * x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)
    z = (x - w["b_dec"] * (said["subtract_b_dec"] == "yes")) @ w["W_enc"] + w["b_enc"]
    if said.get("decoder_norm") == "before":
        z = z * w["W_dec"].norm(dim=1)
    z = z * (z > max(float(said.get("threshold", 0)), 0))
    if "k" in said:
        z = z * (z >= z.topk(int(said["k"]), dim=-1).values[..., -1:])
    return z * w["W_dec"].norm(dim=1) if said.get("decoder_norm") == "after" else z


LAYERS = {
    "maps": ("demo", "layer3.2", 64, {}),
    "vector": ("demo", "fc", 9, {}),
    "tokens": ("vit_b_32", "encoder.layers.encoder_layer_1", 768, {"pretrained": "none"}),
    "units last": ("swin_t", "features.3", 192, {"pretrained": "none"}),
}
LARGE = ("tokens", "units last")


def hooked(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Return what the layer gives, units last and class tokens left out, by a plain hook."""
    outputs: list[torch.Tensor] = []
    layer = network.module.get_submodule(network.choice.layer)
    handle = layer.register_forward_hook(lambda _m, _i, output: outputs.append(output.clone()))
    with torch.inference_mode():
        network.module(images)
    handle.remove()
    (output,) = outputs
    if output.ndim == 4:
        return output if output.shape[3] == network.layout.units else output.movedim(1, -1)
    return output[:, None] if output.ndim == 2 else output[:, 1:]


@pytest.mark.parametrize(
    "layer",
    ["maps", "vector", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)],
)
def test_latents_are_those_of_a_hook_outside(tmp_path: Path, layer: str) -> None:
    model, name, units, others = LAYERS[layer]
    path = write(tmp_path / "sae.safetensors", units)
    for words in KINDS.values():
        network = load(model, name, path, words, **others)
        assert network.units == LATENTS
        assert network.layout.units == units
        found = dense(network.units_in(layer_activations(network, IMAGES)), network)
        expected = reference(hooked(network, IMAGES), path, words).flatten(1, -2)
        assert 0 < (expected > 0).double().mean() < 1
        torch.testing.assert_close(
            found.flatten(2).swapaxes(1, 2).double(), expected, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_latent_does_not_depend_on_the_batch(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load("demo", "layer3.2", write(tmp_path / "s.safetensors", 64), KINDS[kind])
    maps = layer_activations(network, IMAGES)
    whole = dense(network.units_in(maps), network)
    parts = [dense(network.units_in(some), network) for some in (maps[:1], maps[1:4], maps[4:])]
    assert torch.equal(torch.cat(parts), whole)
    monkeypatch.setattr("ccx_cli.probe.autoencoders.encoder._MOST_VALUES", 100 * LATENTS)
    torch.testing.assert_close(dense(network.units_in(maps), network), whole)
    some = unit_activations(network, IMAGES, [7, 3])
    torch.testing.assert_close(some, whole[:, [7, 3]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", ["layer3.2", "layer4"])
def test_changed_latents_reach_the_answer_and_the_rest_stays(
    tmp_path: Path, kind: str, layer: str
) -> None:
    units = {"layer3.2": 64, "layer4": 48}[layer]
    path = write(tmp_path / "sae.safetensors", units)
    network = load("demo", layer, path, KINDS[kind])
    chosen = [3, 20, 11]
    scores = Intervention(network).scores(
        IMAGES, lambda z: torch.stack([z, z * 0, z * 2]), 3, torch.tensor(chosen)
    )
    autoencoder = network.autoencoder
    assert isinstance(autoencoder, Autoencoder)

    def decode(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        directions = autoencoder.decoder
        assert directions is not None
        if autoencoder.decoder_norm != "none":
            z = z / directions.norm(dim=1)
        decoded = z @ directions
        if autoencoder.normalize == "layer_norm":
            decoded = decoded * x.std(-1, keepdim=True) + x.mean(-1, keepdim=True)
        if autoencoder.normalize == "constant_norm_rescale":
            decoded = decoded * x.norm(dim=-1, keepdim=True) / units**0.5
        return decoded

    def changed(factor: float) -> torch.Tensor:
        def hook(_m: Any, _i: Any, output: torch.Tensor) -> torch.Tensor:
            x = output.movedim(1, -1)
            z = reference(x, path, KINDS[kind]).float()
            other = z.clone()
            other[..., chosen] *= factor
            # What the autoencoder does not reconstruct is kept.
            return (decode(other, x) + (x - decode(z, x))).movedim(-1, 1)

        handle = network.module.get_submodule(layer).register_forward_hook(hook)
        with torch.inference_mode():
            answer: torch.Tensor = network.module(IMAGES)
        handle.remove()
        return answer

    with torch.inference_mode():
        plain = network.module(IMAGES)
    torch.testing.assert_close(scores[0], plain, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scores[1], changed(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scores[2], changed(2), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(scores[1], plain, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_importance_is_the_slope_of_the_answer(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "sae.safetensors", 48)
    network = load("demo", "layer4", path, KINDS[kind])
    # After this layer the network is linear: to first order is exact.
    found = unit_importance(network, iter([IMAGES[:2], IMAGES[2:]]), 5, SilentProgress())
    assert found.shape == (LATENTS,)
    for unit in (0, 13):
        scores = Intervention(network).scores(
            IMAGES, lambda z: torch.stack([z, z * 0]), 2, torch.tensor([unit])
        )
        best = scores[0].argmax(1, keepdim=True)
        drops = (scores[0] - scores[1]).gather(1, best)
        assert found[unit] == pytest.approx(float(drops.abs().mean()), rel=1e-2, abs=1e-4)


def test_a_latent_without_a_decoder_vector_changes_nothing() -> None:
    decoder = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    found = Autoencoder(torch.eye(2), torch.zeros(2), decoder, decoder_norm="after")
    assert found.directions().tolist() == [[0.0, 0.0], [pytest.approx(0.6), pytest.approx(0.8)]]


def test_what_needs_the_decoder_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "sae.safetensors", 64, decoder=False)
    network = load("demo", "layer3.2", path, KINDS["relu"])
    with pytest.raises(UsageError, match=r"Importance needs the decoder .* has no W_dec"):
        Intervention(network)
    with pytest.raises(UsageError, match="Importance needs the decoder"):
        unit_importance(network, iter([IMAGES]), 5, SilentProgress())


def test_an_autoencoder_of_another_layer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "sae.safetensors", 64)
    with pytest.raises(UsageError, match=r"encodes 64 units, but layer layer4 of demo has 48"):
        load("demo", "layer4", path, KINDS["relu"])
    with pytest.raises(UsageError, match="name the one it was trained on with `layer`"):
        choose_network(Path(), NetworkRequest("demo", sae=path))
    with pytest.raises(UsageError, match="add its file as `sae`"):
        choose_network(Path(), NetworkRequest("demo", layer="layer4", sae_map=("k=3",)))
    with pytest.raises(CcxError, match="is not there: check the path"):
        choose_network(Path(), NetworkRequest("demo", layer="layer4", sae=tmp_path / "no.pt"))


def test_latents_beyond_float32_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "sae.safetensors", 64)
    network = load("demo", "layer3.2", path, KINDS["relu"])
    assert network.autoencoder is not None
    huge = replace(network.autoencoder, encoder=network.autoencoder.encoder * 1e38)
    network = replace(network, autoencoder=huge)
    with pytest.raises(CcxError, match="latents that are NaN or infinite"):
        network.units_in(layer_activations(network, IMAGES) * 1000)
