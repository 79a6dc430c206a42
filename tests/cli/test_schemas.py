"""What commands write is what their JSON Schemas say, and what the documentation says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from ccx_cli.cli.commands.look import SCHEMA_NAMES
from ccx_cli.cli.schema import schema_text
from ccx_cli.records.schema import SCHEMAS

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, UNTRAINED, CommandLine
else:
    from command_line import ON_TINY, UNTRAINED, CommandLine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def check(name: str, lines: list[dict[str, Any]]) -> None:
    """Fail where a line is not as the schema says, or there is none."""
    assert lines
    validator = Draft202012Validator(json.loads(schema_text(name)))
    for line in lines:
        faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(line)]
        assert not faults, faults


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_a_schema_is_one_and_describes_every_key(name: str) -> None:
    schema = json.loads(schema_text(name))
    Draft202012Validator.check_schema(schema)
    assert re.fullmatch(rf"urn:ccx:schema:{name}:\d+", schema["$id"])
    for each in objects(schema):
        assert each["additionalProperties"] is False
        for key, value in each["properties"].items():
            assert value.get("description"), key
            assert set(each["required"]) <= set(each["properties"])


def test_every_schema_can_be_printed() -> None:
    assert list(SCHEMAS) == list(SCHEMA_NAMES)


def test_schema_prints_and_lists(unused: CommandLine) -> None:
    from ccx_cli.cli.main import main

    unused.capsys.readouterr()
    assert main(["schema", "explain"]) == 0
    assert json.loads(unused.capsys.readouterr().out)["title"].startswith("ccx explain")
    assert main(["schema", "-f", "json"]) == 0
    listed = json.loads(unused.capsys.readouterr().out)
    assert [each["schema"] for each in listed] == list(SCHEMA_NAMES)
    assert main(["schema", "explian"]) == 2
    assert "did you mean explain?" in unused.capsys.readouterr().err


def test_the_documentation_lists_the_keys_of_an_explanation() -> None:
    text = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    table = text[text.index("| key | meaning |") :].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    listed = [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == sorted(json.loads(schema_text("explain"))["properties"])


def test_explanations(ccx: CommandLine) -> None:
    for options in (
        [],
        ["--ties", "--within", "10%"],
        ["--search", "beam"],
        ["--length", "4", "--node-limit", "0", "--num-clusters", "1"],
        ["--concepts", "ball", "--ranges", "0:0.001,1e6:inf"],
    ):
        check("explain", ccx.explain("--units", "0-3", *options, "-q", "-f", "jsonl").lines)


def test_explanations_of_a_split_and_of_units_that_never_fire(fresh: CommandLine) -> None:
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text(index.read_text("utf-8").replace(",val,", ",train,", 3), "utf-8")
    fires = ["--model", "demo", "--pretrained", "none", "--subset", "tiny", "--mean", "9,9,9"]
    for options in (ON_TINY, fires):
        ended = fresh("explain", *options, "--split", "train", "-q", "-f", "jsonl")
        check("explain", ended.lines)


def test_studies_of_a_run(ccx: CommandLine) -> None:
    def lines(*words: str) -> list[dict[str, Any]]:
        ended = ccx(*words, "-q", "-f", "jsonl")
        assert ended.code == 0, ended.err
        return ended.lines

    metrics = ["metrics", "--units", "0-1"]
    check("metrics", lines(*metrics, "--masking-images", "1", "--bootstrap", "9", "--null", "2"))
    check("metrics", lines(*metrics, "--no-label-masking"))
    check("stability", lines("stability", "--resamples", "3"))
    check("importance", lines("importance", "--units", "0-1"))
    check("importance", lines("importance", "--units", "0-1", "--per", "unit"))
    check("simulate", lines("simulate", "--shuffles", "2"))
    check("ablate", lines("ablate", "--units", "0-1", "--images", "2"))
    check("summary", lines("summary"))
    for per in ("unit", "cluster", "range", "run"):
        (run,) = ccx.files("results/*/header.json")
        check(
            "compare-runs", lines("compare", "runs", run.parent.name, run.parent.name, "--per", per)
        )
    check("compare-units", lines("compare", "units", run.parent.name, run.parent.name))
    check("compare-layers", lines("compare", "layers", run.parent.name))
    check("info", lines("info"))
    check("info", lines("info", "--all"))
    check("rerun", lines("rerun", "--check", "--units", "0"))
    check("explain", lines("rerun"))


def test_roles(ccx: CommandLine) -> None:
    ended = ccx("roles", "-q", "-f", "jsonl")
    assert ended.code == 0, ended.err
    check("roles", ended.lines)


def test_specialisation(ccx: CommandLine) -> None:
    ended = ccx("analyze", "--seed", "1", "--each", "-q", "-f", "jsonl")
    check("analyze", ended.lines)
    assert {line["kind"] for line in ended.lines} >= {"cluster", "default formula", "range"}


def test_what_needs_no_run(ccx: CommandLine) -> None:
    def lines(*words: str) -> list[dict[str, Any]]:
        ended = ccx(*words, "-q", "-f", "jsonl")
        assert ended.code == 0, ended.err
        return ended.lines

    check("cluster", lines("cluster", *ON_TINY, "--units", "0"))
    check("score", lines("score", "ball", "square OR ball", *ON_TINY))
    check("score", lines("score", "ball", *ON_TINY, "--unit", "0"))
    for what in ([], ["--with", "ball"], ["--implications"], ["--images", "ball"]):
        check("concepts", lines("concepts", "--subset", "tiny", *what))
    heuristics = ["compare", "heuristics", *UNTRAINED, "--subset", "tiny", "--units", "0"]
    thresholds = ["compare", "thresholds", *UNTRAINED, "--subset", "tiny", "--units", "0"]
    check("compare-heuristics", lines(*heuristics, "--heuristic", "beam,optimal"))
    check("compare-heuristics", lines(*heuristics, "--heuristic", "beam,optimal", "--each"))
    check("compare-thresholds", lines(*thresholds, "--each"))
    check("compare-objectives", lines("compare", "objectives", "--units", "0", "--each"))


def test_what_is_made_and_kept(ccx: CommandLine, tmp_path: Path) -> None:
    def lines(*words: str) -> list[dict[str, Any]]:
        ended = ccx(*words, "-q", "-f", "jsonl")
        assert ended.code == 0, ended.err
        return ended.lines

    check("layers", lines("layers", *UNTRAINED))
    check("dry-run", lines("explain", *ON_TINY, "--layer", "layer3", "--dry-run"))
    check("dry-run", lines("metrics", "--dry-run"))
    figures = ["--dir-images", str(tmp_path / "figures"), "--units", "0"]
    check("render", lines("render", "--kind", "distribution", *figures))
    check("render", lines("render", "--html", str(tmp_path / "report.html"), "--units", "0"))
    check("fetch", lines("fetch", "--list"))
    check("fetch", lines("fetch", "places365/resnet18", "--dry-run"))
    check("cache", lines("cache", "build", *ON_TINY))
    check("cache", lines("cache", "list"))
    check("cache", lines("cache", "verify"))
    check("cache-clear", lines("cache", "clear", "--yes"))


def test_settings_and_schemas(unused: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCX_PRESET", "cce")
    ended = unused("config", "-q", "-f", "jsonl", "--all")
    check("config", ended.lines)
    assert {line["kind"] for line in ended.lines} == {"file", "directory", "setting"}
    assert {line.get("source") for line in ended.lines} >= {"preset", "flag", "default"}
    from ccx_cli.cli.main import main

    unused.capsys.readouterr()
    assert main(["schema", "-f", "jsonl"]) == 0
    check("schema", [json.loads(line) for line in unused.capsys.readouterr().out.splitlines()])


def test_an_import(unused: CommandLine, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos" / "cat").mkdir(parents=True)
    Image.new("RGB", (32, 32), (250, 0, 0)).save(tmp_path / "photos" / "cat" / "1.png")
    words = ["import", "imagefolder", str(tmp_path / "photos"), "--colors", "--side", "32"]
    ended = unused(*words, "-q", "-f", "jsonl")
    assert ended.code == 0, ended.err
    check("import", ended.lines)


WITHOUT_RECORDS = {"completion", "tui"}
SCHEMA_OF = {
    "cache build": "cache",
    "cache list": "cache",
    "cache verify": "cache",
    "demo": "explain",
    "remove cache": "cache-clear",
    "remove dataset": "cache-clear",
    "remove run": "cache-clear",
    "rerun": "explain",
}


def test_every_command_that_writes_records_has_a_schema() -> None:

    from ccx_cli.cli.program import program

    def paths(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from paths(command, (*above, name))
            else:
                yield (*above, name)

    for path in paths(program()):
        if path[0] in WITHOUT_RECORDS:
            continue
        own = "import" if path[0] == "import" else "-".join(path)
        name = SCHEMA_OF.get(" ".join(path)) or own
        assert name in SCHEMA_NAMES, path
