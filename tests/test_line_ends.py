"""Characters that some readers take for the end of a line, in tickets and in what clients send, on every wire."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests import processes
from tests.javascript import node
from tests.processes import KEY, ROOT, STDIO_DOOR, environment, sqlite
from tests.shared.given import TICKET
from tests.stdio_door import stdio_door
from tests.transport.sse_client import initialize_params, sse_session

LINE_ENDS: Final = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
TEXT: Final = "".join(f"日本語{one}語" for one in LINE_ENDS)
WRITTEN: Final = TICKET | {"summary": TEXT, "description": f"{TEXT}\r\n{TEXT}"}
AS_CLIENT: Final = {"x-api-key": KEY}
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the HTTP server."""
    with processes.http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


def ask(request: object, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request, "method": method, "params": params}


def call(request: object, tool: str, **arguments: Any) -> dict[str, Any]:
    return ask(request, "tools/call", name=tool, arguments=arguments)


async def test_a_client_that_splits_lines_reads_what_it_wrote_over_sse(door: str) -> None:
    async with sse_session(door, AS_CLIENT) as client:  # httpx2 ends a line at each of these characters
        created = await client.call("create_ticket", **WRITTEN)
        ticket_id = created["structuredContent"]["ticketId"]
        ticket = (await client.call("get_ticket_detail", ticketId=ticket_id))["structuredContent"]["ticket"]
        unknown = await client.request("tools/call", {"name": TEXT, "arguments": {TEXT: TEXT}})

    assert {name: ticket[name] for name in WRITTEN} == WRITTEN
    assert "Unknown tool" in unknown["error"]["message"]


@pytest.mark.parametrize("wire", ["sse", "streamable_http"])
@pytest.mark.long
async def test_the_python_client_reads_what_it_wrote(door: str, wire: str) -> None:
    async with httpx2.AsyncClient(headers=AS_CLIENT) as http:
        transport: Any = (
            sse_client(f"{door}/sse", headers=AS_CLIENT)
            if wire == "sse"
            else streamable_http_client(f"{door}/mcp", http_client=http)
        )
        async with asyncio.timeout(20), Client(transport, mode="legacy") as client:
            created = await client.call_tool("create_ticket", WRITTEN | {"allowDuplicate": True})
            assert created.structured_content is not None
            read = await client.call_tool("get_ticket_detail", {"ticketId": created.structured_content["ticketId"]})
    assert read.structured_content is not None
    assert {name: read.structured_content["ticket"][name] for name in WRITTEN} == WRITTEN


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (call(f"id {TEXT}", "get_ticket_detail", ticketId=TEXT), {}),
        (call(1, TEXT), {}),
        (ask(1, "resources/read", uri=f"docs://{TEXT}"), {}),
        (ask(1, "prompts/get", name=TEXT), {}),
        (ask(1, TEXT), {}),
        ([ask(1, "ping")], {}),
        (ask(1, "ping"), {"mcp-protocol-version": "\x85"}),
        (ask(1, "ping"), {"content-encoding": "x\x85"}),
        (ask(1, "ping", _meta=ENVELOPE), {"mcp-protocol-version": "2026-07-28", "mcp-method": "\x85"}),
        (ask(1, TEXT, _meta=ENVELOPE), {"mcp-protocol-version": "2026-07-28"}),
    ],
)
async def test_what_an_error_repeats_of_a_message_ends_no_line(
    door: str, message: Any, headers: dict[str, str]
) -> None:
    async with streamable(door) as (http, session):
        for of_session in (session, {}):
            sent = {name.encode(): value.encode("latin-1") for name, value in {**of_session, **headers}.items()}
            response = await http.post(f"{door}/mcp", content=json.dumps(message), headers=sent)
            text = response.content.decode()
            assert text.splitlines() == text.removesuffix("\n").split("\n")
            assert not set(LINE_ENDS) & set(text)


