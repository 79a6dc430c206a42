"""One file over HTTP from a host that may fail: resumed, retried, with a limit on every wait."""

from __future__ import annotations

import http.client
import random
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ccx_cli.progress import Progress
from ccx_cli.store.atomic import write_text
from ccx_cli.version import __version__

_CHUNK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_ABSENT = {404, 410}


class HostFailedError(Exception):
    """A host that does not give the file; ``absent``: it has no such file."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


class _RetryableError(Exception):
    """A failure that may pass; with ``restart``, the bytes that have arrived are useless."""

    def __init__(self, reason: str, *, retry_after: float = 0.0, restart: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.restart = restart


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for a host, and how often to try again; all times are in seconds.

    ``timeout`` is for a connection, and for bytes; a host that sends less than ``slowest`` bytes
    per second, averaged over that time, counts as stalled. ``retries`` are further tries after one
    that gained next to nothing, ``first_delay`` is before the first, doubled for each that follows.
    A delay is between half and all of its length, by ``jitter``, a random number in [0, 1).
    """

    timeout: float = 30.0
    slowest: float = 200.0
    retries: int = 4
    first_delay: float = 1.0
    longest_delay: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def delay(self, failures: int, retry_after: float) -> float:
        """Return the seconds to wait after that many failures in a row."""
        delay = self.first_delay * 2.0 ** (failures - 1) * (0.5 + 0.5 * self.jitter())
        return min(self.longest_delay, max(retry_after, delay))


class Origin(msgspec.Struct, frozen=True):
    """What a host says about the file that it sends; kept beside the part that has arrived."""

    url: str
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validator(self) -> str | None:
        """What distinguishes this version of the file from others; a weak ETag does not."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def save(self, part: Path) -> None:
        """Write it beside ``part``."""
        write_text(_origin_path(part), msgspec.json.encode(self).decode() + "\n")

    @staticmethod
    def read(part: Path) -> Origin | None:
        """Read what is kept beside ``part``, ``None`` if that is nothing of use."""
        try:
            return msgspec.json.decode(_origin_path(part).read_bytes(), type=Origin)
        except (OSError, msgspec.MsgspecError):
            return None


def discard(part: Path) -> None:
    """Remove a part and what is kept beside it."""
    part.unlink(missing_ok=True)
    _origin_path(part).unlink(missing_ok=True)


def download(
    url: str,
    part: Path,
    *,
    title: str,
    retry: RetryPolicy,
    progress: Progress,
    check_room: Callable[[int], None],
) -> None:
    """Download an http or https address into ``part``, resuming from what is there already.

    The part stays there after an error or an interrupt, with a file beside it that holds the host's
    ETag or Last-Modified: a later call requests only the rest, and starts over where the host has
    another file by then. ``check_room`` is called with the number of bytes to come before they are
    requested, and raises if there is no room. HostFailedError if the host does not give the file.
    """
    failures, most = 0, _length(part)
    while True:
        try:
            return _attempt(url, part, title, retry, progress, check_room)
        except _RetryableError as error:
            if error.restart:
                discard(part)
            arrived, origin = _length(part), Origin.read(part)
            # A host that drops every connection but sends a good piece each time gets there.
            if arrived - most >= max(1, (origin.size or 0 if origin else 0) // 100):
                failures, most = 0, arrived
            failures += 1
            if failures > retry.retries:
                tries = f", tried {failures} times" if failures > 1 else ""
                raise HostFailedError(f"{error}{tries}") from error
            delay = retry.delay(failures, error.retry_after)
            progress.note(
                f"{urlsplit(url).hostname or url} {error}: again in {delay:.0f} s, "
                f"try {failures + 1} of {retry.retries + 1}."
            )
            retry.sleep(delay)


def _attempt(
    url: str,
    part: Path,
    title: str,
    retry: RetryPolicy,
    progress: Progress,
    check_room: Callable[[int], None],
) -> None:
    kept, start = Origin.read(part), _length(part)
    if kept is not None and kept.size == start > 0:
        return
    headers = {"User-Agent": f"ccx/{__version__}", "Accept-Encoding": "identity"}
    if start and kept is not None and kept.validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": kept.validator}
    with _open(url, headers, retry.timeout) as response:
        # Of a file that is compressed itself, some hosts say so.
        encodings = {"identity", *(("gzip", "x-gzip") if url.endswith((".gz", ".tgz")) else ())}
        if response.headers.get("Content-Encoding", "identity") not in encodings:
            raise HostFailedError("compresses the file on its way")
        if kept is not None and "Range" in headers and response.status == 206:
            _check_continues(response, kept, start)
            size = kept.size
        elif response.status == 200:
            length = response.headers.get("Content-Length", "")
            start, size = 0, int(length) if re.fullmatch(r"[0-9]{1,30}", length) else None
        else:
            raise HostFailedError(f"answers with status {response.status}")
        check_room(0 if size is None else size - start)
        if not start:
            part.unlink(missing_ok=True)
            etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
            Origin(url, size, etag, modified).save(part)
        with (
            part.open("ab") as file,
            progress.task(title, size or 0, done=start, unit="bytes") as task,
        ):
            for chunk in _chunks(response, retry):
                if size is None:
                    check_room(len(chunk))
                file.write(chunk)
                file.flush()  # A kill loses nothing.
                task.advance(len(chunk))
    arrived = _length(part)
    if size is not None and arrived < size:
        raise _RetryableError(f"ended the connection after {arrived:,} of {size:,} bytes")


def _check_continues(response: Any, kept: Origin, start: int) -> None:
    """Refuse a response that does not continue the part at ``start``."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if (
        match is None
        or int(match[1]) != start
        or (match[2] != "*" and int(match[2]) != kept.size)
        or response.headers.get("ETag", kept.etag) != kept.etag
    ):
        raise _RetryableError("sends another piece than the one requested", restart=True)


