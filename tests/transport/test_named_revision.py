"""What decides about the revision of a request when its head and its body disagree (cases C4, C5 and C6)."""

import asyncio
from typing import Any, Final

import httpx2
import pytest

from tests.client_habits import from_connector
from tests.transport.http_client import (
    ACCEPT,
    ENVELOPE,
    JSON,
    MODERN,
    HttpClient,
    HTTPResponse,
    Message,
    call,
    http_client,
    text_of,
)
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session
from tests.transport.test_streamable_http_stateless import modern, routing, tool
from transport.streamable_http_stateless import CONNECTORS

ME: Final = {"x-api-key": "key-me"}
LATER: Final = {"mcp-protocol-version": MODERN}
UNKNOWN: Final = {"mcp-session-id": "x" * 43}
PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
CLIENT: Final = "io.modelcontextprotocol/clientInfo"


def code_of(response: HTTPResponse) -> tuple[int, int]:
    return response.status, response.received[0]["error"]["code"]


# --------------------------------------------------------------------- C4: the envelope of a client behind a connector


@pytest.mark.parametrize("name", sorted(CONNECTORS))
async def test_an_envelope_that_came_through_the_connector_is_served(name: str) -> None:
    message, headers = from_connector(name)
    listing = modern("tools/list", {"_meta": message["params"]["_meta"]})
    async with bench() as at, http_client(at.url, ME, None) as client:
        called = await client.post(message, **headers)
        listed = await client.post(listing, **{"mcp-protocol-version": "2025-11-25", "mcp-method": "tools/list"})
        with_session = await client.post(message, **headers, **UNKNOWN)

        assert [text_of(one.received[0]) for one in (called, with_session)] == ["x", "x"]
        assert called.received[0]["result"]["resultType"] == "complete"
        assert listed.received[0]["result"]["tools"]
        assert at.counter.total("client_habits", habit="connector_envelope") == 3


def changed(headers: dict[str, str], meta: Message | None = None, **params: Any) -> tuple[Message, dict[str, str]]:
    """Return the request of a connector with other headers, another envelope or other parameters."""
    message, usual = from_connector(**(meta or {}))
    message["params"] |= params
    return message, usual | headers


JUST_OUTSIDE: Final = {
    "another client": changed({}, {"name": "claude-code-action"}),
    "another case": changed({}, {"name": "Claude-AI"}),
    "a name that is no text": changed({}, {"name": ["claude-ai"]}),
    "no client": changed({}, {CLIENT: None}),
    "a client that is no object": changed({}, {CLIENT: "claude-ai"}),
    "another revision with a handshake": changed({"mcp-protocol-version": "2025-06-18"}),
    "no revision": changed({"mcp-protocol-version": ""}),
    "an unknown revision": changed({"mcp-protocol-version": "2026-01-01"}),
    "different copies": changed({"mcp-protocol-version": f"2025-11-25, {MODERN}"}),
    "no method": changed({"mcp-method": ""}),
    "another method": changed({"mcp-method": "tools/list"}),
    "no name": changed({"mcp-name": ""}),
    "another name": changed({"mcp-name": "write"}),
    "a header for an argument that is not there": changed(
        {"mcp-param-region": "eu", "mcp-name": "route"}, name="route"
    ),
    "an envelope of another revision": changed({}, {"io.modelcontextprotocol/protocolVersion": "2027-01-01"}),
}


@pytest.mark.parametrize("shape", JUST_OUTSIDE)
async def test_any_other_mismatch_is_refused_as_the_conformance_suite_asks(shape: str) -> None:
    message, headers = JUST_OUTSIDE[shape]
    async with bench() as at, http_client(at.url, ME, None) as client:
        refused = await client.post(message, **headers)

        assert code_of(refused) == (400, -32020)
        assert refused.received[0]["id"] == 1
        assert at.counter.total("client_habits") == 0
        assert not at.gates.ran


async def test_an_incomplete_envelope_is_told_what_it_lacks() -> None:
    message, headers = from_connector()
    del message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    async with bench() as at, http_client(at.url, ME, None) as client:
        assert code_of(await client.post(message, **headers)) == (400, -32602)
        assert at.counter.total("client_habits") == 0


# --------------------------------------------------------------------- C5: copies of one revision


async def posted(client: HttpClient, versions: list[str], message: Message, **more: str) -> httpx2.Response:
    """Post with these lines of the header."""
    headers = client.headers | ACCEPT | JSON | more
    headers.pop("mcp-protocol-version", None)
    lines = [*headers.items(), *(("MCP-Protocol-Version", version) for version in versions)]
    async with httpx2.AsyncClient() as http:
        return await http.post(f"{client.url}/mcp", json=message, headers=lines)


