"""A TypeScript client whose POST is cut during a call gets the rest of it from another instance (2025-11-25).

The call is held at the ticket API until the stream was cut and the client has reconnected, so that certainly one
instance runs the call and another one sends the response.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos.callers import HEADERS, PATIENCE_S, node_program
from tests.chaos.fleet import Fleet, Instance, fleet
from tests.processes import ROOT, sqlite
from tests.shared.given import TICKET

pytestmark = pytest.mark.xdist_group("chaos")

BURIED_S: Final = 20.0
"""Seconds within which a call of a dead instance gets a response: twice those of S7, since machines stand still."""
RETRY_MS: Final = 20
"""How soon the client reconnects: the ticket API may not be held for longer than a call lasts."""
READ: Final[tuple[str, dict[str, Any]]] = ("get_ticket_detail", {"ticketId": "TCK-0001"})
WRITE: Final[tuple[str, dict[str, Any]]] = ("create_ticket", TICKET)


class Resumer:
    """A client in the middle of its call."""

    def __init__(self, node: asyncio.subprocess.Process) -> None:
        self._node = node

    async def go(self) -> None:
        """Let it make its call."""
        assert self._node.stdin is not None
        self._node.stdin.write(b"go\n")

    async def said(self) -> Any:
        """Return its next message."""
        assert self._node.stdout is not None
        async with asyncio.timeout(2 * PATIENCE_S):
            return json.loads(await self._node.stdout.readline())


@asynccontextmanager
async def cut_in_the_middle(
    servers: Fleet, node_modules: Path, call: tuple[str, dict[str, Any]]
) -> AsyncGenerator[tuple[Resumer, Instance, Instance]]:
    """Cut a client off while its call runs; yield it, the instance that runs the call, and the other one."""
    config = {
        "nodeModules": node_modules.as_posix(),
        "url": f"{servers.address}/mcp",
        "headers": HEADERS,
        "tool": call[0],
        "arguments": call[1],
        "patience": PATIENCE_S * 1000,
    }
    async with node_program(ROOT / "tests" / "chaos" / "resumer.mjs", config) as node:
        client = Resumer(node)
        assert await client.said() == {"connected": "2025-11-25"}
        servers.gate.close()
        await client.go()
        assert await client.said() == "could resume"
        await servers.gate.until_held(1)
        (number,) = servers.gate.held()
        runs, other = servers.instances[number], servers.instances[1 - number]
        servers.proxy.retire(runs.port)
        servers.proxy.cut()
        yield client, runs, other


@pytest.mark.long
async def test_the_rest_of_a_cut_post_comes_from_another_instance_once(tmp_path: Path, node_modules: Path) -> None:
    async with (
        fleet(sqlite(tmp_path), instances=2, retry_ms=RETRY_MS) as servers,
        cut_in_the_middle(servers, node_modules, WRITE) as (client, _, other),
    ):
        await servers.proxy.until_resumed()
        assert servers.proxy.resumed_at == [other.port]
        servers.gate.open()
        outcome = await client.said()

        assert not outcome["result"]["isError"]
        assert outcome["answers"] == 1
        assert list(servers.gate.writes.values()) == [1]
        assert not [line for instance in servers.instances for line in instance.complaints()]


@pytest.mark.parametrize(
    ("call", "kind"),
    [pytest.param(READ, "interrupted", marks=pytest.mark.long), (WRITE, "outcome_unknown")],
    ids=["read", "write"],
)
async def test_a_client_that_was_cut_off_learns_from_another_instance_that_its_call_was_interrupted(
    tmp_path: Path, node_modules: Path, call: tuple[str, dict[str, Any]], kind: str
) -> None:
    async with (
        fleet(sqlite(tmp_path), instances=2) as servers,
        cut_in_the_middle(servers, node_modules, call) as (client, runs, other),
    ):
        await servers.kill(runs)
        died_at = time.monotonic()
        outcome = await client.said()
        took = time.monotonic() - died_at
        servers.gate.open()
        await servers.whole()

        assert outcome["error"]["kind"] == kind
        assert outcome["answers"] == 1
        assert took < BURIED_S
        assert servers.proxy.resumed_at == [other.port]
