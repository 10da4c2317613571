"""Streamable HTTP with a handshake: what is refused, with which status and `kind`, and what state that leaves."""

import asyncio
import json

import pytest

from shared.client_habits import ClientHabits
from tests.kills import kills
from tests.transport.http_client import JSON, HttpClient, HTTPResponse, call, http_client, opening
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session

pytestmark = pytest.mark.usefixtures("any_broker")

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}
UNKNOWN = "x" * 43
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def every_way_in(client: HttpClient, last_event_id: str) -> list[HTTPResponse]:
    """Use a client's session in every possible way."""
    return [
        await client.post(call("x", "echo", text="x")),
        await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        await client.get(),
        await client.get(last_event_id),
        await client.delete(),
    ]


async def test_without_a_session_id_nothing_but_initialize_is_served_once_that_habit_is_off() -> None:
    strict = {"habits": ClientHabits(off=["no_session_id"])}
    async with bench(more=strict) as at, http_client(at.url, ME, None) as client:
        responses = await every_way_in(client, f"{UNKNOWN}::0")
        assert {(one.status, one.kind) for one in responses} == {(400, "no_session")}


async def test_an_unknown_and_another_principals_session_get_the_same_404() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        mine = await client.post(call(1, "echo", text="x"))
        foreign = await every_way_in(client.who(YOU), mine.last_event_id)
        unknown = await every_way_in(client.who({"mcp-session-id": UNKNOWN}), f"{UNKNOWN}::0")
        malformed = await every_way_in(client.who({"mcp-session-id": "nope"}), "nope")
        assert {one.status for one in [*foreign, *unknown]} == {404}
        assert len({one.body for one in [*foreign, *unknown]}) == 1
        assert {one.status for one in malformed} == {404}
        assert at.gates.ran["echo"] == 1
        assert await client.call(2, "echo", text="still here") == "still here"


@kills("transport/sessions/valkey/lua/attach.lua", "if stream ~= '' and not is_known then return {} end", "")
async def test_a_last_event_id_that_names_no_stream_of_this_session_is_400() -> None:
    async with bench() as at, http_client(at.url, ME) as client, http_client(at.url, ME) as other:
        await client.post(call(1, "echo", text="x"))
        theirs = (await other.post(call(1, "echo", text="x"), accept="text/event-stream")).last_event_id
        forged = ["x", "a:b:c", f"{client.session}::-1", f"{client.session}:unknown:1", f"{client.session}:1", theirs]
        responses = [await client.get(one) for one in forged]
        assert [(one.status, one.kind) for one in responses] == [(400, "unknown_event")] * len(forged)


@kills("transport/sessions/memory.py", "owner or known.record.wire != wire", "owner")
async def test_a_session_of_the_other_wire_is_unknown_on_each() -> None:
    async with bench() as at, http_client(at.url, ME) as client, sse_session(at.url, ME) as sse:
        path = f"/messages?session_id={client.session}"
        assert (await sse.http.post(path, json=call("x", "echo", text="x"), headers=ME)).status_code == 404
        client.belong_to(sse.endpoint.partition("=")[2])
        responses = await every_way_in(client, str(sse.last_event_id))
        assert {one.status for one in responses} == {404}
        assert (await sse.call("echo", text="still here"))["isError"] is False


BAD: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{", {}, 400, "malformed"),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, "malformed"),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', {}, 400, "malformed"),
    (b'{"id":1,"method":"ping"}', {}, 400, "malformed"),
    (b"[]", {}, 400, "malformed"),
    (json.dumps([PING]).encode(), {}, 400, "batch"),
    (json.dumps([opening()]).encode(), {}, 400, "batch"),
    (json.dumps(PING).encode(), {"content-type": "text/plain"}, 415, "content_type"),
    (json.dumps(PING).encode(), {"accept": "text/html"}, 406, "accept"),
    (json.dumps(PING).encode(), {"accept": "text/event-stream;q=0, text/html"}, 406, "accept"),
    (b" " * (4 * 1024 * 1024 + 1), {}, 413, "too_large"),
]


async def test_bad_input_is_refused_with_what_was_wrong() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        for sent, headers, status, kind in BAD:
            async with client.send("POST", JSON | headers, sent) as response:
                await response.end()
            assert (response.status, response.kind) == (status, kind), sent[:80]
        assert (await client.post(PING)).received[0]["result"] == {}


