"""A person signs in with Google in Chromium: the started server on 127.0.0.1, Google on localhost, one profile.

The two are different sites, so the browser sends the server's cookie to the callback only as `SameSite=Lax` permits.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.interop.sign_in.deployment import Deployment, sign_in_with_google
from tests.interop.sign_in.google import GINA, MARY, email_of
from tests.transport.serving import serve
from tests.web.chromium import Browser, Tab, chromium
from web.sign_in.words import WORDS

pytestmark = [
    pytest.mark.long,
    pytest.mark.debian("chromium"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(func_only=True),  # a set-up may have to install Google's look-alike first
    pytest.mark.xdist_group("google"),
]

CURSOR: Final = "cursor://anysphere.cursor-mcp/oauth/callback"
SAY: Final = WORDS["en"].texts


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server at which people sign in with Google, set up by docs/oauth.md."""
    with sign_in_with_google(tmp_path_factory.mktemp("server"), life_s=60) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One Chromium, whose profile remembers who is signed in at Google from test to test."""
    async with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@dataclass
class Client:
    """A client that registered itself, with the verifier of its current request."""

    server: str
    redirect_uri: str
    id: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(40))

    @classmethod
    async def register(cls, server: str, redirect_uri: str) -> "Client":
        """Return a new client."""
        metadata = {
            "client_name": "My assistant",
            "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": "none",
        }
        async with httpx2.AsyncClient() as http:
            response = await http.post(f"{server}/register", json=metadata)
        assert response.status_code == 201, response.text
        return cls(server, redirect_uri, response.json()["client_id"])

    @property
    def asks_at(self) -> str:
        """Where it sends the person's browser."""
        digest = base64.urlsafe_b64encode(sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "state": "st&te",
            "code_challenge": digest,
            "code_challenge_method": "S256",
            "resource": f"{self.server}/mcp",
        }
        return f"{self.server}/authorize?{urlencode(asked)}"

    async def token(self, said: dict[str, str]) -> dict[str, Any]:
        """Exchange the code of a response."""
        assert (said["state"], said["iss"]) == ("st&te", self.server)
        form = {
            "grant_type": "authorization_code",
            "client_id": self.id,
            "code": said["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        async with httpx2.AsyncClient() as http:
            response = await http.post(f"{self.server}/token", data=form)
        assert response.status_code == 200, response.text
        token: dict[str, Any] = response.json()
        return token


@asynccontextmanager
async def listening(server: str) -> AsyncIterator[tuple[Client, list[dict[str, str]]]]:
    """Yield a client that listens on this machine, and what the browser brought to it."""
    brought: list[dict[str, str]] = []

    async def callback(request: Request) -> Response:
        brought.append(dict(request.query_params))
        return HTMLResponse("<title>signed in</title>")

    async with serve(Starlette(routes=[Route("/callback", callback)])) as url:
        yield await Client.register(server, f"{url}/callback"), brought


async def shows(tab: Tab, key: str, **shown: str) -> None:
    """Wait until the page of the sign-in with this heading is there."""
    heading = SAY[key]
    for name, text in shown.items():
        heading = heading.replace(f"${name}", text)
    await tab.until(f"document.querySelector('h1')?.textContent === {heading!r}")


async def press(tab: Tab, button: str) -> None:
    """Press a button of the page by the keyboard: `allow` or `deny`."""
    await tab.evaluate(f"document.querySelector('button[value={button}]').focus()")
    await tab.press("Enter")


async def ask(tab: Tab, client: Client) -> None:
    """Open the consent page of a client and allow it."""
    await tab.go(client.asks_at)
    await shows(tab, "consent.heading", client="My assistant")
    await press(tab, "allow")


async def log_in(tab: Tab, subject: str) -> None:
    """Type the address at Google."""
    await tab.until("location.hostname === 'localhost' && document.querySelector('[name=email]') !== null")
    await tab.evaluate("document.querySelector('[name=email]').focus()")
    await tab.send("Input.insertText", text=email_of(subject))
    await tab.press("Enter")


async def test_a_person_signs_in_twice_in_one_profile(google: Deployment, browser: Browser) -> None:
    """The second time nothing is asked at Google, so all of it is one chain of redirects up to the client."""
    async with listening(google.address) as (client, brought):
        tab = await browser.open()
        await ask(tab, client)
        await log_in(tab, MARY)
        await tab.until("document.title === 'signed in'")
        token = await client.token(brought[0])
        assert token["scope"] == "tickets:read tickets:write"

        again = await browser.open()
        await ask(again, client)
        await again.until("document.title === 'signed in'")
        await client.token(brought[1])
        assert [any("/signin/" in address for address in one.requested) for one in (tab, again)] == [True, False]

        for one in (tab, again):  # neither the code nor the state leaves by a referrer or another address
            assert all(address.startswith(("http://127.0.0.1:", "http://localhost:")) for address in one.requested)


async def test_a_program_gets_its_code_and_the_page_stays(google: Deployment, browser: Browser) -> None:
    client = await Client.register(google.address, CURSOR)
    for _ in range(2):
        tab = await browser.open()
        await ask(tab, client)
        await shows(tab, "go_on.allowed_heading")
        address = await tab.evaluate("document.querySelector('a').href")
        assert address.startswith(f"{CURSOR}?")
        await client.token(dict(parse_qsl(urlsplit(address).query)))


@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:9/callback", CURSOR], ids=["loopback", "program"])
async def test_a_client_that_is_denied_is_told_so(google: Deployment, browser: Browser, redirect_uri: str) -> None:
    client = await Client.register(google.address, redirect_uri)
    tab = await browser.open()
    await tab.go(client.asks_at)
    await press(tab, "deny")

    await tab.until_true(lambda: _went_to(tab, redirect_uri))
    (address,) = {one for one in tab.requested if one.startswith(redirect_uri)}
    said = dict(parse_qsl(urlsplit(address).query))
    assert (said["error"], said["state"], said["iss"]) == ("access_denied", "st&te", google.address)


async def _went_to(tab: Tab, redirect_uri: str) -> bool:
    return any(address.startswith(f"{redirect_uri}?") for address in tab.requested)


async def test_a_consent_page_that_was_loaded_twice_still_works(google: Deployment, browser: Browser) -> None:
    async with listening(google.address) as (client, brought):
        first, second = await browser.open(), await browser.open()
        for tab in (first, second):
            await tab.go(client.asks_at)
        for tab in (first, second):
            await press(tab, "allow")
            await tab.until("document.title === 'signed in'")
        await asyncio.gather(*map(client.token, brought))
        assert len(brought) == 2


async def test_another_browser_is_asked_whether_it_was_this_person(
    google: Deployment, browser: Browser, tmp_path: Path
) -> None:
    """What an embedded view, or the victim of a link, meets: the sign-in began in a browser with another cookie."""
    async with listening(google.address) as (client, brought), chromium(tmp_path) as theirs:
        tab = await browser.open()
        await ask(tab, client)
        await tab.until("document.title === 'signed in'")
        at_google = next(one for one in tab.requested if "/o/oauth2/" in one)
        used = await theirs.open()
        await used.go(at_google)
        await log_in(used, MARY)
        await shows(used, "error.sign_in_over.heading")

        pending = await browser.open()
        await pending.hold("*/o/oauth2/*")
        await ask(pending, client)
        await pending.until_true(lambda: _is_held(pending))
        other = await theirs.open()
        await other.go(pending.held[0])
        await shows(other, "again.heading")
        assert email_of(MARY) in await other.evaluate("document.body.textContent")
        await press(other, "allow")
        await other.until("document.title === 'signed in'")
        await client.token(brought[-1])


async def _is_held(tab: Tab) -> bool:
    return bool(tab.held)


async def test_a_person_who_is_not_invited_may_use_another_account(
    google: Deployment, browser: Browser, tmp_path: Path
) -> None:
    async with listening(google.address) as (client, brought), chromium(tmp_path) as fresh:
        tab = await fresh.open()
        await ask(tab, client)
        await log_in(tab, GINA)
        await shows(tab, "error.unknown_account.heading")
        assert email_of(GINA) in await tab.evaluate("document.body.textContent")

        await press(tab, "allow")
        await log_in(tab, MARY)
        await tab.until("document.title === 'signed in'")
        await client.token(brought[0])
