"""The HTTP server as a process: bad input over HTTP, or from the ticket API, gets a response that says what was wrong.

Promises of the transport itself are in tests/transport, with keys of several users; here settings, key, tools and
ticket API are tested together. No response shows internals.
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests import standin
from tests.kills import kills
from tests.processes import API_KEY, HTTP_DOOR, KEY, OPERATOR_KEY, Process, http_door, sqlite, started
from tests.shared.given import TICKET
from tests.slow_api import gated_api
from tests.transport.serving import serve
from tests.transport.sse_client import SseClient, sse_session

AS_CLIENT: Final = {"x-api-key": KEY}
AS_JSON: Final = {"content-type": "application/json"}
PING: Final = b'{"jsonrpc":"2.0","id":"p","method":"ping"}'
PAGE: Final = '<html><pre>Traceback (most recent call last): File "/srv/api/app.py", line 7</pre></html>'
INSIDE: Final = re.compile(
    rf'Traceback|File "|\.py\b|<html|sqlite|pydantic|127\.0\.0\.1|{re.escape(KEY)}|{API_KEY}', re.IGNORECASE
)
"""What no response may show."""
NO_PASSWORD: Final = "hidden-in-the-tests"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - a value to be refused; nothing binds to it


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over the embedded API."""
    with http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON-RPC error of an HTTP refusal, which shows no internals."""
    assert not INSIDE.search(response.text)
    assert response.headers["content-type"] == "application/json"
    said = response.json()
    assert said["jsonrpc"] == "2.0"
    assert said["error"]["message"].endswith(".")
    error: dict[str, Any] = said["error"]
    return error


async def failed(client: SseClient, tool: str, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Make a call that fails; return its text, which shows no internals, and the structured error."""
    response = await client.request("tools/call", {"name": tool, "arguments": arguments})
    assert not INSIDE.search(json.dumps(response))
    result = response["result"]
    assert result["isError"] is True
    (content,) = result["content"]
    error: dict[str, Any] = result["structuredContent"]["error"]
    assert error.pop("message") in content["text"]
    return content["text"], error


# --------------------------------------------------------------------- authentication

STRANGERS: Final[dict[str, tuple[dict[str, str], int, str]]] = {
    "no key": ({}, 401, "unauthenticated"),
    "an empty key": ({"x-api-key": ""}, 401, "unauthenticated"),
    "a wrong key": ({"x-api-key": f"{KEY}x"}, 401, "unauthenticated"),
    "a wrong bearer": ({"authorization": "Bearer wrong"}, 401, "unauthenticated"),
    "another scheme": ({"authorization": f"Basic {KEY}"}, 400, "unauthenticated"),
    "two wrong credentials": ({"x-api-key": "wrong", "authorization": "Bearer foreign"}, 401, "unauthenticated"),
    "two credentials": (AS_CLIENT | {"authorization": "Basic eDp5"}, 400, "unauthenticated"),
    "a foreign page": (AS_CLIENT | {"origin": "https://evil.example"}, 403, "origin"),
    "a page without an origin": (AS_CLIENT | {"origin": "null"}, 403, "origin"),
    "a foreign name": (AS_CLIENT | {"host": "evil.example"}, 421, "host"),
}


