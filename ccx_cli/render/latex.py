"""Explanations as a LaTeX table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.records.header import Header
from ccx_cli.render.wording import network_text
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
_COLUMNS = r"@{}rrrp{0.38\linewidth}r@{}"
_HEADER = r"Unit & Range & Activation & Formula & IoU \\"


def latex_table(
    header: Header,
    units: Mapping[int, Sequence[ExplanationRecord]],
    references: Sequence[Reference],
) -> str:
    """Write the explanations of units as a ``tabular``, or a ``longtable`` if they exceed a page.

    The caption names the network of the run's ``header``, and cites ``references``.
    """
    rows = list(_rows(units))
    caption = f"Explanations of {escaped(network_text(header)) or 'the units'}"
    if references:
        caption += rf"~\cite{{{','.join(each.key for each in references)}}}"
    head = [r"\toprule", _HEADER, r"\midrule"]
    needs = r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs"
    needs += ",longtable}." if len(rows) > _ROWS_PER_PAGE else "}."
    if any(ord(letter) > _LAST_IN_T1 for row in rows for letter in row):
        needs += " The names need LuaLaTeX or XeLaTeX and a font with their characters."
    if len(rows) > _ROWS_PER_PAGE:
        lines = [
            rf"\begin{{longtable}}{{{_COLUMNS}}}",
            rf"\caption{{{caption}.}} \label{{tab:explanations}} \\",
            *head,
            r"\endfirsthead",
            *head,
            r"\endhead",
            *rows,
            r"\bottomrule",
            r"\end{longtable}",
        ]
    else:
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}.}}",
            r"\label{tab:explanations}",
            r"\smallskip",
            rf"\begin{{tabular}}{{{_COLUMNS}}}",
            *head,
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join([needs, *lines])


def _rows(units: Mapping[int, Sequence[ExplanationRecord]]) -> Iterator[str]:
    for index, (unit, records) in enumerate(units.items()):
        if index:
            yield r"\addlinespace"
        names = names_of(records)
        for row, record in enumerate(records):
            label = str(unit) if row == 0 else ""
            if record.range is None:
                yield rf"{label} & -- & -- & \emph{{never fires}} & -- \\"
                continue
            cells = (
                label,
                str(record.cluster),
                _range(*record.range),
                r"\raggedright " + (_typeset(record.tree, names) if record.tree else "--"),
                f"{record.iou:.4f}",
            )
            yield " & ".join(cells) + r" \\"


def _range(lower: float | None, upper: float | None) -> str:
    ends = (
        r"-\infty" if lower is None else _number(lower),
        r"\infty" if upper is None else _number(upper),
    )
    return f"$({ends[0]}, {ends[1]})$"


def _number(value: float) -> str:
    digits, _, power = f"{value:.4g}".partition("e")
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


def bibtex(references: Sequence[Reference]) -> str:
    """Write BibTeX entries, separated by blank lines."""
    return "\n\n".join(reference.bibtex for reference in references)


def commented(text: str) -> str:
    """Write a text as LaTeX comments."""
    return "\n".join(f"% {line}".rstrip() for line in text.splitlines())
