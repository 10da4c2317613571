"""One organisation floods a server that another one uses: it is held to its limit, and the other is unaffected.

Times depend on the machine. What counts is the processor time of the server: a call of the flood takes no more of it
than one of the others.
"""

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from auth.store import open_store
from auth.store.peppers import Secrets
from shared.tickets.master_lists import STATUSES
from tests import standin
from tests.measure import cpu_s
from tests.processes import IDENTITY_KEY, Process, http_door, sqlite
from tests.transport.serving import serve

PER_MINUTE: Final = 600
PER_SECOND: Final = PER_MINUTE / 60
ROUNDS: Final = 5
CALLS: Final = 300
COLLEAGUES: Final = 6
"""Users of the other organisation who share its calls, so that none of them reaches a limit."""
HEADERS: Final = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "get_statuses",
}


def message(number: int) -> dict[str, Any]:
    """Return a call of 2026-07-28, which needs no session."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "get_statuses", "arguments": {}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


class CountingApi:
    """The stand-in of the existing API, counting by key the requests that calls make; others come once a minute."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self._apis = {key: standin.create_app(api_key=key) for key in ("key-of-flood", "key-of-work")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = dict(scope["headers"]).get(b"x-api-key", b"key-of-work").decode()
            self.reached[key] += scope["path"] == STATUSES.path
            await self._apis[key](scope, receive, send)


class Flood:
    """Calls at ten times the limit, whatever the responses."""

    def __init__(self, http: httpx2.AsyncClient, key: str) -> None:
        self._http = http
        self._headers = HEADERS | {"x-api-key": key}
        self.responses: list[httpx2.Response] = []
        self.sent: list[float] = []
        self.refused: list[float] = []
        """When the calls were sent that found nothing left of the limit."""
        self.done: list[float] = []

    async def use_up(self) -> None:
        """Use up the burst; without a limit this would never end."""
        while len(self.responses) < 2 * PER_MINUTE and (not self.responses or self.responses[-1].status_code == 200):
            async with asyncio.TaskGroup() as calls:
                for _ in range(20):
                    calls.create_task(self._call())

    async def run(self, until: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as calls:
            while not until.is_set():
                calls.create_task(self._call())
                await asyncio.sleep(1 / (10 * PER_SECOND))

    async def _call(self) -> None:
        sent_at = time.monotonic()
        self.sent.append(sent_at)
        response = await self._http.post("/mcp", json=message(len(self.sent)), headers=self._headers)
        self.done.append(time.monotonic())
        self.responses.append(response)
        if response.status_code == 429:
            self.refused.append(sent_at)

    def allowed(self) -> tuple[float, float]:
        """Return the fewest and the most calls that its limit allows: the arrival times are not known exactly."""
        at_least = PER_MINUTE + PER_SECOND * (max(self.refused) - min(self.done))
        return at_least, PER_MINUTE + PER_SECOND * (max(self.done) - min(self.sent))


async def statuses_of(http: httpx2.AsyncClient, keys: list[str]) -> set[int]:
    """Make a round of sequential calls; return their statuses."""
    statuses = set()
    for number in range(CALLS):
        headers = HEADERS | {"x-api-key": keys[number % len(keys)]}
        statuses.add((await http.post("/mcp", json=message(number), headers=headers)).status_code)
    return statuses


def used_s(door: Process) -> float:
    """Return the processor time that a server has used; 0 where that is not known."""
    return cpu_s([door]) if sys.platform == "linux" else 0.0


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[dict[str, list[str]]]:
    """The keys of both organisations, each of its own service account."""
    url = sqlite(tmp_path).replace("tickets.", "tickets-identity.")
    async with open_store(url, Secrets([IDENTITY_KEY])) as store:
        made: dict[str, list[str]] = {"flood": [], "work": []}
        for tenant, programs in (("flood", 1), ("work", COLLEAGUES)):
            await store.tenants.add(tenant)
            for number in range(programs):
                name = f"program-{number}"
                await store.service_accounts.add(tenant, name, role="viewer")
                made[tenant].append((await store.keys.create(tenant, service_account=name, name=name)).text)
            await store.tenants.set_upstream(tenant, None, key=f"key-of-{tenant}")
        yield made


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_flood_is_held_to_its_limit_and_the_other_organisation_notices_nothing(
    tmp_path: Path, keys: dict[str, list[str]]
) -> None:
    api = CountingApi()
    settings = {
        "MCP_IDENTITY_KEYS": IDENTITY_KEY,
        "MCP_MCP_API_KEY": "",
        "MCP_API_KEY": "key-of-the-deployment",
        "MCP_READS_PER_MINUTE": str(PER_MINUTE),
        "MCP_TENANT_READS_PER_MINUTE": "1000000",
    }
    ratios, statuses = [], set[int]()
    async with serve(api) as address:
        with http_door(tmp_path, **settings, MCP_API_BASE_URL=address) as (door, process):
            async with httpx2.AsyncClient(base_url=door, timeout=30) as http:
                flood = Flood(http, keys["flood"][0])
                await flood.use_up()
                before = len(flood.responses)
                for _ in range(ROUNDS):
                    began, sent = used_s(process), len(flood.sent)
                    statuses |= await statuses_of(http, keys["work"])
                    middle, enough = used_s(process), asyncio.Event()
                    flooding = asyncio.create_task(flood.run(enough))
                    statuses |= await statuses_of(http, keys["work"])
                    enough.set()
                    await flooding
                    quiet = middle - began
                    of_flood = (used_s(process) - middle - quiet) / (len(flood.sent) - sent)
                    ratios.append(of_flood / (quiet / CALLS) if quiet else 0.0)

    print(f"reached {api.reached['key-of-flood']}, sent {len(flood.responses)}, {statuses}, ratios {ratios}")
    assert statuses == {200}, "a caller within its limit was refused"
    assert statistics.median(ratios) <= 1
    at_least, at_most = flood.allowed()
    assert len(flood.responses) - before > 1.5 * (at_most - PER_MINUTE), "too few calls for a flood"
    assert at_least - 1 <= api.reached["key-of-flood"] <= at_most + 1
    refused = [response for response in flood.responses if response.status_code != 200]
    assert {response.status_code for response in refused} == {429}
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
