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
    """A host that does not give the file; ``absent``: it knows of no such file."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


class TryAgainError(Exception):
    """What may pass.

    ``pause``: the seconds that the host asked to be left alone for; ``afresh``: what has arrived
    is of no use.
    """

    def __init__(self, reason: str, *, pause: float = 0.0, afresh: bool = False) -> None:
        super().__init__(reason)
        self.pause = pause
        self.afresh = afresh


def open_url(url: str, headers: dict[str, str], *, connect: float, stall: float) -> Any:
    """Ask for ``url`` and return the answer, one of status 2xx, to be read and closed.

    Parameters
    ----------
    url
        An http or https address; redirects are followed.
    headers
        To send.
    connect, stall
        Seconds to wait for the connection, and for bytes once it stands.

    Raises
    ------
    HostFailedError
        If there is no use in asking again.
    TryAgainError
        If there may be.
    """
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        return _opener(stall).open(request, timeout=connect)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from error
    except urllib.error.URLError as error:
        raise _unreachable(error.reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A ValueError where a name or a port cannot be one.
        raise _unreachable(error) from error


def _refusal(error: urllib.error.HTTPError) -> HostFailedError | TryAgainError:
    answer = f"answers {error.code} {error.reason}"
    if error.code == 416:
        return TryAgainError("has another file by now", afresh=True)
    if error.code in _TRANSIENT:
        asked = error.headers.get("Retry-After", "") if error.headers else ""
        return TryAgainError(
            answer, pause=float(asked) if asked.isascii() and asked.isdecimal() else 0.0
        )
    if 300 <= error.code < 400:
        return HostFailedError("redirects in circles or to no web address")
    return HostFailedError(answer, absent=error.code in _ABSENT)


def _unreachable(reason: object) -> HostFailedError | TryAgainError:
    match reason:
        case http.client.InvalidURL() | ssl.SSLCertVerificationError():
            return HostFailedError(f"cannot be used ({reason})")
        case socket.gaierror() if reason.errno == socket.EAI_NONAME:
            return HostFailedError("cannot be found: no such host, or no network")
        case TimeoutError():
            return TryAgainError("does not answer")
        case ConnectionRefusedError():
            return TryAgainError("refuses connections")
        case http.client.RemoteDisconnected() | ConnectionResetError():
            return TryAgainError("drops the connection")
        case OSError():
            return TryAgainError(f"cannot be reached ({reason.strerror or reason})")
        case http.client.HTTPException():
            return TryAgainError("does not speak HTTP")
        case _:
            return HostFailedError(f"cannot be used ({reason})")


class _HTTPConnection(http.client.HTTPConnection):
    stall_seconds = 60.0

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.stall_seconds)


class _HTTPSConnection(http.client.HTTPSConnection):
    stall_seconds = 60.0

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.stall_seconds)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise HostFailedError("redirects from https to http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(stall: float) -> urllib.request.OpenerDirector:
    """Return what opens http and https addresses and nothing else, proxies respected."""

    class Plain(_HTTPConnection):
        stall_seconds = stall

    class Secure(_HTTPSConnection):
        stall_seconds = stall

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(Plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(Secure, req)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        Http(),
        Https(),
    ):
        opener.add_handler(handler)
    return opener
