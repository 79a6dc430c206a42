from __future__ import annotations

import pytest
from msgspec import convert

from ccx_cli.records.header import About
from ccx_cli.render.wording import network_text


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
    assert network_text(convert(about, About)) == text
