"""What a deployment holds before it is lost: tickets, and an organisation with a key and a sealed upstream key."""

from typing import Final

from auth.store import open_store
from auth.store.peppers import Secrets
from auth.stored_keys import StoredKeyAuthProvider
from auth.tenant_directory import StoredTenantDirectory
from shared.identity import Tenant
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from ticket_api.migrate import migrate
from ticket_api.sample import filler

SECRET: Final = "the-secret-of-the-identity-store-that-is-lost"
UPSTREAM_KEY: Final = "the-key-of-the-ticket-api-of-acme"


async def fill_tickets(url: str) -> None:
    """Make a ticket database with sample tickets."""
    async with open_engine(resolve_url(url)) as engine:
        await migrate(engine, fill=filler("en", utc_now), clock=utc_now)


async def fill_identity(url: str) -> str:
    """Make an identity store with an organisation, a person with a key, and a sealed key; return the key."""
    async with open_store(url, Secrets([SECRET])) as store:
        await store.tenants.add("acme")
        await store.tenants.set_upstream("acme", None, key=UPSTREAM_KEY)
        await store.users.add("mika@example.com")
        await store.memberships.set("mika@example.com", "acme", role="agent")
        return (await store.keys.create("acme", user="mika@example.com", name="laptop")).text


async def what_works(url: str, key: str, *secrets: str) -> tuple[str, str | None]:
    """Authenticate with a key of `fill_identity`; return its owner, and the key of the ticket API of its organisation.

    Raises:
        AuthenticationError: the key is refused.
    """
    known = Secrets(secrets or [SECRET])
    async with open_store(url, known) as store:
        owner = await StoredKeyAuthProvider(store, known, cache_s=1).owner_of(key)
        upstream = await StoredTenantDirectory(store, known, cache_s=1).upstream_of(Tenant("acme"))
        return owner.id, upstream.api_key
