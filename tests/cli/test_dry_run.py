"""``--dry-run``: what would be done, without doing any of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, UNTRAINED, CommandLine
else:
    from command_line import ON_TINY, UNTRAINED, CommandLine

pytestmark = pytest.mark.slow


def tree(data: Path) -> dict[Path, tuple[int, int]]:
    """Every file and directory with its size and the time it was last changed."""
    paths = [data, *data.rglob("*")] if data.exists() else []
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def planned(ccx: CommandLine, *arguments: str) -> dict[str, dict[str, Any]]:
    """The steps of a dry run by name, which must leave everything as it is."""
    before = tree(ccx.data)
    ended = ccx(*arguments, "--dry-run", "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert tree(ccx.data) == before
    assert ended.err.endswith("A dry run: nothing was written.\n")
    return {line["step"]: line for line in ended.lines}


def test_explain_from_the_pictures_alone(fresh: CommandLine) -> None:
    steps = planned(fresh, "explain", *ON_TINY, "--units", "0-3", "--workers", "1")
    assert list(steps) == ["dataset", "concept index", "activations", "explanations"]
    assert (steps["dataset"]["state"], steps["dataset"]["total"]) == ("there", 6)
    assert (steps["concept index"]["state"], steps["concept index"]["total"]) == ("to do", 6)
    assert steps["concept index"]["seconds"] > 0
    assert steps["activations"]["state"] == "to do"
    assert steps["activations"]["seconds"] > 0
    assert (steps["explanations"]["total"], steps["explanations"]["done"]) == (4, 0)
    assert steps["explanations"]["seconds"] is None
    # What is then made is made where it was said, of the size it was said.
    assert fresh.explain("--units", "0-3", "-q", "-f", "csv").code == 0
    for step in ("concept index", "activations", "explanations"):
        assert Path(steps[step]["path"]).is_dir()
    shards = Path(steps["activations"]["path"]).glob("*.h5")
    written = sum(path.stat().st_size for path in shards)
    assert steps["activations"]["bytes"] == pytest.approx(written, rel=0.01, abs=4096)


def test_explain_goes_on_with_what_is_there(ccx: CommandLine) -> None:
    steps = planned(ccx, "explain", *ON_TINY, "--units", "2-9")
    assert {name: step["state"] for name, step in steps.items()} == {
        "dataset": "there",
        "concept index": "there",
        "activations": "there",
        "explanations": "partly there",
    }
    assert (steps["explanations"]["total"], steps["explanations"]["done"]) == (8, 2)
    assert steps["explanations"]["seconds"] > 0
    assert steps["explanations"]["bytes"] > 0
    assert Path(steps["explanations"]["path"]) == ccx.file("results/*")
    done = planned(ccx, "explain", *ON_TINY, "--units", "0-3")["explanations"]
    assert (done["state"], done["bytes"], done["seconds"]) == ("there", 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        ["--categories", "color", "--length", "2"],
        ["--ranges", "0:1,1:inf"],
        ["--ties"],
        ["--preset", "compexp"],
    ],
)
def test_the_run_that_is_named_is_the_one_that_is_made(
    options: list[str], ccx: CommandLine
) -> None:
    before = set(ccx.files("results/*"))
    step = planned(ccx, "explain", *ON_TINY, "--units", "1", *options)["explanations"]
    assert ccx.explain("--units", "1", "-q", *options).code == 0
    (made,) = set(ccx.files("results/*")) - before
    assert step["path"] == str(made)


def test_a_vocabulary_needs_the_index_to_name_the_run(fresh: CommandLine) -> None:
    step = planned(fresh, "explain", *ON_TINY, "--categories", "color")["explanations"]
    assert (step["state"], step["total"]) == ("unknown", 48)


def test_several_layers_are_planned_each(fresh: CommandLine) -> None:
    ended = fresh.explain("--layer", "layer3", "--layer", "layer4", "--dry-run", "-f", "jsonl")
    units = [line["total"] for line in ended.lines if line["step"] == "explanations"]
    assert units == [64, 48]


def test_times_are_those_of_so_many_workers(ccx: CommandLine) -> None:
    def step(*options: str) -> dict[str, Any]:
        return planned(ccx, "explain", *ON_TINY, "--units", "4-43", *options)["explanations"]

    one, many = step("--workers", "1"), step("--dask", "local:20")
    assert (one["workers"], one["tasks"], many["workers"], many["tasks"]) == (1, 40, 20, 40)
    assert many["seconds"] < one["seconds"] / 2
    # Of a cluster that is there, the number of workers is taken from --workers, else to be one.
    assert step("--dask", "tcp://nowhere:8786")["workers"] == 1
    assert step("--dask", "tcp://nowhere:8786", "--workers", "64")["workers"] == 64
    wrong = ccx.explain("--dask", "local:none", "--dry-run")
    assert (wrong.code, "must be local:N" in wrong.err) == (2, True)


def test_caches_are_planned_for_a_cluster(fresh: CommandLine) -> None:
    def seconds(workers: str) -> float:
        cluster = ("--dask", "tcp://nowhere:8786", "--workers", workers)
        step = planned(fresh, "cache", "build", *ON_TINY, *cluster)["activations"]
        assert step["workers"] == int(workers)
        return float(step["seconds"])

    assert seconds("1000") < seconds("1") / 100


def test_all_layers_together_and_what_is_not_known(ccx: CommandLine) -> None:
    ended = ccx.explain("--layer", "layer3", "--units", "0", "--workers", "3", "--dry-run")
    (run,) = ccx.files("results/*/header.json")
    assert "with 3 workers" in ended.err
    assert "the time of" not in ended.err.partition("In all")[2]
    # A unit of that layer cannot be timed yet: the run of another one says what units take.
    assert f"is what units took in {run.parent.name}, which" in " ".join(ended.err.split())
    ended = ccx.explain("--layer", "layer1", "--units", "0", "--dry-run")
    assert f"{run.parent.name} (maps of another size" in " ".join(ended.err.split())
    layers = [option for name in ("layer3", "layer4") for option in ("--layer", name)]
    ended = ccx.explain(*layers, "--units", "0-3", "--length", "2", "--dry-run", "-f", "jsonl")
    total = sum(line["seconds"] or 0 for line in ended.lines)
    assert total > 0
    assert "and the time of explanations, which is not known yet" in ended.err
    again = ccx.explain("--units", "0-3", "--dry-run")
    assert "In all" not in again.err


def test_the_demo_set_would_be_drawn_first(unused: CommandLine) -> None:
    steps = planned(unused, "explain", "--model", "demo", "--subset", "demo")
    assert (steps["demo dataset"]["state"], steps["demo dataset"]["total"]) == ("to do", 288)
    assert steps["activations"]["state"] == "unknown"
    said = unused("explain", "--model", "demo", "--subset", "demo", "--dry-run").err
    assert "In all: the time of demo dataset, concept index, activations and explanations" in said


def test_what_would_be_fetched(unused: CommandLine) -> None:
    steps = planned(unused, "explain", "--fetch")
    assert steps["fetch places365/resnet18"]["bytes"] > 1e7
    assert steps["fetch broden224"]["bytes"] > 1e8
    before = tree(unused.data)
    assert unused("fetch", "broden224", "--dry-run", "-f", "csv").code == 0
    assert tree(unused.data) == before


def test_inputs_that_are_missing_are_refused(unused: CommandLine) -> None:
    missing = unused("explain", *UNTRAINED, "--dry-run")
    assert (missing.code, missing.out) == (3, "")


def test_what_would_be_refused_is_refused(fresh: CommandLine) -> None:
    layer = fresh.explain("--layer", "layer5", "--dry-run")
    assert (layer.code, layer.out) == (2, "")
    assert "--layer layer5 is not a layer of demo" in layer.err
    units = fresh.explain("--units", "99", "--dry-run")
    assert (units.code, units.out) == (2, "")
    split = fresh.explain("--split", "nope", "--dry-run")
    assert split.code == 2


def test_cluster_counts_the_ranges_that_are_known(ccx: CommandLine) -> None:
    known = planned(ccx, "cluster", *ON_TINY, "--units", "0-5")["ranges"]
    assert (known["total"], known["done"]) == (6, 4)
    assert known["seconds"] > 0


def test_cluster_and_cache_build(fresh: CommandLine) -> None:
    assert "concept index" not in planned(fresh, "cluster", *ON_TINY)
    steps = planned(fresh, "cache", "build", *ON_TINY)
    assert steps["activations"]["state"] == "to do"
    assert "activations" not in planned(fresh, "cache", "build", *ON_TINY, "--no-activations")


def test_studies_of_a_stored_run(ccx: CommandLine) -> None:
    steps = planned(ccx, "importance", "--units", "0-3")
    clusters = {line["cluster"] for line in ccx.explain("--units", "0-3", "-f", "jsonl").lines}
    clusters -= {None}
    passes = steps["forward passes of the images"]
    assert (passes["total"], passes["bytes"]) == (6 * (2 * len(clusters) + 1), 0)
    assert passes["seconds"] > 0

    measure = ["metrics", "--units", "0-1", "--masking-images", "1", "--null", "2"]
    before = planned(ccx, *measure)
    assert {step["done"] for step in before.values()} == {0, 2}
    assert all(step["seconds"] > 0 for step in before.values() if step["done"] == 0)
    assert ccx(*measure, "-q").code == 0
    after = planned(ccx, *measure)
    assert {step["state"] for step in after.values()} == {"there"}
    for name in ("metrics", "label masking", "null"):
        assert Path(after[name]["path"]).is_file()


def test_analyze_names_the_untrained_run(ccx: CommandLine) -> None:
    steps = planned(ccx, "analyze", "--seed", "1", "--units", "0")
    assert steps["explanations"]["total"] == 48
    assert "demo-none-layer4-tiny-k5-optimal3-" in steps["explanations"]["path"]


def test_the_table_is_for_people(fresh: CommandLine) -> None:
    out = fresh.explain("--dry-run").out
    assert "concept index" in out
    assert "known later" in out
    assert "unknown" not in out
    assert "48 units" in out


def test_what_is_there_is_planned_without_torch(ccx: CommandLine) -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main;"
        f"code = main(['explain', *{ON_TINY!r}, '--dry-run', '--data-dir', {str(ccx.data)!r}]);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
