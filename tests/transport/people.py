"""People with keys that a test makes, changes and revokes; and what was recorded about them."""

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from shared.audit import AuditEvent
from shared.identity import AuthenticationError, AuthProvider, Principal, Scope, Tenant


class People(AuthProvider):
    """Knows keys by name; each is a credential of its own. Nothing is remembered: what is revoked is so at once."""

    def __init__(self, **keys: Principal) -> None:
        self.keys = keys
        self.revoked = set[str]()
        self.is_broken = False
        self.asked: list[str] = []
        """Credentials that were asked for while their answers were open."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return whose key it is."""
        key = request.headers.get("x-api-key", "")
        if key not in self.keys or key in self.revoked:
            raise AuthenticationError("This API key is not valid.")
        return self.keys[key]

    async def is_still_valid(self, principal: Principal) -> bool:
        """Tell whether the key was revoked."""
        self.asked.append(principal.credential)
        if self.is_broken:
            raise OSError("the store is away")
        return principal.credential not in self.revoked


def person(
    key: str, name: str = "me", tenant: str = "default", *, proof: str = "api_key", scopes: Iterable[Scope] = Scope
) -> Principal:
    """Return whom `key` proves."""
    return Principal(id=name, tenant=Tenant(tenant), scopes=frozenset(scopes), proof=proof, credential=key)


class Trail:
    """An audit trail that a test reads."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)


def key(name: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"x-api-key": name}
