"""Finds what may stand at the end of a command line: a command, an option or a value."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from ccx_cli.cli.completing.values import COMPLETERS, Kind

Answer = list[tuple[str, str]]
_MARKUP = re.compile(r"\[/?[a-z ]+\]")
_HELP_LENGTH = 60


def offers(command: Any, words: Sequence[str], incomplete: str) -> tuple[Kind, Answer]:
    """Find what may follow ``words``, in place of ``incomplete``, and what it means.

    The words are whole and without quotes, after the program's name; so are those offered.
    """
    name, above, rest = command.name, None, list(words)
    while True:
        context: typer.Context = command.context_class(
            command, info_name=name, parent=above, resilient_parsing=True
        )
        is_group = hasattr(command, "commands")
        pending = _option(command, rest[-1]) if rest and "--" not in rest else None
        if pending is not None and pending.is_flag:
            pending = None
        if pending is not None and not is_group:
            rest.pop()
        # Typer's own completion makes values of the words, for which it would import pydantic:
        # that takes longer than all the rest.
        given, rest, _ = command.make_parser(context).parse_args(rest)
        context.params.update({key: said for key, said in given.items() if said not in (None, ())})
        if not rest or not is_group:
            break
        name, above = rest.pop(0), context
        command = command.commands.get(name)
        if command is None:
            return Kind.WORDS, []
    typed = set(context.params)
    _settle(context)

    if pending is not None:
        return _values(pending, context, incomplete)
    if incomplete.startswith("-") and "--" not in words:
        name, equals, value = incomplete.partition("=")
        if not equals:
            return Kind.WORDS, list(_options(command, context, incomplete, typed))
        option = _option(command, name)
        if option is None:
            return Kind.WORDS, []
        kind, found = _values(option, context, value)
        return kind, [(f"{name}={word}", meaning) for word, meaning in found]
    if is_group:
        summaries = command.commands.summaries().items()
        return Kind.WORDS, [
            (name, _short(each.help)) for name, each in summaries if name.startswith(incomplete)
        ]
    for argument in command.params:
        if not _is_option(argument) and (argument.nargs == -1 or argument.name not in typed):
            return _values(argument, context, incomplete)
    return Kind.WORDS, []


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _option(command: Any, name: str) -> Any:
    return next((one for one in command.params if _is_option(one) and name in one.opts), None)


def _settle(context: typer.Context) -> None:
    """Add what is set elsewhere, in the environment or a file, and what holds by default."""
    for parameter in context.command.params:
        if parameter.name not in context.params:
            value = None
            with suppress(Exception):
                value = context.lookup_default(parameter.name)
            context.params[parameter.name] = parameter.default if value is None else value


def _options(
    command: Any, context: typer.Context, incomplete: str, typed: Container[str]
) -> Iterator[tuple[str, str]]:
    """Yield options by their long names; those that are there only if they may be repeated."""
    for option in command.get_params(context):
        if not _is_option(option) or option.hidden:
            continue
        if not option.multiple and option.name in typed:
            continue
        fitting = [opt for opt in option.opts if opt.startswith(incomplete)]
        long = [opt for opt in fitting if opt.startswith("--")]
        for opt in long or fitting:
            yield opt, _short(option.help or "")


def _values(parameter: Any, context: typer.Context, incomplete: str) -> tuple[Kind, Answer]:
    """Find the values of an option or argument, by its completer or its type."""
    completer = COMPLETERS.get(parameter.name)
    if completer is None:
        kind = Kind.FILES if parameter.type_descriptor.annotation is Path else Kind.WORDS
        return kind, [(each.value, "") for each in parameter.shell_complete(context, incomplete)]
    kind, found = Kind.WORDS, []
    for each in completer(context, incomplete):
        word, meaning = (each, "") if isinstance(each, str) else each
        if isinstance(meaning, Kind):
            kind = meaning
        elif word.startswith(incomplete):
            found.append((word, _short(meaning)))
    return kind, found


def _short(text: str) -> str:
    """Shorten help to its first sentence, or less, in one line without markup."""
    plain = " ".join(_MARKUP.sub("", text).split())
    sentence = plain.partition(". ")[0].removesuffix(".")
    if len(sentence) <= _HELP_LENGTH:
        return sentence
    return sentence[: _HELP_LENGTH - 1].rstrip() + "…"
