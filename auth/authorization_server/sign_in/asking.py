"""The first half of a sign-in: a client asks, and the person allows it before the identity provider sees them.

Asking stores nothing: the request travels sealed in the form of the consent page, so pages may be opened as often as
anyone likes. Only a person who allows the client begins a sign-in, which the provider ends at `returning`.
A response to a form is always a page of ours, which goes on by itself: browsers apply `form-action` to redirects, too.
Sources: RFC 6749, section 4.1; RFC 9207; MCP security best practices (2026-07-28), confused deputy; W3C Content
Security Policy 3, section 6.4.1.
"""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from auth.authorization_server.clients.lookup import ClientDocumentError, Clients, OAuthClient, UnknownClientError
from auth.authorization_server.clients.redirects import redirect_host
from auth.authorization_server.identity_provider.provider import IdentityProvider, ProviderError
from auth.authorization_server.limits import RequestLimits, TooManyRequestsError
from auth.authorization_server.sign_in.browser import (
    Browsers,
    PageError,
    SealedForms,
    digest_of,
    field,
    form_token,
    is_form_token,
    new_secret,
    page_of,
)
from auth.authorization_server.sign_in.requests import (
    MAX_QUERY,
    AuthorizationFault,
    AuthorizationRequest,
    AuthorizationRequestError,
    Parameters,
    Requester,
    RequestReader,
    read_parameters,
    state_of,
)
from auth.store import IdentityStore
from auth.store.authorization.records import ClientSource
from shared.audit import AuditEvent, AuditTrail, keep
from shared.counting import Counter
from shared.throttled_audit import ThrottledAuditTrail
from web.sign_in import ConsentPage, Fact, GoOnPage, Step

REQUEST: Final = "authorization request"
"""What a consent page carries."""
MAX_CLIENT_ID: Final = 500
MOST_REFUSALS: Final = 1_000
"""Kinds of refusals that are told apart in the audit trail at once."""
_REDIRECT_HEADERS: Final = MappingProxyType({"cache-control": "no-store", "referrer-policy": "no-referrer"})


