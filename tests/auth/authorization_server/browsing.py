"""A whole sign-in in one process: the routes of the server, an identity provider, and a browser that follows its pages.

The provider issues real ID tokens and checks what it is sent, as the real ones do. The browser keeps cookies, sends the
headers that browsers send with forms, and knows the pages by their forms and links alone.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import OKPKey
from starlette.applications import Starlette

from auth.authorization_server.server import AuthorizationServer, AuthorizationServerOptions
from auth.oauth.fetcher import MAX_BYTES, FetchError, GuardedFetcher
from auth.store import IdentityStore, open_store
from shared.audit import AuditEvent
from shared.counting import TallyCounter
from tests.auth.conftest import SECRETS, Clock

BASE: Final = "https://tickets.example"
PROVIDER: Final = "https://login.example"
CALLBACK: Final = "http://127.0.0.1:4321/callback"
CLIENT: Final = "https://client.example/oauth/client.json"
CUSTOM: Final = "cursor://anysphere.cursor-mcp/oauth/callback"
VERIFIER: Final = "v" * 43
CHALLENGE: Final = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
DOCUMENTS: Final[Mapping[str, Any]] = {
    CLIENT: {
        "client_id": CLIENT,
        "client_name": "Example",
        "redirect_uris": ["http://127.0.0.1/callback", "http://127.0.0.1/other?tab=1", CUSTOM],
        "token_endpoint_auth_method": "none",
    },
    "https://one.example/client.json": {
        "client_id": "https://one.example/client.json",
        "client_name": "One",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    },
}


def asked(**changes: str | None) -> dict[str, str]:
    """Return the parameters of a valid authorization request with changes; None leaves one out."""
    usual = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": CALLBACK,
        "state": "state of the client",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


class Trail:
    """Keeps the recorded events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)


class Provider(GuardedFetcher):
    """An OpenID provider; what is fetched from it or posted to it does not need a network."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = OKPKey.generate_key("Ed25519", {"kid": "one", "use": "sig"})
        self._codes: dict[str, dict[str, str]] = {}
        self.is_up = True
        self.changes: dict[str, Any] = {}
        """Of the claims of the next ID tokens."""

    async def json(self, url: str, *, max_bytes: int = MAX_BYTES) -> object:
        metadata = {
            "issuer": PROVIDER,
            "authorization_endpoint": f"{PROVIDER}/auth",
            "token_endpoint": f"{PROVIDER}/token",
            "jwks_uri": f"{PROVIDER}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        keys = {"keys": [self._key.as_dict(private=False)]}
        documents = {f"{PROVIDER}/.well-known/openid-configuration": metadata, f"{PROVIDER}/keys": keys}
        if not self.is_up or url not in documents:
            raise FetchError("not found", status=None if not self.is_up else 404)
        return documents[url]

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None, max_bytes: int = MAX_BYTES
    ) -> tuple[int, object]:
        if not self.is_up:
            raise FetchError("no answer")
        known = self._codes.pop(form["code"], None)
        digest = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if (
            known is None
            or form["client_secret"] != "secret"
            or form["redirect_uri"] != known["redirect_uri"]
            or digest != known["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(self._clock().timestamp())
        claims = {"iss": PROVIDER, "aud": "tickets", "iat": now, "exp": now + 600, "nonce": known["nonce"]}
        claims |= {"sub": known["subject"], "email": known["subject"] + "@acme.example", "email_verified": True}
        token = jwt.encode({"alg": "Ed25519", "kid": "one"}, claims | self.changes, self._key, algorithms=["Ed25519"])
        return 200, {"access_token": "not for us", "token_type": "Bearer", "id_token": token}

    def sign_in(self, address: str, subject: str) -> str:
        """Return where the browser of a person goes after they signed in at `address`."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code of the provider {len(self._codes)} {said['state'][:8]}"
        self._codes[code] = {**said, "subject": subject}
        return f"{said['redirect_uri']}?{urlencode({'code': code, 'state': said['state']})}"


