"""What the API's statements read, with any planner statistics: a page costs no more than a page.

Times depend on the machine, so rows (PostgreSQL) and steps (SQLite) are asserted, times are only printed.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from statistics import median
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from httpx2 import AsyncClient
from sqlalchemy import Connection

from shared.embedded.in_process import InProcessTransport
from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.databases import Postgres, copy_sqlite, run_aside
from tests.ticket_api.bulk import COMMON, RARE, fill_tickets
from tests.ticket_api.conftest import NOW, Clock, running
from tests.ticket_api.plans import read_by
from ticket_api import create_app
from ticket_api.http.models.queries import ChangeQuery, HistoryQuery, StatisticsQuery, TicketQuery
from ticket_api.store import changes, history, idempotency, lists, master, statistics, tables, tenants, tickets
from ticket_api.store.connection import TenantConnection
from ticket_api.store.indexes import MOST_FEW
from ticket_api.tenancy import DEFAULT

LIMIT: Final = 20
TICKET: Final = "TCK-0777"
GROWING: Final = ("tickets", "attachments", "ticket_history", "history_changed_fields", "api_keys")
STEPS_A_ROW: Final = 20
"""Above the number of steps in which SQLite reads a ticket, or joins a name to one."""
STEPS_A_PAGE: Final = 4_000
ALL: Final = {"showCompleted": "true"}
BY_COMPLETION: Final = {"sortBy": "completionDate", "sortOrder": "asc"}
ALLOWED: Final = re.compile(
    r"COVERING INDEX|Index Only Scan|sqlite_autoindex_tickets_\d|tickets_(pkey|tenant_id_number_key)"
)
PAGES: Final[MappingProxyType[str, tuple[dict[str, Any], str]]] = MappingProxyType({
    "list": ({}, "open"),
    "list with completed": (ALL, "page"),
    "person": ({"personInChargeId": "user3"}, "own"),
    "person with completed": ({"personInChargeId": "user3", **ALL}, "few"),
    "account": ({"accountId": "acc3"}, "own"),
    "account with completed": ({"accountId": "acc3", **ALL}, "few"),
    "status": ({"statusId": ["stat2"]}, "few"),
    "due": ({"sortBy": "scheduledCompletionDate", "sortOrder": "asc"}, "open"),
    "due with completed": ({"sortBy": "scheduledCompletionDate", "sortOrder": "asc", **ALL}, "page"),
    "due, latest first": ({"sortBy": "scheduledCompletionDate", **ALL}, "page"),
    "completion": ({"sortBy": "completionDate", "sortOrder": "asc", **ALL}, "page"),
    "completion, latest first": ({"sortBy": "completionDate", **ALL}, "page"),
    "due within days": (
        {"scheduledCompletionDateFrom": "2026-01-01", "scheduledCompletionDateTo": "2026-01-09"}, "open",
    ),
    "category": ({"categoryId": "cat1", **ALL}, "few"),
    "unknown category": ({"categoryId": "cat0"}, "page"),
    "requestor": ({"requestorId": "bulk-user-3", "envelope": "true"}, "own"),
    "received": ({"receptionDateTimeFrom": "2025-07-01", "receptionDateTimeTo": "2025-07-02", **ALL}, "own"),
    "completed": ({"completionDateFrom": "2026-10-01", "sortBy": "scheduledCompletionDate", **ALL}, "few"),
    "changed": ({"updatedAtFrom": "2025-06-01T00:00:00Z", "sortBy": "completionDate", **ALL}, "few"),
    "changed of late": ({"updatedAtFrom": "2026-11-01T00:00:00Z", "sortBy": "completionDate", **ALL}, "few"),
    "several, none fits": (
        {"personInChargeId": "user3", "accountId": "acc3", "categoryId": "cat1", "statusId": ["stat1", "stat3"],
         "completionDateTo": "2025-06-01", "envelope": "true"}, "all",
    ),
    "total": ({"envelope": "true", **ALL}, "all"),
    "total of the open": ({"envelope": "true", "sortBy": "completionDate"}, "open and all"),
    "far page": ({"cursor": f"rd:2025-09-01T00:00/{TICKET}", **ALL}, "page"),
    "far page by completion": ({"cursor": f"ca:2025-09-01/{TICKET}", **BY_COMPLETION, **ALL}, "page"),
    "far page of the undated": ({"cursor": f"ca:/{TICKET}", **BY_COMPLETION, **ALL}, "page"),
    "search common word": ({"searchQuery": COMMON}, "all"),
    "search rare word": ({"searchQuery": RARE, **ALL}, "few"),
    "search account": ({"searchQuery": "tessaly", **ALL}, "few"),
    "search requestor": ({"searchQuery": "lucia", **ALL}, "own"),  # an eighth of the tickets has the name
    "search nothing": ({"searchQuery": "xyzzyq", **ALL}, "page"),
    "words, common": ({"searchWords": COMMON}, "all"),
    "words, rare": ({"searchWords": f"{RARE} made", **ALL}, "few"),
    "words, nothing": ({"searchWords": "made xyzzyq", **ALL}, "page"),
    "words, two kinds of kana": ({"searchWords": " ".join(f"プらネッと{n}" for n in "ABCDEFGHIJ"), **ALL}, "page"),
    "words, all in each": ({"searchWords": "m a d e b y t s . xyzzyq", **ALL}, "page"),
    "search adversarial": ({"searchQuery": "%_" * 99, **ALL}, "page"),
})  # fmt: skip
"""Each page with a limit on the tickets read for it: one page, those of a person, the open ones, or all of them."""


@dataclass(frozen=True)
class Filled:
    """A database with many tickets."""

    url: str
    tickets: int

    def most(self, bound: str) -> int:
        """Return the largest number of tickets that may be read."""
        whole = self.tickets + 50
        if whole < 2000 and self.url.startswith("postgresql"):
            return whole + 3 * LIMIT  # it rightly reads all of so few; what matters is that nothing multiplies them
        few = MOST_FEW
        bounds = {"page": 0, "few": few, "own": whole // 8 + few, "open": whole * 3 // 10 + few, "all": whole}
        return (whole * 13 // 10 if bound == "open and all" else bounds[bound]) + 2 * LIMIT + 20


def fill(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory, tickets: int, accounts: int
) -> Iterator[Filled]:
    kind, _, known = request.param.partition("-")
    if kind == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        url = copy_sqlite(template, factory.mktemp("plans") / "tickets.sqlite3")
        run_aside(fill_tickets(url, tickets, accounts, statistics=known))
        yield Filled(url, tickets)
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = run_aside(server.create(template=request.getfixturevalue("postgres_template").name))
    run_aside(fill_tickets(made.owner_url, tickets, accounts, statistics=known))
    yield Filled(made.application_url, tickets)
    run_aside(server.drop(made))


@pytest.fixture(scope="module", params=["sqlite-none", "sqlite-old", "postgresql-old", "postgresql-tickets"])
def few(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """1,100 tickets, with the 8 users and 8 accounts of the sample data."""
    yield from fill(request, tmp_path_factory, 1100, 0)


@pytest.fixture(scope="module", params=["sqlite-none", "sqlite-old", "postgresql-none", "postgresql-tickets"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """50,000 tickets of 300 customers."""
    yield from fill(request, tmp_path_factory, 50_000, 300)


def pages_read_too_much(connection: Connection, filled: Filled) -> list[str]:
    """Return the pages of `PAGES` that read too much."""
    wrong = []
    for name, (asked, bound) in PAGES.items():
        query = TicketQuery.model_validate(asked)
        read = read_by(connection, partial(lists.read_page, query=query))
        most = filled.most(bound)
        steps = STEPS_A_PAGE + STEPS_A_ROW * most
        if read.rows["tickets"] > most or read.joined > LIMIT or read.steps > steps:
            wrong.append(f"{name} (at most {most}): {read}")
    return wrong


def rows_are_read_before_they_are_shown(connection: Connection, _: Filled) -> list[str]:
    """Return the steps of lists without words that read tickets, not an index, other than by number or id.

    Those of `BY_NUMBER`, and of the key that begins a page, are of tickets already found.
    """
    wrong = []
    for name, (asked, _bound) in PAGES.items():
        if not {"searchWords", "searchQuery"} & asked.keys():
            read = read_by(connection, partial(lists.read_page, query=TicketQuery.model_validate(asked)))
            of_tickets = (step for step in read.plan if re.search(r"\btickets (USING|tickets_)", step) or "Seq" in step)
            wrong += [f"{name}: {step}" for step in of_tickets if not ALLOWED.search(step)]
    return wrong


def rest_reads_too_much(connection: Connection, _: Filled) -> list[str]:
    """Return which reads of a ticket, its files, its history, and of keys are too large."""
    work: dict[str, Callable[[TenantConnection], object]] = {
        "ticket": partial(tickets.read, ticket_id=TICKET),
        "is there": partial(tickets.exists, ticket_id=TICKET),
        "files": partial(tickets.read_attachments, ticket_id=TICKET),
        "history": partial(history.of_ticket, ticket_id=TICKET),
        "page of a history": partial(history.of_ticket, ticket_id=TICKET, query=HistoryQuery(limit="1")),
        "key": lambda db: tenants.of_digest(db.connection, "0" * 64),
        "names": partial(master.meanings, ids={"user_id": "user1", "account_id": "acc1", "status_id": "stat1"}),
    }
    read = {name: read_by(connection, one) for name, one in work.items()}
    return [f"{name}: {one}" for name, one in read.items() if sum(one.rows[t] for t in GROWING) > 10 or one.steps > 500]


def sweeping_reads_too_much(connection: Connection, _: Filled) -> list[str]:
    """Return which reads for a write's idempotency key are too large, among thousands, 150 of them expired."""
    db = TenantConnection.open(connection, DEFAULT)
    stored = {"fingerprint": "f" * 64, "status": 201, "answer": "{}"}
    rows = [
        {"key": f"key-{n}", **stored, "created_at": NOW - timedelta(hours=30 if n < 150 else 1)} for n in range(6000)
    ]
    db.execute(db.insert(tables.idempotency_keys), rows)
    read = read_by(connection, lambda db: idempotency.claim(db, "new", "f", NOW))
    return [str(read)] if read.rows["idempotency_keys"] > 300 or read.steps > STEPS_A_PAGE else []


