"""What is said of one range of a unit in words: its formula, in all forms, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ccx_cli.store.lines import Record
from ccx_cli.tui.rows import number
from ccx_cli.tui.theme import BETTER, DOUBT, formula_text, share

METRICS = {
    "activation_coverage": "of pixels in range, those in the formula",
    "detection_accuracy": "of pixels in the formula, those in range",
    "samples_coverage": "of images with the formula, where both are",
    "explanation_coverage": "of images in range, where both are",
    "segmentation_size": "mean share of an image in the formula",
    "activation_size": "mean share of an image in range",
    "overlap_size": "mean share of an image in both",
    "label_masking": "likeness of maps if the rest is noise",
}
# Cells that the longest of them takes.
EXPLAINED = 76
MEANINGS = tuple((name.replace("_", " "), what) for name, what in METRICS.items())


@dataclass(frozen=True, slots=True)
class RangeDescription:
    """Describes one range, in as many words as there is room for when it is drawn.

    Attributes
    ----------
    record
        Its line.
    shorter
        The shortest equivalent formula if it is shorter.
    metrics
        By name; ``None`` until they are known.
    reading
        What to say until then.
    """

    record: Record
    shorter: str | None
    metrics: Mapping[str, float | None] | None
    reading: str

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        record, metrics = self.record, self.metrics
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        table.add_row("as found", formula_text(record["formula"]))
        if self.shorter is not None:
            table.add_row("simplified", formula_text(self.shorter))
        if record["formula"] is not None:
            for title, content in (("IoU", _how_good(record)), *_steps(record), *_others(record)):
                table.add_row(title, content)
        if metrics is None:
            table.add_row("", Text(self.reading, "dim italic"))
        for name, meaning in METRICS.items():
            if metrics is not None and name in metrics:
                said = Text(name.replace("_", " "))
                if options.max_width >= EXPLAINED:
                    said.append(f"  {meaning}", "dim")
                table.add_row(share(metrics[name], 3), said)
        yield table


def _how_good(record: Record) -> Text:
    text = Text.assemble((share(float(record["iou"])), "bold"))
    bound = number(record.get("bound"))
    if record.get("proven") is True:
        text.append("   proven best", BETTER)
    elif bound is not None:
        text.append(f"   not proven: none above {bound:.4f}", DOUBT)
    if record.get("search") not in {None, "optimal"}:
        text.append(f"   {record['search']} search", "dim")
    return text


def _steps(record: Record) -> list[tuple[str, Text]]:
    """Give the best formula of every smaller length, as far as the line has them."""
    steps = record.get("by_length")
    if not isinstance(steps, list):
        return []
    found = []
    for step in steps[:-1]:
        if isinstance(step, dict) and isinstance(step.get("formula"), str):
            iou = number(step.get("iou"))
            length = f"{step.get('length')} concept{'s' if step.get('length') != 1 else ''}"
            found.append((length, Text.assemble(share(iou), "  ", formula_text(step["formula"]))))
    return found


def _others(record: Record) -> list[tuple[str, Text]]:
    """Give the formulas that score the same or come near."""
    found = []
    for key, title in (("tied", "as good"), ("near", "near")):
        others: Any = record.get(key)
        for other in others if isinstance(others, list) else ():
            formula = other.get("formula") if isinstance(other, dict) else other
            if isinstance(formula, str):
                iou = number(other.get("iou")) if isinstance(other, dict) else None
                start = "" if iou is None else f"{share(iou)}  "
                found.append((title, Text.assemble(start, formula_text(formula))))
    return found
