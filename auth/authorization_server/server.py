"""The authorization server of this deployment: its parts put together, and its routes.

People sign in at one identity provider, Google by default; clients get tokens of this server, never those of the
provider. Every address that it names begins with the public one of the settings, never with `Host`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.authorization_server.clients.lookup import Clients
from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.authorization_server.clients.registration import Registration
from auth.authorization_server.identity_provider.provider import IdentityProvider, callback_path
from auth.authorization_server.limits import RequestLimits
from auth.authorization_server.metadata import metadata_routes
from auth.authorization_server.sign_in.asking import ClientResponses, SignInFlow, SignInParts
from auth.authorization_server.sign_in.browser import Browsers, Handler, PageError, SealedForms, page_of, page_route
from auth.authorization_server.sign_in.requests import RequestReader
from auth.authorization_server.sign_in.returning import SignInReturn
from auth.authorization_server.tokens import AccessTokens, ConfiguredKeys, KeyRing, TokenEndpoint
from auth.oauth.fetcher import GuardedFetcher, fetcher_for, fetcher_for_strangers
from auth.oauth.metadata import open_route
from auth.oauth.resources import PATHS, ProtectedResources
from auth.store import IdentityStore
from auth.store.authorization.records import InvitationState, Served
from auth.store.peppers import Secrets
from shared.audit import AuditTrail
from shared.counting import Counter, TallyCounter
from web.sign_in import InvitationPage


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServerOptions:
    """Where people sign in, and what is offered to clients."""

    public_url: str
    """Address that clients use: the issuer of the tokens, without its slash at the end."""
    client_id: str
    """Of this server at the identity provider."""
    client_secret: str = field(repr=False)
    issuer: str = "https://accounts.google.com"
    """The identity provider, exactly as its ID tokens spell it."""
    tenants: frozenset[str] = frozenset()
    """Those that the provider serves; none for all."""
    paths: tuple[str, ...] = PATHS
    """Of the resources that are served, at least one; the first is shown to people."""
    registration: bool = True
    """Whether clients may register themselves."""
    redirects: frozenset[str] = frozenset()
    """Redirect addresses that the operator allows beside those of known clients."""
    hosted_ranges: tuple[str, ...] = ("160.79.104.0/21", "2607:6bc0::/48")
    """Networks (CIDR) of hosted assistants, from which many people's requests come."""
    trusted_proxies: int = 0
    """How many reverse proxies of this deployment are in front."""
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    """Private keys, each in PEM, the current one first; none for those of the identity store."""
    fetcher_for: Callable[[str], GuardedFetcher] = fetcher_for
    """Returns what fetches the documents of the identity provider."""
    client_fetcher: GuardedFetcher = field(default_factory=fetcher_for_strangers)
    """Fetches the metadata documents of clients."""
    counter: Counter = field(default_factory=TallyCounter)
    """Counts sign-ins by outcome, as `sign_ins`."""


class AuthorizationServer:
    """The authorization server. Constructing one opens nothing; use its `routes` inside `run()`.

    Args:
        options: what is offered.
        store: the identity store, open inside `run()`.
        secrets: seal what browsers keep.
        trail: receives what was granted, denied or refused.

    Raises:
        ValueError: an option cannot be used; the text says why.
    """

    def __init__(
        self, options: AuthorizationServerOptions, store: IdentityStore, secrets: Secrets, *, trail: AuditTrail
    ) -> None:
        base = options.public_url.rstrip("/")
        resources = ProtectedResources(base)
        policy = RedirectPolicy(options.redirects)
        limits = RequestLimits(options.hosted_ranges, options.trusted_proxies)
        keys = ConfiguredKeys(options.signing_keys) if options.signing_keys else store.signing_keys
        self._options = options
        self._store = store
        self._base = base
        self.tokens = AccessTokens(base, KeyRing(keys, clock=store.clock), clock=store.clock)
        """Signs the access tokens; knows the keys that verify them."""
        self.provider = IdentityProvider(
            options.issuer,
            options.client_id,
            options.client_secret,
            base + callback_path(options.issuer),
            options.fetcher_for(options.issuer),
            clock=lambda: store.clock().timestamp(),
        )
        """Where people sign in."""
        self.served = Served(issuer=options.issuer, tenants=options.tenants)
        """Whose grants count."""
        self._clients = Clients(store.oauth_clients, options.client_fetcher, policy, clock=store.clock)
        self._registration = Registration(store.oauth_clients, policy, limits)
        self._endpoint = TokenEndpoint(store, self.tokens, resources, limits, self.served)
        self._responses = ClientResponses(base, trail, options.counter)
        parts = SignInParts(
            base=base,
            clients=self._clients,
            provider=self.provider,
            store=store,
            browsers=Browsers(base),
            forms=SealedForms(secrets, store.clock),
            responses=self._responses,
            limits=limits,
        )
        self._flow = SignInFlow(parts, RequestReader(resources, options.paths))
        self._return = SignInReturn(parts, options.tenants)

    @property
    def routes(self) -> list[Route]:
        """All routes. Where the public address has a path, with and without it: some proxies take it away."""
        pages: Mapping[str, tuple[Handler, Sequence[str]]] = {
            "/authorize": (self._flow.authorize, ("GET", "HEAD")),
            "/oauth/consent": (self._flow.consent, ("POST",)),
            "/oauth/callback/{provider}": (self._return.callback, ("GET",)),
            "/oauth/choice": (self._return.choice, ("POST",)),
            "/oauth/invitation/{invitation}": (self._invitation, ("GET", "HEAD")),
        }
        open_endpoints: dict[str, tuple[Handler, str]] = {
            "/token": (self._endpoint.token, "POST"),
            "/revoke": (self._endpoint.revoke, "POST"),
            "/jwks": (self._endpoint.jwks, "GET"),
        }
        if self._options.registration:
            open_endpoints["/register"] = self._registration.register, "POST"
        prefix = unquote(urlsplit(self._base).path)
        routes = metadata_routes(self._base, paths=self._options.paths, registration=self._options.registration)
        for place in dict.fromkeys(("", prefix)):
            routes += [
                page_route(place + path, handler, *methods, note=self._responses.note)
                for path, (handler, methods) in pages.items()
            ]
            routes += [open_route(place + path, handler, method) for path, (handler, method) in open_endpoints.items()]
        return routes

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Have a key to sign with; end what is in flight when left."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.provider.aclose)
            stack.push_async_callback(self._clients.aclose)
            await stack.enter_async_context(self._responses.refusals.run())
            await stack.enter_async_context(self.tokens.run())
            yield

    async def _invitation(self, request: Request) -> Response:
        """Show an invited person what to do. The address is no secret: what counts is the account they sign in with."""
        invitation = await self._store.invitations.get(request.path_params["invitation"])
        if invitation is None or invitation.state is not InvitationState.PENDING:
            raise PageError("invitation_over", status=404)
        page = InvitationPage(
            organisation=invitation.tenant_name,
            role=invitation.role,
            address_for_clients=self._base + self._options.paths[0],
            provider_name=self.provider.label,
            expires_at=invitation.expires_at,
        )
        return page_of(request, page)
