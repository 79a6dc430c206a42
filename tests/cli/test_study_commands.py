from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.formulas.formula import names_in
from ccx_cli.render.report.payload import payload_of_run
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import resolve_roots
from ccx_cli.tui.open_run import OpenRun

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, cells
else:
    from command_line import ON_TINY, CommandLine, cells

THRESHOLDS = ["compare", "thresholds", *ON_TINY]
LEAD = ("cluster", "formula", "iou", "lift", "mcc")
SECTIONS = (("Units ", "Concepts "), ("Concepts ", "Units above"))
QUANTILES = [0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.995]


def of_kind(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == kind]


def without_differences(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("kind") != "difference"]


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["kind"] for row in rows))


def edit_lines(run: Path, edit: Any) -> None:
    """Rewrite a run's lines."""
    path = run / "explanations.jsonl"
    lines = [edit(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def kept(ccx: CommandLine) -> Path:
    """The directory of the run that there is."""
    return ccx.file("results/*/header.json").parent


def test_analyze_makes_the_untrained_run_once(ccx: CommandLine, kept: Path) -> None:
    first = ccx("analyze", "--seed", "1", "-f", "jsonl")
    assert first.code == 0
    (made,) = (path.parent for path in ccx.files("results/*/header.json") if path.parent != kept)
    assert f"The untrained run is {made.name}." in first.err
    header = json.loads((made / "header.json").read_text(encoding="utf-8"))
    original = json.loads((kept / "header.json").read_text(encoding="utf-8"))
    for what in ("segmentation", "ranges", "search"):
        assert header["identity"][what] == original["identity"][what]
    assert (header["about"]["pretrained"], header["about"]["seed"]) == ("none", 1)
    assert header["sessions"][-1]["units"] == 48
    again = ccx("analyze", kept.name, "--seed", "1", "-f", "jsonl")
    assert again.out == first.out
    assert "Explanations" not in again.err
    named = ccx("analyze", kept.name, "--against", made.name, "-q", "-f", "jsonl")
    assert (named.out, named.err) == (first.out, "")
    explained = ccx.explain("--seed", "1", "-f", "jsonl")
    assert "Explanations" not in explained.err  # the same run as explain's own


def test_analyze_takes_the_last_trained_run(ccx: CommandLine) -> None:
    ccx("explain", "--model", "demo", "--subset", "tiny", "--units", "3", "-f", "csv")
    first = ccx("analyze", "-f", "json")
    assert first.code == 0
    assert "The untrained run is demo-none-layer4-tiny-k5-optimal3" in first.err
    again = ccx("analyze", "-f", "json")
    assert (again.code, again.out) == (0, first.out)


def test_analyze_keeps_the_search_the_ranges_and_the_split(ccx: CommandLine) -> None:
    words = ["--num-clusters", "1", "--quantile", "0.2", "--search", "beam", "--length", "2"]
    words += ["--exclude", "ball", "--operators", "or", "--units", "1,2"]
    assert ccx.explain(*words, "-f", "jsonl").code == 0
    rows = ccx("analyze", "--seed", "3", "-f", "jsonl", "--each").lines
    assert kinds(rows) == ["cluster", "default formula", "default pair", "range"]
    identities = [
        json.loads(path.read_text(encoding="utf-8"))["identity"]
        for path in ccx.files("results/*k1-beam2*/header.json")
    ]
    assert len(identities) == 2
    assert identities[0]["search"] == identities[1]["search"]
    assert identities[0]["search"]["space"]["operators"] == ["OR"]
    assert identities[0]["ranges"] == identities[1]["ranges"]
    assert not any("ball" in row["formula"] for row in of_kind(rows, "default formula"))
    assert [row["unit"] for row in of_kind(rows, "range")] == [1, 2]


def test_analyze_with_ranges_by_hand(ccx: CommandLine) -> None:
    words = ["--ranges", "0.01:0.1,0.1:inf", "--units", "1", "--ties", "-f", "jsonl"]
    assert ccx.explain(*words).code == 0
    rows = ccx("analyze", "--seed", "3", "-f", "jsonl").lines
    assert [row["cluster"] for row in of_kind(rows, "cluster")] == [0, 1, None]
    found = [json.loads(path.read_text()) for path in ccx.files("results/*k2*/header.json")]
    by_hand = {"by_hand": [[0.01, 0.1], [0.1, None]]}
    assert [each["identity"]["ranges"] for each in found] == [by_hand, by_hand]


def test_analyze_against_itself_finds_only_defaults(ccx: CommandLine, kept: Path) -> None:
    """A copy of a run under another name has no formula of its own, but for those left out."""
    copy = kept.with_name("copied")
    copy.mkdir()
    for file in ("header.json", "explanations.jsonl"):
        (copy / file).write_bytes((kept / file).read_bytes())
    ended = ccx("analyze", kept.name, "--against", "copied", "-f", "jsonl", "--each")
    assert "copied holds 4 of 48 units" in ended.err
    rows = ended.lines
    (top,) = of_kind(rows, "default formula")  # a fifth of four units
    everything = of_kind(rows, "cluster")[-1]
    assert everything["cluster"] is None
    assert everything["unspecialised"] == top["trained"] == top["untrained"] >= 1
    judged = [row["specialisation"] for row in of_kind(rows, "range")]
    assert judged.count("unspecialised") == everything["unspecialised"]
    assert judged.count("weakly specialised") == everything["weakly_specialised"]
    assert len(judged) == everything["ranges"]


def test_analyze_in_every_form(ccx: CommandLine, kept: Path) -> None:
    words = ["analyze", kept.name, "--seed", "1", "-q"]
    rows = ccx(*words, "-f", "jsonl").lines
    assert json.loads(ccx(*words, "-f", "json").out) == rows
    read = list(csv.DictReader(io.StringIO(ccx(*words, "-f", "csv").out)))
    by_number = [row for row in rows if row.get("cluster") is not None]
    assert [row["ranges"] for row in read] == [str(row["ranges"]) for row in by_number]
    table = ccx(*words).out
    titles = ["Default pairs", "Default formulas", "Specialisation"]
    assert [line.strip() for line in table.splitlines() if line.strip() in titles] == titles


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--against", "demo-none"], 2, "cannot be compared with itself"),
        ([], 2, "has an untrained network itself"),
        (["--against", "nothing"], 3, "There is no run nothing"),
        (["--units", "40"], 2, "goes past the end"),
    ],
)
def test_analyze_refuses(ccx: CommandLine, words: list[str], code: int, sentence: str) -> None:
    ended = ccx("analyze", *words)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1


