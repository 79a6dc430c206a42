"""Makes the pictures of the documentation: ``python -m tools.pictures``.

Explains the demo in a temporary directory, draws a panel and the page of a paper, and takes
screenshots of the report in Chromium and of the terminal interface. Needs Chromium on the path,
and a few minutes.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from ccx_cli.cli.main import main
from ccx_cli.runs.lookup import find_run
from ccx_cli.store.paths import resolve_roots
from ccx_cli.tui.app import CcxApp

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
UNIT = 33
CONCEPT = "57"
THREE_RANGES = 1178  # of a panel, in pixels from its top
MOST_BYTES, WIDEST, GAP = 300_000, 1100, 12
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DARK = "--blink-settings=preferredColorScheme=0"
# The report's pictures: one or several views side by side, each with its width, height and flags.
VIEWS: dict[str, list[tuple[str, int, int, *tuple[str, ...]]]] = {
    "report-units": [("units", 1400, 930)],
    "report-unit": [(f"unit-{UNIT}", 1400, 930)],
    "report-ranges-dark": [("ranges", 1400, 930, DARK)],
    "report-unit-dark": [(f"unit-{UNIT}", 800, 1000, DARK)],
    "report-concept": [("concept-" + CONCEPT, 800, 1000)],
    "report-studies": [("studies", 900, 2000)],
    "report-phone": [
        ("units", 390, 844),
        ("ranges", 390, 844, DARK),
        (f"unit-{UNIT}", 390, 844),
    ],
}
# The terminal's: its columns and lines, the unit to open, and the keys to press.
SCREENS = {
    "tui-80x24": (80, 24, None, ("i",)),
    "tui-120x35": (120, 35, None, ()),
    "tui-200x55": (200, 55, UNIT, ()),
}
CELL = (12.2, 24.4)  # of a drawn terminal, in pixels


# Figures of a paper, the style of whose page is ICML's.
FIGURES = (
    ("--units", f"{UNIT},42", "--ranges", "3,4"),
    ("--kind", "iou"),
    ("--kind", "categories"),
)
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0.45in 0.875in; font: 10pt/11pt "Liberation Serif", Times, serif; }}
main {{ display: flex; gap: 0.25in; height: 7.55in; overflow: hidden; text-align: justify; }}
section {{ width: 3.25in; }}
figure {{ margin: 0 0 0.15in; }}
figcaption {{ margin-top: 0.08in; font-size: 9pt; line-height: 10pt; }}
img {{ display: block; }}
p {{ margin: 0; }}
</style><main><section>{0}<p>{3}</p></section><section>{1}{2}</section></main>"""


def ccx(data: Path, *words: str) -> None:
    """Run a command on the demo's data directory."""
    if main([*words, "--data-dir", str(data)]) != 0:
        sys.exit(f"ccx {words[0]} failed.")


def panel(data: Path, scratch: Path) -> None:
    """Draw the panel of one unit, cropped to its three highest ranges."""
    figures = scratch / "figures"
    ccx(data, "render", "-q", "--units", str(UNIT), "--dir-images", str(figures), "-f", "jsonl")
    (drawn,) = figures.glob("*.png")
    with Image.open(drawn) as whole:
        whole.crop((0, 0, whole.width, THREE_RANGES)).save(drawn)
    store([drawn], "panel.jpg")


def paper(data: Path, scratch: Path) -> None:
    """Put figures at their final size on a page of two columns, with the methods paragraph."""
    folder, parts = scratch / "paper", []
    for number, words in enumerate(FIGURES, start=1):
        where = ("--dir-images", str(folder), "--filename-figure", f"{number}.svg")
        ccx(data, "render", "-q", *words, "--paper", "icml", *where, "-f", "jsonl")
        caption = plain((folder / f"{number}.caption.tex").read_text(encoding="utf-8"))
        caption = f"<figcaption>Figure {number}. {escape(caption)}</figcaption>"
        parts.append(f'<figure><img src="{number}.svg">{caption}</figure>')
    methods = scratch / "methods.txt"
    ccx(data, "info", "--methods", "-o", str(methods))
    text = methods.read_text(encoding="utf-8").partition("\n\n")[0]
    page = folder / "page.html"
    page.write_text(PAGE.format(*parts, escape(text)), encoding="utf-8")
    shot = scratch / "paper.png"
    screenshot(page.as_uri(), shot, 816, 812, "--force-device-scale-factor=1.5")
    store([shot], "paper.jpg")


