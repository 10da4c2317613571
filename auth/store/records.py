"""What the identity store tells about what it holds: plain values, without any secret in them."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from auth.store.peppers import Digest
from shared.identity import Role, Scope


class UpstreamKey(StrEnum):
    """How a tenant's upstream key is kept."""

    NONE = "none"
    SEALED = "sealed"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRecord:
    """One organisation."""

    id: str
    name: str
    upstream_address: str | None
    """Its own ticket API; None where it shares the one that the deployment is set to."""
    upstream_key: UpstreamKey
    upstream_key_ref: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """One person, in however many organisations."""

    id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRecord:
    """What a person is in one organisation."""

    tenant: str
    user: str
    email: str
    role: Role
    ticket_user: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountRecord:
    """One program of an organisation."""

    id: str
    tenant: str
    name: str
    role: Role
    ticket_user: str | None
    created_at: datetime
    disabled_at: datetime | None


class KeyState(StrEnum):
    """Whether a key itself is good; its owner or tenant may be disabled all the same."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What may be shown of a key."""

    public_id: str
    tenant: str
    owner: str
    """Id of the user or the service account."""
    owner_name: str
    """E-mail address of the user, or name of the service account."""
    name: str
    scopes: frozenset[Scope] | None
    """None: all that the role of the owner has."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    state: KeyState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made. `text` can be seen here and never again."""

    text: str = field(repr=False)
    record: KeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """All that decides about a key when somebody presents it. `role` is None where the membership has ended."""

    public_id: str
    digest: Digest = field(repr=False)
    tenant: str
    owner: str
    email: str | None
    role: Role | None
    scopes: frozenset[Scope] | None
    ticket_user: str | None
    expires_at: datetime
    is_on: bool
    """Neither revoked, nor is the owner or the tenant disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One event as it is kept: `shared.audit.AuditEvent` with an id and a moment."""

    id: str
    at: datetime
    action: str
    outcome: str
    tenant: str
    actor: str
    credential: str
    tool: str
    object: str
    acting_as: str
    request_id: str
    trace: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields for a line of an export; the moment in ISO 8601."""
        return {**asdict(self), "at": self.at.isoformat()}
