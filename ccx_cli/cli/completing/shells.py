"""The shells' ``scripts``; they say the words of a line, and hear what is offered for its end.

The answer's first line is a ``Kind``; then comes a line for each word that is offered. Bash gets
what it inserts as it is; zsh and fish, which quote by themselves, get the word, a tab, its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ccx_cli.cli.completing.line import offers

# Stands for a command in the scripts' calls.
ANSWER = "__complete"

# What bash must not read as its own, between quotes and without them.
_SPECIAL_QUOTED = frozenset('"$`\\')
_SPECIAL = frozenset("|&;()<>!#$`\\\"'*?[]{}~^ \t=")


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


FILES = {Shell.BASH: "ccx.bash", Shell.ZSH: "_ccx", Shell.FISH: "ccx.fish"}


def script(shell: Shell) -> str:
    """Return a shell's script."""
    return (Path(__file__).with_name("scripts") / FILES[shell]).read_text(encoding="utf-8")


@dataclass(slots=True)
class Word:
    """A word without its quotes, but for an open one; readline takes it from ``begins`` on."""

    text: str = ""
    quote: str = ""
    begins: int = 0


def read_line(line: str, breaks: str = "") -> list[Word]:
    """Part a line to the cursor at its blanks; the last word is at the cursor, perhaps empty.

    ``breaks`` are the characters that end a word for readline, though not for the shell.
    """
    words = [Word()]
    is_begun = False
    characters = iter(line)
    for character in characters:
        word = words[-1]
        if word.quote:
            if character == word.quote:
                word.quote = ""
            elif character == "\\" and word.quote == '"':
                following = next(characters, "")
                word.text += following if following in _SPECIAL_QUOTED else character + following
            else:
                word.text += character
        elif character.isspace():
            if is_begun:
                words.append(Word())
            is_begun = False
            continue
        elif character in "\"'":
            word.quote = character
            word.begins = len(word.text)
        elif character == "\\":
            word.text += next(characters, "")
        else:
            word.text += character
            if character in breaks:
                word.begins = len(word.text)
        is_begun = True
    return words


def answer(command: object, arguments: Sequence[str]) -> str:
    """Answer a shell's script; the answer is without a line's end.

    The arguments are the shell's name; then, of bash, ``COMP_WORDBREAKS`` and the line to the
    cursor; of the others, the words without quotes, but fish's last one as it is typed.
    """
    shell, *said = arguments
    if shell == Shell.BASH:
        breaks, line = said
        words = read_line(line, breaks)
        kind, found = offers(command, [word.text for word in words[1:-1]], words[-1].text)
        return "\n".join([kind, *(_for_bash(word, words[-1]) for word, _ in found)])
    # Fish has no way to part a word that is being typed from its quotes.
    last = read_line(said[-1])[-1].text if shell == Shell.FISH else said[-1]
    kind, found = offers(command, said[1:-1], last)
    return "\n".join([kind, *(f"{word}\t{meaning}" for word, meaning in found)])


def _for_bash(word: str, typed: Word) -> str:
    """Write a word as bash is to insert it in place of what readline takes for the typed one."""
    rest = word[typed.begins :]
    if typed.quote == "'":
        return rest.replace("'", "'\\''")
    special = _SPECIAL_QUOTED if typed.quote else _SPECIAL
    return "".join(f"\\{character}" if character in special else character for character in rest)
