"""Keys of users and service accounts on a real server: the first key, every transport, several instances, its end."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr

import cloud_mcp_server
from auth.access import IdentityService
from auth.store import IdentityStore, open_store
from auth.store.key_format import ApiKey, parse
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.config import CloudSettings
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.databases import Postgres
from tests.kills import kills
from tests.processes import IDENTITY_KEY, KEY, ROOT, environment, http_door, sqlite
from tests.transport.sse_client import sse_session
from ticket_api.migrate import migrate as migrate_tickets
from ticket_api.sample import filler
from transport import Rate, Rates, TransportOptions

SECRETS: Final = Secrets([IDENTITY_KEY])
IDENTITY: Final = {"MCP_IDENTITY_KEYS": IDENTITY_KEY, "MCP_MCP_API_KEY": ""}
MARY: Final = "mary@acme.example"
SOON_S: Final = 10.0
"""A second, as it is set, plus what a busy machine takes; by default it would be 30 s."""
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}


def beside(folder: Path) -> str:
    """Return the URL of the identity store for a server whose tickets are in `folder`."""
    return sqlite(folder).replace("tickets.", "tickets-identity.")


def headers(key: str) -> dict[str, str]:
    return {"x-api-key": key, "accept": "application/json, text/event-stream"}


@pytest.mark.long
async def test_the_first_key_of_a_new_deployment_opens_every_wire(tmp_path: Path) -> None:
    settings = IDENTITY | {"MCP_DATABASE_URL": sqlite(tmp_path)}
    command = [sys.executable, "-m", "auth", "first-key", MARY, "--json"]
    made = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment(**settings), capture_output=True, check=True, timeout=60
    )
    key = json.loads(made.stdout)["key"]

    with http_door(tmp_path, **IDENTITY) as (door, process):
        async with httpx2.AsyncClient(headers={"x-api-key": key}, timeout=20) as http:
            wires = [
                Client(streamable_http_client(f"{door}/mcp", http_client=http), mode="legacy"),
                Client(streamable_http_client(f"{door}/mcp", http_client=http), mode="2026-07-28"),
                Client(sse_client(f"{door}/sse", headers={"x-api-key": key}), mode="legacy"),
            ]
            for client in wires:
                async with client:
                    tickets = await client.call_tool("get_ticket_list", {"limit": 1})
                    assert "TCK-0050" in str(tickets.content)
        health = httpx2.get(f"{door}/health").json()

    assert health["auth_enabled"] is True
    assert "Ticket server ready" in process.said
    assert "Who may call: people and programs, each with a key of their own" in process.said


@dataclass
class Deployment:
    """Two instances over one PostgreSQL and one Valkey, and the identity store as an operator opens it elsewhere."""

    doors: list[str]
    store: IdentityStore

    async def member(self, role: str = "agent") -> None:
        await self.store.tenants.add("acme")
        await self.store.users.add(MARY)
        await self.store.memberships.set(MARY, "acme", role=role, ticket_user="user3")

    async def key(self) -> str:
        return (await self.store.keys.create("acme", user=MARY, name="test")).text

    async def status(self, door: int, key: str) -> int:
        async with httpx2.AsyncClient(base_url=self.doors[door], headers=headers(key)) as http:
            return (await http.post("/mcp", json=INITIALIZE)).status_code


@pytest.fixture
async def deployment(postgres: Postgres, broker_url: str) -> AsyncIterator[Deployment]:
    database = await postgres.create(may_use_tables=False)
    async with open_engine(resolve_url(database.owner_url)) as owner:
        await migrate_tickets(owner, fill=filler("en", utc_now), clock=utc_now, grant_to=database.application)
        await prepare(owner)
        await grant(owner, database.application)
    settings = IDENTITY | {
        "MCP_DATABASE_URL": database.application_url,
        "MCP_BROKER_URL": broker_url,
        "MCP_REVOKE_WITHIN": "1",
    }
    with ExitStack() as stack:
        doors = [stack.enter_context(http_door(Path(), **settings))[0] for _ in range(2)]
        async with open_store(database.application_url, SECRETS) as store:
            yield Deployment(doors, store)
    await postgres.drop(database)


def public_id(key: str) -> str:
    parsed = parse(key)
    assert parsed is not None
    return parsed.public_id


async def test_a_revoked_key_is_out_everywhere_within_its_time_and_its_streams_end(deployment: Deployment) -> None:
    await deployment.member()
    lost, kept = await deployment.key(), await deployment.key()
    async with AsyncExitStack() as stack:
        here, there, other = [
            await stack.enter_async_context(sse_session(deployment.doors[door], headers(key)))
            for door, key in ((0, lost), (1, lost), (1, kept))
        ]

        await deployment.store.keys.revoke(public_id(lost))
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(here.ended.wait(), there.ended.wait())
        statuses = [await deployment.status(door, lost) for door in (0, 1)]
        response = await other.call("get_statuses")
        goes_on = not other.ended.is_set()

    assert statuses == [401, 401]
    assert not response.get("isError")
    assert goes_on


@pytest.mark.long
async def test_a_rotated_key_works_beside_its_successor_and_not_after(deployment: Deployment) -> None:
    await deployment.member()
    old = await deployment.key()
    new = (await deployment.store.keys.rotate(public_id(old), overlap=timedelta(seconds=3))).text

    asked = [deployment.status(door, key) for door in (0, 1) for key in (old, new)]
    assert await asyncio.gather(*asked) == [200] * 4
    await eventually(lambda: deployment.status(0, old), 401)
    assert [await deployment.status(door, key) for door in (0, 1) for key in (old, new)] == [401, 200] * 2


@pytest.mark.long
async def test_a_changed_role_takes_effect_everywhere_and_a_removed_member_is_refused(deployment: Deployment) -> None:
    await deployment.member()
    key = await deployment.key()

    assert "update_ticket" in await tools(deployment.doors[0], key)
    await deployment.store.memberships.set(MARY, "acme", role="viewer")
    offered = await viewers(deployment)
    await eventually(lambda: tools(deployment.doors[0], key), offered)  # it still caches the previous role
    await eventually(lambda: tools(deployment.doors[1], key), offered)
    refused = await call(deployment.doors[0], key, "create_ticket", {})
    await deployment.store.memberships.remove(MARY, "acme")
    await eventually(lambda: deployment.status(1, key), 401)

    assert refused.status_code == 403
    assert refused.json()["error"]["data"] == {"kind": "insufficient_scope", "scope": "tickets:write"}
    assert "www-authenticate" not in refused.headers, "there is no authorization server to discover"


async def viewers(deployment: Deployment) -> list[str]:
    """Return the tools that a viewer is offered."""
    await deployment.store.service_accounts.add("acme", "viewer", role="viewer")
    key = await deployment.store.keys.create("acme", service_account="viewer", name="test")
    offered = await tools(deployment.doors[0], key.text)
    assert "get_ticket_list" in offered
    assert not {"create_ticket", "update_ticket", "add_ticket_history"} & set(offered)
    return offered


async def tools(door: str, key: str) -> list[str]:
    async with (
        httpx2.AsyncClient(headers={"x-api-key": key}) as http,
        Client(streamable_http_client(f"{door}/mcp", http_client=http)) as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]


async def call(door: str, key: str, tool: str, arguments: dict[str, Any]) -> httpx2.Response:
    """Call a tool in a session, and return the whole response."""
    async with httpx2.AsyncClient(base_url=door, headers=headers(key)) as http:
        opened = await http.post("/mcp", json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        await http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
        params = {"name": tool, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        return await http.post("/mcp", json=message, headers=session)


async def eventually(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Repeat `ask` until it returns `expected`; each iteration awaits a response."""
    async with asyncio.timeout(SOON_S):
        while await ask() != expected:
            pass


