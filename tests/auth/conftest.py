"""Fixtures for the identity store over each database, as an operator or a server opens it.

Every test has its own data: a copy of a template that is migrated once per test process.
"""

import hmac
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from auth.store import IdentityStore, open_store
from auth.store.peppers import Secrets
from auth.store.records import NewKey
from shared.storage.database import POSTGRESQL_LIMITS
from tests.databases import Postgres, PostgresDatabase, copy_sqlite, run_aside

SECRET: Final = "a-secret-of-the-identity-store-for-tests"
NEWER_SECRET: Final = "another-secret-that-is-put-in-front-of-it"
SECRETS: Final = Secrets([SECRET])
NOW: Final = datetime(2026, 11, 20, 3, 4, 5, 678000, tzinfo=UTC)


class Clock:
    """A clock that stands still until a test moves it: datetimes for the store, seconds for a cache."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()

    def go_on(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store answer as slowly as the machine is; a test of a limit sets it itself."""
    monkeypatch.setattr("auth.cache.ASK_S", 30.0)
    monkeypatch.setattr("shared.storage.write_check.LIMIT_S", 30.0)
    for limit in ("statement_timeout", "lock_timeout"):
        monkeypatch.setitem(POSTGRESQL_LIMITS, limit, "30000")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The lengths of the values that `hmac.compare_digest` compared, in order."""
    lengths: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        lengths.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    return lengths


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def migrate(url: str) -> None:
    async with open_store(url, SECRETS):
        pass


@pytest.fixture(scope="session")
def sqlite_identity_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auth") / "template.sqlite3"
    run_aside(migrate(f"sqlite:///{path.as_posix()}"))
    return path


@pytest.fixture(scope="session")
def postgres_identity_template(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """A database that its owner migrated and made accessible to the application, as `make_ready` says."""
    database = run_aside(postgres.create())
    run_aside(migrate(database.owner_url))
    grant = f'GRANT USAGE ON SCHEMA identity TO "{postgres.application}"'
    run_aside(postgres.execute(grant, database=database.name))
    yield database
    run_aside(postgres.drop(database))


@pytest.fixture
def sqlite_identity_url(sqlite_identity_template: Path, tmp_path: Path) -> str:
    return copy_sqlite(sqlite_identity_template, tmp_path / "identity.sqlite3")


@pytest.fixture
async def migrated_postgres(
    postgres: Postgres, postgres_identity_template: PostgresDatabase
) -> AsyncIterator[PostgresDatabase]:
    database = await postgres.create(template=postgres_identity_template.name)
    yield database
    await postgres.drop(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def identity_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind, opened as the application role."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_identity_url"))
    return str(request.getfixturevalue("migrated_postgres").application_url)


@pytest.fixture
async def store(identity_url: str, clock: Clock) -> AsyncIterator[IdentityStore]:
    """The store over each database."""
    async with open_store(identity_url, SECRETS, clock=clock) as opened:
        yield opened


@pytest.fixture
async def key(store: IdentityStore) -> NewKey:
    """A key of Mika, an agent of acme."""
    await store.tenants.add("acme")
    await store.users.add("mika@example.com")
    await store.memberships.set("mika@example.com", "acme", role="agent", ticket_user="user1")
    return await store.keys.create("acme", user="mika@example.com", name="laptop")


@pytest.fixture
async def sqlite_store(sqlite_identity_url: str, clock: Clock) -> AsyncIterator[IdentityStore]:
    """The store over SQLite, for tests that do not depend on the database."""
    async with open_store(sqlite_identity_url, SECRETS, clock=clock) as opened:
        yield opened
