"""``ccx render``: panels, plots and the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from PIL import Image

from ccx_cli.cli.commands.look import Images
from ccx_cli.study.unit_images import Show

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended
else:
    from command_line import CommandLine, Ended

pytestmark = pytest.mark.slow


def _render(ccx: CommandLine, *given: str, form: str = "jsonl") -> Ended:
    return ccx("render", *given, "--dir-images", str(ccx.data / "figures"), "-f", form)


def _figures(ccx: CommandLine) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in ccx.files("figures/*")}


def _run(ccx: CommandLine) -> Path:
    return ccx.file("results/*/header.json").parent


def test_options_name_every_choice_of_images() -> None:
    assert set(get_args(Images)) == {each.value for each in Show}


def test_panels_of_chosen_units(ccx: CommandLine) -> None:
    ended = _render(ccx, "--units", "1,3", "--top-k", "3")
    assert ended.code == 0
    paths = [str(ccx.data / "figures" / f"unit_{unit}_c_5_top.png") for unit in (1, 3)]
    assert ended.lines == [
        {"unit": unit, "kind": "panel", "path": path, "drawn": True, "lacks": [], "caption": None}
        for unit, path in zip((1, 3), paths, strict=True)
    ]
    assert f"2 figures in {ccx.data / 'figures'}." in ended.err
    for path in paths:
        with Image.open(path) as image:
            assert image.width == 40 + 3 * 234 - 10


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (["distribution"], 3),
        # Three pages, each with its caption.
        (["panel", "--top-k", "2", "--paper", "icml"], 6),
    ],
)
def test_workers_change_no_byte(
    kind: list[str], count: int, ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccx_cli.render import figures

    given = ["--kind", *kind, "--units", "0-2", "--file-type", "pdf"]
    alone = _render(ccx, *given, "--workers", "1")
    first = _figures(ccx)
    assert len(first) == count
    monkeypatch.setattr(figures, "_UNITS_PER_PROCESS", 2)
    assert _render(ccx, *given, "--workers", "2", "--force").out == alone.out
    assert _figures(ccx) == first


def test_panels_are_the_same_on_every_run_and_differ_by_seed(ccx: CommandLine) -> None:
    given = ["--units", "1", "--show", "sample", "--top-k", "1"]
    _render(ccx, *given, "--filename-figure", "one")
    _render(ccx, *given, "--filename-figure", "two")
    _render(ccx, *given, "--filename-figure", "other", "--seed", "3", "--show", "misses")
    figures = _figures(ccx)
    assert figures["one.png"] == figures["two.png"] != figures["other.png"]


def test_figures_that_are_there_stay_unless_they_show_something_else(ccx: CommandLine) -> None:
    given = ["--kind", "published", "--units", "0,1"]
    assert [line["drawn"] for line in _render(ccx, *given).lines] == [True, True]
    before = _figures(ccx)
    (ccx.data / "figures" / "unit_1_c_5.png").unlink()
    again = _render(ccx, *given)
    assert [line["drawn"] for line in again.lines] == [False, True]
    assert "2 figures in" in again.err
    assert "1 of them from before" in again.err
    assert _figures(ccx) == before
    other = _render(ccx, *given, "--top-k", "1")
    assert other.code == 2
    assert "unit_0_c_5.png exists and shows something else: overwrite it with --force" in other.err
    assert _figures(ccx) == before
    assert _render(ccx, *given, "--top-k", "1", "--force").code == 0
    assert _figures(ccx)["unit_0_c_5.png"] != before["unit_0_c_5.png"]


def test_plots_of_a_whole_run_need_no_activations(ccx: CommandLine) -> None:
    for manifest in ccx.files("activations/*/manifest.json"):
        manifest.unlink()
    for kind, name in (("iou", "iou.pdf"), ("categories", "categories.pdf")):
        ended = _render(ccx, "--kind", kind, "--file-type", "pdf")
        assert ended.code == 0, ended.err
        assert _figures(ccx)[name].startswith(b"%PDF")
    ended = _render(ccx)
    assert ended.code == 3
    assert "The activations of" in ended.err
    assert "make them again with" in ended.err


def test_a_missing_image_is_told_and_the_rest_drawn(ccx: CommandLine) -> None:
    image = ccx.data / "datasets/broden1_224/images/tiny/002.png"
    content = image.read_bytes()
    image.unlink()
    given = ["--units", "1", "--top-k", "6"]
    ended = _render(ccx, *given)
    assert ended.code == 0
    assert ended.lines[0]["lacks"] == [f"{image} is missing: restore the dataset."]
    assert f"{image} is missing" in ended.err
    image.write_bytes(content)
    again = _render(ccx, *given)
    assert (again.lines[0]["drawn"], again.lines[0]["lacks"]) == (True, [])


def test_a_damaged_run_is_shown_as_far_as_it_goes(ccx: CommandLine) -> None:
    lines = _run(ccx) / "explanations.jsonl"
    text = lines.read_text().splitlines()
    lines.write_text("\n".join([*text[:2], "{nonsense", *text[3:]]) + '\n{"torn')
    ended = _render(ccx, "--units", "0", "--kind", "published")
    assert ended.code == 0
    assert "1 damaged line (3)" in ended.err
    assert "unit_0_c_5.png" in _figures(ccx)
    lines.write_text("")
    ended = _render(ccx)
    assert ended.code == 3
    assert "has no explanations: make some" in ended.err


def test_a_paper_has_pages_of_units_and_their_captions(ccx: CommandLine) -> None:
    given = ["--paper", "neurips", "--ranges", "3-4", "--top-k", "6"]
    (line,) = _render(ccx, *given).lines
    assert (line["unit"], line["drawn"]) == (None, True)
    assert set(_figures(ccx)) == {"panel.pdf", "panel.caption.tex"}
    assert line["caption"] == str(ccx.data / "figures" / "panel.caption.tex")
    assert (ccx.data / "figures/panel.pdf").read_bytes().count(b"/MediaBox [ 0 0 396 ") == 1
    caption = (ccx.data / "figures/panel.caption.tex").read_text()
    assert caption.startswith("\\caption{Units 0, 1, 2 and 3 of the layer ")
    assert not _render(ccx, *given).lines[0]["drawn"]
    (ccx.data / "figures/panel.caption.tex").unlink()
    assert _render(ccx, *given).lines[0]["drawn"]
    assert (ccx.data / "figures/panel.caption.tex").read_text() == caption
    one = _render(ccx, *given, "--units", "1", "--filename-figure", "{unit}.svg")
    assert [line["unit"] for line in one.lines] == [1]
    assert "Unit 1</text>" in (ccx.data / "figures/1.svg").read_text()


def test_latex_to_stdout_ends_with_the_bibliography_as_comments(ccx: CommandLine) -> None:
    ended = _render(ccx, "--units", "0-1", form="latex")
    assert ended.code == 0
    table, _, entries = ended.out.partition("\\end{table}\n")
    assert table.count(r" \\") == 1 + len(
        [line for line in _records(ccx) if line["unit"] in (0, 1)]
    )
    assert "% @inproceedings{larosa2023clustered," in entries
    assert not ccx.files("figures/*")


def _records(ccx: CommandLine) -> list[dict[str, int]]:
    return [
        json.loads(line) for line in (_run(ccx) / "explanations.jsonl").read_text().splitlines()
    ]


def test_latex_to_files(ccx: CommandLine, tmp_path: Path) -> None:
    given = ["-o", str(tmp_path / "t.tex"), "--bib", str(tmp_path / "t.bib")]
    assert _render(ccx, *given, form="latex").code == 0
    assert "%  author" not in (tmp_path / "t.tex").read_text()
    assert (tmp_path / "t.bib").read_text().startswith("@inproceedings{bau2017network,")
    ended = _render(ccx, *given, form="latex")
    assert ended.code == 2
    assert "exists: add --force" in ended.err
    other = _render(ccx, *given[:2], "--bib", str(tmp_path / "other.bib"), form="latex")
    assert (other.code, (tmp_path / "other.bib").exists()) == (2, False)
    same = _render(ccx, *given[:2], "--bib", given[1], form="latex")
    assert same.code == 2
    assert "name two files" in same.err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--bib", "x.bib"], "--bib needs --format latex"),
        (["--filename-figure", "{unit}.svg", "--file-type", "pdf"], "differ: leave one out"),
        (["--filename-figure", "one"], "one name for 4 units"),
        (["--units", "9"], "--units 9 goes past the end"),
        (["--top-k", "0"], "'--top-k'"),
        (["--show", "hits"], "'--show'"),
        (["--kind", "panle"], "'--kind'"),
        (["--ranges", "high"], "--ranges high is not a list of ranges such as 3,4"),
        (["--ranges", "3,7"], "--ranges 3,7: the chosen units have no range 7: name others."),
        (["--width", "text"], "--width text is that of a venue: name it with --paper"),
        (["--format", "latex", "--width", "1in"], "--width 1in is not from 2in to 20in"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: list[str], sentence: str, ccx: CommandLine) -> None:
    ended = _render(ccx, *given)
    assert ended.code == 2
    assert sentence in ended.err
    assert not ccx.files("figures/*")


def test_a_run_that_is_not_there(ccx: CommandLine) -> None:
    ended = ccx("render", "nothing")
    assert ended.code == 3
    assert "There is no run nothing" in ended.err


def test_torch_is_never_imported(ccx: CommandLine) -> None:
    given = ["--units", "1", "--dir-images", str(ccx.data / "figures")]
    given += ["--data-dir", str(ccx.data), "-q"]
    code = (
        "import sys; from ccx_cli.cli.main import main\n"
        f"assert main(['render', '--kind', 'iou', *{given!r}]) == 0\n"
        "assert 'torch' not in sys.modules\n"
        f"assert main(['render', *{given!r}]) == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert _figures(ccx).keys() == {"iou.png", "unit_1_c_5_top.png"}
