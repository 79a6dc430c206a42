"""``ccx cache``: damage is found, named and mended by the very command that is named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, Ended
else:
    from command_line import ON_TINY, CommandLine, Ended

SHARDS = {
    "index": "segmentations/*/images-*.h5",
    "sets": "segmentations/*/sets.*.h5",
    "activations": "activations/*/images-*.h5",
    "ranges": "activations/*/ranges-*/ranges.*.h5",
}


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped": (flip_a_byte, "is damaged (its SHA-256 is not the manifest's)"),
    "truncated": (truncate, "is damaged ("),
    "deleted": (Path.unlink, "is missing"),
}


def told_command(ended: Ended) -> list[str]:
    """The command that the error tells, without ``ccx``."""
    program, *words = shlex.split(ended.err.split("`")[-2])
    assert program == "ccx"
    return words


def run_anywhere(ccx: CommandLine, words: list[str]) -> Ended:
    """Run a told command as it is, from a shell that knows nothing of the data directory."""
    ccx.capsys.readouterr()
    code = main(words)
    return Ended(code, *ccx.capsys.readouterr())


@pytest.mark.parametrize("shard", SHARDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_mended(damage: str, shard: str, ccx: CommandLine) -> None:
    whole = ccx.explain("--units", "0-4", "-f", "jsonl").out
    path = ccx.file(SHARDS[shard])
    spoil, fault = DAMAGES[damage]
    spoil(path)

    verified = ccx("cache", "verify", "-q", "-f", "json")
    assert verified.code == 4
    states = {record["directory"]: record["state"] for record in json.loads(verified.out)}
    assert sorted(state == "whole" for state in states.values()) == [False, True]
    assert path.name in verified.err
    assert fault in verified.err

    explained = ccx.explain("--units", "0-5")
    assert (explained.code, explained.out) == (4, "")
    assert explained.err.startswith(f"Error: {path} {fault}")
    assert told_command(explained) == told_command(verified)

    mended = run_anywhere(ccx, told_command(verified))
    assert mended.code == 0
    assert mended.out.count(" there ") == 2
    assert "1 damaged file of " in mended.err
    assert ccx("cache", "verify", "-q").code == 0
    assert ccx.explain("--units", "0-4", "-f", "jsonl").out == whole
    assert ccx.explain("--units", "0-5").code == 0


@pytest.mark.parametrize(
    "manifest",
    [
        "segmentations/*/manifest.json",
        "activations/*/manifest.json",
        "activations/*/*/manifest.json",
    ],
)
@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "ccx-ranges"}'])
def test_a_damaged_manifest_is_named_and_mended(text: str, manifest: str, ccx: CommandLine) -> None:
    path = ccx.file(manifest)
    path.write_text(text)

    verified = ccx("cache", "verify", "-q")
    assert verified.code == 4
    assert path.name in verified.err

    explained = ccx.explain("--units", "0-4")
    assert explained.code == 4
    assert explained.err.startswith(f"Error: {path} is damaged: ")
    for told in (explained, verified):
        if path.exists():
            assert run_anywhere(ccx, told_command(told)).code == 0
    assert ccx.explain("--units", "0-4").code == 0
    assert ccx("cache", "verify", "-q").code == 0


def test_several_damaged_caches_and_both_mends(ccx: CommandLine) -> None:
    ccx("cluster", *ON_TINY, "--layer", "layer3", "--units", "0")
    for path in ccx.files(SHARDS["activations"]):
        flip_a_byte(path)
    verified = ccx("cache", "verify", "-q")
    assert verified.err.startswith("Error: 2 of 3 caches are damaged (")
    assert verified.err.count("`ccx cache build ") == 2
    assert "--layer layer3" in verified.err


def test_whole_caches(ccx: CommandLine) -> None:
    ended = ccx("cache", "verify", "-f", "jsonl")
    assert ended.code == 0
    assert [record["state"] for record in ended.lines] == ["whole", "whole"]
    assert "Verifying: 2 of 2 caches" in ended.err


def test_listing(ccx: CommandLine) -> None:
    index, activations = ccx("cache", "list", "-f", "jsonl").lines
    assert (index["holds"], index["files"]) == ("concept index", 2)
    assert (activations["holds"], activations["files"]) == ("activations", 2)
    assert activations["name"].startswith("demo-none-layer4-tiny-")
    assert activations["megabytes"] == 0.9
    assert Path(activations["directory"]) == ccx.file("activations/*")
    # The data directory is a copy: the command is for where the cache is, not where it was made.
    rebuild = f"ccx cache build --subset tiny --model demo --pretrained none --data-dir {ccx.data}"
    assert activations["rebuild"] == rebuild
    table = ccx("cache", "list").out
    assert " 0.9 │" in table
    assert " concept index " in table


def test_nothing_to_list(unused: CommandLine) -> None:
    ended = unused("cache", "list", "-f", "csv")
    assert (ended.code, ended.out) == (0, "name,holds,files,megabytes,state\n")
    roots = f"{unused.data}/segmentations or {unused.data}/activations"
    assert ended.err == f"There are no caches in {roots}.\n"
    assert unused("cache", "verify", "-q").code == 0
    assert unused("cache", "clear", "--yes").err == ended.err


class TestClear:
    def test_nothing_goes_without_yes(self, ccx: CommandLine) -> None:
        there = [*ccx.files("segmentations/*"), *ccx.files("activations/*")]
        ended = ccx("cache", "clear")
        assert (ended.code, ended.out) == (2, "")
        sizes = [sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) for path in there]
        listed = ", ".join(
            f"{path} ({size / 1e3:.0f} kB)" for path, size in zip(there, sizes, strict=True)
        )
        assert ended.err.startswith(f"Error: This would remove {listed}, which the run ")
        assert all(path.is_dir() for path in there)

    def test_all_go_and_results_stay(self, ccx: CommandLine) -> None:
        whole = ccx.explain("--units", "0-3", "-f", "jsonl").out
        there = [*ccx.files("segmentations/*"), *ccx.files("activations/*")]
        ended = ccx("cache", "clear", "--yes", "-f", "jsonl")
        assert [line["directory"] for line in ended.lines] == [str(path) for path in there]
        assert not any(path.exists() for path in there)
        assert ccx.explain("--units", "0-3", "-f", "jsonl").out == whole
        assert ccx.explain("--units", "4").code == 0

    def test_one_by_name_or_directory(self, ccx: CommandLine) -> None:
        index, activations = ccx.file("segmentations/*"), ccx.file("activations/*")
        assert ccx("cache", "clear", "--yes", index.name).code == 0
        assert not index.exists()
        assert activations.exists()
        assert ccx("cache", "clear", "--yes", str(activations)).code == 0
        assert not activations.exists()

    def test_a_name_that_is_none(self, ccx: CommandLine) -> None:
        index = ccx.file("segmentations/*").name
        ended = ccx("cache", "clear", "--yes", index[:-2])
        assert ended.code == 3
        assert ended.err.startswith(f"Error: There is no cache {index[:-2]}, did you mean {index}")
        ended = ccx("cache", "clear", "--yes", "nonsense")
        assert ended.err == "Error: There is no cache nonsense: see `ccx cache list`.\n"

    def test_another_directory_of_the_same_name_is_meant(
        self, ccx: CommandLine, tmp_path: Path
    ) -> None:
        ours = ccx.file("segmentations/*")
        other = tmp_path / "elsewhere" / ours.name
        ended = ccx("cache", "clear", "--yes", str(other))
        assert ended.code == 3
        assert ours.is_dir()

    def test_a_directory_that_is_no_cache_stays(self, ccx: CommandLine, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "manifest.json").write_text("{}")
        (precious / "thesis.tex").write_text("")
        assert ccx("cache", "clear", "--yes", str(precious)).code == 3
        assert (precious / "thesis.tex").exists()

    def test_folders_of_others_under_a_root_stay_whole(self, ccx: CommandLine) -> None:
        roots = [ccx.data / "segmentations", ccx.data / "activations"]
        manifests = ('{"name": "an app", "manifest_version": 3}', "", "{}", "[1]")
        for root in roots:
            for number, text in enumerate(manifests):
                (root / f"app-{number}" / "src").mkdir(parents=True)
                (root / f"app-{number}" / "manifest.json").write_text(text)
                (root / f"app-{number}" / "src" / "app.h5").write_text("work")
        ended = ccx("cache", "clear", "--yes", "-f", "jsonl")
        assert len(ended.lines) == 2
        assert all(line["megabytes"] >= 0 for line in ended.lines)
        for root in roots:
            there = sorted(path.name for path in root.rglob("*") if path.is_file())
            assert there == sorted(["app.h5", "manifest.json"] * len(manifests))

    def test_a_manifest_that_only_looks_like_ccxs(self, ccx: CommandLine) -> None:
        theirs = ccx.data / "activations" / "theirs"
        theirs.mkdir()
        manifest = {"format": "ccx-notes", "version": 1, "made_from": {}, "rebuild": ""}
        (theirs / "manifest.json").write_text(json.dumps(manifest | {"shards": {}}))
        assert len(ccx("cache", "clear", "--yes", "-f", "jsonl").lines) == 2
        assert [path.name for path in theirs.iterdir()] == ["manifest.json"]

    def test_a_folder_of_another_in_a_cache_stays(self, ccx: CommandLine) -> None:
        cache = ccx.file("activations/*")
        names = ["manifest.json", ".lock", "mine.0123456789ab.h5"]
        (cache / "notes").mkdir()
        for name in names:
            (cache / "notes" / name).write_text("{}")
        (cache / "notes" / "mine.txt").write_text("work")
        ended = ccx("cache", "clear", "--yes", cache.name)
        assert "holds files that are not ccx's: they stay." in ended.err
        left = {path.name for path in cache.rglob("*") if path.is_file()}
        assert left == {*names, "mine.txt"}

    def test_a_file_of_another_in_a_cache_stays(self, ccx: CommandLine) -> None:
        cache = ccx.file("segmentations/*")
        (cache / "notes").mkdir()
        (cache / "notes" / "mine.txt").write_text("work")
        ended = ccx("cache", "clear", "--yes", cache.name)
        assert ended.code == 0
        assert "holds files that are not ccx's: they stay." in ended.err
        left = [path.name for path in cache.rglob("*") if path.is_file()]
        assert left == ["mine.txt"]


class TestBuild:
    def test_what_explain_would_make(self, fresh: CommandLine) -> None:
        ended = fresh("cache", "build", *ON_TINY)
        assert ended.code == 0
        assert ended.out.count(" there ") == 2
        assert "6 images, 5 concepts, " in ended.err
        assert "48 units of demo (none), layer4." in ended.err
        explained = fresh.explain("--units", "0", "-f", "jsonl")
        assert "Activations" not in explained.err
        assert "Concept index" not in explained.err

    def test_the_index_alone(self, fresh: CommandLine) -> None:
        assert fresh("cache", "build", *ON_TINY, "--no-activations").code == 0
        assert len(fresh.files("segmentations/*")) == 1
        assert fresh.files("activations/*/*.h5") == []

    def test_the_told_command_holds_in_another_directory(
        self, fresh: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        here = CommandLine(Path("data"), fresh.capsys)
        assert here("cache", "build", *ON_TINY, "-q").code == 0
        rebuild = here("cache", "list", "-f", "jsonl").lines[0]["rebuild"]
        assert shlex.split(rebuild)[-2:] == ["--data-dir", str(tmp_path / "data")]


def test_a_cache_of_other_pictures_is_not_used(ccx: CommandLine) -> None:
    picture = ccx.files("datasets/*/images/tiny/000.png")[0]
    picture.write_bytes(ccx.files("datasets/*/images/tiny/001.png")[0].read_bytes())
    before = ccx.file("activations/*")
    ended = ccx.explain("--units", "0")
    assert "Activations of demo (none), layer4: 6 of 6 images" in ended.err
    assert len(ccx.files("activations/*")) == 2
    assert before.is_dir()


def test_a_moved_data_directory_is_used_as_it_is(ccx: CommandLine, tmp_path: Path) -> None:
    whole = ccx.explain("--units", "0-3", "-f", "jsonl").out
    ccx.data.rename(tmp_path / "moved")
    moved = CommandLine(tmp_path / "moved", ccx.capsys)
    ended = moved.explain("--units", "0-3", "-f", "jsonl")
    assert ended.out == whole
    assert "Activations" not in ended.err


def test_damage_in_a_copy_is_mended_in_the_copy(ccx: CommandLine, tmp_path: Path) -> None:
    assert ccx.explain("--units", "0").code == 0
    copy = CommandLine(tmp_path / "elsewhere", ccx.capsys)
    shutil.copytree(ccx.data, copy.data)
    path = copy.file("activations/*/images-*")
    path.write_bytes(path.read_bytes()[:1000])
    ended = copy("metrics", "--no-label-masking")
    assert ended.code == 4
    assert str(ccx.data) not in ended.err
    command = re.findall(r"rebuild it with `ccx (.+)`", ended.err)[0]
    assert shlex.split(command)[-2:] == ["--data-dir", str(copy.data)]
    assert main([*shlex.split(command), "-q"]) == 0
    assert copy("metrics", "--no-label-masking", "-q").code == 0
