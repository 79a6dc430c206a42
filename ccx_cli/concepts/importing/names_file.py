"""Names files: which concept each value, or each color, of a label PNG is.

The forms are tried in a fixed order, those with more in a line first, and the first that every line
fits is taken: JSON, pbtxt, a table with a header, then the forms of ``_LINES``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ccx_cli.concepts.broden_csv import LARGEST_LABEL
from ccx_cli.concepts.importing.names_cells import (
    EITHER_COLUMNS,
    HEX,
    INTEGER,
    NAME_COLUMNS,
    NUMBER_COLUMNS,
    ONE_COLOR_COLUMN,
    Color,
    Entry,
    color_text,
    column,
    is_color,
    parse_color,
)
from ccx_cli.concepts.importing.names_json import parse_json_names
from ccx_cli.concepts.importing.text_files import read_text
from ccx_cli.errors import DamagedDataError

_Key = TypeVar("_Key", int, Color)

_BACKGROUND = {"background", "bg"}
_NOTHING = {
    *_BACKGROUND,
    *("none", "null", "nothing", "other", "unknown", "undefined", "unclassified"),
    *("unlabeled", "unlabelled", "no label", "void", "ignore", "ignored", "dont care"),
}
_FIRST_IN_DOUBT = re.compile(r"\b(background|bg|unlabell?ed|void|ignored?)\b")
_ANYWHERE = {"other", "unknown"}
"""What means nothing, and may be at the end of a list that counts from 1."""

_COLOR_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))
_HEADERS = {*NUMBER_COLUMNS, *NAME_COLUMNS, *EITHER_COLUMNS}

_NUMBER = r"(?P<number>-?\d{1,9})"
_RGB = r"\d{1,3}(?:\s*[,;]\s*|\s+)\d{1,3}(?:\s*[,;]\s*|\s+)\d{1,3}"
_COLOR = rf"(?P<color>{HEX}|{_RGB}|\({_RGB}\)|\[{_RGB}\])"
_TO_NAME = r"(?:\s*(?:[,;:=\t]|->|=>)\s*|\s*[.)]\s+|\s+-\s+|\s+)"
_TO_NUMBER = r"\s*(?:[,;:=\t]|->|=>)\s*"
_BESIDE = r"(?:\s*[,;:=]\s*|\s+)"
_LINES: dict[str, re.Pattern[str]] = {
    "a number, a name and a color": re.compile(
        rf"{_NUMBER}{_TO_NAME}(?P<name>.+?){_BESIDE}{_COLOR}"
    ),
    "a number, a color and a name": re.compile(rf"{_NUMBER}{_BESIDE}{_COLOR}{_BESIDE}(?P<name>.+)"),
    "a name and a color": re.compile(rf"(?P<name>.+?){_BESIDE}{_COLOR}(?::[^:]*){{0,2}}"),
    "a color and a name": re.compile(rf"{_COLOR}{_BESIDE}(?P<name>.+)"),
    "a number and a name": re.compile(rf"{_NUMBER}{_TO_NAME}(?P<name>.+)"),
    "a name and a number": re.compile(rf"(?P<name>.+?){_TO_NUMBER}{_NUMBER}"),
    "a name alone": re.compile(r"(?P<name>[^:=]+)"),
}
_WITH_NUMBER = re.compile(r"^\d|[\s(]\d+\)?$|\b(?:0x)?[0-9a-fA-F]{6}\b")
_LONGEST = 1000
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<name>[^"']+)(?P=quote)""")
_NO_NAME = re.compile(
    r"""[\t"{}\[\]<>|`]|\s#|//|^[^\w"']|[,;]$|\s\d+\.\d+%?$|(?:\s\d{1,3}\b){3}$|[:=]\d+\s"""
)
_NUMERIC = re.compile(r"-?\d+(?:\.\d+)?%?")
_ITEM = re.compile(
    r"item\s*\{(?P<content>(?:[^{}\"']|\"(?:\\.|[^\\\"])*\"|'(?:\\.|[^\\'])*')*)\}\s*"
)
_FIELD = re.compile(
    r"\b(?P<key>\w+)\s*:\s*(?:(?P<quote>[\"'])(?P<text>(?:\\.|[^\\])*?)(?P=quote)|(?P<bare>[^\s,;]+))"
)


