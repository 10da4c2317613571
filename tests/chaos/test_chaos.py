"""Three storms, each from a seed, over real servers: no call is lost, run twice or given another call's response.

`python3 run.py chaos --repeat 20 --seed N` runs more of them.
"""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.chaos.fleet import Fleet, fleet
from tests.chaos.plan import plan
from tests.chaos.storm import storm
from tests.chaos.verdict import TABLE, Verdict, written
from tests.databases import Postgres, PostgresDatabase, make_ticket_tables

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),  # a slow machine needs minutes
]

SEEDS: Final = (1, 2, 3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(postgres: Postgres) -> AsyncIterator[PostgresDatabase]:
    """The database of the ticket API behind all storms."""
    made = await postgres.create()
    await make_ticket_tables(made)
    yield made
    await postgres.drop(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(database: PostgresDatabase) -> AsyncIterator[Fleet]:
    """Three servers; each storm leaves them intact."""
    async with fleet(database.application_url) as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_is_kept_while_everything_breaks(
    servers: Fleet, database: PostgresDatabase, node_modules: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "mcp")  # lost streams are expected here
    outcome = await storm(servers, plan(seed), seed, node_modules)
    verdict = Verdict(outcome, await written(database.application_url), servers.gate.writes)

    print(f"{TABLE}\n{verdict.row()}")
    print(*(line for instance in servers.instances for line in instance.complaints()), sep="\n")
    assert not verdict.problems()
