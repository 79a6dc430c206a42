"""Real pictures where the terminal draws them, by kitty's protocol or sixel (textual-image)."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.widget import Widget

_SECONDS = 0.25
# Asks for a picture of one pixel by kitty's protocol, then for the terminal's attributes, which
# every terminal answers.
_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(r"\x1b\[\?([\d;]*)c")
_SIXEL = "4"
_found: dict[str, Any] = {}


def ask_terminal() -> None:
    """Find out whether the terminal draws pictures; call it before the application starts.

    Without the package textual-image, or with ``NO_COLOR``, half blocks do.
    """
    _found.clear()
    if os.environ.get("NO_COLOR") or not draws_pictures(_answer()):
        return
    try:
        from textual_image.renderable import Image, SixelImage, TGPImage
        from textual_image.widget import Image as Picture
    except ImportError:
        return
    if Image in (SixelImage, TGPImage):
        _found["widget"] = Picture


def draws_pictures(answer: str) -> bool:
    """Tell from what a terminal answered whether it draws pictures."""
    attributes = _ATTRIBUTES.search(answer)
    has_sixel = attributes is not None and _SIXEL in attributes[1].split(";")[1:]
    return has_sixel or "_Gi=31;OK" in answer


def _answer() -> str:
    """Ask the terminal, and wait for its answer no longer than people notice."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return ""
    source = sys.stdin.fileno()
    answer = ""
    before = termios.tcgetattr(source)
    try:
        tty.setcbreak(source)
        sys.stdout.write(_QUESTION)
        sys.stdout.flush()
        end = time.monotonic() + _SECONDS
        while not _ATTRIBUTES.search(answer):
            ready, _, _ = select.select([source], [], [], max(end - time.monotonic(), 0))
            if not ready:
                break
            answer += os.read(source, 256).decode("ascii", "replace")
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)
    return answer


def has_graphics() -> bool:
    """Tell whether the terminal draws pictures."""
    return bool(_found)


def graphics_widget() -> Widget:
    """Make a widget whose attribute ``image`` takes a PIL image."""
    widget: Widget = _found["widget"]()
    return widget
