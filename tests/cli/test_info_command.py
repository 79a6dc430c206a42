"""``ccx info``: runs of all states, the paragraph of a paper, and no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ccx_cli.concepts.color_rules import COLOR_RULE
from ccx_cli.store.shards import read_manifest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine


@pytest.fixture
def kept(ccx: CommandLine) -> Path:
    """The directory of the run that there is: units 0 to 3."""
    return ccx.file("results/*/header.json").parent


def edit_header(run: Path, edit: Any) -> None:
    path = run / "header.json"
    header = json.loads(path.read_text(encoding="utf-8"))
    edit(header)
    path.write_text(json.dumps(header), encoding="utf-8")


def test_a_run_is_told_by_its_files(ccx: CommandLine, kept: Path) -> None:
    (told,) = ccx("info", "-f", "jsonl").lines
    header = json.loads((kept / "header.json").read_text(encoding="utf-8"))
    assert (told["run"], told["state"]) == (kept.name, "finished")
    assert told["network"]["layer"] == header["about"]["layer"]
    assert told["network"]["weights_sha256"] is None  # seeded
    assert told["dataset"]["labels_fingerprint"] == header["identity"]["segmentation"]
    assert told["dataset"]["mask_size"] == [28, 28]
    assert told["ranges"]["kmeans"] == "exact"
    assert told["units"] == {
        "finished": 4,
        "asked": 4,
        "of_layer": header["about"]["units"],
        "numbers": "0-3",
        "missing": "",
    }
    (session,) = told["sessions"]
    assert session["asked"] == "0-3"
    assert session["seconds"] >= 0
    assert session["versions"]["numpy"] == header["sessions"][0]["numpy"]
    assert {cache["cache"]: cache["state"] for cache in told["caches"]} == {
        "concept index": "whole",
        "activations": "whole",
        "ranges": "whole",
    }
    assert told["bytes"] == sum(path.stat().st_size for path in kept.iterdir())


def test_every_form_tells_the_same(ccx: CommandLine, kept: Path) -> None:
    table = ccx("info").out
    for word in (kept.name, "28 x 28", "Sessions", "Made from", "0-3"):
        assert word in table
    header, row = ccx("info", "-f", "csv").out.splitlines()
    assert "network.layer" in header.split(",")
    assert row.startswith(kept.name)
    assert json.loads(ccx("info", "-f", "json").out) == ccx("info", "-f", "jsonl").lines


def test_what_became_of_the_caches_is_seen(ccx: CommandLine, kept: Path) -> None:
    shard = ccx.file("activations/*/*.h5")
    shard.write_bytes(shard.read_bytes()[:-1])
    for path in ccx.files("segmentations/*/sets.*"):
        read_manifest(path.parent).drop(["sets"])
    (told,) = ccx("info", "-f", "jsonl").lines
    assert [cache["state"] for cache in told["caches"]] == ["partly there", "damaged", "whole"]
    # Where they are not, they are looked for where they were.
    names = {"segmentation": "/nowhere/a", "activations": "/nowhere/b"}
    edit_header(kept, lambda header: header["about"].update(names))
    (told,) = ccx("info", "-f", "jsonl").lines
    assert {cache["state"] for cache in told["caches"]} == {"gone"}


def test_studies_beside_it_are_listed(ccx: CommandLine, kept: Path) -> None:
    assert ccx("metrics", "--no-label-masking", "--units", "0-1", "-q").code == 0
    (told,) = ccx("info", "-f", "jsonl").lines
    (study,) = told["studies"]
    assert (study["study"], study["units"]) == ("metrics", 2)


@pytest.mark.parametrize(
    ("harm", "state", "word"),
    [
        (lambda run: (run / "header.json").write_text("{"), "damaged", "cannot be read"),
        (lambda run: (run / "header.json").unlink(), "damaged", "no"),
        (lambda run: edit_header(run, lambda h: h.update(version=99)), "damaged", "version"),
        (lambda run: edit_header(run, lambda h: h.pop("identity")), "damaged", ""),
        (lambda run: edit_header(run, lambda h: h.update(about=[])), "damaged", ""),
        (
            lambda run: edit_header(run, lambda h: h["sessions"][-1].pop("finished")),
            "unfinished",
            "did not finish",
        ),
        (
            lambda run: edit_header(run, lambda h: h["sessions"][-1].update(asked="0-9")),
            "unfinished",
            "",
        ),
        (
            lambda run: (run / "explanations.jsonl").write_text('{"unit": 0}\n'),
            "damaged",
            "damaged",
        ),
        (lambda run: (run / "explanations.jsonl").unlink(), "unfinished", ""),
        (
            lambda run: edit_header(run, lambda h: h.update(sessions=[{"started": 3}])),
            "unfinished",
            "did not finish",
        ),
    ],
)
def test_a_damaged_run_is_shown_as_far_as_it_goes(
    ccx: CommandLine, kept: Path, harm: Any, state: str, word: str
) -> None:
    harm(kept)
    ended = ccx("info", kept.name, "-f", "jsonl")
    assert ended.code == 0
    assert ended.lines[0]["state"] == state
    assert word in ended.err
    listed = ccx("info", "--all")
    assert listed.code == 0
    assert ccx("info", kept.name).code == 0
    papers = ccx("info", kept.name, "--methods")
    assert papers.code in (0, 2)
    assert "Traceback" not in papers.err
    assert "an internal error" not in papers.err


def test_all_runs_are_listed_those_last_worked_on_first(ccx: CommandLine, kept: Path) -> None:
    assert ccx.explain("--units", "0", "--num-clusters", "1", "--length", "1", "-q").code == 0
    first, second = ccx("info", "--all", "-f", "jsonl").lines
    assert (second["run"], second["finished"], second["num_clusters"]) == (kept.name, 4, 5)
    assert (first["length"], first["search"], first["finished"]) == (1, "optimal", 1)
    table = ccx("info", "--all").out
    assert table.startswith("All runs: network demo, weights none, layer layer4, images tiny, ")
    assert len(table.splitlines()) == 1 + 3 + 2 + 1
    assert f" {kept.name[-10:]} " in table


def test_a_run_is_called_what_its_user_says(ccx: CommandLine, kept: Path) -> None:
    header = (kept / "header.json").stat().st_mtime_ns
    (told,) = ccx("info", "--name", "first try", "--note", "five ranges", "-f", "jsonl").lines
    assert (told["run"], told["name"], told["note"]) == (kept.name, "first try", "five ranges")
    assert (kept / "header.json").stat().st_mtime_ns == header
    for name in ("first try", "first", kept.name[-10:], kept.name[-10:-4]):
        assert ccx("summary", name, "-q").code == 0
    assert " first try " in ccx("info", "--all").out
    given = ("--num-clusters", "1", "--length", "1", "-q")
    taken = ccx.explain("--units", "0", *given, "--name", "first try")
    assert (taken.code, taken.out) == (2, "")
    assert "--name first try is what another run is called" in taken.err
    again = ccx.explain("--units", "0", *given, "--name", "second")
    assert again.code == 0
    assert ccx.explain("--units", "1", *given, "--note", "one range").code == 0
    other = ccx("info", "--all", "-f", "jsonl").lines[0]
    assert (other["name"], other["note"], other["finished"]) == ("second", "one range", 2)
    # An empty one takes the name away; so does nothing else.
    ccx("info", "second", "--name", "", "-q")
    other = ccx("info", "--all", "-f", "jsonl").lines[0]
    assert (other["name"], other["note"]) == (None, "one range")


@pytest.mark.parametrize("name", ["-", "a/b", " a", "a ", ".", "a\nb", "x" * 81])
def test_what_is_no_name_is_refused(name: str, ccx: CommandLine, kept: Path) -> None:
    ended = ccx("info", "--name", name)
    assert (ended.code, ended.out) == (2, "")
    assert "is no name for a run" in ended.err
    assert not (kept / "name.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 3}', "\xff"])
def test_a_damaged_name_is_none(text: str, ccx: CommandLine, kept: Path) -> None:
    (kept / "name.json").write_text(text, encoding="latin-1")
    (told,) = ccx("info", "-f", "jsonl").lines
    assert (told["name"], told["note"]) == (None, None)


def test_no_runs_are_no_error(unused: CommandLine) -> None:
    ended = unused("info", "--all", "-f", "json")
    assert (ended.code, ended.out) == (0, "[]\n")
    assert "There are no runs" in ended.err
    assert unused("info").code == 3


def test_the_paragraph_says_what_was_run(ccx: CommandLine) -> None:
    text = ccx("info", "--methods").out
    for part in (
        "We explained 4 of the 48 units of the layer layer4",
        "random weights, seed 0",
        "Clustered Compositional Explanations [1], which builds on Compositional Explanations [2]",
        "the 6 images of the subset tiny",
        "5 ranges by exact one-dimensional k-means [4]",
        "at most 3 concepts",
        "for every range it is proven that no other formula of this search space scores higher.",
        "The space is all left chains, ((a op b) op c), of up to 3 of these concepts and operators "
        "that begin with a positive concept.",
        "28 x 28",
        "[1] B. La Rosa, L. H. Gilpin and R. Capobianco.",
    ):
        assert part in text
    assert text.count("\n[") == 5


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ([7, 7], "Activation maps were upsampled bilinearly to the 28 x 28 pixels of the label"),
        ([1, 7], "Activation maps were upsampled bilinearly to the 28 x 28 pixels of the label"),
        ([7, 56], "Activation maps were scaled bilinearly to the 28 x 28 pixels of the label maps"),
        ([28, 28], "Activation maps have the 28 x 28 pixels of the label maps, and a pixel is in"),
        ([1, 1], "A unit has one activation for an image, which all pixels of the label maps"),
        (None, "Activation maps of more than one pixel were upsampled bilinearly to the 28 x 28"),
    ],
)
def test_maps_are_said_to_be_upsampled_where_they_are(
    fresh: CommandLine, size: list[int] | None, said: str
) -> None:
    assert fresh.explain("--units", "0", "-q").code == 0
    run = fresh.file("results/*/header.json").parent
    assert json.loads((run / "header.json").read_text())["about"]["map_size"] == [28, 28]
    edit_header(run, lambda header: header["about"].update(map_size=size))
    text = " ".join(fresh("info", "--methods").out.split())
    assert said in text
    assert ("upsampled" in text) == ("upsampled" in said)


def test_other_methods_are_called_by_their_names(ccx: CommandLine) -> None:
    ccx.explain("--units", "0", "--num-clusters", "1", "--length", "1", "-q")
    text = ccx("info", "--methods").out
    assert "with Network Dissection [1] on" in text
    assert "a share of 0.005" in text
    assert "the concept whose pixels" in text
    ccx.explain("--units", "0", "--ranges", "0:1.5,1.5:inf", "--search", "beam", "-q")
    text = ccx("info", "--methods").out
    assert "set by hand, the same for every unit: (0, 1.5), (1.5, infinity)" in text
    assert "a beam search that keeps 5 formulas" in text
    assert "proven" not in text
    ccx.explain("--units", "0", "--categories", "object", "--operators", "or", "-q")
    text = ccx("info", "--methods").out
    assert "2 of which were allowed, joined from left to right by OR whose" in text


def test_how_an_import_named_colors_is_said(fresh: CommandLine) -> None:
    marker = fresh.data / "datasets/broden1_224/ccx-import.json"
    marker.write_text(json.dumps({"colors": True, "color_rule": COLOR_RULE}), "utf-8")
    assert fresh.explain("--units", "0", "-q").code == 0
    text = fresh("info", "--methods").out
    assert "on 289 others it agrees with 93.6% of the labels of pixels" in text
    marker.write_text(json.dumps({"colors": True}), "utf-8")
    assert fresh.explain("--units", "1", "-q").code == 0
    text = fresh("info", "--methods").out
    assert "Colors were named by fixed boxes in hue, saturation and value" in text
    assert "78.3%" in text
    marker.write_text(json.dumps({"colors": False}), "utf-8")
    assert fresh.explain("--units", "2", "-q").code == 0
    assert "Colors were named" not in fresh("info", "--methods").out


@pytest.mark.parametrize(
    ("clusters", "ranges"),
    [
        ("2", "activations of each unit on those images were cut"),
        ("1", "over those images exceeds"),
    ],
)
@pytest.mark.parametrize("is_given", [False, True])
def test_a_search_on_a_split_is_said_to_be_one(
    fresh: CommandLine, tmp_path: Path, clusters: str, ranges: str, is_given: bool
) -> None:
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text(index.read_text("utf-8").replace(",val,", ",train,", 3), "utf-8")
    words = ["--units", "0", "--split", "train", "--num-clusters", clusters, "-q"]
    if is_given:
        images = index.read_text("utf-8").count("\n") - 1
        np.save(tmp_path / "given.npy", np.random.default_rng(0).random((images, 2, 4, 4)))
        given = ["--activations", str(tmp_path / "given.npy"), "--activations-axes", "images-first"]
        assert fresh("explain", *words, *given, "--subset", "tiny").code == 0
    else:
        assert fresh.explain(*words).code == 0
    text = fresh("info", "--methods").out
    assert "searched on the images marked train and scored on the others" in text
    assert "whose pixels over those images have the largest" in text
    assert ranges in text
    assert "on tiny, images marked train: 1 of " in fresh("summary", "-q").out
    said = "Metrics of the stored formulas, over all images; they were searched on those marked "
    assert fresh("metrics", "-q").out.startswith(f"{said}train.\n")


def test_a_name_that_takes_the_place_of_another_is_said(fresh: CommandLine) -> None:
    for name, is_said in (("first", False), ("first", False), ("second", True), ("", False)):
        err = fresh.explain("--units", "0", "--name", name).err
        assert ("This run was called first until now." in err) == is_said
    assert "This run was called second until now." in err


def test_latex_cites_what_bibtex_has(ccx: CommandLine, tmp_path: Path) -> None:
    import re

    latex = ccx("info", "--latex").out
    file = tmp_path / "references.bib"
    assert ccx("info", "--bibtex", "-o", str(file)).out == ""
    entries = file.read_text(encoding="utf-8")
    cited = set(re.findall(r"\\cite\{(\w+)\}", latex))
    assert cited == set(re.findall(r"^@\w+\{(\w+),$", entries, re.MULTILINE))
    assert r"broden1\_224" in latex
    assert entries.count("{") == entries.count("}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--all", "--methods"], "--all and --methods are mutually exclusive"),
        (["--methods", "--bibtex"], "mutually exclusive"),
        (["--bibtex", "-f", "json"], "writes text, not json"),
        (["nonesuch"], "no run nonesuch"),
    ],
)
def test_what_cannot_be_meant_is_refused(ccx: CommandLine, words: list[str], sentence: str) -> None:
    ended = ccx("info", *words)
    assert ended.code in (2, 3)
    assert sentence in ended.err


def test_it_needs_neither_torch_nor_numba(tiny_data: Path) -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main;"
        f"places = ['--data-dir', {str(tiny_data)!r}];"
        "codes = [main(['info', *each, *places]) for each in ([], ['--all'], ['--methods'])];"
        "heavy = {'torch', 'numba'} & set(sys.modules);"
        "sys.exit(f'{codes} {heavy}' if any(codes) or heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
