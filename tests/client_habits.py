"""A scenario for each row of `shared.client_habits.HABITS`, by its name.

A row without one fails tests/test_client_habits.py.

A scenario does what the clients of its row do, against a server with the given habits, and returns whether that was
served. It must be quick, and show no other habit. A new row needs a function here, or in a module of its own, and a
line in `SCENARIOS`.

`replayed` does all of them in one session with a started server.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx2

from auth.providers import APIKeyAuthProvider
from shared.client_habits import ClientHabits
from tests.processes import KEY
from tests.shared.given import world
from tests.transport.http_client import ACCEPT, ENVELOPE, MODERN, HttpClient, call, http_client, opening
from tests.transport.serving import bench

Scenario = Callable[[ClientHabits], Awaitable[bool]]

ME: Final = {"x-api-key": "key-me"}
JSON_ALONE: Final = {"accept": "application/json"}
JOINED: Final = {"mcp-protocol-version": "2025-11-25, 2025-11-25"}
LATER: Final = {"mcp-protocol-version": MODERN}
FOREIGN: Final = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY291bnRzLmdvb2dsZS5jb20ifQ.c2lnbmF0dXJl"
"""A token of the form that Google gives to callers of Cloud Run."""
LIST: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def from_connector(name: object = "claude-ai", **meta: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a call and its headers as claude.ai's connector sends them for a client of this name."""
    envelope = ENVELOPE | {"io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"}} | meta
    message = call(1, "echo", envelope, text="x")
    return message, {"mcp-protocol-version": "2025-11-25", "mcp-method": "tools/call", "mcp-name": "echo"}


@asynccontextmanager
async def served(habits: ClientHabits, version: str | None = "2025-11-25") -> AsyncGenerator[HttpClient]:
    """Serve the gated server with `habits`; yield a client, with a session of `version` unless that is None."""
    async with bench(more={"habits": habits}) as at, http_client(at.url, ME, version) as client:
        yield client


async def no_session_id(habits: ClientHabits) -> bool:
    async with served(habits, None) as client:
        return (await client.post(LIST, **{"mcp-protocol-version": "2025-11-25"})).status == 200


async def connector_envelope(habits: ClientHabits) -> bool:
    message, headers = from_connector()
    async with served(habits, None) as client:
        return (await client.post(message, **headers)).status == 200


async def joined_version(habits: ClientHabits) -> bool:
    async with served(habits) as client:
        return (await client.post(LIST, **JOINED)).status == 200


async def later_version(habits: ClientHabits) -> bool:
    async with served(habits) as client:
        return (await client.post(LIST, **LATER)).status == 200


async def one_accept(habits: ClientHabits) -> bool:
    async with served(habits) as client:
        return (await client.post(LIST, **JSON_ALONE)).status == 200


async def final_slash(habits: ClientHabits) -> bool:
    async with served(habits) as client:
        return (await client.post(LIST, path="/mcp/")).status == 200


async def foreign_credential(habits: ClientHabits) -> bool:
    provider = APIKeyAuthProvider(KEY, habits=habits)
    who = {"x-api-key": KEY}
    async with bench(more={"auth_provider": provider}) as at, http_client(at.url, who) as client:
        return (await client.post(LIST, authorization=f"Bearer {FOREIGN}")).status == 200


async def foreign_arguments(habits: ClientHabits) -> bool:
    return await called(habits, "get_statuses", {"sessionId": "x", "toolCallId": "y"})


async def empty_arguments(habits: ClientHabits) -> bool:
    return await called(habits, "get_ticket_list", {"limit": "", "accountId": "None"})


async def stringified(habits: ClientHabits) -> bool:
    return await called(
        habits, "update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1", "clear": "[]", "remarks": "x"}
    )


async def called(habits: ClientHabits, tool: str, arguments: dict[str, Any]) -> bool:
    """Call a tool over the stand-in of the existing ticket API."""
    async with world("existing", Path()) as here:
        here.habits = habits
        return not (await here.call(tool, **arguments)).is_error


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType({
    "no_session_id": no_session_id,
    "connector_envelope": connector_envelope,
    "joined_version": joined_version,
    "later_version": later_version,
    "one_accept": one_accept,
    "final_slash": final_slash,
    "foreign_arguments": foreign_arguments,
    "foreign_credential": foreign_credential,
    "empty_arguments": empty_arguments,
    "stringified": stringified,
})  # fmt: skip


def replayed(http: httpx2.Client) -> dict[str, int]:
    """Do what every row is about, in turn, in one session on `/mcp` of the ticket server below the client's base URL.

    Returns:
        By row, the HTTP status; 0 for a call that was served and whose tool refused its arguments.
    """
    opened = http.post("/mcp", json=opening(), headers=ACCEPT)
    alone = ACCEPT | {"mcp-protocol-version": "2025-11-25"}
    session = alone | {"mcp-session-id": opened.headers["mcp-session-id"]}
    message, routing = from_connector("claude-code")
    message["params"] |= {"name": "get_statuses", "arguments": {}}

    def listed(path: str = "/mcp", /, **replaced: str) -> int:
        return http.post(path, json=LIST, headers=session | replaced).status_code

    def tool(name: str, arguments: object) -> int:
        params = {"name": name, "arguments": arguments}
        response = http.post("/mcp", json=LIST | {"method": "tools/call", "params": params}, headers=session)
        return response.status_code if '"isError":false' in response.text else 0

    return {
        "no_session_id": http.post("/mcp", json=LIST, headers=alone).status_code,
        "connector_envelope": http.post(
            "/mcp", json=message, headers=ACCEPT | routing | {"mcp-name": "get_statuses"}
        ).status_code,
        "joined_version": listed(**JOINED),
        "later_version": listed(**LATER),
        "one_accept": listed(**JSON_ALONE),
        "final_slash": listed("/mcp/"),
        "foreign_arguments": tool("get_statuses", {"sessionId": "x", "toolCallId": "y"}),
        "foreign_credential": listed(authorization=f"Bearer {FOREIGN}"),
        "empty_arguments": tool("get_ticket_list", {"limit": "", "accountId": "None"}),
        "stringified": tool("get_ticket_list", '{"limit":1}'),
    }
