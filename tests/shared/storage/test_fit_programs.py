"""A program runs on a newer database exactly if that says so, and leaves it as it is."""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from auth.store import open_store
from auth.store.migrate import MIGRATIONS as OF_IDENTITY
from auth.store.migrate import grant, in_schema
from auth.store.migrate import prepare as migrate_identity
from shared.storage.database import open_engine, resolve_url
from shared.storage.fit_programs import fit_revisions
from shared.storage.migrations import DatabaseNotReadyError, Migrations, Standing
from shared.time_zones import utc_now
from tests.auth.conftest import SECRETS
from tests.captured_logs import capture_logs
from tests.databases import PostgresDatabase
from tests.processes import TICKET_API, Process, environment
from tests.ticket_api.conftest import new_ticket, running
from ticket_api.migrate import MIGRATIONS as OF_TICKETS
from ticket_api.migrate import migrate as migrate_tickets
from ticket_api.sample import filler

NEWER: Final = "9999"
ALL: Final = (OF_TICKETS, OF_IDENTITY)


def script_of(migrations: Migrations) -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations._config())


@dataclass(frozen=True)
class Place:
    """A database of this version, whose migrations ran."""

    migrations: Migrations
    owner_url: str
    application_url: str
    application: str

    @property
    def head(self) -> str:
        return str(script_of(self.migrations).get_current_head())

    def start(self) -> AbstractAsyncContextManager[Any]:
        """Start the program that serves, and write with it."""
        return _tickets(self.application_url) if self.migrations is OF_TICKETS else _identity(self.application_url)

    async def migrate(self) -> Standing:
        async with open_engine(resolve_url(self.owner_url)) as engine:
            if self.migrations is OF_IDENTITY:
                return await migrate_identity(engine)
            return await migrate_tickets(engine, fill=filler("en", utc_now), clock=utc_now)

    async def run(self, statement: str, **values: str) -> None:
        """Run a statement as the owner; `{}` in it is the schema."""
        async with open_engine(resolve_url(self.owner_url)) as engine, engine.begin() as connection:
            await connection.execute(text(statement.format(self._schema(engine.dialect.name))), values)

    async def make_newer(self) -> None:
        """Have a later release migrate it, whose migrations fit programs of this one."""
        await self.run("UPDATE {}alembic_version SET version_num = :newer", newer=NEWER)
        await self.run("DELETE FROM {}fit_programs")
        for program in (NEWER, self.head):
            await self.run("INSERT INTO {}fit_programs VALUES (:newer, :program)", newer=NEWER, program=program)

    async def version(self) -> str:
        async with open_engine(resolve_url(self.owner_url)) as engine, engine.connect() as connection:
            table = f"{self._schema(engine.dialect.name)}alembic_version"
            return str(await connection.scalar(text(f"SELECT version_num FROM {table}")))  # noqa: S608 - a constant

    def _schema(self, dialect: str) -> str:
        return f"{self.migrations.schema}." if self.migrations.schema and dialect == "postgresql" else ""


@asynccontextmanager
async def _tickets(url: str) -> AsyncIterator[None]:
    async with running(url, utc_now) as api:
        assert (await api.post("/tickets", json=new_ticket())).status_code == 201
        assert (await api.get("/tickets")).status_code == 200
        yield


@asynccontextmanager
async def _identity(url: str) -> AsyncIterator[None]:
    async with open_store(url, SECRETS) as store:
        await store.tenants.add("acme", name="ACME")
        assert "acme" in [one.id for one in await store.tenants.all()]
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, str]:
    """The URLs of an empty database for its owner and the application, and the role of the latter."""
    if request.param == "sqlite":
        url = f"sqlite:///{(tmp_path / 'here.sqlite3').as_posix()}"
        return url, url, ""
    database: PostgresDatabase = request.getfixturevalue("empty_postgres")
    return database.owner_url, database.application_url, database.application


@pytest.fixture(params=ALL, ids=["tickets", "identity"])
async def place(request: pytest.FixtureRequest, urls: tuple[str, str, str]) -> Place:
    """Each database of this program, on each kind of database server."""
    place = Place(request.param, *urls)
    await place.migrate()
    if place.migrations is OF_IDENTITY:
        async with open_engine(resolve_url(place.owner_url)) as engine:
            await grant(engine, place.application)
    return place


@pytest.mark.parametrize("migrations", ALL, ids=["tickets", "identity"])
def test_each_migration_states_programs_of_which_revision_may_run_on_its_result(migrations: Migrations) -> None:
    older = list[str]()
    for revision in reversed([*script_of(migrations).walk_revisions()]):
        older.append(revision.revision)
        stated = getattr(revision.module, "fits_programs_from", "nothing")
        assert stated in older, f"{revision.path} states {stated}: name this revision or an older one"


