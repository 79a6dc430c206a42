from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from ccx_cli import design
from ccx_cli.design import CATEGORIES, GROUNDS, OTHER, Tone, range_color

Floats = NDArray[np.float64]

# How color-blind people see linear RGB (Machado, Oliveira and Fernandes, 2009; severity 1).
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TEXTS = {
    **{name: getattr(design, name) for name in ("INK", "DIM", "ACCENT", "GOOD", "BAD", "DOUBT")},
    **CATEGORIES,
    "other": OTHER,
    **{
        f"range {number} of {count}": range_color(number, count)
        for count in (1, 2, 3, 5, 8, 12)
        for number in range(count)
    },
}


def linear(color: str) -> Floats:
    values = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def lab(color: str, sight: str) -> Floats:
    """CIE L*a*b* of a color as it is seen, D65."""
    xyz = np.clip(SIGHTS[sight] @ linear(color), 0, 1) @ np.array(
        [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]
    )
    x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, sight: str) -> float:
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_legible_on_every_ground_and_in_the_selected_row(name: str) -> None:
    for ground in GROUNDS:
        assert contrast(TEXTS[name].light, ground.light) >= 4.5
        assert contrast(TEXTS[name].dark, ground.dark) >= 4.5


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("dark", [False, True])
def test_categories_differ_for_color_blind_readers_too(sight: str, dark: bool) -> None:
    for one, other in combinations([*CATEGORIES.values(), OTHER], 2):
        assert distance(one.on(dark=dark), other.on(dark=dark), sight) > 12


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("count", "least"), [(2, 80), (3, 36), (5, 16)])
def test_ranges_differ_for_color_blind_readers_too(
    sight: str, dark: bool, count: int, least: float
) -> None:
    colors = [range_color(number, count).on(dark=dark) for number in range(count)]
    for one, other in combinations(colors, 2):
        assert distance(one, other, sight) > least


def test_ranges_rise_in_contrast_to_the_ground() -> None:
    for count in (2, 3, 5, 9):
        tones = [range_color(number, count) for number in range(count)]
        light = [luminance(tone.light) for tone in tones]
        dark = [luminance(tone.dark) for tone in tones]
        assert light == sorted(light, reverse=True)
        assert dark == sorted(dark)


def test_good_bad_and_doubtful_differ_for_color_blind_readers_too() -> None:
    for sight in SIGHTS:
        for one, other in combinations([design.GOOD, design.BAD, design.DOUBT], 2):
            assert distance(one.light, other.light, sight) > 10
            assert distance(one.dark, other.dark, sight) > 10


def test_the_ends_of_the_ranges_are_those_of_the_palette() -> None:
    assert [range_color(number, 3) for number in range(3)] == list(design.RANGES)
    assert range_color(0, 1) == design.RANGES[-1]


def test_css_has_every_tone_for_light_and_dark() -> None:
    css = design.css_variables()
    assert "  --category-object: light-dark(#13207a, #79c7ff);\n" in css
    assert css.count("light-dark(") == 22


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (design.iou(0.65684), "0.6568"),
        (design.iou(None), "–"),
        (design.mcc(-0.0123), "−0.012"),
        (design.lift(42.7), "43×"),
        (design.lift(9.96), "10×"),
        (design.lift(0.66), "0.7×"),
        (design.lift(1234.5), "1,234×"),
        (design.count(99_685), "99,685"),
        (design.share(0.1234), "12.3%"),
        (design.share(0.0001), "<0.1%"),
        (design.share(0.0), "0.0%"),
        (design.activation(-12.0512), "−12.05"),
        (design.activation(12_345.6), "12,346"),
        (design.activation(9_999.7), "10,000"),
        (design.ends([0.012610, 67.69]), "0.01261 … 67.69"),
        (design.ends([-1e7, None]), "−1e+07 …0… ∞"),
        (design.ends([None, -0.5]), "−∞ … −0.5"),
        (design.ends(None), "–"),
        (design.number(-1234.5, 1), "−1,234.5"),
        (design.difference(0.01234), "+0.0123"),
        (design.difference(None), "–"),
        (design.measure("lift", 42.7), "43×"),
        (design.measure("mcc", -0.0123), "−0.012"),
        (design.measure("megabytes", 0.25, 1), "0.2"),
        (design.size_text(999), "1 kB"),
        (design.size_text(43_400_000), "43.4 MB"),
        (design.duration(0.42), "0.4 s"),
        (design.duration(119), "119 s"),
        (design.duration(7_000), "117 min"),
        (design.duration(50_000), "14 h"),
        (design.duration(400_000), "5 days"),
    ],
)
def test_numbers_have_one_form(written: str, text: str) -> None:
    assert written == text


def test_a_tone_is_chosen_by_its_ground() -> None:
    assert Tone("#000000", "#ffffff").on(dark=True) == "#ffffff"
