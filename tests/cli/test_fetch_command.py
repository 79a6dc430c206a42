"""``ccx fetch``, and ``--fetch`` of the commands that need what it gets."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main
from ccx_cli.fetching.sets import SETS
from ccx_cli.probe.networks.catalog import PLACES365_FILES, choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.published_weights import PLACES365, TORCHVISION, torchvision_source
from ccx_cli.store.paths import resolve_roots

if TYPE_CHECKING:
    from tests import loopback_host as hosts
    from tests.cli.command_line import CommandLine, finish, start
    from tests.published_files import broden_files, broden_zip
else:
    import loopback_host as hosts
    from command_line import CommandLine, finish, start
    from published_files import broden_files, broden_zip

JSONL = ["-f", "jsonl"]
WEIGHTS = b"\x80\x02" + bytes(range(256)) * 20
RESNET = "resnet18_places365.pth.tar"
INTERRUPTED = "Interrupted. Finished work is kept: run the same command to continue.\n"
PUBLISHED = (
    "broden224",
    "broden227",
    "places365/alexnet",
    "places365/densenet161",
    "places365/resnet18",
    "places365/resnet50",
    "places365/vgg16",
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test get through to a published host."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, hosts.nobody())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("CCX_MIRRORS", raising=False)


@pytest.fixture(scope="module")
def small_broden() -> bytes:
    return broden_zip(224, 2)


@pytest.fixture
def host(small_broden: bytes) -> Iterator[hosts.Host]:
    """A mirror."""
    with hosts.loopback_host() as running:
        running.files |= {f"/{RESNET}": WEIGHTS, "/data/broden1_224.zip": small_broden}
        yield running


class TestFetching:
    def test_lines_tell_what_is_where(self, unused: CommandLine, host: hosts.Host) -> None:
        ended = unused("fetch", "places365/resnet18", "broden224", "--mirror", host.url, *JSONL)
        assert ended.code == 0
        first, second = ended.lines
        assert first == {
            "name": "places365/resnet18",
            "state": "fetched",
            "bytes": len(WEIGHTS),
            "about_bytes": 45_000_000,
            "archive_bytes": None,
            "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
            "licence": "CC BY",
            "path": str(unused.data / "models" / "places365" / RESNET),
            "url": f"{host.url}/{RESNET}",
            "fault": None,
        }
        assert second["path"] == str(unused.data / "datasets" / "broden1_224")
        assert second["bytes"] == sum(map(len, broden_files(224, 2).values()))
        assert "Next: ccx explain --model resnet18\n" in ended.err
        assert re.search(
            r"^Fetching places365/resnet18: 0.0 of 0.0 MB, [0-9.]+ s$", ended.err, re.M
        )
        assert re.search(r"^Unpacking broden1_224: 0.1 of 0.1 MB, [0-9.]+ s$", ended.err, re.M)

        again = unused("fetch", "places365/resnet18", "broden224", "--mirror", host.url, *JSONL)
        assert [line["state"] for line in again.lines] == ["here", "here"]
        assert "Next" not in again.err
        assert host.paths == [f"/{RESNET}", "/broden1_224.zip", "/data/broden1_224.zip"]

    def test_they_land_where_they_are_looked_for(
        self, unused: CommandLine, host: hosts.Host
    ) -> None:
        assert unused("fetch", "places365/resnet18", "--mirror", host.url).code == 0
        choice = choose_network(unused.data / "models", NetworkRequest("resnet18"))
        assert choice.weights == unused.data / "models" / "places365" / RESNET

    def test_mirrors_of_the_environment(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CCX_MIRRORS", f"{hosts.nobody()} {host.url}")
        assert unused("fetch", "places365/resnet18", "--retries", "0", "-q").code == 0
        assert host.paths == [f"/{RESNET}"]
        monkeypatch.setenv("CCX_MIRRORS", "nonsense")
        assert unused("fetch", "places365/resnet18").code == 2

    def test_from_a_folder(self, unused: CommandLine, tmp_path: Path, small_broden: bytes) -> None:
        given = tmp_path / "given"
        given.mkdir()
        (given / RESNET).write_bytes(WEIGHTS)
        (given / "broden1_224.zip").write_bytes(small_broden)
        ended = unused("fetch", "broden224", "places365/resnet18", "--from", str(given), *JSONL)
        assert [line["state"] for line in ended.lines] == ["fetched", "fetched"]

        ended = unused("fetch", "all", "--from", str(given), *JSONL)
        assert ended.code == 3
        assert [line["state"] for line in ended.lines] == ["here", "here"]
        assert "Error: 5 of 7 could not be fetched, the first because: --from" in ended.err

    def test_quiet_is_quiet(self, unused: CommandLine, host: hosts.Host) -> None:
        ended = unused("fetch", "places365/resnet18", "--mirror", host.url, "-q", *JSONL)
        assert ended.err == ""

    def test_a_table_has_sizes_and_licences(self, unused: CommandLine, host: hosts.Host) -> None:
        out = unused("fetch", "places365/resnet18", "--mirror", host.url).out
        assert all(text in out for text in ("fetched", "0.0 MB", "CC BY", RESNET))

    def test_force_fetches_anew(self, unused: CommandLine, host: hosts.Host) -> None:
        for _ in range(2):
            ended = unused("fetch", "places365/resnet18", "--force", "--mirror", host.url, *JSONL)
            assert ended.lines[0]["state"] == "fetched"
        assert len(host.requests) == 2


class TestFailures:
    def test_every_host_fails(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The published host as well, whatever the network.
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", host.url)
        host.always = hosts.answer(503)
        ended = unused("fetch", "places365/resnet18", "--retries", "0", *JSONL)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.splitlines()[-1] == (
            "Error: places365/resnet18 could not be fetched "
            f"(http://places2.csail.mit.edu/models_places365/{RESNET} answers 503 Service "
            "Unavailable): try again later, name another host with --mirror, or give "
            f"{RESNET} with --from."
        )
        assert host.paths == [f"http://places2.csail.mit.edu/models_places365/{RESNET}"]

    def test_a_wrong_digest(self, unused: CommandLine, tmp_path: Path) -> None:
        given = tmp_path / "vgg16_places365-0bafbc55.pth"
        given.write_bytes(WEIGHTS)
        ended = unused("fetch", "places365/vgg16", "--from", str(given))
        assert ended.code == 4
        assert (
            ended.err.startswith(f"Error: --from {given} has the SHA-256 ") or "Error" in ended.err
        )
        assert "not 0bafbc55...: it is not places365/vgg16, give another file." in ended.err
        ended = unused("fetch", "places365/resnet18", "--from", str(given), "--sha256", "A" * 64)
        assert ended.code == 4
        assert f"not {'a' * 64}" in ended.err

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ([], "There is nothing to fetch"),
            (["resnet18"], "resnet18 is not known, did you mean places365/resnet18?"),
            (["broden225"], "did you mean broden227 or broden224?"),
            (["places365/vgg17"], "did you mean places365/vgg16"),
            (["imagenet/resnet19"], "did you mean imagenet/resnet18"),
            (["imagenet/demo"], "imagenet/demo is not known"),
            (["broden224", "--mirror", "/data"], "--mirror /data is not an address"),
            (["broden224", "--sha256", "12"], "--sha256 12 is not 64 hexadecimal digits."),
            (["all", "--sha256", "0" * 64], "--sha256 is for one file, but 7 are named: name one."),
            (["broden224", "--list", "--dry-run"], "are mutually exclusive"),
        ],
    )
    def test_what_cannot_be_meant(
        self, unused: CommandLine, words: list[str], sentence: str
    ) -> None:
        ended = unused("fetch", *words)
        assert (ended.code, ended.out) == (2, "")
        assert sentence in ended.err
        assert ended.err.count("\n") == 1

    def test_one_file_for_several_names(self, unused: CommandLine, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(WEIGHTS)
        ended = unused("fetch", "all", "--from", str(tmp_path / "file"))
        assert ended.code == 2
        assert "is for one file, but 7 are named" in ended.err

    def test_a_file_that_is_not_there(self, unused: CommandLine) -> None:
        ended = unused("fetch", "broden224", "--from", "/nowhere")
        assert ended.code == 3
        assert ended.err == "Error: --from /nowhere is not there: check the path.\n"


class TestListing:
    def test_all_that_is_published_is_listed(self, unused: CommandLine) -> None:
        ended = unused("fetch", "--list", "-f", "json")
        records = json.loads(ended.out)
        assert tuple(record["name"] for record in records) == (*PUBLISHED, *SETS)
        assert {record["state"] for record in records} == {"missing"}
        assert all(record["licence"] and record["about_bytes"] for record in records)
        assert not unused.data.exists()
        header, *rows = unused("fetch", "--list", "-f", "csv").out.splitlines()
        assert header == ",".join(records[0])
        assert len(rows) == len(records)

    def test_listing_needs_no_torch(self, tmp_path: Path) -> None:
        code = (
            "import sys; from ccx_cli.cli.main import main;"
            f"main(['fetch', '--list', '-f', 'json', '--data-dir', {str(tmp_path)!r}]);"
            "sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

    def test_what_is_here_and_what_is_half_here(
        self, unused: CommandLine, host: hosts.Host
    ) -> None:
        host.script = [hosts.drop(1000)]
        mirror = ["--mirror", host.url, "-q"]
        assert unused("fetch", "places365/resnet18", "--retries", "0", *mirror).code == 1
        unused("fetch", "broden224", "--mirror", host.url, "-q")
        imagenet = unused.data / "models" / "imagenet" / "resnet18-f37072fd.pth"
        imagenet.parent.mkdir()
        imagenet.write_bytes(WEIGHTS)
        listed = {line["name"]: line for line in unused("fetch", "--list", *JSONL).lines}
        assert tuple(listed) == (*PUBLISHED, "imagenet/resnet18", *SETS)
        assert (listed["broden224"]["state"], listed["broden227"]["state"]) == ("here", "missing")
        half = listed["places365/resnet18"]
        assert (half["state"], half["bytes"]) == ("partial", 1000)
        assert listed["imagenet/resnet18"]["path"] == str(imagenet)
        assert "0.0 MB of about 45 MB" in unused("fetch", "--list").out

    def test_a_dry_run_fetches_nothing(self, unused: CommandLine, host: hosts.Host) -> None:
        words = ["fetch", "all", "--mirror", host.url]
        ended = unused(*words, "--dry-run", *JSONL)
        assert [line["name"] for line in ended.lines] == list(PUBLISHED)
        assert ended.err == (f"7 to fetch, about 3,029 MB, from {host.url}, the published hosts.\n")
        unused("fetch", "broden224", "--mirror", host.url)
        assert len(unused(*words, "--dry-run", *JSONL).lines) == 6
        assert len(unused(*words, "--dry-run", "--force", *JSONL).lines) == 7

    def test_verify(self, unused: CommandLine, host: hosts.Host) -> None:
        assert unused("fetch", "--verify", *JSONL).out == ""
        ended = unused("fetch", "--verify", "broden224", *JSONL)
        assert (ended.code, ended.lines[0]["state"]) == (3, "missing")
        assert ended.err.endswith("get them with `ccx fetch broden224`.\n")
        unused("fetch", "broden224", "places365/resnet18", "--mirror", host.url)
        ended = unused("fetch", "--verify", *JSONL)
        assert (ended.code, [line["state"] for line in ended.lines]) == (0, ["whole", "whole"])
        picture = unused.data / "datasets" / "broden1_224" / "images" / "ade20k" / "00000.jpg"
        picture.write_bytes(picture.read_bytes()[::-1])
        ended = unused("fetch", "--verify", *JSONL)
        assert (ended.code, [line["state"] for line in ended.lines]) == (4, ["damaged", "whole"])
        assert "1 file is missing or changed, images/ade20k/00000.jpg the first" in ended.err
        assert "`ccx fetch --force broden224`" in ended.err

    def test_a_set_that_was_unpacked_by_hand(
        self, unused: CommandLine, small_broden: bytes
    ) -> None:
        directory = unused.data / "datasets" / "broden1_224"
        for name, content in broden_files(224, 2).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        lost = directory / "images" / "pascal" / "00001_part.png"
        kept = lost.read_bytes()
        lost.unlink()
        ended = unused("fetch", "broden224")
        assert ended.code == 4
        assert "it is incomplete, and ccx did not unpack it" in ended.err
        lost.write_bytes(kept)
        assert unused("fetch", "broden224", *JSONL).lines[0]["state"] == "here"


class TestProcesses:
    def test_an_interrupt_keeps_the_part(self, unused: CommandLine, host: hosts.Host) -> None:
        host.script = [hosts.stall(1000)]
        process = start(unused.data, "fetch", "places365/resnet18", "--mirror", host.url)
        deadline = time.monotonic() + 30
        while not any(
            part.stat().st_size for part in unused.files("models/places365/.resnet18_*.part")
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        ended = finish(process)
        assert (ended.code, ended.out) == (130, "")
        assert ended.err.endswith(INTERRUPTED)
        assert "Traceback" not in ended.err

        assert unused("fetch", "places365/resnet18", "--mirror", host.url).code == 0
        assert host.requests[-1].range == "bytes=1000-"


class TestBeforeExplaining:
    def test_without_the_data_the_line_that_fetches(self, unused: CommandLine) -> None:
        ended = unused("explain", "--model", "resnet18")
        assert ended.code == 3
        assert "`ccx fetch places365/resnet18`" in ended.err
        ended = unused("explain", "--model", "resnet18", "--pretrained", "imagenet")
        assert "`ccx fetch imagenet/resnet18`" in ended.err
        ended = unused("explain", "--model", "resnet18", "--pretrained", "none")
        assert ended.code == 3
        assert "`ccx fetch broden224`" in ended.err
        ended = unused("explain", "--model", "alexnet", "--pretrained", "none")
        assert "`ccx fetch broden227`" in ended.err

    @pytest.mark.parametrize("command", [["explain"], ["cluster"], ["cache", "build"]])
    def test_fetch_gets_what_is_missing(
        self,
        unused: CommandLine,
        host: hosts.Host,
        monkeypatch: pytest.MonkeyPatch,
        command: list[str],
    ) -> None:
        monkeypatch.setenv("CCX_MIRRORS", host.url)
        untrained = ["--model", "resnet18", "--pretrained", "none", "--fetch"]
        units = [] if command == ["cache", "build"] else ["--units", "0"]
        assert unused(*command, *untrained, *units).code == 0
        assert host.paths == ["/broden1_224.zip", "/data/broden1_224.zip"]

    def test_fetch_gets_weights_and_what_is_no_checkpoint_is_said(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CCX_MIRRORS", host.url)
        ended = unused("explain", "--fetch")
        assert host.paths[0] == f"/{RESNET}"
        assert ended.code == 4
        assert RESNET in ended.err.splitlines()[-1]

    def test_options_are_checked_before_anything_is_fetched(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CCX_MIRRORS", host.url)
        for words, said in (
            (["--model", "resnet81"], "resnet18"),
            (["--model", "squeezenet1_0"], "Places365 weights were published for"),
            (["--model", "resnet18", "--pretrained", "none", "--subset", "dmo"], "demo"),
        ):
            ended = unused("explain", "--fetch", *words)
            assert ended.code == 2
            assert said in ended.err
        assert host.requests == []

    def test_the_demo_network_has_its_weights(
        self, unused: CommandLine, host: hosts.Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CCX_MIRRORS", host.url)
        ended = unused(
            "cluster", "--fetch", "--model", "demo", "--subset", "ade20k", "--units", "0"
        )
        assert ended.code == 0
        assert host.paths == ["/broden1_224.zip", "/data/broden1_224.zip"]


class TestWhatIsPublished:
    def test_places365_by_the_names_it_is_looked_for(self) -> None:
        urls = {source.name: source.url for source in PLACES365}
        assert urls == {
            f"places365/{model}": (
                "https://dissect.csail.mit.edu/models/"
                if model == "vgg16"
                else "http://places2.csail.mit.edu/models_places365/"
            )
            + file
            for model, file in PLACES365_FILES.items()
        }
        digests = [source.digest_start for source in PLACES365 if source.digest_start]
        assert digests == ["0bafbc55"]

    def test_every_torchvision_model_has_weights(self, tmp_path: Path) -> None:
        roots = resolve_roots(tmp_path)
        for name in TORCHVISION:
            pretrained, _, model = name.partition("/")
            source = torchvision_source(name, roots)
            assert source.digest_start
            assert source.about_bytes
            target = source.target(roots)
            target.parent.mkdir(exist_ok=True, parents=True)
            target.touch()
            choice = choose_network(roots.models, NetworkRequest(model, pretrained, "a_layer"))
            assert choice.weights == target
            target.unlink()

    def test_the_set_that_is_here_or_was_given(self, tmp_path: Path) -> None:
        roots = resolve_roots(tmp_path)
        first, second = "resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"
        assert torchvision_source("imagenet/resnet50", roots).file_name == first
        assert torchvision_source("imagenet/resnet50", roots, second).file_name == second
        (roots.models / "imagenet").mkdir(parents=True)
        (roots.models / "imagenet" / second).touch()
        assert torchvision_source("imagenet/resnet50", roots).file_name == second


def test_help_shows_examples_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--help"]) == 0
    out = capsys.readouterr().out
    assert 0 < out.index("Examples") < out.index("  ccx fetch ") < out.index("Arguments")
