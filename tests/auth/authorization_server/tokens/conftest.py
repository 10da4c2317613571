"""One installation of a client, over each database or over SQLite alone."""

from collections.abc import AsyncIterator

import pytest

from auth.store import IdentityStore
from tests.auth.authorization_server.tokens.installation import Installation, add_mary, installed


@pytest.fixture
async def everywhere(store: IdentityStore) -> AsyncIterator[Installation]:
    async with installed(store, await add_mary(store)) as installation:
        yield installation


@pytest.fixture
async def desktop(sqlite_store: IdentityStore) -> AsyncIterator[Installation]:
    async with installed(sqlite_store, await add_mary(sqlite_store)) as installation:
        yield installation
