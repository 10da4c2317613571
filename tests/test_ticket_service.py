"""Which ticket API each tenant reaches, and with which key: never by accident, least of all the default tenant's."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client
from mcp_types import CallToolResult
from pydantic import SecretStr

from shared.api_client import APIClient
from shared.config import ToolSettings
from shared.identity import DEFAULT_TENANT, Principal, Tenant, Upstream
from shared.storage.database import make_engine, resolve_url
from tests.kills import kills
from tests.shared.faulty_server import GUARD_S, listening, response
from tests.shared.given import Sender, on_behalf, rows_of, text_of
from ticket_service import TicketService

DEPLOYMENT_KEY: Final = "key-of-the-deployment"
ACME: Final = Tenant("acme")


async def tells_the_key(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond as a ticket API whose only account is named after the path and the key."""
    while head := (await reader.readuntil(b"\r\n\r\n")).decode():
        key = re.search(r"(?i)^x-api-key: *(\S+)", head, re.MULTILINE)
        name = f"{head.split()[1]} with {key[1] if key else 'no key'}"
        writer.write(response(json.dumps([{"id": "one", "name": name}]).encode()))


@dataclass
class Directory:
    """Maps tenants to upstreams, as the test sets them."""

    upstreams: dict[Tenant, Upstream] = field(default_factory=dict)

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        return self.upstreams[tenant]


async def asked(tenant: Tenant, upstream: Upstream | None, key: str | None = DEPLOYMENT_KEY) -> CallToolResult:
    """Return the result of `get_accounts` for a user of `tenant`.

    Args:
        tenant: of the caller.
        upstream: of the tenant, with the address as a path; None for a deployment without tenants.
        key: of the deployment, whose own path is /own.
    """
    async with listening(tells_the_key) as port:
        root = f"http://127.0.0.1:{port}"
        if upstream is not None and upstream.address is not None:
            upstream = replace(upstream, address=f"{root}{upstream.address}")
        settings = ToolSettings(api_base_url=f"{root}/own", api_key=None if key is None else SecretStr(key))
        service = TicketService(settings, directory=None if upstream is None else Directory({tenant: upstream}))
        on_behalf(service.server, lambda: Sender(Principal("mary", tenant)))
        async with service.run(), Client(service.server) as client:
            return await client.call_tool("get_accounts", {})


def account(result: CallToolResult) -> str:
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return str(rows_of(result.structured_content)[0]["name"])


def error_of(result: CallToolResult) -> dict[str, Any]:
    assert result.is_error, text_of(result)
    assert result.structured_content is not None
    error: dict[str, Any] = result.structured_content["error"]
    return error


OWN: Final = f"/own/tickets/master/accounts with {DEPLOYMENT_KEY}"


@pytest.mark.parametrize("upstream", [None, Upstream()], ids=["no directory", "nothing set"])
async def test_the_default_tenant_reaches_the_api_of_the_deployment(upstream: Upstream | None) -> None:
    assert account(await asked(DEFAULT_TENANT, upstream)) == OWN


@pytest.mark.parametrize("tenant", [DEFAULT_TENANT, ACME], ids=lambda tenant: tenant.id)
async def test_a_tenant_at_the_shared_address_is_identified_by_its_own_key(tenant: Tenant) -> None:
    result = await asked(tenant, Upstream(api_key="key-of-acme"))

    assert account(result) == "/own/tickets/master/accounts with key-of-acme"


@kills("ticket_service.py", "key = key or (self._key if shares else None)", "key = key or self._key")
@pytest.mark.parametrize("tenant", [DEFAULT_TENANT, ACME], ids=lambda tenant: tenant.id)
@pytest.mark.parametrize("key", ["key-of-acme", None])
async def test_the_key_of_the_deployment_goes_to_no_address_of_a_tenant(tenant: Tenant, key: str | None) -> None:
    result = await asked(tenant, Upstream("/acme/", key))

    assert account(result) == f"/acme/tickets/master/accounts with {key or 'no key'}"


@kills("ticket_service.py", "elif (shares and key is None) or", "elif")
@pytest.mark.parametrize("key", [DEPLOYMENT_KEY, None])
async def test_a_tenant_for_which_nothing_is_set_is_refused(key: str | None) -> None:
    result = await asked(ACME, Upstream(), key)

    assert error_of(result).items() >= {"kind": "upstream_not_set", "effect": "nothing_changed"}.items()
    assert "the operator must set its address, or its own key" in text_of(result)


