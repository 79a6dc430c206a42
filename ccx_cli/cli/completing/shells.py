"""What the shells' scripts say and hear: the words of a line, and the words offered for its end.

The answer's first line is a ``Kind``; then comes a line for each word that is offered. Bash gets
what it inserts as it is; zsh and fish, which quote by themselves, get the word, a tab, its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ccx_cli.cli.completing.line import Offers, offers

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


@dataclass(slots=True)
class Word:
    """A word of a command line as a shell reads it.

    Attributes
    ----------
    text
        Without its quotes.
    quote
        The quote that is still open at its end, if one is.
    begins
        Where in ``text`` the part begins that readline takes for the word.
    """

    text: str = ""
    quote: str = ""
    begins: int = 0


@dataclass(slots=True)
class _Line:
    breaks: str
    words: list[Word] = field(default_factory=list)
    word: Word | None = None

    def add(self, character: str) -> None:
        self.started().text += character

    def started(self) -> Word:
        if self.word is None:
            self.word = Word()
            self.words.append(self.word)
        return self.word


def read_line(line: str, breaks: str = "") -> list[Word]:
    """Part a command line at its blanks; the last word is the one at the cursor, perhaps empty.

    Parameters
    ----------
    line
        From the program's name to the cursor.
    breaks
        Characters that end a word for readline, though not for the shell.
    """
    read = _Line(breaks)
    characters = iter(line)
    quote = ""
    for character in characters:
        if quote:
            if character == quote:
                quote = read.started().quote = ""
            elif character == "\\" and quote == '"':
                following = next(characters, "")
                read.add(following if following in _SPECIAL_QUOTED else character + following)
            else:
                read.add(character)
        elif character in "\"'":
            quote = read.started().quote = character
            read.started().begins = len(read.started().text)
        elif character == "\\":
            read.add(next(characters, ""))
        elif character.isspace():
            read.word = None
        else:
            read.add(character)
            if character in breaks:
                read.started().begins = len(read.started().text)
    read.started()
    return read.words


def answer(command: object, arguments: Sequence[str]) -> str:
    """Answer a shell's script.

    Parameters
    ----------
    command
        The program, as Typer makes it.
    arguments
        The shell's name; then, of bash, ``COMP_WORDBREAKS`` and the line to the cursor; of the
        others, the words without quotes, but fish's last one as it is typed.

    Returns
    -------
    The answer, without a line's end.
    """
    shell, *said = arguments
    if shell == Shell.BASH:
        breaks, line = said
        words = read_line(line, breaks)
        found = offers(command, [word.text for word in words[1:-1]], words[-1].text)
        return "\n".join([found.kind, *(_for_bash(word, words[-1]) for word, _ in found.words)])
    # Fish has no way to part a word that is being typed from its quotes.
    last = read_line(said[-1])[-1].text if shell == Shell.FISH else said[-1]
    found = offers(command, said[1:-1], last)
    return "\n".join([found.kind, *(f"{word}\t{meaning}" for word, meaning in found.words)])


def nothing() -> str:
    """Return the answer where nothing can be offered."""
    return str(Offers().kind)


def _for_bash(word: str, typed: Word) -> str:
    """Write a word as bash is to insert it in place of what readline takes for the typed one."""
    rest = word[typed.begins :]
    if typed.quote == "'":
        return rest.replace("'", "'\\''")
    special = _SPECIAL_QUOTED if typed.quote else _SPECIAL
    return "".join(f"\\{character}" if character in special else character for character in rest)
