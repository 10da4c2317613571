"""2026-07-28 over Streamable HTTP: each POST is a complete exchange, and disconnecting cancels it."""

import asyncio
import gc
from base64 import b64encode
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from shared.json_rpc import JSONRPCRequest
from tests.kills import kills
from tests.transport.http_client import (
    ACCEPT,
    ENVELOPE,
    MODERN,
    HttpClient,
    HTTPResponse,
    Message,
    call,
    http_client,
    text_of,
)
from tests.transport.raw_http import status_of, unread
from tests.transport.serving import bench, until

ME = {"x-api-key": "key-me"}
PROGRESS = ENVELOPE | {"progressToken": "p"}


def modern(method: str, params: Message | None = None, request: Any = 1) -> Message:
    """Return a request with the envelope."""
    return {"jsonrpc": "2.0", "id": request, "method": method, "params": {"_meta": ENVELOPE} | (params or {})}


def tool(name: str, meta: Message = ENVELOPE, **arguments: Any) -> Message:
    return call(1, name, meta, **arguments)


def routing(message: Message) -> dict[str, str]:
    """Return the headers that a request requires."""
    params = message.get("params", {})
    name = params.get("name") or params.get("uri")
    headers = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
    return headers | ({"mcp-name": name} if name else {})


async def said(client: HttpClient, message: Message, **headers: str) -> HTTPResponse:
    """Send a request with its headers and read the whole answer."""
    return await client.post(message, **(routing(message) | headers))


LISTEN = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "l")


# --------------------------------------------------------------------- JSON, or a stream


async def test_a_call_that_says_nothing_is_answered_with_json() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        response = await said(client, tool("echo", text="hello"))
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert text_of(response.received[0]) == "hello"
        assert response.received[0]["result"]["resultType"] == "complete"
        assert not {"mcp-session-id", "transfer-encoding"} & set(response.headers)
        found = await said(client, modern("server/discover"))
        assert found.received[0]["result"]["supportedVersions"] == [MODERN]
        assert not at.transport.stats()["sessions"]


@kills("transport/http/exchange_response.py", "            del self._calls", "            pass")
async def test_a_request_is_freed_with_its_response_and_not_by_the_garbage_collector() -> None:
    def kept() -> int:
        return sum(isinstance(one, JSONRPCRequest) for one in gc.get_objects())

    async with bench() as at, http_client(at.url, ME, None) as client:
        await said(client, tool("echo", text="first"))
        gc.collect()
        gc.disable()
        try:
            before = kept()
            for _ in range(5):
                await said(client, tool("echo", text="large"))
            await until(lambda: kept() <= before)
        finally:
            gc.enable()


async def test_progress_makes_the_answer_a_stream_whose_last_event_is_the_result() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        response = await said(client, tool("report", PROGRESS, steps=3))
        assert (response.status, response.is_stream, response.headers["x-accel-buffering"]) == (200, True, "no")
        assert [one["params"]["progress"] for one in response.received[:-1]] == [0, 1, 2]
        assert text_of(response.received[-1]) == "done"
        assert "mcp-session-id" not in response.headers
        assert (response.ids, response.primed, response.retry_ms) == ([None] * 4, [], 0), "there is nothing to resume"


async def test_a_silent_call_gets_comments_and_is_a_stream_then() -> None:
    async with bench(heartbeat_s=0.02) as at, http_client(at.url, ME, None) as client:
        message = tool("read", gate="g")
        async with client.stream(message, **routing(message)) as response:
            await response.until(lambda: response.comments >= 3)
            at.gates.open["g"].set()
            await response.end()
        assert [text_of(one) for one in response.received] == ["g"]


async def test_a_session_id_and_a_last_event_id_mean_nothing() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        response = await said(client, tool("echo", text="x"), **{"mcp-session-id": "x" * 43, "last-event-id": "x:1"})
        assert text_of(response.received[0]) == "x"


async def test_the_same_id_twice_is_two_exchanges() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        message = tool("read", gate="g")
        both = [asyncio.create_task(said(client, message)) for _ in range(2)]
        await until(lambda: at.gates.ran["g"] == 2)
        at.gates.open["g"].set()
        assert [text_of(one.received[0]) for one in await asyncio.gather(*both)] == ["g", "g"]


async def test_handlers_know_the_caller_but_not_the_credential() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        known = text_of((await said(client, tool("whoami"))).received[0])
        assert known.startswith("me [")
        assert "x-api-key" not in known


async def test_a_crash_shows_nothing_of_itself_and_a_question_is_no_request_to_the_client() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        crashed = await said(client, modern("prompts/get", {"name": "broken"}))
        assert crashed.received[0]["error"] == {"code": -32603, "message": "Internal server error"}
        asked = await said(client, tool("ask"))
        assert [one.get("method") for one in asked.received] == [None]