def test_analyze_refuses_other_images(ccx: CommandLine, kept: Path) -> None:
    other = kept.with_name("other")
    other.mkdir()
    header = json.loads((kept / "header.json").read_text(encoding="utf-8"))
    header["identity"]["segmentation"] = "another"
    (other / "header.json").write_text(json.dumps(header), encoding="utf-8")
    ended = ccx("analyze", kept.name, "--against", "other")
    assert ended.code == 2
    assert "The run other has other images than" in ended.err


def test_a_header_of_another_search_is_no_guess(ccx: CommandLine, kept: Path) -> None:
    header = json.loads((kept / "header.json").read_text(encoding="utf-8"))
    header["identity"]["search"]["space"] = {"operators": ["OR"], "concepts": "0123456789abcdef"}
    (kept / "header.json").write_text(json.dumps(header), encoding="utf-8")
    ended = ccx("analyze", "--seed", "1", "-q")
    assert ended.code == 2
    assert "is not clear from its header" in ended.err
    del header["identity"]["search"]
    (kept / "header.json").write_text(json.dumps(header), encoding="utf-8")
    ended = ccx("analyze", "--seed", "1", "-q")
    assert ended.code == 4
    assert "header.json does not have the search of the run" in ended.err


def test_compare_runs_of_beam_and_optimum(ccx: CommandLine, kept: Path) -> None:
    ccx.explain("--units", "1-5", "--search", "beam", "-f", "csv")
    words = ["compare", "runs", "demo-none-layer4-tiny-k5-beam", kept.name]
    ended = ccx(*words, "-f", "jsonl")
    assert ended.code == 0
    assert "They differ in search, beam and optimal." in ended.err
    assert "Units in A only, 2: 4-5." in ended.err
    assert "Units in B only, 1: 0." in ended.err
    *units, everything = without_differences(ended.lines)
    assert [row["unit"] for row in units] == [0, 1, 2, 3, 4, 5]
    assert everything["unit"] is None
    for key in ("ranges", "equal", "better", "worse", "only_a", "only_b", "neither"):
        assert everything[key] == sum(row[key] for row in units)
    assert everything["worse"] == 0
    assert units[0]["mean_difference"] is None
    rows = without_differences(ccx(*words, "--per", "range", "-f", "jsonl", "-q").lines)
    both = [row for row in rows if row["difference"] is not None]
    assert len(both) == everything["ranges"] > 5
    assert all(row["difference"] == row["iou_b"] - row["iou_a"] >= 0 for row in both)
    assert sum(row["equal"] for row in both) == everything["equal"]
    of_cluster = ccx(*words, "--per", "cluster", "-f", "jsonl", "-q").lines
    of_cluster = without_differences(of_cluster)
    assert [row["cluster"] for row in of_cluster] == [0, 1, 2, 3, 4, None]
    of_run, *differences = ccx(*words, "--per", "run", "-f", "jsonl", "-q").lines
    assert {"unit": None, **of_run} == everything
    table = ccx(*words, "-q").out
    assert table.splitlines()[3].split()[1] == "0"
    assert " – " in table.splitlines()[3]
    assert of_kind(ended.lines[len(units) + 1 :], "difference") == differences
    assert [row["measure"] for row in differences] == [
        "mcc",
        "activation_coverage",
        "iou",
        "explained",
    ]
    assert {(row["paired"], row["units_a"], row["units_b"]) for row in differences} == {
        (True, 3, 3)
    }
    assert {row["difference"] for row in differences if row["measure"] == "mcc"} == {0.0}
    for said in (table, ended.err):
        assert "A and B have the same MCC (3 paired units)." in said


