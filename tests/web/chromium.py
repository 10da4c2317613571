"""Drives a headless Chromium by the DevTools protocol, over pipes.

Source: chromedevtools.github.io/devtools-protocol; `--remote-debugging-pipe` needs no WebSocket.
"""

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tests.debian import program

PATIENCE_S: Final = 30.0
LAUNCHER: Final = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads commands from descriptor 3 and writes to descriptor 4."""
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
KEYS: Final = MappingProxyType({"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "ArrowUp": 38})
"""Key codes of the keys that operate a form."""


class Browser:
    """A running Chromium, whose profile is a folder."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ids = iter(range(1, 1_000_000))
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def read(self) -> None:
        """Read responses and events until Chromium ends."""
        while True:
            try:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            except asyncio.IncompleteReadError:
                return
            if "id" in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif tab := self._tabs.get(message.get("sessionId", "")):
                tab.note(message["method"], message["params"])

    async def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self._writer.write(json.dumps(command).encode() + b"\0")
        async with asyncio.timeout(PATIENCE_S):
            message = await answer
        assert "error" not in message, (method, message["error"])
        result: dict[str, Any] = message["result"]
        return result

    async def open(self, *, language: str = "en", width: int = 1280, height: int = 900) -> "Tab":
        """Open a tab whose browser prefers `language`, `width` CSS pixels wide."""
        target = (await self.send("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await tab.send(f"{domain}.enable")
        agent = (await self.send("Browser.getVersion"))["userAgent"]
        await tab.send("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        await tab.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        return tab


class Tab:
    """One tab. What it requests is remembered."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self._changed = asyncio.Event()
        self.requested: list[str] = []
        """The address of each request, in order; those of programs (custom schemes) included."""
        self.held: list[str] = []
        """The addresses of the requests that `hold` keeps from being sent."""
        self.said: list[str] = []
        """What Chromium wrote to the console about pages, for example that a policy blocked something."""

    def note(self, method: str, parameters: dict[str, Any]) -> None:
        """Take one event."""
        if method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif method == "Page.frameRequestedNavigation":
            self.requested.append(parameters["url"])
        elif method == "Fetch.requestPaused":
            self.held.append(parameters["request"]["url"])
        elif method == "Log.entryAdded":
            self.said.append(parameters["entry"]["text"])
        if method.startswith(("Page.", "Network.", "Log.", "Fetch.")):
            self._changed.set()

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command to the tab."""
        return await self._browser.send(method, self._session, **parameters)

    async def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression, or of its promise."""
        result = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def go(self, address: str) -> None:
        """Open an address and wait until its page is there."""
        await self.send("Page.navigate", url=address)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; it is evaluated anew whenever the tab loads something."""

        async def holds() -> bool:
            with contextlib.suppress(AssertionError):  # there is no document to ask between two
                return bool(await self.evaluate(condition))
            return False

        await self.until_true(holds)

    async def until_true(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until `holds` returns true; it is called anew whenever the tab loads something."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._changed.clear()
                if await holds():
                    return
                with contextlib.suppress(TimeoutError):  # what a page does after its last event has no event
                    await asyncio.wait_for(self._changed.wait(), 0.2)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key of `KEYS`."""
        text = {"Enter": "\r", " ": " "}.get(key)
        code = "Space" if key == " " else key
        about = {"key": key, "code": code, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        kind = "keyDown" if text else "rawKeyDown"
        await self.send("Input.dispatchKeyEvent", type=kind, **about, **({"text": text} if text else {}))
        await self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    async def hold(self, pattern: str) -> None:
        """Send no request to an address that matches `pattern`, in which `*` stands for anything."""
        await self.send("Fetch.enable", patterns=[{"urlPattern": pattern}])

    async def prefer(self, scheme: str) -> None:
        """Prefer `light` or `dark` colours."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.send("Emulation.setEmulatedMedia", features=[feature])

    async def screenshot(self) -> bytes:
        """Return a picture of the whole page as PNG."""
        shot = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def chromium(profile: Path) -> AsyncGenerator[Browser]:
    """Start Chromium with the profile in a folder, and end it."""
    commands, to_chromium = os.pipe()
    from_chromium, answers = os.pipe()
    theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (commands, answers)]  # out of the way of 3 and 4
    for one in (commands, answers):
        os.close(one)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER, *map(str, theirs), program("chromium"), *FLAGS),
        f"--user-data-dir={profile}",
        pass_fds=theirs,
        stderr=asyncio.subprocess.DEVNULL,
    )
    for one in theirs:
        os.close(one)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    incoming, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_chromium, "rb")
    )
    outgoing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(to_chromium, "wb"))
    browser = Browser(reader, asyncio.StreamWriter(outgoing, protocol, None, loop))
    reading = asyncio.create_task(browser.read())
    try:
        yield browser
        await browser.send("Browser.close")
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        reading.cancel()
        incoming.close()
        outgoing.close()
