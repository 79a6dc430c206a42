"""Connections to hosts that may not answer, and what their answers mean."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_ABSENT = {404, 410}


class HostFailedError(Exception):
    """A host that does not give the file; ``absent``: it has no such file."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


class RetryableError(Exception):
    """A failure that may pass.

    ``retry_after``: seconds that the host asks to wait; ``restart``: the bytes that have arrived
    are useless.
    """

    def __init__(self, reason: str, *, retry_after: float = 0.0, restart: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.restart = restart


def open_url(url: str, headers: dict[str, str], timeout: float) -> Any:
    """Request an http or https address and return the open response, of status 2xx.

    Redirects and the proxies of the environment are followed. ``timeout`` is in seconds, for the
    connection and for every read.

    Raises
    ------
    HostFailedError
        If trying again is useless.
    RetryableError
        If it is not.
    """
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        return _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _unreachable(reason) from error


def _refusal(error: urllib.error.HTTPError) -> HostFailedError | RetryableError:
    answer = f"answers {error.code} {error.reason}"
    if error.code == 416:
        return RetryableError("has another file by now", restart=True)
    if error.code in _TRANSIENT:
        seconds = error.headers.get("Retry-After", "") if error.headers else ""
        is_number = seconds.isascii() and seconds.isdecimal()
        return RetryableError(answer, retry_after=float(seconds) if is_number else 0.0)
    if 300 <= error.code < 400:
        return HostFailedError("redirects in circles or to no web address")
    return HostFailedError(answer, absent=error.code in _ABSENT)


def _unreachable(reason: object) -> HostFailedError | RetryableError:
    match reason:
        case http.client.InvalidURL() | ssl.SSLCertVerificationError():
            return HostFailedError(f"cannot be used ({reason})")
        case socket.gaierror() if reason.errno == socket.EAI_NONAME:
            return HostFailedError("cannot be found: no such host, or no network")
        case TimeoutError():
            return RetryableError("does not answer")
        case ConnectionRefusedError():
            return RetryableError("refuses connections")
        case http.client.RemoteDisconnected() | ConnectionResetError():
            return RetryableError("drops the connection")
        case OSError():
            return RetryableError(f"cannot be reached ({reason.strerror or reason})")
        case http.client.HTTPException():
            return RetryableError("does not speak HTTP")
        case _:  # A ValueError where a name or a port is invalid.
            return HostFailedError(f"cannot be used ({reason})")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise HostFailedError("redirects from https to http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener of http and https addresses only; the default also opens files and ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
    ):
        opener.add_handler(handler())
    return opener