def test_compare_runs_of_different_networks_says_so(ccx: CommandLine, kept: Path) -> None:
    ccx("explain", "--model", "demo", "--layer", "layer3", "--subset", "tiny", "-f", "csv")
    names = [path.parent.name for path in ccx.files("results/*/header.json")]
    (other,) = (name for name in names if name != kept.name)
    err = ccx("compare", "runs", kept.name, other, "--per", "run").err
    layers = "layer, layer4 and layer3: units are matched by number only."
    assert f"They differ in weights, none and demo; {layers}" in err


def test_thresholds_in_every_form(ccx: CommandLine) -> None:
    words = [*THRESHOLDS, "--units", "0-3", "-q"]
    rows = ccx(*words, "-f", "jsonl").lines
    assert [row["quantile"] for row in rows] == QUANTILES
    assert [row["side"] for row in rows] == 6 * ["high"] + 5 * ["low"]
    for row in rows:
        shares = [row[f"{category}_share"] for category in ("color", "object", "scene")]
        assert row["units"] == 4
        if row["concepts"]:
            assert sum(shares) == pytest.approx(1)
        else:
            assert shares == [None, None, None]
    assert json.loads(ccx(*words, "-f", "json").out) == rows
    read = list(csv.DictReader(io.StringIO(ccx(*words, "-f", "csv").out)))
    assert [float(row["quantile"]) for row in read] == QUANTILES
    assert len(ccx(*words).out.splitlines()) == 1 + 3 + 11 + 1


def test_thresholds_count_positive_concepts(ccx: CommandLine) -> None:
    rows = ccx(*THRESHOLDS, "--units", "0-3", "-q", "-f", "jsonl", "--each").lines
    each = of_kind(rows, "explanation")
    assert len(each) == 4 * len(QUANTILES)
    for row in of_kind(rows, "threshold"):
        own = [one for one in each if one["quantile"] == row["quantile"]]
        named = [category for one in own for category in one["categories"]]
        assert row["concepts"] == len(named)
        assert row["explained"] == sum(one["formula"] is not None for one in own)
        if named:
            assert row["color_share"] == named.count("color") / len(named)
    negated = [one for one in each if "AND NOT" in (one["formula"] or "")]
    for one in negated:
        asked = len(one["categories"]) + one["formula"].count("AND NOT")
        assert asked == len(one["formula"].replace("NOT ", "").split()) // 2 + 1


def test_thresholds_search_as_explain_does(ccx: CommandLine) -> None:
    words = ["--search", "beam", "--length", "1", "--exclude", "ball"]
    rows = ccx(*THRESHOLDS, "--units", "1", "-q", "-f", "jsonl", "--each", *words).lines
    found = [row for row in of_kind(rows, "explanation") if row["formula"] is not None]
    assert len(found) > 3
    for row in found:
        lower, upper = row["range"]
        by_hand = f"{lower!r}:{'inf' if upper is None else repr(upper)}"
        explain = ["--units", "1", "-q", "-f", "jsonl", *words, "--ranges", by_hand]
        (explained,) = ccx.explain(*explain).lines
        for key in ("formula", "iou", "hits", "labels"):
            assert explained[key] == row[key]


