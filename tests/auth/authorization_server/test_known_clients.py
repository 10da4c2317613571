"""Each client that people use signs in, by its document and by registering, at its own addresses and no other."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from auth.authorization_server.clients.metadata import GRANT_TYPES
from auth.store import IdentityStore
from tests.auth.authorization_server.browsing import BASE, VERIFIER, Browser, Page, Site
from tests.auth.authorization_server.client_rows import ROWS, ClientRow
from tests.auth.authorization_server.documents import DocumentSites, sites
from tests.auth.conftest import Clock

HOSTS: Final = sorted({urlsplit(document["client_id"]).hostname or "" for row in ROWS for document in row.documents})
EACH: Final = pytest.mark.parametrize("row", ROWS, ids=str)
BY_DOCUMENT: Final = pytest.mark.parametrize("row", [row for row in ROWS if row.documents], ids=str)
BY_REGISTRATION: Final = pytest.mark.parametrize("row", [row for row in ROWS if row.registration], ids=str)
RESOURCE: Final = f"{BASE}/mcp"


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[DocumentSites]:
    """The sites of all clients, empty at first."""
    async with sites(tmp_path, HOSTS) as opened:
        yield opened


@pytest.fixture
async def site(sqlite_store: IdentityStore, clock: Clock, web: DocumentSites) -> AsyncIterator[Site]:
    """The server with Mary, an agent of acme; it fetches the documents of clients over https."""
    await sqlite_store.tenants.add("acme", name="Acme Ltd")
    await sqlite_store.users.add("mary@acme.example")
    await sqlite_store.memberships.set("mary@acme.example", "acme", role="agent")
    site = Site(sqlite_store, clock, client_fetcher=web.fetcher(), trusted_proxies=1)
    async with site.server.run():
        yield site


def publish(web: DocumentSites, row: ClientRow) -> str:
    """Serve the documents of a client; return its id."""
    web.publish({document["client_id"]: document for document in row.documents})
    return str(row.documents[0]["client_id"])


async def register(site: Site, row: ClientRow) -> Mapping[str, Any]:
    headers = {"x-forwarded-for": row.address}
    page = await site.browser().request("POST", "/register", json=row.registration, headers=headers)
    assert page.status == 201, page.text
    answer: Mapping[str, Any] = page.response.json()
    return answer


async def code_of(site: Site, row: ClientRow, client_id: str, redirect_uri: str) -> str:
    """Sign Mary in as the client asks, and return the code that arrives at `redirect_uri`."""
    browser: Browser = site.browser()
    asked = {"client_id": client_id, "redirect_uri": redirect_uri, "resource": RESOURCE, **(row.asks or {})}
    page = await browser.authorize(**asked)
    assert page.status == 200, page.text
    assert row.shown in page.text
    going = await browser.answer(page)
    if not row.keeps_cookies:
        browser.cookies.clear()
    arrived: Page = await browser.open(site.provider.sign_in(going.goes_to, "mary"))
    if not row.keeps_cookies:
        assert "mary@acme.example" in arrived.text  # the page asks once more, and says who signed in
        arrived = await browser.answer(arrived, tenant="acme")
    assert arrived.location.startswith(f"{redirect_uri}?code=")
    assert (arrived.said["state"], arrived.said["iss"]) == ("state of the client", BASE)
    return arrived.said["code"]


async def signs_in(site: Site, row: ClientRow, client_id: str) -> None:
    """Sign in, exchange the code and refresh once, as the client does."""
    redirect_uri = row.redirects[0]
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": await code_of(site, row, client_id, redirect_uri),
        "redirect_uri": redirect_uri,
        "code_verifier": VERIFIER,
        "resource": RESOURCE,
    }
    headers = {"x-forwarded-for": row.address}
    token = await site.browser().request("POST", "/token", data=form, headers=headers)
    assert token.status == 200, token.text
    answer = token.response.json()
    again = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": answer["refresh_token"]}
    renewed = await site.browser().request("POST", "/token", data=again, headers=headers)
    assert renewed.status == 200, renewed.text
    assert renewed.response.json()["access_token"] != answer["access_token"]


@BY_DOCUMENT
async def test_a_client_signs_in_by_its_document(site: Site, web: DocumentSites, row: ClientRow) -> None:
    await signs_in(site, row, publish(web, row))


@BY_REGISTRATION
async def test_a_client_signs_in_by_registering(site: Site, row: ClientRow) -> None:
    answer = await register(site, row)

    assert answer["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in answer
    assert answer["grant_types"] == list(GRANT_TYPES)
    assert answer["redirect_uris"] == (row.registration or {})["redirect_uris"]
    assert answer["client_name"] == row.shown
    await signs_in(site, row, answer["client_id"])


@EACH
async def test_a_client_may_use_each_of_its_addresses_and_no_neighbour(
    site: Site, web: DocumentSites, row: ClientRow
) -> None:
    client_id = publish(web, row) if row.documents else (await register(site, row))["client_id"]
    browser = site.browser()

    for redirect_uri in row.redirects:
        page = await browser.authorize(client_id=client_id, redirect_uri=redirect_uri)
        assert (page.status, row.shown in page.text) == (200, True)
    for redirect_uri in (row.neighbour, "https://evil.example/callback", f"{row.redirects[0]}#"):
        page = await browser.authorize(client_id=client_id, redirect_uri=redirect_uri)
        assert (page.status, page.location) == (400, ""), redirect_uri
