"""Where things stand in a panel, for a screen or at the final size in a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ccx_cli.design import ends
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import FAINT, PER_INCH, Words, line_height, wrapped
from ccx_cli.render.overlay import Pixels
from ccx_cli.render.style import Style
from ccx_cli.render.wording import formula_text, proof_text, worth_text

_SIDE, _MARGIN, _GAP = 224, 20, 10
_FORMULA, _NOTE, CAPTION = 16, 13, 12
# In a paper, images have at most 1.1 inches, and words are beside them where there is room: from
# 4.5 inches on 3 tenths of the width is, and else 1.5 inches if images leave that.
_PAPER_SIDE, _PAPER_GAP = 110, 4
_WIDE, _WORDS, _LEAST_WORDS = 450, 0.3, 149
ABOVE_IMAGES = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a panel of ``top_k`` images a range, whose longer ``side`` is given.

    ``width``, ``room``, ``margin`` and ``gap`` are of the whole, of what is inside the margin,
    around it, and between images; ``beside`` is that of the words left of the images, 0 where they
    stand above.
    """

    style: Style
    top_k: int
    width: float
    margin: float
    gap: float
    beside: float
    side: float

    @classmethod
    def of(cls, style: Style, top_k: int, *, words: bool = True) -> Layout:
        """Lay out a panel for a screen or a paper; with ``words``, they may be beside images."""
        if style.width is None:
            width = 2.0 * _MARGIN + max(3, top_k) * (_SIDE + _GAP) - _GAP
            return cls(style, top_k, width, _MARGIN, _GAP, 0.0, _SIDE)
        width = style.width * PER_INCH
        side = min((width + _PAPER_GAP) / top_k - _PAPER_GAP, _PAPER_SIDE)
        if words and width >= _WIDE:
            side = min(side, (1 - _WORDS) * width / top_k - _PAPER_GAP)
        beside = width - top_k * (side + _PAPER_GAP)
        if not words or beside < _LEAST_WORDS:
            beside = 0
        return cls(style, top_k, width, 0, _PAPER_GAP, beside, side)

    @property
    def room(self) -> float:
        """Width of what is inside the margin."""
        return self.width - 2 * self.margin

    @property
    def formula(self) -> float:
        """Size of formulas."""
        return self.style.text * PER_INCH / 72 if self.style.in_paper else _FORMULA

    @property
    def note(self) -> float:
        """Size of what is said of formulas and images."""
        return self.style.small * PER_INCH / 72 if self.style.in_paper else _NOTE

    @property
    def never(self) -> float:
        """Height of what is said of a unit without a range."""
        return line_height(self.formula) + 2 * self.gap

    @property
    def indent(self) -> float:
        """Space that the mark of a range takes."""
        return 1.2 * self.note

    def words(self, record: ExplanationRecord) -> list[Words]:
        """Return what is said of a range, first what stands beside its mark."""
        activation = "" if self.style.in_paper else "activation "
        said = [f"range {record.cluster}", activation + ends(record.range), worth_text(record)]
        if not self.style.in_paper:
            said.append(proof_text(record))
        below = [said.pop()] if self.beside else []
        room = self.beside or self.room
        above = wrapped(" · ".join(filter(None, said)), room - self.indent, self.note)
        formula = wrapped(formula_text(record), room, self.formula, bold=True)
        return [
            Words(above, self.note, color=FAINT),
            Words(formula, self.formula, bold=True),
            *(Words(wrapped(each, room, self.note), self.note, color=FAINT) for each in below),
        ]

    def height(self, record: ExplanationRecord, tallest: float, *, named: bool) -> float:
        """Return the height of a range and the space below.

        Its images are ``tallest``; a ``named`` one stands under the name of its unit.
        """
        words = sum(each.height for each in self.words(record)) + line_height(self.formula) * named
        if self.beside:
            return max(words, tallest) + 1.5 * self.gap
        under = 0 if self.style.in_paper or not tallest else line_height(CAPTION) + 4
        return words + ABOVE_IMAGES + (tallest or line_height(self.note)) + under + 2 * self.gap

    def size(self, picture: Pixels | None) -> tuple[float, float]:
        """Return the height and width of an image in the figure."""
        if picture is None:
            return self.side, self.side
        height, width = picture.shape[:2]
        dots = PER_INCH / self.style.dots(PER_INCH)
        scale = round(self.side / dots) / max(height, width)
        return max(1, round(height * scale)) * dots, max(1, round(width * scale)) * dots


def pages_of(
    units: Mapping[int, Sequence[ExplanationRecord]], layout: Layout, height: float
) -> list[list[int]]:
    """Distribute units over figures of at most ``height`` inches, at least one on each."""
    pages: list[list[int]] = []
    free = 0.0
    for unit, records in units.items():
        ranged = [record for record in records if record.range is not None]
        own = sum(
            layout.height(record, layout.side, named=position == 0)
            for position, record in enumerate(ranged)
        )
        own = own or layout.never
        if not pages or own > free:
            pages.append([])
            free = height * PER_INCH
        pages[-1].append(unit)
        free -= own
    return pages
