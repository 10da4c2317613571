"""Who is calling: the words that transports, tools and auth share without knowing each other.

`AuthProvider` is declared here, over Starlette's `HTTPConnection`, so that `transport/` can take one without
importing `auth/`; `auth.providers` re-exports it, where people look for it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection

from shared.errors import TicketServerError


class Scope(StrEnum):
    """What a principal may do with tickets."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    TICKETS_ADMIN = "tickets:admin"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation in this deployment."""

    id: str


DEFAULT_TENANT = Tenant("default")


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

    @property
    def key(self) -> tuple[str, str]:
        """What owns a session: two principals are the same exactly when their keys are equal."""
        return (self.tenant.id, self.id)


class AuthenticationError(TicketServerError):
    """The caller did not prove who they are, or sent credentials in a form that is refused.

    `status` is the HTTP status to answer with: 401 for missing or wrong credentials, 400 for contradicting ones.
    """

    kind = "unauthenticated"

    def __init__(self, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class AuthProvider(ABC):
    """Proves who is calling, from the headers of one HTTP request."""

    @abstractmethod
    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal behind `request`.

        Raises:
            AuthenticationError: the credentials are missing, wrong or contradict each other.
        """
