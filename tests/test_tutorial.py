"""The tutorial runs from nothing to a figure, and what is kept of it is small and of no machine."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def _shown(cells: list[Any]) -> list[set[str]]:
    """Return the kinds of what each cell of code shows."""
    return [
        {kind for output in cell["outputs"] for kind in output.get("data", {})}
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_what_is_kept_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not re.search(r"/(home|root|tmp|work|Users|usr|var)/|[A-Z]:\\\\", text)
    outputs = [each for cell in json.loads(text)["cells"] for each in cell.get("outputs", [])]
    assert not [each for each in outputs if each["output_type"] == "error"]
    figures = [each["data"]["image/png"] for each in outputs if "image/png" in each.get("data", {})]
    assert len(figures) == 2  # The photographs, and the panel once.
    assert max(len(b64decode("".join(figure))) for figure in figures) < 200_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs(tmp_path: Path) -> None:
    reason = "to run the tutorial, install the test extra: pip install '.[test]'"
    pytest.importorskip("ipykernel", reason=reason)
    pytest.importorskip("nbclient", reason=reason)
    from tools.tutorial import executed

    cells = executed(NOTEBOOK, tmp_path).cells
    kept = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert _shown(cells) == _shown(kept)
    (header,) = (tmp_path / "ccx-data" / "results").glob("*/header.json")
    assert json.loads(header.read_text())["about"]["subset"] == "photos"
