"""Two organisations on one deployment: no request of one shows or changes anything of the other.

The calls are generated from the table of tools, and the reads from what the server lists, so that none is forgotten.
`backend` is where the tickets are; everything between it and a client is real.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplate, ResourceTemplateReference
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from auth.store import open_store
from auth.store.peppers import Secrets
from shared.config import ToolSettings
from shared.identity import AuthProvider, Principal, Tenant, TenantDirectory, Upstream
from shared.identity import Scope as IdentityScope
from shared.mcp_resources.catalog import KINDS
from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.schema import schema_of
from shared.storage.database import open_engine, resolve_url
from shared.tickets.columns import TICKET_COLUMNS
from shared.time_zones import utc_now
from tests import standin
from tests.auth.conftest import SECRET
from tests.auth.oauth.signing import Signer, signing_in
from tests.databases import Postgres, PostgresDatabase, copy_sqlite, run_aside
from tests.kills import kills
from tests.shared.given import TICKET, rows_of
from tests.transport.serving import serve
from ticket_api.migrate import migrate
from ticket_api.sample import filler
from ticket_api.store import tables
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import make_tenant
from ticket_service import TicketService
from transport import Transport, TransportOptions

MARKS: Final = {"a": "okapi", "b": "quagga"}
"""Stands in every writable text of an organisation."""
REFERENCES: Final = {  # arguments: the tool that lists their values
    "requestorId": "get_users",
    "personInChargeId": "get_users",
    "updatedById": "get_users",
    "userId": "get_users",
    "accountId": "get_accounts",
    "categoryId": "get_categories",
    "categoryDetailId": "get_category_details",
    "statusId": "get_statuses",
    "requestChannelId": "get_request_channels",
    "responseCategoryId": "get_response_categories",
}
KEY: Final = "the-same-key"
MARY: Final = "mary@example.com"
CHOICES: Final = (
    tables.categories,
    tables.category_details,
    tables.statuses,
    tables.request_channels,
    tables.response_categories,
)


class KeyPerTenant(AuthProvider):
    """The key is the organisation; the user has the same id in both."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        return Principal("mary", Tenant(request.headers["x-api-key"]), proof="api_key")


@dataclass(frozen=True)
class Backend:
    """Where the tickets of `a` and `b` are, and how their users prove who they are."""

    settings: ToolSettings
    directory: TenantDirectory
    provider: AuthProvider = field(default_factory=KeyPerTenant)
    headers: Callable[[str], dict[str, str]] = lambda tenant: {"x-api-key": tenant}
    """What a client of a tenant sends."""


class KeysOfTheirOwn:
    """A directory in which the organisations share an address and are distinguished by their keys."""

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        return Upstream(api_key=f"key-of-{tenant.id}")


def marked_api(tenant: str) -> Starlette:
    """Return a ticket API in which every name carries the mark of `tenant`, with an id of its own in every list."""
    app = standin.create_app(api_key=f"key-of-{tenant}")
    for rows in app.state.api.master.values():
        rows.append(rows[-1] | {"id": f"only-{tenant}"})
        for row in rows:
            row["name"] += f" {MARKS[tenant]}"
    return app


class SharedApi:
    """A directory in which all organisations share the deployment's ticket API."""

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        return Upstream()


def fill_marked(db: TenantConnection) -> None:
    """Fill a tenant of the reference API like the stand-in of `marked_api`."""
    sample = filler("en", utc_now)
    assert sample is not None
    sample(db)
    for table in (tables.users, tables.accounts, *CHOICES):
        last = dict(db.execute(db.select(table).order_by(table.c.id).limit(1)).mappings().one())
        db.execute(db.insert(table).values(**{**last, "id": f"only-{db.tenant}"}))
        db.execute(db.update(table).values(name=table.c.name + f" {MARKS[db.tenant]}"))


async def make_both(url: str, grant_to: str | None = None) -> None:
    """Create the tables and both organisations in the database at `url`, as its owner."""
    async with open_engine(resolve_url(url)) as engine:
        await migrate(engine, fill=None, clock=utc_now, grant_to=grant_to)
        for tenant in MARKS:
            async with engine.begin() as connection:
                await connection.run_sync(partial(make_tenant, tenant=tenant, fill=fill_marked, now=utc_now()))


@pytest.fixture(scope="session")
def sqlite_of_both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tenants") / "both.sqlite3"
    run_aside(make_both(f"sqlite:///{path.as_posix()}"))
    return path


@pytest.fixture(scope="session")
def postgresql_of_both(postgres: Postgres) -> Iterator[PostgresDatabase]:
    database = run_aside(postgres.create(may_use_tables=False))
    run_aside(make_both(database.owner_url, grant_to=database.application))
    yield database
    run_aside(postgres.drop(database))


