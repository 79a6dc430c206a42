"""Colors: of the application, dark and light, and of ranges."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="ccx-dark",
    primary="#4c8dff",
    secondary="#8fb4ff",
    accent="#ffd60a",
    warning="#ffb454",
    error="#ff6b6b",
    success="#5dd39e",
    foreground="#e3e6ec",
    background="#14161b",
    surface="#1a1d24",
    panel="#22262f",
    dark=True,
)
LIGHT = Theme(
    name="ccx-light",
    primary="#1f62d6",
    secondary="#3d6fc4",
    accent="#a15c00",
    warning="#a15c00",
    error="#c22f2f",
    success="#187a4c",
    foreground="#1d2330",
    background="#fbfbfc",
    surface="#f1f3f6",
    panel="#e4e8ee",
    dark=False,
)
BETTER, WORSE, DOUBT = "#5cb343", "#e5534b", "#e0952f"
# From cold to hot, distinct on dark and on light ground.
_RANGES = ("#4c8dff", "#12a594", "#5cb343", "#e0952f", "#e5534b", "#b768d6")


def range_color(cluster: int, num_ranges: int) -> str:
    """Color of a range by its number, the lowest cold and the highest hot."""
    if num_ranges <= 1:
        return _RANGES[4]
    if num_ranges <= 5:
        return _RANGES[round(cluster * 4 / (num_ranges - 1))]
    return _RANGES[cluster % len(_RANGES)]
