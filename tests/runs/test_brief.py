"""What is kept beside a large file of lines, against the lines themselves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccx_cli.errors import DamagedDataError
from ccx_cli.records import brief, lines
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record, to_json
from ccx_cli.records.lines import BRIEF, json_line
from ccx_cli.runs.findings import alone, simplified
from ccx_cli.runs.removing import run_files
from ccx_cli.runs.run import LINES, Run

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation


class Seen(Record):
    """Some keys of a line."""

    unit: int
    iou: float
    labels: Any


SHORT, LONG = {"formula": "sky", "labels": 3}, {"formula": "sky OR sea", "labels": ["OR", 3, 9]}


def level(length: int, iou: float, formula: dict[str, Any]) -> dict[str, Any]:
    return {"length": length, "iou": iou, "adds": 0.1, "proven": True, "mcc": iou, **formula}


def line(unit: int, cluster: int | None, short: float = 0.1, **more: Any) -> ExplanationRecord:
    """A line whose shorter formula scores ``short``; 0.25 is its own."""
    if cluster is None:
        return explanation(unit, None)
    by_length = [level(1, short, SHORT), level(2, 0.25, LONG)]
    return explanation(unit, cluster, **LONG, by_length=by_length, mcc=0.25, **more)


LINES_OF_RUNS = st.lists(
    st.builds(
        line,
        st.integers(0, 4),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([0.1, 0.249, 0.25]),
        tied=st.just([{"formula": "sea", "iou": 0.25, "labels": 9}]),
        proven=st.booleans(),
        skipped=st.just(True),
    ),
    max_size=12,
)


@pytest.fixture(autouse=True)
def _every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "LEAST_BYTES", 1)


def write(directory: Path, records: list[ExplanationRecord]) -> None:
    with (directory / LINES).open("a") as file:
        file.writelines(map(json_line, records))


def told(run: Run) -> tuple[Any, ...]:
    """All that is read of a run."""
    return (
        {unit: list(map(to_json, some)) for unit, some in run.units.items()},
        run.finished_units,
        {
            unit: [to_json(alone(simplified(each))) for each in some]
            for unit, some in run.listed.items()
        },
        [(each.unit, each.iou, each.labels) for each in run.records_as(Seen)],
        list(map(to_json, run.records)),
    )


def expected(directory: Path, *, shown: bool = False) -> tuple[Any, ...]:
    """All that is read of a run without what is kept beside the lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brief, "LEAST_BYTES", 1 << 60)
        return told(Run(directory, shown=shown))


@settings(max_examples=60, deadline=None)
@given(LINES_OF_RUNS, LINES_OF_RUNS, st.booleans())
@example(first=[], then=[], is_torn=True)
def test_what_is_kept_says_what_the_lines_say(
    first: list[ExplanationRecord], then: list[ExplanationRecord], is_torn: bool
) -> None:
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        for some in (first, then):
            write(directory, some)
            for _ in range(2):
                assert told(Run(directory)) == expected(directory)
            assert (directory / BRIEF).exists() == bool((directory / LINES).stat().st_size)
        if is_torn:
            with (directory / LINES).open("a") as file:
                file.write('{"unit": 3')
            assert told(Run(directory)) == expected(directory)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run with what is kept beside its lines."""
    write(tmp_path, [line(unit, cluster, 0.249) for unit in range(3) for cluster in range(2)])
    Run(tmp_path).lines.finished()
    assert (tmp_path / BRIEF).is_file()
    return tmp_path


def test_lines_that_are_known_are_not_decoded(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = expected(kept)
    monkeypatch.setattr(lines, "decode", None)
    run = Run(kept)
    assert run.finished_units == [0, 1, 2]
    assert [each.formula for each in map(simplified, run.listed[1])] == ["sky", "sky"]
    monkeypatch.undo()
    assert told(Run(kept)) == whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"iou": 0.25, "length"', b'"iou": 0.75, "length"'),
        (b'"unit": 1', b'"unit": 7'),
        (b'"hits": 7, ', b""),
    ],
)
def test_a_changed_line_is_noticed(kept: Path, old: bytes, new: bytes) -> None:
    path = kept / LINES
    before, content = told(Run(kept)), path.read_bytes()
    assert old in content
    rows = content.splitlines(keepends=True)
    rows[3] = rows[3].replace(old, new) if new else b""
    rows[2] = rows[2].replace(old, new) if old == b'"unit": 1' else rows[2]
    path.write_bytes(b"".join(rows))
    assert told(Run(kept)) == expected(kept) != before


def test_a_cut_file_is_noticed(kept: Path) -> None:
    path = kept / LINES
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert told(Run(kept)) == expected(kept)
    assert Run(kept).finished_units == [0]
    path.unlink()
    assert Run(kept).finished_units == []


def test_a_damaged_line_is_refused_with_its_number(kept: Path) -> None:
    with (kept / LINES).open("a") as file:
        file.write("{}\n" + json_line(line(4, 0)))
    with pytest.raises(DamagedDataError, match="line 7 is damaged"):
        Run(kept).lines.finished()
    assert "1 damaged line (7)" in "".join(Run(kept).notes)
    assert told(Run(kept)) == expected(kept)


def test_what_is_kept_is_not_read_where_it_was_damaged(kept: Path) -> None:
    path, whole = kept / BRIEF, expected(kept)
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        assert told(Run(kept)) == whole
    for size in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert told(Run(kept)) == whole


def test_another_version_does_not_read_it(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (kept / BRIEF).read_bytes()
    monkeypatch.setattr(brief, "__version__", "9.9")
    assert told(Run(kept)) == expected(kept)
    assert (kept / BRIEF).read_bytes() != before


def test_control_characters_are_replaced_on_screens(tmp_path: Path) -> None:
    record = explanation(formula='"a\x1b[2Jb"', labels=3)
    write(tmp_path, [record, explanation(cluster=1)])
    assert Run(tmp_path).listed[0][0].formula == record.formula
    for _ in range(2):
        shown = Run(tmp_path, shown=True)
        assert "\x1b" not in str(shown.listed[0][0].formula)
        assert told(shown) == expected(tmp_path, shown=True)


def test_a_directory_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(brief, "replacing", refuse)
    write(tmp_path, [line(0, 0), line(0, 1)])
    assert told(Run(tmp_path)) == expected(tmp_path)
    assert not (tmp_path / BRIEF).exists()


def test_it_is_removed_with_the_run(kept: Path) -> None:
    assert kept / BRIEF in run_files(Run(kept))


def test_small_runs_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    write(tmp_path, [line(0, 0), line(0, 1)])
    assert told(Run(tmp_path))[1] == [0]
    assert not (tmp_path / BRIEF).exists()
