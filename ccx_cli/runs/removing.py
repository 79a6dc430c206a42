"""Which files of a run are ccx's own, and which runs need a dataset, a cache or another run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ccx_cli.records.lines import BRIEF
from ccx_cli.runs.lookup import digest_of
from ccx_cli.runs.naming import NAMING
from ccx_cli.runs.run import DAMAGED_HEADER, HEADER, LINES, Run
from ccx_cli.store.digests import json_digest

_REPORT = "report.html"
_GENERATOR = b'<meta name="generator" content="ccx">'
_FILE = re.compile(
    rf"{re.escape(LINES)}|{re.escape(DAMAGED_HEADER)}|{re.escape(NAMING)}|{_REPORT}"
    rf"|{re.escape(BRIEF)}"
    r"|(ablation|importance|masking|metrics|null|roles|simulation|stability)-[0-9a-f]{8}"
    r"\.jsonl|\.lock|\..+\.part"
)


def run_files(run: Run) -> list[Path]:
    """Return the files of a run that are ccx's, the header last; none if it cannot be told.

    Of one that is damaged or renamed, all files must be named as ccx names them.
    """
    there = [path for path in sorted(run.directory.iterdir()) if not path.is_dir()]
    own = [path for path in there if _FILE.fullmatch(path.name) and _is_own(path)]
    header = [path for path in there if path.name == HEADER]
    is_named = json_digest(run.identity_key)[:10] == digest_of(run)
    is_whole = len(own) + len(header) == len(there) and (run.directory / LINES).is_file()
    return [*own, *header] if is_named or is_whole else []


def _is_own(path: Path) -> bool:
    if path.name != _REPORT:
        return True
    with path.open("rb") as file:
        return _GENERATOR in file.read(4096)


def runs_from(runs: Iterable[Run], directory: Path) -> list[Run]:
    """Return the runs that were made from a dataset or a cache, or made for a run, there."""
    name = directory.name
    return [
        run
        for run in runs
        if run.about.made_for == name
        or name in (Path(run.about.segmentation or "").name, Path(run.about.activations or "").name)
        or Path(run.about.dataset or "").absolute() == directory.absolute()
    ]