@dataclass(frozen=True, slots=True)
class Names:
    """What a names file says: names by value and by color, empty for what means nothing."""

    numbers: dict[int, str] = field(default_factory=dict)
    colors: dict[Color, str] = field(default_factory=dict)
    form: str = ""
    """A sentence about the form that the file was read as."""

    counted: bool = False
    """Whether names without values were numbered from 1, which only masks can confirm."""


def read_names(path: Path, first: int | None = None) -> Names:
    """Read the names of the values, or of the colors, of label PNGs.

    Blank lines and those that begin with ``#`` are skipped. Names alone are numbered from
    ``first``: by default from 0 if the first one means nothing (background, void, ...), else from
    1, and refused where the names leave that in doubt.
    """
    text = read_text(path, "names file")
    try:
        form, entries = _parse(text)
        if not entries:
            raise ValueError("contains no names: write one per line, such as `1 car`")
        counted = False
        if all(entry.number is None and entry.color is None for entry in entries):
            start = _first_number([entry.name for entry in entries], first)
            entries = [entry._replace(number=n) for n, entry in enumerate(entries, start)]
            form += f", numbered from {start} ({entries[0].name} is {start}): `first` changes that"
            counted = first is None and start == 1
        elif first is not None:
            form += ", whose values are its own: `first` is not used"
        _refuse_gaps(entries)
        numbers = _index((entry.number, entry.name) for entry in entries)
        colors = _index((entry.color, entry.name) for entry in entries)
    except csv.Error as error:
        raise DamagedDataError(f"{path} is no table ({error}): correct it.") from error
    except ValueError as error:
        raise DamagedDataError(f"{path} {error}.") from error
    form += _describe_names([entry.name for entry in entries])
    return Names(numbers, colors, f"{path} was read as {form}.", counted)


def _refuse_gaps(entries: Iterable[Entry]) -> None:
    bare = next((each for each in entries if each.number is None and each.color is None), None)
    if bare is not None:
        raise ValueError(f"has no value for {bare.name!r}, unlike others: add it")


def _describe_names(names: Sequence[str]) -> str:
    """Say which names are no concepts, and which are one."""
    nothing = sorted({name for name in names if means_nothing(name)})
    concepts = Counter(name for name in names if not means_nothing(name))
    shared = [name for name, count in concepts.items() if count > 1]
    text = f"; no label: {', '.join(nothing)}" if nothing else ""
    return text + (f"; one concept of several lines: {', '.join(shared)}" if shared else "")


def means_nothing(name: str) -> bool:
    """Tell whether a name is one of those that stand for no label, such as ``_background_``."""
    return _plain(name) in _NOTHING


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.replace("'", "")).strip().casefold()


def _index(pairs: Iterable[tuple[_Key | None, str]]) -> dict[_Key, str]:
    """Map values or colors to names, each once."""
    found: dict[_Key, str] = {}
    for key, name in pairs:
        if key is None:
            continue
        what = f"value {key}" if isinstance(key, int) else f"color {color_text(key)}"
        if key in found:
            raise ValueError(f"names the {what} twice: correct it")
        largest = LARGEST_LABEL if isinstance(key, int) else 255
        if (key if isinstance(key, int) else max(key)) > largest:
            raise ValueError(f"names the {what}, which is above {largest}: correct it")
        found[key] = "" if means_nothing(name) else name
    return found


