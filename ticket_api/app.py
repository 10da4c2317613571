"""Puts the API together: settings in, a FastAPI app out, everything opened and closed by its lifespan."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Literal

from fastapi import FastAPI

from shared.database import Database, open_engine, resolve_url
from ticket_api import openapi, refusals
from ticket_api.guard import Guard
from ticket_api.migrate import prepare
from ticket_api.routes import master_routes, open_routes, ticket_routes
from ticket_api.sample import filler
from ticket_api.times import utc_now


def create_app(
    *,
    database_url: str,
    api_key: str | None = None,
    sample_data: Literal["en", "ja", "none"] = "en",
    clock: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """Return the API over `database_url` (SQLite file or PostgreSQL); nothing is opened before its lifespan runs.

    `api_key` is what clients must send as `x-api-key`; without one everybody may ask, which is meant for use in
    process and on loopback. `sample_data` fills a database that holds no users yet, dated relative to `clock()`,
    which must be aware.

    Raises:
        ValueError: the URL is not one of SQLite or PostgreSQL.
        DatabaseNotReadyError: (when the lifespan starts) the database is not ready and cannot be made so.
    """
    url = resolve_url(database_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_engine(url) as engine:
            await prepare(engine, filler(sample_data, clock))
            app.state.database = Database(engine)
            yield

    app = FastAPI(
        title="Ticket API",
        version=openapi.VERSION,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.clock = clock
    for router in (open_routes, ticket_routes, master_routes):
        app.include_router(router)
    refusals.install(app)
    app.add_middleware(Guard, api_key=api_key)
    describe: Callable[[], dict[str, Any]] = partial(openapi.document, app, needs_key=api_key is not None)
    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way of changing the document
    return app
