"""A run in Python says what the command line says of it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

import ccx_cli
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.notebook.stored_run import StoredRun
from ccx_cli.progress import SilentProgress
from ccx_cli.store.locks import writing
from tests.cli.command_line import CommandLine


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = ["numba", "torch", "pandas", "matplotlib", "IPython", "PIL", "textual", "numpy"]
    code = f"import sys, ccx_cli; assert not {{*{heavy}}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys, ccx_cli; ccx_cli.load_run\n"
        "names = {'torch', 'pandas', 'matplotlib', 'IPython', 'ccx_cli.cli', 'ccx_cli.tui'}\n"
        "assert not names & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(ccx_cli.__all__) == set(dir(ccx_cli))
    with pytest.raises(AttributeError, match="nothing"):
        _ = ccx_cli.nothing


def test_the_run_is_the_one_that_the_commands_take(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = ccx_cli.load_run(data_dir=ccx.data)
    assert [run.info()] == json.loads(ccx("info", "--format", "json").out)
    assert run.units == [0, 1, 2, 3]
    assert ccx("info", run.name, "--name", "mine").code == 0
    for name in ("mine", run.directory, run.directory.name[-10:], str(run.directory)):
        found = ccx_cli.load_run(name, data_dir=ccx.data)
        assert (found.directory, found.name) == (run.directory, "mine")
    assert ccx.explain("--units", "0", "--length", "1").code == 0
    assert ccx_cli.load_run(data_dir=ccx.data).directory != run.directory
    with pytest.raises(MissingInputError, match=r"There is no run nine in .*, did you mean mine"):
        ccx_cli.load_run("nine", data_dir=ccx.data)
    with pytest.raises(MissingInputError, match="There are no explanations in"):
        ccx_cli.load_run(data_dir=tmp_path / "nowhere")

    monkeypatch.setenv("CCX_DATA_DIR", str(ccx.data))
    assert ccx_cli.load_run("mine").directory == run.directory
    monkeypatch.delenv("CCX_DATA_DIR")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    with pytest.raises(MissingInputError):
        ccx_cli.load_run("mine")
    (project / "ccx.toml").write_text('data-dir = "../data"\n')
    assert ccx_cli.load_run("mine").directory.resolve() == run.directory.resolve()
    (project / "ccx.toml").write_text(f'data_dir = "x"\nroot-results = "{ccx.data}/results"\n')
    assert ccx_cli.load_run("mine").directory.resolve() == run.directory.resolve()
    (project / "ccx.toml").write_text("data-dir = 3\n")
    with pytest.raises(UsageError, match=r"ccx.toml: data-dir must be text in quotes, not 3"):
        ccx_cli.load_run("mine")


def test_records_and_the_frame_are_those_of_the_command(ccx: CommandLine, run: StoredRun) -> None:
    lines = ccx.explain("--units", "0-3", "--format", "jsonl").lines
    assert run.records() == lines
    frame = run.frame()
    assert len(frame) == len(lines)
    for row, line in zip(frame.to_dict("records"), lines, strict=True):
        assert row["range_low"], row["range_high"] == line["range"]
        for key in ("unit", "cluster", "hits", "formula", "iou", "lift", "mcc", "proven"):
            assert row[key] == line[key]
    assert "labels" not in frame
    cells = [cell for column in frame for cell in frame[column]]
    assert not [cell for cell in cells if isinstance(cell, list | dict)]
    types = frame.dtypes.astype(str).to_dict()
    assert (types["cluster"], types["hits"], types["proven"]) == ("Int64", "Int64", "boolean")
    assert (types["iou"], types["mcc"], types["range_low"]) == ("float64",) * 3


def test_the_frame_is_the_table_of_csv_and_what_is_kept_beside_the_run(ccx: CommandLine) -> None:
    table = pandas.read_csv(io.StringIO(ccx.explain("--units", "0-3", "-f", "csv").out))
    frame = ccx_cli.load_run(data_dir=ccx.data).frame()
    assert list(frame) == list(table)
    pandas.testing.assert_frame_equal(frame, table, check_dtype=False)
    assert ccx("metrics", "--bootstrap", "20", "--null", "5").code == 0
    assert ccx("stability", "--resamples", "5").code == 0
    assert ccx("ablate", "--images", "2").code == 0
    measured = ccx("metrics", "--bootstrap", "20", "--null", "5", "-f", "jsonl").lines
    stable = ccx("stability", "--resamples", "5", "-f", "jsonl").lines
    frame = ccx_cli.load_run(data_dir=ccx.data).frame()
    assert frame["ablation.images"].notna().any()
    for row, line, again in zip(frame.to_dict("records"), measured, stable, strict=False):
        assert (row["unit"], row["cluster"]) == (line["unit"], line["cluster"])
        for key in ("activation_coverage", "detection_accuracy", "p_value", "q_value"):
            assert row[key] == pytest.approx(line[key])
        assert [row["iou_low"], row["iou_high"]] == pytest.approx(line["iou_interval"])
        assert row["stability.equivalent"] == pytest.approx(again["equivalent"])
    (metrics,) = (ccx.data / "results").glob("*/metrics-*.jsonl")
    metrics.write_text("{nonsense\n" + metrics.read_text())
    with pytest.warns(UserWarning, match="line 1 is damaged"):
        assert len(ccx_cli.load_run(data_dir=ccx.data).frame()) == len(frame)


def test_without_pandas_the_frame_says_what_to_install(
    run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingInputError, match=r"pip install 'ccx-cli\[pandas\]'"):
        run.frame()


def test_scores_are_those_of_the_command(ccx: CommandLine, run: StoredRun) -> None:
    def order(line: dict[str, Any]) -> tuple[Any, ...]:
        return line["unit"], line["formula"], line["cluster"]

    formulas = ["red AND square", "NOT (field OR green-c)"]
    lines = ccx("score", run.name, *formulas, "--units", "0-2", "--top", "0", "-f", "jsonl").lines
    found = run.score(formulas, units=range(3))
    assert sorted(found, key=order) == sorted(lines, key=order)
    assert len(run.score("red")) > len(run.score("red", units=[0])) >= 1
    for text, said in (
        ("red AND", "is expected"),
        ("purple", "No concept is called 'purple'"),
        ("unicorn", "No pixel of the scored images carries unicorn"),
    ):
        with pytest.raises(UsageError, match=said):
            run.score(text)
        with pytest.raises(UsageError, match=said):
            run.formula_mask(text, 0)
    for strange in (None, 3, ["red", None]):
        with pytest.raises(UsageError, match="A formula is text, such as"):
            run.score(strange)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="A formula is text, such as"):
            run.formula_mask(strange, 0)  # type: ignore[arg-type]
    assert run.score("red", units=[1, 0, 1]) == run.score("red", units=[1, 0])
    with pytest.raises(UsageError, match="Unit 4096 is not one of"):
        run.score("red", units=[4096])
    with pytest.raises(UsageError, match="workers must be 1 or more"):
        run.score("red", workers=0)


def test_masks_are_those_that_were_drawn(ccx: CommandLine, run: StoredRun) -> None:
    for number in range(8):
        red, ball = run.formula_mask("red", number), run.formula_mask("ball", number)
        assert red.shape == (28, 28)
        assert red.dtype == bool
        assert red.sum() == (144 if number % 2 else 0)
        assert ball.sum() == (0 if number % 3 else 144)
        both = run.formula_mask("(red OR ball) AND NOT field", number)
        field = run.formula_mask("field-s", number)
        assert np.array_equal(both, (red | ball) & ~field)
    name = run.images(0, limit=1)[0]["name"]
    by_name = run.formula_mask("square", name)
    path = run.images(0, limit=1)[0]["path"]
    for asked in (Path(name).name, path, str(path), run.images(0, limit=1)[0]["image"]):
        assert np.array_equal(run.formula_mask("square", asked), by_name)
    for strange, said in (
        (8, "There is no image 8: they are 0 to 7"),
        (-1, "There is no image -1"),
        ("nowhere.jpg", "There is no image nowhere.jpg in"),
        (True, "There is no image True"),
        (1.5, "There is no image 1.5"),
    ):
        with pytest.raises(UsageError, match=said):
            run.formula_mask("red", strange)  # type: ignore[arg-type]


def test_images_have_the_counts_of_their_masks(run: StoredRun) -> None:
    for kind in ("top", "misses", "false-alarms", "sample"):
        for number in range(5):
            for found in run.images(1, number, kind, limit=3):
                hits = run.hit_mask(1, number, found["image"])
                assert found["hits"] == hits.sum()
                assert found["path"].is_file()
                assert found["both"] <= min(found["hits"], found["total"])
                union = found["hits"] + found["total"] - found["both"]
                assert found["iou"] == pytest.approx(found["both"] / union)
    top = run.images(1, kind="top", limit=8)
    assert [each["peak"] for each in top] == sorted((each["peak"] for each in top), reverse=True)
    assert top == run.unit(1).images(limit=8)
    assert top[0]["peak"] == run.unit(1).maps.max()
    with pytest.raises(UsageError, match=r"Unit 1 has no range 7: it has 0, 1, 2, 3, 4"):
        run.images(1, 7)
    with pytest.raises(UsageError, match="Unit 9 is not in the run"):
        run.images(9)
    with pytest.raises(UsageError, match="kind must be sample or top or misses or false-alarms"):
        run.images(1, kind="best")
    for limit in (0, None, "3", 2.5):
        with pytest.raises(UsageError, match=f"limit must be 1 to 50, not {limit!r}"):
            run.images(1, limit=limit)  # type: ignore[arg-type]
    for unit in (1.0, [1]):
        with pytest.raises(UsageError, match=r"Unit .* is not in the run"):
            run.images(unit)  # type: ignore[arg-type]
    wrong: tuple[Any, ...] = (1.0, True)
    for range_number in wrong:
        with pytest.raises(UsageError, match=f"Unit 1 has no range {range_number}"):
            run.hit_mask(1, range_number, 0)


@pytest.mark.slow
def test_a_panel_is_the_figure_of_the_command(
    ccx: CommandLine, run: StoredRun, tmp_path: Path
) -> None:
    cases: list[tuple[list[str], dict[str, Any]]] = [
        ([], {}),
        (["--top-k", "2", "--show", "misses"], {"top_k": 2, "kind": "misses"}),
        (["--paper", "icml", "--file-type", "png"], {"paper": "icml"}),
    ]
    for also, how in cases:
        folder = tmp_path / "figures"
        assert ccx("render", "--units", "2", "--dir-images", str(folder), *also).code == 0
        (file,) = folder.glob("*.png")
        figure = run.panel(2, **how)
        shown = figure._repr_png_()  # type: ignore[attr-defined]
        with Image.open(file) as written, Image.open(io.BytesIO(shown)) as drawn:
            assert np.array_equal(np.asarray(written), np.asarray(drawn))
        shutil.rmtree(folder)
    assert "matplotlib.pyplot" not in sys.modules or not _open_figures()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"kind": "best"}, "kind must be"),
        ({"top_k": 0}, "top_k must be 1 to 50"),
        ({"paper": "nature"}, "paper must be neurips or icml or cvpr or iclr, not 'nature'"),
        ({"width": "wide"}, "`width` wide is no width"),
        ({"width": 5}, "width must be text, not 5"),
        ({"simplest": 2.0}, "simplest must be a share below 1"),
        ({"simplest": "1%"}, "simplest must be a number, not '1%'"),
    ]
    for how, said in refused:
        with pytest.raises(UsageError, match=said):
            run.panel(2, **how)


def _open_figures() -> list[int]:
    from matplotlib import pyplot

    return pyplot.get_fignums()


def test_a_run_that_is_gone_or_damaged_is_refused(ccx: CommandLine, run: StoredRun) -> None:
    assert run.units
    shutil.rmtree(run.directory)
    for ask in (run.frame, run.records, lambda: run.unit(0), lambda: run.score("red")):
        with pytest.raises(MissingInputError, match="is gone from"):
            ask()
    assert "is gone" in run._repr_html_() or run.name in run._repr_html_()


def test_damaged_lines_are_refused(ccx: CommandLine, run: StoredRun) -> None:
    path = run.directory / "explanations.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{nonsense", *lines[2:]]) + "\n")
    with pytest.raises(DamagedDataError, match=r"explanations.jsonl, line 2"):
        run.frame()


def test_without_images_there_are_formulas_and_an_honest_figure(
    ccx: CommandLine, run: StoredRun
) -> None:
    for image in (ccx.data / "datasets").rglob("*.png"):
        image.unlink()
    again = ccx_cli.load_run(data_dir=ccx.data)
    assert again.unit(0).sentence == run.unit(0).sentence
    with pytest.warns(UserWarning, match="is not known"):
        shown = again.unit(0)._repr_html_()
    assert "<img" not in shown
    with pytest.warns(UserWarning, match="is missing: restore the dataset") as warned:
        again.panel(0, top_k=1)
    assert {each.filename for each in warned} == {__file__}


@pytest.mark.filterwarnings("ignore:Whether the .* changed since:UserWarning")
def test_without_the_dataset_there_are_formulas(ccx: CommandLine) -> None:
    shutil.rmtree(ccx.data / "datasets")
    run = ccx_cli.load_run(data_dir=ccx.data)
    assert len(run.frame()) == len(run.records())
    assert run.unit(0)._repr_html_()
    assert run._repr_html_()
    for ask in (
        lambda: run.images(0),
        lambda: run.panel(0),
        lambda: run.score("red"),
        lambda: run.formula_mask("red", 0),
    ):
        with pytest.raises(CcxError):
            ask()


def test_a_warning_names_the_line_that_asked(run: StoredRun) -> None:
    (ranges,) = (run.directory.parents[1] / "activations").glob("*/ranges-*")
    asking = threading.Thread(target=lambda: run.score("red", units=[7]))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with writing(ranges, SilentProgress()):
            asking.start()
            while asking.is_alive() and not warned:
                time.sleep(0.02)
        asking.join()
    assert "Waiting for another" in str(warned[0].message)
    assert {each.filename for each in warned} == {__file__}


def test_threads_may_ask_at_once(run: StoredRun) -> None:
    found: list[Any] = []

    def ask(unit: int) -> None:
        found.append((unit, run.unit(unit).sentence, run.images(unit), run.frame().shape))

    threads = [threading.Thread(target=ask, args=(number % 4,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    alone = ccx_cli.load_run(run.directory)
    for unit, sentence, images, shape in found:
        assert sentence == alone.unit(unit).sentence
        assert images == alone.images(unit)
        assert shape == (len(run.records()), shape[1])