class ClientResponses:
    """Sends browsers back to clients, and records what was decided. Use inside `refusals.run()`.

    Args:
        issuer: of this authorization server; part of every response.
        trail: receives each permission at once, refusals at most once a minute for each client, kind and detail.
        counter: counts every permission (`ok`) and refusal as `sign_ins`.
    """

    def __init__(self, issuer: str, trail: AuditTrail, counter: Counter) -> None:
        self._issuer = issuer
        self._trail = trail
        self._counter = counter
        self.refusals = ThrottledAuditTrail(trail, max_kinds=MOST_REFUSALS)

    async def refuse(
        self, request: Request, to: Requester, fault: str, description: str, *, after_form: bool = False
    ) -> Response:
        """Return the response with an error for the client; `description` is ASCII (RFC 6749, section 4.1.2.1)."""
        await self.note(fault, client=to.client_id, detail=description)
        url = to.response_url(self._issuer, error=fault, error_description=description)
        return self._go(request, to, url, Step.DENIED, after_form=after_form)

    async def allow(
        self, request: Request, to: Requester, code: str, granted: AuditEvent, *, after_form: bool
    ) -> Response:
        """Return the response with a code for the client."""
        self._counter.count("sign_ins", outcome=granted.outcome)
        await keep(self._trail, granted)
        return self._go(request, to, to.response_url(self._issuer, code=code), Step.ALLOWED, after_form=after_form)

    async def note(self, outcome: str, *, client: str, identity: str = "", detail: str = "") -> None:
        """Record a refusal, and whose it is if the account has an identity."""
        self._counter.count("sign_ins", outcome=outcome)
        event = AuditEvent(action="sign_in", outcome=outcome, credential=identity, object=client, detail=detail)
        await self.refusals.record((outcome, client, detail), event)

    @staticmethod
    def _go(request: Request, to: Requester, url: str, step: Step, *, after_form: bool) -> Response:
        """Go to the client; with a page where a redirect would be blocked, or would leave an empty window."""
        if after_form or not to.redirect_uri.startswith(("http://", "https://")):
            return page_of(request, GoOnPage(address=url, name=to.client_name, step=step))
        return RedirectResponse(url, status_code=302, headers=_REDIRECT_HEADERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInParts:
    """What both halves of a sign-in need."""

    base: str
    """Address of this server: its issuer."""
    clients: Clients
    provider: IdentityProvider
    """Where people sign in."""
    store: IdentityStore
    browsers: Browsers
    forms: SealedForms
    responses: ClientResponses
    limits: RequestLimits
    """How often one address or client may ask."""


class SignInFlow:
    """`GET /authorize` and `POST /oauth/consent`.

    Args:
        parts: shared with the second half.
        reader: reads requests.
    """

    def __init__(self, parts: SignInParts, reader: RequestReader) -> None:
        self._base = parts.base
        self._clients = parts.clients
        self._provider = parts.provider
        self._sign_ins = parts.store.sign_ins
        self._browsers = parts.browsers
        self._forms = parts.forms
        self._responses = parts.responses
        self._reader = reader
        self._limits = parts.limits

    async def authorize(self, request: Request) -> Response:
        """Ask the person whether the client may sign them in. Raises: PageError."""
        parameters = query_of(request)
        client_id = _only(parameters, "client_id")
        check_limit(self._limits, request, client_id)
        client = await client_of(self._clients, client_id)
        to = Requester(
            client_id=client.id,
            client_name=client.name,
            redirect_uri=_redirect_uri(parameters, client),
            state=state_of(parameters),
        )
        try:
            asked = self._reader.read(parameters, to)
        except AuthorizationRequestError as error:
            return await self._responses.refuse(request, to, error.fault, error.description)
        return self._consent_page(request, client, asked)

    async def consent(self, request: Request) -> Response:
        """Go on to the identity provider, or back to the client without access. Raises: PageError."""
        form = await self._browsers.form(request)
        sealed = field(form, "request")
        opened = self._forms.open(REQUEST, sealed)
        asked = AuthorizationRequest.from_json(opened["request"])
        check_limit(self._limits, request, asked.client_id)
        client = await client_of(self._clients, asked.client_id)
        check_redirect(client, asked.redirect_uri)
        secret = self._browsers.secret_of(request)
        if not is_form_token(field(form, "token"), secret, sealed):
            # The page is of another browser, or its cookie was replaced: only a new page can be answered.
            return self._consent_page(request, client, asked, status=403)
        decision = field(form, "decision")
        if decision == "deny":
            denied = AuthorizationFault.ACCESS_DENIED
            return await self._responses.refuse(
                request, asked, denied, "The person did not allow access.", after_form=True
            )
        if decision != "allow":
            raise PageError("invalid_request", detail="The form says neither yes nor no.")
        # A form for another account in a browser that did not allow the client: the person is asked after the provider.
        browser = "" if opened.get("asks_again") else digest_of(secret)
        return await self._to_provider(request, asked, browser)

    async def _to_provider(self, request: Request, asked: AuthorizationRequest, browser: str) -> Response:
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        state = await self._sign_ins.begin({
            "request": asked.as_json(),
            "provider": self._provider.name,
            "nonce": nonce,
            "verifier": verifier,
            "browser": browser,
        })  # fmt: skip
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        try:
            address = await self._provider.authorization_url(
                state=state, nonce=nonce, code_challenge=challenge, select_account=asked.select_account
            )
        except ProviderError as error:
            return await self._responses.refuse(request, asked, error.oauth_error, str(error), after_form=True)
        return page_of(request, GoOnPage(address=address, name=self._provider.label, step=Step.SIGN_IN))

    def _consent_page(
        self, request: Request, client: OAuthClient, asked: AuthorizationRequest, *, status: int = 200
    ) -> Response:
        sealed = self._forms.seal(REQUEST, {"request": asked.as_json()})
        secret = self._browsers.secret_of(request) or new_secret()
        page = ConsentPage(
            action=f"{self._base}/oauth/consent",
            sealed_request=sealed,
            token=form_token(secret, sealed),
            client_name=client.name,
            client_id_host=client.host,
            name_is_unchecked=client.source is ClientSource.REGISTERED,
            redirect_host=redirect_host(asked.redirect_uri),
            scopes=tuple(scope.value for scope in asked.scopes),
            provider_name=self._provider.label,
        )
        response = page_of(request, page, status=status)
        self._browsers.remember(response, secret)
        return response


async def client_of(clients: Clients, client_id: str) -> OAuthClient:
    """Return a client. Raises: PageError: no such client exists, so nothing goes back to it."""
    facts = {Fact.CLIENT_ID: client_id}
    try:
        return await clients.get(client_id)
    except UnknownClientError as error:
        raise PageError(error.kind, facts=facts, detail=str(error)) from error
    except ClientDocumentError as error:
        status = 503 if error.is_temporary else 400
        raise PageError(error.kind, status=status, facts=facts, detail=str(error)) from error


def check_limit(limits: RequestLimits, request: Request, client_id: str) -> None:
    """Count a request for a client. Raises: PageError: there were too many."""
    try:
        limits.check(request, "authorize", client_id)
    except TooManyRequestsError as error:
        wait = str(error.retry_after_s)
        headers = {"retry-after": wait}
        raise PageError("too_many_requests", status=429, facts={Fact.RETRY_AFTER: wait}, headers=headers) from error


def query_of(request: Request) -> Parameters:
    """Return the parameters of a query of at most `MAX_QUERY` bytes. Raises: PageError."""
    query: bytes = request.scope["query_string"]
    if len(query) > MAX_QUERY:
        raise PageError("invalid_request", status=414, detail=f"The request is longer than {MAX_QUERY:,} bytes.")
    try:
        return read_parameters(query.decode("ascii"))
    except ValueError:
        raise PageError("invalid_request", detail="The request cannot be read.") from None


def _only(parameters: Parameters, name: str) -> str:
    """Return a parameter that nothing goes back to the client without. Raises: PageError."""
    values = parameters.get(name, ())
    if len(values) != 1:
        how = "missing" if not values else "there more than once"
        raise PageError("invalid_request", detail=f"{name} is {how}.")
    if len(values[0]) > MAX_CLIENT_ID:
        raise PageError("invalid_request", detail=f"{name} is longer than {MAX_CLIENT_ID} characters.")
    return values[0]


def _redirect_uri(parameters: Parameters, client: OAuthClient) -> str:
    """Return where the response goes: as asked, or to the only address of the client. Raises: PageError."""
    asked = parameters.get("redirect_uri", ())
    if not asked and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    if len(asked) != 1:
        how = "missing" if not asked else "there more than once"
        raise PageError("invalid_request", facts={Fact.CLIENT: client.name}, detail=f"redirect_uri is {how}.")
    check_redirect(client, asked[0])
    return asked[0]


def check_redirect(client: OAuthClient, redirect_uri: str) -> None:
    """Raise PageError unless the client may be sent to `redirect_uri`."""
    if not client.may_be_sent_to(redirect_uri):
        facts = {Fact.CLIENT: client.name, Fact.REDIRECT: redirect_uri}
        raise PageError("redirect_not_allowed", client=client.id, facts=facts)