def migrations_that_state(folder: Path, **stated: str) -> ScriptDirectory:
    """Make a folder of migrations that follow each other, by revision."""
    (folder / "versions").mkdir()
    before: str | None = None
    for revision, oldest in stated.items():
        lines = (f"revision = {revision!r}", f"down_revision = {before!r}", f"fits_programs_from = {oldest!r}")
        (folder / "versions" / f"{revision}.py").write_text("\n".join(lines), "utf-8")
        before = revision
    config = Config()
    config.set_main_option("script_location", str(folder))
    return ScriptDirectory.from_config(config)


@pytest.mark.parametrize(
    ("stated", "fit"),
    [
        ({"a": "a"}, ["a"]),
        ({"a": "a", "expand": "a"}, ["expand", "a"]),
        ({"a": "a", "expand": "a", "contract": "expand"}, ["contract", "expand"]),
        ({"a": "a", "expand": "a", "contract": "expand", "index": "contract"}, ["index", "contract"]),
        ({"a": "a", "expand": "a", "contract": "expand", "index": "a"}, ["index", "contract", "expand"]),
        ({"a": "a", "new": "new"}, ["new"]),
    ],
)
def test_a_program_fits_if_every_migration_that_it_lacks_fits_it(
    stated: dict[str, str], fit: list[str], tmp_path: Path
) -> None:
    assert fit_revisions(migrations_that_state(tmp_path, **stated)) == fit


async def test_whoever_migrates_records_which_programs_may_run(place: Place) -> None:
    async with open_engine(resolve_url(place.application_url)) as engine, engine.connect() as connection:
        table = f"{place._schema(engine.dialect.name)}fit_programs"
        rows = await connection.execute(text(f"SELECT tables, program FROM {table}"))  # noqa: S608 - a constant

        assert {tuple(row) for row in rows} == {(place.head, one) for one in fit_revisions(script_of(place.migrations))}


async def test_a_program_runs_on_a_newer_database_that_says_that_it_may(place: Place) -> None:
    await place.make_newer()

    with capture_logs() as logs:
        async with place.start():
            pass

    said = {line["hint"] for line in logs if line["message"] == "database_newer"}
    assert said == {
        f"The {place.migrations.what} is of a newer version ({NEWER}) and says that this one ({place.head}) may run on "
        "it. Nothing is migrated."
    }
    assert await place.version() == NEWER


@pytest.mark.parametrize("statement", [
    "DELETE FROM {}fit_programs WHERE program <> '9999'",
    "UPDATE {}fit_programs SET tables = '9998'",  # what was said before somebody migrated without saying anything
    "DROP TABLE {}fit_programs",
    "ALTER TABLE {}fit_programs RENAME COLUMN program TO revision",
], ids=["no", "of other tables", "no table", "no column"])  # fmt: skip
async def test_every_other_newer_database_is_refused(place: Place, statement: str) -> None:
    await place.make_newer()
    await place.run(statement)

    for use in (place.start().__aenter__, place.migrate):
        with pytest.raises(DatabaseNotReadyError, match=r"made by a newer version of this program, and does not say"):
            await use()
    assert await place.version() == NEWER


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_a_statement_that_the_role_may_not_read_is_a_refusal(place: Place) -> None:
    await place.make_newer()
    await place.run(f'REVOKE ALL ON {{}}fit_programs FROM PUBLIC, "{place.application}"')

    with pytest.raises(DatabaseNotReadyError, match=r"made by a newer version of this program, and does not say"):
        await place.start().__aenter__()


@pytest.mark.parametrize("is_seen", [True, False], ids=["found so", "migrated while this one waits for the lock"])
async def test_who_migrates_leaves_a_newer_database_as_it_is(
    place: Place, is_seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.make_newer()
    if not is_seen:

        async def look_at(*_: object) -> tuple[Standing, bool]:
            return Standing.OLDER, False

        monkeypatch.setattr(Migrations, "_look_at", look_at)

    def touch(_: Connection) -> None:
        pytest.fail("a newer database was filled")

    assert await place.migrate() is Standing.NEWER
    async with open_engine(resolve_url(place.owner_url)) as engine:
        there = in_schema(engine) if place.migrations is OF_IDENTITY else engine
        assert await place.migrations.apply(there, is_filled=lambda _: False, fill=touch) is Standing.NEWER
    assert await place.version() == NEWER


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_the_command_that_migrates_says_that_it_changed_nothing(place: Place, tmp_path: Path) -> None:
    await place.make_newer()
    identity = tmp_path / "here-identity.sqlite3"
    if place.migrations is OF_IDENTITY:  # its file is beside that of the tickets
        (tmp_path / "here.sqlite3").rename(identity)
    program = TICKET_API if place.migrations is OF_TICKETS else ("-m", "auth")

    with Process((*program, "migrate"), **environment(MCP_DATABASE_URL=place.owner_url)) as process:
        assert process.wait() == 0

    assert re.search(rf"The {place.migrations.what} is of a newer version, on which this one may run", process.said)
