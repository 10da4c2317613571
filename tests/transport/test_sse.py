"""HTTP+SSE over real sockets: what 202 means, one endpoint, heartbeats, rotation, resume, caps, end of sessions."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.kills import kills
from tests.transport.serving import bench, until
from tests.transport.sse_client import SseClient, initialize_params, open_stream, sse_session
from transport.http.sse_format import EventId

pytestmark = pytest.mark.usefixtures("any_broker")

ME = {"x-api-key": "key-me"}
YOU = {"x-api-key": "key-you"}


def call(request_id: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


# --------------------------------------------------------------------- S1: what a 202 means


async def test_a_request_is_answered_once_with_its_result() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        result = await client.call("echo", text="hello")
        assert result["content"][0]["text"] == "hello"
        assert [len(client.responses(n)) for n in (1, 2)] == [1, 1]


@kills("transport/sessions/claims.py", "ClaimStatus.JOINED if _repeats", "ClaimStatus.NEW if _repeats")
async def test_a_repeat_while_the_call_runs_shares_its_one_answer() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        first = await client.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        again = await client.post(call(7, "write", gate="g"))
        at.gates.open["g"].set()
        await client.response(7)
        await client.call("echo", text="a later answer, so that a second one to 7 would be here")
        assert (first.status_code, again.status_code) == (202, 202)
        assert at.gates.ran["g"] == 1
        assert len(client.responses(7)) == 1


async def test_an_id_is_free_again_once_its_request_was_answered() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        for number in range(1, 4):
            await client.post(call(1, "echo", text="the same words"))
            await client.until(lambda wanted=number + 1: len(client.responses(1)) == wanted)  # and that of `initialize`
        assert at.gates.ran["echo"] == 3
        await client.post(call(1, "echo", text="other words"))
        await client.until(lambda: len(client.responses(1)) == 5)
        assert client.responses(1)[-1]["result"]["content"][0]["text"] == "other words"


async def test_another_body_under_a_running_id_is_refused_and_not_run() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        refused = await client.post(call(7, "write", gate="h"))
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == -32600
        assert refused.json()["error"]["data"] == {"kind": "request_id_reused"}
        assert refused.json()["id"] == 7
        at.gates.open["g"].set()
        assert (await client.response(7))["result"]["content"][0]["text"] == "g"
        assert at.gates.ran["h"] == 0


async def test_the_id_of_a_cancelled_request_is_free_again() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        await client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        async with asyncio.timeout(10):
            while (await client.post(call(7, "echo", text="x"))).status_code == 400:
                await at.gates.cancelled["g"].wait()  # its handler is still on its way out
        assert (await client.response(7))["result"]["content"][0]["text"] == "x"


async def test_seven_and_its_text_are_two_requests() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "echo", text="number"))
        await client.post(call("7", "echo", text="text"))
        number, text = await client.response(7), await client.response("7")
        assert number["result"]["content"][0]["text"] == "number"
        assert text["result"]["content"][0]["text"] == "text"


async def test_initialize_begins_a_new_epoch_in_which_ids_are_free_again() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "write", gate="old"))
        await at.gates.reached["old"].wait()
        await client.request("initialize", initialize_params())
        await at.gates.cancelled["old"].wait()
        await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.post(call(7, "echo", text="new"))
        response = await client.response(7)
        assert response["result"]["content"][0]["text"] == "new"
        assert len(client.responses(7)) == 1


async def test_initialized_takes_effect_before_its_202() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await client.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()})
        await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.post(call(2, "echo", text="x"))
        assert (await client.response(2))["result"]["isError"] is False


async def test_a_request_before_initialize_is_refused_by_the_protocol() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        response = await client.request("tools/list")
        assert response["error"]["code"] == -32602


@kills("transport/sessions/memory.py", "known.record.owner != owner or known.record.wire", "known.record.wire")
async def test_an_unknown_and_another_principals_session_get_the_same_404() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        foreign = await client.http.post(client.endpoint, json=call(9, "echo", text="x"), headers=YOU)
        unknown = await client.http.post("/messages?session_id=nope", json=call(9, "echo", text="x"), headers=YOU)
        missing = await client.http.post("/messages", json=call(9, "echo", text="x"), headers=YOU)
        assert {foreign.status_code, unknown.status_code, missing.status_code} == {404}
        assert foreign.content == unknown.content == missing.content
        assert at.gates.ran["echo"] == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status", "kind"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', "application/json", 400, "malformed"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', "application/json", 400, "malformed"),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', "application/json", 400, "batch"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "text/plain", 415, "content_type"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "", 415, "content_type"),
        (b" " * (4 * 1024 * 1024 + 1), "application/json", 413, "too_large"),
    ],
)
async def test_bad_input_is_refused_with_what_was_wrong(body: bytes, content_type: str, status: int, kind: str) -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        headers = {**ME, **({"content-type": content_type} if content_type else {})}
        response = await client.http.post(client.endpoint, content=body, headers=headers)
        assert response.status_code == status
        assert response.json()["error"]["data"]["kind"] == kind


@kills("transport/http/request_checks.py", "if len(body) > self._max_body_bytes:", "if False:")
async def test_a_body_without_a_length_is_bounded_too() -> None:
    async def endless() -> Any:
        for _ in range(80):
            yield b" " * 65536

    async with bench() as at, sse_session(at.url, ME) as client:
        headers = {**ME, "content-type": "application/json"}
        response = await client.http.post(client.endpoint, content=endless(), headers=headers)
        assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async with bench(body_s=0.1) as at:
        address = httpx2.URL(at.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        path = f"/messages?session_id={'x' * 43}"  # no session is looked for before the body is there
        head = f"POST {path} HTTP/1.1\r\nHost: {address.host}\r\nx-api-key: key-me\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{".encode())
        status = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        assert status.startswith(b"HTTP/1.1 408")


async def test_a_charset_in_the_content_type_is_fine() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        headers = {**ME, "content-type": "application/json; charset=utf-8"}
        body = json.dumps(call(5, "echo", text="ü")).encode()
        assert (await client.http.post(client.endpoint, content=body, headers=headers)).status_code == 202


async def test_a_batch_is_served_where_2025_03_26_was_negotiated() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await client.initialize("2025-03-26")
        batch = [call("a", "echo", text="A"), {"jsonrpc": "2.0", "method": "x/unknown"}, call("b", "echo", text="B")]
        assert (await client.post(batch)).status_code == 202
        responses = [await client.response("a"), await client.response("b")]
        assert [one["result"]["content"][0]["text"] for one in responses] == ["A", "B"]


async def test_a_batch_with_one_running_id_runs_nothing_of_it() -> None:
    async with bench() as at, sse_session(at.url, ME, initialize=False) as client:
        await client.initialize("2025-03-26")
        await client.post(call("a", "read", gate="g"))
        refused = await client.post([call("b", "echo", text="B"), call("a", "echo", text="other")])
        assert refused.status_code == 400
        at.gates.open["g"].set()
        await client.response("a")
        assert at.gates.ran["echo"] == 0


async def test_wrong_methods_are_405_with_what_is_allowed() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, headers=ME) as http:
        wrong = {("POST", "/sse"): "GET", ("DELETE", "/sse"): "GET", ("GET", "/messages"): "POST"}
        for (method, path), allowed in wrong.items():
            response = await http.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, allowed)


# --------------------------------------------------------------------- callers and origins


async def test_without_a_key_nothing_is_served_and_no_bearer_is_asked_for() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url) as http:
        for response in (await http.get("/sse"), await http.post("/messages?session_id=x", json={})):
            assert response.status_code == 401
            assert response.json()["error"]["data"]["kind"] == "unauthenticated"
            assert "www-authenticate" not in response.headers


@kills(
    "transport/http/request_checks.py",
    "elif not self.origins.fullmatch(head.origin):",
    "elif False:",
)
async def test_a_foreign_host_or_origin_is_refused_before_the_key_is_looked_at() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url) as http:
        host = await http.get("/sse", headers={"host": "evil.example.com"})
        origin = await http.get("/sse", headers={"origin": "https://evil.example.com"})
        assert (host.status_code, origin.status_code) == (421, 403)


async def test_a_loopback_origin_may_call() -> None:
    async with bench() as at, sse_session(at.url, ME | {"origin": "http://localhost:6274"}) as client:
        assert (await client.call("echo", text="x"))["isError"] is False


@kills("transport/http/request_head.py", "public.pop(name, None)", "pass")
async def test_handlers_know_the_caller_but_not_the_credential() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        result = await client.call("whoami")
        assert result["content"][0]["text"].startswith("me [")
        assert "x-api-key" not in result["content"][0]["text"]


# --------------------------------------------------------------------- S4, S5: the stream itself


@kills(
    "transport/http/event_stream.py",
    "            await self._pump(source)\n        reason",
    "            await self.write(source.preamble)\n            await self._pump(source)\n        reason",
)
async def test_a_stream_has_one_endpoint_and_a_random_retry() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.call("echo", text="x")
        assert len(client.endpoints) == 1
        assert re.fullmatch(r"/messages\?session_id=[A-Za-z0-9_-]{43}", client.endpoint)
        assert 500 <= client.retry_ms <= 3000


async def test_an_idle_stream_gets_heartbeats() -> None:
    async with bench(heartbeat_s=0.02) as at, sse_session(at.url, ME) as client:
        await client.until(lambda: client.comments >= 3)


@kills("transport/http/event_stream.py", "return may_end and await reader.is_settled()", "return may_end")
async def test_a_stream_ends_cleanly_at_its_age_once_its_calls_are_answered() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "write", gate="g"))
        await at.gates.reached["g"].wait()
        at.limit(stream_s=0.3)
        again = SseClient(client.http, ME)
        async with open_stream(again, {"last-event-id": str(client.last_event_id)}):
            with pytest.raises(TimeoutError):
                await again.until(again.ended.is_set, seconds=0.6)
            at.gates.open["g"].set()
            await again.until(again.ended.is_set)
            assert again.responses(7)


async def test_a_stream_does_not_wait_for_calls_beyond_its_overtime() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await client.post(call(7, "write", gate="never"))
        await at.gates.reached["never"].wait()
        at.limit(stream_s=0.1, overtime_s=0.1)
        again = SseClient(client.http, ME)
        async with open_stream(again, {"last-event-id": str(client.last_event_id)}):
            await again.until(again.ended.is_set)
        assert not again.responses(7)


async def test_answers_are_not_cacheable_or_buffered() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url) as http:
        client = SseClient(http, ME)
        async with open_stream(client) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"


# --------------------------------------------------------------------- resume


async def test_last_event_id_replays_exactly_what_was_missed() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
            await client.call("echo", text="seen")
        endpoint, seen = client.endpoint, client.last_event_id
        await http.post(endpoint, json=call("missed", "echo", text="while no stream was open"), headers=ME)
        received = len(client.received)
        async with open_stream(client, {"last-event-id": str(seen)}):
            response = await client.response("missed")
            assert client.endpoint == endpoint
            assert client.received[received:] == [response]


async def test_a_second_stream_takes_over_and_the_first_ends() -> None:
    async with bench() as at, sse_session(at.url, ME) as first, httpx2.AsyncClient(base_url=at.url) as http:
        second = SseClient(http, ME)
        async with open_stream(second, {"last-event-id": str(first.last_event_id)}):
            await first.until(first.ended.is_set)
            assert (await second.request("ping", id="p"))["result"] == {}


@pytest.mark.parametrize("forged", ["", "x", "a:b:c", "::", f"{'A' * 43}::1", f"{'A' * 43}::-1"])
async def test_a_last_event_id_that_is_not_ours_opens_a_new_session(forged: str) -> None:
    async with bench() as at, sse_session(at.url, (ME | {"last-event-id": forged})) as client:
        assert (await client.call("echo", text="x"))["isError"] is False


@kills("transport/sse.py", " or record.owner != connect.principal.key", "")
async def test_another_principals_last_event_id_opens_a_new_session() -> None:
    async with (
        bench() as at,
        sse_session(at.url, ME) as mine,
        sse_session(at.url, YOU | {"last-event-id": str(mine.last_event_id)}) as yours,
    ):
        assert yours.endpoint != mine.endpoint
        assert [one["id"] for one in yours.received] == [1]


async def test_a_client_that_reconnects_without_an_event_id_need_not_initialize() -> None:
    async with (
        bench() as at,
        sse_session(at.url, (ME | {"mcp-protocol-version": "2025-06-18"}), initialize=False) as c,
    ):
        assert (await c.call("echo", text="x"))["isError"] is False
        assert (await c.request("initialize", initialize_params()))["result"]["protocolVersion"] == "2025-11-25"


def test_an_event_id_survives_its_text_form() -> None:
    event_id = EventId("A" * 43, 12)
    assert EventId.parse(str(event_id)) == event_id


# --------------------------------------------------------------------- S9: caps


async def test_caps_refuse_new_sessions_only() -> None:
    async with bench(max_sessions=2, max_sessions_per_principal=1) as at, sse_session(at.url, ME) as mine:
        second = await mine.http.get("/sse", headers=ME)
        assert (second.status_code, second.headers["retry-after"]) == (429, "30")
        async with sse_session(at.url, YOU):
            third = await mine.http.get("/sse", headers={"x-api-key": "key-third"})
            assert (third.status_code, third.headers["retry-after"]) == (503, "30")
            assert (await mine.call("echo", text="still here"))["isError"] is False


@kills("transport/sessions/memory.py", "factor = 2 if reconnect else 1", "factor = 1")
async def test_a_client_that_reconnects_is_not_refused_for_a_cap() -> None:
    async with (
        bench(max_sessions=1) as at,
        sse_session(at.url, ME),
        sse_session(at.url, ME | {"mcp-protocol-version": "2025-11-25"}, initialize=False) as again,
    ):
        assert (await again.call("echo", text="x"))["isError"] is False


# --------------------------------------------------------------------- S10: a reader that does not read


@asynccontextmanager
async def unread_stream(client: SseClient) -> AsyncGenerator[None]:
    """Open a stream and read only its endpoint."""
    async with client.http.stream("GET", "/sse", headers=client.headers) as response:
        lines = response.aiter_lines()  # kept: without a reference the connection would be closed
        async for line in lines:
            if line.startswith("data: /messages"):
                client.endpoint = line[6:]
                break
        yield


@kills("transport/sessions/valkey/lua/common.lua", "bytes > max_bytes or call('XLEN', log) > max_events", "false")
async def test_a_stopped_reader_affects_only_itself_and_learns_what_it_lost() -> None:
    async with (
        bench(max_log_bytes=900_000, max_events=8) as at,
        sse_session(at.url, YOU) as other,
        httpx2.AsyncClient(base_url=at.url) as http,
    ):
        client = SseClient(http, ME)
        async with unread_stream(client):
            await client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()})
            for number in range(1, 101):  # 20 MB, far more than sockets buffer; no one reads on
                assert (await client.post(call(number, "fill", size=200_000))).status_code == 202
            assert (await other.call("echo", text="unharmed"))["content"][0]["text"] == "unharmed"
            assert at.transport.stats()["log_bytes"] < 950_000
        session = client.endpoint.partition("=")[2]
        async with open_stream(client, {"last-event-id": f"{session}::0"}):
            for number in range(1, 101):
                await client.response(number)
        lost = [one for one in client.received if one.get("error", {}).get("data", {}).get("kind") == "result_lost"]
        whole = [one for one in client.received if "result" in one]
        assert len(lost) >= 90
        assert whole
        assert all(len(client.responses(number)) == 1 for number in range(1, 101))


async def test_a_stream_that_is_not_read_is_cut_after_a_while() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url) as http:
        client = SseClient(http, ME)
        async with unread_stream(client):
            at.limit(write_s=0.2)
            await client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()})
            for number in range(1, 41):
                await client.post(call(number, "fill", size=500_000))
            await until(lambda: not at.transport.stats()["streams"])


async def test_a_tool_result_over_a_mebibyte_says_how_to_ask_for_less() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        result = await client.call("fill", size=1_100_000)
        assert result["isError"] is True
        assert "Ask for less" in result["content"][0]["text"]
