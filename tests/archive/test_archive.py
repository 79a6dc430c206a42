"""What earlier versions stored still opens, with the same results.

See ``tests/archive/README.md``. The tests use the command line and the files only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.archive import cases
else:
    import cases

HERE = Path(__file__).parent
ON_DATA = ("--data-dir", "../data")


class Unpacked:
    """The archive in a directory, with a command line in its directory ``run``."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys

    def ccx(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(list(words))
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def prints(self, *words: str) -> str:
        code, out, err = self.ccx(*words)
        assert code == 0, err
        return out

    def expected(self, name: str) -> str:
        return (self.root / "expected" / f"{name}.jsonl").read_text(encoding="utf-8")

    def neutral(self, text: str) -> str:
        return cases.neutral(text, self.root)

    def files(self, directory: str = "data") -> dict[str, bytes]:
        """What is stored, but for headers, to which every process adds its session."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in (self.root / directory).rglob("*")
            if path.is_file() and not path.name.endswith(".lock") and path.name != "header.json"
        }


@pytest.fixture
def archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Unpacked:
    for name in [name for name in os.environ if name.startswith("CCX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["ccx"])
    root = tmp_path / "archive"
    cases.unpack(root)
    monkeypatch.chdir(root / "run")
    return Unpacked(root, capsys)


def test_every_run_gives_its_lines_without_computing(archive: Unpacked) -> None:
    before = archive.files()
    for name, options in cases.EXPLAIN.items():
        out = archive.prints("explain", *options, *cases.LINES, *ON_DATA)
        assert without_newer_keys(out) == without_newer_keys(archive.expected(f"explain-{name}"))
    assert archive.files() == before


def without_newer_keys(lines: str) -> list[str]:
    """Leave out of lines of JSON the keys and kinds that were added since the archive was made."""
    lead = {f"lead_{key}" for key in ("cluster", "formula", "iou", "lift", "mcc")}
    measures = {f"precision_at_{percent}" for percent in (10, 50, 90)}
    measures |= {"f1", "pearson", "cosine", "auprc", "auroc", "image_auprc", "image_auroc"}
    newer = {"baseline", "unbeaten", "lift", "mcc", "holds_zero", *lead, *measures}
    found = []
    for line in lines.splitlines():
        if json.loads(line).get("kind") == "difference":
            continue
        record = {key: value for key, value in json.loads(line).items() if key not in newer}
        for level in record.get("by_length", ()):
            for key in newer | {"labels"}:
                level.pop(key, None)
        found.append(json.dumps(record))
    return found


NEAR = {"zeroed", "share", "share_at_random", "drop"}


def test_every_study_is_read_and_not_made_again(archive: Unpacked) -> None:
    before = archive.files()
    for name, words in cases.STUDIES.items():
        out = archive.prints(*words, *cases.LINES, *ON_DATA)
        if name == "roles":  # It multiplies matrices.
            assert cases.rounded(out) == cases.rounded(archive.expected(name))
        elif name.startswith("importance"):
            # It runs the network: a value next to 0 is in the lowest range on one machine only.
            lines, wanted = cases.rounded(out), cases.rounded(archive.expected(name))
            for line, stored in zip(lines, wanted, strict=True):
                near = {key: pytest.approx(stored[key], abs=0.02) for key in stored.keys() & NEAR}
                assert line == stored | near
        else:
            assert without_newer_keys(out) == without_newer_keys(archive.expected(name)), name
    after = archive.files()
    # Older versions did not keep what `ccx roles` and `ccx importance` find.
    kept = {name for name in after if "/roles-" in name or "/importance-" in name}
    assert after.keys() - before.keys() == kept
    for name, content in before.items():
        # Lines that lack a metric which was added later are measured again, behind the others.
        again = "/metrics-" in name
        assert after[name].startswith(content) if again else after[name] == content, name


def test_lines_get_lift_and_mcc_from_their_counts(archive: Unpacked) -> None:
    """The same, to the last digit, as ``ccx metrics`` measures on the pixels."""

    def lines(*words: str) -> list[dict[str, Any]]:
        out = archive.prints(*words, *cases.LINES, *ON_DATA)
        return [json.loads(line) for line in out.splitlines()]

    measured = {(line["unit"], line["cluster"]): line for line in lines("metrics", cases.RUN)}
    explained = [line for line in lines("explain", *cases.EXPLAIN["optimal"]) if line["formula"]]
    assert explained
    for line in explained:
        of_pixels, best = measured[line["unit"], line["cluster"]], line["by_length"][-1]
        for key in ("iou", "baseline", "lift", "mcc"):
            assert line[key] == of_pixels[key]
        assert (best["mcc"], best["labels"]) == (line["mcc"], line["labels"])


@pytest.mark.parametrize("spoilt", cases.SPOILT, ids=lambda spoilt: spoilt.name)
def test_what_is_said_of_spoilt_runs(archive: Unpacked, spoilt: cases.Spoilt) -> None:
    """Exit codes, notes and errors; in the end the lines are there again, where they can be."""
    ended = {name: archive.ccx(*words, *spoilt.places) for name, words in spoilt.commands.items()}
    said = (HERE / f"transcripts/{spoilt.name}.txt").read_text(encoding="utf-8")
    assert cases.transcript(spoilt, ended, archive.root) == said
    if spoilt.mended:
        whole = without_newer_keys(archive.expected(f"explain-{spoilt.explained}"))
        for code, out, _ in (ended["explain"], ended["rerun"]):
            assert (code, without_newer_keys(out)) == (0, whole)
        stored = archive.root / "spoilt" / spoilt.name / "results" / spoilt.run
        lines = (stored / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
        assert set(without_newer_keys("\n".join(lines))) == set(whole)
        assert (stored / "header.damaged.json").exists() == (spoilt.name == "damaged-header")


@pytest.mark.parametrize("caches", ["data", "old-caches"])
def test_lines_come_out_the_same_from_stored_caches(archive: Unpacked, caches: str) -> None:
    """Also from caches whose manifests have no digest of their own; so do the headers."""
    roots = ["--root-datasets", "../data/datasets", "--data-dir", "../new"]
    for root in ("segmentations", "activations"):
        roots += [f"--root-{root}", f"../{caches}/{root}"]
    before = archive.files(caches)
    chosen = cases.EXPLAIN if caches == "data" else ("optimal", "split", "half", "npy")
    for name in chosen:
        out = archive.prints("explain", *cases.EXPLAIN[name], *cases.LINES, *roots)
        expected = archive.expected(f"explain-{name}")
        if name == "length-4":  # Then every search ended at its limit without a proof.
            assert any(json.loads(line)["proven"] for line in out.splitlines())
            out, expected = without_effort(out), without_effort(expected)
        assert without_newer_keys(out) == without_newer_keys(expected)
    assert archive.files(caches) == before
    made = sorted((archive.root / "new/results").iterdir())
    assert len(made) >= len(chosen)
    for run in made:
        stored = archive.root / "data/results" / run.name
        assert identity(run) == identity(stored)


def without_effort(lines: str) -> str:
    """Leave out how far a search came."""
    found = []
    for record in map(json.loads, lines.splitlines()):
        for key in ("proven", "bound", "gap", "nodes", "visited", "rounds"):
            del record[key]
        for level in record["by_length"]:
            del level["proven"]
        found.append(json.dumps(record))
    return "\n".join(found)


def identity(run: Path) -> Any:
    return json.loads((run / "header.json").read_text(encoding="utf-8"))["identity"]


def test_runs_are_listed_and_described(archive: Unpacked) -> None:
    listed = archive.prints("info", "--all", *cases.LINES, *ON_DATA)
    assert json.loads(listed.partition("\n")[0])["run"] == cases.RUN  # Worked on last.
    in_order = [
        "".join(sorted(each.splitlines(True))) for each in (listed, archive.expected("info-all"))
    ]
    assert_holds(*in_order)
    wanted = archive.expected("info")
    found = [
        archive.prints("info", json.loads(line)["run"], *cases.LINES, *ON_DATA)
        for line in wanted.splitlines()
    ]
    assert_holds(archive.neutral("".join(found)), archive.neutral(wanted))


def test_caches_are_listed_and_whole(archive: Unpacked) -> None:
    listed = archive.prints("cache", "list", *cases.LINES, *ON_DATA)
    assert_holds(archive.neutral(listed), archive.neutral(archive.expected("cache-data")))
    for directory in ("data", "old-caches", "imported"):
        verified = archive.prints(
            "cache", "verify", *cases.LINES, "--data-dir", f"../{directory}"
        ).splitlines()
        assert len(verified) == len(list((archive.root / directory).glob("*/*/manifest.json")))
        assert {json.loads(line)["state"] for line in verified} == {"whole"}


def test_imported_sets_are_gone_on_with(archive: Unpacked) -> None:
    concepts = archive.prints(
        "concepts", "--subset", "photos", "--side", "16", *cases.LINES, "--data-dir", "../imported"
    )
    assert concepts == archive.expected("concepts-imported")
    for where in (["../stopped"], ["../imported", "--force"]):
        again = archive.prints(*cases.IMPORT, *cases.LINES, "--data-dir", *where)
        assert again == archive.expected("import")
    whole, finished = (
        {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (
            archive.root / f"{name}/datasets" / place / "broden1_16"
            for name, place in (("imported", ""), ("stopped", "photos"))
        )
    )
    assert whole == finished


def test_what_was_fetched_is_verified(archive: Unpacked) -> None:
    words = ("fetch", "--verify", *cases.LINES, "--data-dir", "../fetched")
    assert_holds(archive.prints(*words), archive.expected("fetch-verify"))
    with (archive.root / "fetched/models/places365/resnet18_places365.pth.tar").open("ab") as file:
        file.write(b"more")
    assert archive.ccx(*words)[0] == 4


def in_order(lines: str) -> str:
    return "".join(sorted(lines.splitlines(keepends=True)))


def assert_holds(found: str, wanted: str) -> None:
    """Compare JSON Lines; a later version may say more, under keys of its own."""
    found_lines, wanted_lines = found.splitlines(), wanted.splitlines()
    assert len(found_lines) == len(wanted_lines)
    for new, old in zip(found_lines, wanted_lines, strict=True):
        known = json.loads(old)
        assert part_of(json.loads(new), known) == known


def part_of(new: Any, old: Any) -> Any:
    """Take from a record what the older one has too."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: part_of(value, old[key]) for key, value in new.items() if key in old}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [part_of(*pair) for pair in zip(new, old, strict=True)]
    return new
