"""Records of the identity store as plain values, without secrets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from auth.store.peppers import Digest
from shared.identity import Role, Scope


class UpstreamKey(StrEnum):
    """How a tenant's upstream key is stored."""

    NONE = "none"
    SEALED = "sealed"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRecord:
    """One organisation."""

    id: str
    name: str
    upstream_address: str | None
    """Its own ticket API; None if it shares the deployment's."""
    upstream_key: UpstreamKey
    upstream_key_ref: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """One user, possibly a member of several tenants."""

    id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRecord:
    """The role of a user in one tenant."""

    tenant: str
    user: str
    email: str
    role: Role
    ticket_user: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountRecord:
    """One service account: a program of a tenant."""

    id: str
    tenant: str
    name: str
    role: Role
    ticket_user: str | None
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord:
    """A user or a service account, as an identity provider knows it."""

    id: str
    issuer: str
    subject: str
    owner: str
    """Id of the user or the service account."""
    owner_name: str
    """E-mail address of the user, or name of the service account."""
    tenant: str | None
    """Of the service account; None for a user, who may be a member of several."""
    created_at: datetime
    removed_at: datetime | None


class KeyState(StrEnum):
    """The state of the key itself; its owner or tenant may be disabled independently."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """The part of a key that may be shown."""

    public_id: str
    tenant: str
    owner: str
    """Id of the user or the service account."""
    owner_name: str
    """E-mail address of the user, or name of the service account."""
    name: str
    scopes: frozenset[Scope] | None
    """None: all scopes of the owner's role."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    state: KeyState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just created. `text` is available only here, never again."""

    text: str = field(repr=False)
    record: KeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """Everything needed to authenticate a presented key. `role` is None if the membership has ended."""

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
    """Neither the key is revoked, nor its owner or tenant disabled."""


@dataclass(frozen=True, slots=True)
class StoredMembership:
    """What the owner of an identity may do in one tenant."""

    role: Role
    ticket_user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIdentity:
    """Everything needed to authenticate the owner of an identity."""

    id: str
    issuer: str
    owner: str
    email: str | None
    """None for a service account."""
    memberships: Mapping[str, StoredMembership]
    """By tenant; disabled tenants are left out."""
    is_on: bool
    """Neither the identity is removed, nor its owner disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One stored event: `shared.audit.AuditEvent` with an id and a time."""

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
        """Return the fields for a line of an export; the time in ISO 8601."""
        return {**asdict(self), "at": self.at.isoformat()}
