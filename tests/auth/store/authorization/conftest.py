"""The store as two instances open it, with Mika, who signed in and may work in acme."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from auth.store import IdentityStore
from auth.store.authorization.grants import IssuedGrant
from auth.store.authorization.records import Authorization
from auth.store.tables import metadata
from shared.identity import Scope
from shared.storage.database import open_engine, resolve_url
from tests.auth.conftest import SECRETS, Clock

MIKA: Final = "mika@example.com"
ISSUER: Final = "https://accounts.google.com"
CLAUDE: Final = "https://claude.ai/oauth/mcp-oauth-client-metadata"
CALLBACK: Final = "https://claude.ai/api/mcp/auth_callback"


@dataclass(frozen=True)
class Mika:
    """One user, on two instances of the server with one database."""

    store: IdentityStore
    other: IdentityStore
    """Another instance."""
    authorization: Authorization

    async def code(self, **changed: Any) -> str:
        return await self.store.codes.issue(replace(self.authorization, **changed), code_challenge="c" * 43)

    async def sign_in(self, **changed: Any) -> IssuedGrant:
        begun = await self.store.grants.begin(await self.code(**changed))
        assert begun is not None
        return begun

    async def refresh(self, token: str, *, client_id: str = CLAUDE) -> IssuedGrant:
        refreshed = await self.store.grants.refresh(token, client_id=client_id)
        assert isinstance(refreshed, IssuedGrant), refreshed
        return refreshed

    async def audited(self, action: str) -> list[tuple[str, str, str, str]]:
        """The tenant, actor, object and detail of each event of that kind, sorted."""
        events = [event async for event in self.store.audit.events()]
        return sorted((each.tenant, each.actor, each.object, each.detail) for each in events if each.action == action)

    async def count(self, table: str) -> int:
        return await count(self.store, table)


async def count(store: IdentityStore, table: str) -> int:
    """Return how many rows a table has."""
    async with store._transactions.reading() as connection:
        return int(await connection.scalar(select(func.count()).select_from(metadata.tables[table])) or 0)


@pytest.fixture
async def other(identity_url: str, clock: Clock) -> AsyncIterator[IdentityStore]:
    """A second instance on the database of `store`, with connections of its own."""
    async with open_engine(resolve_url(identity_url)) as engine:
        yield IdentityStore(engine, SECRETS, clock=clock)


@pytest.fixture
async def mika(store: IdentityStore, other: IdentityStore) -> Mika:
    return await signed_in(store, other)


@pytest.fixture
async def sqlite_mika(sqlite_store: IdentityStore) -> Mika:
    """The same over SQLite, for tests that do not depend on the database."""
    return await signed_in(sqlite_store, sqlite_store)


async def signed_in(store: IdentityStore, other: IdentityStore) -> Mika:
    await store.tenants.add("acme")
    user = await store.users.add(MIKA)
    await store.memberships.set(MIKA, "acme", role="agent", ticket_user="user1")
    identity = await store.identities.add(issuer=ISSUER, subject="1", user=MIKA)
    allowed = Authorization(
        user=user.id,
        identity=identity.id,
        tenant="acme",
        client_id=CLAUDE,
        redirect_uri=CALLBACK,
        resource="https://tickets.example/mcp",
        scopes=frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE}),
    )
    return Mika(store, other, allowed)
