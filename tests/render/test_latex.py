from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, to_json, to_text
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.latex import bibtex, cited, commented, escaped, latex_table
from ccx_cli.runs.references import CLUSTERED, COMPOSITIONAL

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

NAMES = {1: "tall_grass", 2: "50% cut & dry", 3: "blue-c"}


def _record(
    formula: Formula | None, cluster: int = 0, unit: int = 4, names: Mapping[int, str] = NAMES
) -> ExplanationRecord:
    return explanation(
        unit,
        cluster,
        range=[2.5e-5, None],
        formula=None if formula is None else to_text(formula, names.__getitem__),
        labels=None if formula is None else to_json(formula),
        iou=0.12345,
        mcc=-0.0123,
        lift=12.3,
    )


def test_a_row_typesets_range_formula_and_measures() -> None:
    formula = And(Or(Concept(1), Concept(2)), Not(Concept(3)))
    table = latex_table("Found.", [_record(formula)], {})
    assert (
        r"4 & 0 & $(2.5\cdot 10^{-5}, \infty)$ & "
        r"(\textsc{tall\_grass} $\vee$ \textsc{50\% cut \& dry}) "
        r"$\wedge$ $\neg$\,\textsc{blue{-}c} & 0.1235 & $-$0.012 & 12$\times$ \\"
    ) in table.splitlines()
    assert r"Unit & Range & Activation & Formula & IoU & MCC & Lift \\" in table
    assert r"\begin{tabularx}{\linewidth}{@{}rrr>{\raggedright\arraybackslash}Xrrr@{}}" in table
    assert "\\caption{Found.}\n" in table


def test_a_range_that_holds_zero_is_marked_and_said_to_be_skipped() -> None:
    skipped = replace(_record(None), range=[-0.5, 0.25], skipped=True)
    table = latex_table("", [replace(_record(None), range=[None, 1]), skipped], {})
    assert r"4 & 0 & $(-\infty, 1) \ni 0$ & -- & -- & " in table
    assert r"0 & $(-0.5, 0.25) \ni 0$ & \emph{holds zero, skipped} & -- & " in table


def test_a_narrow_table_has_no_ends_of_ranges_and_q_values_where_they_are_known() -> None:
    records = [_record(Concept(3), cluster) for cluster in range(2)]
    table = latex_table("", records, {(4, 0): 0.012}, width=3.25)
    assert r"Unit & Range & Formula & IoU & MCC & Lift & $q$ \\" in table
    assert r"{@{}rr>{\raggedright\arraybackslash}Xrrrr@{}}" in table
    rows = [line for line in table.splitlines() if "blue" in line]
    assert [row.split(" & ")[-1] for row in rows] == [r"0.012 \\", r"-- \\"]
    assert [row.split(" & ")[0] for row in rows] == ["4", ""]


def test_stability_has_a_column_where_it_is_known() -> None:
    records = [_record(Concept(3), cluster) for cluster in range(2)]
    table = latex_table("", records, {(4, 0): 0.012}, stability={(4, 1): 0.5})
    assert r"Lift & $q$ & Stability \\" in table
    rows = [line for line in table.splitlines() if "blue" in line]
    assert [row.split(" & ")[-2:] for row in rows] == [["0.012", r"-- \\"], ["--", r"0.50 \\"]]


def test_ranges_and_units_without_a_formula_have_rows() -> None:
    table = latex_table("", [replace(_record(None), mcc=None), explanation(5, None)], {})
    assert r"4 & 0 & $(2.5\cdot 10^{-5}, \infty)$ & -- & -- & -- & 12$\times$ \\" in table
    assert r"\addlinespace" in table
    assert r"5 & -- & -- & \emph{never fires} & -- & -- & -- \\" in table


@pytest.mark.parametrize(("count", "environment"), [(40, "tabularx"), (41, "xltabular")])
def test_a_long_table_breaks_across_pages(count: int, environment: str) -> None:
    table = latex_table("", [_record(Concept(3), cluster) for cluster in range(count)], {})
    assert rf"\begin{{{environment}}}{{\linewidth}}" in table
    assert len(re.findall(r" & 0\.1235 & ", table)) == count
    opened = re.findall(r"\\begin\{(\w+)\}", table)
    assert opened[::-1] == re.findall(r"\\end\{(\w+)\}", table)


@pytest.mark.parametrize(("name", "is_more"), [("Zürich", False), ("日本", True)])
def test_letters_that_plain_latex_lacks_are_told(name: str, is_more: bool) -> None:
    record = _record(Concept(1), names={1: name})
    assert ("LuaLaTeX" in latex_table("", [record], {})) == is_more


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
@pytest.mark.parametrize("count", [3, 50])
def test_latex_takes_the_table(count: int, tmp_path: Path) -> None:
    names = NAMES | {1: 'a\\b{c}$d$_e^f~g#h&i%j--k<l>|"Zürich'}
    formula = And(Concept(1), Not(Or(Concept(2), Concept(3))))
    records = [_record(formula, cluster, names=names) for cluster in range(count)]
    table = latex_table(cited([CLUSTERED]), records, {(4, 0): 0.012})
    text = "\n".join(
        [
            r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,xltabular}",
            rf"\begin{{document}}{table}\end{{document}}",
        ]
    )
    (tmp_path / "a.tex").write_text(text, encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "a.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_no_letter_is_left_for_latex_to_obey() -> None:
    text = escaped('a\\b{c}$d$_e^f~g#h&i%j--k<l>|"')
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\{-\}", "", text)
    assert plain == "abcdefghijkl"


def test_papers_are_cited_and_listed_in_the_order_of_their_keys() -> None:
    papers = [COMPOSITIONAL, CLUSTERED]
    assert cited(papers) == r"\cite{larosa2023clustered,mu2020compositional}"
    entries = bibtex(papers)
    assert re.findall(r"^@\w+\{(\w+),$", entries, re.MULTILINE) == [
        CLUSTERED.key,
        COMPOSITIONAL.key,
    ]
    assert all(line.startswith("%") for line in commented(entries).splitlines())
