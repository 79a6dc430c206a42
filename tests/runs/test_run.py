from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record, to_json
from ccx_cli.records.lines import json_line
from ccx_cli.runs.lookup import find_run, find_runs
from ccx_cli.runs.run import (
    DAMAGED_HEADER,
    HEADER,
    LINES,
    DamagedHeaderError,
    Run,
)
from ccx_cli.version import __version__

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

IDENTITY = {"layer": "layer4", "search": {"length": 3, "beam_limit": 5}}


def lines(unit: int, num_ranges: int = 2, clusters: range | None = None) -> list[ExplanationRecord]:
    """A unit's lines, all of them or some clusters'."""
    text = {"formula": "Bäume OR sky", "labels": ["OR", 1, 2]}
    return [
        explanation(unit, cluster, num_ranges=num_ranges, **text)
        for cluster in clusters or range(num_ranges)
    ]


def silent(unit: int) -> ExplanationRecord:
    """The one line of a unit without ranges."""
    return explanation(unit, None)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run", IDENTITY)


def append_raw(run: Run, content: bytes) -> None:
    with (run.directory / LINES).open("ab") as opened:
        opened.write(content)


def test_a_run_is_named_by_what_its_lines_depend_on(tmp_path: Path) -> None:
    run = Run.named(tmp_path, "resnet18-layer4", IDENTITY)
    again = Run.named(tmp_path, "resnet18-layer4", dict(reversed(IDENTITY.items())))
    other = Run.named(tmp_path, "resnet18-layer4", IDENTITY | {"layer": "layer3"})
    assert run.directory == again.directory
    assert run.directory != other.directory
    assert run.directory.parent == tmp_path
    assert run.directory.name.startswith("resnet18-layer4-")


def test_a_run_without_lines_has_no_finished_units(run: Run) -> None:
    assert run.lines.finished() == {}
    run.lines.drop_torn_line()
    assert list(run.directory.iterdir()) == []


def test_finished_units_are_read_by_number_with_their_clusters_in_order(run: Run) -> None:
    run.lines.append(lines(7))
    run.lines.append([silent(3)])
    run.lines.append(lines(1, num_ranges=1))
    assert list(run.lines.finished().items()) == [
        (1, lines(1, num_ranges=1)),
        (3, [silent(3)]),
        (7, lines(7)),
    ]