@asynccontextmanager
async def own_apis(_: pytest.FixtureRequest) -> AsyncGenerator[Backend]:
    """Give each organisation its own ticket API, which has no notion of organisations."""
    apis = {f"key-of-{tenant}".encode(): marked_api(tenant) for tenant in MARKS}

    async def by_key(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await apis[dict(scope["headers"])[b"x-api-key"]](scope, receive, send)

    async with serve(by_key) as address:
        settings = ToolSettings(api_base_url=address, api_key=SecretStr("key-of-the-deployment"))
        yield Backend(settings, KeysOfTheirOwn())


@asynccontextmanager
async def on_sqlite(request: pytest.FixtureRequest) -> AsyncGenerator[Backend]:
    """Share the embedded ticket API, where only the queries separate the organisations."""
    url = copy_sqlite(
        request.getfixturevalue("sqlite_of_both"), request.getfixturevalue("tmp_path") / "tickets.sqlite3"
    )
    yield Backend(ToolSettings(database_url=SecretStr(url)), SharedApi())


@asynccontextmanager
async def on_postgresql(request: pytest.FixtureRequest) -> AsyncGenerator[Backend]:
    """Share the reference API on PostgreSQL, where row-level security separates them as well."""
    server: Postgres = request.getfixturevalue("postgres")
    database = await server.create(template=request.getfixturevalue("postgresql_of_both").name)
    yield Backend(ToolSettings(database_url=SecretStr(database.application_url)), SharedApi())
    await server.drop(database)


@asynccontextmanager
async def signed_in(request: pytest.FixtureRequest) -> AsyncGenerator[Backend]:
    """Give each organisation an identity provider of its own, and one person who is a member of both.

    Both providers know her by the same subject and address. Only one of them says in which organisation she acts.
    """
    folder: Path = request.getfixturevalue("tmp_path")
    url = f"sqlite:///{(folder / 'identity.sqlite3').as_posix()}"
    issuers = {tenant: Signer(f"https://login.{tenant}.example") for tenant in MARKS}
    async with open_store(url, Secrets([SECRET])) as store:
        await store.users.add(MARY)
        for tenant in MARKS:
            await store.tenants.add(tenant)
            await store.memberships.set(MARY, tenant, role="admin")
    people = signing_in(url, SECRET, {issuer: frozenset({tenant}) for tenant, issuer in issuers.items()})

    def headers(tenant: str) -> dict[str, str]:
        claims: dict[str, Any] = {"email": MARY, "email_verified": True, "scope": " ".join(IdentityScope)}
        if tenant == "a":
            claims["tenant"] = tenant
        return {"authorization": f"Bearer {issuers[tenant].token('mary', time.time(), **claims)}"}

    async with people.run(), on_sqlite(request) as backend:
        yield replace(backend, provider=people.provider, headers=headers)


@pytest.fixture(
    params=[own_apis, on_sqlite, signed_in, pytest.param(on_postgresql, marks=pytest.mark.long)],
    ids=lambda made: made.__name__,
)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with request.param(request) as made:
        yield made


@asynccontextmanager
async def organisations(backend: Backend) -> AsyncGenerator[tuple[Client, Client]]:
    """Serve both; yield a client of each. `b` has none of the tickets of `a`."""
    service = TicketService(backend.settings, directory=backend.directory)
    transport = Transport(
        service.server, auth_provider=backend.provider, options=TransportOptions(allowed_hosts=["127.0.0.1"])
    )

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with service.run(), transport.run():
            yield

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(Starlette(routes=transport.routes, lifespan=lifespan)))
        a, b = [await stack.enter_async_context(client_of(url, backend.headers(tenant))) for tenant in MARKS]
        for number in range(2):
            await done(a, "create_ticket", new_ticket("a") | {"idempotencyKey": f"{KEY}-{number}"})
        await done(a, "update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1", "comment": MARKS["a"]})
        yield a, b


@asynccontextmanager
async def client_of(url: str, headers: dict[str, str]) -> AsyncGenerator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


def new_ticket(tenant: str) -> dict[str, Any]:
    return TICKET | {name: f"{name} {MARKS[tenant]}" for name in ("summary", "description")}


async def done(client: Client, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, dict(arguments))
    assert not result.is_error, f"{tool}: {result.content}"
    assert isinstance(result.structured_content, dict)
    return result.structured_content


EXCLUSIVE: Final[Mapping[str, Any]] = MappingProxyType({
    "mine": True, "open": True, "overdue": True, "dueWithin": 3650, "completedFrom": "2020-01-01",
    "completedTo": "2099-01-01", "cursor": "", "addEffortHours": 1.5, "where": None, "changes": None,
    "text": "summary and description",
})  # fmt: skip
"""Arguments that exclude others."""


