"""A web host on loopback that fails in every way that hosts do."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """What was asked for."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class Host:
    """Serves ``files`` by path, answering the first requests as ``script`` says, one each."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    script: list[Behaviour] = field(default_factory=list)
    always: Behaviour | None = None
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    host: Host

    def do_GET(self) -> None:
        asked = Request(self.path, self.headers["Range"], self.headers["If-Range"])
        self.host.requests.append(asked)
        behave = self.host.script.pop(0) if self.host.script else self.host.always
        with suppress(OSError):
            (behave or serve)(self)

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def body(self) -> bytes | None:
        return self.host.files.get(self.path)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body or b"").hexdigest()}"'

    def piece(self, *, ranges: bool = True) -> tuple[bytes, int]:
        """Send the headers of the whole file or of the piece asked for; return it and its start."""
        body = self.body or b""
        asked = self.headers["Range"]
        start = 0
        if ranges and asked and self.headers["If-Range"] in {None, self.etag}:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return b"", start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("ETag", self.etag)
        return body[start:], start

    def send(self, body: bytes, length: int | None = None) -> None:
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


Behaviour = Callable[[Handler], None]


def serve(handler: Handler) -> None:
    """Answer as a host should."""
    if handler.body is None:
        handler.send_error(404)
        return
    piece, _ = handler.piece()
    if piece:
        handler.send(piece)


def without_ranges(handler: Handler) -> None:
    """Send all of it, whatever was asked."""
    handler.send(handler.piece(ranges=False)[0])


def without_validators(handler: Handler) -> None:
    handler.send_response(200)
    handler.send(handler.body or b"")


def without_length(handler: Handler) -> None:
    """End the file by closing the connection."""
    piece, _ = handler.piece()
    handler.end_headers()
    handler.wfile.write(piece)


def drop(after: int, *, ranges: bool = True, reset: bool = False) -> Behaviour:
    """Close the connection after so many bytes of the answer."""

    def behave(handler: Handler) -> None:
        piece, _ = handler.piece(ranges=ranges)
        handler.send(piece[:after], len(piece))
        if reset:
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        handler.wfile.flush()
        handler.connection.close()

    return behave


def hang_up(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def stall(after: int) -> Behaviour:
    """Send nothing more after so many bytes."""

    def behave(handler: Handler) -> None:
        piece, _ = handler.piece()
        handler.send(piece[:after], len(piece))
        handler.wfile.flush()
        handler.host.closing.wait(20)

    return behave


def stall_silently(handler: Handler) -> None:
    """Take the request and say nothing."""
    handler.host.closing.wait(20)


def drip(handler: Handler) -> None:
    """Send a byte every now and then."""
    piece, _ = handler.piece()
    handler.send_header("Content-Length", str(len(piece)))
    handler.end_headers()
    for byte in piece:
        if handler.host.closing.wait(0.02):
            return
        handler.wfile.write(bytes([byte]))


def claim(length: int) -> Behaviour:
    """Lie about the length."""

    def behave(handler: Handler) -> None:
        piece, _ = handler.piece()
        handler.send(piece, length)

    return behave


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Behaviour:
    """Answer with a status."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send(body)

    return behave


def redirect(to: str) -> Behaviour:
    return answer(302, {"Location": to})


def another_piece(handler: Handler) -> None:
    """Answer a request for a piece with another one."""
    body = handler.body or b""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
    handler.send_header("ETag", handler.etag)
    handler.send(body)


def babble(handler: Handler) -> None:
    """Speak another protocol."""
    handler.wfile.write(b"220 ftp.example.org ready\r\n")


SORRY = b"\n<!DOCTYPE html><html><body>This site has moved.</body></html>"
web_page = answer(200, {"Content-Type": "text/html"}, SORRY)


@contextmanager
def loopback_host() -> Iterator[Host]:
    """Run a host for the block."""

    class OwnHandler(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnHandler)
    server.daemon_threads = True
    host = Host(f"http://127.0.0.1:{server.server_port}")
    OwnHandler.host = host
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        host.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def nobody() -> str:
    """A web address of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