def test_a_line_is_json_that_grep_can_read() -> None:
    (record,) = lines(4, num_ranges=1)
    assert json_line(record) == (
        '{"unit": 4, "layer": "layer4", "cluster": 0, "num_clusters": 2, "num_ranges": 1, '
        '"range": [0.5, 1.5], "hits": 7, "formula": "Bäume OR sky", "iou": 0.25, "length": 2, '
        '"search": "beam", "visited": 3, "labels": ["OR", 1, 2], "by_length": []}\n'
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        json_line(replace(record, iou=float("nan")))


def test_a_unit_that_lacks_a_line_is_not_finished(run: Run) -> None:
    run.lines.append(lines(1))
    run.lines.append(lines(2, num_ranges=3, clusters=range(2)))
    assert run.lines.finished() == {1: lines(1)}
    run.lines.append(lines(2, num_ranges=3))
    assert run.lines.finished() == {1: lines(1), 2: lines(2, num_ranges=3)}


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_clusters_stay_in_order_when_a_deleted_line_was_explained_anew(run: Run, lost: int) -> None:
    run.lines.append([record for record in lines(5, num_ranges=4) if record.cluster != lost])
    assert run.lines.finished() == {}
    run.lines.append(lines(5, num_ranges=4))
    assert run.lines.finished()[5] == lines(5, num_ranges=4)


def test_the_later_line_of_a_cluster_holds(run: Run) -> None:
    run.lines.append([replace(lines(1, num_ranges=1)[0], iou=0.1)])
    run.lines.append([replace(lines(1, num_ranges=1)[0], iou=0.2)])
    assert [record.iou for record in run.lines.finished()[1]] == [0.2]


class Hits(Record):
    """One key of a line."""

    hits: int


def test_records_are_read_when_they_are_asked_for_and_in_part(run: Run) -> None:
    run.lines.append(reversed([*lines(5), *lines(2)]))
    assert list(run.units) == [2, 5]
    assert dict(run.units) == {2: lines(2), 5: lines(5)}
    assert run.units[2] is not run.units[2]
    assert [each.hits for each in run.records_as(Hits)] == [each.hits for each in run.records]
    assert run.only([5]) == {5: lines(5)}


def test_a_file_that_was_changed_while_it_is_read_is_named(run: Run) -> None:
    run.lines.append(lines(0))
    units = run.units
    (run.directory / LINES).write_text("x" * 5000 + "\n")
    with pytest.raises(DamagedDataError, match="was changed"):
        units[0]


@pytest.mark.parametrize("kept", [1, 20, -2, -1])
def test_a_torn_last_line_is_not_read_and_is_cut_off(run: Run, kept: int) -> None:
    run.lines.append(lines(1))
    whole = (run.directory / LINES).read_bytes()
    append_raw(run, json_line(lines(2, num_ranges=1)[0]).encode()[:kept])
    assert run.lines.finished() == {1: lines(1)}
    run.lines.drop_torn_line()
    assert (run.directory / LINES).read_bytes() == whole
    run.lines.append(lines(2))
    assert run.lines.finished() == {1: lines(1), 2: lines(2)}


def test_a_file_that_is_one_torn_line_becomes_empty(run: Run) -> None:
    append_raw(run, b'{"unit": 1, "clu')
    run.lines.drop_torn_line()
    assert (run.directory / LINES).read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"[]\n",
        b"7\n",
        b'{"unit": "1", "cluster": 0, "num_ranges": 1}\n',
        b'{"unit": 1, "cluster": 0}\n',
        b'{"unit": 1, "num_ranges": 1}\n',
        b"\xff\xfe\n",
        b"\0\0\0\0\n",
    ],
)
def test_a_damaged_line_in_the_middle_is_named(run: Run, line: bytes) -> None:
    run.lines.append(lines(1))
    append_raw(run, line)
    run.lines.append(lines(2))
    with pytest.raises(DamagedDataError) as raised:
        run.lines.finished()
    text = str(raised.value)
    assert text.startswith(f"{run.directory / LINES}, line 3 is damaged (")
    assert text.endswith(
        "): delete that line and run the command again, which computes its unit again."
    )


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
_KEYS = ("unit", "cluster", "num_ranges", "range", "iou", "formula", "hits", "length")
_LINES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(_KEYS), _VALUES).map(json.dumps).map(str.encode),
    st.fixed_dictionaries(
        {"unit": st.integers(-1, 2), "cluster": st.integers(0, 2), "num_ranges": st.integers(0, 3)},
        optional=dict.fromkeys(_KEYS[3:], _VALUES),
    )
    .map(lambda some: json.dumps({**to_json(lines(0)[0]), **some}))
    .map(str.encode),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_LINES, max_size=6), st.sampled_from([b"", b"\n"]))
def test_any_lines_are_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, written: list[bytes], end: bytes
) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    append_raw(run, b"\n".join(written) + end)
    said = f"{run.directory / LINES}, line "
    finished: Mapping[int, list[ExplanationRecord]] = {}
    try:
        finished = run.lines.finished()
    except DamagedDataError as error:
        said = str(error)
    assert said.startswith(f"{run.directory / LINES}, line ")
    for unit, records in finished.items():
        assert {record.unit for record in records} == {unit}
        assert len(records) == max(1, records[0].num_ranges)
    run.lines.drop_torn_line()
    content = (run.directory / LINES).read_bytes()
    assert content == b"" or content.endswith(b"\n")


_HEADERS = st.one_of(
    st.binary(max_size=60),
    st.fixed_dictionaries(
        {"format": st.just("ccx-results"), "version": st.sampled_from([1, 2, "1"])},
        optional=dict.fromkeys(("identity", "about", "sessions"), _VALUES),
    )
    .map(json.dumps)
    .map(str.encode),
)


@given(_HEADERS)
def test_any_header_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    (run.directory / HEADER).write_bytes(content)
    said = str(run.directory / HEADER)
    try:
        assert run.raw_header()["format"] == "ccx-results"
    except CcxError as error:
        said = str(error)
    assert str(run.directory / HEADER) in said