class Documents(GuardedFetcher):
    """Fetches the documents of clients without a network."""

    def __init__(self) -> None:
        self.documents = dict(DOCUMENTS)

    async def json(self, url: str, *, max_bytes: int = MAX_BYTES) -> object:
        if url not in self.documents:
            raise FetchError("not found", status=404)
        return self.documents[url]


class Site:
    """The server, with all that it needs; open it by its `server.run()`."""

    def __init__(self, store: IdentityStore, clock: Clock, **options: Any) -> None:
        self.provider, self.trail, self.clients = Provider(clock), Trail(), Documents()
        self.counter = TallyCounter()
        made = {
            "public_url": BASE,
            "client_id": "tickets",
            "client_secret": "secret",
            "issuer": PROVIDER,
            "fetcher_for": lambda _: self.provider,
            "client_fetcher": self.clients,
            "counter": self.counter,
            **options,
        }
        self.store = store
        self.server = AuthorizationServer(AuthorizationServerOptions(**made), store, SECRETS, trail=self.trail)
        self.app = Starlette(routes=self.server.routes)
        self.app.router.redirect_slashes = False

    def browser(self, *, has_cookies: bool = True) -> "Browser":
        return Browser(self.app, has_cookies=has_cookies)


async def add_mary(url: str) -> None:
    """Make an identity store with Mary, an agent of acme, and a key to sign with."""
    clock = Clock()
    async with open_store(url, SECRETS, clock=clock) as store:
        await store.tenants.add("acme", name="Acme Ltd")
        await store.users.add("mary@acme.example")
        await store.memberships.set("mary@acme.example", "acme", role="agent")
        async with Site(store, clock).server.run():
            pass


@dataclass
class Page:
    """What a browser sees: a response, with its form and where it goes on by itself."""

    response: httpx2.Response
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    goes_to: str = ""

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def location(self) -> str:
        """Where the browser goes next: by a redirect or by the page."""
        return self.response.headers.get("location", "") or self.goes_to

    @property
    def said(self) -> dict[str, str]:
        """The parameters of where the browser goes next."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._page.action = given["action"]
        elif tag == "input" and given.get("type") == "hidden":
            self._page.fields[given["name"]] = given["value"]
        elif tag == "input" and given.get("type") == "radio":
            self._page.choices.append(given["value"])
        elif tag == "meta" and given.get("http-equiv") == "refresh":
            self._page.goes_to = given["content"].partition("url=")[2]


class Browser:
    """One browser profile, at the address of the server."""

    def __init__(self, app: Starlette, *, has_cookies: bool = True) -> None:
        self._app = app
        self.cookies: dict[str, str] = {}
        self.has_cookies = has_cookies
        self.set_cookies: list[str] = []

    async def request(self, method: str, url: str, **sent: Any) -> Page:
        headers = {"accept-language": "en", **sent.pop("headers", {})}
        if self.cookies and self.has_cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        transport = httpx2.ASGITransport(self._app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://elsewhere.example") as client:
            response = await client.request(method, urljoin(BASE, url), headers=headers, **sent)
        for line in response.headers.get_list("set-cookie"):
            self.set_cookies.append(line)
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        page = Page(response)
        _Reader(page).feed(response.text)
        return page

    async def authorize(self, **changes: str | None) -> Page:
        """Open the address at which a client sends people."""
        return await self.request("GET", f"/authorize?{urlencode(asked(**changes))}")

    async def answer(self, page: Page, decision: str = "allow", /, headers: Any = None, **fields: str) -> Page:
        """Press a button of the form of a page."""
        sent = {**page.fields, "decision": decision, **fields}
        return await self.request("POST", page.action, data=sent, headers=headers or {"origin": BASE})

    async def open(self, url: str) -> Page:
        return await self.request("GET", url)

    async def sign_in(self, site: Site, subject: str = "mary", **changes: str | None) -> Page:
        """Go through the whole sign-in up to the page or redirect after the callback."""
        going = await self.answer(await self.authorize(**changes))
        return await self.open(site.provider.sign_in(going.goes_to, subject))
