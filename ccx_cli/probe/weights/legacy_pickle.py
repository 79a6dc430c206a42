"""Reads a pickle as data: what it names stays a name, and nothing that it asks for is run.

A ``pickle.Unpickler`` with a narrow ``find_class`` still calls what it finds, sets attributes on it
and consults the registry of extension codes. Here the opcodes that checkpoints need work on plain
containers, and a call reaches only the function that the caller listed under the name.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

Call = Callable[[tuple[Any, ...]], object]


class RefusedError(Exception):
    """The pickle asks for something that weights do not need; the text names it."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A class or function that a pickle names, and what stands for a call of it."""

    name: str
    call: Call


@dataclass(slots=True, eq=False)
class Record:
    """An object that a pickle describes: the name of its class and the state it was saved with."""

    name: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the names, persistent identifiers and states in a pickle stand for.

    Attributes
    ----------
    calls : mapping of str to callable
        By dotted name, what stands for a call of it with a tuple of arguments. A pickle that names
        anything else is refused.
    persistent : callable
        Returns what a persistent identifier stands for.
    build : callable
        Gives an object a state that it was saved with.
    """

    calls: Mapping[str, Call]
    persistent: Callable[[object], object]
    build: Callable[[object, object], None]


def _no_persistent(_identifier: object) -> object:
    raise RefusedError("a persistent identifier")


def _no_build(_target: object, _state: object) -> None:
    raise ValueError("a value without a state was given one")


PLAIN = Meanings({}, _no_persistent, _no_build)


def load_pickle(file: IO[bytes], meanings: Meanings = PLAIN) -> object:
    """Read one pickle, up to its STOP, without running anything it names.

    Parameters
    ----------
    file : binary file
        Left at the first byte after the pickle. Byte strings of Python 2 are read as Latin-1.
    meanings : Meanings
        What the pickle may ask for; by default numbers, strings and containers only.

    Raises
    ------
    RefusedError
        If the pickle asks for anything else.
    ValueError, IndexError, KeyError, TypeError
        If it is not a whole pickle, or what ``meanings`` raises.
    """
    machine = _Machine(meanings)
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            break
        machine.step(opcode.name, argument)
    return machine.result()


# What Python 2 called the modules.
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# fmt: off
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}
# fmt: on
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_EMPTY: dict[str, Callable[[], object]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": set}


class _Machine:
    def __init__(self, meanings: Meanings) -> None:
        self._meanings = meanings
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> object:
        if len(self._stack) != 1 or self._marks:
            raise ValueError("the pickle ends too early")
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        match name:
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                self._memo[argument] = self._top()
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._top()
            case "BINGET" | "LONG_BINGET" | "GET":
                self._stack.append(self._memo[argument])
            case _ if name in _VALUES:
                self._stack.append(argument)
            case _ if name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            case _ if name in _TUPLES:
                self._stack.append(tuple(self._pop_many(_TUPLES[name])))
            case _ if name in _EMPTY:
                self._stack.append(_EMPTY[name]())
            case "MARK":
                self._marks.append(len(self._stack))
            case "POP_MARK":
                self._pop_to_mark()
            case "POP":
                self._pop_many(1)
            case "DUP":
                self._stack.append(self._top())
            case "PROTO" | "FRAME":
                pass
            case _:
                self._collect(name, argument)

    def _collect(self, name: str, argument: Any) -> None:
        match name:
            case "TUPLE":
                self._stack.append(tuple(self._pop_to_mark()))
            case "LIST":
                self._stack.append(self._pop_to_mark())
            case "DICT":
                items = self._pop_to_mark()
                self._stack.append({})
                self._set_items(items)
            case "SETITEM":
                self._set_items(self._pop_many(2))
            case "SETITEMS":
                self._set_items(self._pop_to_mark())
            case "APPEND":
                items = self._pop_many(1)
                self._list().extend(items)
            case "APPENDS":
                items = self._pop_to_mark()
                self._list().extend(items)
            case "ADDITEMS":
                items = self._pop_to_mark()
                self._set().update(map(plain_key, items))
            case _:
                self._call(name, argument)

    def _call(self, name: str, argument: Any) -> None:
        match name:
            case "GLOBAL":
                self._stack.append(self._find(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                self._stack.append(self._find(*self._pop_many(2)))
            case "REDUCE" | "NEWOBJ":
                function, arguments = self._pop_many(2)
                self._stack.append(_called(function, arguments))
            case "OBJ":
                function, *arguments = self._pop_to_mark()
                self._stack.append(_called(function, tuple(arguments)))
            case "INST":
                function = self._find(*argument.split(" ", 1))
                self._stack.append(_called(function, tuple(self._pop_to_mark())))
            case "BUILD":
                (state,) = self._pop_many(1)
                self._meanings.build(self._top(), state)
            case "BINPERSID":
                self._stack.append(self._meanings.persistent(*self._pop_many(1)))
            case _:
                raise RefusedError(f"the pickle opcode {name}")

    def _find(self, module: object, name: object) -> Named:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        full = f"{_PYTHON_2.get(module, module)}.{name}"
        if full not in self._meanings.calls:
            raise RefusedError(full)
        return Named(full, self._meanings.calls[full])

    def _top(self) -> Any:
        (value,) = self._pop_many(1)
        self._stack.append(value)
        return value

    def _list(self) -> list[Any]:
        target = self._top()
        if not isinstance(target, list):
            raise TypeError("items for what is no list")
        return target

    def _set(self) -> set[object]:
        target = self._top()
        if not isinstance(target, set):
            raise TypeError("items for what is no set")
        return target

    def _pop_many(self, count: int) -> list[Any]:
        start = len(self._stack) - count
        if start < (self._marks[-1] if self._marks else 0):
            raise IndexError("the stack has no such value")
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _set_items(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("items for what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value


def plain_key(key: object) -> object:
    """Return ``key`` if its hash is cheap: that of nested tuples can take forever."""
    if key is not None and not isinstance(key, str | int | float | bytes):
        raise TypeError(f"a key that is a {type(key).__name__}")
    return key


def _called(function: object, arguments: object) -> object:
    if not isinstance(function, Named) or not isinstance(arguments, tuple):
        raise TypeError("a call of what is no function")
    return function.call(arguments)