async def test_initialize_is_refused_in_a_batch_even_where_batches_are_served() -> None:
    async with bench() as at, http_client(at.url, ME, "2025-03-26") as client:
        refused = await client.post([opening(), PING])
        assert (refused.status, refused.kind) == (400, "batch")
        assert (await client.post([PING])).status == 200


async def test_a_get_that_takes_no_stream_is_406() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        assert (await client.get(accept="application/json")).status == 406
        async with client.listen(accept="text/*") as response:
            assert response.status == 200


async def test_an_unknown_revision_is_refused_with_the_list_of_served_ones() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        strange = client.who({"mcp-protocol-version": "1999-01-01"})
        responses = [await strange.post(PING), await strange.post({"jsonrpc": "2.0", "method": "notifications/x"})]
        assert [one.status for one in responses] == [400, 400]
        assert responses[0].received[0]["id"] == 1
        assert {(await strange.get()).status, (await strange.delete()).status} == {400}


async def test_wrong_methods_are_405_with_what_is_allowed() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        modern = {"mcp-protocol-version": "2026-07-28", "mcp-session-id": ""}
        wrong: dict[tuple[str, str], dict[str, str]] = {
            ("PUT", "DELETE, GET, POST"): {},
            ("OPTIONS", "DELETE, GET, POST"): {},
            ("GET", "POST"): modern,
            ("DELETE", "POST"): modern,
        }
        for (method, allowed), headers in wrong.items():
            async with client.send(method, headers) as response:
                await response.end()
            assert (response.status, response.headers["allow"]) == (405, allowed)
        assert await client.call(1, "echo", text="not ended") == "not ended"


async def test_without_a_key_or_from_a_foreign_page_nothing_is_served() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        last = (await client.post(PING)).last_event_id
        for who, status in ({"x-api-key": ""}, 401), ({"origin": "https://evil.example.com"}, 403):
            responses = await every_way_in(client.who(who), last)
            assert {one.status for one in responses} == {status}
            assert not any("www-authenticate" in one.headers for one in responses)
        assert (await client.who({"host": "evil.example.com"}).post(PING)).status == 421


# --------------------------------------------------------------------- sessions that are refused, or end


async def test_a_failed_initialize_leaves_no_session() -> None:
    async with bench(max_sessions_per_principal=1) as at:
        for number, params in enumerate(({"padding": "x" * 20_000}, {"protocolVersion": 5}, {"capabilities": 1})):
            async with http_client(at.url, {"x-api-key": f"key-{number}"}, None) as client:
                failing = opening()
                failing["params"] |= params
                failed = await client.post(failing)
                assert failed.responses("opening")[0]["error"]["code"] == -32602
                assert "mcp-session-id" not in failed.headers
                async with asyncio.timeout(10):
                    while (await client.post(opening())).status == 429:
                        pass  # it is gone as soon as its only response is sent


async def test_a_failed_initialize_leaves_a_session_as_it_was() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        failing = opening()
        failing["params"]["protocolVersion"] = 5
        assert "error" in (await client.post(failing)).received[0]
        assert await client.call(1, "echo", text="x") == "x"


async def test_before_initialized_calls_are_served_as_the_protocol_says() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        response = await client.post(opening())
        client.belong_to(response.headers["mcp-session-id"])
        assert (await client.post(PING)).received[0]["result"] == {}


async def test_caps_refuse_initialize_only() -> None:
    async with bench(max_sessions_per_principal=1) as at, http_client(at.url, ME) as mine:
        refused = await mine.who({"mcp-session-id": ""}).post(opening())
        assert (refused.status, refused.kind, refused.headers["retry-after"]) == (429, "too_many_sessions", "30")
        async with http_client(at.url, YOU), mine.listen() as standalone:
            await standalone.until(lambda: standalone.retry_ms)
            assert await mine.call(1, "echo", text="still here") == "still here"
        assert (await mine.delete()).status == 204
        await mine.who({"mcp-session-id": ""}).initialize()


async def test_a_full_server_refuses_initialize_only() -> None:
    async with bench(max_sessions=1) as at, http_client(at.url, ME) as mine, mine.listen() as standalone:
        await standalone.until(lambda: standalone.retry_ms)
        async with http_client(at.url, YOU, None) as other:
            refused = await other.post(opening())
        assert (refused.status, refused.kind, refused.headers["retry-after"]) == (503, "too_many_sessions", "30")
        assert await mine.call(1, "echo", text="still here") == "still here"
