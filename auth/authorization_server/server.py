"""The authorization server of this deployment: its parts put together, and its routes.

People sign in at one identity provider, Google by default; clients get tokens of this server, never those of the
provider. Every address that it names begins with the public one of the settings, never with `Host`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.routing import Route

from auth.oauth.fetcher import GuardedFetcher, fetcher_for
from auth.oauth.resources import PATHS
from auth.store import IdentityStore
from auth.store.peppers import Secrets
from shared.audit import AuditTrail


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
    """Of the resources that are served."""
    registration: bool = True
    """Whether clients may register themselves."""
    redirects: frozenset[str] = frozenset()
    """Redirect addresses that the operator allows beside those of known clients."""
    hosted_ranges: tuple[str, ...] = ("160.79.104.0/21", "2607:6bc0::/48")
    """Networks (CIDR) of hosted assistants, from which many people's requests come."""
    trusted_proxies: int = 0
    """How many reverse proxies of this deployment are in front."""
    signing_keys: str | None = field(default=None, repr=False)
    """Private keys in PEM, the first of which signs; None for those of the identity store."""
    fetcher_for: Callable[[str], GuardedFetcher] = fetcher_for
    """Returns what fetches the documents of the identity provider."""
    client_fetcher: GuardedFetcher = field(default_factory=GuardedFetcher)
    """Fetches the metadata documents of clients."""


class AuthorizationServer:
    """The authorization server. Constructing one opens nothing; use its `routes` inside `run()`.

    Args:
        options: what is offered.
        store: the identity store, open inside `run()`.
        secrets: seal what browsers and the store keep.
        trail: receives what was granted, denied or refused.
    """

    def __init__(
        self, options: AuthorizationServerOptions, store: IdentityStore, secrets: Secrets, *, trail: AuditTrail
    ) -> None:
        self.options = options
        self.routes: list[Route] = []

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve."""
        yield
