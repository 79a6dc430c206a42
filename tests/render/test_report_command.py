"""``ccx render --html``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main
from ccx_cli.runs.run import Run

if TYPE_CHECKING:
    from tests.render.made_up_run import write_run
else:
    from made_up_run import write_run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with one run and no caches."""
    write_run(tmp_path / "data" / "results" / "made-up")
    return tmp_path / "data"


def _render(data: Path, *arguments: str) -> int:
    return main(["render", *arguments, "--data-dir", str(data)])


def test_the_report_is_listed_and_what_it_lacks_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "report.html"
    assert _render(data, "--html", str(out), "-f", "json", "--units", "1-2") == 0
    printed, said = capsys.readouterr()
    (record,) = json.loads(printed)
    assert (record["kind"], record["path"]) == ("report", str(out))
    assert "The report has no pictures" in record["lacks"][0]
    assert "The report has no pictures" in said
    assert f"{out} (0." in said
    assert out.read_text(encoding="utf-8").count('"cluster":') == 6


def test_a_report_of_very_many_units_has_the_leading_ones(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(data / "results" / "made-up")
    mccs = {unit: max(each.mcc or -1 for each in own) for unit, own in run.units.items()}
    first = sorted(sorted(mccs, key=lambda unit: -mccs[unit])[:2])
    monkeypatch.setattr("ccx_cli.cli.render.MOST_UNITS", 2)
    for name, units, said in (("all", (), True), ("some", ("--units", "0-2"), False)):
        out = tmp_path / f"{name}.html"
        assert _render(data, "--html", str(out), *units) == 0
        there = f"The report has the 2 of {len(mccs)} units whose MCC is highest"
        assert (there in capsys.readouterr().err) == said
        sentences = json.loads(
            out.read_text(encoding="utf-8").split('"sentences":')[1].split("}")[0] + "}"
        )
        assert list(map(int, sentences)) == (first if said else [0, 1, 2])


def test_a_folder_and_one_kind_of_images(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    assert _render(data, "--html", str(out), "--show", "misses", "--top-k", "3") == 0
    assert str(out / "index.html") in capsys.readouterr().err
    assert '"shows":["misses"]' in (out / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--kind", "iou"], "--kind does not apply to a report"),
        (["--dir-images", "x"], "--dir-images does not apply to a report"),
        (["--filename-figure", "x"], "--filename-figure does not apply to a report"),
        (["--file-type", "pdf"], "--file-type does not apply to a report"),
        (["--format", "latex"], "--format latex does not apply to a report"),
        (["--ranges", "3"], "--ranges does not apply to a report"),
        (["--paper", "icml"], "--paper does not apply to a report"),
    ],
)
def test_options_of_figures_are_refused(
    data: Path,
    tmp_path: Path,
    given: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _render(data, "--html", str(tmp_path / "report.html"), *given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_is_there_stays_without_force(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    assert _render(data, "--html", str(out)) == 2
    assert "overwrite it with --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert _render(data, "--html", str(out), "--force") == 0


def test_a_place_that_cannot_be_written_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert _render(data, "--html", str(tmp_path / "file" / "report.html")) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_no_network_library_is_loaded(data: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from ccx_cli.cli.main import main;"
        "assert main(['render', '-q', '--html', *sys.argv[1:]]) == 0;"
        "assert 'torch' not in sys.modules"
    )
    words = [str(tmp_path / "report.html"), "--data-dir", str(data)]
    assert subprocess.run([sys.executable, "-c", script, *words], check=False).returncode == 0
