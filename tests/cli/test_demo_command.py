"""``ccx demo``, and ``ccx explain`` on the demo's data set."""

from __future__ import annotations

import json
import shlex
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

DEMO = ["--model", "demo", "--subset", "demo"]


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after ``ccx demo``."""
    data = tmp_path_factory.mktemp("demo")
    lines = ["-f", "jsonl", "-o", str(data / "shown.jsonl")]
    assert main(["demo", "-q", "--data-dir", str(data), *lines]) == 0
    return data


@pytest.fixture
def demo(demo_data: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line over it."""
    return CommandLine(demo_data, capsys)


def test_the_best_range_of_the_best_units(demo: CommandLine) -> None:
    shown = [json.loads(line) for line in (demo.data / "shown.jsonl").read_text().splitlines()]
    assert len(shown) == 12
    assert len({record["unit"] for record in shown}) == 12
    mccs = [record["mcc"] for record in shown]
    assert mccs == sorted(mccs, reverse=True)
    every = demo("explain", *DEMO, "-f", "jsonl", "-q").lines
    assert {record["unit"] for record in every} == set(range(48))
    assert mccs[0] == max(record["mcc"] for record in every)


def test_the_table_is_sorted_by_the_mcc_that_it_shows(demo: CommandLine) -> None:
    rows = [line for line in demo("demo", "-q").out.splitlines() if line.startswith("│")]
    mccs = [float(row.split("│")[5]) for row in rows]
    assert len(mccs) == 12
    assert mccs == sorted(mccs, reverse=True)


def test_the_worked_example_of_the_readme(demo: CommandLine) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| 42 "))
    cells = [cell.strip(" `") for cell in row.strip("|").split("|")]
    first = demo("explain", *DEMO, "--units", "42", "-q").out.splitlines()[4]
    assert cells == [cell.strip() for cell in first.strip("│").split("│")]
    found = demo("explain", *DEMO, "--units", "42", "-f", "jsonl", "-q").lines[-1]
    assert found["proven"]
    (measured,) = demo("metrics", "--units", "42", "--no-label-masking", "-f", "jsonl", "-q").lines[
        4:5
    ]
    both = measured["activation_coverage"] * found["hits"]
    formula = both / measured["detection_accuracy"]
    pixels = 288 * 112 * 112
    shares = formula / pixels, found["hits"] / pixels
    by_chance = shares[0] * shares[1] / (shares[0] + shares[1] - shares[0] * shares[1])
    assert f"{formula:,.0f} of the {pixels:,} labeled pixels" in " ".join(readme.split())
    assert f"an IoU of {by_chance:.4f}" in " ".join(readme.split())
    assert f"{found['iou'] / by_chance:.1f} times better" in " ".join(readme.split())


def test_a_second_time_nothing_is_done_twice(demo: CommandLine) -> None:
    before = demo.file("results/*/explanations.jsonl").read_bytes()
    ended = demo("demo")
    assert ended.code == 0
    assert "The 12 units whose formulas say most" in ended.out
    for work in ("Concept index", "Activations", "Explanations"):
        assert work not in ended.err
    assert demo.file("results/*/explanations.jsonl").read_bytes() == before


def test_the_next_command_works_as_it_is_told(
    demo: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told,) = [line for line in demo("demo").err.splitlines() if line.startswith("Next: ")]
    browse, report = map(shlex.split, told.removeprefix("Next: ").split(", or "))
    assert browse == ["ccx", "tui", "--data-dir", str(demo.data)]
    assert report[:4] == ["ccx", "render", "--html", "report.html"]
    monkeypatch.chdir(tmp_path)
    assert main([*report[1:], "--units", "42", "-q"]) == 0
    assert (tmp_path / "report.html").exists()


def test_a_file_gets_what_stdout_would(demo: CommandLine, tmp_path: Path) -> None:
    assert demo("demo", "-f", "csv", "-o", str(tmp_path / "demo.csv"), "-q").code == 0
    assert (tmp_path / "demo.csv").read_text() == demo("demo", "-f", "csv", "-q").out


def test_the_report_is_written_and_opened_where_there_is_a_display(
    demo: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def is_opened(page: str) -> bool:
        opened.append(page)
        return True

    monkeypatch.setattr(webbrowser, "open", is_opened)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    ended = demo("demo", "--open-report")
    page = demo.file("results/*/report.html")
    assert ended.code == 0
    assert page.as_uri() in ended.err
    assert opened == []
    assert b'id="unit-47"' in page.read_bytes()
    monkeypatch.setenv("DISPLAY", ":0")
    assert "No browser" not in demo("demo", "--open-report").err
    assert opened == [page.as_uri()]


@pytest.mark.slow
def test_a_large_untrained_network_on_the_demo_set(demo: CommandLine) -> None:
    given = ["--model", "resnet18", "--subset", "demo", "--pretrained", "none"]
    ended = demo("explain", *given, "--random-units", "2", "-f", "jsonl")
    assert ended.code == 0
    assert sorted({record["unit"] for record in ended.lines}) == [394, 430]
    assert "2 of 512 units explained" in ended.err
    shape = json.loads(demo.file("results/resnet18-*/header.json").read_text())["about"]
    assert (shape["images"], shape["units"], shape["layer"]) == (288, 512, "layer4")