def _first_number(names: Sequence[str], first: int | None) -> int:
    """Return the number of the first of names that have none, else raise where it is in doubt."""
    if first is not None:
        return first
    plain = [_plain(name) for name in names]
    number_them = "number the lines (`1 car`), or say the first value with `first`"
    words = set(plain[0].split())
    if words <= _HEADERS and (len(words) > 1 or not words <= {"object", "category"}):
        raise ValueError(f"begins with the header {names[0]!r} and has no numbers: {number_them}")
    if len(names) == 1 and re.search("[,;]", names[0]):
        raise ValueError(f"has all names, {names[0]!r}, in one line: write one per line")
    if re.fullmatch(r"_+ignore_+", names[0]) and plain[1:2] == ["background"]:
        return -1  # As labelme counts.
    later = next((i for i, name in enumerate(plain) if i and name in _NOTHING - _ANYWHERE), None)
    if later is not None:
        raise ValueError(
            f"has {names[later]!r} as name {later + 1}, not first, and no numbers: {number_them}"
        )
    if plain[0] in _NOTHING:
        return 0
    if _FIRST_IN_DOUBT.search(plain[0]):
        raise ValueError(f"begins with {names[0]!r}, which may be 0 or 1: {number_them}")
    if len(names) > 1 and all(_WITH_NUMBER.search(name) for name in names):
        raise ValueError(f"has a number in each name, such as {names[0]!r}: {number_them}")
    return 1


def _parse(text: str) -> tuple[str, list[Entry]]:
    """Return the form of a names file, in words, and its entries; ``ValueError`` says why not."""
    if text.lstrip().startswith(("{", "[")):
        return "JSON", parse_json_names(text)
    if re.match(r"(?:\s*#.*\n)*\s*item\s*\{", text):
        return "items of a pbtxt file", _parse_items(text)
    numbered = enumerate(map(str.strip, text.splitlines()), start=1)
    written = [(number, line) for number, line in numbered if line]
    # `#800000 cat` is no comment where all lines begin so.
    lines = [each for each in written if not each[1].startswith("#")] or written
    if not lines:
        return "", []
    table = _parse_table([line for _, line in lines])
    if table is not None:
        return "a table with a header", table
    if len(lines) > 1 and re.fullmatch(r"(?i)(names|classes|labels):", lines[0][1]):
        del lines[0]  # The head of a YAML mapping.
    furthest = 0
    for form, pattern in _LINES.items():
        entries = _parse_lines([line for _, line in lines], pattern)
        if len(entries) == len(lines):
            _refuse_columns(entries)
            return f"lines of {form}", entries
        furthest = max(furthest, len(entries))
    number, line = lines[furthest]
    shown = repr(line if len(line) <= 60 else f"{line[:59]}\N{HORIZONTAL ELLIPSIS}")
    if furthest:
        raise ValueError(
            f"has a line {number}, {shown}, of another form than those before it: write each line "
            "in one form, such as `1 car`"
        )
    raise ValueError(
        f"has a line {number}, {shown}, of no form that is known: write each line as a number and "
        "a name, such as `1 car`"
    )


def _parse_lines(lines: Sequence[str], pattern: re.Pattern[str]) -> list[Entry]:
    """Return what the first lines say in a form, up to one that does not fit it."""
    entries = []
    for line in lines:
        match = pattern.fullmatch(line) if len(line) <= _LONGEST else None
        name = _clean(match["name"], alone=len(match.groupdict()) == 1) if match else None
        if match is None or name is None:
            break
        groups = match.groupdict()
        number = None if groups.get("number") is None else int(groups["number"])
        color = None if groups.get("color") is None else parse_color(groups["color"])
        entries.append(Entry(name, number, color))
    return entries


def _refuse_columns(entries: Sequence[Entry]) -> None:
    """Refuse names that each have a cell more, or a number at the end but for which they differ."""
    names = [entry.name for entry in entries]
    if len(names) > 1 and all(re.search(r"[,;]\S", name) for name in names):
        raise ValueError(
            f"has several columns, as in {names[0]!r}: name them in a header, such as `id,name`"
        )
    parts = [re.fullmatch(r"(.+?)\s+\d+%?", name) for name in names]
    numbered = len(names) == 1 and entries[0].number is not None
    if not numbered and len({part[1] for part in parts if part}) == len(names):
        raise ValueError(
            f"has a number after each name, as in {names[0]!r}: write it first if it is the value, "
            "else name the columns in a header, such as `id,name,count`"
        )


