"""The identity of callers: types that transports, tools and auth share without depending on each other.

`AuthProvider` is declared here, over Starlette's `HTTPConnection`, so that `transport/` can use one without
importing `auth/`; `auth.providers` re-exports it, where readers expect it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from shared.errors import TicketServerError
from shared.localization import localized


class Scope(StrEnum):
    """What a principal may do with tickets."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    TICKETS_ADMIN = "tickets:admin"
    """Act as another user."""


class Role(StrEnum):
    """The role of a member in an organisation."""

    VIEWER = "viewer"
    AGENT = "agent"
    ADMIN = "admin"


SCOPES_OF: Final[Mapping[Role, frozenset[Scope]]] = MappingProxyType({
    Role.VIEWER: frozenset({Scope.TICKETS_READ}),
    Role.AGENT: frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE}),
    Role.ADMIN: frozenset(Scope),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation in this deployment."""

    id: str


DEFAULT_TENANT = Tenant("default")


OAUTH: Final = "oauth"
"""`Principal.proof` of a principal with an access token, which can be exchanged for one with more scopes."""
GOOGLE: Final = "https://accounts.google.com"
"""The issuer at which people sign in unless another is named."""

PrincipalKey = tuple[str, str]
"""Tenant id and principal id, which identify the owner of a session."""


def provider_label(issuer: str) -> str:
    """Return the name of an identity provider for people: Google, or the host of its issuer."""
    return "Google" if issuer == GOOGLE else urlsplit(issuer).hostname or issuer


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, and how it was authenticated.

    `id` is stable, unique within the tenant and free of secrets: it may be logged and stored.
    """

    id: str
    tenant: Tenant = DEFAULT_TENANT
    scopes: frozenset[Scope] = frozenset(Scope)
    proof: str = "none"
    """How the principal was authenticated: `none`, `api_key`, `oauth`, …"""
    credential: str = ""
    """Public name of the credential, for example the id of a key or an identity; one principal may have several."""
    role: Role | None = None
    """None if the principal is not a member: with a shared key, or without authentication."""
    email: str | None = None
    """A person's e-mail address, by which their ticket-system user is found."""
    ticket_user: str | None = None
    """Id of the ticket-system user that an administrator linked to this principal."""

    def __hash__(self) -> int:
        return hash(self.id)  # equal ones have the same, and that of all fields takes ten times as long

    @property
    def key(self) -> PrincipalKey:
        """The owner of a session: two principals are the same exactly if their keys are equal."""
        return (self.tenant.id, self.id)

    def may_ask_for(self, scope: Scope) -> bool:
        """Return whether a further access token can have `scope`, which this one lacks: the role permits it."""
        role_has = self.role is not None and scope in SCOPES_OF[self.role]
        return self.proof == OAUTH and role_has and scope not in self.scopes


ANONYMOUS: Final = Principal(id="anonymous")
"""The caller of a server without keys, which only this machine can reach."""


def principal_of(request: object) -> Principal | None:
    """Return the principal that the transport attached to a request; None over STDIO."""
    principal = getattr(request, "principal", None)
    return principal if isinstance(principal, Principal) else None


class AuthenticationError(TicketServerError):
    """The caller is not authenticated, or sent credentials in a form that is refused.

    `status` is the HTTP status of the response: 401 for missing or wrong credentials, 400 for contradictory ones, 403
    for valid ones of a caller who is not admitted, 429 for an address with too many failed attempts (`retry_after_s`
    says when to retry), 503 if lookups are unavailable.
    """

    kind = "unauthenticated"

    def __init__(self, message: str, *, status: int = 401, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class InsufficientScopeError(TicketServerError):
    """The principal is known but may not do this; `scope` is what it lacks, `advice` a sentence on what it may do.

    `may_ask` is what `Principal.may_ask_for` says of the scope.
    """

    kind = "insufficient_scope"

    def __init__(self, what: str, scope: Scope, *, advice: str = "", may_ask: bool = False) -> None:
        said = {"what": what, "scope": scope.value}
        if may_ask:
            lacks = localized("{what} needs the scope {scope}, which this access token does not have.", **said)
            way = localized("Nothing was changed; sign in again and allow it.")
        else:
            lacks = localized("{what} needs the scope {scope}, which this key or role does not have.", **said)
            way = localized("Nothing was changed; an administrator of your organisation can grant it.")
        super().__init__(localized(" ").join(filter(None, (lacks, advice, way))))
        self.scope = scope


class AuthProvider(ABC):
    """Authenticates callers by the headers of one HTTP request."""

    @abstractmethod
    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal of `request`.

        Raises:
            AuthenticationError: the credentials are missing, wrong or contradictory.
        """

    def recognised(self, key: str) -> Principal | None:  # noqa: ARG002 - what remembers nothing recognises nothing
        """Return the owner of a key that was proved lately, if authenticating with it would give the same now.

        None for any other key, right or wrong: no secret is compared with it, so it is not an attempt to guess one.
        """
        return None

    async def is_still_valid(self, principal: Principal) -> bool:  # noqa: ARG002 - what cannot be revoked stays valid
        """Whether the credential of `principal` is still valid; checked repeatedly while a stream is open."""
        return True


@dataclass(frozen=True, slots=True)
class Upstream:
    """The ticket API of one tenant: an address of its own or, if None, the deployment's ticket API."""

    address: str | None = None
    api_key: str | None = None

    def __repr__(self) -> str:
        """Return a representation without the key."""
        return f"Upstream(address={self.address!r})"


class TenantDirectory(Protocol):
    """Looks up the ticket API of each tenant."""

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        """Return the ticket API of `tenant`. Raises: TicketServerError if it cannot be determined now."""
        ...
