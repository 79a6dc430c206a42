"""What views ask the application for: the view that comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from ccx_cli.tui.reading import OpenRun
    from ccx_cli.tui.rows import ConceptRow


class UnitAsked(Message):
    """One unit; ``order`` lists the units to turn to, ``cluster`` is the range to begin at."""

    def __init__(self, run: OpenRun, unit: int, order: list[int], cluster: int | None) -> None:
        super().__init__()
        self.run, self.unit, self.order, self.cluster = run, unit, order, cluster


class ConceptsAsked(Message):
    """The concepts of a run."""

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self.run = run


class ConceptAsked(Message):
    """One concept of a run."""

    def __init__(self, run: OpenRun, row: ConceptRow) -> None:
        super().__init__()
        self.run, self.row = run, row


class SecondRunAsked(Message):
    """A run to compare this one with."""

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self.run = run
