from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ccx_cli.errors import CcxError, UsageError
from ccx_cli.render.canvas import (
    Canvas,
    same_everywhere,
    shortened,
    text_width,
    wrapped,
    write_figure,
)
from ccx_cli.render.figure_files import FileType, existing_figures, fingerprint
from ccx_cli.render.style import Font, Style

FORMULA = " OR ".join(f"concept_{number}-s" for number in range(30))


def test_wrapped_lines_fit_and_lose_nothing() -> None:
    lines = wrapped(FORMULA, 300, 16, bold=True)
    assert len(lines) > 5
    assert " ".join(lines) == FORMULA
    assert max(text_width(line, 16, bold=True) for line in lines) <= 300


def test_a_word_longer_than_a_line_is_cut() -> None:
    lines = wrapped(f"a {'x' * 100} b", 200, 13)
    assert "".join(lines).replace(" ", "") == f"a{'x' * 100}b"
    assert max(text_width(line, 13) for line in lines) <= 200


def test_shortened_text_keeps_both_ends() -> None:
    assert shortened("short", 500, 13) == "short"
    cut = shortened("beginning-of-a-very-long-name-and-its-end", 150, 13)
    assert cut.startswith("beg")
    assert cut.endswith("end")
    assert "…" in cut
    assert text_width(cut, 13) <= 150


def _figure(y: float = 5) -> Canvas:
    canvas = Canvas.of_size(120, 80)
    canvas.text("a $b_c$ d", 4, 60, 12)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    canvas.picture(pixels, 10, y, 50, 40)
    canvas.box(70, 5, 20, 20, fill="#ff0000")
    return canvas


@pytest.mark.parametrize("y", [5, 4.5, 4.5001, 5.4])
def test_pictures_are_shown_pixel_by_pixel(y: float, tmp_path: Path) -> None:
    with same_everywhere():
        write_figure(_figure(y).figure, tmp_path / "a.png", FileType.PNG, "ccx-1")
    with Image.open(tmp_path / "a.png") as image:
        shown = np.asarray(image.convert("RGB"))
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    assert shown.shape == (80, 120, 3)
    top = round(y)
    np.testing.assert_array_equal(shown[top : top + 40, 10:60], pixels)
    assert shown[15, 80].tolist() == [255, 0, 0]
    assert shown[75, 115].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", list(FileType))
def test_the_same_figure_gives_the_same_bytes(
    kind: FileType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, moment in (("a", "0"), ("b", "86400000")):
        # Matplotlib dates files by this, where it is set, else by the clock.
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        with same_everywhere():
            write_figure(_figure().figure, tmp_path / name, kind, "ccx-1")
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])


@pytest.mark.parametrize("kind", list(FileType))
def test_a_file_is_known_by_what_it_shows(kind: FileType, tmp_path: Path) -> None:
    path, digest = tmp_path / "a", fingerprint(shown=1)

    def existing() -> set[Path]:
        return existing_figures([(path, digest)], tmp_path, force=False)

    assert existing() == set()
    with same_everywhere():
        write_figure(_figure().figure, path, kind, digest, whole=False)
        assert existing() == set()
        write_figure(_figure().figure, path, kind, digest)
    assert existing() == {path}
    with pytest.raises(UsageError, match="shows something else"):
        existing_figures([(path, fingerprint(shown=2))], tmp_path, force=False)


def test_the_users_settings_change_nothing(tmp_path: Path) -> None:
    from matplotlib import rc_context

    def draw(name: str) -> None:
        with same_everywhere():
            canvas = _figure()
            canvas.axes(70, 30, 40, 20).set_title("t")
            write_figure(canvas.figure, tmp_path / name, FileType.PNG, "ccx-1")

    draw("a")
    with rc_context({"font.size": 30, "axes.facecolor": "red"}):
        draw("b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_figure_that_no_picture_can_hold_is_refused() -> None:
    for height, dpi in ((70_000, 100), (35_000, 200)):
        with pytest.raises(CcxError, match="too large: lower `top_k`"):
            Canvas.of_size(300, height, Style(dpi=dpi))


@pytest.mark.parametrize(
    ("font", "name"), [(Font.SANS, "DejaVu Sans"), (Font.SERIF, "STIXGeneral")]
)
def test_text_stays_text(font: Font, name: str, tmp_path: Path) -> None:
    style = Style(width=3.25, font=font)
    with same_everywhere(style):
        canvas = Canvas.of_size(325, 100, style)
        canvas.text("face AND pink · 70×", 0, 0, 11)
        for kind in (FileType.SVG, FileType.PDF):
            write_figure(canvas.figure, tmp_path / f"a.{kind}", kind, "ccx-1")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">face AND pink · 70×</text>" in svg
    assert f"'{name}'" in svg
    assert 'width="234pt"' in svg
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert f"+{name.replace(' ', '')}".encode() in pdf
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
