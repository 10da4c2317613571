"""The release before this program, out of the history, beside this one: on its databases, and on one Valkey."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import text

from auth.store import open_store
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.databases import Postgres
from tests.processes import HTTP_DOOR, IDENTITY_KEY, KEY, OPERATOR_KEY, ROOT, TICKET_API, Process, http_door
from tests.releases import PREVIOUS, MissingHistoryError, check_out, commit_of
from tests.ticket_api.conftest import new_ticket
from tests.transport.http_client import HttpClient, http_client
from tests.transport.sse_client import sse_session
from tests.valkey import ValkeyServer
from ticket_api.migrate import migrate
from ticket_api.sample import filler

SECRETS: Final = Secrets([IDENTITY_KEY])
AS_SHARED: Final = {"x-api-key": KEY}
AUTH: Final = ("-m", "auth")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A repository with two releases, of which the second has a tag at another commit."""
    git(tmp_path, "init", "--quiet")
    for subject in ("Release 1.0.0", "Release 2.0.0", "Talk about Release 1.0.0", "Release 2.0.0 again"):
        (tmp_path / "said").write_text(subject, "utf-8")
        git(tmp_path, "add", "said")
        git(tmp_path, "commit", "--quiet", "-m", subject)
    git(tmp_path, "tag", "v2.0.0")
    return tmp_path


def test_a_release_is_found_by_its_tag_or_else_by_its_subject(history: Path, tmp_path: Path) -> None:
    for version, subject in (("1.0.0", "Release 1.0.0"), ("2.0.0", "Release 2.0.0 again")):
        assert git(history, "log", "-1", "--format=%s", commit_of(version, repository=history)).strip() == subject
        folder = check_out(version, tmp_path / version, repository=history)
        assert (folder / "said").read_text("utf-8") == subject


def test_a_clone_without_the_history_says_how_to_get_it(history: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-tags", history.as_uri(), "shallow")

    with pytest.raises(MissingHistoryError, match=r"no tag v1\.0\.0 .* `git fetch --unshallow --tags`"):
        commit_of("1.0.0", repository=tmp_path / "shallow")


def test_the_previous_release_is_the_one_that_it_says(previous_release: Path) -> None:
    assert f'VERSION: Final = "{PREVIOUS}"' in (previous_release / "shared" / "server.py").read_text("utf-8")


@pytest.fixture(params=["sqlite", "postgresql"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> AsyncIterator[dict[str, str]]:
    """The settings of a server with users, on databases that this program migrated."""
    if request.param == "sqlite":
        tickets = f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"
        owner, identity, database = tickets, tickets.replace("tickets.", "tickets-identity."), None
    else:
        database = await postgres.create(may_use_tables=False)
        owner, identity, tickets = database.owner_url, database.application_url, database.application_url
    grant_to = None if database is None else database.application
    async with open_engine(resolve_url(owner)) as engine:
        await migrate(engine, fill=filler("en", utc_now), clock=utc_now, grant_to=grant_to)
        if grant_to is not None:
            await prepare(engine)
            await grant(engine, grant_to)
    async with open_store(identity, SECRETS) as store:
        key = await store.first_key("mika@example.com")
    yield {"MCP_DATABASE_URL": tickets, "MCP_IDENTITY_KEYS": IDENTITY_KEY, "MCP_MCP_API_KEY": "", "key": key.text}
    if database is not None:
        await postgres.drop(database)


async def create(client: HttpClient, summary: str) -> str:
    ticket = {name: value for name, value in new_ticket(summary=summary).items() if name != "attachments"}
    return await client.call(summary, "create_ticket", **ticket)


async def test_the_previous_release_serves_what_this_one_migrated_and_gives_it_back(
    settings: dict[str, str], previous_release: Path, tmp_path: Path
) -> None:
    caller = {"x-api-key": settings.pop("key")}
    with http_door(tmp_path, root=str(previous_release), **settings) as (address, old):
        async with http_client(address, caller) as client:
            assert "TCK-0051" in await create(client, "Written by the previous release")
            assert "Written by the previous release" in await client.call(2, "get_ticket_detail", ticketId="TCK-0051")
    assert old.said.count('"database_newer"') == 2, "of the tickets and of the identities"

    with http_door(tmp_path, **settings) as (address, new):
        async with http_client(address, caller) as client:
            assert "Written by the previous release" in await client.call(1, "get_ticket_detail", ticketId="TCK-0051")
            assert "TCK-0052" in await create(client, "Written by this release")
    assert "database_newer" not in new.said


async def test_the_previous_release_refuses_databases_that_do_not_let_it_run(
    settings: dict[str, str], previous_release: Path, tmp_path: Path, postgres: Postgres
) -> None:
    settings.pop("key")
    url = settings["MCP_DATABASE_URL"]
    statement = "DELETE FROM fit_programs"
    if url.startswith("sqlite"):
        async with open_engine(resolve_url(url)) as engine, engine.begin() as connection:
            await connection.execute(text(statement))
    else:
        await postgres.execute(statement, database=url.rpartition("/")[2].partition("?")[0])

    for program in (HTTP_DOOR, (*TICKET_API, "migrate")):
        with Process(program, root=str(previous_release), PORT="0", MCP_ALLOW_ANONYMOUS="true", **settings) as process:
            assert process.wait() == 2
        assert "was made by a newer version of this program, and does not say that this version may" in process.said


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_commands_of_the_previous_release_leave_what_this_one_migrated(
    settings: dict[str, str], previous_release: Path
) -> None:
    settings.pop("key")
    for program, said in (
        ((*TICKET_API, "migrate"), "ticket database is of a newer version, on which this one may run"),
        ((*AUTH, "migrate"), "identity store is of a newer version, on which this one may run"),
        ((*TICKET_API, "tenant", "list"), "default"),
        ((*AUTH, "user", "list"), "mika@example.com"),
    ):
        with Process(program, root=str(previous_release), **settings) as process:
            assert process.wait() == 0
        assert said in process.said


async def test_two_releases_share_a_valkey_without_meeting(
    previous_release: Path, tmp_path: Path, valkey: ValkeyServer
) -> None:
    settings = {"MCP_BROKER_URL": valkey.url}
    with ExitStack() as doors:
        (old, _), (new, left) = (
            doors.enter_context(http_door(tmp_path, root=root, **settings))
            for root in (str(previous_release), str(ROOT))
        )
        async with (
            http_client(old, AS_SHARED) as at_old,
            http_client(new, AS_SHARED) as at_new,
            sse_session(old, AS_SHARED) as over_sse,
        ):
            for client in (at_old, at_new):
                assert await seen_by(client.url) == (2 if client is at_old else 1)
                assert "In progress" in await client.call(1, "get_statuses")
            assert "Already" not in await create(at_old, "Crosses over")
            assert "Already created" in await create(at_new, "Crosses over"), "a repeat at the other release"
            async with http_client(new, AS_SHARED, version=None) as lost:
                lost.belong_to(at_old.session)
                refused = await lost.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert refused.status == 404

            left.end()  # back to the previous release
            assert "In progress" in await at_old.call(2, "get_statuses")
            assert not (await over_sse.call("get_statuses")).get("isError")
            assert "Already created" in await create(at_old, "Crosses over")


async def seen_by(address: str) -> int:
    """Return how many sessions an operator sees there."""
    async with httpx2.AsyncClient(base_url=address, headers={"x-api-key": OPERATOR_KEY}) as http:
        sessions: Any = (await http.get("/sessions")).json()
    return len(sessions["sessions"])
