"""Fixtures: clients of the ticket API over each database, and of the stand-in for the existing API.

Every test has its own data: a copy of a template that is migrated and filled once per test process.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import pytest
from starlette.types import ASGIApp

from shared.storage.database import open_engine, resolve_url
from tests import standin
from tests.databases import Postgres, PostgresDatabase, copy_sqlite, run_aside
from ticket_api import create_app
from ticket_api.migrate import migrate
from ticket_api.sample import filler

NOW: Final = datetime(2026, 11, 20, 3, 4, 5, 678000, tzinfo=UTC)
KEY: Final = "a-key-for-tests-of-the-ticket-api"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def make(url: str, language: Literal["en", "ja", "none"] = "en", grant_to: str | None = None) -> None:
    """Migrate the database at `url` as its owner, and create the tenant `default` as of NOW."""
    async with open_engine(resolve_url(url)) as engine:
        await migrate(engine, fill=filler(language, lambda: NOW), clock=lambda: NOW, grant_to=grant_to)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ticket_api") / "template.sqlite3"
    run_aside(make(f"sqlite:///{path.as_posix()}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """A template in which the application has only the rights that `migrate` grants."""
    database = run_aside(postgres.create(may_use_tables=False))
    run_aside(make(database.owner_url, grant_to=database.application))
    yield database
    run_aside(postgres.drop(database))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A filled SQLite file."""
    return copy_sqlite(sqlite_template, tmp_path / "tickets.sqlite3")


@pytest.fixture
async def filled_postgres(postgres: Postgres, postgres_template: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    """A filled PostgreSQL database."""
    database = await postgres.create(template=postgres_template.name)
    yield database
    await postgres.drop(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A filled database of each kind, opened as the application role."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("filled_postgres").application_url)


def client_of(app: ASGIApp, **headers: str) -> httpx2.AsyncClient:
    """Return a client that calls `app` in process, as the embedded use does."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://tickets.test", headers=headers)


@asynccontextmanager
async def running(url: str, clock: Callable[[], datetime], key: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the reference API over `url` and yield a client that sends its key."""
    app = create_app(database_url=url, api_keys=[key] if key else (), clock=clock)
    async with app.router.lifespan_context(app), client_of(app, **({"x-api-key": key} if key else {})) as client:
        yield client


@pytest.fixture
async def api(database_url: str, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """The reference API over each database."""
    async with running(database_url, clock) as client:
        yield client


@pytest.fixture
async def sqlite_api(sqlite_url: str, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """The reference API over SQLite, for tests that do not depend on the database."""
    async with running(sqlite_url, clock) as client:
        yield client


@pytest.fixture(params=["sqlite", "postgresql", "existing"])
def backend(request: pytest.FixtureRequest) -> str:
    """The URL of a filled database of each kind, or an empty text for the existing API."""
    if request.param == "existing":
        return ""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("filled_postgres").application_url)


@pytest.fixture
async def any_api(backend: str, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """Each of the three: the reference API over both databases, and the stand-in for the existing API."""
    if not backend:
        async with client_of(standin.create_app(api_key=KEY, now=clock), **{"x-api-key": KEY}) as client:
            yield client
        return
    async with running(backend, clock, KEY) as client:
        yield client


def new_ticket(**more: Any) -> dict[str, Any]:
    """Return the body of a ticket that all three accept."""
    return {
        "requestorId": "user6",
        "accountId": "acc1",
        "categoryId": "cat1",
        "categoryDetailId": "catd1",
        "requestChannelId": "ch1",
        "summary": "Keyboard types the wrong letters",
        "description": "Since the update every z is a y.",
        "personInChargeId": "user1",
        "statusId": "stat1",
        **more,
    }