@asynccontextmanager
async def streamable(door: str) -> AsyncIterator[tuple[httpx2.AsyncClient, dict[str, str]]]:
    """A client of `/mcp`, and the header of a session that it has."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **AS_CLIENT}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        opened = await http.post(f"{door}/mcp", json=ask(1, "initialize", **initialize_params()))
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        await http.post(f"{door}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
        yield http, session


@pytest.mark.parametrize("request_id", [2**53 + 1, -(2**70), 10**199, 0, f"{TEXT}\n\r", "9007199254740993"])
async def test_an_id_comes_back_as_it_was(door: str, request_id: str | int) -> None:
    async with streamable(door) as (http, session):
        response = await http.post(f"{door}/mcp", json=ask(request_id, "ping"), headers=session)
    answered = json.loads(response.text.rpartition("data: ")[2])["id"]
    assert (answered, type(answered)) == (request_id, type(request_id))


# --------------------------------------------------------------------- half a surrogate pair


HALF: Final = "\ud83d"
SENTENCE: Final = "must not contain U+0000 or half a surrogate pair"
HALVES: Final = (
    (call(7, "get_ticket_list", searchQuery=HALF), f"searchQuery: {SENTENCE}"),
    (call(7, "get_ticket_detail", ticketId=f"a{HALF}"), f"ticketId: {SENTENCE}"),
    (call(7, "add_ticket_history", ticketId="TCK-0001", userId="user1", comment=HALF), f"comment: {SENTENCE}"),
    (call(7, "create_ticket", **(TICKET | {"remarks": HALF})), f"remarks: {SENTENCE}"),
    (call(7, "create_ticket", **(TICKET | {"attachments": [{"fileName": HALF, "fileUrl": "https://x"}]})), SENTENCE),
    (call(7, "get_users", **{HALF: "x"}), "name of an argument must not contain half a surrogate pair"),
)


async def test_half_a_pair_in_an_argument_is_named_by_the_tool_on_every_wire(door: str) -> None:
    envelope = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}
    async with streamable(door) as (http, session), sse_session(door, AS_CLIENT) as sse:
        for number, (message, sentence) in enumerate(HALVES, 100):
            alone = message | {"params": message["params"] | {"_meta": ENVELOPE}}
            of_this_one = envelope | {"mcp-name": message["params"]["name"]}
            over_sse = json.dumps(message | {"id": number})
            await sse.http.post(
                sse.endpoint, content=over_sse, headers=AS_CLIENT | {"content-type": "application/json"}
            )
            texts = [
                (await http.post(f"{door}/mcp", content=json.dumps(message), headers=session)).text,
                (await http.post(f"{door}/mcp", content=json.dumps(alone), headers=of_this_one)).text,
                json.dumps(await sse.response(number)),
            ]
            for text in texts:
                response = json.loads(text.rpartition("data: ")[2])
                assert response["id"] in {7, number}
                assert response["result"]["isError"] is True
                assert sentence in response["result"]["content"][0]["text"]
                assert response["result"]["structuredContent"]["error"]["effect"] == "nothing_changed"


# --------------------------------------------------------------------- STDIO


async def test_over_stdio_each_message_is_one_line_for_python(tmp_path: Path) -> None:
    async with stdio_door(tmp_path) as stdio:
        await stdio.initialize()
        created = await stdio.call("create_ticket", **WRITTEN)
        await stdio.send(json.dumps(call(TEXT, "get_ticket_detail", ticketId="TCK-0001")).encode())
        assert (await stdio.message())["id"] == TEXT
        ticket_id = created["structuredContent"]["ticketId"]
        await stdio.send(json.dumps(call(7, "get_ticket_detail", ticketId=ticket_id)).encode())
        line = (await stdio.line()).decode()

    assert line.splitlines() == [line.removesuffix("\n")]
    assert {name: json.loads(line)["result"]["structuredContent"]["ticket"][name] for name in WRITTEN} == WRITTEN


async def test_over_stdio_each_message_is_one_line_for_node(tmp_path: Path) -> None:
    given = {
        "command": sys.executable,
        "args": [str(ROOT / STDIO_DOOR[0])],
        "env": environment(MCP_DATABASE_URL=sqlite(tmp_path)),
        "messages": [
            ask(1, "initialize", **initialize_params()),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            call(2, "create_ticket", **WRITTEN),
            call(3, TEXT),
        ],
    }
    done = await node(str(ROOT / "tests" / "clients" / "lines.mjs"), json.dumps(given))
    said = json.loads(done.stdout)

    assert said["broken"] == []
    assert said["responses"]["2"]["result"]["structuredContent"]["ticket"]["summary"] == TEXT
    assert "Unknown tool" in said["responses"]["3"]["error"]["message"]