def test_a_header_gathers_sessions(run: Run) -> None:
    assert run.raw_header() == {}
    run.begin_session({"units": 48}, {"command": "ccx explain"})
    run.end_session(units=48)
    run.begin_session({"units": 50}, {"command": "ccx explain --units 1"})
    header = json.loads((run.directory / HEADER).read_text())
    assert header == run.raw_header()
    assert (header["format"], header["version"]) == ("ccx-results", 1)
    assert header["identity"] == IDENTITY
    assert header["about"] == {"units": 50}
    first, second = header["sessions"]
    assert first["program"] == second["program"] == __version__
    assert (first["command"], first["units"]) == ("ccx explain", 48)
    assert first["started"] <= first["finished"] <= second["started"]
    assert "finished" not in second


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"format": "ccx-results", "version": 1, "sessions": [], "identity": {"layer": "layer5"}}',
    ],
)
def test_a_damaged_header_is_named_and_the_next_session_writes_another(
    run: Run, content: bytes
) -> None:
    (run.directory / HEADER).write_bytes(content)
    run.lines.append(lines(1))
    with pytest.raises(DamagedHeaderError) as raised:
        run.raw_header()
    assert str(raised.value) == (
        f"{run.directory / HEADER} is damaged: run the `ccx explain` that made it again, which "
        "writes it again and keeps the lines."
    )
    assert not run.has_header()
    run.begin_session({"units": 50}, {"command": "ccx explain"})
    assert run.raw_header()["identity"] == IDENTITY
    assert run.lines.finished() == {1: lines(1)}
    assert (run.directory / DAMAGED_HEADER).read_bytes() == content


def test_a_header_of_another_version_is_left_alone(run: Run) -> None:
    content = b'{"format": "ccx-results", "version": 2}'
    (run.directory / HEADER).write_bytes(content)
    with pytest.raises(DamagedDataError) as raised:
        run.begin_session({}, {})
    assert str(raised.value) == (
        f"{run.directory / HEADER} is not a header of this version of ccx: move {run.directory} "
        "away and run the command again."
    )
    assert (run.directory / HEADER).read_bytes() == content


def test_what_was_appended_survives_a_kill(run: Run) -> None:
    program = (
        "import os, sys; from pathlib import Path; from ccx_cli.runs.run import Run\n"
        "from explanations import explanation\n"
        "run = Run(Path(sys.argv[1]))\n"
        "for unit in range(3): run.lines.append([explanation(unit, None)])\n"
        "os._exit(9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(run.directory)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == 9
    assert list(run.lines.finished()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("resnet81-layer4", ", did you mean resnet18-layer4-places-k5-optimal3-a6?"),
        ("resnet81", ", did you mean resnet18-layer4-places-k5-optimal3-a6?"),
        ("zzz", ": there are resnet18-layer4-places-k5-optimal3-a6, vgg16-features-k1-beam3-b7."),
    ],
)
def test_a_mistyped_run_gets_the_nearest_ones(tmp_path: Path, asked: str, sentence: str) -> None:
    for name in ("vgg16-features-k1-beam3-b7", "resnet18-layer4-places-k5-optimal3-a6"):
        (tmp_path / name).mkdir()
        (tmp_path / name / HEADER).write_text("{}")
        os.utime(tmp_path / name / HEADER, (0, len(name)))
    with pytest.raises(MissingInputError) as raised:
        find_run(tmp_path, asked)
    assert str(raised.value) == f"There is no run {asked} in {tmp_path}{sentence}"


def test_several_runs_of_a_name(tmp_path: Path) -> None:
    layers = {"net-a": "features.9", "net-b": "features.10", "net-untrained": "features.1"}
    for name, layer in layers.items():
        about = {"layer": layer, "made_for": "net-a" if name == "net-untrained" else None}
        (tmp_path / name).mkdir()
        header = {"format": "ccx-results", "version": 1, "about": about, "identity": {}}
        (tmp_path / name / HEADER).write_text(json.dumps({**header, "sessions": []}))

    def found(*names: str) -> list[str]:
        return [run.name for run in find_runs(tmp_path, names)]

    assert found("net") == found("net-*") == found("ne?-[ab]") == ["net-a", "net-b"]
    assert found("net-b", "net", str(tmp_path / "net-b")) == ["net-b", "net-a"]
    assert found("net-u", "net-b") == ["net-untrained", "net-b"]
    with pytest.raises(MissingInputError, match="There is no run x"):
        found("net", "x*")
    with pytest.raises(UsageError, match=r"may be net-\S+ or net-\S+ or net-\S+: write more"):
        find_run(tmp_path, "net-*")


def test_a_run_of_many_names_says_how_many_it_leaves_out(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"net-{n}").mkdir()
        (tmp_path / f"net-{n}" / HEADER).write_text("{}")
    with pytest.raises(UsageError, match=r"or net-\d or 2 more: .* `ccx info --all` lists them"):
        find_run(tmp_path, "net")


def test_a_run_where_there_is_none_gets_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="`ccx explain` makes one, and `ccx demo`"):
        find_run(tmp_path, "demo")
