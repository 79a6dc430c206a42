"""Colors have the names that people give them, and the table is what its fit says it is."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.color_names import (
    COLOR_NAMES,
    COLOR_TABLE,
    name_colors,
    read_color_table,
    shrink,
)
from ccx_cli.concepts.color_rules import AGREEMENT, COLOR_RULE, FITTED_TO, HELD_OUT, LEVELS
from tools.fit_colors import count_pixels, fit_table, is_held_out, write_table

REAL = Path(__file__).parents[2] / "../shared/real/dataset"

CLEAR = {
    "black": "000000 101010 0a0a0c 1a1a1a",
    "blue": "0000ff 0000c0 000080 2040c0 1e90ff 5aa0f0 80c0ff 4040ff",
    "brown": "6e4628 5c3a1e 654321 6b4423",
    "grey": "808080 606060 707070 a0a0a0",
    "green": "00ff00 008000 20a020 003000 3c8c3c",
    "orange": "ff8000 ffa500 f08020 f0821e",
    "pink": "ffc0cb ff69b4 f082b4 ff1493",
    "purple": "800080 763caa 8a2be2 4b0082 9932cc",
    "red": "ff0000 e01010 c00000 ce2628 ff4040",
    "white": "ffffff fafafa f0f0f0",
    "yellow": "ffff00 f0d020 ffd700 f6c828 ffff80",
}


@pytest.mark.parametrize(
    ("color", "name"), [(color, name) for name in COLOR_NAMES for color in CLEAR[name].split()]
)
def test_clear_colors_have_their_names(color: str, name: str) -> None:
    rgb = np.frombuffer(bytes.fromhex(color), dtype=np.uint8)
    assert COLOR_NAMES[int(name_colors(rgb))] == name


def test_a_color_has_the_name_of_its_cell() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)
    table = read_color_table().reshape(LEVELS, LEVELS, LEVELS)
    expected = [table[r // 8, g // 8, b // 8] for r, g, b in rgb.tolist()]
    assert name_colors(rgb).tolist() == expected
    assert name_colors(rgb.reshape(5, 10, 3)).shape == (5, 10)


def test_an_image_is_resized_before_its_colors_are_named() -> None:
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    names = name_colors(shrink(stripes, (4, 4)))
    assert {COLOR_NAMES[name] for name in names[:, 1:-1].ravel()} == {"grey"}


def test_the_rule_names_the_table() -> None:
    digest = sha256(read_color_table().tobytes()).hexdigest()
    assert f"table-{digest[:16]}" == COLOR_RULE
    assert COLOR_TABLE.stat().st_size < 4096


def test_cells_without_pixels_have_the_name_of_the_nearest_hue(tmp_path: Path) -> None:
    counts = np.zeros((LEVELS**3, len(COLOR_NAMES)), dtype=np.int64)
    cells = np.arange(LEVELS**3).reshape(LEVELS, LEVELS, LEVELS)
    counts[cells[8:12, 0, 0], COLOR_NAMES.index("red")] = 3
    counts[cells[8:12, 0, 0], COLOR_NAMES.index("pink")] = 1
    counts[cells[0, 0, 12:16], COLOR_NAMES.index("blue")] = 1
    table = fit_table(counts)
    names = [COLOR_NAMES[table[cells[cell]]] for cell in ((10, 0, 0), (31, 0, 0), (0, 0, 31))]
    assert names == ["red", "red", "blue"]
    write_table(table, tmp_path / "table.png")
    write_table(table, tmp_path / "again.png")
    assert (tmp_path / "table.png").read_bytes() == (tmp_path / "again.png").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the photographs are not here")
def test_photographs_that_were_not_fitted_agree_with_their_labels() -> None:
    counts = count_pixels(REAL, is_held_out)
    right = counts[np.arange(LEVELS**3), read_color_table()].sum()
    assert sum(is_held_out(row.image) for row in read_broden(REAL, "all").rows) == HELD_OUT
    assert round(right / counts.sum(), 3) == AGREEMENT > 0.85


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the photographs are not here")
def test_the_table_is_what_its_fit_makes() -> None:
    counts = count_pixels(REAL, lambda image: not is_held_out(image))
    assert len(read_broden(REAL, "all").rows) == FITTED_TO + HELD_OUT
    np.testing.assert_array_equal(fit_table(counts), read_color_table())
