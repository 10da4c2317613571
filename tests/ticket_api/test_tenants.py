"""Two organisations in one database: each gets the responses it would get alone, for any request.

`default` and `other` have the same ids (`user1`, `TCK-0001`); `other` also has ids of its own of every kind. Each
request of the table below is sent as `default` to this database and to one that has only `default`: the responses
must be equal, and `other` must find its data unchanged. A route without a line in the table fails the test.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio
from fastapi.routing import iter_route_contexts
from httpx2 import AsyncClient, Response
from sqlalchemy import Engine, event

from tests.databases import Postgres, PostgresDatabase, copy_sqlite
from tests.kills import kills
from tests.ticket_api.administration.asked import FOREIGN, requests
from tests.ticket_api.conftest import KEY, NOW, Clock, client_of, new_ticket
from ticket_api import create_app
from ticket_api.keys import digest_of
from ticket_api.sample import filler
from ticket_api.store import tables
from ticket_api.store import tenants as store_tenants
from ticket_api.store.connection import TenantConnection
from ticket_api.store.master import REFERENCES
from ticket_api.store.search.folding import fold
from ticket_api.tenancy import TenantDatabase

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS: Final = {f"tapi_{letter * 43}": tenant for letter, tenant in (("d", "default"), ("o", "other"))}
"""A key of each that may administer."""
OF_OTHER: Final = next(key for key, tenant in KEYS.items() if tenant == "other")
THEIRS: Final = "TCK-0059"
"""A ticket that only `other` has; its summary and its history contain `foreign`."""
WITHOUT_TENANT: Final = {("GET", "/health"), ("GET", "/ready"), ("GET", "/openapi.json")}


class Ask(NamedTuple):
    """One request."""

    path: str
    body: dict[str, Any] | None = None


def foreign_references(*fields: str) -> list[dict[str, Any]]:
    """Return, for each field, a part of a body that refers to a row only `other` has."""
    return [{field: FOREIGN} for field in fields]


IN_TICKETS: Final = (
    *("requestorId", "accountId", "categoryId", "categoryDetailId", "requestChannelId", "personInChargeId"),
    *("statusId", "responseCategoryId"),
)
CHANGE: Final = {"updatedById": "user1", "summary": "Changed by default", "comment": "By default"}
COMMENT: Final = {"userId": "user1", "comment": "By default"}
ASKED: Final[dict[tuple[str, str], list[Ask]]] = {
    ("GET", "/tickets"): [
        Ask("/tickets?limit=2"),  # a page that other tenants' rows would fill
        *(Ask(f"/tickets?limit=200&showCompleted=true{more}")
          for more in ("", f"&searchQuery={FOREIGN}", f"&accountId={FOREIGN}", f"&personInChargeId={FOREIGN}",
                       f"&statusId={FOREIGN}", "&accountId=acc1&sortBy=completionDate",
                       f"&categoryId={FOREIGN}&envelope=true", f"&requestorId={FOREIGN}&envelope=true",
                       "&envelope=true", "&envelope=true&accountId=acc1", "&searchWords=a&envelope=true",
                       f"&cursor=rd:2026-11-20T03:04/{THEIRS}", "&cursor=rd:2026-11-20T03:04/TCK-0003")),
    ],
    ("POST", "/tickets"): [
        *(Ask("/tickets", new_ticket(**one)) for one in foreign_references(*IN_TICKETS)),
        Ask("/tickets", new_ticket(attachments=[{"fileName": "a.png", "fileUrl": "https://files.example.com/a"}])),
    ],
    ("POST", "/tickets/import"): [
        Ask("/tickets/import", {"rows": [new_ticket(externalTicketId="IMP-1", **more)]})
        for more in (*foreign_references(*IN_TICKETS), {}, {"summary": "There already"})
    ],
    ("GET", "/tickets/{id}"): [Ask("/tickets/TCK-0001"), Ask("/tickets/TCK-0003"), Ask(f"/tickets/{THEIRS}")],
    ("PUT", "/tickets/{id}"): [
        *(Ask("/tickets/TCK-0001", CHANGE | one) for one in foreign_references(*IN_TICKETS, "updatedById")),
        Ask(f"/tickets/{THEIRS}", CHANGE),
        Ask("/tickets/TCK-0001", CHANGE),
    ],
    ("GET", "/tickets/{id}/history"): [
        Ask("/tickets/TCK-0001/history"), Ask("/tickets/TCK-0001/history?envelope=true&limit=1"),
        Ask("/tickets/TCK-0001/history?before=80"), Ask(f"/tickets/{THEIRS}/history"),
    ],
    ("GET", "/tickets/stats"): [
        Ask("/tickets/stats"),
        *(Ask(f"/tickets/stats?{query}")
          for query in ("groupBy=status,week&from=2026-01-01&to=2026-12-31", "groupBy=account,personInCharge&limit=200",
                        "groupBy=category,requestChannel&limit=1", f"accountId={FOREIGN}&groupBy=account",
                        f"searchWords={FOREIGN}&groupBy=status")),
    ],
    ("GET", "/tickets/changes"): [
        Ask("/tickets/changes?limit=200"),
        *(Ask(f"/tickets/changes?{query}")
          for query in ("since=2026-11-01T00:00Z&until=2026-12-31T00:00Z", "accountId=acc1", "ticketId=TCK-0001",
                        f"userId={FOREIGN}", f"accountId={FOREIGN}", f"personInChargeId={FOREIGN}",
                        f"ticketId={THEIRS}")),
    ],
    ("POST", "/tickets/{id}/history"): [
        Ask("/tickets/TCK-0001/history", COMMENT | {"userId": FOREIGN}),
        Ask(f"/tickets/{THEIRS}/history", COMMENT),
        Ask("/tickets/TCK-0001/history", COMMENT),
    ],
    ("GET", "/tickets/master/users"): [Ask("/tickets/master/users"), Ask(f"/tickets/master/users?role={FOREIGN}")],
    ("GET", "/tickets/master/category-details"): [
        Ask(f"/tickets/master/category-details{query}") for query in ("", "?categoryId=cat1", f"?categoryId={FOREIGN}")
    ],
    **{
        ("GET", path): [Ask(path)]
        for name in ("response-categories", "accounts", "categories", "statuses", "request-channels")
        for path in [f"/tickets/master/{name}"]
    },
    **{which: [Ask(*one) for one in asked] for which, asked in requests().items()},
}  # fmt: skip


class World(NamedTuple):
    """Clients of `default` alone, of `default` beside `other`, and of `other`."""

    kind: str
    alone: AsyncClient
    beside: AsyncClient
    other: AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        urls = []
        for _ in range(2):
            if request.param == "sqlite":
                template: Path = request.getfixturevalue("sqlite_template")
                urls.append(copy_sqlite(template, tmp_path_factory.mktemp("tenants") / "t.sqlite3"))
            else:
                server: Postgres = request.getfixturevalue("postgres")
                filled: PostgresDatabase = request.getfixturevalue("postgres_template")
                database = await server.create(template=filled.name)
                stack.push_async_callback(server.drop, database)
                urls.append(database.application_url)
        clients = []
        for url in urls:
            app = create_app(database_url=url, api_keys=[KEY], sample_data="ja", clock=Clock())
            await stack.enter_async_context(app.router.lifespan_context(app))
            for key, tenant in KEYS.items():
                await app.state.tenants.write(tenant, partial(add_key, digest=digest_of(key)))
            clients += [await stack.enter_async_context(client_of(app, **{"x-api-key": key})) for key in KEYS]
        await settle(app.state.tenants, clients[3])
        yield World(request.param, clients[0], clients[2], clients[3])


def add_key(db: TenantConnection, digest: str) -> None:
    store_tenants.add_key(db, digest[:8], digest, NOW, may_administer=True)


async def settle(tenants: TenantDatabase, other: AsyncClient) -> None:
    """Create `other` with sample data, add rows that `default` does not have, and change its rows with the same ids."""
    clock = Clock()
    fill = filler("ja", clock)
    assert fill is not None
    await tenants.write("other", fill)

    def own(db: TenantConnection) -> None:
        row: dict[str, Any] = dict.fromkeys(("id", "name", "email", "role", "category_id"), FOREIGN)
        row |= {"name_folded": fold(FOREIGN), "order_no": 0, "completed": False}
        for table in tables.metadata.sorted_tables:
            if table in REFERENCES.values():
                columns = table.columns.keys()
                db.execute(db.insert(table).values({name: row[name] for name in row if name in columns}))

    await tenants.write("other", own)
    files = [{"fileName": "foreign.png", "fileUrl": "https://files.example.com/foreign"}]
    foreign = new_ticket(summary=f"{FOREIGN} matter", attachments=files, **dict.fromkeys(IN_TICKETS, FOREIGN))
    for _ in range(9):
        made = await other.post("/tickets", json=foreign)
    assert (made.status_code, made.json()["id"]) == (201, THEIRS)
    comment = {"userId": FOREIGN, "comment": f"{FOREIGN} comment"}
    for ticket in (THEIRS, "TCK-0001"):
        assert (await other.post(f"/tickets/{ticket}/history", json=comment)).status_code == 201
    change = {"updatedById": FOREIGN, "summary": f"{FOREIGN} again", "accountId": FOREIGN}
    assert (await other.put("/tickets/TCK-0001", json=change)).status_code == 200


async def send(client: AsyncClient, method: str, ask: Ask, **headers: str) -> Response:
    return await client.request(method, ask.path, json=ask.body, headers=headers)


def said(response: Response) -> tuple[int, bytes, dict[str, str]]:
    return response.status_code, response.content, dict(response.headers)


async def all_of(client: AsyncClient) -> list[bytes]:
    """Return everything that a tenant can read by the requests of the table."""
    asks = [ask for (method, _), asks in ASKED.items() if method == "GET" for ask in asks]
    return [(await send(client, "GET", ask)).content for ask in asks]


async def test_no_route_was_forgotten() -> None:
    app = create_app(database_url="sqlite:///never-opened.sqlite3")
    routes = {(method, route.path) for route in iter_route_contexts(app.routes) for method in route.methods or ()}

    assert {one for one in routes if one[0] != "HEAD"} == ASKED.keys() | WITHOUT_TENANT


@kills(
    "ticket_api/store/lists.py", "page = TenantConnection.select(tickets, *", 'page = __import__("sqlalchemy").select(*'
)
@kills(
    "ticket_api/store/numbers.py",
    "TenantConnection.update(ticket_numbers",
    '__import__("sqlalchemy").update(ticket_numbers',
)
@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_a_tenant_is_answered_as_if_it_were_alone(world: World, method: str, path: str) -> None:
    writes = method != "GET"
    before = await all_of(world.other) if writes else []
    for ask in ASKED[method, path]:
        alone, beside = await send(world.alone, method, ask), await send(world.beside, method, ask)

        assert said(beside) == said(alone), ask
        assert alone.status_code < 500

    if writes:
        assert await all_of(world.beside) == await all_of(world.alone)
        assert await all_of(world.other) == before
        assert any(FOREIGN.encode() in content for content in before)


async def test_one_idempotency_key_serves_two_tenants(world: World) -> None:
    once = {"idempotency-key": "the-same"}
    mine = [await send(world.beside, "POST", Ask("/tickets", new_ticket()), **once) for _ in range(2)]
    body = new_ticket(summary="Of the other")
    theirs = [await send(world.other, "POST", Ask("/tickets", body), **once) for _ in range(2)]

    assert [response.status_code for response in (*mine, *theirs)] == [201] * 4
    assert mine[0].content == mine[1].content != theirs[0].content == theirs[1].content
    made = (await world.other.get(f"/tickets/{theirs[0].json()['id']}")).json()
    assert made["summary"] == "Of the other"
    await send(world.alone, "POST", Ask("/tickets", new_ticket()), **once)  # its numbers continue as the other's do


@kills(
    "ticket_api/http/api_key_middleware.py",
    "return caller\n",
    'return Caller(request.headers.get("x-tenant-id") or caller.tenant)\n',
)
async def test_nothing_but_the_key_says_whose_request_it_is(world: World) -> None:
    claims = {
        **dict.fromkeys(("x-tenant", "x-tenant-id", "tenant", "tenant-id", "x-organisation", "from"), "other"),
        "authorization": f"Bearer {OF_OTHER}",
        "cookie": f"tenant=other; x-api-key={OF_OTHER}",
        "x-original-url": "/tickets?tenant=other",
        "host": "other.example.com",
    }
    ask = ASKED["GET", "/tickets"][0]

    assert said(await send(world.beside, "GET", ask, **claims)) == said(await send(world.alone, "GET", ask))
    assert (await world.beside.get("/tickets?tenant=other")).status_code == 400
    assert (await world.beside.post("/tickets", json=new_ticket(tenantId="other"))).status_code == 400


@kills("ticket_api/http/api_key_middleware.py", "if caller is None:", "if False:")
@pytest.mark.parametrize("key", ["", "unknown-key", "other"])
async def test_a_key_that_stands_for_no_one_is_refused(world: World, key: str) -> None:
    response = await world.beside.get("/tickets", headers={"x-api-key": key})

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "ApiKey")


@kills("ticket_api/migrations/versions/0002_tenants.py", "ENABLE ROW", "DISABLE ROW")
@pytest.mark.parametrize("path", [
    "/tickets?showCompleted=true&limit=100", f"/tickets/{THEIRS}", f"/tickets/{THEIRS}/history",
])  # fmt: skip
async def test_where_a_query_forgets_the_tenant_postgresql_still_shows_nothing_foreign(world: World, path: str) -> None:
    """SQLite does show it, which proves that the query lacks its condition."""
    forget = partial(re.compile(r"([\w.]*tenant_id = (?:\?|\$\d+::VARCHAR))").sub, r"(\1 OR true)")

    def without_tenant(_: object, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
        return forget(statement), parameters

    event.listen(Engine, "before_cursor_execute", without_tenant, retval=True)
    try:
        response = await world.beside.get(path)
    finally:
        event.remove(Engine, "before_cursor_execute", without_tenant)

    assert (FOREIGN.encode() in response.content) is (world.kind == "sqlite")
    if world.kind == "postgresql":
        assert said(response) == said(await world.alone.get(path))