WRONG: Final = ("unknown", "another secret", "revoked", "expired", "of a disabled user", "mistyped", "of another form")
REQUESTS: Final = (("GET", "/sse"), ("POST", "/messages?session_id=x"), ("POST", "/mcp"), ("DELETE", "/mcp"))


@pytest.mark.long
async def test_whatever_is_wrong_with_a_key_the_answers_are_the_same_bytes(tmp_path: Path) -> None:
    with http_door(tmp_path, **IDENTITY, MCP_TRUSTED_PROXIES="1") as (door, _):
        async with open_store(beside(tmp_path), SECRETS) as store:
            keys = dict(zip(WRONG, await wrong_keys(store), strict=True))
        async with httpx2.AsyncClient(base_url=door) as http:
            responses = {
                wrong: [
                    await refusal(http, method, path, key, address=f"192.0.2.{number}")
                    for number, (method, path) in enumerate(REQUESTS)
                ]
                for wrong, key in keys.items()
            }

    first = responses["unknown"]
    assert [status for status, *_ in first] == [401] * len(REQUESTS)
    assert {wrong: response == first for wrong, response in responses.items()} == dict.fromkeys(WRONG, True)


async def wrong_keys(store: IdentityStore) -> list[str]:
    await store.tenants.add("acme")
    for person in (MARY, "gone@acme.example"):
        await store.users.add(person)
        await store.memberships.set(person, "acme", role="agent")
    good = await store.keys.create("acme", user=MARY, name="good")
    revoked = await store.keys.create("acme", user=MARY, name="revoked")
    expired = await store.keys.create("acme", user=MARY, name="expired", life=timedelta(microseconds=1))
    of_no_one = await store.keys.create("acme", user="gone@acme.example", name="of a disabled user")
    await store.keys.revoke(revoked.record.public_id)
    await store.users.disable("gone@acme.example")
    return [
        ApiKey(public_id="A" * 8, secret="s" * 43).text,
        ApiKey(public_id=good.record.public_id, secret="s" * 43).text,
        revoked.text,
        expired.text,
        of_no_one.text,
        good.text[:-1] + ("A" if good.text[-1] != "A" else "B"),
        "not-a-key-of-ours-at-all",
    ]


