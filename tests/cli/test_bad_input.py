"""Wrong inputs of every kind: the exact sentence and the exit code that a user gets."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli import wrong_files, wrong_options
    from tests.cli.command_line import ON_TINY, CommandLine
    from tests.cli.spoilt_inputs import RAN, Place, Wrong
else:
    import wrong_files
    import wrong_options
    from command_line import ON_TINY, CommandLine
    from spoilt_inputs import RAN, Place, Wrong

TABLE = {
    "options": wrong_options.OPTIONS,
    "formulas": wrong_options.FORMULAS,
    "csvs": wrong_files.CSV,
    "pngs": wrong_files.PNGS,
    "checkpoints": wrong_files.CHECKPOINTS,
    "activations": wrong_files.ACTIVATIONS,
    "settings": wrong_files.SETTINGS,
    "results": wrong_files.RESULTS,
    "imports": wrong_files.IMPORTS,
}
ROWS = [
    pytest.param(wrong, id=f"{kind}-{number}: {wrong.words}")
    for kind, rows in TABLE.items()
    for number, wrong in enumerate(rows)
]


def test_the_table_is_long() -> None:
    assert len(ROWS) >= 60


@pytest.mark.parametrize("wrong", ROWS)
def test_it_is_refused_in_one_exact_sentence(
    wrong: Wrong, ccx: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(ccx.data, tmp_path / "here")
    place.here.mkdir()
    monkeypatch.chdir(place.here)
    run = place.stored("header.json").parent.name
    wrong.spoil(place)
    if wrong.stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wrong.stdin)))
    words = wrong.words.replace("TINY", shlex.join(ON_TINY)).replace("{data}", str(ccx.data))
    ended = ccx(*shlex.split(words))
    sentence = wrong.sentence.replace("{data}", str(ccx.data)).replace("{run}", run)
    begin, _, end = sentence.replace("{here}", str(place.here)).partition("{library}")
    assert (ended.code, ended.out) == (wrong.code, "")
    assert ended.err.startswith(f"Error: {begin}")
    assert ended.err.removeprefix(f"Error: {begin}").endswith(f"{end}\n")
    assert ended.err == f"Error: {begin}\n" or "{library}" in wrong.sentence
    # Where the malicious ones would write.
    assert not (place.here / RAN).exists()
