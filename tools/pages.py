"""Writes a page of documentation for each command: ``python -m tools.pages docs/commands``.

The pages say what ``--help`` says; what they look like depends on no terminal.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from rich.text import Text
from typer.core import TyperArgument, TyperOption

from ccx_cli.cli.option_names import usage
from ccx_cli.cli.program import program
from ccx_cli.cli.settings.keys import choices_of, commands_under, is_settable, key_of, variable_of
from ccx_cli.store.atomic import write_text

INDEX = "README.md"
_NOTE = "Written by `python -m tools.pages docs/commands` from the help of the commands."
_ARGUMENTS, _OPTIONS = "Arguments", "Options"
_TYPES = {bool: "", int: "whole number", float: "number", str: "text", Path: "path"}


def pages() -> dict[str, str]:
    """Return the text of every page by its file's name, that of the index among them."""
    root: Any = program()
    found = {}
    panels: dict[str, list[str]] = {}
    for path, command in commands_under(root):
        name = "-".join(path) + ".md"
        found[name] = _page(path, command)
        line = f"- [`ccx {' '.join(path)}`]({name}): {_first_sentence(command)}"
        panels.setdefault(root.commands[path[0]].rich_help_panel or "Other", []).append(line)
    parts = ["# Commands", _NOTE]
    for panel, lines in panels.items():
        parts += [f"**{panel}**", "\n".join(lines)]
    return {**found, INDEX: "\n\n".join(parts) + "\n"}


def write_pages(directory: Path) -> None:
    """Write the pages, and remove those of commands that are no more."""
    directory.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        write_text(directory / name, text)
    for path in directory.glob("*.md"):
        if path.name not in written:
            path.unlink()


def _page(path: Sequence[str], command: Any) -> str:
    lines = [f"# ccx {' '.join(path)}", ""]
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    called = " ".join(["ccx", *path, "[OPTIONS]", *(usage(each) for each in arguments)])
    lines += [f"    {called}", "", *_description(command), ""]
    tables: dict[str, list[str]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        if isinstance(parameter, TyperArgument):
            tables.setdefault(_ARGUMENTS, []).append(_argument_row(parameter))
        elif isinstance(parameter, TyperOption):
            panel = parameter.rich_help_panel or _OPTIONS
            tables.setdefault(panel, []).append(_option_row(parameter))
    for title, rows in tables.items():
        first = "argument" if title == _ARGUMENTS else "option"
        lines += [
            f"## {title}",
            "",
            f"| {first} | value | default | |",
            "| --- | --- | --- | --- |",
        ]
        lines += [*rows, ""]
    settable = [each for each in command.params if is_settable(each)]
    if settable:
        shown = next((each for each in settable if each.name == "format"), settable[0])
        key, variable = key_of(shown), variable_of(shown)
        table = ".".join(path)
        lines.append(
            "Every option can be set in a file or by a variable as well, such as "
            f"`--{key}` by the key `{key}` under `[{table}]` or by `{variable}`: see "
            "[config](../config.md)."
        )
    return "\n".join(lines).rstrip() + "\n"


def _description(command: Any) -> list[str]:
    """Return the help with its examples as a block of code."""
    lines = []
    for line in inspect.cleandoc(command.help or "").splitlines():
        if not line.startswith("  "):
            line = _plain(line)
            lines.append(f"## {line}" if line == "Examples" else line)
        else:
            lines.append(f"    {Text.from_markup(line.strip()).plain}")
    return lines


def _first_sentence(command: Any) -> str:
    text = _plain(inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " "))
    return re.split(r"(?<=[.;])\s", text, maxsplit=1)[0].rstrip(".;") + "."


def _argument_row(argument: Any) -> str:
    return _row(f"`{argument.metavar}`", _kind(argument), _default(argument), argument.help)


def _option_row(option: Any) -> str:
    names = " ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = "" if option.is_flag else _kind(option)
    if kind in ("text", "path"):
        kind = option.metavar
    more = "; repeatable" if option.multiple else ""
    return _row(names, f"{kind}{more}", _default(option), option.help)


def _row(name: str, kind: str, default: str, text: str | None) -> str:
    cells = (name, kind, default, " ".join(_plain(text or "").split()))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _kind(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    element = (get_args(annotation) or (annotation,))[0]
    if choices := choices_of(annotation):
        return " ".join(f"`{each}`" for each in choices)
    kind = _TYPES.get(element, "text")
    bounds = (("at least", parameter.min), ("at most", parameter.max))
    return " ".join([kind, *(f"{word} {bound}" for word, bound in bounds if bound is not None)])


def _default(parameter: Any) -> str:
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return _plain(shown)
    if not shown or value is None or value is False or parameter.required:
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _plain(text: str) -> str:
    """Take Rich's markup out; an asterisk or an angle would be Markdown's."""
    plain = Text.from_markup(text).plain if re.search(r"\[/?[a-z ]+\]", text) else text
    return plain.replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.pages DIRECTORY")
    write_pages(Path(sys.argv[1]))
