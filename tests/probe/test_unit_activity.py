"""How active units are, and which are first by it."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ccx_cli.errors import UsageError
from ccx_cli.probe import unit_activity
from ccx_cli.probe.activation_shards import ShardWriter, shard_name
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.attribution import unit_importance
from ccx_cli.probe.networks.layouts import MAPS, Layout
from ccx_cli.probe.networks.loading import Network
from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.probe.unit_activity import By, known_ranking, rank_units
from ccx_cli.progress import SilentProgress
from ccx_cli.store.shards import ShardedCache, is_cache

if TYPE_CHECKING:
    from tests.golden_classifier import golden_classifier
else:
    from golden_classifier import golden_classifier


def stored(directory: Path, maps: np.ndarray, block: int, sparse: bool = False) -> Activations:
    """Keep ``(n_units, n_images, height, width)`` in shards of ``block`` images, every second one
    ``sparse``.
    """
    cache = ShardedCache(directory, "ccx-activations", 1, {"images": maps.shape[1]}, "ccx explain")
    for start in range(0, maps.shape[1], block):
        some = maps[:, start : start + block]
        if sparse and start % (2 * block) == 0:
            writer = ShardWriter(cache)
            writer.add(start, SparseBatch.of(some))
            writer.flush()
            continue
        with cache.write(shard_name(start, start + some.shape[1])) as file:
            file["activations"] = some
    return Activations(cache, tuple(cache.shards), len(maps), maps.shape[1], maps.shape[2:])


def never() -> np.ndarray:
    raise AssertionError("the network was run")


@given(
    hnp.arrays(
        np.float32,
        st.tuples(*[st.integers(1, 4)] * 4),
        elements=st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 3.0]),
    ),
    st.integers(1, 3),
    st.booleans(),
)
def test_ranks_are_those_of_a_plain_pass(
    tmp_path_factory: pytest.TempPathFactory, maps: np.ndarray, block: int, sparse: bool
) -> None:
    activations = stored(tmp_path_factory.mktemp("maps"), maps, block, sparse)
    largest = [float(unit.max()) for unit in maps]
    share = [float((unit > 0).mean()) for unit in maps]
    cases: list[tuple[By, list[float]]] = [("activation", largest), ("frequency", share)]
    for by, values in cases:
        expected = sorted(range(len(maps)), key=lambda unit: (-values[unit], unit))
        assert rank_units(activations, by, never, SilentProgress()) == expected
        assert known_ranking(activations.cache, by) == expected


def test_what_was_found_is_kept_and_not_found_again(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(5, 4, 2, 2)).astype(np.float32)
    activations = stored(tmp_path / "maps", maps, 2)
    assert known_ranking(activations.cache, "importance") is None
    values = np.array([0.5, 2, 0, 2, 1])
    silent = SilentProgress()
    assert rank_units(activations, "importance", lambda: values, silent) == [1, 3, 4, 0, 2]
    assert rank_units(activations, "importance", never, silent) == [1, 3, 4, 0, 2]
    assert known_ranking(activations.cache, "activation") is None
    assert is_cache(activations.cache.directory / "unit-activity")


def test_a_directory_that_is_read_only_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = np.random.default_rng(0).normal(size=(5, 4, 2, 2)).astype(np.float32)
    activations = stored(tmp_path / "maps", maps, 2)
    read_only = OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(unit_activity, "writing", Mock(side_effect=read_only))
    found = rank_units(activations, "activation", never, SilentProgress())
    assert found == np.argsort(-maps.max(axis=(1, 2, 3)), kind="stable").tolist()
    assert not (activations.cache.directory / "unit-activity").exists()


def of_module(module: torch.nn.Module, layer: str, units: int) -> Network:
    """A network of the user's own, in evaluation mode and without gradients."""
    choice = replace(golden_classifier("places365").choice, layer=layer)
    module = module.eval().requires_grad_(requires_grad=False)
    return Network(choice, module, torch.device("cpu"), "x", Layout(MAPS, units, (4, 4)))


def test_importance_is_gradient_times_activation() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1),
        torch.nn.ReLU(inplace=True),  # It changes the layer's output in place.
        torch.nn.Conv2d(6, 5, 3),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(20, 7),
    )
    network = of_module(module, "0", 6)
    images = torch.randn(5, 3, 4, 4)
    found = unit_importance(network, iter([images[:2], images[2:]]), 5, SilentProgress())
    expected = torch.zeros(6)
    for image in images:
        maps = module[0](image[None]).detach().requires_grad_()
        module[1:](maps.clone())[0].max().backward()
        assert maps.grad is not None
        expected += (maps.grad * maps).detach().sum((0, 2, 3)).abs() / 5
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4)


def test_importance_before_a_linear_head_is_the_contribution_to_the_predicted_class() -> None:
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 4),
    )
    images = torch.randn(8, 3, 4, 4)
    found = unit_importance(of_module(module, "0", 6), iter([images]), 8, SilentProgress())
    means = module[0](images).mean((2, 3))
    weights = module[3].get_parameter("weight")[module(images).argmax(1)]
    np.testing.assert_allclose(found, (weights * means).abs().mean(0).numpy(), rtol=1e-4)


def test_importance_needs_class_scores_that_depend_on_the_layer() -> None:
    class Aside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.head = torch.nn.Conv2d(3, 6, 1), torch.nn.Linear(3, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.aside(images)
            return self.head(images.mean((2, 3)))  # type: ignore[no-any-return]

    images = [torch.randn(2, 3, 4, 4)]
    with pytest.raises(UsageError, match="depends on aside"):
        unit_importance(of_module(Aside(), "aside", 6), images, 2, SilentProgress())
    plain = of_module(torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1)), "0", 6)
    with pytest.raises(UsageError, match="does not return one score per class"):
        unit_importance(plain, images, 2, SilentProgress())
