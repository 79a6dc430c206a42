from __future__ import annotations

import pytest

from ccx_cli.store.steps import Step


@pytest.mark.parametrize(
    ("total", "done", "missing", "state"),
    [
        (6, 0, 6, "to do"),
        (6, 2, 4, "partly there"),
        (6, 6, 0, "there"),
        (0, 0, 0, "there"),
        (None, 0, None, "unknown"),
        (6, None, None, "unknown"),
    ],
)
def test_a_step_knows_what_is_missing(
    total: int | None, done: int | None, missing: int | None, state: str
) -> None:
    step = Step("activations", None, "images", total, done)
    assert (step.missing, step.state) == (missing, state)
