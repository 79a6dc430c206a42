"""What every surface shares: the palette, how numbers are written, and the words for them.

The terminal interface, the report, figures and tables take colors and formats from here, so that
a range or a category has one color and a number one form wherever it is read. Every color is a
pair, one for light and one for dark grounds, since none has enough contrast on both;
`tests/test_design.py` holds the contrasts and the distances for color-blind readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Tone(NamedTuple):
    """One color as ``#rrggbb``: on a light ground and on a dark one."""

    light: str
    dark: str

    def on(self, *, dark: bool) -> str:
        """Return the color for a ground."""
        return self.dark if dark else self.light


# Grounds, from the page up to the row that is selected.
PAPER = Tone("#fbfaf7", "#141517")
CARD = Tone("#ffffff", "#1b1d20")
SOFT = Tone("#f1efe9", "#232529")
SELECTED = Tone("#dce9fb", "#1f3350")
GROUNDS = (PAPER, CARD, SOFT, SELECTED)

# Text: each has a contrast of at least 4.5:1 to every ground.
INK = Tone("#1c1c1e", "#e9e7e2")
DIM = Tone("#5c5b57", "#aeaca6")
ACCENT = Tone("#1a56b0", "#8cb6f5")
GOOD = Tone("#0a6b52", "#4fd0a5")
BAD = Tone("#a1182f", "#ff8c82")
DOUBT = Tone("#845000", "#f2b950")

# Lines that carry no text.
LINE = Tone("#dedbd3", "#34363a")
CONTROL = Tone("#8d8a82", "#74777d")

# Broden's categories; they differ in lightness as well as in hue.
CATEGORIES = {
    "object": Tone("#13207a", "#79c7ff"),
    "part": Tone("#005c70", "#8af8fe"),
    "material": Tone("#9d5401", "#ec8e51"),
    "color": Tone("#a4034c", "#e984ba"),
    "texture": Tone("#8048b7", "#a194ff"),
    "scene": Tone("#014b00", "#b4ea5d"),
}
OTHER = Tone("#2b2824", "#d2c9bc")

# The lowest range, the middle and the highest: ever further from the ground in lightness.
RANGES = (Tone("#405adc", "#8a9bfe"), Tone("#913060", "#f0b4b4"), Tone("#471000", "#fff36a"))

# Edges over photographs, each beside a line of the other lightness.
FORMULA_EDGE = "#ff2fa8"
HALO = "#141414"

MISSING, MINUS, TIMES, INFINITE = "–", "−", "×", "∞"


def category_color(category: str) -> Tone:
    """Return the color of a category; those that Broden lacks share one."""
    return CATEGORIES.get(category, OTHER)


def range_color(number: int, count: int) -> Tone:
    """Return the color of range ``number`` of ``count``, 0 the lowest; a single one is a high one.

    Colors are mixed in OKLab (Ottosson, 2020), as ``color-mix(in oklab, ...)`` of CSS does.
    """
    place = 2.0 * number / (count - 1) if count > 1 else 2.0
    below = min(max(int(place), 0), 1)
    part = min(max(place - below, 0.0), 1.0)
    low, high = RANGES[below], RANGES[below + 1]
    return Tone(_mixed(low.light, high.light, part), _mixed(low.dark, high.dark, part))


def css_variables() -> str:
    """Return the palette as CSS custom properties, declarations for ``:root``."""
    tones = {
        "paper": PAPER,
        "card": CARD,
        "soft": SOFT,
        "selected": SELECTED,
        "ink": INK,
        "dim": DIM,
        "accent": ACCENT,
        "good": GOOD,
        "bad": BAD,
        "doubt": DOUBT,
        "line": LINE,
        "control": CONTROL,
        **{f"category-{name}": tone for name, tone in CATEGORIES.items()},
        "category-other": OTHER,
        **{
            f"range-{name}": tone for name, tone in zip(("low", "mid", "high"), RANGES, strict=True)
        },
    }
    lines = [f"  --{name}: light-dark({light}, {dark});" for name, (light, dark) in tones.items()]
    return "\n".join([*lines, f"  --formula-edge: {FORMULA_EDGE};", f"  --halo: {HALO};"])


def number(value: float | None, decimals: int = 4, sign: str = "") -> str:
    """Write a number to some decimals; with ``+`` as its sign, also that of a positive one."""
    return MISSING if value is None else f"{value:{sign},.{decimals}f}".replace("-", MINUS)