def changes_read_too_much(connection: Connection, filled: Filled) -> list[str]:
    """Return which pages of what happened in all tickets read too much."""
    whole = 2 * filled.tickets + 200 if filled.tickets < 2000 and filled.url.startswith("postgresql") else 0
    wrong = []
    for asked in (
        {"cursor": "1000"}, {"userId": "user3"}, {"ticketId": TICKET}, {"accountId": "unknown"},
        {"accountId": "acc3", "since": "2026-11-19T00:00:00Z"},
        {"since": "2025-06-02T20:00:00Z", "until": "2025-06-02T20:10:00Z"},
    ):  # fmt: skip
        query = ChangeQuery.model_validate({**asked, "limit": str(LIMIT)})

        def page(db: TenantConnection, query: ChangeQuery = query) -> object:
            return changes.read(db, changes.find(db, query).ids)

        read = read_by(connection, page)
        if sum(read.rows[table] for table in GROWING) > 3 * whole + 20 * LIMIT or read.steps > STEPS_A_PAGE:
            wrong.append(f"{asked}: {read}")
    return wrong


def statistics_read_too_much(connection: Connection, filled: Filled) -> list[str]:
    """Return which statistics read more than each ticket once a part, or on SQLite a table instead of an index."""
    wrong = []
    for groups in ("status", "account", "requestChannel", "week", "category,personInCharge"):
        query = StatisticsQuery.model_validate({"groupBy": groups, "from": "2025-07-01", "to": "2025-07-31"})
        read = read_by(connection, partial(statistics.by_group, query=query, today=NOW.date()))
        outside = [step for step in read.plan if "tickets USING INDEX" in step or step == "SCAN tickets"]
        if read.rows["tickets"] > 4 * filled.most("all") or outside:
            wrong.append(f"{groups}: {read}")
    return wrong


