"""Who is calling: the words that transports, tools and auth share without knowing each other.

`AuthProvider` is declared here, over Starlette's `HTTPConnection`, so that `transport/` can take one without
importing `auth/`; `auth.providers` re-exports it, where people look for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from starlette.requests import HTTPConnection

from shared.errors import TicketServerError


class Scope(StrEnum):
    """What a principal may do with tickets."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    TICKETS_ADMIN = "tickets:admin"
    """Act as somebody else."""


class Role(StrEnum):
    """What a member of an organisation is there."""

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


PrincipalKey = tuple[str, str]
"""Tenant id and principal id: what owns a session."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever proved who they are, and how.

    `id` is stable, unique within the tenant and free of secrets: it may be logged and stored.
    """

    id: str
    tenant: Tenant = DEFAULT_TENANT
    scopes: frozenset[Scope] = frozenset(Scope)
    proof: str = "none"
    """How the principal was proved: `none`, `api_key`, …"""
    credential: str = ""
    """Public name of what was presented, for example a key's id: several may prove the same principal."""
    role: Role | None = None
    """None where nobody is a member of anything: a shared key, or no proof at all."""
    email: str | None = None
    """A person's address, by which a user of the ticket system is recognised."""
    ticket_user: str | None = None
    """Id of the user of the ticket system that an administrator set for this principal."""

    @property
    def key(self) -> PrincipalKey:
        """What owns a session: two principals are the same exactly when their keys are equal."""
        return (self.tenant.id, self.id)


def principal_of(request: object) -> Principal | None:
    """Return who is behind what a transport attached to a message; over STDIO that is nobody in particular."""
    principal = getattr(request, "principal", None)
    return principal if isinstance(principal, Principal) else None


class AuthenticationError(TicketServerError):
    """The caller did not prove who they are, or sent credentials in a form that is refused.

    `status` is the HTTP status to answer with: 401 for missing or wrong credentials, 400 for contradicting ones, 429
    for an address that guesses (`retry_after_s` says when it may go on), 503 when nobody can be looked up.
    """

    kind = "unauthenticated"

    def __init__(self, message: str, *, status: int = 401, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class InsufficientScopeError(TicketServerError):
    """The principal is known, but may not do this; `scope` is what it lacks, `advice` a sentence on what it may do."""

    kind = "insufficient_scope"

    def __init__(self, what: str, scope: Scope, *, advice: str = "") -> None:
        said = (
            f"{what} needs the scope {scope.value}, which this key or role does not have.",
            advice,
            "Nothing was changed; an administrator of your organisation can grant it.",
        )
        super().__init__(" ".join(filter(None, said)))
        self.scope = scope


class AuthProvider(ABC):
    """Proves who is calling, from the headers of one HTTP request."""

    @abstractmethod
    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal behind `request`.

        Raises:
            AuthenticationError: the credentials are missing, wrong or contradict each other.
        """

    async def is_still_valid(self, principal: Principal) -> bool:  # noqa: ARG002 - what cannot be revoked stays valid
        """Tell whether what proved `principal` would prove it now; asked again and again while a stream is open."""
        return True


@dataclass(frozen=True, slots=True)
class Upstream:
    """The ticket API of one tenant: an address of its own, or (None) the one that the whole deployment is set to."""

    address: str | None = None
    api_key: str | None = None

    def __repr__(self) -> str:
        """Show no key."""
        return f"Upstream(address={self.address!r})"


class TenantDirectory(Protocol):
    """Knows where the tickets of each tenant are."""

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        """Return the ticket API of `tenant`. Raises: TicketServerError when it cannot be told now."""
        ...
