"""Finds what may stand at the end of a command line: a command, an option or a value."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from ccx_cli.cli.completing.values import DIRECTORIES, FILES, OPEN

_MARKUP = re.compile(r"\[/?[a-z ]+\]")
_HELP_LENGTH = 60


class Kind(StrEnum):
    """What the shell does with the words that are offered.

    After a word of ``WORDS`` there is a space, after one of ``OPEN`` more may follow at once;
    ``FILES`` and ``DIRECTORIES`` are the shell's own to offer.
    """

    WORDS = "words"
    OPEN = "open"
    FILES = "files"
    DIRECTORIES = "directories"


@dataclass(frozen=True, slots=True)
class Offers:
    """What may stand in place of the last word.

    Attributes
    ----------
    kind
        What the shell does with them.
    words
        Whole words, without quotes, and what they mean.
    """

    kind: Kind = Kind.WORDS
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Typed:
    """The words of one command, as far as they are whole.

    Attributes
    ----------
    pending
        The option whose value comes next.
    values
        What options and arguments are set to, by their names.
    arguments
        How many words are arguments.
    rest
        Of a group, its command and what follows.
    only_arguments
        Whether ``--`` was typed.
    """

    pending: Any
    values: dict[str, str | list[str]]
    arguments: int
    rest: tuple[str, ...]
    only_arguments: bool


def offers(command: Any, words: Sequence[str], incomplete: str) -> Offers:
    """Find what may follow ``words``, in place of ``incomplete``.

    Parameters
    ----------
    command
        The program, as Typer makes it.
    words
        The whole words after the program's name, without quotes.
    incomplete
        The word that is being typed.
    """
    name, rest, above = command.name, tuple(words), None
    while True:
        typed = _read(command, rest)
        # Typer's own parsing would import pydantic, which takes longer than all the rest.
        context: typer.Context = command.context_class(
            command, info_name=name, parent=above, resilient_parsing=True
        )
        context.params.update(typed.values)
        if not typed.rest:
            _settle(context)
            return _next_word(command, context, typed, incomplete)
        name, rest = typed.rest[0], typed.rest[1:]
        above, command = context, command.commands.get(name)
        if command is None:
            return Offers()


def _read(command: Any, words: Sequence[str]) -> _Typed:
    named = {opt: one for one in command.params if _is_option(one) for opt in one.opts}
    arguments = [one for one in command.params if not _is_option(one)]
    values: dict[str, Any] = {}
    pending, given, only_arguments = None, 0, False
    for place, word in enumerate(words):
        if pending is not None:
            _set(values, pending, word)
            pending = None
        elif word == "--" and not only_arguments:
            only_arguments = True
        elif word.startswith("-") and len(word) > 1 and not only_arguments:
            option, equals, value = word.partition("=")
            found = named.get(option)
            if found is not None and (equals or found.is_flag):
                _set(values, found, value)
            else:
                pending = found
        elif hasattr(command, "commands"):
            return _Typed(None, values, given, tuple(words[place:]), only_arguments)
        else:
            if arguments:
                _set(values, arguments[0], word)
                arguments = arguments[0 if arguments[0].nargs == -1 else 1 :]
            given += 1
    return _Typed(pending, values, given, (), only_arguments)


def _set(values: dict[str, Any], parameter: Any, word: str) -> None:
    if parameter.multiple if _is_option(parameter) else parameter.nargs == -1:
        values.setdefault(parameter.name, []).append(word)
    else:
        values[parameter.name] = word


def _settle(context: typer.Context) -> None:
    """Add what is set elsewhere, in the environment or a file, and what holds by default."""
    for parameter in context.command.params:
        name = parameter.name
        if name is None or name in context.params:
            continue
        value = None
        with suppress(Exception):
            value = parameter.value_from_envvar(context) or context.lookup_default(name)
        context.params[name] = parameter.default if value is None else value


def _next_word(command: Any, context: typer.Context, typed: _Typed, incomplete: str) -> Offers:
    if typed.pending is not None:
        return _values(typed.pending, context, incomplete)
    if incomplete.startswith("-") and not typed.only_arguments:
        option, equals, value = incomplete.partition("=")
        if not equals:
            return Offers(words=tuple(_options(command, context, incomplete, typed.values.keys())))
        for one in command.params:
            if option in one.opts:
                found = _values(one, context, value)
                words = tuple((f"{option}={word}", said) for word, said in found.words)
                return Offers(found.kind, words)
        return Offers()
    if hasattr(command, "commands"):
        return Offers(words=tuple(_commands(command, incomplete)))
    arguments = [one for one in command.params if not _is_option(one)]
    before = typed.arguments
    while arguments and before and arguments[0].nargs != -1:
        arguments, before = arguments[1:], before - 1
    return _values(arguments[0], context, incomplete) if arguments else Offers()


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _commands(group: Any, incomplete: str) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.summaries().items():
        if name.startswith(incomplete):
            yield name, _short(command.get_short_help_str(200))


def _options(
    command: Any, context: typer.Context, incomplete: str, there: Container[str]
) -> Iterator[tuple[str, str]]:
    """Yield options by their long names; those that are there only if they may be repeated."""
    for option in command.get_params(context):
        if not _is_option(option) or option.hidden:
            continue
        if not option.multiple and option.name in there:
            continue
        fitting = [opt for opt in option.opts if opt.startswith(incomplete)]
        long = [opt for opt in fitting if opt.startswith("--")]
        for opt in long or fitting:
            yield opt, _short(option.help or "")


def _values(parameter: Any, context: typer.Context, incomplete: str) -> Offers:
    """Find the values of an option or argument, by its completer or its type."""
    found = [
        (str(item.value), str(item.help or ""))
        for item in parameter.shell_complete(context, incomplete)
    ]
    kinds = {FILES: Kind.FILES, DIRECTORIES: Kind.DIRECTORIES, OPEN: Kind.OPEN}
    kind = next((kinds[said] for _, said in found if said in kinds), Kind.WORDS)
    if not found and parameter.type_descriptor.annotation is Path:
        kind = Kind.FILES
    return Offers(kind, tuple((word, _short(said)) for word, said in found if said not in kinds))


def _short(text: str) -> str:
    """Shorten help to its first sentence, or less, in one line without markup."""
    plain = " ".join(_MARKUP.sub("", text).split())
    sentence = plain.partition(". ")[0].removesuffix(".")
    if len(sentence) <= _HELP_LENGTH:
        return sentence
    return sentence[: _HELP_LENGTH - 1].rstrip() + "…"
