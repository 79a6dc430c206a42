"""Compiled kernels are kept on disk, and nothing depends on what is there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.compiled import compare_products, subtract_products

SCRIPT = """
import numpy as np
from ccx_cli.compiled import fused_multiply_add
print(fused_multiply_add(np.float32(2), np.float32(3), np.float32(1)))
"""
RIGHT = "7.0\n"


def run(**environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=kept | environment
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def indexes(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.nbi"))


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04torn"])
def test_files_that_a_power_cut_left_are_compiled_anew(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    cache = str(tmp_path / "cache")
    assert run(XDG_CACHE_HOME=cache) == RIGHT
    damaged = list((tmp_path / "cache").rglob(f"*.{suffix}"))
    assert damaged
    for path in damaged:
        path.write_bytes(content)
    assert run(XDG_CACHE_HOME=cache) == RIGHT
    assert all(path.read_bytes() != content for path in indexes(tmp_path / "cache"))


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    inner = "from ccx_cli.compiled import kernel\n@kernel\ndef inner(x):\n    return x + {}\n"
    (tmp_path / "outer_kernel.py").write_text(
        "from ccx_cli.compiled import kernel\nfrom inner_kernel import inner\n"
        "@kernel\ndef outer(x):\n    return inner(x)\n"
    )
    found = []
    for added in (1, 20):
        (tmp_path / "inner_kernel.py").write_text(inner.format(added))
        found.append(
            subprocess.run(
                [sys.executable, "-c", "from outer_kernel import outer; print(outer(100))"],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
                check=True,
            ).stdout
        )
    assert found == ["101\n", "120\n"]


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_directory_that_others_may_write_to_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    from ccx_cli import compiled

    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(mode)
    (tmp_path / "link").symlink_to(shared)
    candidates = [shared, tmp_path / "link", own]
    monkeypatch.setattr(compiled, "_candidates", lambda: iter(candidates))
    assert compiled.cache_directory() == own


def test_a_file_in_the_working_directory_does_not_say_where_kernels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("yaml")
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: theirs\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    assert run(XDG_CACHE_HOME=str(tmp_path / "cache")) == RIGHT
    assert indexes(tmp_path / "cache")
    assert not (tmp_path / "theirs").exists()


def test_without_a_writable_home_the_next_directory_serves(tmp_path: Path) -> None:
    # A file in a directory's place cannot be written into, not by root either.
    taken = tmp_path / "file"
    taken.touch()
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    homeless = {"XDG_CACHE_HOME": str(taken), "TMPDIR": str(temporary)}
    assert run(**homeless, CCX_DATA_DIR=str(data)) == RIGHT
    assert indexes(data / "kernels")
    assert run(**homeless, CCX_DATA_DIR=str(taken)) == RIGHT
    assert indexes(temporary)


@pytest.mark.parametrize(
    "variable",
    [{"NUMBA_NUM_THREADS": "0"}, {"NUMBA_NUM_THREADS": "-1"}, {"NUMBA_DISABLE_JIT": "1"}],
)
def test_what_is_set_for_numba_changes_nothing(variable: dict[str, str], tmp_path: Path) -> None:
    assert run(**variable, XDG_CACHE_HOME=str(tmp_path)) == RIGHT


def test_kernels_work_where_none_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccx_cli import compiled

    monkeypatch.setattr(compiled, "_candidates", lambda: iter([Path("/dev/null/kernels")]))
    assert compiled.cache_directory() is None
    monkeypatch.setattr(compiled._config, "CACHE_DIR", "")
    assert compiled.kernel(lambda x: x + 1)(1) == 2


def test_constants_do_not_have_a_kernel_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccx_cli import compiled

    monkeypatch.setattr(compiled._config, "CACHE_DIR", "")

    def joined(x: int, y: int) -> int:
        return 10 * x + y

    inner: Any = compiled.kernel(joined)

    def answers(x: int) -> tuple[int, ...]:
        return inner(x, 1), inner(x, y=2), inner(3, x), inner(x, x)

    outer = compiled.kernel(answers)
    assert outer(4) == (41, 42, 34, 44)
    assert len(inner.signatures) == 1


def test_coverage_leaves_out_every_module_with_kernels() -> None:
    """What is instrumented cannot be compiled."""
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    with_kernels = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "ccx_cli").rglob("*.py"))
        if "\n@kernel\n" in path.read_text(encoding="utf-8")
    ]
    assert project["tool"]["slipcover"]["omit"] == with_kernels


@given(st.data())
def test_products_past_64_bits_are_compared_exactly(data: st.DataObject) -> None:
    word = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5) | st.integers(2**32, 2**33)
    a, b = data.draw(word), data.draw(word)
    # The same product again, one beside it in either factor, or another.
    near = st.tuples(st.integers(a - 1, a + 1), st.integers(b - 1, b + 1))
    c, d = data.draw(near | st.tuples(word, word))
    c, d = (min(max(each, -(2**63)), 2**63 - 1) for each in (c, d))
    difference = a * b - c * d
    assert compare_products(a, b, c, d) == (difference > 0) - (difference < 0)
    assert compare_products(c, d, a, b) == (difference < 0) - (difference > 0)
    found = subtract_products(a, b, c, d)
    assert found == pytest.approx(difference, rel=2**-51, abs=0)
    if abs(difference) < 2**63:
        assert found == float(difference)
