"""Builds the API: settings in, a FastAPI app out; its lifespan opens and closes everything."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, Final, Literal

from fastapi import FastAPI

from shared.audit import LoggedAuditTrail
from shared.failed_attempts import FailedAttempts
from shared.periodic import periodic_task
from shared.storage.database import open_engine, resolve_url
from shared.storage.transactions import open_transactions
from shared.storage.write_check import WriteCheck
from shared.time_zones import in_zone, machine_zone, utc_now, zone_name
from ticket_api.http import openapi, refusals
from ticket_api.http.api_key_middleware import ApiKeyMiddleware, WrongKeyError
from ticket_api.http.disconnects import Departures
from ticket_api.http.history_routes import history_routes
from ticket_api.http.import_routes import import_routes
from ticket_api.http.master_routes import routes as master_writes
from ticket_api.http.request_traces import RequestTraces
from ticket_api.http.routes import master_routes, open_routes, ticket_routes
from ticket_api.http.statistics_routes import statistics_routes
from ticket_api.keys import Caller, CallerOf, KeyRing
from ticket_api.migrate import prepare, refuse_what_policies_do_not_bind
from ticket_api.renames import finish_all_renames
from ticket_api.sample import filler
from ticket_api.store import idempotency
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import DEFAULT, TenantDatabase

ROUTERS: Final = (
    *(open_routes, statistics_routes, history_routes, import_routes, ticket_routes, master_routes, master_writes),
)
"""Their routes serve every app as they are: including a router would make each route again for each app."""
UNFINISHED_RENAMES_S: Final = 300
"""Interval at which renames are finished that another process has left unfinished, in seconds."""


def create_app(
    *,
    database_url: str,
    api_keys: Sequence[str] = (),
    tenant_of: Callable[[str], str | None] | None = None,
    sample_data: Literal["en", "ja", "none"] = "en",
    trusted_proxies: int = 0,
    zone: tzinfo | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """Return the API over `database_url` (SQLite file or PostgreSQL); nothing is opened before its lifespan runs.

    The tenant of a request is determined by its `x-api-key` and by nothing else:

    - Each of `api_keys` is a key of the tenant `default`: one, or two while it is rotated; keys in the database belong
      to theirs. Addresses that present wrong keys are throttled; `trusted_proxies` is how many reverse proxies of this
      deployment add to `X-Forwarded-For`.
    - `tenant_of` is for a program that embeds this app: it returns the tenant of a key, or None for an unknown key.
      Keys in the database are then ignored.
    - Without either, no key is required and every request belongs to the tenant `default`: in process and on loopback.

    Master data is changed and tickets are imported only by keys in the database that may administer, and where no key
    is required: not by `api_keys`, which programs such as an MCP server hold, nor by a program that embeds this app.

    Dates and `receptionDateTime` are in `zone`, by default that of this machine; `/health` names it.

    The tenant `default` is created at startup (PostgreSQL: by `python -m ticket_api migrate`) and filled with
    `sample_data`, dated relative to `clock()`, which must be timezone-aware. A tenant named by `tenant_of` is created
    at its first request and begins empty. Each is created once, however many processes there are.

    Raises:
        ValueError: the URL names no SQLite or PostgreSQL database, or both `api_keys` and `tenant_of` are given.
        DatabaseNotReadyError: (when the lifespan starts) the database is not ready and cannot be prepared, or
            PostgreSQL would show its role every tenant's rows.
    """
    if api_keys and tenant_of is not None:
        raise ValueError("Give either api_keys or tenant_of, not both.")
    url = resolve_url(database_url)
    zone = zone or machine_zone()
    clock = in_zone(zone, clock)
    fill = filler(sample_data, clock)
    trail = LoggedAuditTrail()
    attempts = None if not api_keys else FailedAttempts(_is_wrong_key, trail=trail)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_engine(url) as engine:
            await prepare(engine, fill=fill, clock=clock)
            await refuse_what_policies_do_not_bind(engine)
        async with open_transactions(url) as transactions:
            app.state.tenants = TenantDatabase(transactions, clock=clock)
            app.state.write_check = check = WriteCheck(partial(app.state.tenants.write, DEFAULT, take_back))
            finish = partial(finish_all_renames, app.state.tenants)
            renames = periodic_task(finish, name="finish_renames", every_s=UNFINISHED_RENAMES_S)
            async with renames, nullcontext() if attempts is None else attempts.run():
                yield
            await check.join()

    def take_back(db: TenantConnection) -> None:
        idempotency.write_and_take_back(db, clock())

    async def ask_embedder(key: str) -> Caller | None:
        tenant = tenant_of(key) if tenant_of is not None else None
        return None if tenant is None else Caller(tenant)

    app = FastAPI(
        title="Ticket API",
        version=openapi.VERSION,
        description=openapi.DESCRIPTION,
        routes=[route for router in ROUTERS for route in router.routes],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.clock = clock
    app.state.trail = trail
    app.state.zone_name = zone_name(zone)
    refusals.install(app)
    whose: CallerOf | None = None if tenant_of is None else ask_embedder
    if api_keys:
        whose = KeyRing(api_keys, lambda: app.state.tenants.transactions).caller_of
    app.add_middleware(Departures)
    app.add_middleware(ApiKeyMiddleware, caller_of=whose, attempts=attempts, trusted_proxies=trusted_proxies)
    app.add_middleware(RequestTraces)
    describe: Callable[[], dict[str, Any]] = partial(openapi.document, app, needs_key=whose is not None)
    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to change the document
    return app


def _is_wrong_key(error: Exception) -> bool:
    return isinstance(error, WrongKeyError)
