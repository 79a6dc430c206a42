"""Sentences on the network of a run and its input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from ccx_cli.probe.autoencoders.maps import form_text
from ccx_cli.probe.networks.libraries import LIBRARIES
from ccx_cli.records.header import model_name
from ccx_cli.runs.methods.words import Cite, Quote, known
from ccx_cli.runs.references import weights_of
from ccx_cli.runs.run import Run


def source_text(run: Run, cite: Cite, quote: Quote) -> str:
    """Name the layer, network and weights of a run; raises ``LookupError`` likewise."""
    about = run.about
    sha256 = run.identity.weights_sha256
    digest = f"SHA-256 {sha256[:16]}" if sha256 else ""
    layer = f"the layer {quote(known(about.layer, 'layer'))}"
    model = known(about.model, "model")
    if about.given is not None:
        return f"{layer} in precomputed activations ({quote(model)}, {digest})"
    pretrained = known(about.weights_kind, "weights")
    trained = weights_of(about)
    origin = {
        "none": f"random weights, seed {about.seed}",
        "demo": "the weights that come with ccx",
    }.get(pretrained, "")
    if pretrained in LIBRARIES:
        origin = LIBRARIES[pretrained].origin
    if trained is not None:
        name = {"places365": "Places365", "imagenet": "ImageNet", "coco": "COCO"}[pretrained]
        origin = f"weights trained on {name} {cite(trained)}"
    if pretrained == "own":
        origin = "the weights that our code gives it"
        if about.weights is not None:
            origin = f"weights of our own from the file {quote(PurePath(about.weights).name)}"
    model = model_name(model)
    if about.model_args:
        model += f" ({', '.join(about.model_args)})"
    part = "" if about.weights_key is None else f"those under {quote(about.weights_key)}"
    head = "but for what does not fit after the layer" if about.ignore_head else ""
    commit = "" if about.revision is None else f"revision {about.revision[:12]}"
    words = ", ".join(word for word in (origin, commit, part, head, digest) if word)
    if about.sae is not None:
        file, sae_digest = quote(PurePath(about.sae.file).name), about.sae.sha256[:16]
        layer = (
            f"a sparse autoencoder ({file}, SHA-256 {sae_digest}; "
            f"{quote(form_text(about.sae.map))}) on {layer}"
        )
    return f"{layer} of the network {quote(model)} ({words})"


def network_input(run: Run, quote: Quote) -> Iterator[str]:
    """Say what entered the network."""
    about = run.about
    if about.given is not None or about.input_size is None:
        return
    height, width = about.input_size
    mean, std = (
        ", ".join(f"{value:g}" for value in known(values, "input normalization"))
        for values in (about.mean, about.std)
    )
    precision = about.precision or "single"
    computed = "" if precision == "single" else f" The forward pass was computed in {precision}."
    if about.input_values:
        computed += f" The network took them as {about.input_values}."
    yield (
        f"Images entered the network at {height} x {width} pixels, normalized with mean ({mean}) "
        f"and standard deviation ({std}).{computed}"
    )