@kills("cloud_mcp_server.py", "if not keys:", "if keys:")
@kills("cloud_mcp_server.py", "allowed_hosts=settings.accepted_hosts,", 'allowed_hosts=("*",),')
@pytest.mark.parametrize("wire", [("GET", "/sse"), ("POST", "/messages")])
@pytest.mark.parametrize(("headers", "status", "kind"), STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_is_refused_before_anything_else(
    door: str, wire: tuple[str, str], headers: dict[str, str], status: int, kind: str
) -> None:
    async with httpx2.AsyncClient(base_url=door, headers=headers) as http:
        response = await http.request(*wire, content=b"{", headers={"content-type": "text/html"})

    assert response.status_code == status
    assert error_of(response)["data"] == {"kind": kind}
    assert "www-authenticate" not in response.headers, "there is no authorization server to discover"


@pytest.mark.parametrize("path", ["/register", "/token", "/.well-known/oauth-authorization-server", "/mcp/else"])
async def test_a_client_that_looks_for_a_sign_in_reads_that_its_key_is_what_to_check(door: str, path: str) -> None:
    async with httpx2.AsyncClient(base_url=door) as http:
        response = await http.post(path, json={})

    assert response.status_code == 404
    assert "no OAuth sign-in: check the API key" in response.json()["detail"]


async def test_the_key_is_good_in_either_header(door: str) -> None:
    for headers in (AS_CLIENT, {"authorization": f"Bearer {KEY}"}, AS_CLIENT | {"origin": "http://localhost:6274"}):
        async with sse_session(door, headers) as client:
            assert (await client.request("ping"))["result"] == {}


# --------------------------------------------------------------------- messages

MESSAGES: Final[dict[str, tuple[bytes, dict[str, str], int, str]]] = {
    "nothing": (b"", AS_JSON, 400, "malformed"),
    "broken JSON": (b'{"jsonrpc":"2.0",', AS_JSON, 400, "malformed"),
    "broken UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', AS_JSON, 400, "malformed"),
    "too deep": (b"[" * 100_000, AS_JSON, 400, "malformed"),
    "no message": (b'"ping"', AS_JSON, 400, "malformed"),
    "another version": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', AS_JSON, 400, "malformed"),
    "an id that is null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', AS_JSON, 400, "malformed"),
    "an empty batch": (b"[]", AS_JSON, 400, "malformed"),
    "a batch of revision 2025-11-25": (b"[%b]" % PING, AS_JSON, 400, "batch"),
    "5 MiB": (b" " * (5 * 1024 * 1024), AS_JSON, 413, "too_large"),
    "a form": (PING, {"content-type": "application/x-www-form-urlencoded"}, 415, "content_type"),
    "no type": (PING, {}, 415, "content_type"),
}


@pytest.mark.parametrize(("body", "headers", "status", "kind"), MESSAGES.values(), ids=MESSAGES)
async def test_a_bad_message_is_refused_and_the_session_goes_on(
    door: str, body: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    async with sse_session(door, AS_CLIENT) as client:
        response = await client.http.post(client.endpoint, content=body, headers=AS_CLIENT | headers)
        after = await client.request("ping")

    assert response.status_code == status
    assert error_of(response)["data"] == {"kind": kind}
    assert after["result"] == {}


@pytest.mark.parametrize("path", ["/messages", "/messages?session_id=", "/messages?session_id=" + "0" * 32])
async def test_a_made_up_session_is_unknown(door: str, path: str) -> None:
    async with httpx2.AsyncClient(base_url=door, headers=AS_CLIENT | AS_JSON) as http:
        response = await http.post(path, content=PING)

    assert response.status_code == 404
    assert error_of(response)["data"] == {"kind": "unknown_session"}


PROTOCOL: Final[dict[str, tuple[str, dict[str, Any], int]]] = {
    "an unknown tool": ("tools/call", {"name": "delete_ticket", "arguments": {}}, -32602),
    "a tool without a name": ("tools/call", {"arguments": {}}, -32602),
    "a name that is a number": ("tools/call", {"name": 7}, -32602),
    "arguments that are a list": ("tools/call", {"name": "get_users", "arguments": ["user1"]}, -32602),
    "an unknown method": ("tickets/delete", {}, -32601),
    "an unknown prompt": ("prompts/get", {"name": "none"}, -32602),
    "an unknown resource": ("resources/read", {"uri": "file:///etc/passwd"}, -32002),
}


@pytest.mark.parametrize(("method", "params", "code"), PROTOCOL.values(), ids=PROTOCOL)
async def test_what_the_protocol_does_not_know_is_its_own_error(
    door: str, method: str, params: dict[str, Any], code: int
) -> None:
    async with sse_session(door, AS_CLIENT) as client:
        response = await client.request(method, params)

    assert response["error"]["code"] == code
    assert not INSIDE.search(json.dumps(response))


MISTAKES: Final[dict[str, tuple[str, dict[str, Any], str, str]]] = {
    "a missing argument": ("get_ticket_detail", {}, "invalid_input", "ticketId"),
    "an extra argument": ("get_statuses", {"colour": "red"}, "invalid_input", "colour"),
    "a list for an id": ("get_ticket_detail", {"ticketId": ["TCK-0001", "TCK-0002"]}, "invalid_input", "ticketId"),
    "a word for a number": ("get_ticket_list", {"limit": "many"}, "invalid_input", "limit"),
    "a list for a limit": ("get_ticket_list", {"limit": [1, 2]}, "invalid_input", "limit"),
    "an unknown ticket": ("get_ticket_detail", {"ticketId": "TCK-none"}, "not_found", "TCK-none"),
    "a path for an id": ("get_ticket_detail", {"ticketId": "../users"}, "not_found", "../users"),
    "an unknown account": ("create_ticket", TICKET | {"accountId": "acc-none"}, "invalid_input", "acc4"),
    "a month of 30 days": (
        "create_ticket",
        TICKET | {"scheduledCompletionDate": "2026-11-31"},
        "invalid_input",
        "YYYY-MM-DD",
    ),
    "hour 25": ("create_ticket", TICKET | {"receptionDateTime": "2026-11-20 25:00"}, "invalid_input", "09:30"),
    "no change": ("update_ticket", {"ticketId": "TCK-0001", "updatedById": "user2"}, "invalid_input", "comment"),
    "a comment by an unknown user": (
        "add_ticket_history",
        {"ticketId": "TCK-0001", "userId": "user-none", "comment": "Hello."},
        "invalid_input",
        "user1",
    ),
    "a comment on an unknown ticket": (
        "add_ticket_history",
        {"ticketId": "TCK-none", "userId": "user2", "comment": "Hello."},
        "not_found",
        "TCK-none",
    ),
}


@pytest.mark.parametrize(("tool", "arguments", "kind", "hint"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_in_a_call_changes_nothing_and_says_so(
    door: str, tool: str, arguments: dict[str, Any], kind: str, hint: str
) -> None:
    async with sse_session(door, AS_CLIENT) as client:
        text, error = await failed(client, tool, arguments)

    assert (error["kind"], error["effect"]) == (kind, "nothing_changed")
    assert "nothing was changed" in text.lower()
    assert hint in text, "the text says neither what was wrong nor what is valid"


# --------------------------------------------------------------------- a ticket API that fails

API_DEADLINE_S: Final = 6
READ: Final = ("get_ticket_detail", {"ticketId": "TCK-0001"})
CREATE: Final = ("create_ticket", TICKET)


async def ready(client: SseClient) -> tuple[int, dict[str, Any]]:
    """Return status and body of `/ready`, after checking that `/health` is good."""
    assert (await client.http.get("/health")).json()["status"] == "healthy"
    response = await client.http.get("/ready", headers={"x-api-key": OPERATOR_KEY})
    return response.status_code, response.json()


async def test_while_the_api_is_down_the_door_is_up_and_nothing_is_changed(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, so that no other program listens there
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with http_door(tmp_path, MCP_API_BASE_URL=closed, MCP_API_KEY=API_KEY) as (address, process):
            async with sse_session(address, AS_CLIENT) as client:
                is_ready = await ready(client)
                calls = [await failed(client, *call) for call in (READ, CREATE)]
            code = process.end()

    assert is_ready == (503, {"status": "unavailable", "reason": "upstream_unavailable"})
    for text, error in calls:
        assert text == "The ticket API cannot be reached. Nothing was changed; try again in a moment."
        assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert code == 0
    assert not re.search(rf"Traceback|session_id|{KEY}|{API_KEY}", process.said)


async def test_a_silent_api_is_given_up_and_only_a_write_may_have_been_done(tmp_path: Path) -> None:
    def holds(method: str, path: str) -> bool:
        return method == "POST" or path.endswith(("/history", "/health"))

    async with gated_api(holds) as api:
        with http_door(tmp_path, MCP_API_BASE_URL=api.address, MCP_API_KEY=API_KEY) as (address, _):
            async with sse_session(address, AS_CLIENT) as client:
                calls = [asyncio.create_task(failed(client, *call)) for call in (READ, CREATE)]
                asked_at = time.monotonic()
                is_ready = await ready(client)
                took = time.monotonic() - asked_at
                read, write = await asyncio.gather(*calls)

    assert is_ready == (503, {"status": "unavailable", "reason": "upstream_unavailable"})
    assert took < API_DEADLINE_S, "a probe waits less long than a call"
    assert read[1] == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert f"did not answer within {API_DEADLINE_S} s. Nothing was changed" in read[0]
    assert write[1] == {"kind": "outcome_unknown", "effect": "unknown"}
    assert "may have been changed" in write[0]


def html_for(methods: Collection[str], status: int) -> ASGIApp:
    """Return a ticket API that responds to these `methods` with an HTML page."""
    page, tickets = HTMLResponse(PAGE, status), standin.create_app(api_key=API_KEY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (page if scope.get("method") in methods else tickets)(scope, receive, send)

    return app


@pytest.mark.parametrize("status", [200, 404])
async def test_a_page_instead_of_json_is_a_fault_of_the_api_and_is_not_shown(tmp_path: Path, status: int) -> None:
    async with serve(html_for({"GET", "POST"}, status)) as api:
        with http_door(tmp_path, MCP_API_BASE_URL=api, MCP_API_KEY=API_KEY) as (address, process):
            async with sse_session(address, AS_CLIENT) as client:
                is_ready = await ready(client)
                calls = [await failed(client, *call) for call in (READ, CREATE)]

    assert is_ready == (503, {"status": "unavailable", "reason": "upstream_fault"})
    for text, error in calls:
        assert "Nothing was changed" in text
        assert error == {"kind": "upstream_fault", "effect": "nothing_changed"}
    assert "<html" not in process.said


async def test_a_page_instead_of_a_receipt_may_hide_a_change(tmp_path: Path) -> None:
    async with serve(html_for({"POST"}, 500)) as api:
        with http_door(tmp_path, MCP_API_BASE_URL=api, MCP_API_KEY=API_KEY) as (address, _):
            async with sse_session(address, AS_CLIENT) as client:
                text, error = await failed(client, *CREATE)

    assert "may have been changed" in text
    assert error == {"kind": "outcome_unknown", "effect": "unknown"}


# --------------------------------------------------------------------- the server itself


async def test_only_health_and_readiness_are_open_to_everyone(door: str) -> None:
    async with httpx2.AsyncClient(base_url=door) as http:
        health, readiness = await http.get("/health"), await http.get("/ready")
        others = [await http.get(path) for path in ("/docs", "/redoc", "/openapi.json", "/sse/x", "/tickets")]

    assert (health.status_code, health.json()) == (200, {"status": "healthy", "transport": "all", "auth_enabled": True})
    assert (readiness.status_code, readiness.json()) == (200, {"status": "ready"})
    assert {response.status_code for response in others} == {404}
    assert "server" not in health.headers


def test_the_operator_reads_its_address_and_how_to_connect(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, process):
        code = process.end()

    assert code == 0
    ready = f"Ticket server ready: {address}/mcp\n"
    assert f"{ready}  Who may call: clients with the key MCP_MCP_API_KEY, all as one principal\n" in process.said
    assert f"claude mcp add --transport http tickets {address}/mcp" in process.said
    assert f"Older clients: {address}/sse" in process.said
    assert KEY not in process.said


def test_on_loopback_it_may_be_open_and_says_so(tmp_path: Path) -> None:
    with http_door(tmp_path, MCP_MCP_API_KEY="", MCP_ALLOW_ANONYMOUS="true") as (address, process):
        health = httpx2.get(f"{address}/health").json()

    assert health["auth_enabled"] is False
    assert (
        f"Ticket server ready: {address}/mcp\n  Who may call: every program on this machine, without a key\n"
        in process.said
    )


def test_uvicorn_can_start_it_too_and_the_missing_drain_is_logged(tmp_path: Path) -> None:
    uvicorn = ("-m", "uvicorn", "cloud_mcp_server:app", "--port", "0")
    with started(uvicorn, MCP_MCP_API_KEY=KEY, MCP_DATABASE_URL=sqlite(tmp_path)) as (address, process):
        readiness = httpx2.get(f"{address}/ready")

    assert readiness.json() == {"status": "ready"}
    assert '"message":"no_drain"' in process.said


REFUSALS: Final[dict[str, tuple[dict[str, str], str]]] = {
    "no key": ({"MCP_MCP_API_KEY": ""}, "set MCP_MCP_API_KEY (32 characters or more)"),
    "no key on every address": (
        {"MCP_MCP_API_KEY": "", "MCP_HOST": EVERYWHERE, "MCP_ALLOW_ANONYMOUS": "true"},
        f"MCP_ALLOW_ANONYMOUS serves loopback only, not {EVERYWHERE}: set MCP_MCP_API_KEY instead",
    ),
    "a short key": ({"MCP_MCP_API_KEY": NO_PASSWORD}, "MCP_MCP_API_KEY must be 32 characters long or more"),
    "no name on every address": ({"MCP_HOST": EVERYWHERE}, "set MCP_PUBLIC_URL or MCP_ALLOWED_HOSTS"),
    "a word for a port": ({"PORT": NO_PASSWORD}, "PORT or MCP_PORT must be a whole number from 0 to 65535"),
    "a database of another kind": (
        {"MCP_DATABASE_URL": f"oracle://me:{NO_PASSWORD}@127.0.0.1/tickets"},
        "MCP_DATABASE_URL: The database URL must begin with sqlite:// or postgresql://.",
    ),
    "a database that is not there": (
        {"MCP_DATABASE_URL": f"postgresql://me:{NO_PASSWORD}@127.0.0.1:1/tickets"},
        "The ticket database cannot be opened. Check the database URL (MCP_DATABASE_URL)",
    ),
    "an address of another machine": (
        {"MCP_HOST": "192.0.2.1", "MCP_ALLOWED_HOSTS": "x"},
        "cannot listen on 192.0.2.1:0",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_settings_end_it_at_once_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    good = {"PORT": "0", "MCP_MCP_API_KEY": KEY, "MCP_DATABASE_URL": sqlite(tmp_path)}
    with Process(HTTP_DOOR, **(good | settings)) as process:
        code = process.wait()

    assert code == 2
    *_, said, why = process.said.splitlines()
    assert said == "The ticket server cannot start."
    assert sentence in why
    assert not re.search(rf"Traceback|{NO_PASSWORD}|{re.escape(KEY)}", process.said)


def test_a_taken_port_ends_it_with_its_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        good = {"MCP_MCP_API_KEY": KEY, "MCP_DATABASE_URL": sqlite(tmp_path)}
        with Process(HTTP_DOOR, PORT=str(port), **good) as process:
            code = process.wait()

    assert code == 2
    assert f"It cannot listen on 127.0.0.1:{port}" in process.said
    assert "Traceback" not in process.said
