from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.registry import Search, make_search, search_from_identity
from ccx_cli.search.space import SearchSpace
from ccx_cli.search.strategy import Strategy

PART = SearchSpace(np.arange(11) % 3 == 0, (Operator.OR, Operator.AND_NOT))


def stored(identity: Any) -> Any:
    """What a header keeps of it."""
    return json.loads(json.dumps(identity))


@pytest.mark.parametrize("space", [None, PART])
@pytest.mark.parametrize(
    "search",
    [
        BeamStrategy(BeamSettings(4, 7)),
        OptimalStrategy(OptimumSettings(3)),
        OptimalStrategy(OptimumSettings(2, length_penalty=0.9, within=0.01)),
        OptimalStrategy(OptimumSettings(objective="f-beta:2.5")),
        OptimalStrategy(OptimumSettings(objective="mcc", min_coverage=0.05)),
        OptimalStrategy(OptimumSettings(5, 20, 1.5)),
        OptimalStrategy(OptimumSettings(5, 20, None, 0.5)),
    ],
)
def test_a_search_is_made_again_from_what_a_run_stores(
    search: BeamStrategy | OptimalStrategy, space: SearchSpace | None
) -> None:
    given_search: Strategy = type(search)(**{**vars(search), "space": space})
    identity = stored(given_search.identity())
    made = search_from_identity(identity, 11)
    assert type(made) is type(search)
    assert stored(made.identity()) == identity
    assert isinstance(made, BeamStrategy | OptimalStrategy)
    assert made.settings == search.settings
    assert (made.space is None) == (space is None)
    if made.space is not None and space is not None:
        np.testing.assert_array_equal(made.space.mask, space.mask)


@pytest.mark.parametrize("search", Search)
def test_every_search_of_the_table_is_made_by_its_name(search: Search) -> None:
    made = make_search(search, {"length": 2, "not a parameter": 1})
    assert type(made) is search.load()
    assert made.name == search
    assert made.identity()["length"] == 2
    assert "length" in search.parameters
    assert search.method.format(**made.identity())


@given(
    mask=st.lists(st.booleans(), min_size=1, max_size=40), used=st.sets(st.sampled_from(Operator))
)
def test_a_space_is_made_again(mask: list[bool], used: set[Operator]) -> None:
    space = SearchSpace(np.array(mask), tuple(sorted(used)))
    made = SearchSpace.from_identity(stored(space.identity()), len(mask))
    assert made.mask.tolist() == mask
    assert made.operators == space.operators


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"name": "beam", "length": 3},
        {"name": "annealing", "length": 3},
        {"name": "optimal", "length": "three"},
        {"name": "optimal", "length": 3, "space": {"operators": ["OR"], "concepts": "0f"}},
        {"name": "optimal", "length": 3, "space": {"operators": ["XOR"], "mask": "ffff"}},
        {"name": "optimal", "length": 3, "space": {"operators": ["OR"], "mask": "ff"}},
        {"name": "optimal", "length": 3, "space": {"operators": ["OR"], "mask": "gg"}},
    ],
)
def test_what_names_no_search_is_refused(identity: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"is not clear from its header .* run `ccx explain`"):
        search_from_identity(identity, 11)


@pytest.mark.parametrize(
    "method",
    [RangeMethod(), RangeMethod(1, 0.01), RangeMethod(3, kmeans="sklearn", n_init=2)],
)
def test_a_range_method_is_made_again(method: RangeMethod) -> None:
    assert RangeMethod.from_identity(stored(method.identity())) == method


def test_what_names_no_range_method_is_refused() -> None:
    with pytest.raises(UsageError, match="found its ranges is not clear"):
        RangeMethod.from_identity({"num_clusters": 1, "percentile": 3})
