"""The steps of docs/recovery.md for MCP_IDENTITY_KEYS: instances of neighbouring steps serve at the same time."""

from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from auth.store import IdentityStore, open_store
from auth.store.peppers import Secrets
from auth.store.upkeep.secret_fit import misfits
from auth.stored_keys import StoredKeyAuthProvider
from auth.tenant_directory import StoredTenantDirectory
from shared.identity import AuthenticationError, Tenant
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.recovery.desk import SECRET as OLD
from tests.recovery.desk import UPSTREAM_KEY, fill_identity

NEW: Final = "the-secret-that-takes-the-place-of-the-old"
STEPS: Final = ((OLD,), (OLD, NEW), (NEW, OLD), (NEW,))


class Instance:
    """A server with some secrets, over the identity store that all share."""

    def __init__(self, store: IdentityStore, secrets: Secrets) -> None:
        self.store = store
        self.keys = StoredKeyAuthProvider(store, secrets, cache_s=0.001)
        self.directory = StoredTenantDirectory(store, secrets, cache_s=0.001)

    async def new_key(self) -> str:
        """Make a key for Mika."""
        return (await self.store.keys.create("acme", user="mika@example.com", name="another")).text

    async def serves(self, keys: list[str]) -> bool:
        """Authenticate with each key, record the uses, open the sealed key and read the signing keys."""
        for key in keys:
            await self.keys.owner_of(key)
        await self.keys.note_uses()
        upstream = await self.directory.upstream_of(Tenant("acme"))
        return upstream.api_key == UPSTREAM_KEY and bool(await self.store.signing_keys.usable())


async def test_identity_keys_are_rotated_while_instances_of_both_steps_serve(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'identity.sqlite3').as_posix()}"
    keys = [await fill_identity(url)]
    for before, now in pairwise(STEPS):
        async with open_store(url, Secrets(before)) as of_before, open_store(url, Secrets(now)) as of_now:
            older, newer = Instance(of_before, Secrets(before)), Instance(of_now, Secrets(now))
            for instance in (newer, older):
                keys.append(await instance.new_key())
                assert await newer.serves(keys)
                assert await older.serves(keys)
            if now == (NEW, OLD):
                await newer.serves(keys)
                await of_now.tenants.reseal()
                await of_now.signing_keys.rotate()
                async with open_engine(resolve_url(url)) as engine:
                    assert await misfits(engine, Secrets([NEW]), utc_now()) == []
    assert len(keys) == 7


async def test_a_new_secret_in_front_at_once_is_refused_by_instances_that_do_not_know_it(tmp_path: Path) -> None:
    """Why the first step is `old,new`."""
    url = f"sqlite:///{(tmp_path / 'identity.sqlite3').as_posix()}"
    key = await fill_identity(url)
    async with open_store(url, Secrets([OLD])) as of_old, open_store(url, Secrets([NEW, OLD])) as of_new:
        await Instance(of_new, Secrets([NEW, OLD])).serves([key])
        with pytest.raises(AuthenticationError):
            await Instance(of_old, Secrets([OLD])).serves([key])
