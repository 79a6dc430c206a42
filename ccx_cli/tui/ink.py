"""The colors of the design on the ground that the terminal has."""

from __future__ import annotations

from textual.theme import Theme

from ccx_cli import design
from ccx_cli.design import Tone
from ccx_cli.render.overlay import FORMULA


class _Ink:
    """Styles of what is written and drawn; set ``dark``, and whether colors are ``few``, before.

    Few are 16 or none: pictures are black where others are dimmed, and edges white.
    """

    dark, few = True, False

    @property
    def edge(self) -> tuple[int, ...]:
        """Color of the edge of a formula over a picture."""
        return (255, 255, 255) if self.few else FORMULA

    def of(self, tone: Tone) -> str:
        return tone.on(dark=self.dark)

    @property
    def good(self) -> str:
        return self.of(design.GOOD)

    @property
    def bad(self) -> str:
        return self.of(design.BAD)

    @property
    def doubt(self) -> str:
        return self.of(design.DOUBT)

    def range(self, cluster: int, num_ranges: int) -> str:
        return self.of(design.range_color(cluster, num_ranges))


ink = _Ink()


def theme(*, dark: bool) -> Theme:
    """Return the design as a theme of Textual."""

    def on(tone: Tone) -> str:
        return tone.on(dark=dark)

    return Theme(
        name="ccx-dark" if dark else "ccx-light",
        dark=dark,
        primary=on(design.ACCENT),
        secondary=on(design.ACCENT),
        accent=on(design.ACCENT),
        foreground=on(design.INK),
        background=on(design.PAPER),
        surface=on(design.CARD),
        panel=on(design.SOFT),
        success=on(design.GOOD),
        warning=on(design.DOUBT),
        error=on(design.BAD),
        variables={
            "footer-key-foreground": on(design.ACCENT),
            "footer-background": on(design.SOFT),
            "block-cursor-background": on(design.SELECTED),
            "block-cursor-foreground": on(design.INK),
            "input-selection-background": on(design.SELECTED),
        },
    )