async def test_copies_count_as_one_in_every_spelling_and_era() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        for versions in (["2025-11-25, 2025-11-25"], ["2025-11-25"] * 2, ["2025-11-25 ,2025-11-25", "2025-11-25"]):
            assert (await posted(client, versions, PING)).status_code == 200
        message = tool("echo", text="x")
        for versions in ([f"{MODERN},{MODERN}"], [MODERN, MODERN]):
            rest = {name: value for name, value in routing(message).items() if name != "mcp-protocol-version"}
            assert (await posted(client, versions, message, **rest)).json()["result"]["resultType"] == "complete"
        assert at.counter.total("client_habits", habit="joined_version") == 5

        message, headers = from_connector()
        headers.pop("mcp-protocol-version")
        assert (await posted(client, ["2025-11-25, 2025-11-25"], message, **headers)).status_code == 200
        assert (await posted(client, [f"{MODERN}, {MODERN}"], PING)).status_code == 200, "a later version, and joined"


async def test_different_copies_are_no_revision() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        for versions in (
            ["2025-11-25, 2025-06-18"],
            ["2025-11-25", "2025-06-18"],
            ["2025-11-25", MODERN],
            [MODERN, "2025-11-25"],
            ["2025-11-25,"],
            ["2025-11-25", ""],
        ):
            assert (await posted(client, versions, PING)).status_code == 400, versions
        assert at.counter.total("client_habits") == 0


async def test_copies_reach_the_stream_its_resuming_and_the_end_of_a_session() -> None:
    twice = {"mcp-protocol-version": "2025-11-25,2025-11-25"}
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.listen(**twice) as standalone:
            await standalone.until(lambda: standalone.retry_ms)
        cut = await client.post(call(1, "echo", text="x"), accept="text/event-stream", **twice)
        resumed = await client.get(cut.primed[0], **twice)
        assert text_of(resumed.responses(1)[0]) == "x"
        async with client.send("DELETE", twice) as ended:
            await ended.end()
        assert ended.status == 204


async def test_a_client_of_sse_that_reconnects_with_copies_is_recognised() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        headers = ME | {"mcp-protocol-version": "2025-11-25, 2025-11-25"}
        async with asyncio.timeout(10), client.http.stream("GET", f"{at.url}/sse", headers=headers) as again:
            async for line in again.aiter_lines():
                if '"ping"' in line:  # by its response a client that was initialized is recognised
                    break
        assert at.counter.total("client_habits", habit="joined_version") == 1


# --------------------------------------------------------------------- C6: the session knows its revision


@pytest.mark.usefixtures("any_broker")
@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_with_a_known_session_its_revision_decides(version: str) -> None:
    async with bench() as at, http_client(at.url, ME, version) as plain:
        client = plain.who(LATER)
        answered = await client.post(call(1, "echo", text="x"), accept="text/event-stream")
        noted = await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        batch = await client.post([PING])
        async with client.listen() as standalone:
            await standalone.until(lambda: standalone.retry_ms)
            told = await client.post(call(2, "announce"))
            await standalone.said("notifications/tools/list_changed")
        resumed = await client.get(answered.last_event_id)

        assert [text_of(one.received[-1]) for one in (answered, told)] == ["x", "announced"]
        assert "resultType" not in answered.received[-1]["result"], "it is a result of the session's revision"
        assert bool(answered.primed) is (version == "2025-11-25")
        assert noted.status == 202
        assert batch.status == (200 if version == "2025-03-26" else 400)
        assert resumed.status == 200
        assert (await client.delete()).status == 204
        assert at.counter.total("client_habits", habit="later_version") == 7
        ended = [await client.post(PING), await client.get(), await client.delete()]
        assert [one.status for one in ended] == [404] * 3, "so that the client opens a new session"


async def test_an_envelope_or_no_session_or_another_revision_is_what_it_was() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        message = tool("echo", text="x")
        alone = await client.post(message, **routing(message), **UNKNOWN)
        assert alone.received[0]["result"]["resultType"] == "complete"

        for headers in (LATER | {"mcp-session-id": ""}, LATER | {"mcp-session-id": "nope"}):
            assert code_of(await client.post(PING, **headers)) == (400, -32602)
            assert (await client.get(**headers)).status == 405
        for version in ("2027-01-01", "1999-01-01", "x"):
            assert (await client.post(PING, **{"mcp-protocol-version": version})).status == 400
            assert (await client.get(**{"mcp-protocol-version": version})).status == 400
        assert at.counter.total("client_habits") == 0

        you = client.who({"x-api-key": "key-you"} | LATER)
        assert [(await you.post(PING)).status, (await you.get()).status, (await you.delete()).status] == [404] * 3
        assert await client.call(1, "echo", text="still here") == "still here"


async def test_a_session_of_another_revision_with_a_handshake_is_served_as_ever_which_is_no_habit() -> None:
    async with bench() as at, http_client(at.url, ME, "2025-06-18") as client:
        assert (await client.post(PING, **{"mcp-protocol-version": "2025-11-25"})).status == 200
        assert at.counter.total("client_habits") == 0


def test_the_envelope_of_the_tests_is_complete() -> None:
    assert set(ENVELOPE) < set(from_connector()[0]["params"]["_meta"])
