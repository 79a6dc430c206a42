"""One file over HTTP, from a host that may fail: resumed, retried, never waited for in vain."""

from __future__ import annotations

import http.client
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ccx_cli.fetching.connections import HostFailedError, TryAgainError, open_url
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import write_text
from ccx_cli.version import __version__

_CHUNK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, how often to try again.

    Attributes
    ----------
    connect, stall
        Seconds until a connection stands, and without a byte after that.
    slowest
        Bytes a second, over ``stall`` seconds, below which a host counts as stalled.
    retries
        Further tries after one that gained next to nothing.
    first_pause, longest_pause
        Seconds before the first of them, doubled for each that follows, and the most.
    sleep, chance
        The clock and the dice: a pause is between half and all of its length.
    """

    connect: float = 20.0
    stall: float = 60.0
    slowest: float = 200.0
    retries: int = 4
    first_pause: float = 1.0
    longest_pause: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def pause(self, failures: int, asked: float) -> float:
        """Return the seconds to wait after so many failures in a row."""
        drawn = self.first_pause * 2.0 ** (failures - 1) * (0.5 + 0.5 * self.chance())
        return min(self.longest_pause, max(asked, drawn))


@dataclass(frozen=True, slots=True)
class Origin:
    """What a host said about the file that it sends; kept beside the part that has arrived."""

    url: str
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validator(self) -> str | None:
        """What tells this version of the file from another; a weak ETag does not."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def save(self, part: Path) -> None:
        """Keep it beside ``part``."""
        content = {name: getattr(self, name) for name in Origin.__slots__}
        write_text(_beside(part), json.dumps(content) + "\n")

    @staticmethod
    def read(part: Path) -> Origin | None:
        """Read what is kept beside ``part``, None if that is nothing of use."""
        try:
            kept = Origin(**json.loads(_beside(part).read_text(encoding="utf-8")))
            texts = (kept.url, kept.etag or "", kept.last_modified or "")
            sized = kept.size is None or isinstance(kept.size, int)
            return kept if sized and all(isinstance(text, str) for text in texts) else None
        except (OSError, ValueError, TypeError):
            return None


def forget(part: Path) -> None:
    """Remove a part and what is kept beside it."""
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)


def host_of(url: str) -> str:
    """Return the name of a URL's host."""
    return urlsplit(url).hostname or url


def download(
    url: str,
    part: Path,
    *,
    what: str,
    patience: Patience,
    progress: Progress,
    check_room: Callable[[int], None],
) -> Origin:
    """Get ``url`` into ``part``, going on from what is there already.

    Parameters
    ----------
    url
        An http or https address.
    part
        Where the bytes arrive. It stays there after an error or an interrupt, with a file beside
        it that tells the host's ETag or Last-Modified: a later call asks for the rest only, and
        starts over where the host's file is another by then.
    what
        What the progress bar is called.
    patience
        How long to wait and how often to try.
    progress
        Told about bytes, and about every failure that is tried again.
    check_room
        Called with the bytes to come before they are asked for; raises if there is no room.

    Raises
    ------
    HostFailedError
        If the host does not give the file.
    """
    failures, best = 0, _length(part)
    while True:
        try:
            return _attempt(url, part, what, patience, progress, check_room)
        except TryAgainError as fault:
            if fault.afresh:
                forget(part)
            have, kept = _length(part), Origin.read(part)
            # A host that drops every connection but sends a good piece each time gets there.
            if have - best >= max(1, (kept.size or 0 if kept else 0) // 100):
                failures, best = 0, have
            failures += 1
            if failures > patience.retries:
                tries = f", tried {failures} times" if failures > 1 else ""
                raise HostFailedError(f"{fault}{tries}") from fault
            pause = patience.pause(failures, fault.pause)
            progress.note(
                f"{host_of(url)} {fault}: again in {pause:.0f} s, try {failures + 1} of "
                f"{patience.retries + 1}."
            )
            patience.sleep(pause)


def _attempt(
    url: str,
    part: Path,
    what: str,
    patience: Patience,
    progress: Progress,
    check_room: Callable[[int], None],
) -> Origin:
    kept, have = Origin.read(part), _length(part)
    if kept is not None and kept.size == have > 0:
        return kept
    validator = kept.validator if kept is not None and have else None
    start = have if validator else 0
    headers = {"User-Agent": f"ccx/{__version__}", "Accept-Encoding": "identity"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with open_url(url, headers, connect=patience.connect, stall=patience.stall) as response:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise HostFailedError("compresses the file on its way")
        if start and response.status == 206:
            origin = _continued(response, kept or Origin(url), start)
        elif response.status == 200:
            origin, start = _described(response, url), 0
        else:
            raise HostFailedError(f"answers with status {response.status}")
        size = origin.size
        check_room(0 if size is None else size - start)
        if not start:
            part.unlink(missing_ok=True)
            origin.save(part)
        with (
            part.open("ab") as file,
            progress.task(what, size or 0, done=start, unit="bytes") as task,
        ):
            for chunk in _chunks(response, patience):
                if size is None:
                    check_room(len(chunk))
                file.write(chunk)
                file.flush()  # a kill loses nothing
                task.advance(len(chunk))
    have = _length(part)
    if size is not None and have < size:
        raise TryAgainError(f"ended the connection after {have:,} of {size:,} bytes")
    return origin


def _described(response: Any, url: str) -> Origin:
    length = response.headers.get("Content-Length", "")
    return Origin(
        url,
        int(length) if re.fullmatch(r"[0-9]{1,30}", length) else None,
        response.headers.get("ETag"),
        response.headers.get("Last-Modified"),
    )


def _continued(response: Any, kept: Origin, start: int) -> Origin:
    """Check that an answer continues the part at ``start``."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    total = int(match[2]) if match and match[2] != "*" else kept.size
    if (
        match is None
        or int(match[1]) != start
        or total != kept.size
        or response.headers.get("ETag", kept.etag) != kept.etag
    ):
        raise TryAgainError("sends another piece than it was asked for", afresh=True)
    return kept


def _chunks(response: Any, patience: Patience) -> Iterator[bytes]:
    """Read to the end; a host that only drips has stalled as well."""
    began, got = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except TimeoutError as error:
            raise TryAgainError(f"sends nothing for {patience.stall:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise TryAgainError("drops the connection") from error
        if not chunk:
            return
        yield chunk
        got += len(chunk)
        passed = time.monotonic() - began
        if passed > patience.stall:
            if got < patience.slowest * passed:
                raise TryAgainError(f"sends {got / passed:,.0f} bytes a second")
            began, got = time.monotonic(), 0


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
