from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from ccx_cli.records.header import About, Header, Identity
from ccx_cli.render.wording import network_text
from ccx_cli.runs.references import PLACES, references_of


@pytest.mark.parametrize(
    ("model", "pretrained", "subset", "text"),
    [
        ("resnet18", "places365", "ade20k", "resnet18 (places365), layer4, on ade20k"),
        ("resnet18", "none", "all", "resnet18 (untrained), layer4, on all images"),
        ("/home/someone/nets.py:small", "own", "demo", "nets.py:small, layer4, on demo"),
        ("demo", "demo", "demo", "demo, layer4, on demo"),
        ("codes.npy", "given", None, "codes.npy, layer4"),
        (None, None, None, "layer4"),
    ],
)
def test_a_network_is_named_without_the_folders_of_a_machine(
    model: str | None, pretrained: str | None, subset: str | None, text: str
) -> None:
    about = {"model": model, "pretrained": pretrained, "layer": "layer4", "subset": subset}
    assert network_text(Header(about=convert(about, About))) == text


WEIGHTS = {"pretrained": "places365", "weights": "/home/someone/mine.pth"}


@pytest.mark.parametrize(
    ("about", "weights"),
    [
        (WEIGHTS | {"pretrained": "own"}, "weights mine.pth, sha256 abababababab..."),
        # Versions that called any file places365.
        (WEIGHTS | {"rebuild": "a --weights b"}, "weights mine.pth, sha256 abababababab..."),
        (WEIGHTS | {"rebuild": "--pretrained --weights", "assumed": True}, "weights mine.pth, sha"),
        (WEIGHTS, "weights mine.pth, sha256 abababababab..."),
        (WEIGHTS | {"weights_key": "ema"}, "weights ema of mine.pth, sha256 abababababab..."),
        # What the user says, and what was found where published weights are.
        (WEIGHTS | {"rebuild": "a --pretrained places365 --weights b"}, "places365)"),
        (WEIGHTS | {"rebuild": "a"}, "places365)"),
    ],
)
def test_given_weights_are_named_by_their_file(about: dict[str, Any], weights: str) -> None:
    header = Header(
        identity=Identity(activations={"weights": "ab" * 32}),
        about=convert({"model": "resnet18", **about}, About),
    )
    assert network_text(header).startswith(f"resnet18 ({weights}")
    assert (PLACES in references_of(header.about, header.identity)) == ("places" in weights)
