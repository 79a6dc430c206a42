"""The order of layers."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.records.header import About
from ccx_cli.runs.run import Run
from ccx_cli.study.layers import in_network_order


class Stored(Run):
    """A run of a layer."""

    def __init__(self, model: str, layer: str) -> None:
        super().__init__(Path(f"{model}-{layer}"))
        self.of = About(model=model, layer=layer)

    @property
    def about(self) -> About:
        return self.of


def ordered(*layers: tuple[str, str]) -> list[tuple[str | None, str | None]]:
    runs = in_network_order([Stored(*each) for each in layers])
    return [(run.about.model, run.about.layer) for run in runs]


def test_layers_of_known_networks_are_in_their_order() -> None:
    last, first = ("squeezenet1_0", "features.12"), ("squeezenet1_0", "features.3")
    other = ("resnet18", "layer1")
    assert ordered(last, other, first) == [first, last, other]
    assert ordered(first, last) == [first, last]


def test_layers_of_others_stay_as_they_are_given() -> None:
    second, first = ("nets.py:make", "b"), ("nets.py:make", "a")
    assert ordered(second, first) == [second, first]
    strange, known = ("resnet18", "of mine"), ("resnet18", "layer1")
    assert ordered(strange, known) == [strange, known]