def plain(latex: str) -> str:
    """Return the text of a caption."""
    inner = latex.strip().removeprefix("\\caption{").removesuffix("}")
    return re.sub(r" \\cite\{[^}]*\}|[\\${}]", "", inner)


def report(data: Path, scratch: Path) -> None:
    """Take screenshots of the report's views."""
    page = scratch / "report.html"
    ccx(data, "render", "-q", "--html", str(page), "-f", "jsonl")
    for name, views in VIEWS.items():
        shots: list[Path] = []
        for view, width, height, *flags in views:
            shots.append(scratch / f"{name}-{len(shots)}.png")
            screenshot(f"{page.as_uri()}#{view}", shots[-1], width, height, *flags)
        store(shots, f"{name}.jpg")


def screenshot(address: str, shot: Path, width: int, height: int, *flags: str) -> None:
    """Take a screenshot of a page with Chromium, without the network."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit("There is no Chromium on the path: install it.")
    words = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--hide-scrollbars",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={shot.parent / 'profile'}",
        f"--window-size={width},{height}",
        "--virtual-time-budget=4000",
        f"--screenshot={shot}",
    ]
    subprocess.run([browser, *words, *flags, address], check=True, capture_output=True)


async def terminal(data: Path, scratch: Path) -> None:
    """Take screenshots of the terminal interface, dark and light."""
    roots = resolve_roots(data)
    run = find_run(roots.results, None).directory
    for name, (columns, lines, unit, keys) in SCREENS.items():
        app = CcxApp(roots, run, unit)
        async with app.run_test(size=(columns, lines)) as pilot:
            for theme, pressed in (("", keys), ("-light", ("t",))):
                await pilot.pause(4)
                await pilot.press(*pressed)
                await pilot.pause(2)
                drawing = scratch / f"{name}{theme}.svg"
                drawing.write_text(app.export_screenshot(title="ccx tui"), encoding="utf-8")
                width, height = round(columns * CELL[0]) + 18, round(lines * CELL[1]) + 50
                shot = drawing.with_suffix(".png")
                screenshot(drawing.as_uri(), shot, width, height)
                store([shot], f"{name}{theme}.jpg")


def store(shots: Sequence[Path], name: str) -> None:
    """Store pictures side by side, as PNG or, if the name says so, as JPEG."""
    pictures = [Image.open(shot).convert("RGB") for shot in shots]
    width = sum(each.width + GAP for each in pictures) - GAP
    sheet = Image.new("RGB", (width, max(each.height for each in pictures)), "white")
    at = 0
    for each in pictures:
        sheet.paste(each, (at, 0))
        at += each.width + GAP
    sheet.thumbnail((WIDEST, 10_000), Image.Resampling.LANCZOS)
    out = PICTURES / name
    if out.suffix == ".jpg":
        sheet.save(out, quality=80, optimize=True)
    else:
        sheet.save(out, optimize=True)
    if out.stat().st_size > MOST_BYTES:
        sys.exit(f"{out} has {out.stat().st_size:,} bytes: make what it shows smaller.")


def make() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as made:
        data, scratch = Path(made) / "data", Path(made)
        ccx(data, "demo", "-f", "jsonl", "-o", str(scratch / "demo.jsonl"))
        for study in ("analyze", "importance", "roles"):
            ccx(data, study, "-q", "-f", "jsonl", "-o", str(scratch / f"{study}.jsonl"))
        panel(data, scratch)
        paper(data, scratch)
        report(data, scratch)
        asyncio.run(terminal(data, scratch))
    for picture in sorted(PICTURES.iterdir()):
        sys.stdout.write(f"{picture} ({picture.stat().st_size / 1000:,.0f} kB)\n")


if __name__ == "__main__":
    make()
