"""The ranges of a unit as a list, in the view and as rows of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from ccx_cli.store.lines import Record
from ccx_cli.tui.looking import Trial, UnitLook
from ccx_cli.tui.rows import RangeRow
from ccx_cli.tui.table import Field
from ccx_cli.tui.theme import BETTER, WORSE, ends, formula_text, range_mark, share
from ccx_cli.tui.units import proof

_WRITTEN = ("unit", "cluster", "range", "hits", "formula", "iou")


def range_fields(look: UnitLook | None, trial: Trial | None) -> list[Field]:
    """List the columns; one more for a formula that was typed.

    Parameters
    ----------
    look
        What was counted of the unit, ``None`` until it is read.
    trial
        The formula that was typed, ``None`` without one.
    """
    fields = [
        Field("range", "cluster", lambda r: range_mark(r["cluster"], r["num_ranges"]), 5),
        Field("activation", "range", lambda r: ends(r["range"]), 18, least=76),
        Field("pixels", "hits", lambda r: f"{r['hits']:,}", 11, right=True, least=100),
        Field("IoU", "iou", lambda r: share(RangeRow(r, (), "").iou), 6, right=True),
        Field("bound", "gap", lambda r: proof(RangeRow(r, (), "")), 6, right=True),
        Field("formula", "formula", lambda r: formula_text(r["formula"]), 14, spare=True),
    ]
    if look is not None and trial is not None:
        field = Field("yours", "yours", lambda r: _tried(r, look, trial), 14, right=True)
        fields.insert(-1, field)
    return fields


def _tried(record: Record, look: UnitLook, trial: Trial) -> Text:
    """Write the IoU of the formula that was typed, and how it compares."""
    place = look.place_of(record["cluster"])
    if place is None:
        return Text("-", style="dim")
    text = Text(share(trial.ious[place]))
    if record["formula"] is not None:
        difference = trial.ious[place] - float(record["iou"])
        style = BETTER if difference > 5e-5 else "dim" if difference > -5e-5 else WORSE
        text.append(f" {difference:+.4f}", style)
    return text


def range_rows(
    records: Sequence[Record], look: UnitLook | None, trial: Trial | None
) -> list[dict[str, Any]]:
    """Write the ranges with their metrics, as far as they are known, and what was typed."""
    rows = []
    for record in records:
        row = {key: record[key] for key in _WRITTEN}
        place = None if look is None else look.place_of(record["cluster"])
        if look is not None and place is not None:
            row |= {"simplified": look.shorter[place]}
            row |= {key: value for key, value in look.metrics[place].items() if key != "iou"}
            if trial is not None:
                row |= {"tried": trial.text, "tried_iou": trial.ious[place]}
        rows.append(row)
    return rows
