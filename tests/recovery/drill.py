"""A restore drill: make data through the API, back up, lose everything, restore, and see what is there again.

    python -m tests.recovery.drill sqlite        # or: postgresql

It prints how long the service was away (what RTO means) and what was lost: what was written after the backup (RPO).
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final

import httpx2

from auth.store.peppers import Secrets
from recovery.check import check_identity, check_tickets
from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from shared.time_zones import utc_now
from tests.databases import running_postgres
from tests.recovery.desk import SECRET, UPSTREAM_KEY, fill_identity, what_works
from tests.recovery.places import Place, PostgresPlace, SqlitePlace
from ticket_api import commands, create_app
from ticket_api.tenancy import DEFAULT

SERVICE_KEY: Final = "the-own-key-of-the-ticket-api-in-drills"
NEW: Final = {
    "requestorId": "user1", "accountId": "acc1", "categoryId": "cat1", "categoryDetailId": "catd1",
    "requestChannelId": "ch1", "description": "Written in a drill", "personInChargeId": "user1", "statusId": "stat1",
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What a drill found."""

    away_s: float
    """From the loss to the first ticket that was read and written again, in seconds."""
    unsaved_s: float
    """From the backup to the loss, in seconds."""
    lost: tuple[str, ...]
    """The tickets that are gone: those written after the backup."""
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in words."""
        return "\n".join([
            f"Away for {self.away_s:.1f} s (RTO) from the loss to the first write after the restore.",
            f"Lost: {', '.join(self.lost)}, written in the {self.unsaved_s:.1f} s between backup and loss (RPO).",
            *(f"WRONG: {problem}" for problem in self.problems),
            *(() if self.problems else ("Everything else is as it was: tickets, search, keys, sealed keys, rights.",)),
        ])  # fmt: skip


@asynccontextmanager
async def api_over(url: str, key: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the ticket API over `url`; yield a client with `key`."""
    app = create_app(database_url=url, api_keys=[SERVICE_KEY], clock=utc_now)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://tickets.test", headers={"x-api-key": key}) as client,
    ):
        yield client


async def run_drill(place: Place) -> Report:
    """Lose and restore a deployment in an empty `place`. Raises: what fails on the way."""
    await place.make()
    key, identity_key = await _make_keys(place)
    async with api_over(place.tickets_url, key) as api:
        for number in range(5):
            await _write(api, f"Before the backup {number}")
        kept = await _everything(api)
        await place.back_up()
        saved_at = monotonic()
        lost = await _write(api, "After the backup")
    await place.lose()
    lost_at = monotonic()
    await place.restore()
    async with api_over(place.tickets_url, key) as api:  # a tenant's key of before
        there = await _everything(api)
        found = (await _get(api, "/tickets?searchWords=backup&limit=200&envelope=true"))["total"]
        again = await _write(api, "After the restore")
        away_s = monotonic() - lost_at
    problems = [
        *(f"ticket {id_} is not as it was" for id_, ticket in kept.items() if there.get(id_) != ticket),
        *(f"ticket {id_} came from nowhere" for id_ in there.keys() - kept.keys()),
        *([] if found == 5 else [f"the search found {found} of 5 tickets"]),
        *([] if again == lost else [f"numbers did not continue at {lost}, but at {again}"]),
        *[f"the serving role may: {one}" for one in await place.refuse_what_the_serving_role_may_not()],
        *await _of_identity(place, identity_key),
    ]
    return Report(away_s, lost_at - saved_at, (lost,), tuple(problems))


async def _make_keys(place: Place) -> tuple[str, str]:
    async with open_transactions(resolve_url(place.tickets_url)) as transactions:
        made = await commands.add_key(transactions, DEFAULT, now=utc_now())
    return made.key, await fill_identity(place.identity_url)


async def _of_identity(place: Place, identity_key: str) -> list[str]:
    await check_tickets(place.tickets_url)
    checked = await check_identity(place.identity_url, Secrets([SECRET]), utc_now())
    _, upstream_key = await what_works(place.identity_url, identity_key)  # raises if the key is refused
    return [*checked.problems, *([] if upstream_key == UPSTREAM_KEY else ["the sealed key is another one"])]


async def _everything(api: httpx2.AsyncClient) -> dict[str, Any]:
    """Return every ticket with its history, by id."""
    rows = await _get(api, "/tickets?limit=200&showCompleted=true")
    return {row["ticketId"]: await _get(api, f"/tickets/{row['ticketId']}") for row in rows}


async def _get(api: httpx2.AsyncClient, path: str) -> Any:
    response = await api.get(path)
    response.raise_for_status()
    return response.json()


async def _write(api: httpx2.AsyncClient, summary: str) -> str:
    response = await api.post("/tickets", json={**NEW, "summary": summary})
    response.raise_for_status()
    return str(response.json()["id"])


async def _drill(kind: str, folder: Path) -> Report:
    if kind == "sqlite":
        return await run_drill(SqlitePlace(folder))
    with running_postgres() as server:
        async with PostgresPlace.on(server, folder) as place:
            return await run_drill(place)


def main() -> int:
    """Run a drill; return 1 if something was not as before."""
    with TemporaryDirectory() as folder:
        report = asyncio.run(_drill(sys.argv[1], Path(folder)))
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