async def values_of(client: Client) -> dict[str, Any]:
    """Return a value for every argument of every tool: ids that only the organisation of `client` has."""
    ids = {
        name: next(one["id"] for one in rows_of(await done(client, tool, {})) if one["id"].startswith("only-"))
        for name, tool in REFERENCES.items()
    }
    marked = rows_of(await done(client, "get_ticket_list", {"searchQuery": f"summary {MARKS['a']}"}))
    entries = (await done(client, "get_ticket_detail", {"ticketId": "TCK-0001"}))["history"]
    change = {name: ids[name] for name in ("personInChargeId", "accountId", "statusId")} | {"comment": "A comment"}
    several: dict[str, Any] = {
        "ticketIds": [row["ticketId"] for row in marked],
        "change": change,
        "updatedById": "user1",
    }
    return {
        "before": entries[0]["id"] if entries else "1",
        "part": 1,
        **new_ticket("b"),  # what a caller writes belongs to the caller
        **ids,
        "ticketId": marked[0]["ticketId"],
        "comment": "A comment",
        "scheduledCompletionDate": "2026-12-01",
        "completionDate": "2026-12-02",
        "actualEffortHours": 1.5,
        "responseDetails": "Details",
        "hasDefect": True,
        "externalTicketId": "external",
        "remarks": "Remarks",
        "clear": [],
        "attachments": [{"fileName": "a.png", "fileUrl": "https://files.example/a.png"}],
        "idempotencyKey": f"{KEY}-1",
        "allowDuplicate": False,
        "scheduledCompletionDateFrom": "2020-01-01",
        "scheduledCompletionDateTo": "2030-01-01",
        "showCompleted": True,
        "receivedFrom": "2020-01-01",
        "receivedTo": "2099-01-01",
        "updatedSince": "2020-01-01",
        "searchQuery": MARKS["a"],
        "sortBy": "receptionDateTime",
        "sortOrder": "desc",
        "limit": 100,
        "offset": 0,
        "role": "support",
        "query": "only",
        "fields": list(TICKET_COLUMNS),
        "visibility": "public",
        "ifUnchangedSince": "0",
        **several,
        "confirm": (await done(client, "update_tickets", several))["confirm"],
        "groupBy": "account,person",
        "from": "2020-01-01",
        "to": "2099-01-01",
        "since": "2020-01-01",
        "until": "2099-01-01",
        **EXCLUSIVE,
        "where": {"searchQuery": "summary"},
        "changes": [change | {"ticketId": marked[0]["ticketId"]}],
        "cursor": f"rd:2099-01-01T00:00/{marked[0]['ticketId']}",
    }