def _chunks(response: Any, retry: RetryPolicy) -> Iterator[bytes]:
    """Read to the end; a host that only drips counts as stalled."""
    began, received = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except TimeoutError as error:
            raise _RetryableError(f"sends nothing for {retry.timeout:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise _RetryableError("drops the connection") from error
        if not chunk:
            return
        yield chunk
        received += len(chunk)
        passed = time.monotonic() - began
        if passed > retry.timeout:
            if received < retry.slowest * passed:
                raise _RetryableError(f"sends {received / passed:,.0f} bytes per second")
            began, received = time.monotonic(), 0


def _open(url: str, headers: dict[str, str], timeout: float) -> Any:
    """Request an address, following redirects and proxies; return the response, of status 2xx."""
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        return urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _unreachable(reason) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, but none from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme.lower()
        if req.type == "https" and scheme != "https":
            raise HostFailedError("redirects from https to http")
        if scheme not in {"http", "https"}:
            raise HostFailedError(f"cannot be used (it redirects to {scheme})")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(error: urllib.error.HTTPError) -> HostFailedError | _RetryableError:
    answer = f"answers {error.code} {error.reason}"
    if error.code == 416:
        return _RetryableError("has another file by now", restart=True)
    if error.code in _TRANSIENT:
        seconds = error.headers.get("Retry-After", "") if error.headers else ""
        is_number = seconds.isascii() and seconds.isdecimal()
        return _RetryableError(answer, retry_after=float(seconds) if is_number else 0.0)
    if 300 <= error.code < 400:
        return HostFailedError("redirects in circles or to no web address")
    return HostFailedError(answer, absent=error.code in _ABSENT)


def _unreachable(reason: object) -> HostFailedError | _RetryableError:
    match reason:
        case http.client.InvalidURL() | ssl.SSLCertVerificationError():
            return HostFailedError(f"cannot be used ({reason})")
        case socket.gaierror() if reason.errno == socket.EAI_NONAME:
            return HostFailedError("cannot be found: no such host, or no network")
        case TimeoutError():
            return _RetryableError("does not answer")
        case ConnectionRefusedError():
            return _RetryableError("refuses connections")
        case http.client.RemoteDisconnected() | ConnectionResetError():
            return _RetryableError("drops the connection")
        case OSError():
            return _RetryableError(f"cannot be reached ({reason.strerror or reason})")
        case http.client.HTTPException():
            return _RetryableError("does not speak HTTP")
        case _:  # A ValueError where a name or a port is invalid.
            return HostFailedError(f"cannot be used ({reason})")


def _origin_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
