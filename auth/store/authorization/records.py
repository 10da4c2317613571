"""Records of the authorization server as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.identity import Role, Scope


class ClientSource(StrEnum):
    """How a client is known."""

    DOCUMENT = "document"
    """Its id is the address of its metadata document."""
    REGISTERED = "registered"
    """It registered itself."""
    ADDED = "added"
    """An operator added it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """A client of the authorization server."""

    id: str
    source: ClientSource
    metadata: Mapping[str, Any]
    """What is used of its metadata, in the words of RFC 7591."""
    created_at: datetime
    fetched_at: datetime | None
    """When its document was fetched last; None without a document."""
    last_used_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a person allows a client: the content of a code, and then of a grant."""

    user: str
    identity: str
    """As which identity of the provider the user signed in; removing it ends the grant."""
    tenant: str
    client_id: str
    redirect_uri: str
    """The one of the request, with its port."""
    resource: str
    """The audience of the tokens."""
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRecord:
    """An authorization code that was issued, by its digest."""

    grant_id: str
    """Id of the grant that it becomes."""
    authorization: Authorization
    code_challenge: str
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRecord:
    """What one installation of a client may do for a user, until it is revoked or was not used for long."""

    id: str
    authorization: Authorization
    email: str
    """Of the user."""
    generation: int
    """Of the newest refresh token."""
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGrant:
    """A grant with what its user may do in its tenant now; None where one of them is gone or disabled."""

    id: str
    authorization: Authorization
    issuer: str
    """The identity provider at which the user signed in."""
    email: str
    role: Role | None
    """None if the user is not a member of the tenant any more."""
    ticket_user: str | None
    is_on: bool
    """Whether the grant is neither revoked nor expired, its identity not removed, user and tenant not disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Whose grants count: those of people who sign in at the identity provider of the settings, in its tenants."""

    issuer: str
    tenants: frozenset[str] = frozenset()
    """None for all."""

    def has(self, grant: LiveGrant) -> bool:
        """Return whether the grant could begin today: a provider or a tenant may have been taken away since."""
        is_in_tenant = not self.tenants or grant.authorization.tenant in self.tenants
        return grant.issuer == self.issuer and is_in_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecord:
    """A domain of an organisation: who has an account in it becomes a member at the first sign-in."""

    domain: str
    """In lower case, as the claim `hd`."""
    tenant: str
    role: Role
    created_at: datetime


class InvitationState(StrEnum):
    """What became of an invitation."""

    PENDING = "pending"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRecord:
    """An invitation of an e-mail address into a tenant. Its id is no secret: the verified address accepts it."""

    id: str
    email: str
    tenant: str
    tenant_name: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    withdrawn_at: datetime | None
    state: InvitationState


class Account(Protocol):
    """An account at the identity provider, as its verified ID token describes it."""

    @property
    def issuer(self) -> str:
        """The claim `iss`."""

    @property
    def subject(self) -> str:
        """The claim `sub`."""

    @property
    def email(self) -> str | None:
        """The e-mail address, only if the provider has verified it."""

    @property
    def name(self) -> str | None:
        """As the provider displays it."""

    @property
    def hosted_domain(self) -> str | None:
        """The claim `hd`: the domain of the organisation to which the account belongs."""


@dataclass(frozen=True, slots=True)
class AdmittedMembership:
    """The membership of a person who signed in."""

    role: Role
    tenant_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A person who signed in and may use the server."""

    user: str
    identity: str
    email: str
    """Of the user, as the store has it."""
    memberships: Mapping[str, AdmittedMembership]
    """By tenant, at least one: those that the issuer serves and that are not disabled."""
