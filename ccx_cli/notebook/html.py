"""What a notebook shows of a run and of a unit: small, self-contained, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import UNSET

from ccx_cli import design
from ccx_cli.printable import printable
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Maybe
from ccx_cli.render.wording import formula_text, network_text
from ccx_cli.runs.chance import kept_chance
from ccx_cli.runs.findings import by_surprise, short_text, unit_sentence

if TYPE_CHECKING:
    from ccx_cli.runs.run import Run

_SENTENCES = 5
_CELL = "text-align:{};padding:1px 10px 1px 0"
_HEAD = ("range", "activation", "formula", "MCC", "lift", "IoU", "hits")


def unit_html(
    sentence: str,
    records: Sequence[ExplanationRecord],
    short: Mapping[str, str],
    pictures: Sequence[tuple[str, str]],
) -> str:
    """Show a unit: its sentence, its ranges from the highest down, and pictures as name and URL."""
    rows = [
        (
            design.MISSING if each.cluster is None else str(each.cluster),
            design.ends(each.range),
            short_text(each.formula, short) if each.formula else formula_text(each),
            design.mcc(_known(each.mcc)),
            design.lift(_known(each.lift)),
            design.iou(each.iou) if each.formula else design.MISSING,
            design.count(each.hits),
        )
        for each in reversed(records)
    ]
    shown = "".join(
        f'<img title="{_text(name)}" alt="{_text(name)}" src="{url}" '
        'style="margin:2px;display:inline">'
        for name, url in pictures
    )
    return _block([_paragraph(sentence), _table(rows), f"<div>{shown}</div>"])


def run_html(run: Run, short: Mapping[str, str]) -> str:
    """Show a run by what it is of, how much it found and how sure that is, and its first units."""
    about, listed = run.about, run.listed
    records = [record for own in listed.values() for record in own]
    found = [record for record in records if record.formula is not None]
    ranges = sum(record.range is not None for record in records)
    proven = sum(record.proven is True for record in found)
    total = f" of {about.units:,}" if about.units is not None else ""
    said = [
        f"{len(listed):,}{total} units, {len(found):,} of {ranges:,} ranges explained. "
        f"Of {proven:,} formulas it is proven that none of the search space scores higher."
    ]
    chance = kept_chance(run)
    if chance is not None:
        said.append(chance.sentence)
    if about.annotation is not None:
        said.append(about.annotation.sentence)
    leading = dict.fromkeys(record.unit for record in by_surprise(records))
    first = list(islice(leading, _SENTENCES))
    own = run.only(first)
    sentences = "".join(
        f"<li>{_text(unit_sentence(unit, own[unit], short=short))}</li>" for unit in first
    )
    return _block(
        [
            f"<div><b>{_text(run.called)}</b> · {_text(network_text(run.header))}</div>",
            *map(_paragraph, said),
            f'<ul style="margin:4px 0">{sentences}</ul>' if sentences else "",
            *map(_paragraph, run.notes),
            f'<div style="color:{design.CONTROL.light}">A formula says where a unit fires, in '
            "concepts of these labels; not why.</div>",
        ]
    )


def _known(value: Maybe[float | None]) -> float | None:
    return None if value is UNSET else value


def _text(text: str) -> str:
    return escape(printable(text))


def _paragraph(text: str) -> str:
    return f"<div>{_text(text)}</div>"


def _block(parts: Iterable[str]) -> str:
    return f'<div style="max-width:60em;line-height:1.5">{"".join(parts)}</div>'


def _table(rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        sides = ("left" if title in ("formula", "activation") else "right" for title in _HEAD)
        return "".join(
            f'<{tag} style="{_CELL.format(side)}">{_text(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    body = "".join(f"<tr>{line(cells, 'td')}</tr>" for cells in rows)
    return f"<table><thead><tr>{line(_HEAD, 'th')}</tr></thead><tbody>{body}</tbody></table>"
