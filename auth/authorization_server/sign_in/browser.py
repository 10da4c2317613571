"""What the pages of the sign-in know of a browser: its cookie, its forms, and where a form was sent from.

The cookie has a random value and means nothing by itself. It shows that two requests come from one browser: that who
allows a client is who was asked, and that who comes back from the identity provider is who allowed it. A form carries a
token computed from the cookie and from what the form is about, so that each page stays valid however many are open.

Some embedded views have no cookies, or lose them on the way through the provider. A form without a cookie is accepted
if it was sent from a page of ours; such a person is asked once more after the provider, where they see who signed in.

Sources: RFC 6265bis, section 4.1.3 (`__Host-`, `SameSite`); Fetch (`Origin`); Fetch Metadata (`Sec-Fetch-Site`); OWASP
Cross-Site Request Forgery Prevention Cheat Sheet.
"""

import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.authorization_server.bodies import BodyError, read_body
from auth.authorization_server.sign_in.requests import Parameters, read_parameters
from auth.store.errors import StoreUnavailableError
from auth.store.peppers import Secrets
from shared.errors import TicketServerError
from shared.storage.database import DatabaseBusyError
from shared.telemetry import get_logger
from web.language import language_of
from web.sign_in import ErrorPage, Fact, Page, page_response, render

log = get_logger(__name__)

COOKIE_S: Final = 3600
"""How long a browser keeps the cookie, in seconds; each consent page prolongs it."""
MAX_FORM: Final = 16 * 1024
"""Bytes of a form."""
LIFE_S: Final = 600
"""How long a page may be answered, in seconds."""
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_FORM_TYPE: Final = re.compile(r"application/x-www-form-urlencoded\s*(?:;|$)", re.IGNORECASE)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NOTHING: Final[Mapping[Fact, str]] = MappingProxyType({})

Handler = Callable[[Request], Awaitable[Response]]


class Note(Protocol):
    """Records a refusal, and the id of the client where that is a known one."""

    async def __call__(self, outcome: str, *, client: str) -> None:
        """Record it. Never raises."""


class PageError(TicketServerError):
    """The sign-in ends on an error page; `kind` is one of `web.sign_in.ERROR_KINDS`."""

    def __init__(
        self,
        kind: str,
        *,
        status: int = 400,
        facts: Mapping[Fact, str] = _NOTHING,
        detail: str = "",
        client: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail or kind)
        self.kind = kind
        self.client = client
        """Id of the client that is refused, if it is a known one."""
        self.page = ErrorPage(kind=kind, facts=facts, detail=detail)
        self.status = status
        self.headers = headers


def page_of(request: Request, page: Page, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `page` in the language of the browser."""
    return page_response(render(language_of(request), page), status=status, headers=headers)


def page_route(path: str, handler: Handler, *methods: str, note: Note) -> Route:
    """Return the route of `handler`, which permits `methods`; all that goes wrong ends on a page, and is noted."""

    async def respond(request: Request) -> Response:
        try:
            if request.method not in methods:  # for example, the address of a form was opened again
                raise PageError("sign_in_over", status=405, headers={"allow": ", ".join(methods)})
            return await handler(request)
        except PageError as error:
            await note(error.page.kind, client=error.client)
            return page_of(request, error.page, status=error.status, headers=error.headers)
        except (DatabaseBusyError, StoreUnavailableError) as error:
            log.warning("sign_in_unavailable", kind=error.kind)
            return page_of(request, ErrorPage(kind="unavailable"), status=503, headers={"retry-after": "5"})

    return Route(path, respond, methods=_METHODS)


class Browsers:
    """Recognises the browsers that use one address of this server.

    Args:
        base: that address; by http, browsers give a cookie to other ports of the host as well, so that is for loopback.
    """

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._is_secure = parts.scheme == "https"
        self.cookie = "__Host-sign-in" if self._is_secure else "sign-in"
        """The name of the cookie."""

    def secret_of(self, request: Request) -> str | None:
        """Return the value of the cookie; None without one that this server may have set."""
        secret = request.cookies.get(self.cookie, "")
        return secret if _SECRET.fullmatch(secret) else None

    def remember(self, response: Response, secret: str) -> None:
        """Set the cookie, or prolong it."""
        response.set_cookie(
            self.cookie, secret, max_age=COOKIE_S, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )

    async def form(self, request: Request) -> Parameters:
        """Return the fields of a form that was sent from a page of ours. Raises: PageError."""
        if not self._is_from_our_page(request):
            raise PageError("other_page", status=403)
        if not _FORM_TYPE.match(request.headers.get("content-type", "")):
            raise PageError("invalid_request", status=415, detail="This is not a form.")
        body = await _body(request)
        try:
            return read_parameters(body.decode("ascii"))
        except ValueError:
            raise PageError("invalid_request", detail="The form cannot be read.") from None

    def _is_from_our_page(self, request: Request) -> bool:
        origins = request.headers.getlist("origin")
        if origins:
            return origins == [self._origin]
        return request.headers.getlist("sec-fetch-site") == ["same-origin"]


class SealedForms:
    """What pages carry from one request to the next, so that nothing is stored before a person agrees.

    Args:
        secrets: seal it, so that it is neither read nor changed on its way.
        clock: returns the current time.
    """

    def __init__(self, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._secrets = secrets
        self._clock = clock

    def seal(self, purpose: str, content: Mapping[str, Any]) -> str:
        """Return `content` for a page that may be answered for `LIFE_S` seconds."""
        until = self._clock().timestamp() + LIFE_S
        return self._secrets.seal_text(json.dumps({"until": until, "content": content}), purpose)

    def open(self, purpose: str, sealed: str) -> Mapping[str, Any]:
        """Return what was sealed for the same purpose. Raises: PageError: it was not, or too long ago."""
        text = self._secrets.unseal_text(sealed, purpose)
        said = None if text is None else json.loads(text)
        if said is None or said["until"] <= self._clock().timestamp():
            raise PageError("request_expired")
        content: Mapping[str, Any] = said["content"]
        return content


def new_secret() -> str:
    """Return the value of a new cookie: 256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def form_token(secret: str, sealed: str) -> str:
    """Return what a form about `sealed` carries in the browser with the cookie `secret`."""
    return hmac.new(secret.encode(), f"form {sealed}".encode(), sha256).hexdigest()


def is_form_token(token: str, secret: str | None, sealed: str) -> bool:
    """Return whether `token` is the one of that form in that browser; a browser without a cookie shows nothing."""
    return secret is None or hmac.compare_digest(token.encode(), form_token(secret, sealed).encode())


def digest_of(secret: str | None) -> str:
    """Return what is kept of a cookie, by which the browser is recognised later; empty for no cookie."""
    return sha256(secret.encode()).hexdigest() if secret is not None else ""


def field(form: Parameters, name: str) -> str:
    """Return a field of a form, empty without one. Raises: PageError: there are several."""
    values = form.get(name, ("",))
    if len(values) > 1:
        raise PageError("invalid_request", detail=f"{name} is there more than once.")
    return values[0]


async def _body(request: Request) -> bytes:
    """Return the body. Raises: PageError."""
    try:
        return await read_body(request, max_bytes=MAX_FORM)
    except BodyError as error:
        headers = {"connection": "close"} if error.status == 413 else {}
        raise PageError("invalid_request", status=error.status, detail=str(error), headers=headers) from None