def calls(values: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return calls of every tool: with required arguments, with one more, with all arguments, with unknown ids."""
    made = []
    for spec in TOOLS:
        schema = schema_of(spec.input_model)
        needed = {name: values[name] for name in schema.get("required", ())}
        everything = {name: values[name] for name in schema["properties"] if name not in EXCLUSIVE}
        references = REFERENCES.keys() & everything
        alone = (references | EXCLUSIVE.keys()) & schema["properties"].keys()
        more = [needed | {name: values[name]} for name in sorted(alone - needed.keys())]
        unowned = everything | dict.fromkeys(references, "absent")
        if spec.name == "update_tickets":
            more += [{"where": values["where"], "change": values["change"]}, {"changes": values["changes"]}]
        made += [(spec.name, arguments) for arguments in (needed, *more, everything, unowned)]
    return made


async def everything_of(client: Client) -> str:
    """Return everything of an organisation as text: all lists, and in full those of its tickets that have a mark.

    Of each result the time is left out, and of lists and reports what grows with time: the mean ages of tickets.
    """
    lists = [await done(client, spec.name, {}) for spec in TOOLS if spec.name.startswith("get_") and not needs(spec)]
    rows = rows_of(await done(client, "get_ticket_list", {"limit": 100, "fields": list(TICKET_COLUMNS)}))
    marked = [row["ticketId"] for row in rows if any(mark in row["summary"] for mark in MARKS.values())]
    tickets = [await done(client, "get_ticket_detail", {"ticketId": one}) for one in ("TCK-0001", *marked)]
    ageless = json.loads(json.dumps(lists), parse_float=lambda _: None)
    untimed = [{name: value for name, value in one.items() if name != "asOf"} for one in (*ageless, *tickets)]
    return json.dumps([rows, untimed], ensure_ascii=False)


def needs(spec: Any) -> bool:
    return bool(schema_of(spec.input_model).get("required"))


@kills("ticket_api/store/connection.py", "== TENANT", "== table.c.tenant_id")
@kills(
    "shared/mcp_tools/tenant_tools.py",
    "key = tenant.id",
    "key = DEFAULT_TENANT.id",
)
async def test_no_tool_shows_or_changes_anything_of_another_organisation(backend: Backend) -> None:
    async with organisations(backend) as (a, b):
        before = await everything_of(a)
        made = calls(await values_of(a))
        assert {tool for tool, _ in made} == {spec.name for spec in TOOLS}
        assert MARKS["a"] in before, "there is nothing that could be shown"

        for tool, arguments in made:
            result = await b.call_tool(tool, arguments)
            assert MARKS["a"] not in result.model_dump_json(), f"{tool}({arguments})"

        assert await everything_of(a) == before
        assert MARKS["a"] not in await everything_of(b)


async def test_a_ticket_of_another_organisation_is_as_unknown_as_one_that_does_not_exist(backend: Backend) -> None:
    async with organisations(backend) as (a, b):
        values = await values_of(a) | {"updatedById": "user1", "userId": "user1"}
        for spec in TOOLS:
            known = schema_of(spec.input_model)["properties"].keys()
            names = {"ticketId", "updatedById", "userId", "comment", "since"} & known
            arguments = {name: values[name] for name in names}
            if "ticketId" not in names:
                continue

            foreign = await b.call_tool(spec.name, arguments)
            unknown = await b.call_tool(spec.name, arguments | {"ticketId": "TCK-9999"})

            assert foreign.is_error
            assert foreign.model_dump_json().replace(values["ticketId"], "TCK-9999") == unknown.model_dump_json()


async def test_writes_to_the_same_ids_stay_in_the_organisation_that_makes_them(backend: Backend) -> None:
    async with organisations(backend) as (a, b):
        before = await everything_of(a)

        created = await done(b, "create_ticket", new_ticket("b") | {"idempotencyKey": f"{KEY}-0"})
        at_one = {"ticketId": "TCK-0001", "comment": MARKS["b"]}
        await done(b, "update_ticket", at_one | {"updatedById": "user2", "summary": MARKS["b"]})
        await done(b, "add_ticket_history", at_one | {"userId": "user2", "idempotencyKey": f"{KEY}-1"})

        assert created["ticket"]["summary"] == new_ticket("b")["summary"], "the other's key was reused"
        assert await everything_of(a) == before
        theirs = await done(b, "get_ticket_detail", {"ticketId": "TCK-0001"})
        assert [entry["comment"] for entry in theirs["history"][:2]] == [MARKS["b"]] * 2


@kills("shared/completions.py", "self._tools_provider.acquire(call.principal)", "self._tools_provider.acquire(None)")
async def test_no_resource_prompt_or_completion_shows_anything_of_another_organisation(backend: Backend) -> None:
    async with organisations(backend) as (a, b):
        of_a = await values_of(a)
        shown = {tenant: await all_that_is_offered(client, of_a) for tenant, client in (("a", a), ("b", b))}

    assert "docs://overview" in shown["b"]
    for own, other in (("a", "b"), ("b", "a")):
        assert f"only-{own} (" in shown[own], "there is nothing that could be shown"
        assert MARKS[other] not in shown[own]
        assert f"only-{other} (" not in shown[own]
    assert of_a["ticketId"] in shown["a"]
    assert f"There is no ticket {of_a['ticketId']}" in shown["b"]


async def all_that_is_offered(client: Client, values: Mapping[str, Any]) -> str:
    """Return all that is offered to a client as text: resources, those of each template, prompts, completions.

    Args:
        client: of one organisation.
        values: those of the other organisation, or its own.
    """
    resources = (await client.list_resources()).resources
    templates = (await client.list_resource_templates()).resource_templates
    prompts = (await client.list_prompts()).prompts
    uris = [f"ticket://{values['ticketId']}", *(f"tickets://master/{kind}" for kind in KINDS)]
    shown: list[Any] = [*resources, *templates, *prompts]
    for uri in (*(resource.uri for resource in resources), *uris):
        try:
            shown.append(await client.read_resource(uri))
        except MCPError as error:
            shown.append(error.error)
    for prompt in prompts:
        arguments = {one.name: "TCK-0001" for one in prompt.arguments or () if one.name != "language"}
        shown.append(await client.get_prompt(prompt.name, arguments))
    arguments_of: list[tuple[PromptReference | ResourceTemplateReference, str]] = [
        *((ResourceTemplateReference(uri=template.uri_template), variable_of(template)) for template in templates),
        *((PromptReference(name=prompt.name), one.name) for prompt in prompts for one in prompt.arguments or ()),
    ]
    for reference, name in arguments_of:
        for typed in ("", "only-a", MARKS["a"], values["ticketId"]):
            shown += [(await client.complete(reference, {"name": name, "value": typed})).completion]
    return "\n".join(one.model_dump_json() for one in shown)


def variable_of(template: ResourceTemplate) -> str:
    """Return the name of the only variable of a template."""
    return template.uri_template.partition("{")[2].rstrip("}")
