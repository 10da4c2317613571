"""The three ways in which a server may know its callers, each with everything an entry point needs of this package.

Each has a `provider` (who is calling), a `trail` (the audit) and a `directory` (the ticket API of each tenant).
Constructing one opens nothing; `run()` does.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import Route

from auth.authorization_server.server import AuthorizationServer, AuthorizationServerOptions
from auth.oauth.fetcher import GuardedFetcher, fetcher_for
from auth.oauth.identities import StoredIdentities
from auth.oauth.key_set import IssuerKeys
from auth.oauth.provider import OAuthProvider
from auth.oauth.resources import ProtectedResources
from auth.oauth.verification import TokenVerifier
from auth.provider_chain import ChainedAuthProvider
from auth.providers import AnonymousAuthProvider, APIKeyAuthProvider, KeyAuthProvider
from auth.store import IdentityStore
from auth.store.migrate import prepare
from auth.store.peppers import Secrets
from auth.stored_audit import StoredAuditTrail
from auth.stored_grants import StoredGrants
from auth.stored_keys import StoredKeyAuthProvider
from auth.tenant_directory import StoredTenantDirectory
from auth.throttle import ThrottledAuthProvider
from auth.token_or_key import TokenOrKeyAuthProvider
from shared.audit import AuditTrail, LoggedAuditTrail
from shared.client_habits import ClientHabits
from shared.counting import Counter
from shared.identity import AuthProvider, TenantDirectory
from shared.storage.database import make_engine, resolve_url


class Access(Protocol):
    """One way of authenticating callers."""

    @property
    def provider(self) -> AuthProvider:
        """Authenticates requests."""
        ...

    @property
    def trail(self) -> AuditTrail:
        """Records actions and refusals."""
        ...

    @property
    def directory(self) -> TenantDirectory | None:
        """Finds the ticket API of a tenant; None if every caller belongs to the default tenant."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """Where people and clients sign in at this server itself, if they can."""
        ...

    def run(self) -> AbstractAsyncContextManager[None]:
        """Open and finally close the resources. Raises: DatabaseNotReadyError; its text says what to do."""
        ...

    async def check(self) -> None:
        """Check that the resources respond. Raises: TicketServerError."""
        ...


class AnonymousAccess:
    """No authentication: every caller is the same principal."""

    directory = None
    routes = ()

    def __init__(self) -> None:
        self.provider = AnonymousAuthProvider()
        self.trail = LoggedAuditTrail()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open nothing."""
        yield

    async def check(self) -> None:
        """Do nothing."""


class SharedKeyAccess:
    """One shared API key: all its holders are one service account of the default tenant."""

    directory = None
    routes = ()

    def __init__(self, keys: Sequence[str], *, trusted_proxies: int = 0, habits: ClientHabits | None = None) -> None:
        self.trail = LoggedAuditTrail()
        self.provider = ThrottledAuthProvider(
            APIKeyAuthProvider(*keys, habits=habits), trail=self.trail, trusted_proxies=trusted_proxies
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Throttle failed authentications."""
        async with self.provider.run():
            yield

    async def check(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Whose access tokens are accepted beside keys: those of identity providers, or those of this server itself."""

    issuers: Mapping[str, frozenset[str]]
    """The tenants that each issuer serves, by its URL exactly as tokens spell it; none for all tenants."""
    public_url: str
    """Address that clients use; tokens are for resources below it."""
    audiences: frozenset[str] = frozenset()
    """Further names under which the providers know this server."""
    fetcher_for: Callable[[str], GuardedFetcher] = fetcher_for
    """Returns what fetches the metadata and keys of an issuer."""
    server: AuthorizationServerOptions | None = None
    """Where this server issues the tokens: it is the only issuer then."""


class IdentityService:
    """Users, service accounts and tenants from the identity store.

    Args:
        database_url: URL of the store.
        secrets: hash API keys and seal upstream keys; the first is used for new ones, all are tried.
        shared_keys: additional keys that all authenticate one service account of the default tenant.
        trusted_proxies: how many reverse proxies of this deployment are in front.
        cache_s: how long what is known of a key or tenant is cached, in seconds.
        habits: what is served of clients that bend the protocol; by default all that is known.
        sign_in: which access tokens are accepted; None for none.
        counter: counts audit events that the store did not accept.

    Raises:
        ValueError: the URL does not name an SQLite or PostgreSQL database, or a secret is too short.
    """

    def __init__(
        self,
        database_url: str,
        secrets: Sequence[str],
        *,
        shared_keys: Sequence[str] = (),
        trusted_proxies: int = 0,
        cache_s: float,
        habits: ClientHabits | None = None,
        sign_in: SignIn | None = None,
        counter: Counter | None = None,
    ) -> None:
        derived = Secrets(secrets)
        self._engine = make_engine(resolve_url(database_url))
        self._store = IdentityStore(self._engine, derived, actor="server")
        self._keys = StoredKeyAuthProvider(self._store, derived, cache_s=cache_s, habits=habits)
        self.trail = StoredAuditTrail(self._store.audit, counter=counter)
        self.directory = StoredTenantDirectory(self._store, derived, cache_s=cache_s)
        keys: KeyAuthProvider = self._keys
        if shared_keys:
            keys = ChainedAuthProvider(self._keys, APIKeyAuthProvider(*shared_keys), habits=habits)
        self.provider: ThrottledAuthProvider | TokenOrKeyAuthProvider
        self._server: AuthorizationServer | None = None
        if sign_in is None:
            self.provider = ThrottledAuthProvider(keys, trail=self.trail, trusted_proxies=trusted_proxies)
        else:
            if sign_in.server is not None:
                self._server = AuthorizationServer(sign_in.server, self._store, derived, trail=self.trail)
            self.provider = TokenOrKeyAuthProvider(
                self._tokens(sign_in, cache_s), keys, trail=self.trail, trusted_proxies=trusted_proxies, habits=habits
            )
        self.routes = () if self._server is None else self._server.routes

    def _tokens(self, sign_in: SignIn, cache_s: float) -> OAuthProvider:
        """Return what authenticates holders of access tokens."""
        resources = ProtectedResources(sign_in.public_url, sign_in.audiences)
        if self._server is not None:
            own, grants = self._server.tokens, StoredGrants(self._store, self._server.served, cache_s=cache_s)
            return OAuthProvider(TokenVerifier({own.issuer: own}), {own.issuer: grants}, resources)
        identities = StoredIdentities(self._store, sign_in.issuers, cache_s=cache_s)
        keys = {url: IssuerKeys(url, sign_in.fetcher_for(url)) for url in sign_in.issuers}
        return OAuthProvider(TokenVerifier(keys), dict.fromkeys(keys, identities), resources)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open the store; write what is pending and close everything in reverse order."""
        async with AsyncExitStack() as stack:  # one failing close does not skip the others
            stack.push_async_callback(self._engine.dispose)
            await prepare(self._engine)
            stack.push_async_callback(self._store.join)
            for part in (self.trail, self.directory, self._keys):
                await stack.enter_async_context(part.run())
            if self._server is not None:
                await stack.enter_async_context(self._server.run())
            await stack.enter_async_context(self.provider.run())
            yield

    async def check(self) -> None:
        """Check that the store responds."""
        await self._store.check()
