"""Two instances over PostgreSQL: races of refreshes sign out no user, and every replay of a used token is detected."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import httpx2
import pytest

from auth.store import IdentityStore, open_store
from auth.store.authorization.records import Authorization
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.auth.authorization_server.tokens.installation import (
    BOTH,
    DESKTOP,
    REDIRECT,
    VERIFIER,
    Answer,
    answer,
    challenge_of,
)
from tests.databases import Postgres, PostgresDatabase
from tests.processes import IDENTITY_KEY, http_door
from tests.test_token_ends import INITIALIZE, STREAMS
from ticket_api.migrate import migrate as migrate_tickets
from ticket_api.sample import filler

PUBLIC: Final = "http://127.0.0.1:8080"
ADDRESSES: Final = ("127.0.0.1", "127.0.0.2")
USERS: Final = 20
ROUNDS: Final = 25
"""Of refreshes of each user, each sent from both addresses at once: 1,000 in all."""
SETTINGS: Final = {
    "MCP_IDENTITY_KEYS": IDENTITY_KEY,
    "MCP_MCP_API_KEY": "",
    "MCP_OAUTH_ENABLED": "true",
    "MCP_OAUTH_CLIENT_ID": "1234-ours.apps.googleusercontent.com",
    "MCP_OAUTH_CLIENT_SECRET": "only-for-the-provider-of-the-tests",
    "MCP_PUBLIC_URL": PUBLIC,
    "MCP_REVOKE_WITHIN": "1",
}

ALLOWED: Final = Authorization(
    user="",
    identity="",
    tenant="acme",
    client_id=DESKTOP,
    redirect_uri=REDIRECT,
    resource=f"{PUBLIC}/mcp",
    scopes=BOTH,
)


@asynccontextmanager
async def migrated(postgres: Postgres) -> AsyncGenerator[PostgresDatabase]:
    database = await postgres.create(may_use_tables=False)
    async with open_engine(resolve_url(database.owner_url)) as owner:
        await migrate_tickets(owner, fill=filler("en", utc_now), clock=utc_now, grant_to=database.application)
        await prepare(owner)
        await grant(owner, database.application)
    yield database
    await postgres.drop(database)


class Instances:
    """Instances of a server, each asked from an address of its own. Leaving the block ends them."""

    def __init__(self, database_url: str) -> None:
        self._settings = SETTINGS | {"MCP_DATABASE_URL": database_url}
        self._running = AsyncExitStack()
        self._clients: list[httpx2.AsyncClient] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def start(self) -> None:
        """Start one more."""
        door, _ = self._running.enter_context(http_door(Path(), **self._settings))
        transport = httpx2.AsyncHTTPTransport(local_address=ADDRESSES[len(self._clients)])
        client = httpx2.AsyncClient(base_url=door, transport=transport, timeout=30)
        self._clients.append(await self._running.enter_async_context(client))

    async def token(self, place: int, **form: str) -> httpx2.Response:
        return await self._clients[place].post("/token", data={"client_id": DESKTOP, **form})

    async def refresh(self, token: str) -> list[httpx2.Response]:
        """Refresh on both instances at once."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await asyncio.gather(*(self.token(place, **form) for place in range(2)))

    async def call(self, token: str) -> list[int]:
        """Return the status of a call on each instance."""
        headers = STREAMS | {"authorization": f"Bearer {token}"}
        calls = (client.post("/mcp", json=INITIALIZE, headers=headers) for client in self._clients)
        return [response.status_code for response in await asyncio.gather(*calls)]

    async def until_refused(self, token: str) -> None:
        """Return once neither instance accepts calls with a token."""
        async with asyncio.timeout(30):
            while await self.call(token) != [401, 401]:  # noqa: ASYNC110 - what the instances know has no event here
                await asyncio.sleep(0.1)


@dataclass
class Person:
    """What the client of one user has: every refresh token that it ever got, and the newest answer."""

    refresh_tokens: list[str]
    newest: Answer

    async def refresh(self, instances: Instances) -> None:
        """Refresh by both instances at once; both must answer, with one successor."""
        responses = await instances.refresh(self.refresh_tokens[-1])
        assert [response.status_code for response in responses] == [200, 200]
        [successor] = {answer(response)["refresh_token"] for response in responses}
        self.refresh_tokens.append(successor)
        self.newest = answer(responses[len(self.refresh_tokens) % 2])


async def sign_in(store: IdentityStore, instances: Instances, number: int) -> Person:
    """Let a new user sign in: the code is issued by this process and redeemed on the first instance."""
    email = f"user{number}@acme.example"
    await store.users.add(email)
    await store.memberships.set(email, "acme", role="agent")
    identity = await store.identities.add(issuer="https://accounts.google.com", subject=str(number), user=email)
    code = await store.codes.issue(
        replace(ALLOWED, user=identity.owner, identity=identity.id), code_challenge=challenge_of(VERIFIER)
    )
    form = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, "resource": f"{PUBLIC}/mcp"}
    response = await instances.token(0, grant_type="authorization_code", **form)
    assert response.status_code == 200, response.text
    return Person([answer(response)["refresh_token"]], answer(response))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_races_sign_out_no_user_and_every_replay_is_detected(postgres: Postgres) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(migrated(postgres))
        store = await stack.enter_async_context(open_store(database.application_url, Secrets([IDENTITY_KEY])))
        await store.tenants.add("acme")
        instances = await stack.enter_async_context(Instances(database.application_url))
        await instances.start()
        people = [await sign_in(store, instances, number) for number in range(USERS)]
        await instances.start()  # what it has to know is in the database, as after a restart

        async def keep_refreshing(person: Person) -> None:
            for _ in range(ROUNDS):
                await person.refresh(instances)

        await asyncio.gather(*map(keep_refreshing, people), store.signing_keys.rotate())
        assert {len(person.refresh_tokens) for person in people} == {ROUNDS + 1}
        assert [await instances.call(person.newest["access_token"]) for person in people] == [[200, 200]] * USERS

        robbed, others = people[: USERS // 2], people[USERS // 2 :]
        replays = await asyncio.gather(
            *(instances.refresh(person.refresh_tokens[number]) for number, person in enumerate(robbed))
        )
        assert {response.status_code for pair in replays for response in pair} == {400}
        for person in robbed:
            assert [each.status_code for each in await instances.refresh(person.refresh_tokens[-1])] == [400, 400]
            await instances.until_refused(person.newest["access_token"])
        await asyncio.gather(*(person.refresh(instances) for person in others))
        revoked = [grant.revoked_because for grant in await store.grants.all()]

    assert sorted(map(str, revoked)) == ["None"] * len(others) + ["replay"] * len(robbed)
