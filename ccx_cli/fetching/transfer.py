"""One file over HTTP from a host that may fail: resumed, retried, with a limit on every wait."""

from __future__ import annotations

import http.client
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ccx_cli.fetching.connections import HostFailedError, RetryableError, open_url
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import write_text
from ccx_cli.version import __version__

_CHUNK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for a host, and how often to try again.

    Attributes
    ----------
    timeout
        Seconds to wait for a connection, and for bytes.
    slowest
        Bytes per second, averaged over ``timeout``, below which a host counts as stalled.
    retries
        Further tries after one that gained next to nothing.
    first_delay, longest_delay
        Seconds before the first retry, doubled for each that follows, and their maximum.
    sleep
        Waits for that many seconds.
    jitter
        Random number in [0, 1): a delay is between half and all of its length.
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
    """Download ``url`` into ``part``, resuming from what is there already.

    Parameters
    ----------
    url
        An http or https address.
    part
        Where the bytes arrive. It stays there after an error or an interrupt, with a file beside
        it that holds the host's ETag or Last-Modified: a later call requests only the rest, and
        starts over where the host has another file by then.
    title
        Title of the progress bar.
    retry
        How long to wait and how often to try.
    progress
        Told about bytes, and about every failure that is tried again.
    check_room
        Called with the number of bytes to come before they are requested; raises if there is no
        room.

    Raises
    ------
    HostFailedError
        If the host does not give the file.
    """
    failures, most = 0, _length(part)
    while True:
        try:
            return _attempt(url, part, title, retry, progress, check_room)
        except RetryableError as error:
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
    kept, arrived = Origin.read(part), _length(part)
    if kept is not None and kept.size == arrived > 0:
        return
    headers = {"User-Agent": f"ccx/{__version__}", "Accept-Encoding": "identity"}
    start = 0
    if kept is not None and kept.validator and arrived:
        start = arrived
        headers |= {"Range": f"bytes={start}-", "If-Range": kept.validator}
    with open_url(url, headers, retry.timeout) as response:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise HostFailedError("compresses the file on its way")
        if kept is not None and start and response.status == 206:
            _check_continues(response, kept, start)
            size = kept.size
        elif response.status == 200:
            start, size = 0, _content_length(response)
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
        raise RetryableError(f"ended the connection after {arrived:,} of {size:,} bytes")


def _content_length(response: Any) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(r"[0-9]{1,30}", length) else None


def _check_continues(response: Any, kept: Origin, start: int) -> None:
    """Refuse a response that does not continue the part at ``start``."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if (
        match is None
        or int(match[1]) != start
        or (match[2] != "*" and int(match[2]) != kept.size)
        or response.headers.get("ETag", kept.etag) != kept.etag
    ):
        raise RetryableError("sends another piece than the one requested", restart=True)


def _chunks(response: Any, retry: RetryPolicy) -> Iterator[bytes]:
    """Read to the end; a host that only drips counts as stalled."""
    began, received = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except TimeoutError as error:
            raise RetryableError(f"sends nothing for {retry.timeout:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise RetryableError("drops the connection") from error
        if not chunk:
            return
        yield chunk
        received += len(chunk)
        passed = time.monotonic() - began
        if passed > retry.timeout:
            if received < retry.slowest * passed:
                raise RetryableError(f"sends {received / passed:,.0f} bytes per second")
            began, received = time.monotonic(), 0


def _origin_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