async def test_an_answer_that_is_too_large_says_how_to_ask_for_less() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        response = await said(client, tool("fill", size=1_100_000))
        assert "Ask for less" in text_of(response.received[0])


# --------------------------------------------------------------------- what is refused, and how


REFUSED: list[tuple[Message, dict[str, str], int, int]] = [
    (modern("initialize"), {}, 404, -32601),
    (modern("ping"), {}, 404, -32601),
    (modern("logging/setLevel", {"level": "info"}), {}, 404, -32601),
    (modern("no/such"), {}, 404, -32601),
    ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {}, 400, -32602),
    (modern("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}}), {}, 400, -32602),
    (modern("tools/list"), {"mcp-protocol-version": ""}, 400, -32020),
    (modern("tools/list"), {"mcp-protocol-version": "2025-11-25"}, 400, -32020),
    (modern("tools/list"), {"mcp-method": ""}, 400, -32020),
    (modern("tools/list"), {"mcp-method": "tools/call"}, 400, -32020),
    (tool("echo", text="x"), {"mcp-name": ""}, 400, -32020),
    (tool("echo", text="x"), {"mcp-name": "write"}, 400, -32020),
    (tool("echo", text="x"), {"mcp-name": "Echo"}, 400, -32020),
    (tool("echo", text="x"), {"mcp-name": "=?base64?ZWNobw?="}, 400, -32020),
    (modern("resources/read", {"uri": "test://x"}), {"mcp-name": "test://y"}, 400, -32020),
    (modern("tools/list"), {"mcp-protocol-version": "2027-01-01"}, 400, -32020),
]


@kills(
    "transport/streamable_http_stateless.py",
    "await self._envelopes.rejection(message, headers, caller, wire=self._wire)",
    "None",
)
async def test_what_is_refused_says_why() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        for message, headers, status, code in REFUSED:
            refused = await said(client, message, **headers)
            assert (refused.status, refused.received[0]["error"]["code"]) == (status, code), (message, headers)
            assert refused.received[0]["id"] == 1
        assert not at.gates.ran["echo"]


async def test_another_revision_is_refused_with_those_that_are_served() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        later = modern("tools/list", {"_meta": ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}})
        refused = await said(client, later, **{"mcp-protocol-version": "2027-01-01"})
        assert (refused.status, refused.received[0]["error"]["code"]) == (400, -32022)
        assert MODERN in refused.received[0]["error"]["data"]["supported"]
        assert refused.received[0]["error"]["data"]["requested"] == "2027-01-01"


async def test_values_may_be_wrapped_in_white_space_or_base64() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        message = tool("echo", text="x")
        for wrapped in ("  echo\t ", f"=?base64?{b64encode(b'echo').decode()}?="):
            headers = routing(message) | {"mcp-name": wrapped, "mcp-method": " tools/call "}
            assert await status_of(client, message, **headers) == 200
        assert await status_of(client, message, **(routing(message) | {"mcp-name": "e cho"})) == 400
        assert at.gates.ran["echo"] == 2


async def test_a_header_that_was_sent_twice_is_refused() -> None:
    async with bench() as at, httpx2.AsyncClient() as http:
        message = tool("echo", text="x")
        twice = [*(ME | ACCEPT | routing(message)).items(), ("mcp-name", "echo")]
        refused = await http.post(f"{at.url}/mcp", json=message, headers=twice)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32020)


async def test_arguments_that_headers_repeat_have_to_agree() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        accepted: list[tuple[Message, dict[str, str]]] = [
            ({"region": "eu"}, {"mcp-param-region": "eu"}),
            ({"region": "ü"}, {"mcp-param-region": f"=?base64?{b64encode('ü'.encode()).decode()}?="}),
            ({}, {}),
        ]
        for arguments, headers in accepted:
            response = await said(client, tool("route", **arguments), **headers)
            assert text_of(response.received[0]) == arguments.get("region", "")
        refused: list[tuple[Message, dict[str, str]]] = [
            ({"region": "eu"}, {}),
            ({"region": "eu"}, {"mcp-param-region": "us"}),
            ({"region": "eu"}, {"mcp-param-region": "EU"}),
            ({"region": "eu"}, {"mcp-param-region": "=?base64?ZXU?="}),
            ({}, {"mcp-param-region": "eu"}),
        ]
        for arguments, headers in refused:
            response = await said(client, tool("route", **arguments), **headers)
            assert (response.status, response.received[0]["error"]["code"]) == (400, -32020), (arguments, headers)
        assert at.gates.ran["route"] == len(accepted)


