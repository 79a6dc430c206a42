"""What a report costs in the browser: ``python -m benchmarks.report_page REPORT.html``.

Times are those of the page's own clock in a headless Chromium, from the key or the click to the
layout of the new table; opening is timed up to the load event, on the wall of units.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.render.chromium import Page, chromium

TIMES = 5
WORDS = ("s", "sk", "sky", "sky o", "unit 12", "not", "grey", "")
_TIMED = (
    "(() => { const began = performance.now(); %s; document.body.offsetHeight; "
    "return performance.now() - began; })()"
)


def filtering(page: Page) -> list[float]:
    """Milliseconds for each of some words."""
    script = (
        "const field = document.getElementById('filter'); "
        "field.value = '%s'; field.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    return [page.run(_TIMED % (script % word)) for word in WORDS]


def sorting(page: Page) -> list[float]:
    """Milliseconds for each column."""
    columns = page.run("document.querySelectorAll('#view-ranges th button').length")
    script = "document.querySelectorAll('#view-ranges th button')[%d].click()"
    return [page.run(_TIMED % (script % column)) for column in range(columns)]


def measure(report: Path) -> None:
    """Print the figures."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as made, chromium(Path(made)) as page:
        page.look(1280, 900)
        opened = [page.open(report) for _ in range(TIMES)]
        page.run("location.hash = 'ranges'")
        page.until("document.querySelector('#view-ranges td') !== null")
        print(f"open: {median(opened):.2f} s, the first time {opened[0]:.2f} s")
        for what, times in (("filter", filtering(page)), ("sort", sorting(page))):
            print(f"{what}: {median(times):.0f} ms, at most {max(times):.0f} ms")


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
