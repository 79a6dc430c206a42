"""A headless Chromium, driven over the pipe of its developer tools (no web driver, no socket)."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), None)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowLeft": ("", 37), "ArrowRight": ("", 39)}


class Page:
    """The browser's one page, and what it complained of."""

    def __init__(self, to: int, come: int) -> None:
        self._to, self._from = to, come
        self._left = b""
        self._number = 0
        self._session: str | None = None
        self._loads = 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        made = self.send("Target.createTarget", url="about:blank")
        attached = self.send("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return what it gives."""
        self._number += 1
        call: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._to, json.dumps(call).encode() + b"\0")
        while True:
            message = self._read(60)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result

    def _read(self, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            assert ready, "Chromium does not answer"
            some = os.read(self._from, 1 << 20)
            assert some, "Chromium has ended"
            self._left += some
        one, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        self._notice(message.get("method"), message.get("params", {}))
        return message

    def _notice(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
            self.errors.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"][:200])

    def open(self, page: Path, fragment: str = "") -> float:
        """Open a file anew and return the seconds until it is loaded."""
        self._load("about:blank")
        return self._load(page.absolute().as_uri() + fragment)

    def _load(self, address: str) -> float:
        before, began = self._loads, time.monotonic()
        self.send("Page.navigate", url=address)
        while self._loads == before:
            self._read(60)
        return time.monotonic() - began

    def run(self, script: str) -> Any:
        """Evaluate an expression, a promise to its end, and return its value."""
        ended = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in ended, ended["exceptionDetails"]
        return ended["result"].get("value")

    def until(self, script: str, seconds: float = 10) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            self.run("new Promise((done) => setTimeout(done, 20))")

    def text(self, selector: str) -> str:
        """Text of the first element that is found."""
        found = self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        assert isinstance(found, str)
        return found

    def texts(self, selector: str) -> list[str]:
        """Texts of all elements that are found."""
        quoted = json.dumps(selector)
        found = self.run(f"[...document.querySelectorAll({quoted})].map((e) => e.innerText)")
        assert isinstance(found, list)
        return found

    def click(self, selector: str) -> None:
        """Click the first element that is found."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str) -> None:
        """Press a key, as a keyboard does."""
        text, code = _KEYS.get(key, (key, 0))
        what = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send(
            "Input.dispatchKeyEvent", type="keyDown", **what, **({"text": text} if text else {})
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", **what)

    def write(self, selector: str, text: str) -> None:
        """Put the focus on a field, empty it and type."""
        quoted = json.dumps(selector)
        self.run(
            f"(() => {{ const f = document.querySelector({quoted}); f.focus(); f.select(); }})()"
        )
        self.send("Input.insertText", text=text)

    def look(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        """Set the window's size and whether the system is dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG."""
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))


def starts() -> bool:
    """Tell whether there is a browser that runs: where it is a package's stub, it does not."""
    if CHROMIUM is None:
        return False
    asked = subprocess.run([CHROMIUM, "--version"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own and end it."""
    assert CHROMIUM is not None
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    # Chromium reads from descriptor 3 and writes to 4: the two are moved there from above both.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (their_in, their_out)]

    def place() -> None:
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=place,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )
    for end in (their_in, their_out, *ends):
        os.close(end)
    try:
        yield Page(our_out, our_in)
    finally:
        os.close(our_out)
        os.close(our_in)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
