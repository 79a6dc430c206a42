"""Units of several layers are one queue."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ccx_cli.progress import SilentProgress
from ccx_cli.runs.run import HEADER
from ccx_cli.runs.unit_queue import LayerUnits, UnitTasks, _in_turn


def test_the_time_of_a_layer_counts_from_its_first_unit(tmp_path: Path) -> None:
    results: Any = SimpleNamespace(directory=tmp_path)
    nothing: Any = None
    layer = LayerUnits(results, [0], {}, {}, nothing, [])
    layer.is_begun, layer.missing, layer.began = True, [0], -1.0
    (tmp_path / HEADER).touch()
    os.utime(tmp_path / HEADER, (1.0, 1.0))
    with ExitStack() as bars:
        left = _in_turn([layer], UnitTasks(nothing, [nothing]), SilentProgress(), bars)
        assert [unit for _, unit, _ in left] == [0]
    assert layer.began >= 0.0
    assert (tmp_path / HEADER).stat().st_mtime > 1.0
