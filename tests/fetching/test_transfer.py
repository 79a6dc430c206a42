"""One file, from hosts that fail."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.errors import CcxError
from ccx_cli.fetching.transfer import (
    HostFailedError,
    Origin,
    RetryPolicy,
    _Redirects,
    discard,
    download,
)

if TYPE_CHECKING:
    from tests import loopback_host as hosts
    from tests.heard_progress import HeardProgress
else:
    import loopback_host as hosts
    from heard_progress import HeardProgress

FILE = bytes(range(256)) * 400
RETRY = RetryPolicy(timeout=0.3, retries=2, sleep=lambda _: None, jitter=lambda: 1.0)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[hosts.Host]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hosts.loopback_host() as running:
        running.files["/file"] = FILE
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / ".file.part"


def get(
    host: hosts.Host,
    part: Path,
    retry: RetryPolicy = RETRY,
    check_room: Callable[[int], None] = lambda _: None,
) -> HeardProgress:
    heard = HeardProgress()
    download(
        f"{host.url}/file",
        part,
        title="Fetching",
        retry=retry,
        progress=heard,
        check_room=check_room,
    )
    return heard


def failure(host: hosts.Host, part: Path) -> str:
    with pytest.raises(HostFailedError) as caught:
        get(host, part)
    return str(caught.value)


def test_a_file_arrives_and_is_counted(host: hosts.Host, part: Path) -> None:
    heard = get(host, part)
    assert part.read_bytes() == FILE
    (task,) = heard.tasks
    assert (task.done, task.total, task.unit) == (len(FILE), len(FILE), "bytes")
    assert heard.notes == []
    assert host.requests == [hosts.Request("/file", None, None)]


@pytest.mark.parametrize("reset", [False, True])
def test_a_dropped_connection_goes_on_where_it_broke(
    host: hosts.Host, part: Path, reset: bool
) -> None:
    host.script = [hosts.drop(30_000), hosts.drop(20_000, reset=reset)]
    heard = get(host, part)
    assert part.read_bytes() == FILE
    (first, second, third) = host.requests
    assert first.range is None
    assert second.range == "bytes=30000-"
    # A reset may take with it what has been sent before.
    assert third.range == "bytes=50000-" or reset
    assert second.if_range == third.if_range == f'"{etag_of(FILE)}"'
    assert len(heard.notes) == 2
    assert heard.notes[0] == (
        "127.0.0.1 ended the connection after 30,000 of 102,400 bytes: again in 1 s, try 2 of 3."
    )


def test_a_later_call_goes_on_as_well(host: hosts.Host, part: Path) -> None:
    host.script = [hosts.drop(30_000)]
    with pytest.raises(HostFailedError):
        get(host, part, replace(RETRY, retries=0))
    assert part.stat().st_size == 30_000
    assert get(host, part).tasks[0].total == len(FILE)
    assert host.requests[-1].range == "bytes=30000-"
    assert part.read_bytes() == FILE


def test_what_is_whole_already_is_not_asked_for(host: hosts.Host, part: Path) -> None:
    get(host, part)
    get(host, part)
    assert len(host.requests) == 1


def test_a_file_that_changed_meanwhile_is_fetched_anew(host: hosts.Host, part: Path) -> None:
    host.script = [hosts.drop(30_000)]
    with pytest.raises(HostFailedError):
        get(host, part, replace(RETRY, retries=0))
    host.files["/file"] = FILE[::-1]
    get(host, part)
    assert host.requests[-1].range == "bytes=30000-"
    assert part.read_bytes() == FILE[::-1]


def test_a_file_that_became_shorter_is_fetched_anew(host: hosts.Host, part: Path) -> None:
    part.write_bytes(FILE[:30_000])
    Origin("x", 90_000, '"old"').save(part)
    host.script = [hosts.answer(416)]
    get(host, part)
    assert [request.range for request in host.requests] == ["bytes=30000-", None]
    assert part.read_bytes() == FILE


@pytest.mark.parametrize("kept", ["", "[]", '{"url": 3}', '{"url": "x", "etag": 4}', "\0"])
def test_a_part_of_unknown_origin_is_not_trusted(host: hosts.Host, part: Path, kept: str) -> None:
    part.write_bytes(b"something else")
    part.with_name(f"{part.name}.json").write_text(kept)
    get(host, part)
    assert host.requests[0].range is None
    assert part.read_bytes() == FILE


def test_without_a_validator_it_starts_over(host: hosts.Host, part: Path) -> None:
    part.write_bytes(FILE[:10])
    Origin("x", len(FILE)).save(part)
    host.always = hosts.without_validators
    get(host, part)
    assert host.requests[0].range is None
    assert part.read_bytes() == FILE


def test_a_weak_etag_is_no_validator() -> None:
    assert Origin("x", 1, 'W/"a"').validator is None
    assert Origin("x", 1, 'W/"a"', "Mon").validator == "Mon"
    assert Origin("x", 1, '"a"', "Mon").validator == '"a"'


def test_a_host_that_ignores_ranges(host: hosts.Host, part: Path) -> None:
    host.script = [hosts.drop(30_000), hosts.without_ranges]
    heard = get(host, part)
    assert part.read_bytes() == FILE
    assert [task.done for task in heard.tasks] == [30_000, len(FILE)]


def test_a_host_that_ignores_ranges_and_always_drops_fails_in_the_end(
    host: hosts.Host, part: Path
) -> None:
    host.always = hosts.drop(30_000, ranges=False)
    assert failure(host, part) == (
        "ended the connection after 30,000 of 102,400 bytes, tried 3 times"
    )


def test_another_piece_than_asked_for_is_not_joined(host: hosts.Host, part: Path) -> None:
    host.script = [hosts.drop(30_000), hosts.another_piece]
    heard = get(host, part)
    assert part.read_bytes() == FILE
    assert "another piece" in heard.notes[1]


def test_a_host_that_drops_all_the_time_but_gains_gets_there(host: hosts.Host, part: Path) -> None:
    host.always = hosts.drop(20_000)
    get(host, part)
    assert part.read_bytes() == FILE
    assert len(host.requests) == 6


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hosts.stall(50_000), "sends nothing for 0.3 s"),
        (hosts.stall_silently, "does not answer"),
        (hosts.hang_up, "drops the connection"),
        (hosts.babble, "does not speak HTTP"),
        (hosts.answer(503, {}, b"busy"), "answers 503 Service Unavailable"),
        (hosts.claim(10**6), "ended the connection after 102,400 of 1,000,000 bytes"),
    ],
)
def test_what_may_pass_is_tried_again(
    host: hosts.Host, part: Path, behaviour: hosts.Behaviour, reason: str
) -> None:
    host.script = [behaviour]
    heard = get(host, part)
    assert part.read_bytes() == FILE
    assert heard.notes[0] == f"127.0.0.1 {reason}: again in 1 s, try 2 of 3."


def test_a_drip_is_a_stall(host: hosts.Host, part: Path) -> None:
    host.script = [hosts.drip]
    heard = get(host, part)
    assert part.read_bytes() == FILE
    assert "bytes per second" in heard.notes[0]


@pytest.mark.parametrize(
    ("behaviour", "reason", "absent"),
    [
        (hosts.answer(404), "answers 404 Not Found", True),
        (hosts.answer(403), "answers 403 Forbidden", False),
        (hosts.redirect("/file"), "redirects in circles or to no web address", False),
        (hosts.redirect("file:///etc/passwd"), "redirects in circles or to no web address", False),
        (hosts.redirect("ftp://127.0.0.1/x"), "cannot be used", False),
        (hosts.answer(206), "answers with status 206", False),
        (hosts.answer(200, {"Content-Encoding": "gzip"}), "compresses the file", False),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    host: hosts.Host, part: Path, behaviour: hosts.Behaviour, reason: str, absent: bool
) -> None:
    host.always = behaviour
    with pytest.raises(HostFailedError) as caught:
        get(host, part)
    assert str(caught.value).startswith(reason)
    assert caught.value.absent == absent
    assert "root:" not in (part.read_text() if part.exists() else "")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_a_packed_file_may_be_called_packed(host: hosts.Host, part: Path, encoding: str) -> None:
    host.always = hosts.answer(200, {"Content-Encoding": encoding}, FILE)
    retry, heard = RETRY, HeardProgress()
    for name in ("set.tgz", "set.tar.gz"):
        part.unlink(missing_ok=True)
        url = f"{host.url}/{name}"
        download(url, part, title="", retry=retry, progress=heard, check_room=lambda _: None)
        assert part.read_bytes() == FILE


def test_a_redirect_is_followed_and_keeps_the_range(host: hosts.Host, part: Path) -> None:
    host.files["/elsewhere"] = FILE
    host.script = [
        hosts.redirect(f"{host.url}/elsewhere"),
        hosts.drop(30_000),
        hosts.redirect("/elsewhere"),
    ]
    get(host, part)
    assert part.read_bytes() == FILE
    assert host.requests[-1].range == "bytes=30000-"


def test_a_file_of_unsaid_length(host: hosts.Host, part: Path) -> None:
    host.always = hosts.without_length
    asked: list[int] = []
    heard = get(host, part, check_room=asked.append)
    assert part.read_bytes() == FILE
    assert heard.tasks[0].total == 0
    assert sum(asked) == len(FILE)


@pytest.mark.parametrize("length", ["-1", "9" * 30, "lots"])
def test_a_length_that_is_none(host: hosts.Host, part: Path, length: str) -> None:
    def behave(handler: hosts.Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(FILE)

    host.always = behave
    if length == "9" * 30:
        assert failure(host, part).startswith("ended the connection after 102,400 of 999,999")
    else:
        get(host, part)
        assert part.read_bytes() == FILE


def test_no_byte_is_written_where_there_is_no_room(host: hosts.Host, part: Path) -> None:
    def full(size: int) -> None:
        assert size == len(FILE)
        raise CcxError("full")

    with pytest.raises(CcxError, match="full"):
        get(host, part, check_room=full)
    assert not part.exists()


def test_no_redirect_leads_from_https_to_http() -> None:
    request = urllib.request.Request("https://example.org/a")
    follow = _Redirects().redirect_request
    with pytest.raises(HostFailedError, match="from https to http"):
        follow(request, None, 302, "Found", {}, "http://example.org/a")
    assert follow(request, None, 302, "Found", {}, "https://example.org/b") is not None


def test_nobody_there(part: Path) -> None:
    assert failure(hosts.Host(hosts.nobody()), part) == "refuses connections, tried 3 times"


@pytest.mark.parametrize("url", ["http://..", "http://a b"])
def test_an_address_that_cannot_be_one(part: Path, url: str) -> None:
    assert failure(hosts.Host(url), part).startswith("cannot be ")


def test_an_interrupt_keeps_what_has_arrived(host: hosts.Host, part: Path) -> None:
    class Interrupting(HeardProgress):
        def note(self, text: str) -> None:
            raise KeyboardInterrupt

    host.script = [hosts.drop(30_000)]
    with pytest.raises(KeyboardInterrupt):
        download(
            f"{host.url}/file",
            part,
            title="Fetching",
            retry=RETRY,
            progress=Interrupting(),
            check_room=lambda _: None,
        )
    assert part.read_bytes() == FILE[:30_000]
    assert json.loads(part.with_name(f"{part.name}.json").read_text())["size"] == len(FILE)
    discard(part)
    assert list(part.parent.iterdir()) == []


def test_delays_double_and_end_somewhere() -> None:
    retry = RetryPolicy(first_delay=1.0, longest_delay=10.0, jitter=lambda: 1.0)
    assert [retry.delay(n, 0.0) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert replace(retry, jitter=lambda: 0.0).delay(3, 0.0) == 2
    assert retry.delay(1, 5.0) == 5
    assert retry.delay(1, 1e9) == 10


def test_a_host_is_left_alone_as_long_as_it_asks(host: hosts.Host, part: Path) -> None:
    slept: list[float] = []
    host.script = [hosts.answer(429, {"Retry-After": "7"}), hosts.answer(503)]
    get(host, part, replace(RETRY, sleep=slept.append))
    assert slept == [7.0, 2.0]


def etag_of(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()
