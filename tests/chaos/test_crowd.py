"""Indistinguishable clients reconnect at the same time, repeatedly: each gets exactly its own responses.

They share one key, host, name and the same request ids. A client is identified by its response to a ping (S3).
"""

from pathlib import Path
from typing import Final

import pytest

from tests.chaos.crowd import CLIENTS, crowd
from tests.chaos.fleet import fleet
from tests.databases import PostgresDatabase, make_ticket_tables

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]  # a slow machine needs minutes

CUTS: Final = 50
RETRY_MS: Final = 20
"""How soon the clients reconnect: with the server's own `retry:` fifty rounds would take minutes."""
EVERYTHING: Final = 1_000_000


@pytest.fixture
async def database(empty_postgres: PostgresDatabase) -> str:
    """The address of a new database for the ticket API."""
    return await make_ticket_tables(empty_postgres)


@pytest.mark.long
async def test_each_of_twenty_equal_clients_gets_its_own_answers_after_each_cut(
    database: str, node_modules: Path
) -> None:
    """In every other round the responses are written into connections that are already dead."""
    async with fleet(database, retry_ms=RETRY_MS) as servers, crowd(servers.address, node_modules) as clients:
        for cut in range(CUTS):
            servers.gate.close()
            await clients.ask()
            await servers.gate.until_held(CLIENTS)
            if cut % 2:
                servers.proxy.swallow(EVERYTHING)
                servers.gate.open()
                await servers.proxy.until_swallowed(CLIENTS // 2)
            servers.proxy.cut()
            servers.gate.open()
            assert await clients.wrong() == [], f"after cut {cut}"

        await clients.ask()
        assert await clients.wrong() == []


@pytest.mark.long
async def test_each_of_twenty_equal_clients_gets_its_own_answers_while_streams_rotate(
    database: str, node_modules: Path
) -> None:
    settings = {"MCP_CLOUD_RUN_TIMEOUT": "1"}
    async with (
        fleet(database, instances=2, retry_ms=RETRY_MS, **settings) as servers,
        crowd(servers.address, node_modules) as clients,
    ):
        while servers.proxy.streams_opened < 5 * CLIENTS:
            await clients.ask()
            assert await clients.wrong() == [], f"after {servers.proxy.streams_opened} streams"


@pytest.mark.long
async def test_each_of_twenty_equal_clients_gets_its_own_answer_across_a_restart_of_the_only_instance(
    database: str, node_modules: Path
) -> None:
    async with (
        fleet(database, instances=1, retry_ms=RETRY_MS) as servers,
        crowd(servers.address, node_modules) as clients,
    ):
        (only,) = servers.instances
        for _ in range(2):
            servers.gate.close()
            await clients.ask()
            await servers.gate.until_held(CLIENTS)
            await servers.end(only)
            servers.gate.open()
            assert await clients.wrong() == []
            await servers.whole()

        await clients.ask()
        assert await clients.wrong() == []
        assert not servers.broken


@pytest.mark.long
async def test_calls_of_the_only_instance_are_answered_by_the_next_one_when_it_is_killed(
    database: str, node_modules: Path
) -> None:
    async with (
        fleet(database, instances=1, retry_ms=RETRY_MS) as servers,
        crowd(servers.address, node_modules) as clients,
    ):
        (only,) = servers.instances
        servers.gate.close()
        await clients.ask()
        await servers.gate.until_held(CLIENTS)
        await servers.kill(only)
        servers.gate.open()
        wrong = await clients.wrong()

        assert [(one["client"], one.get("kind")) for one in wrong] == [(n, "interrupted") for n in range(CLIENTS)]
        await servers.whole()
        await clients.ask()
        assert await clients.wrong() == []
