"""The embedded API finishes every request, even if the caller is cancelled."""

import asyncio
from typing import Any

import anyio
import httpx2
import pytest

from shared.embedded import in_process
from shared.embedded.in_process import InProcessTransport


class SlowApp:
    """An ASGI app that responds once it is allowed to."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.let = asyncio.Event()
        self.outcome = "not called"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.set()
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise
        self.outcome = "finished"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def gives_up(client: httpx2.AsyncClient, app: SlowApp) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(client.get, "/")
        await app.reached.wait()
        group.cancel_scope.cancel()


async def test_an_answer_comes_through() -> None:
    app = SlowApp()
    app.let.set()
    async with httpx2.AsyncClient(transport=InProcessTransport(app), base_url="http://api") as client:
        assert (await client.get("/")).text == "done"


async def test_an_app_is_not_cancelled_with_its_caller_and_closing_waits_for_it() -> None:
    app = SlowApp()
    async with httpx2.AsyncClient(transport=InProcessTransport(app), base_url="http://api") as client:
        await gives_up(client, app)
        assert app.outcome == "not called"
        app.let.set()

    assert app.outcome == "finished"


async def test_closing_does_not_wait_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "CLOSE_S", 0.01)
    app = SlowApp()
    async with httpx2.AsyncClient(transport=InProcessTransport(app), base_url="http://api") as client:
        await gives_up(client, app)

    assert app.outcome == "cancelled"


async def test_an_app_is_told_when_its_caller_has_gone() -> None:
    heard: list[str] = []
    asked, gone = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        asked.set()
        heard.append((await receive())["type"])
        gone.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with httpx2.AsyncClient(transport=InProcessTransport(app), base_url="http://api") as client:
        request = asyncio.create_task(client.get("/"))
        await asked.wait()
        await asyncio.sleep(0)
        assert heard == []
        request.cancel()
        await asyncio.wait_for(gone.wait(), 30)

    assert heard == ["http.disconnect"]
