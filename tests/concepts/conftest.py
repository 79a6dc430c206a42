from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The same module: pytest imports it beside this file, mypy as part of the tests.
if TYPE_CHECKING:
    from tests.concepts.broden_files import BrodenFiles
else:
    from broden_files import BrodenFiles


@pytest.fixture
def broden(tmp_path: Path) -> BrodenFiles:
    """A small data set in Broden's layout."""
    return BrodenFiles(tmp_path)
