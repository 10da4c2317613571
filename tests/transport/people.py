"""Users with keys that a test creates, changes and revokes; and an audit trail."""

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from shared.audit import AuditEvent
from shared.identity import AuthenticationError, AuthProvider, Principal, Role, Scope, Tenant


class People(AuthProvider):
    """Maps key names to principals; each key is a credential. Nothing is cached: revoking takes effect at once."""

    def __init__(self, **keys: Principal) -> None:
        self.keys = keys
        self.revoked = set[str]()
        self.is_broken = False
        self.asked: list[str] = []
        """Credentials that were rechecked while their responses were open."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal of the key."""
        key = request.headers.get("x-api-key", "")
        if key not in self.keys or key in self.revoked:
            raise AuthenticationError("This API key is not valid.")
        return self.keys[key]

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether the key has not been revoked."""
        self.asked.append(principal.credential)
        if self.is_broken:
            raise OSError("the store is away")
        return principal.credential not in self.revoked


def person(
    key: str,
    name: str = "me",
    tenant: str = "default",
    *,
    proof: str = "api_key",
    scopes: Iterable[Scope] = Scope,
    role: Role | None = None,
) -> Principal:
    """Return the principal that `key` proves."""
    return Principal(name, Tenant(tenant), frozenset(scopes), proof, credential=key, role=role)


class Trail:
    """An audit trail that a test reads."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        """Keep the event."""
        self.events.append(event)


def key(name: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"x-api-key": name}