async def refusal(
    http: httpx2.AsyncClient, method: str, path: str, key: str, *, address: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    response = await http.request(method, path, headers=headers(key) | {"x-forwarded-for": address}, content=b"{}")
    return response.status_code, [one for one in response.headers.items() if one[0] != "date"], response.content


@pytest.mark.long
async def test_a_client_that_guesses_keys_is_throttled_and_others_at_its_address_are_not(tmp_path: Path) -> None:
    with http_door(tmp_path, **IDENTITY | {"MCP_MCP_API_KEY": KEY}) as (door, _):
        async with httpx2.AsyncClient(base_url=door) as http:
            first = await http.post("/mcp", json=INITIALIZE, headers=headers(KEY))
            attempts = [await http.get("/sse", headers=headers(f"guess-{number}")) for number in range(12)]
            colleague = await http.post("/mcp", json=INITIALIZE, headers=headers(KEY))

    assert [attempt.status_code for attempt in attempts] == [401] * 10 + [429] * 2
    assert int(attempts[-1].headers["retry-after"]) >= 1
    assert (first.status_code, colleague.status_code) == (200, 200)


@pytest.mark.long
async def test_without_its_store_the_server_is_not_ready_and_admits_no_new_client(
    postgres: Postgres, tmp_path: Path
) -> None:
    database = await postgres.create(may_use_tables=False)
    async with open_engine(resolve_url(database.owner_url)) as owner:
        await prepare(owner)
        await grant(owner, database.application)
    async with open_store(database.application_url, SECRETS) as store:
        key = (await store.first_key(MARY)).text
    settings = IDENTITY | {"MCP_DATABASE_URL": database.application_url, "MCP_API_BASE_URL": "http://127.0.0.1:9"}

    with http_door(tmp_path, **settings) as (door, process):
        await postgres.drop(database)
        async with httpx2.AsyncClient(base_url=door) as http:
            response = await http.post("/mcp", json=INITIALIZE, headers=headers(key))
        ready = httpx2.get(f"{door}/ready")
        code = process.end()

    assert response.status_code == 503
    assert response.json()["error"]["data"]["kind"] == "unauthenticated"
    assert ready.status_code == 503
    assert code == 0


@kills("cloud_mcp_server.py", "if self._asks_for_keys else None", "if False else None")
@kills("cloud_mcp_server.py", "cache_s=settings.revoke_within", "cache_s=10 * settings.revoke_within")
def test_by_default_a_revoked_key_is_out_within_half_a_minute_and_calls_are_limited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    def noting(made: Callable[..., object]) -> Callable[..., object]:
        def make(*arguments: Any, **named: Any) -> object:
            seen.update(named)
            return made(*arguments, **named)

        return make

    monkeypatch.setattr(cloud_mcp_server, "IdentityService", noting(IdentityService))
    monkeypatch.setattr(cloud_mcp_server, "TransportOptions", noting(TransportOptions))
    settings = CloudSettings(database_url=SecretStr(sqlite(tmp_path)), identity_keys=(SecretStr(IDENTITY_KEY),))
    cloud_mcp_server.CloudMCPServer(settings)

    assert settings.revoke_within == 30
    assert seen["cache_s"] + seen["recheck_s"] == pytest.approx(30)
    assert seen["rates"] == Rates(Rate(1200, 1200), Rate(240, 240), Rate(6000, 6000), Rate(1200, 1200))
