"""The suite comes to an end and says why, whatever a server sends without end."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from sse_conformance import client
from sse_conformance.client import Target
from sse_conformance.scenarios import SCENARIOS
from sse_conformance.verdict import ScenarioResult, outcomes
from tests.transport.serving import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEP_S: Final = 30.0
"""Not reached: what comes without end reaches its bound first, however slow the machine is."""
SHORT_STEP_S: Final = 0.5
TOGETHER_S: Final = 60.0
ENDPOINT: Final = b"event: endpoint\ndata: messages\n\n"
NOTIFICATION: Final = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'
OF_SCENARIOS: Final = {one.name: one for one in SCENARIOS}
was_left: Final = asyncio.Event()
"""Set once the client has left the endless response to a POST of `accepted`; then its stream ends."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Send what the path names again and again, until the client leaves, or has left the POST of `accepted`."""
    if scope["type"] == "lifespan":
        return
    path: str = scope["path"]
    is_post, kind = scope["method"] == "POST", path.split("/")[1]
    first, rest = {
        "messages": (ENDPOINT, NOTIFICATION * 100),
        "one-line": (ENDPOINT + b"data: ", b"x" * 100_000),
        "comments": (ENDPOINT, b": silence\n" * 10_000),
        "endpoints": (b"", ENDPOINT * 100),
        "refusals": (ENDPOINT, b": silence\n"),
        "accepted": (ENDPOINT, b": silence\n"),
        "slow": (ENDPOINT, b": silence\n"),
    }[kind]
    status = 202 if is_post and kind != "refusals" else 400 if is_post else 200
    media = b"text/plain" if is_post else b"text/event-stream"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", media)]})
    await send({"type": "http.response.body", "body": b"" if is_post else first, "more_body": True})
    if is_post and kind not in {"refusals", "accepted", "slow"}:
        await send({"type": "http.response.body", "body": b""})
        return
    more = b"." * (1 if kind == "slow" else 50_000) if is_post else rest
    gone = asyncio.create_task(until_gone(receive))
    while not gone.done() and (is_post or kind != "accepted" or not was_left.is_set()):
        await send({"type": "http.response.body", "body": more, "more_body": True})
        await asyncio.sleep(0)
    if is_post and kind == "accepted":
        was_left.set()
    await send({"type": "http.response.body", "body": b""})


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncGenerator[str]:
    """The address of the endless servers."""
    async with serve(app) as address:
        yield address


@pytest.mark.parametrize(
    ("kind", "scenario", "step_s", "reason"),
    [
        ("messages", "ping", STEP_S, "The stream is endless"),
        ("messages", "lists-have-an-end", STEP_S, "The stream is endless"),
        ("one-line", "ping", STEP_S, "The stream is endless"),
        ("comments", "initialize", STEP_S, "The stream is endless"),
        ("endpoints", "every-request-is-answered", STEP_S, "The stream is endless"),
        ("refusals", "ping", STEP_S, "was answered 400"),
        ("accepted", "notifications-have-no-answer", STEP_S, "The stream ended before the response to initialize"),
        (
            "slow",
            "notifications-have-no-answer",
            SHORT_STEP_S,
            f"within {SHORT_STEP_S} s",
        ),  # the POST, or one before it
    ],
)
async def test_an_endless_server_fails_and_is_left(
    *, address: str, kind: str, scenario: str, step_s: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 2_000_000)
    monkeypatch.setattr(client, "MOST_EVENTS", 2_000)
    was_left.clear()
    target = Target(f"{address}/{kind}/sse", timeout_s=step_s)

    async with asyncio.timeout(TOGETHER_S):
        [seen] = [one async for one in outcomes(target, [OF_SCENARIOS[scenario]], slow=False)]

    assert seen.result is ScenarioResult.FAILED
    assert reason in seen.why