See = Callable[[Connection, Filled], list[str]]
SEEN: Final[Mapping[str, See]] = MappingProxyType({
    "pages": pages_read_too_much,
    "rows": rows_are_read_before_they_are_shown,
    "rest": rest_reads_too_much,
    "sweep": sweeping_reads_too_much,
    "changes": changes_read_too_much,
    "statistics": statistics_read_too_much,
})  # fmt: skip


@pytest.mark.parametrize("see", SEEN)
async def test_no_statement_reads_more_than_what_it_is_for(few: Filled, see: str) -> None:
    async with open_transactions(resolve_url(few.url)) as pool:
        assert await pool.write(lambda connection: SEEN[see](connection, few)) == []


@pytest.mark.long
@pytest.mark.parametrize("see", SEEN)
async def test_no_statement_reads_more_in_a_large_database(many: Filled, see: str) -> None:
    async with open_transactions(resolve_url(many.url)) as pool:
        assert await pool.write(lambda connection: SEEN[see](connection, many)) == []


@pytest.mark.long
async def test_what_pages_of_a_large_database_take_is_printed(
    many: Filled, clock: Clock, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """Intended: half a page below 100 ms, a search below 250 ms. All respond within the API's own limits."""
    paths = {name: (f"/tickets?{urlencode(asked, doseq=True)}") for name, (asked, _) in PAGES.items()}
    paths |= {"ticket": f"/tickets/{TICKET}", "history": f"/tickets/{TICKET}/history"}
    async with running(many.url, clock) as api:
        for name, path in paths.items():
            taken = []
            for _ in range(9):
                begun = time.perf_counter()
                assert (await api.get(path)).status_code == 200
                taken.append(time.perf_counter() - begun)
            with capsys.disabled():
                print(f"{request.node.callspec.id:20} {name:26} p50 {median(taken) * 1e3:7.1f} ms")


@pytest.mark.long
@pytest.mark.parametrize("few", ["sqlite-old"], indirect=True)
async def test_many_readers_in_a_closed_loop_are_served_in_turn(
    few: Filled, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of 50 readers sends its next request after each response; intended: p99 at most twice the median."""
    taken: list[float] = []
    served: list[int] = []
    app = create_app(database_url=few.url, clock=clock)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=InProcessTransport(app), base_url="http://api", timeout=6) as api,
    ):

        async def reads(reader: int) -> None:
            for _ in range(40):
                begun = time.perf_counter()
                assert (await api.get("/tickets")).status_code == 200
                taken.append(time.perf_counter() - begun)
                served.append(reader)

        await asyncio.gather(*(reads(reader) for reader in range(50)))

    in_order = sorted(taken)
    with capsys.disabled():
        print(f"50 readers: p50 {median(taken) * 1e3:.0f} ms, p99 {in_order[int(len(in_order) * 0.99)] * 1e3:.0f} ms, "
              f"longest {in_order[-1] * 1e3:.0f} ms")  # fmt: skip
    assert max(max(gaps) for gaps in gaps_of(served)) < 2 * 50  # no reader waits while each other is served twice


def gaps_of(served: list[int]) -> Iterator[list[int]]:
    """Yield, for each reader, how many others were served between its turns."""
    for reader in set(served):
        turns = [place for place, one in enumerate(served) if one == reader]
        yield [later - earlier for earlier, later in pairwise(turns)]
