"""What commands import: a first answer within half a second leaves no room for numba or torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.completion_data import RUN, keep
else:
    from completion_data import RUN, keep

# Packages that take a tenth of a second or more.
HEAVY = {
    "torch",
    "torchvision",
    "numba",
    "numpy",
    "h5py",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "pyeda",
    "textual",
    "pyarrow",
    "pydantic",
    "rich",
    "timm",
    "safetensors",
}
# Typer reads the values of options with pydantic, and writes help with Rich.
PARSED = {"pydantic", "rich"}
ARRAYS = PARSED | {"numpy"}
CACHES = ARRAYS | {"h5py"}
# The index of concepts is counted by compiled code.
COUNTED = CACHES | {"numba", "scipy", "PIL"}
NOTHING: set[str] = set()
MAY_IMPORT = (
    (
        NOTHING,
        (
            "__complete zsh ccx",
            "__complete zsh ccx explain --mo",
            "__complete zsh ccx explain --model res",
            "__complete zsh ccx explain --model timm:vit",
            "__complete zsh ccx explain --layer l",
            "__complete zsh ccx score 'sky AND NOT ('",
            "__complete zsh ccx explain --units 1",
            "__complete zsh ccx explain --exclude s",
            "__complete fish ccx compare runs r",
            "__complete zsh ccx explain --pretrained p",
            "__complete zsh ccx explain --subset a",
            f"__complete zsh ccx metrics {RUN} --units 1",
            "__complete zsh ccx score s",
            "__complete fish ccx cache clear r",
            "__complete bash := 'ccx metrics res'",
        ),
    ),
    (
        PARSED,
        (
            "--version",
            "--help",
            "explain --help",
            "compare runs --help",
            "tui --help",
            "render --help",
            "completion bash",
            "fetch --list",
        ),
    ),
    (CACHES, ("cache list",)),
)
DRAWN = COUNTED | {"matplotlib"}
RESULT_COMMANDS = {
    "summary": COUNTED,
    "compare runs RUN RUN": ARRAYS,
    "compare layers RUN": COUNTED,
    "concepts --subset tiny": COUNTED,
    "info RUN": ARRAYS,
}
# Nothing is computed anew by these: no network is built, and torch is not needed.
SLOW_RESULT_COMMANDS = {
    "info RUN --methods": ARRAYS,
    "metrics --no-label-masking": COUNTED,
    "render --kind iou --dir-images HERE": DRAWN,
    "render --format latex": COUNTED,
    "render --units 0 --html HERE/report.html": COUNTED,
    "cluster --model demo --pretrained none --subset tiny --units 0": COUNTED,
    "score ball --model demo --pretrained none --subset tiny --unit 0": COUNTED,
    "explain --model demo --pretrained none --subset tiny --units 0": COUNTED,
    "rerun": COUNTED,
    "simulate": COUNTED,
    "compare units RUN RUN": COUNTED,
    "metrics --dry-run": COUNTED,
}


def imported(lines: Sequence[str], data: Path) -> tuple[set[int], set[str]]:
    """Run command lines in one process; return their exit codes and what was imported."""
    code = (
        "import sys, shlex; from ccx_cli.cli.main import main;"
        "codes = [main(shlex.split(line)) for line in sys.argv[1:]];"
        "print(*{int(code) for code in codes}, file=sys.stderr);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *lines],
        capture_output=True,
        text=True,
        env={**os.environ, "CCX_DATA_DIR": str(data)},
        check=True,
    )
    codes, modules = ended.stderr.splitlines()[-2:]
    return set(map(int, codes.split())), set(modules.split())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keep(tmp_path_factory.mktemp("imports") / "data")


@pytest.mark.parametrize(("allowed", "lines"), MAY_IMPORT)
def test_first_answers(allowed: set[str], lines: tuple[str, ...], data: Path) -> None:
    codes, modules = imported(lines, data)
    assert codes == {0}
    assert modules & HEAVY <= allowed


def check_results(line: str, allowed: set[str], data: Path, here: Path) -> None:
    run = next((data / "results").iterdir()).name
    codes, modules = imported([line.replace("RUN", run).replace("HERE", str(here))], data)
    assert codes == {0}
    assert modules & HEAVY <= allowed


@pytest.mark.parametrize("line", RESULT_COMMANDS)
def test_results(line: str, tiny_data: Path, tmp_path: Path) -> None:
    check_results(line, RESULT_COMMANDS[line], tiny_data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("line", SLOW_RESULT_COMMANDS)
def test_further_results(line: str, tiny_data: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny_data, tmp_path / "data")
    check_results(line, SLOW_RESULT_COMMANDS[line], data, tmp_path)
