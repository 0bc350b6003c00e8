"""Headless Chromium by its DevTools protocol: opens a page, listens, clicks, emulates a reader's settings."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.conftest import PATIENCE

MISSING = "Chromium is not installed; on Debian: apt-get install chromium"


class Tab:
    """One tab: `complaints`: errors on the console, and `requests` that were made."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.number = socket, 0
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def send(self, method: str, **given: Any) -> dict[str, Any]:
        """One command; events that come before its answer are listened to."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": given}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.hear(message)

    def hear(self, message: dict[str, Any]) -> None:
        given = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.complaints.append(given["entry"]["text"])
        elif message.get("method") == "Runtime.consoleAPICalled" and given["type"] == "error":
            self.complaints.append(str(given["args"]))

    def open(self, path: Path) -> None:
        """Open a file and wait until it is drawn."""
        self.send("Page.navigate", url=path.as_uri())
        for _ in range(10 * PATIENCE):
            time.sleep(0.1)
            if self.value("document.readyState") == "complete" and self.value("location.href") == path.as_uri():
                break
        time.sleep(0.5)
        self.value("0")

    def value(self, script: str) -> Any:
        """What a piece of script gives."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def emulate(self, scheme: str, width: int = 1200, height: int = 900) -> None:
        """A reader's colour scheme and window."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        time.sleep(0.3)

    def shot(self, path: Path, whole: bool = True) -> Path:
        """A picture of the page."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def away(self) -> list[str]:
        """Requests that left the file."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """A tab of a fresh browser."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, MISSING
    settings = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--hide-scrollbars")
    command = [program, *settings, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = None
        for _ in range(10 * PATIENCE):
            file = profile / "DevToolsActivePort"
            if file.exists() and file.read_text().strip():
                port = file.read_text().split()[0]
                break
            time.sleep(0.1)
        assert port, "Chromium did not start"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            target = next(t for t in json.load(answer) if t["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=2**27) as socket:
            tab = Tab(socket)
            for domain in ("Page", "Runtime", "Network", "Log"):
                tab.send(f"{domain}.enable")
            yield tab
    finally:
        process.terminate()
        process.wait(20)
