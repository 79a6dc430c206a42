"""The keys of a view, for the help and for the command palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen

_OURS = "ccx_cli."


@dataclass(frozen=True, slots=True)
class Key:
    """A key that does something in the view.

    Attributes
    ----------
    display
        The key as people write it.
    what
        What it does.
    node, action
        Whose action it is.
    """

    display: str
    what: str
    node: DOMNode
    action: str


def keys_of(screen: Screen[Any]) -> list[Key]:
    """List the keys of a view, then the application's, then those of what has the focus."""
    found: dict[str, Key] = {}
    for active in sorted(screen.active_bindings.values(), key=lambda each: _rank(each.node)):
        binding = active.binding
        if not active.enabled or binding.action not in _own_actions(active.node):
            continue
        display = screen.app.get_key_display(binding)
        if binding.action in found:
            display = f"{found[binding.action].display} {display}"
        what = binding.tooltip or binding.description
        found[binding.action] = Key(display, what, active.node, binding.action)
    return list(found.values())


def _rank(node: DOMNode) -> int:
    return 0 if isinstance(node, Screen) else 1 if isinstance(node, App) else 2


def _own_actions(node: DOMNode) -> set[str]:
    """Actions that a class of this package binds, rather than one of Textual's."""
    return {
        binding.action
        for each in type(node).__mro__
        if each.__module__.startswith(_OURS)
        for binding in each.__dict__.get("BINDINGS", ())
    }