def test_thresholds_draw_fifty_units_and_a_plot(ccx: CommandLine, tmp_path: Path) -> None:
    plot = tmp_path / "shares.svg"
    ended = ccx(*THRESHOLDS, "--plot", str(plot), "-f", "jsonl")
    assert {row["units"] for row in ended.lines} == {48}  # all, as there are fewer
    assert f"Drawn: {plot}" in ended.err
    assert "48 units" in plot.read_text(encoding="utf-8")
    assert ccx(*THRESHOLDS, "--plot", str(plot)).code == 2
    few = ccx(*THRESHOLDS, "--random-units", "2", "--seed", "4", "-f", "jsonl", "--each", "-q")
    drawn = {row["unit"] for row in of_kind(few.lines, "explanation")}
    explained = ccx.explain("--random-units", "2", "--seed", "4", "-f", "jsonl", "-q").lines
    assert drawn == {row["unit"] for row in explained}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--plot", "plot.gif"], "--plot plot.gif must end in"),
        (["--length", "0"], "--length 0 must be 1 or more."),
        (["--units", "1", "--random-units", "2"], "mutually exclusive"),
        (["--ties"], "--ties and --within list other formulas"),
        (["--within", "1%"], "--ties and --within list other formulas"),
    ],
)
def test_thresholds_refuse_at_once(words: list[str], sentence: str, unused: CommandLine) -> None:
    ended = unused(*THRESHOLDS, *words)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err
    assert not unused.data.exists()


def test_summary(ccx: CommandLine, kept: Path) -> None:
    rows = ccx("summary", "-q", "-f", "jsonl").lines
    assert kinds(rows) == ["unit", "concept", "category"]
    explained = ccx.explain("--units", "0-3", "-q", "-f", "jsonl").lines
    for row in of_kind(rows, "unit"):
        own = [line for line in explained if line["unit"] == row["unit"]]
        found = [line for line in own if line["formula"] is not None]
        assert row["ranges"] == sum(line["range"] is not None for line in own)
        assert row["explained"] == len(found)
        assert row["iou"] == max((line["iou"] for line in found), default=None)
        assert (row["polysemy"] is None) == (len(found) < 2)
        assert row["polysemy"] is None or 0 <= row["polysemy"] <= 1
    categories = of_kind(rows, "category")
    assert [row["category"] for row in categories] == ["color", "object", "scene"]
    above = [row for row in of_kind(rows, "unit") if row["iou"] is not None and row["iou"] > 0.04]
    assert sum(row["units"] for row in categories) == len(above)
    every = of_kind(ccx("summary", "-q", "-f", "jsonl", "--threshold", "1").lines, "category")
    assert {row["units"] for row in every} == {0}
    for row in of_kind(rows, "unit"):
        lead = max((line for line in explained if line["unit"] == row["unit"]), key=mcc_of)
        assert [row[f"lead_{key}"] for key in LEAD] == [lead[key] for key in LEAD]


def mcc_of(line: dict[str, Any]) -> float:
    return -2.0 if line["mcc"] is None else float(line["mcc"])


def test_the_table_of_summary_begins_with_sentences(ccx: CommandLine, kept: Path) -> None:
    out = ccx("summary", kept.name, "-q").out.splitlines()
    assert out[0].startswith("layer4 of demo (none) on tiny: 4 of 48 units, ")
    start = out.index("What the units respond to")
    assert out[start - 1] == ""
    assert all("do not beat the baseline" in line for line in out[1 : start - 1])
    out = out[start:]
    assert all(line.startswith("Unit ") for line in out[1:5])
    assert out[5:7] == ["", out[6]]
    assert out[6].strip() == "Units"
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out[10:14]]
    assert [line.split()[1] for line in out[1:5]] == [row[0] for row in table]
    mccs = [float(row[3]) for row in table if row[3] != "–"]
    assert mccs == sorted(mccs, reverse=True)
    assert not any("-c" in row[2] for row in table)
    by_unit = ccx("summary", kept.name, "-q", "--sort", "unit").out.splitlines()[start:]
    assert [line.split()[1] for line in by_unit[1:5]] == ["0", "1", "2", "3"]


