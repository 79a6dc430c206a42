"""The table that ``ccx render --format latex`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.options import OutputOptions
from ccx_cli.cli.output import check_free, write_document
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress
from ccx_cli.render.latex import bibtex, commented, latex_table
from ccx_cli.runs.references import references_of
from ccx_cli.runs.viewed import ViewedRun


def write_table(
    run: ViewedRun, chosen: Sequence[int], out: OutputOptions, bib: Path | None, progress: Progress
) -> None:
    """Write the table to stdout or a file, and the BibTeX after it or to a file of its own."""
    references = references_of(run.about, run.identity)
    table = latex_table(run.about, {unit: run.units[unit] for unit in chosen}, references)
    entries = bibtex(references)
    if bib is None:
        table += f"\n\n{commented(entries)}"
    elif bib.absolute() == Path(out.output).absolute():
        raise UsageError(f"--output and --bib are both {bib}: name two files.")
    else:
        if out.output != "-":
            check_free(Path(out.output), out.force)
        write_document(replace(out, output=str(bib)), entries)
        progress.note(f"BibTeX: {bib}")
    write_document(out, table)
    if out.output != "-":
        progress.note(f"Table: {out.output}")
