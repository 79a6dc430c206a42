"""Explanations as a LaTeX table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import UNSET, UnsetType

from ccx_cli import design
from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.references import Reference

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "-": "{-}",  # two would become a dash
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_SPECIALS = re.compile("|".join(re.escape(letter) for letter in _SPECIAL))
_ROWS_PER_PAGE = 40
_LAST_IN_T1 = 0x17F  # the last character of the T1 encoding
_WIDE = 4.5  # inches, from which on the ends of ranges have room
_FORMULA_COLUMN = r">{\raggedright\arraybackslash}X"
_NONE = "--"

Key = tuple[int, int | None]


def latex_table(
    caption: str,
    records: Sequence[ExplanationRecord],
    q_values: Mapping[Key, float | UnsetType | None],
    width: float | None = None,
    stability: Mapping[Key, float | None] | None = None,
) -> str:
    """Write explanations as a ``tabularx``, or an ``xltabular`` if they exceed a page.

    The ``caption`` is LaTeX, and those of a unit follow each other. ``q_values`` and ``stability``
    are by unit and number of the range, for a column each if there are any; ``width`` is that of
    the text in inches: a narrow table has no ends of ranges.
    """
    wide = width is None or width >= _WIDE
    titles = ["Unit", "Range", *(["Activation"] if wide else []), "Formula", "IoU", "MCC", "Lift"]
    more: list[tuple[Mapping[Key, float | UnsetType | None], Callable[[float], str]]] = []
    if q_values:
        titles.append("$q$")
        more.append((q_values, "{:.3f}".format))
    if stability:
        titles.append("Stability")
        more.append((stability, "{:.2f}".format))
    rows = [
        rf"{' & '.join(cells)} \\" if cells else r"\addlinespace"
        for cells in _rows(records, more, wide)
    ]
    columns = "".join(_FORMULA_COLUMN if title == "Formula" else "r" for title in titles)
    head = [r"\toprule", rf"{' & '.join(titles)} \\", r"\midrule"]
    long = len(rows) > _ROWS_PER_PAGE
    needs = r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs,"
    needs += "xltabular}, and a page of one column." if long else "tabularx}."
    if any(ord(letter) > _LAST_IN_T1 for row in rows for letter in row):
        needs += " The names need LuaLaTeX or XeLaTeX and a font with their characters."
    if long:
        lines = [
            rf"\begin{{xltabular}}{{\linewidth}}{{@{{}}{columns}@{{}}}}",
            rf"\caption{{{caption}}} \label{{tab:explanations}} \\",
            *head,
            r"\endfirsthead",
            *head,
            r"\endhead",
            *rows,
            r"\bottomrule",
            r"\end{xltabular}",
        ]
    else:
        lines = [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            r"\label{tab:explanations}",
            r"\smallskip",
            rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}{columns}@{{}}}}",
            *head,
            *rows,
            r"\bottomrule",
            r"\end{tabularx}",
            r"\end{table}",
        ]
    return "\n".join([needs, *lines])


def _rows(
    records: Sequence[ExplanationRecord],
    more: Sequence[tuple[Mapping[Key, float | UnsetType | None], Callable[[float], str]]],
    wide: bool,
) -> Iterator[list[str]]:
    """Yield the cells of every row; none between two units."""
    unit = None
    for record in records:
        if unit not in (None, record.unit):
            yield []
        label = "" if record.unit == unit else str(record.unit)
        unit = record.unit
        if record.range is None:
            activation, number, formula = _NONE, _NONE, rf"\emph{{{design.NEVER_FIRES}}}"
        else:
            lower, upper = record.range
            low = r"-\infty" if lower is None else _number(lower)
            high = r"\infty" if upper is None else _number(upper)
            zero = r" \ni 0" if record.holds_zero is True else ""
            activation, number = f"$({low}, {high}){zero}$", str(record.cluster)
            none = rf"\emph{{{design.SKIPPED}}}" if record.skipped is True else _NONE
            formula = _typeset(record.tree, record.names) if record.tree else none
        measures = [
            _cell(record.iou if record.formula else None, design.iou),
            _cell(record.mcc, design.mcc),
            _cell(record.lift, design.lift),
        ]
        key = record.unit, record.cluster
        measures += [_cell(values.get(key), write) for values, write in more]
        yield [label, number, *([activation] if wide else []), formula, *measures]


def _cell(value: float | UnsetType | None, write: Callable[[float], str]) -> str:
    if value is UNSET or value is None:
        return _NONE
    return write(value).replace(design.MINUS, "$-$").replace(design.TIMES, r"$\times$")


def _number(value: float) -> str:
    if 1000 <= abs(value) < 1e6:
        return f"{value:.0f}"
    digits, _, power = f"{value:.3g}".partition("e")
    return rf"{digits}\cdot 10^{{{int(power)}}}" if power else digits


def _typeset(formula: Formula, names: Mapping[int, str]) -> str:
    match formula:
        case Concept(number):
            return rf"\textsc{{{escaped(names[number])}}}"
        case Not(operand):
            return rf"$\neg$\,{_operand(operand, names)}"
        case And(left, right):
            return rf"{_operand(left, names)} $\wedge$ {_operand(right, names)}"
        case Or(left, right):
            return rf"{_operand(left, names)} $\vee$ {_operand(right, names)}"


def _operand(formula: Formula, names: Mapping[int, str]) -> str:
    text = _typeset(formula, names)
    return text if isinstance(formula, Concept | Not) else f"({text})"


def escaped(text: str) -> str:
    """Escape a text for LaTeX."""
    return _SPECIALS.sub(lambda found: _SPECIAL[found.group()], text)


def cited(references: Iterable[Reference]) -> str:
    """Cite papers, in the order in which bibliographies sort them."""
    return rf"\cite{{{','.join(sorted(each.key for each in references))}}}"


def bibtex(references: Iterable[Reference]) -> str:
    """Write BibTeX entries in the order of their keys, separated by blank lines."""
    return "\n\n".join(each.bibtex for each in sorted(references, key=lambda each: each.key))


def commented(text: str) -> str:
    """Write a text as LaTeX comments."""
    return "\n".join(f"% {line}".rstrip() for line in text.splitlines())
