"""The tables of the authorization server; see `auth.store.tables` for the rules of all tables.

No row can be used as a credential: sign-ins and codes are found by digests, refresh tokens are computed from a seed and
a secret that is not in the database, private keys are sealed.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from auth.store.tables import metadata
from shared.storage.database import UTCDateTime

CLIENT_ID_LENGTH: Final = 500
REDIRECT_LENGTH: Final = 2000


def _client_id(*, primary_key: bool = False) -> Column[str]:
    name = "id" if primary_key else "client_id"
    return Column(name, String(CLIENT_ID_LENGTH), primary_key=primary_key, nullable=False)


oauth_clients: Final = Table(
    "oauth_clients",
    metadata,
    _client_id(primary_key=True),  # of a client with a metadata document, the address of the document
    Column("source", String(20), nullable=False),  # document, registered, added
    Column("metadata", Text, nullable=False),  # JSON: what is used of the client's metadata
    Column("created_at", UTCDateTime, nullable=False),
    Column("fetched_at", UTCDateTime),
    Column("last_used_at", UTCDateTime, nullable=False),
    Index("oauth_clients_by_use", "source", "last_used_at"),
)
sign_ins: Final = Table(  # between the approval of a client and the return from the identity provider
    "sign_ins",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of `state`
    Column("sealed", Text, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Index("sign_ins_by_end", "expires_at"),
)
authorization_codes: Final = Table(
    "authorization_codes",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the code
    Column("grant_id", String(40), nullable=False),  # of the grant that the code becomes
    Column("user_id", String(40), ForeignKey("users.id"), nullable=False),
    Column("identity_id", String(40), ForeignKey("identities.id"), nullable=False),
    Column("tenant_id", String(40), ForeignKey("tenants.id"), nullable=False),
    _client_id(),
    Column("redirect_uri", String(REDIRECT_LENGTH), nullable=False),
    Column("resource", String(REDIRECT_LENGTH), nullable=False),
    Column("scopes", String(200), nullable=False),  # space-separated
    Column("code_challenge", String(128), nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Index("authorization_codes_by_end", "expires_at"),
)
grants: Final = Table(  # what a person allowed one installation of a client
    "grants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id"), nullable=False),
    Column("identity_id", String(40), ForeignKey("identities.id"), nullable=False),
    Column("tenant_id", String(40), ForeignKey("tenants.id"), nullable=False),
    _client_id(),
    Column("redirect_uri", String(REDIRECT_LENGTH), nullable=False),
    Column("resource", String(REDIRECT_LENGTH), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("seed", String(64), nullable=False),  # of its refresh tokens
    Column("generation", Integer, nullable=False),  # of the newest refresh token
    Column("created_at", UTCDateTime, nullable=False),
    Column("last_used_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
    Column("revoked_because", String(40)),
    Index("grants_of_user", "user_id", "client_id"),
    Index("grants_by_end", "expires_at"),
)
signing_keys: Final = Table(
    "signing_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # of two instances, one takes the next number
    Column("key_id", String(64), nullable=False),
    Column("sealed", Text, nullable=False),  # the private key
    Column("created_at", UTCDateTime, nullable=False),
    UniqueConstraint("key_id", name="signing_keys_by_key_id"),
)
tenant_domains: Final = Table(  # whose members join an organisation at their first sign-in
    "tenant_domains",
    metadata,
    Column("domain", String(253), primary_key=True),  # lower case, as the claim `hd`
    Column("tenant_id", String(40), ForeignKey("tenants.id"), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Index("tenant_domains_of_tenant", "tenant_id"),
)
invitations: Final = Table(
    "invitations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(254), nullable=False),  # casefolded
    Column("tenant_id", String(40), ForeignKey("tenants.id"), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("accepted_at", UTCDateTime),
    Column("withdrawn_at", UTCDateTime),
    Index("invitations_of_email", "email"),
    Index("invitations_of_tenant", "tenant_id"),
)
OPEN: Final = invitations.c.accepted_at.is_(None) & invitations.c.withdrawn_at.is_(None)
"""Whether an invitation was neither accepted nor withdrawn; it may have expired."""