def _clean(text: str, alone: bool = False) -> str | None:
    """Return a name without its quotes; ``None`` for what is none, or holds more than a name."""
    text = text.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted["name"].strip() or None
    words, cells = text.split(), re.split(r"\s*[,;:=]\s*", text)
    numeric = [_NUMERIC.fullmatch(piece.rstrip(".)")) for piece in (words[:1] + cells)]
    if _NO_NAME.search(text) or any(numeric) or not re.search(r"[^\W\d_]", text):
        return None
    # Alone, ``2.sky`` may be a number and a name.
    return None if alone and re.match(r"\d+\s*[.)]", text) else text


def _parse_table(lines: Sequence[str]) -> list[Entry] | None:
    """Read a table whose first line names its columns; ``None`` for what is none."""
    delimiter = next((each for each in "\t;," if each in lines[0]), None)
    if delimiter == "\t":
        # Some align their columns with several tabs, or with spaces as well.
        lines = [re.sub(r"\s*\t\s*", "\t", line) for line in lines]
    if delimiter is None or (delimiter == "\t" and "  " in lines[0]):
        rows = [line.split(None, len(lines[0].split()) - 1) for line in lines]
    else:
        rows = [[c.strip() for c in row] for row in csv.reader(lines, delimiter=delimiter)]
    header = [column(cell) for cell in rows[0]]
    at = {column: index for index, column in reversed(list(enumerate(header)))}
    if len(header) < 2 or len(at) < len(header):
        return None
    cells = [row for row in rows[1:] if len(row) == len(header)]
    if not cells:
        return None

    def choose(columns: Iterable[str], fits: Callable[[str], bool]) -> int | None:
        there = (at[column] for column in columns if column in at)
        return next((c for c in there if all(fits(row[c]) for row in cells)), None)

    numbers = {tuple(row[at[c]] for row in cells): c for c in NUMBER_COLUMNS if c in at}
    if len(numbers) > 1:
        raise ValueError(
            f"has several columns of numbers ({', '.join(numbers.values())}): leave that of the "
            "label PNGs"
        )
    number = choose([*NUMBER_COLUMNS, *EITHER_COLUMNS], lambda c: bool(INTEGER.fullmatch(c)))
    name = choose([*NAME_COLUMNS, *EITHER_COLUMNS], lambda c: not INTEGER.fullmatch(c))
    three = next(
        ([at[c] for c in color] for color in _COLOR_COLUMNS if at.keys() >= {*color}), None
    )
    one = next((at[c] for c in ONE_COLOR_COLUMN if c in at), None)
    if one is not None and not any(is_color(row[one]) for row in cells):
        one = None  # Colors in words.
    if name is None or (number is None and three is None and one is None):
        return None
    if len(rows) < len(lines):
        raise ValueError("has a quoted cell that goes on in the next line: correct it")
    entries = []
    for line, row in zip(lines[1:], rows[1:], strict=True):
        color = " ".join(row[c] for c in three or ([] if one is None else [one]) if c < len(row))
        if len(row) != len(header) or not row[name] or (color and not is_color(color)):
            raise ValueError(f"has a row {line!r} that does not fit its header: correct it")
        value = None if number is None else int(row[number])
        entries.append(Entry(row[name], value, parse_color(color) if color else None))
    return entries


def _parse_items(text: str) -> list[Entry]:
    """Read a pbtxt file: ``item { id: 3 name: 'sky' }``; ``display_name`` goes before ``name``."""
    text = re.sub(r"(?m)^\s*#.*$", "", text).strip()
    entries = []
    end = 0
    while end < len(text):
        item = _ITEM.match(text, end)
        found = list(_FIELD.finditer(item["content"])) if item else []
        fields = {
            each["key"]: re.sub(r"\\(.)", r"\1", each["text"] or "") or each["bare"]
            for each in found
        }
        name = fields.get("display_name") or fields.get("name")
        known = name and str(fields.get("id", "")).isdecimal() and len(fields) == len(found)
        if item is None or not name or not known:
            line = text.count("\n", 0, end) + 1
            raise ValueError(
                f"has an item (line {line}) that is not of the form "
                "`item { id: 1 name: 'cat' }`: correct it"
            )
        entries.append(Entry(name, int(fields["id"])))
        end = item.end()
    return entries