@pytest.mark.parametrize("path", [None, "/own", "/own/"])
async def test_a_tenant_with_the_key_of_the_deployment_is_not_shown_the_tickets_of_the_default_tenant(
    path: str | None,
) -> None:
    result = await asked(ACME, Upstream(path, DEPLOYMENT_KEY))

    assert error_of(result)["kind"] == "upstream_not_set"


# --- concurrency at a ticket API


@dataclass
class Gate:
    """A ticket API that responds to the key `free` immediately, and to all other keys once it is open."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            key = re.search(r"(?i)^x-api-key: *(\S+)", head, re.MULTILINE)
            self.arrived.append(key[1] if key else "no key")
            if self.arrived[-1] != "free":
                await self.opened.wait()
            writer.write(response(b"[]"))


@asynccontextmanager
async def crowded(gate: Gate, own_address: bool) -> AsyncIterator[tuple[TicketService, APIClient]]:
    """Serve one organisation whose 30 calls fill its share of four places; yield the client of another one."""
    async with listening(gate) as port, AsyncExitStack() as stack:
        settings = ToolSettings(api_base_url=f"http://127.0.0.1:{port}/own", api_concurrency=4)
        service = TicketService(settings)
        await stack.enter_async_context(service.run())
        crowd = await stack.enter_async_context(service._connect(ACME, Upstream(api_key="crowd")))
        address = f"http://127.0.0.1:{port}/other" if own_address else None
        other = await stack.enter_async_context(service._connect(Tenant("other"), Upstream(address, "free")))
        if not own_address:
            await other.get("/")  # so that both are active
        for held in (crowd, service._api):
            held._deadline_s = 2 * GUARD_S  # what waits for the gate must not be given up
        calls = [asyncio.create_task(crowd.get("/")) for _ in range(30)]
        async with asyncio.timeout(GUARD_S):
            while gate.arrived.count("crowd") < (4 if own_address else 2):  # noqa: ASYNC110 - a server has no event
                await asyncio.sleep(0.005)
        try:
            yield service, other
        finally:
            gate.opened.set()
            responses = await asyncio.gather(*calls)
        assert responses == [[]] * 30


@kills("ticket_service.py", "self._queues.setdefault(", "{}.setdefault(")
@pytest.mark.parametrize("own_address", [False, True], ids=["one address", "an address of its own"])
async def test_an_organisation_that_sends_thirty_calls_at_once_delays_no_other(own_address: bool) -> None:
    gate = Gate()
    async with crowded(gate, own_address) as (_, other):
        for _ in range(5):
            async with asyncio.timeout(GUARD_S):
                assert await other.get("/") == []

        assert gate.arrived.count("crowd") == (4 if own_address else 2), "it does not use its full share of the places"


async def test_readiness_does_not_wait_behind_calls() -> None:
    gate = Gate()
    async with crowded(gate, own_address=False) as (service, _):
        busy = service._api
        calls = [asyncio.create_task(busy.get("/")) for _ in range(4)]
        await asyncio.sleep(0)
        probing = asyncio.create_task(service.probe.get("/health"))
        async with asyncio.timeout(GUARD_S):
            while len(gate.arrived) < 6:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.005)

        gate.opened.set()
        assert await probing == []
        await asyncio.gather(*calls)


@pytest.mark.parametrize(("url", "places"), [("sqlite:///tickets.sqlite3", 5), ("postgresql://u:p@host/name", 10)])
def test_the_embedded_api_has_as_many_slots_as_its_pool_has_connections(url: str, places: int) -> None:
    service = TicketService(ToolSettings(database_url=SecretStr(url)))
    engine = make_engine(resolve_url(url))

    assert service._api._queue._free == places
    assert engine.pool.size() + engine.pool._max_overflow == places  # type: ignore[attr-defined]


async def test_the_zone_that_is_set_is_that_of_the_tools_and_of_the_embedded_api(tmp_path: Path) -> None:
    database = SecretStr(f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}")
    service = TicketService(ToolSettings(database_url=database, time_zone="Asia/Tokyo"))

    async with service.run(), Client(service.server) as client:
        result = await client.call_tool("get_statuses", {})
        health = await service.probe.get("/health")

    assert health["timeZone"] == "Asia/Tokyo"
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d JST\.", text_of(result))
