from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe.networks.class_names import class_names, plain_name
from ccx_cli.probe.networks.layouts import MAPS, Layout
from ccx_cli.probe.networks.loading import Network
from ccx_cli.render.study_plots import plot_roles
from ccx_cli.study.roles import (
    correlation,
    head_weights,
    role_of,
    true_classes,
)

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.golden_classifier import golden_classifier
else:
    from explanations import explanation
    from golden_classifier import golden_classifier


def test_a_role_by_hand() -> None:
    maps = np.array([[[0, 1]], [[3, 0]], [[2, 4]], [[0, 0]]], dtype=np.float32)
    weights = np.array([[9, 2.0], [9, -1.0], [9, 0.5]], dtype=np.float32)
    truth, predicted = np.array([0, 1, -1, 0]), np.array([0, 2, 1, 0])
    explained = explanation(1, 0, range=[0.5, 3.5])
    found = role_of(explained, maps, weights, truth, predicted, ["zero", "one"])
    assert (found.images, found.labelled, found.accuracy) == (3, 2, 0.5)
    # The unit's mean activation is 10 / 8.
    assert [(each.class_, each.contribution) for each in found.classes] == [
        ("zero", 2.5),
        (2, 0.625),
    ]
    silent = role_of(explanation(1, 0, range=[8, 9]), maps, weights, truth, predicted)
    assert (silent.images, silent.accuracy) == (0, None)


def test_the_head_right_after_the_layer() -> None:
    network = golden_classifier("places365")
    assert np.array_equal(
        head_weights(network),
        network.module.get_parameter("fc.weight").numpy(),
    )
    parts = OrderedDict[str, torch.nn.Module](
        layer4=torch.nn.Conv2d(3, 4, 1), head=torch.nn.Conv2d(4, 7, 1)
    )
    module = torch.nn.Sequential(parts)
    assert head_weights(
        Network(network.choice, module, torch.device("cpu"), "x", Layout(MAPS, 4, (7, 7)))
    ).shape == (7, 4)
    with pytest.raises(UsageError, match="has no linear head right after layer4"):
        head_weights(
            Network(network.choice, module, torch.device("cpu"), "x", Layout(MAPS, 9, (7, 7)))
        )


class _HeadFirst(torch.nn.Module):
    """A network that has its head before what it runs first."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(4, 3)
        self.first, self.last = torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 4, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.first(images)).mean((2, 3)))  # type: ignore[no-any-return]


def test_the_head_is_what_runs_last_and_right_after_the_layer() -> None:
    choice, module = golden_classifier("places365").choice, _HeadFirst().requires_grad_(False)
    before, last = (
        Network(
            replace(choice, layer=layer),
            module,
            torch.device("cpu"),
            "x",
            Layout(MAPS, 4, choice.input_size),
        )
        for layer in ("first", "last")
    )
    assert np.array_equal(head_weights(last), module.head.weight.numpy())
    with pytest.raises(UsageError, match="has no linear head right after first"):
        head_weights(before)


def test_true_classes_are_found_by_name(golden: BrodenDataset) -> None:
    scenes = {label.number: label.name for label in golden.labels if label.category == "scene"}
    names = [f"/x/{plain_name(name)}" for name in scenes.values()]
    truth = true_classes(golden, [name.removeprefix("/x/") for name in names])
    numbers = list(scenes)
    for row, label in zip(golden.rows, truth, strict=True):
        own = [number for number in row.labels if number in scenes]
        assert label == (numbers.index(own[0]) if own else -1)
    assert (true_classes(golden, ()) == -1).all()


def test_names_of_data_sets_and_classifiers_meet() -> None:
    assert plain_name("living_room-s") == plain_name("Living Room") == "living room"
    assert plain_name("badlands") == "badlands"


def test_names_are_read_from_a_file(tmp_path: Path) -> None:
    choice = golden_classifier("places365").choice
    path = tmp_path / "names.txt"
    path.write_text("/a/airfield 0\n/b/bar\n\nstreet 2\n")
    assert class_names(choice, path) == ("airfield", "bar", "street")
    assert class_names(choice, None) is None
    with pytest.raises(MissingInputError, match="check `class_names`"):
        class_names(choice, tmp_path / "none.txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedDataError, match="cannot be read as text"):
        class_names(choice, path)


def test_correlation() -> None:
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [1, 1, 1]) is None
    assert correlation([1], [1]) is None


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_plot_is_drawn(tmp_path: Path, ending: str, begins: bytes) -> None:
    path = tmp_path / f"roles.{ending}"
    plot_roles([0.1, 0.2], [0.5, 1.0], 1.0, "demo", path)
    assert path.read_bytes().startswith(begins)