def test_a_table_of_very_many_units_has_the_first(
    ccx: CommandLine, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def units_of(out: str) -> list[str]:
        rows = out[: out.index("└")].splitlines()
        return [row.split()[1] for row in rows if row.startswith("│")]

    whole = units_of(ccx("summary", kept.name).out)
    monkeypatch.setattr("ccx_cli.cli.summary.MOST_SHOWN", 3)
    monkeypatch.setattr("ccx_cli.cli.summary.SHOWN", 3)
    told = ccx("summary", kept.name)
    assert units_of(told.out) == whole[:3]
    assert "The table has the first 3 of 4 units, and --format csv all of them." in told.err


def test_the_tables_of_summary_are_of_what_explain_shows(ccx: CommandLine, kept: Path) -> None:
    read = cells(ccx.explain("--units", "0-3", "-q", "--all").out)
    numbers = {tuple(row[n] for n in (0, 1, 3, 4, 5, 6)) for row in read}
    out = ccx("summary", kept.name, "-q").out
    units, concepts = (cells(out.partition(start)[2].partition(end)[0]) for start, end in SECTIONS)
    assert {tuple(row[:6]) for row in units} <= numbers
    names = [names_in(formula) for *_, formula, _, _, _ in (row[:7] for row in read)]
    best = {
        name: max(row[6] for row, own in zip(read, names, strict=True) if name in own)
        for name in {name for own in names for name in own}
    }
    assert best.keys() == {row[0] for row in concepts}
    for name, _, _, _, negated, iou in concepts:
        assert iou == best[name] or int(negated)


def test_a_unit_has_one_sentence_everywhere(ccx: CommandLine, kept: Path) -> None:
    out = ccx("summary", kept.name, "-q").out
    said = {line.split()[1]: line for line in out.splitlines() if line.startswith("Unit ")}
    for line in ccx.explain("--units", "0-3").err.splitlines():
        assert not line.startswith("Unit ") or line == said[line.split()[1]]
    roots = resolve_roots(ccx.data)
    run = OpenRun(kept, roots)
    run.learn()
    inputs = RunInputs(Run(kept), roots).against_chance()
    sentences = payload_of_run(inputs, range(4), {}, [])["sentences"]
    for unit in range(4):
        assert said[str(unit)] == run.sentence_on(unit) == sentences[unit]


def test_what_is_common_in_the_untrained_network_is_marked(ccx: CommandLine, kept: Path) -> None:
    """Once ``ccx analyze`` has made its run, as its own records say."""
    assert "untrained" not in ccx.explain("--units", "0-3", "-q").out
    judged = of_kind(ccx("analyze", "--seed", "1", "-f", "jsonl", "--each").lines, "range")
    common = sum(row["specialisation"] == "unspecialised" for row in judged)
    assert common
    assert ccx.explain("--units", "0-3", "--all", "-q").out.count(" common ") == common
    summary = ccx("summary", kept.name, "-q").out
    assert "untrained" in summary or " common " not in summary


def test_dead_units_and_empty_ranges_are_said(ccx: CommandLine, kept: Path) -> None:
    def edit(line: dict[str, Any]) -> dict[str, Any]:
        none = {"formula": None, "labels": None, "iou": 0.0, "hits": 0, "length": 0}
        if line["unit"] == 1:
            return line | none | {"cluster": None, "range": None, "num_ranges": 0}
        return line | none if line["unit"] == 2 else line

    edit_lines(kept, edit)
    ended = ccx("summary", "-f", "jsonl")
    assert ended.code == 0
    assert "1 of 4 units have no range: they never fire." in ended.err
    units = {row["unit"]: row for row in of_kind(ended.lines, "unit")}
    assert (units[1]["ranges"], units[1]["explained"]) == (0, 0)
    assert units[2]["ranges"] > units[2]["explained"] == 0
    for unit in (1, 2):
        for key in ("category", "polysemy", "cluster", "formula", "iou"):
            assert units[unit][key] is None
    analysed = ccx("analyze", "--seed", "1", "-f", "jsonl", "--units", "1,2")
    assert "1 of 2 units have no range: they never fire." in analysed.err
    everything = of_kind(analysed.lines, "cluster")[-1]
    assert everything["ranges"] > everything["explanations"] == 0
    assert everything["unspecialised_share"] is everything["weakly_specialised_share"] is None
    assert "–" in ccx("analyze", kept.name, "--seed", "1", "--units", "1", "-q").out
