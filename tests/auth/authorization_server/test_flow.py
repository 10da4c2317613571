"""A sign-in from the request of a client to its code, as a browser sees it."""

from collections.abc import AsyncIterator

import pytest

from auth.store import IdentityStore
from auth.store.authorization.records import Authorization
from shared.identity import Scope
from tests.auth.authorization_server.browsing import BASE, CALLBACK, CHALLENGE, CLIENT, PROVIDER, Site
from tests.auth.conftest import Clock

READ, WRITE, ADMIN = Scope
COOKIE = "__Host-sign-in"


@pytest.fixture
async def site(sqlite_store: IdentityStore, clock: Clock) -> AsyncIterator[Site]:
    """The server with Mary, an agent of acme."""
    await sqlite_store.tenants.add("acme", name="Acme Ltd")
    await sqlite_store.users.add("mary@acme.example")
    await sqlite_store.memberships.set("mary@acme.example", "acme", role="agent")
    site = Site(sqlite_store, clock)
    async with site.server.run():
        yield site


async def authorization(site: Site, code: str) -> Authorization:
    record = await site.store.codes.get(code)
    assert record is not None
    assert record.code_challenge == CHALLENGE
    return record.authorization


async def test_a_person_allows_a_client_signs_in_and_the_client_gets_a_code(site: Site) -> None:
    browser = site.browser()

    page = await browser.authorize()
    going = await browser.answer(page)
    arrived = await browser.open(site.provider.sign_in(going.goes_to, "mary"))

    assert (page.status, going.status, arrived.status) == (200, 200, 302)
    assert going.goes_to.startswith(f"{PROVIDER}/auth?")
    assert arrived.location.startswith(f"{CALLBACK}?code=")
    assert arrived.said["state"] == "state of the client"
    assert arrived.said["iss"] == BASE
    allowed = await authorization(site, arrived.said["code"])
    assert (allowed.client_id, allowed.redirect_uri, allowed.resource) == (CLIENT, CALLBACK, BASE)
    assert (allowed.tenant, allowed.scopes) == ("acme", {READ, WRITE})
