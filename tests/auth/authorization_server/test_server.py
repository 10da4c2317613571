"""The authorization server as a whole: what it says of itself, where it is, and what strangers may ask it."""

from typing import Any

import httpx2
import pytest

from auth.authorization_server.server import AuthorizationServerOptions
from auth.store import IdentityStore
from shared.storage.database import DatabaseBusyError
from tests.auth.authorization_server.browsing import BASE, PROVIDER, Browser, Site
from tests.auth.conftest import Clock

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
OPEN = {"/token": "POST", "/revoke": "POST", "/jwks": "GET", "/register": "POST", OAUTH: "GET", OPENID: "GET"}
PAGES = {
    "/authorize": "GET, HEAD",
    "/oauth/consent": "POST",
    "/oauth/callback/login.example": "GET",
    "/oauth/choice": "POST",
    "/oauth/invitation/inv_0": "GET, HEAD",
}


def client_of(site: Site) -> httpx2.AsyncClient:
    """Return a client that reached the server under another name."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(site.app), base_url="http://elsewhere.example")


@pytest.fixture
def served(sqlite_store: IdentityStore, clock: Clock) -> Site:
    """A server below a path, which is not running."""
    return Site(sqlite_store, clock, public_url=f"{BASE}/tickets/", paths=("/mcp",))


async def test_the_metadata_says_what_clients_look_for(served: Site) -> None:
    base = f"{BASE}/tickets"
    expected: dict[str, Any] = {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "revocation_endpoint": f"{base}/revoke",
        "jwks_uri": f"{base}/jwks",
        "registration_endpoint": f"{base}/register",
        "scopes_supported": ["tickets:read", "tickets:write", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": [base, f"{base}/mcp"],
    }
    for_openid = {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]}
    async with client_of(served) as http:
        for well_known, document in ((OAUTH, expected), (OPENID, expected | for_openid)):
            for place in (well_known, f"{well_known}/tickets", f"/tickets{well_known}", f"{well_known}/tickets/"):
                assert (await http.get(place)).json() == document, place


async def test_registration_can_be_switched_off(sqlite_store: IdentityStore, clock: Clock) -> None:
    async with client_of(Site(sqlite_store, clock, registration=False)) as http:
        metadata = (await http.get(OAUTH)).json()
        refused = await http.post("/register", json={"redirect_uris": ["http://127.0.0.1/"]})

    assert "registration_endpoint" not in metadata
    assert refused.status_code == 404


async def test_pages_of_every_site_may_ask_without_credentials(served: Site) -> None:
    async with client_of(served) as http:
        for path, method in OPEN.items():
            asked = await http.options(path, headers={"origin": "https://inspector.example"})

            assert asked.status_code == 204, path
            assert asked.headers["access-control-allow-origin"] == "*"
            assert asked.headers["access-control-allow-methods"] == f"{method}, OPTIONS"
            assert "access-control-allow-credentials" not in asked.headers


async def test_responses_may_be_read_by_every_site(site: Site) -> None:
    async with client_of(site) as http:
        responses = [await http.get("/jwks"), await http.post("/token"), await http.post("/register")]

    assert [response.headers["access-control-allow-origin"] for response in responses] == ["*"] * 3


async def test_no_site_may_read_the_pages(served: Site) -> None:
    async with client_of(served) as http:
        for path in PAGES:
            for method in ("OPTIONS", "GET"):
                response = await http.request(method, path, headers={"origin": "https://evil.example"})
                assert "access-control-allow-origin" not in response.headers, path


async def test_a_wrong_method_gets_a_page_that_names_the_right_ones(served: Site) -> None:
    """For example, the address of a form that a person opened again."""
    async with client_of(served) as http:
        for path, allowed in PAGES.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allowed.split(", ")):
                refused = await http.request(method, path)

                assert (refused.status_code, refused.headers["allow"]) == (405, allowed), (method, path)
                assert refused.headers["content-type"].startswith("text/html")


async def test_below_a_path_everything_is_there_with_and_without_it(served: Site) -> None:
    async with client_of(served) as http:
        for path in (*PAGES, *OPEN):
            statuses = {(await http.delete(place + path)).status_code for place in ("", "/tickets")}
            assert statuses == {405}, path


async def test_the_pages_name_the_public_address_whatever_the_host(site: Site, clock: Clock) -> None:
    below = Site(site.store, clock, public_url=f"{BASE}/tickets/")
    browser = below.browser()
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}

    page = await browser.request("GET", f"{BASE}/tickets/authorize?client_id=cli_0", headers=headers)
    consent = await browser.authorize()
    going = await browser.answer(consent)

    assert "evil.example" not in page.text
    assert consent.action == f"{BASE}/tickets/oauth/consent"
    assert going.said["redirect_uri"] == f"{BASE}/tickets/oauth/callback/login.example"


async def test_looking_at_a_page_is_like_getting_it(browser: Browser) -> None:
    assert (await browser.request("HEAD", "/authorize")).status == 400


async def test_an_invitation_says_how_to_begin_as_long_as_it_is_open(site: Site, browser: Browser) -> None:
    invitation = await site.store.invitations.add("eve@acme.example", "acme", role="agent")

    page = await browser.open(f"/oauth/invitation/{invitation.id}")
    unknown = await browser.open("/oauth/invitation/inv_" + "0" * 32)
    await site.store.invitations.withdraw(invitation.id)
    withdrawn = await browser.open(f"/oauth/invitation/{invitation.id}")

    assert page.status == 200
    assert "Acme Ltd" in page.text
    assert f"{BASE}/mcp" in page.text
    assert "eve@acme.example" not in page.text
    assert (unknown.status, withdrawn.status) == (404, 404)


async def test_a_store_that_does_not_respond_gets_a_page(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(_: str) -> None:
        raise DatabaseBusyError

    monkeypatch.setattr(site.store.sign_ins, "take", take)

    page = await browser.open("/oauth/callback/login.example?state=s&code=c")

    assert (page.status, page.response.headers["retry-after"]) == (503, "5")
    assert "<code>unavailable</code>" in page.text


async def test_a_japanese_browser_gets_japanese_pages(browser: Browser) -> None:
    page = await browser.request("GET", "/oauth/consent", headers={"accept-language": "ja"})

    assert '<html lang="ja">' in page.text


async def test_a_code_of_one_instance_counts_at_another(site: Site, clock: Clock) -> None:
    """Two instances that share a store: the page of one, the callback at the other."""
    browser = site.browser()
    going = await browser.answer(await browser.authorize())

    second = Site(site.store, clock, fetcher_for=lambda _: site.provider).browser()
    second.cookies = browser.cookies
    arrived = await second.open(site.provider.sign_in(going.goes_to, "mary"))

    assert await site.store.codes.get(arrived.said["code"]) is not None


def test_options_are_shown_without_secrets() -> None:
    options = AuthorizationServerOptions(
        public_url=BASE, client_id="tickets", client_secret="s3cret", issuer=PROVIDER, signing_keys=("s3cret",)
    )

    assert "s3cret" not in repr(options)
