from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.records.fields import to_json
from ccx_cli.records.lines import json_line
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import HEADER, LINES, Run
from ccx_cli.store.paths import resolve_roots

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation


def _line(unit: int, cluster: int, **other: Any) -> dict[str, Any]:
    return {**to_json(explanation(unit, cluster)), **other}


def _write(directory: Path, *lines: dict[str, Any], **header: Any) -> None:
    directory.mkdir(exist_ok=True)
    whole = {
        "format": "ccx-results",
        "version": 1,
        "identity": {},
        "about": {"units": 2},
        "sessions": [{"started": "then", "finished": "later"}],
    }
    (directory / HEADER).write_text(json.dumps(whole | header))
    (directory / LINES).write_text("".join(json_line(line) for line in lines))


def _view(directory: Path) -> Run:
    return Run(directory, shown=True)


def _inputs(directory: Path) -> RunInputs:
    return RunInputs(_view(directory), resolve_roots(directory / "data"))


def test_whole_run_is_shown_without_a_word(tmp_path: Path) -> None:
    lines = [_line(unit, cluster) for unit in (1, 0) for cluster in (1, 0)]
    _write(tmp_path, *lines)
    found = _view(tmp_path)
    assert found.notes == ()
    assert list(map(to_json, found.records)) == [
        _line(unit, cluster) for unit in (0, 1) for cluster in (0, 1)
    ]


def test_last_line_of_a_range_counts(tmp_path: Path) -> None:
    lines = [_line(0, 0, hits=1), _line(0, 1), _line(0, 0, hits=2)]
    _write(tmp_path, *lines, about={"units": 1})
    assert [record.hits for record in _view(tmp_path).units[0]] == [2, 7]


def test_unfinished_run_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    _write(tmp_path, _line(0, 0), sessions=[{"started": "then"}])
    with (tmp_path / LINES).open("a") as lines:
        lines.write('{"unit": 1, "clus')
    found = _view(tmp_path)
    assert list(found.units) == [0]
    assert found.notes == (
        "The last line of explanations.jsonl is torn: the next run finishes its unit.",
        "Units with missing ranges: 1 (0).",
        "1 of the layer's 2 units are explained.",
        "The last session did not finish: the same command resumes it.",
    )


def test_run_that_is_being_written_says_so(tmp_path: Path) -> None:
    lines = [_line(unit, cluster) for unit in (0, 1) for cluster in (0, 1)]
    _write(tmp_path, *lines, sessions=[{"started": "then"}])
    with FileLock(tmp_path / ".lock"):
        notes = _view(tmp_path).notes
    assert notes == ("Another ccx is writing to it right now.",)


@pytest.mark.parametrize(
    "damage",
    [
        {"unit": -1},
        {"unit": True},
        {"hits": "many"},
        {"iou": None},
        {"cluster": "first"},
        {"range": [1]},
        {"range": None},
        {"range": ["low", 2]},
        {"formula": None},
        {"formula": 5},
        {"formula": "sky"},
        {"labels": ["XOR", 1, 2]},
        {"labels": None},
    ],
)
def test_damaged_line_is_left_out(tmp_path: Path, damage: dict[str, Any]) -> None:
    good = [_line(unit, cluster) for unit in (0, 1) for cluster in (0, 1)]
    _write(tmp_path, *good, {**_line(1, 1), **damage})
    found = _view(tmp_path)
    assert list(map(to_json, found.records)) == good
    assert found.notes == (
        "explanations.jsonl has 1 damaged line (5), left out: delete them and run the command "
        "again.",
    )


@pytest.mark.parametrize("text", ["", "[]", "{", '{"about": 3, "sessions": {}, "identity": []}'])
def test_damaged_header_leaves_the_lines(tmp_path: Path, text: str) -> None:
    _write(tmp_path, *[_line(0, cluster) for cluster in (0, 1)])
    (tmp_path / HEADER).write_text(text)
    found = _view(tmp_path)
    assert len(found.units[0]) == 2
    assert len(found.notes) == 1
    assert HEADER in found.notes[0]
    with pytest.raises(DamagedDataError, match=r"does not have the segmentation of the run"):
        _ = _inputs(tmp_path).index


def test_other_version_is_shown_with_a_word(tmp_path: Path) -> None:
    _write(tmp_path, *[_line(u, c) for u in (0, 1) for c in (0, 1)], version=99)
    found = _view(tmp_path)
    assert len(found.units) == 2
    assert len(found.notes) == 1
    assert "of another version of ccx (ccx-results 99)" in found.notes[0]


def test_names_that_a_terminal_would_obey_are_made_harmless(tmp_path: Path) -> None:
    _write(
        tmp_path,
        *[_line(0, cluster, formula="s\x1b[31mky AND NOT sea") for cluster in (0, 1)],
        about={"units": 1, "model": "\x1b]0;x\x07"},
    )
    found = _view(tmp_path)
    assert found.units[0][0].formula == "s�[31mky AND NOT sea"
    assert found.about.model == "�]0;x�"


def test_caches_that_are_gone_are_named_with_their_command(tmp_path: Path) -> None:
    about = {
        "units": 1,
        "segmentation": str(tmp_path / "index"),
        "activations": str(tmp_path / "maps"),
        "rebuild": "ccx cache build --subset x",
    }
    _write(tmp_path, *[_line(0, cluster) for cluster in (0, 1)], about=about)
    found = _inputs(tmp_path)
    for what in ("index", "activations"):
        with pytest.raises(MissingInputError, match=r"again with `ccx cache build --subset x`"):
            getattr(found, what)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(_line(0, 0))), _json, max_size=4), st.binary())
def test_no_line_brings_it_down(
    tmp_path_factory: pytest.TempPathFactory, change: dict[str, Any], tail: bytes
) -> None:
    directory = tmp_path_factory.mktemp("run")
    _write(directory, _line(0, 0), _line(0, 1))
    with (directory / LINES).open("ab") as lines:
        lines.write(json_line({**_line(1, 0), **change}).encode(errors="replace") + tail)
    records = list(_view(directory).records)
    assert all(record.range is None or len(record.range) == 2 for record in records)
    if change.get("unit", 1) == 1:
        assert list(map(to_json, records[:2])) == [_line(0, 0), _line(0, 1)]
