"""Servers to attack, started as an operator starts them, and probes for other users of them."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from auth.store import open_store
from auth.store.peppers import Secrets
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.attacks.stalls import Probe
from tests.attacks.watch import Ground, call_probe, probe
from tests.databases import PostgresDatabase
from tests.processes import API_KEY, HTTP_DOOR, IDENTITY_KEY, KEY, TICKET_API, http_door, sqlite, started
from tests.ticket_api.bulk import fill_tickets
from ticket_api.migrate import migrate
from ticket_api.sample import filler

QUIET: Final = {"MCP_LOG_LEVEL": "WARNING"}
"""No log line per probe costs time or memory."""
NO_RATES: Final = {f"MCP_{rate}_PER_MINUTE": "1000000" for rate in ("READS", "WRITES", "TENANT_READS", "TENANT_WRITES")}
"""Above what any attack sends, so that no rate limit hides another bound."""
MARKS: Final = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="reads memory and sockets of the server in /proc"),
]
"""Markers of every test that attacks a server."""
ATTACKER: Final = "default"
NEIGHBOUR: Final = "acme"
LIMITED: Final = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


def with_few_files(program: Sequence[str], most: int) -> Sequence[str]:
    """Return the program, to be started with a hard limit of file descriptors."""
    return ("-c", LIMITED, str(most), *program)


@asynccontextmanager
async def door(folder: Path, program: Sequence[str] = HTTP_DOOR, *, tickets: int = 0) -> AsyncGenerator[Ground]:
    """Start the HTTP server for two organisations with separate keys, over the embedded API on SQLite.

    The attacker's organisation has `tickets` besides the sample data.
    """
    if tickets:
        async with open_engine(resolve_url(sqlite(folder))) as engine:
            await migrate(engine, fill=filler("en", utc_now), clock=utc_now)
        await fill_tickets(sqlite(folder), tickets, accounts=0)
    keys = {}
    async with open_store(sqlite(folder).replace("tickets.", "tickets-identity."), Secrets([IDENTITY_KEY])) as store:
        await store.tenants.add(NEIGHBOUR)
        for tenant in (ATTACKER, NEIGHBOUR):
            await store.service_accounts.add(tenant, "program", role="agent")
            keys[tenant] = (await store.keys.create(tenant, service_account="program", name="program")).text
    settings = NO_RATES | {"PORT": "0", "MCP_IDENTITY_KEYS": IDENTITY_KEY, "MCP_DATABASE_URL": sqlite(folder)}
    with started(program, **QUIET, **settings) as (address, process):
        neighbour = call_probe(address, keys[NEIGHBOUR], "get_ticket_list", {"limit": 10})
        yield Ground(address, process.pid, probe(address, "/health"), neighbour, keys[ATTACKER])


@asynccontextmanager
async def open_door(folder: Path) -> AsyncGenerator[Ground]:
    """Start the HTTP server without a key, as on a developer's machine; the neighbour is the local user.

    The neighbour's call opens a session.
    """
    settings = {"PORT": "0", "MCP_ALLOW_ANONYMOUS": "true", "MCP_DATABASE_URL": sqlite(folder)}
    with started(HTTP_DOOR, **QUIET, **settings) as (address, process):
        yield Ground(address, process.pid, probe(address, "/health"), session_probe(address))


@asynccontextmanager
async def shared_door(database_url: str) -> AsyncGenerator[Ground]:
    """Start the HTTP server with one key over the embedded API, on a database that was prepared before."""
    with http_door(Path(), MCP_DATABASE_URL=database_url, **QUIET, **NO_RATES) as (address, process):
        neighbour = call_probe(address, KEY, "get_ticket_list", {"limit": 10})
        yield Ground(address, process.pid, probe(address, "/health"), neighbour, KEY)


@asynccontextmanager
async def api_alone(folder: Path, program: Sequence[str] = TICKET_API) -> AsyncGenerator[Ground]:
    """Start the ticket API alone; the neighbour is an MCP server that lists tickets."""
    settings = {"PORT": "0", "MCP_API_KEY": API_KEY, "MCP_DATABASE_URL": sqlite(folder)}
    with started(program, **settings) as (address, process):
        neighbour = probe(address, "/tickets?limit=10", {"x-api-key": API_KEY}, has=b"TCK-")
        yield Ground(address, process.pid, probe(address, "/health"), neighbour)


def session_probe(address: str) -> Probe:
    """Return a probe that opens a session over Streamable HTTP."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    return probe(address, "/mcp", headers, json.dumps(message).encode(), has=b'"result"')


async def nice_postgres(database: PostgresDatabase) -> None:
    """Give the database server, and each backend that it starts from now on, the lowest priority."""
    connection = await asyncpg.connect(database.owner_url, timeout=10)
    try:
        server = parent_of(await connection.fetchval("SELECT pg_backend_pid()"))
    finally:
        await connection.close(timeout=10)
    os.setpriority(os.PRIO_PROCESS, server, 19)


def parent_of(pid: int) -> int:
    """Return the process that started another one."""
    return int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1])