async def test_headers_of_a_tools_arguments_are_required_only_of_its_calls() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        namesake = modern("prompts/get", {"name": "route", "arguments": {"region": "eu"}})
        response = await said(client, namesake)
        assert response.received[0]["error"]["code"] != -32020


@kills("transport/streamable_http_stateless.py", "if is_batch or not isinstance", "if not isinstance")
async def test_only_one_request_or_one_notification_may_be_posted() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        headers = {"mcp-protocol-version": MODERN}
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        received = await client.post(note, **headers)
        assert (received.status, received.body) == (202, b"")
        for refused in ({"jsonrpc": "2.0", "id": 1, "result": {}}, [tool("echo", text="x")], [note]):
            response = await client.post(refused, **headers)
            assert (response.status, response.kind) == (400, "malformed")
        strange = await client.post(note, **{"mcp-protocol-version": "2027-01-01"})
        assert (strange.status, strange.received[0]["error"]["code"]) == (400, -32022)
        assert not at.gates.ran["echo"]


# --------------------------------------------------------------------- disconnecting, and shutdown of the server


@kills("transport/http/exchange_response.py", "self._watch(receive))]", "asyncio.sleep(0))]")
async def test_a_client_that_leaves_before_anything_was_said_cancels_its_call() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        leaving = asyncio.create_task(said(client, tool("write", gate="g")))
        await at.gates.reached["g"].wait()
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        async with asyncio.timeout(10):
            await at.gates.cancelled["g"].wait()


async def test_a_client_that_leaves_a_stream_cancels_its_call() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        message = tool("start_and_wait", PROGRESS, gate="g")
        async with client.stream(message, **routing(message)) as response:
            await response.said("notifications/progress")
            await at.gates.reached["g"].wait()
        async with asyncio.timeout(10):
            await at.gates.cancelled["g"].wait()


@kills("transport/http/exchange_response.py", "            self._left()\n", "            pass\n")
async def test_a_client_that_does_not_read_is_cut_and_its_call_is_cancelled() -> None:
    async with bench(write_s=0.1) as at, http_client(at.url, ME, None) as client:
        message = tool("talk", PROGRESS, times=1000, size=200_000)
        async with unread(client, message, **routing(message)), asyncio.timeout(10):
            await at.gates.cancelled["talk"].wait()


async def test_one_exchange_too_many_is_refused_and_not_run() -> None:
    async with bench(max_exchanges=1) as at, http_client(at.url, ME, None) as client:
        first = asyncio.create_task(said(client, tool("write", gate="g")))
        await at.gates.reached["g"].wait()
        refused = await said(client, tool("write", gate="g"))
        assert (refused.status, refused.kind, refused.headers["retry-after"]) == (503, "busy", "1")
        assert refused.received[0]["id"] == 1
        at.gates.open["g"].set()
        assert text_of((await first).received[0]) == "g"
        assert text_of((await said(client, tool("echo", text="free again"))).received[0]) == "free again"
        assert at.gates.ran["g"] == 1


@pytest.mark.parametrize(("name", "kind"), [("write", "outcome_unknown"), ("read", "interrupted")])
async def test_a_drain_answers_what_cannot_finish(name: str, kind: str) -> None:
    async with bench(drain_s=0.1) as at, http_client(at.url, ME, None) as client:
        running = asyncio.create_task(said(client, tool(name, gate="g")))
        await at.gates.reached["g"].wait()
        await at.transport.drain()
        assert (await running).kind == kind
        assert (await said(client, tool("echo", text="late"))).status == 503
        assert not at.gates.ran["echo"]


async def test_a_drain_lets_calls_finish() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        running = asyncio.create_task(said(client, tool("write", gate="g")))
        await at.gates.reached["g"].wait()
        drain = asyncio.create_task(at.transport.drain())
        await until(lambda: at.transport.is_draining)
        at.gates.open["g"].set()
        assert text_of((await running).received[0]) == "g"
        await drain


async def test_a_subscription_is_acknowledged_notified_and_ended_with_its_result() -> None:
    async with (
        bench() as at,
        http_client(at.url, ME, None) as client,
        client.stream(LISTEN, **routing(LISTEN)) as heard,
    ):
        acknowledged = await heard.said("notifications/subscriptions/acknowledged")
        assert heard.received[0] == acknowledged
        assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
        await said(client, tool("tell_subscribers"))
        await heard.said("notifications/tools/list_changed")
        assert not heard.ended.is_set()
        await at.transport.drain()
        await heard.end()
        assert heard.received[-1]["result"]["resultType"] == "complete"
        names = {one["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for one in heard.received[:-1]}
        assert names == {"l"}
