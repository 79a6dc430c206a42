"""``ccx fetch`` of public labeled sets: downloaded, unpacked and imported in one go."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ccx_cli.concepts.importing import writer
from ccx_cli.concepts.importing.convert import ConvertedImage, convert
from ccx_cli.fetching.sets import SETS

if TYPE_CHECKING:
    from tests import loopback_host as hosts
    from tests.cli.command_line import CommandLine, Ended, environment
    from tests.published_sets import ARCHIVES, pascal_parts, tarred, voc, zipped
else:
    import loopback_host as hosts
    from command_line import CommandLine, Ended, environment
    from published_sets import ARCHIVES, pascal_parts, tarred, voc, zipped

JSONL = ["-f", "jsonl"]
UNDIGESTED = """
import sys
from dataclasses import replace
from ccx_cli.cli.main import main
from ccx_cli.fetching.sets import SETS
for name, each in SETS.items():
    parts = [replace(u, archive=replace(u.archive, sha256="", md5="")) for u in each.unpackings]
    SETS[name] = replace(each, unpackings=tuple(parts))
sys.exit(main(sys.argv[1:]))
"""
VOC = "VOCtrainval_11-May-2012.tar"
STUFF = "stuffthingmaps_trainval2017.zip"


@pytest.fixture(autouse=True)
def _small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test get through to a published host, and small archives have digests of their own."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, hosts.nobody())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, published in SETS.items():
        unpackings = tuple(
            replace(each, archive=replace(each.archive, sha256="", md5=""))
            for each in published.unpackings
        )
        monkeypatch.setitem(SETS, name, replace(published, unpackings=unpackings))


@pytest.fixture
def host() -> Iterator[hosts.Host]:
    """A mirror of every archive."""
    with hosts.loopback_host() as running:
        for archives in ARCHIVES.values():
            running.files |= {f"/{name}": content for name, content in archives().items()}
        yield running


@pytest.fixture
def fetch(unused: CommandLine, host: hosts.Host) -> Callable[..., Ended]:
    def run(*words: str) -> Ended:
        return unused("fetch", *words, "--mirror", host.url, "--retries", "0", *JSONL)

    return run


def concepts(ccx: CommandLine, name: str) -> dict[str, tuple[str, int]]:
    """The concepts of a dataset without colors: category, and on how many images."""
    listed = ccx("concepts", "--subset", name, *JSONL).lines
    return {
        line["concept"]: (line["category"], line["images"])
        for line in listed
        if line["category"] != "color"
    }


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestFetching:
    @pytest.mark.parametrize(
        ("name", "expected", "splits"),
        [
            (
                "ade20k-challenge",
                {
                    "wall": ("object", 2),
                    "building": ("object", 2),
                    "sky": ("object", 2),
                    "water": ("object", 6),
                    "street-s": ("scene", 3),
                    "airport_terminal-s": ("scene", 3),
                },
                "4 train, 2 val",
            ),
            (
                "coco-panoptic-val",
                {
                    "person": ("object", 2),
                    "cat": ("object", 2),
                    "sky-other-merged": ("stuff", 2),
                    "grass-merged": ("stuff", 2),
                },
                "4 val",
            ),
            (
                "coco-stuff-val",
                {
                    "person": ("object", 2),
                    "cat": ("object", 2),
                    "grass": ("stuff", 2),
                    "sky-other": ("stuff", 2),
                },
                "4 val",
            ),
            ("voc2012", {"cat": ("object", 3), "person": ("object", 2)}, "3 train, 2 val"),
            (
                "pascal-parts",
                {
                    "cow": ("object", 5),
                    "diningtable": ("object", 5),
                    "head": ("part", 5),
                    "eye": ("part", 5),
                    "leg": ("part", 5),
                },
                "2 train, 3 val",
            ),
            (
                "cub200",
                {
                    "bird": ("object", 6),
                    "Black footed Albatross": ("species", 3),
                    "Laysan Albatross": ("species", 3),
                    "bill shape: curved (up or down)": ("bill-shape", 6),
                    "wing color: blue": ("wing-color", 3),
                },
                "3 test, 3 train",
            ),
        ],
    )
    def test_each_label_is_of_its_category(
        self,
        unused: CommandLine,
        fetch: Callable[..., Ended],
        name: str,
        expected: dict[str, tuple[str, int]],
        splits: str,
    ) -> None:
        ended = fetch(name)
        assert ended.code == 0, ended.err
        (line,) = ended.lines
        target = unused.data / "datasets" / name / "broden1_224"
        assert (line["name"], line["state"], line["path"]) == (name, "fetched", str(target))
        assert f"({splits})" in ended.err
        assert concepts(unused, name) == expected
        archives = unused.data / "datasets" / "archives"
        assert [path for path in archives.iterdir() if path.is_dir()] == []
        assert [path.name for path in target.parent.iterdir() if path.is_dir()] == ["broden1_224"]
        colors = unused("concepts", "--subset", name, "--category", "color", *JSONL)
        assert colors.lines

    def test_pixels_that_mean_nothing_have_no_label(
        self, unused: CommandLine, fetch: Callable[..., Ended]
    ) -> None:
        for name in ("ade20k-challenge", "coco-stuff-val", "voc2012"):
            assert fetch(name, "--no-colors").code == 0
            target = unused.data / "datasets" / name / "broden1_224"
            (mask,) = sorted(target.rglob("*_object.png"))[:1]
            values = np.asarray(Image.open(mask))
            # The upper quarter is 0, or 255: other, void.
            assert not values[:27].any()
            assert values[30:].any()
            assert "color" not in (target / "category.csv").read_text()

    def test_it_is_explained_at_its_side(
        self, unused: CommandLine, fetch: Callable[..., Ended]
    ) -> None:
        ended = fetch("voc2012", "--side", "64")
        assert (unused.data / "datasets" / "voc2012" / "broden1_64").is_dir()
        assert (
            "Next: ccx explain --subset voc2012 --model resnet18 --pretrained imagenet --fetch"
            in ended.err
        )
        ended = unused(
            *("explain", "--subset", "voc2012", "--model", "demo", "--pretrained", "none"),
            *("--units", "0-1", *JSONL),
        )
        assert ended.code == 0, ended.err
        assert {line["unit"] for line in ended.lines} == {0, 1}

    @pytest.mark.parametrize("name", ["cub200", "pascal-parts"])
    def test_labels_of_pixels_and_of_images_are_explained_together(
        self, unused: CommandLine, fetch: Callable[..., Ended], name: str
    ) -> None:
        fetch(name, "--side", "64", "--no-colors")
        ended = unused(
            *("explain", "--subset", name, "--model", "demo", "--pretrained", "none"),
            *("--units", "0-3", *JSONL),
        )
        assert ended.code == 0, ended.err
        known = concepts(unused, name)
        used = {label for line in ended.lines for label in known if label in line["formula"]}
        categories = {known[label][0] for label in used}
        assert {"object"} < categories

    def test_explain_fetches_a_set_that_is_missing(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["concepts", "--subset", "cub200"]
        ended = unused(*words)
        assert ended.code == 3
        assert ended.err.endswith("get it with `ccx fetch cub200`.\n")
        monkeypatch.setenv("CCX_MIRRORS", host.url)
        ended = unused(
            *("cluster", "--subset", "cub200", "--model", "resnet18", "--pretrained", "none"),
            *("--units", "0", "--fetch"),
        )
        assert ended.code == 0, ended.err
        assert unused(*words).code == 0

    def test_again_nothing_is_done(
        self, unused: CommandLine, fetch: Callable[..., Ended], host: hosts.Host
    ) -> None:
        fetch("coco-stuff-val")
        asked = len(host.requests)
        left = unused.data / "datasets" / "archives" / ".coco-stuff-val"
        left.mkdir()
        ended = fetch("coco-stuff-val")
        assert (ended.code, ended.lines[0]["state"]) == (0, "here")
        assert not left.exists()
        assert len(host.requests) == asked
        ended = fetch("coco-stuff-val", "--no-colors")
        assert ended.code == 2
        assert "already exists, imported from other files, with other options" in ended.err
        assert ended.err.endswith("set --force to overwrite it, or use it as it is.\n")
        assert fetch("coco-stuff-val", "--no-colors", "--force").code == 0
        assert len(host.requests) == asked
        # Another side needs no download either, nor do the photographs of another set.
        assert fetch("coco-stuff-val", "--side", "48x64").code == 0
        assert len(host.requests) == asked
        assert fetch("coco-panoptic-val").code == 0
        assert host.paths[asked:] == ["/panoptic_annotations_trainval2017.zip"]

    def test_archives_can_go(self, unused: CommandLine, fetch: Callable[..., Ended]) -> None:
        archives = unused.data / "datasets" / "archives"
        ended = fetch("voc2012")
        size = (archives / VOC).stat().st_size
        assert ended.lines[0]["archive_bytes"] == size
        assert "`ccx fetch voc2012 --remove-archives` removes them." in ended.err
        ended = fetch("voc2012", "--remove-archives")
        assert (ended.lines[0]["state"], ended.lines[0]["archive_bytes"]) == ("here", 0)
        assert not (archives / VOC).exists()
        assert concepts(unused, "voc2012")

    def test_from_a_folder_or_one_of_the_files(
        self, unused: CommandLine, host: hosts.Host, tmp_path: Path
    ) -> None:
        given = tmp_path / "given"
        given.mkdir()
        for name, content in ARCHIVES["cub200"]().items():
            (given / name).write_bytes(content)
        masks = given / "segmentations.tgz"
        ended = unused("fetch", "cub200", "--from", str(masks), "--mirror", host.url)
        assert ended.code == 0, ended.err
        assert host.paths == ["/CUB_200_2011.tgz"]
        ended = unused("fetch", "cub200", "--side", "64", "--from", str(given), "--force")
        assert ended.code == 0, ended.err
        assert masks.is_file()


class TestInterrupted:
    def test_the_download_is_continued(
        self, unused: CommandLine, fetch: Callable[..., Ended], host: hosts.Host
    ) -> None:
        host.script = [hosts.drop(5000)]
        assert fetch("voc2012").code == 1
        (listed,) = [x for x in unused("fetch", "--list", *JSONL).lines if x["name"] == "voc2012"]
        assert (listed["state"], listed["bytes"]) == ("partial", 5000)
        assert fetch("voc2012").code == 0
        assert host.requests[-1].range == "bytes=5000-"

    def test_the_import_is_continued(
        self,
        unused: CommandLine,
        fetch: Callable[..., Ended],
        host: hosts.Host,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        target = unused.data / "datasets" / "voc2012" / "broden1_224"
        assert fetch("voc2012").code == 0
        whole = files_of(target)
        (target / "ccx-import.json").unlink()
        for path in sorted(target.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        target.rmdir()
        done: list[str] = []

        def interrupted(*arguments: Any) -> ConvertedImage:
            if len(done) == 3:
                raise KeyboardInterrupt
            done.append(arguments[3])
            return convert(*arguments)

        monkeypatch.setattr(writer, "_CHUNK", 1)
        monkeypatch.setattr(writer, "convert", interrupted)
        assert fetch("voc2012").code == 130
        (unused.data / "datasets" / "archives" / VOC).unlink()
        asked = len(host.requests)
        again: list[str] = []

        def counted(*arguments: Any) -> ConvertedImage:
            again.append(arguments[3])
            return convert(*arguments)

        monkeypatch.setattr(writer, "convert", counted)
        assert fetch("voc2012").code == 0
        assert len(host.requests) == asked
        assert len(again) == 2
        made = files_of(target)
        assert {k: v for k, v in made.items() if k != "ccx-import.json"} == {
            k: v for k, v in whole.items() if k != "ccx-import.json"
        }

    @pytest.mark.slow
    def test_killed_at_any_moment_the_files_are_the_same(
        self, tmp_path: Path, host: hosts.Host
    ) -> None:
        """Kill download, unpacking and import until one run gets through."""

        def run(data: Path, seconds: float) -> int | None:
            words = ["fetch", "voc2012", "--mirror", host.url, "-q", "--no-colors"]
            command = [sys.executable, "-c", UNDIGESTED, *words]
            process = subprocess.Popen(
                command, env=environment(data), start_new_session=True, stdout=subprocess.DEVNULL
            )
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None

        host.files[f"/{VOC}"] = voc(120)[VOC]
        began = time.monotonic()
        assert run(tmp_path / "whole", 300) == 0
        whole = time.monotonic() - began
        ends: list[int | None] = [None]
        while ends[-1] is None:
            assert len(ends) < 30
            ends.append(run(tmp_path / "killed", whole * (0.2 + 0.15 * len(ends))))
        assert ends[-1] == 0
        assert len(ends) > 2
        made, expected = (
            files_of(tmp_path / data / "datasets" / "voc2012") for data in ("killed", "whole")
        )
        marker = "broden1_224/ccx-import.json"
        assert marker in made
        assert {**made, marker: ""} == {**expected, marker: ""}


class TestFaults:
    def test_a_wrong_digest(
        self, fetch: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def with_digests(name: str, **digests: Any) -> None:
            unpackings = tuple(
                replace(each, archive=replace(each.archive, **digests))
                for each in SETS[name].unpackings
            )
            monkeypatch.setitem(SETS, name, replace(SETS[name], unpackings=unpackings))

        with_digests("voc2012", sha256="ab" * 32)
        ended = fetch("voc2012")
        assert ended.code == 4
        digest = hashlib.sha256(ARCHIVES["voc2012"]()[VOC]).hexdigest()
        assert f"gives a file that has the SHA-256 {digest}, not {'ab' * 32};" in ended.err
        with_digests("voc2012", sha256="", md5="cd" * 16)
        ended = fetch("voc2012")
        assert ended.code == 4
        assert f"not {'cd' * 16}" in ended.err
        md5 = hashlib.md5(ARCHIVES["voc2012"]()[VOC]).hexdigest()
        with_digests("voc2012", md5=md5)
        assert fetch("voc2012").code == 0

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (zipped({"train2017/1.png": b""}), "lacks val2017/*.png"),
            (zipped({"val2017/../../1.png": b""}), "holds a path outside itself"),
            (zipped({"val2017/1.png": bytes(60_000_000)}), "would grow from"),
        ],
    )
    def test_another_archive_is_refused_and_forgotten(
        self,
        unused: CommandLine,
        host: hosts.Host,
        tmp_path: Path,
        fetch: Callable[..., Ended],
        content: bytes,
        said: str,
    ) -> None:
        (tmp_path / STUFF).write_bytes(content)
        words = ["fetch", "coco-stuff-val", "--from", str(tmp_path / STUFF)]
        ended = unused(*words, "--mirror", host.url)
        assert ended.code == 4
        assert said in ended.err
        assert "give another with --from." in ended.err
        assert (tmp_path / STUFF).is_file()
        assert fetch("coco-stuff-val").code == 0

    def test_an_archive_that_lies_there_is_never_removed(
        self, unused: CommandLine, host: hosts.Host
    ) -> None:
        there = unused.data / "datasets" / "archives" / STUFF
        there.parent.mkdir(parents=True)
        there.write_bytes(zipped({"train2017/1.png": b""}))
        for _ in range(2):
            ended = unused("fetch", "coco-stuff-val", "--mirror", host.url)
            assert ended.code == 4
            assert "is not the archive of coco-stuff-val: fetch it again" in ended.err
            assert there.is_file()
        there.write_bytes(host.files[f"/{STUFF}"])
        assert unused("fetch", "coco-stuff-val", "--mirror", host.url).code == 0

    def test_files_that_are_none_of_them(
        self, unused: CommandLine, tmp_path: Path, host: hosts.Host
    ) -> None:
        (tmp_path / "other.zip").write_bytes(zipped({"1": b""}))
        ended = unused("fetch", "cub200", "--from", str(tmp_path / "other.zip"))
        assert ended.code == 2
        assert "none of the archives of cub200 (CUB_200_2011.tgz, segmentations.tgz)" in ended.err
        ended = unused("fetch", "voc2012", "--from", str(tmp_path / "other.zip"))
        assert ended.code == 4
        assert "is not a tar archive: it is not voc2012, give another file." in ended.err
        ended = unused("fetch", "cub200", "--sha256", "0" * 64, "--mirror", host.url)
        assert (ended.code, "--sha256 is for one file" in ended.err) == (2, True)
        ended = unused("fetch", "voc2012", "--side", "1")
        assert (ended.code, "--side 1 must be from 2" in ended.err) == (2, True)

    def test_a_damaged_archive(
        self, fetch: Callable[..., Ended], host: hosts.Host, unused: CommandLine
    ) -> None:
        whole = host.files["/CUB_200_2011.tgz"]
        host.files["/CUB_200_2011.tgz"] = whole[:5000]
        ended = fetch("cub200")
        assert ended.code == 4
        assert "CUB_200_2011.tgz is damaged at " in ended.err
        host.files["/CUB_200_2011.tgz"] = whole
        assert fetch("cub200").code == 0
        kept = unused.data / "datasets" / "archives" / "segmentations.tgz"
        kept.write_bytes(kept.read_bytes()[::-1])
        ended = unused("fetch", "cub200", "--verify", *JSONL)
        assert (ended.code, ended.lines[0]["state"]) == (4, "damaged")
        assert fetch("cub200", "--force").code == 0
        ended = unused("fetch", "cub200", "--verify", *JSONL)
        assert (ended.code, ended.lines[0]["state"]) == (0, "whole")

    def test_a_part_that_no_one_knows(self, unused: CommandLine, tmp_path: Path) -> None:
        for name, content in pascal_parts("antler").items():
            (tmp_path / name).write_bytes(content)
        ended = unused("fetch", "pascal-parts", "--from", str(tmp_path))
        assert ended.code == 4
        assert "An archive of pascal-parts is not the published one (" in ended.err
        assert "2008_000001.mat names the part 'antler', which PASCAL-Part does not" in ended.err
        assert ended.err.endswith("restore it): fetch it again, or give another with --from.\n")
        for name, content in pascal_parts().items():
            (tmp_path / name).write_bytes(content)
        ended = unused("fetch", "pascal-parts", "--from", str(tmp_path))
        assert ended.code == 0, ended.err

    def test_a_mat_that_is_none(self, unused: CommandLine, tmp_path: Path) -> None:
        for name, content in pascal_parts().items():
            (tmp_path / name).write_bytes(content)
        mats = {f"Annotations_Part/2008_00000{number}.mat": b"MATLAB" for number in range(1, 6)}
        (tmp_path / "trainval.tar.gz").write_bytes(tarred(mats, packed=True))
        ended = unused("fetch", "pascal-parts", "--from", str(tmp_path))
        assert ended.code == 4
        assert "2008_000001.mat is not an annotation of PASCAL-Part" in ended.err

    def test_a_dataset_of_that_name(self, unused: CommandLine, host: hosts.Host) -> None:
        there = unused.data / "datasets" / "voc2012" / "broden1_224"
        there.mkdir(parents=True)
        ended = unused("fetch", "voc2012", "--mirror", host.url, "--force")
        assert ended.code == 2
        assert f"{there} contains a dataset that ccx import did not write" in ended.err
        assert ended.err.endswith(": move it, or choose another folder with --root-datasets.\n")
        (there.parent / "VOCdevkit").mkdir()
        there.rmdir()
        ended = unused("fetch", "voc2012", "--mirror", host.url)
        assert ended.code == 2
        assert "VOCdevkit is not ccx's, so" in ended.err
        assert ended.err.endswith(": move it, or choose another folder with --root-datasets.\n")
        assert host.requests == []


class TestListing:
    def test_what_there_is_and_what_it_takes(
        self, unused: CommandLine, fetch: Callable[..., Ended]
    ) -> None:
        listed = {x["name"]: x for x in unused("fetch", "--list", *JSONL).lines}
        assert all(listed[name]["licence"] and listed[name]["about_bytes"] for name in SETS)
        assert listed["voc2012"]["state"] == "missing"
        assert unused("fetch", "voc2012", "--dry-run", *JSONL).lines[0]["state"] == "missing"
        fetch("coco-stuff-val")
        listed = {x["name"]: x for x in unused("fetch", "--list", *JSONL).lines}
        assert listed["coco-stuff-val"]["state"] == "here"
        assert listed["coco-stuff-val"]["bytes"] > 0
        assert listed["coco-panoptic-val"]["state"] == "partial"
        ended = unused("fetch", "coco-stuff-val", "coco-panoptic-val", "--dry-run", *JSONL)
        (line,) = ended.lines
        assert (line["name"], line["state"]) == ("coco-panoptic-val", "partial")
        assert "1 to fetch, about 861 MB, from the published hosts." in ended.err
        (line,) = unused("fetch", "coco-stuff-val", "--side", "64", "--dry-run", *JSONL).lines
        assert (line["state"], Path(line["path"]).name) == ("partial", "broden1_64")
        assert "coco-panoptic-val: about 860.7 MB of archives to " in ended.err
        assert "archives" in unused("fetch", "--list").out

    def test_the_digests_are_whole(self) -> None:
        for archive in (archive for each in SETS.values() for archive in each.archives):
            assert len(archive.sha256) in {0, 64}
            assert len(archive.md5) in {0, 32}
            assert archive.about_bytes


def test_the_marker_says_the_set(unused: CommandLine, fetch: Callable[..., Ended]) -> None:
    assert fetch("coco-panoptic-val").code == 0
    target = unused.data / "datasets" / "coco-panoptic-val" / "broden1_224"
    marker = json.loads((target / "ccx-import.json").read_text())
    assert (marker["source"], marker["colors"]) == ("coco-panoptic-val", True)