def difference(value: float | None, decimals: int = 4) -> str:
    """Write by how much one measure is larger than another."""
    return number(value, decimals, "+")


def iou(value: float | None) -> str:
    """Write an IoU to 4 decimals, as the papers do: rival formulas often differ in the fourth."""
    return number(value)


def mcc(value: float | None) -> str:
    """Write an MCC to 3 decimals: it ranks units, whose differences are larger than a formula's."""
    return number(value, 3)


def lift(value: float | None) -> str:
    """Write how many times chance an IoU is, to two digits: chance itself is an estimate."""
    if value is None:
        return MISSING
    return f"{value:,.0f}{TIMES}" if value >= 9.95 else f"{value:.1f}{TIMES}"


def count(value: int | None) -> str:
    """Write a number of pixels, images or units, every digit of it: it is exact."""
    return MISSING if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """Write a share in percent to one decimal; a smaller one than shows is not called none."""
    if value is None:
        return MISSING
    return "<0.1%" if 0 < value < 0.0005 else f"{value:.1%}"


def share_difference(value: float | None) -> str:
    """Write by how much a share grows, in percent to one decimal."""
    return MISSING if value is None else f"{value:+.1%}".replace("-", MINUS)


def activation(value: float) -> str:
    """Write an activation to 4 digits: neighboring ranges then end in numbers that differ."""
    form = ",.0f" if 9_999.5 <= abs(value) < 1e6 else ".4g"
    return f"{value:{form}}".replace("-", MINUS)


def ends(values: Sequence[float | None] | None) -> str:
    """Write the ends of a range, which are outside it, and zero between them; open: infinite."""
    if values is None:
        return MISSING
    lower, upper = values
    low = f"{MINUS}{INFINITE}" if lower is None else activation(lower)
    between = "…0…" if holds_zero(values) else "…"
    return f"{low} {between} {INFINITE if upper is None else activation(upper)}"


def holds_zero(ends: Sequence[float | None]) -> bool:
    """Tell whether zero lies strictly between the ends of a range, of which ``None`` is open."""
    lower, upper = ends
    return (lower is None or lower < 0) and (upper is None or upper > 0)


def measure(key: str, value: float | None, decimals: int = 4) -> str:
    """Write a measure as its JSON key asks for, or to some decimals."""
    form = {"mcc": mcc, "lift": lift, "equivalent": share}.get(key)
    return number(value, decimals) if form is None else form(value)


def size_text(count: float) -> str:
    """Write a number of bytes in megabytes, and one below them in kilobytes."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def duration(seconds: float | None) -> str:
    """Write a time in the largest unit of which there are at least two, to two digits."""
    if seconds is None:
        return MISSING
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


NEVER_FIRES = "never fires"
NO_FORMULA = "no concept meets this range"
SKIPPED = "holds zero, skipped"
PROVEN, NOT_PROVEN = "proven", "not proven"

# What columns are called, by the JSON key of what they show.
TITLES = {
    "unit": "unit",
    "iou": "IoU",
    "mcc": "MCC",
    "lift": "lift",
    "hits": "hits",
    "length": "length",
}


def _mixed(one: str, other: str, part: float) -> str:
    """Return the color ``part`` of the way from one to another, in OKLab."""
    mixed = [a + part * (b - a) for a, b in zip(_oklab(one), _oklab(other), strict=True)]
    cones = [_dot(row, mixed) ** 3 for row in _LAB_TO_CONES]
    return "#" + "".join(f"{_encoded(_dot(row, cones)):02x}" for row in _CONES_TO_RGB)


def _oklab(color: str) -> list[float]:
    linear = [_linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5)]
    cones = [_dot(row, linear) ** (1 / 3) for row in _RGB_TO_CONES]
    return [_dot(row, cones) for row in _CONES_TO_LAB]


def _dot(row: tuple[float, ...], values: list[float]) -> float:
    return sum(weight * value for weight, value in zip(row, values, strict=True))


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encoded(value: float) -> int:
    value = min(max(value, 0.0), 1.0)
    coded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * coded)


_RGB_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_CONES_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_LAB_TO_CONES = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_CONES_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


def listed(words: Sequence[str]) -> str:
    """List words in a sentence: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
