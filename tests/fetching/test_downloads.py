"""Getting what is published: hosts, mirrors, digests, archives, and two at once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.errors import CcxError, DamagedDataError, ExitCode, MissingInputError, UsageError
from ccx_cli.fetching.downloads import FetchOptions, fetch
from ccx_cli.fetching.sources import BRODEN, Source, check_mirrors
from ccx_cli.fetching.status import DownloadStatus, inspect, verify
from ccx_cli.fetching.transfer import RetryPolicy
from ccx_cli.fetching.unpacking import LISTING
from ccx_cli.store.paths import Roots, resolve_roots

if TYPE_CHECKING:
    from tests import loopback_host as hosts
    from tests.heard_progress import HeardProgress
    from tests.published_files import zipped
else:
    import loopback_host as hosts
    from heard_progress import HeardProgress
    from published_files import zipped

WEIGHTS = b"\x80\x02" + bytes(range(256)) * 20
OTHER = b"\x80\x02" + bytes(5000)
SET = zipped({"index.csv": b"1", "label.csv": b"2", "category.csv": b"3", "images/a": b"4"}, "set")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Place:
    """A host that publishes weights and a data set, and a place to get them to."""

    host: hosts.Host
    roots: Roots
    options: FetchOptions
    heard: HeardProgress = field(default_factory=HeardProgress)

    def source(self, name: str = "net.pth.tar") -> Source:
        return Source("places365/net", "models", f"places365/{name}", self.at(name), "CC BY", 5000)

    @property
    def dataset(self) -> Source:
        return Source("set", "datasets", "set", self.at("set.zip"), "?")

    def at(self, name: str) -> str:
        return f"{self.host.url}/published/{name}"

    def get(self, source: Source, **options: Any) -> DownloadStatus:
        return fetch(source, self.roots, replace(self.options, **options), self.heard)

    def fails(self, source: Source, kind: type[CcxError] = CcxError, **options: Any) -> str:
        with pytest.raises(kind) as caught:
            self.get(source, **options)
        assert type(caught.value) is kind
        return str(caught.value)

    def files(self) -> list[str]:
        """Everything that is kept, but locks."""
        base = self.roots.models.parent
        return sorted(
            path.relative_to(base).as_posix()
            for path in base.rglob("*")
            if path.is_file() and path.suffix != ".lock"
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    retry = RetryPolicy(timeout=0.3, retries=1, sleep=lambda _: None)
    with hosts.loopback_host() as host:
        host.files["/published/net.pth.tar"] = WEIGHTS
        host.files["/published/set.zip"] = SET
        yield Place(host, resolve_roots(tmp_path / "data"), FetchOptions(retry=retry))


class TestWeights:
    def test_they_land_with_a_receipt(self, place: Place) -> None:
        status = place.get(place.source())
        target = place.roots.models / "places365" / "net.pth.tar"
        assert status == DownloadStatus(
            place.source(),
            "fetched",
            target,
            len(WEIGHTS),
            sha256(WEIGHTS),
            place.at("net.pth.tar"),
        )
        assert target.read_bytes() == WEIGHTS
        assert json.loads(target.with_name("net.pth.tar.json").read_text()) == {
            "format": "ccx-download",
            "version": 1,
            "name": "places365/net",
            "url": place.at("net.pth.tar"),
            "size": len(WEIGHTS),
            "sha256": sha256(WEIGHTS),
            "unpacked_files": None,
            "unpacked_bytes": None,
        }
        assert place.files() == [
            "models/places365/net.pth.tar",
            "models/places365/net.pth.tar.json",
        ]

    def test_they_are_not_fetched_twice(self, place: Place) -> None:
        place.get(place.source())
        assert place.get(place.source()).state == "here"
        assert len(place.host.requests) == 1

    def test_weights_in_the_root_itself_are_here(self, place: Place) -> None:
        place.roots.models.mkdir(parents=True)
        (place.roots.models / "net.pth.tar").write_bytes(WEIGHTS)
        assert place.get(place.source()).path == place.roots.models / "net.pth.tar"
        assert place.host.requests == []

    def test_what_was_found_in_place_is_recorded_and_compared_after(self, place: Place) -> None:
        target = place.source().target(place.roots)
        target.parent.mkdir(parents=True)
        target.write_bytes(WEIGHTS)
        assert place.get(place.source()).sha256 == sha256(WEIGHTS)
        target.write_bytes(OTHER)
        said = place.fails(place.source(), DamagedDataError)
        assert f"has the SHA-256 {sha256(OTHER)}, at first it was {sha256(WEIGHTS)}" in said
        assert "`ccx fetch --force places365/net`" in said

    def test_force_fetches_them_anew(self, place: Place) -> None:
        place.get(place.source())
        target = place.source().target(place.roots)
        target.write_bytes(b"spoilt")
        assert place.get(place.source(), force=True).state == "fetched"
        assert target.read_bytes() == WEIGHTS

    def test_another_file_than_at_first_is_refused(self, place: Place) -> None:
        place.get(place.source())
        place.source().target(place.roots).unlink()
        place.host.files["/published/net.pth.tar"] = OTHER
        said = place.fails(place.source(), DamagedDataError)
        assert f"at first it was {sha256(WEIGHTS)} (`sha256` {sha256(OTHER)} accepts it)" in said
        assert place.files() == ["models/places365/net.pth.tar.json"]
        place.get(place.source(), sha256=sha256(OTHER))
        assert place.get(place.source()).sha256 == sha256(OTHER)

    def test_a_digest_that_is_demanded(self, place: Place) -> None:
        said = place.fails(place.source(), DamagedDataError, sha256=sha256(OTHER))
        assert f"has the SHA-256 {sha256(WEIGHTS)}, not {sha256(OTHER)}" in said
        assert place.files() == []
        place.get(place.source(), sha256=sha256(WEIGHTS))
        assert "not" in place.fails(place.source(), DamagedDataError, sha256=sha256(OTHER))

    def test_a_digest_that_begins_in_the_name(self, place: Place) -> None:
        good, bad = f"net-{sha256(WEIGHTS)[:8]}.pth", f"net-{sha256(OTHER)[:8]}.pth"
        place.host.files |= {f"/published/{name}": WEIGHTS for name in (good, bad)}
        assert place.get(place.source(good)).state == "fetched"
        said = place.fails(place.source(bad), DamagedDataError)
        assert f"has the SHA-256 {sha256(WEIGHTS)}, not {sha256(OTHER)[:8]}..." in said

    @pytest.mark.parametrize(
        ("behaviour", "fault"),
        [
            (hosts.web_page, "is a web page"),
            (hosts.answer(200, {}, b"sorry"), "is not a PyTorch checkpoint"),
            (hosts.answer(200, {}, b""), "is not a PyTorch checkpoint"),
            (hosts.answer(200, {}, b"PK\3\4 and no end"), "is not a complete zip archive"),
        ],
    )
    def test_what_is_no_such_file_at_all(
        self, place: Place, behaviour: hosts.Behaviour, fault: str
    ) -> None:
        place.host.always = behaviour
        said = place.fails(place.source(), DamagedDataError)
        assert f"({place.at('net.pth.tar')} gives a file that {fault})" in said
        assert place.files() == []

    @pytest.mark.parametrize("start", [b"\x80\x02", bytes(257) + b"ustar", zipped({"a": b"x"})])
    def test_all_forms_of_checkpoints_are_taken(self, place: Place, start: bytes) -> None:
        place.host.files["/published/net.pth.tar"] = start
        assert place.get(place.source()).state == "fetched"

    def test_a_damaged_receipt_is_named(self, place: Place) -> None:
        place.get(place.source())
        place.source().target(place.roots).with_name("net.pth.tar.json").write_text("{}")
        assert "is not a record of a download: remove it" in place.fails(
            place.source(), DamagedDataError
        )
        assert inspect(place.source(), place.roots).state == "damaged"


class TestHosts:
    def test_a_host_that_fails_is_named_with_what_to_do(self, place: Place) -> None:
        place.host.always = hosts.answer(503)
        said = place.fails(place.source())
        assert said == (
            f"places365/net could not be fetched ({place.at('net.pth.tar')} answers 503 Service "
            "Unavailable, tried 2 times): try again later, name another host with `mirrors`, or "
            "give net.pth.tar with `local`."
        )
        assert CcxError.exit_code is ExitCode.FAILED

    def test_mirrors_come_first(self, place: Place) -> None:
        place.host.files["/mirror/net.pth.tar"] = WEIGHTS
        status = place.get(place.source(), mirrors=[f"{place.host.url}/mirror/"])
        assert place.host.paths == ["/mirror/net.pth.tar"]
        assert status.url == f"{place.host.url}/mirror/net.pth.tar"

    def test_a_mirror_may_keep_the_published_path(self, place: Place) -> None:
        place.host.files["/mirror/published/net.pth.tar"] = WEIGHTS
        place.get(place.source(), mirrors=[f"{place.host.url}/mirror"])
        assert place.host.paths == ["/mirror/net.pth.tar", "/mirror/published/net.pth.tar"]

    def test_one_host_after_the_other(self, place: Place) -> None:
        mirrors = [hosts.nobody(), f"{place.host.url}/empty", f"{place.host.url}/wrong"]
        place.host.files["/wrong/net.pth.tar"] = hosts.SORRY
        place.get(place.source(), mirrors=mirrors)
        assert place.source().target(place.roots).read_bytes() == WEIGHTS
        assert "refuses connections" in "".join(place.heard.notes)
        assert "404" in "".join(place.heard.notes)
        assert "web page" in "".join(place.heard.notes)
        assert place.files() == [
            "models/places365/net.pth.tar",
            "models/places365/net.pth.tar.json",
        ]

    def test_a_wrong_file_weighs_more_than_a_silent_host(self, place: Place) -> None:
        place.host.always = hosts.web_page
        place.fails(place.source(), DamagedDataError, mirrors=[hosts.nobody()])

    def test_a_part_is_gone_on_with_at_its_own_host_only(self, place: Place) -> None:
        mirror = f"{place.host.url}/mirror"
        place.host.files["/mirror/net.pth.tar"] = OTHER
        retry = replace(place.options.retry, retries=0)
        place.host.script = [hosts.drop(2000), hosts.drop(1000)]
        place.fails(place.source(), mirrors=[mirror], retry=retry)
        assert inspect(place.source(), place.roots).state == "partial"
        assert inspect(place.source(), place.roots).size == 2000
        place.get(place.source())
        assert place.host.requests[-1].range == "bytes=1000-"
        assert place.source().target(place.roots).read_bytes() == WEIGHTS
        assert place.files() == [
            "models/places365/net.pth.tar",
            "models/places365/net.pth.tar.json",
        ]

    def test_a_length_beyond_all_disks_is_refused_before_a_byte(self, place: Place) -> None:
        place.host.always = hosts.claim(10**17)
        said = place.fails(place.source())
        assert "needs 100,000,000,050,000,000 bytes" in said
        assert "make room, or choose another directory with `root_models`" in said
        assert len(place.host.requests) == 1
        assert place.files() == []

    @pytest.mark.parametrize("mirror", ["ftp://a/b", "/data", "http://", "https://a:x/", "", "a.b"])
    def test_a_mirror_is_a_web_address(self, mirror: str) -> None:
        with pytest.raises(UsageError, match="`local`"):
            check_mirrors(["http://good.example/", mirror])

    def test_two_at_once_fetch_once(self, place: Place) -> None:
        place.host.script = [hosts.stall(1000)]
        both = [
            threading.Thread(target=place.get, args=[place.source()], daemon=True) for _ in range(2)
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert len(place.host.requests) == 2
        assert place.host.requests[1].range == "bytes=1000-"
        assert any(note.startswith("Waiting for another ccx") for note in place.heard.notes)


class TestArchives:
    def test_they_are_unpacked_and_go(self, place: Place) -> None:
        status = place.get(place.dataset)
        assert (status.state, status.size, status.sha256) == ("fetched", 4, sha256(SET))
        assert place.files() == [
            "datasets/set.zip.json",
            f"datasets/set/{LISTING}",
            "datasets/set/category.csv",
            "datasets/set/images/a",
            "datasets/set/index.csv",
            "datasets/set/label.csv",
        ]
        assert place.get(place.dataset).state == "here"
        assert inspect(place.dataset, place.roots).size == 4
        assert len(place.host.requests) == 1

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (hosts.SORRY, "is a web page"),
            (WEIGHTS, "is not a complete zip archive"),
            (SET[:-40], "is not a complete zip archive"),
            (SET.replace(b"set/images", b"../"), "is not a complete zip archive"),
            (zipped({"a": b"x"}, "set"), "is another archive: set/index.csv is not in it"),
        ],
    )
    def test_another_host_may_have_it_whole(self, place: Place, content: bytes, fault: str) -> None:
        place.host.files["/mirror/set.zip"] = content
        mirrors = [f"{place.host.url}/mirror"]
        assert place.get(place.dataset, mirrors=mirrors).url == place.at("set.zip")
        assert fault in place.heard.notes[0] or "is damaged" in place.heard.notes[0]

    def test_nothing_is_left_of_a_wrong_one(self, place: Place) -> None:
        place.host.files["/published/set.zip"] = zipped({"a": b"x"}, "set")
        place.fails(place.dataset, DamagedDataError)
        assert place.files() == []

    def test_a_length_that_is_too_short_cuts_it(self, place: Place) -> None:
        place.host.always = hosts.claim(len(SET) - 30)
        assert "is not a complete zip archive" in place.fails(place.dataset, DamagedDataError)

    def test_a_file_that_is_lost_shows(self, place: Place) -> None:
        target = place.get(place.dataset).path
        (target / "images" / "a").unlink()
        (target / "index_own.csv").write_text("of the user")
        said = place.fails(place.dataset, DamagedDataError)
        assert "(1 file is missing or changed, images/a the first)" in said
        place.get(place.dataset, force=True)
        assert (target / "images" / "a").exists()

    def test_a_file_that_changed_shows_when_all_is_read(self, place: Place) -> None:
        target = place.get(place.dataset).path
        (target / "label.csv").write_bytes(b"X")
        assert place.get(place.dataset).state == "here"
        with pytest.raises(DamagedDataError, match=r"label\.csv the first"):
            verify(place.dataset, target, place.heard)

    def test_files_of_the_user_are_no_damage(self, place: Place) -> None:
        target = place.get(place.dataset).path
        (target / "index_own.csv").write_text("of the user")
        assert verify(place.dataset, target, place.heard).state == "whole"

    def test_a_directory_of_the_user_is_taken_if_whole(self, place: Place) -> None:
        target = place.dataset.target(place.roots)
        target.mkdir(parents=True)
        (target / "index.csv").write_bytes(b"1")
        said = place.fails(place.dataset, DamagedDataError, is_complete=lambda _: False)
        assert "it is incomplete, and ccx did not unpack it" in said
        assert place.get(place.dataset, is_complete=lambda _: True).state == "here"
        (target / "index.csv").write_bytes(b"")
        assert "index.csv" in place.fails(place.dataset, DamagedDataError)
        place.get(place.dataset, force=True)
        assert (target / "label.csv").exists()

    def test_a_demanded_digest_is_the_archives(self, place: Place) -> None:
        place.get(place.dataset, sha256=sha256(SET))
        place.get(place.dataset, sha256=sha256(SET))
        said = place.fails(place.dataset, DamagedDataError, sha256=sha256(OTHER))
        assert f"has the SHA-256 {sha256(SET)}, not {sha256(OTHER)}" in said

    def test_a_killed_unpacking_is_done_again(self, place: Place) -> None:
        left = place.roots.datasets / ".set.unpacking" / "set"
        left.mkdir(parents=True)
        (left / "index.csv").write_bytes(b"half")
        assert inspect(place.dataset, place.roots).state == "missing"
        place.get(place.dataset)
        assert not left.exists()


class TestLocalFiles:
    def test_a_file_of_any_name(self, place: Place, tmp_path: Path) -> None:
        given = tmp_path / "given"
        given.write_bytes(WEIGHTS)
        status = place.get(place.source(), local=given)
        assert (status.url, status.sha256) == (str(given), sha256(WEIGHTS))
        assert place.source().target(place.roots).read_bytes() == WEIGHTS
        assert given.exists()
        assert place.host.requests == []

    def test_an_archive(self, place: Place, tmp_path: Path) -> None:
        given = tmp_path / "given.zip"
        given.write_bytes(SET)
        assert place.get(place.dataset, local=given).state == "fetched"
        assert given.exists()

    @pytest.mark.parametrize("below", ["", "places365"])
    def test_a_folder_of_published_names(self, place: Place, tmp_path: Path, below: str) -> None:
        given = tmp_path / "given" / below / "net.pth.tar"
        given.parent.mkdir(parents=True)
        given.write_bytes(WEIGHTS)
        assert place.get(place.source(), local=tmp_path / "given").url == str(given)

    def test_what_is_not_there(self, place: Place, tmp_path: Path) -> None:
        said = place.fails(place.source(), MissingInputError, local=tmp_path / "given")
        assert said == f"`local` {tmp_path / 'given'} is not there: check the path."
        (tmp_path / "given").mkdir()
        said = place.fails(place.source(), MissingInputError, local=tmp_path / "given")
        assert "has no net.pth.tar, which is places365/net" in said
        (tmp_path / "given" / "index.csv").touch()
        said = place.fails(place.dataset, UsageError, local=tmp_path / "given")
        assert "is unpacked already: use it where it is, as set in the folder" in said

    @pytest.mark.parametrize("content", [hosts.SORRY, b"", b"sorry"])
    def test_what_is_no_such_file(self, place: Place, tmp_path: Path, content: bytes) -> None:
        given = tmp_path / "given"
        given.write_bytes(content)
        for source in (place.source(), place.dataset):
            said = place.fails(source, DamagedDataError, local=given)
            assert said.endswith(f": it is not {source.name}, give another file.")
        assert place.files() == []
        assert given.read_bytes() == content

    def test_a_digest_is_demanded_of_it_as_well(self, place: Place, tmp_path: Path) -> None:
        given = tmp_path / "given"
        given.write_bytes(OTHER)
        place.fails(place.source(), DamagedDataError, local=given, sha256=sha256(WEIGHTS))
        assert place.files() == []


def test_broden_is_where_it_was_published() -> None:
    assert [(source.name, source.location, source.url) for source in BRODEN] == [
        (
            "broden224",
            "broden1_224",
            "http://netdissect.csail.mit.edu/data/broden1_224.zip",
        ),
        (
            "broden227",
            "broden1_227",
            "http://netdissect.csail.mit.edu/data/broden1_227.zip",
        ),
    ]
