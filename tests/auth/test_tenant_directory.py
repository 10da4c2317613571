"""Finding the ticket API of a tenant: only while it is enabled, and never from a lookup older than 30 s."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.store import IdentityStore, open_store
from auth.store.errors import NotUsableError, StoreUnavailableError, UnknownTenantError, UpstreamKeyError
from auth.store.peppers import Secrets
from auth.tenant_directory import StoredTenantDirectory
from shared.identity import DEFAULT_TENANT, Tenant, Upstream
from shared.storage.database import DatabaseBusyError
from tests.auth.conftest import NEWER_SECRET, SECRET, SECRETS, Clock
from tests.kills import kills

ACME = Tenant("acme")
ADDRESS = "https://tickets.acme.example"


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    """One database is enough here: tests/auth/test_store.py stores upstreams in both."""
    return sqlite_store


@pytest.fixture
async def directory(store: IdentityStore, clock: Clock) -> AsyncIterator[StoredTenantDirectory]:
    await store.tenants.add("acme")
    directory = StoredTenantDirectory(store, SECRETS, seconds=clock.seconds)
    async with directory.run():
        yield directory


async def test_the_default_tenant_shares_the_deployments_api_from_the_start(directory: StoredTenantDirectory) -> None:
    assert await directory.upstream_of(DEFAULT_TENANT) == Upstream()


async def test_a_tenant_has_its_own_api_and_key(directory: StoredTenantDirectory, store: IdentityStore) -> None:
    await store.tenants.set_upstream("acme", ADDRESS, key="the-key-of-acme")

    upstream = await directory.upstream_of(ACME)

    assert upstream == Upstream(address=ADDRESS, api_key="the-key-of-acme")
    assert "the-key-of-acme" not in repr(upstream)


@kills("auth/tenant_directory.py", "if not stored.is_on:", "if False:")
async def test_a_disabled_or_unknown_tenant_has_none(
    directory: StoredTenantDirectory, store: IdentityStore, clock: Clock
) -> None:
    assert await directory.upstream_of(ACME)
    await store.tenants.disable("acme")
    clock.go_on(seconds=29.9)
    assert await directory.upstream_of(ACME)
    clock.go_on(seconds=0.1)

    for _ in range(2):
        with pytest.raises(NotUsableError):
            await directory.upstream_of(ACME)
        with pytest.raises(UnknownTenantError):
            await directory.upstream_of(Tenant("unknown"))


async def test_a_key_by_reference_is_read_where_the_server_runs(
    directory: StoredTenantDirectory,
    store: IdentityStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("ACME_KEY", "from-the-environment")
    file = tmp_path / "key"
    file.write_text("from-a-file\n", "utf-8")
    read = []
    for reference in ("env:ACME_KEY", f"file:{file.as_posix()}"):
        await store.tenants.set_upstream("acme", ADDRESS, key_ref=reference)
        clock.go_on(seconds=30)
        read.append((await directory.upstream_of(ACME)).api_key)

    assert read == ["from-the-environment", "from-a-file"]


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/nonexistent/key"])
async def test_a_reference_to_nothing_is_no_empty_key(
    reference: str, directory: StoredTenantDirectory, store: IdentityStore
) -> None:
    await store.tenants.set_upstream("acme", ADDRESS, key_ref=reference)

    with pytest.raises(UpstreamKeyError, match="not where its reference points") as refused:
        await directory.upstream_of(ACME)
    assert reference not in str(refused.value)


async def test_a_key_that_does_not_open_is_said_so(directory: StoredTenantDirectory, store: IdentityStore) -> None:
    await store.tenants.set_upstream("acme", ADDRESS, key="the-key-of-acme")
    later = StoredTenantDirectory(store, Secrets([NEWER_SECRET]))

    with pytest.raises(UpstreamKeyError, match="is not set any more"):
        await later.upstream_of(ACME)


async def test_after_sealing_anew_the_older_secret_may_go(
    directory: StoredTenantDirectory, store: IdentityStore, sqlite_identity_url: str
) -> None:
    await store.tenants.set_upstream("acme", ADDRESS, key="the-key-of-acme")
    async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET, SECRET])) as rotated:
        assert [await rotated.tenants.reseal() for _ in range(2)] == [1, 0]

    upstream = await StoredTenantDirectory(store, Secrets([NEWER_SECRET])).upstream_of(ACME)

    assert upstream.api_key == "the-key-of-acme"


async def test_without_the_store_it_cannot_be_told(
    directory: StoredTenantDirectory, store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: str) -> None:
        raise DatabaseBusyError

    await directory.upstream_of(ACME)
    monkeypatch.setattr(store.credentials, "upstream", fails)
    assert await directory.upstream_of(ACME)
    clock.go_on(seconds=30)

    with pytest.raises(StoreUnavailableError):
        await directory.upstream_of(ACME)
