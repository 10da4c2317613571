"""Errors of the identity store, part of the error tree of `shared.errors`.

    NotFoundError
    └── UnknownError               no such tenant, user, service account, membership, key, identity, grant or client
        └── UnknownTenantError, UnknownUserError, UnknownServiceAccountError, UnknownMembershipError, UnknownKeyError,
            UnknownIdentityError, UnknownGrantError, UnknownOAuthClientError
    TicketServerError
    ├── AlreadyExistsError         the name, address or identity is taken
    ├── NotUsableError             it exists, but is disabled, revoked or expired
    ├── UpstreamKeyError           a tenant's upstream key cannot be read
    └── StoreUnavailableError      the identity store does not respond

Invalid input is `InvalidInputError`. Every message says what is valid and may be shown: none contains a secret.
"""

from shared.errors import NotFoundError, TicketServerError


class UnknownError(NotFoundError):
    """An object that an operator named is not in the identity store."""


class UnknownTenantError(UnknownError):
    """There is no such tenant."""

    kind = "unknown_tenant"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"There is no tenant {tenant!r}. Add it first, or use an id from the list of tenants.")


class UnknownUserError(UnknownError):
    """There is no such user."""

    kind = "unknown_user"

    def __init__(self, who: str) -> None:
        super().__init__(f"There is no user {who!r}. Use an e-mail address or an id (usr_…) from the list of users.")


class UnknownServiceAccountError(UnknownError):
    """There is no such service account."""

    kind = "unknown_service_account"

    def __init__(self, tenant: str, name: str) -> None:
        super().__init__(
            f"Tenant {tenant!r} has no service account {name!r}. Use a name or an id (svc_…) from its list of service "
            "accounts."
        )


class UnknownMembershipError(UnknownError):
    """The user is not a member of the tenant."""

    kind = "unknown_membership"

    def __init__(self, who: str, tenant: str) -> None:
        super().__init__(f"{who} is not a member of tenant {tenant!r}. Set a membership with a role first.")


class UnknownKeyError(UnknownError):
    """There is no such key."""

    kind = "unknown_key"

    def __init__(self, public_id: str) -> None:
        super().__init__(
            f"There is no key with the public id {public_id!r}. The public id is the eight characters after tkt_live_, "
            "as shown in the list of keys."
        )


class UnknownIdentityError(UnknownError):
    """There is no such identity."""

    kind = "unknown_identity"

    def __init__(self, identity: str) -> None:
        super().__init__(f"There is no identity {identity!r}. Use an id (idn_…) from the list of identities.")


class UnknownGrantError(UnknownError):
    """There is no such grant."""

    kind = "unknown_grant"

    def __init__(self, grant_id: str) -> None:
        super().__init__(f"There is no grant {grant_id!r}. Use an id (grt_…) from the list of grants.")


class UnknownOAuthClientError(UnknownError):
    """There is no such client."""

    kind = "unknown_oauth_client"

    def __init__(self, client_id: str) -> None:
        super().__init__(f"There is no client {client_id!r}. Use an id from the list of clients.")


class AlreadyExistsError(TicketServerError):
    """The name is taken; nothing was changed."""

    kind = "already_exists"


class NotUsableError(TicketServerError):
    """The object exists, but is disabled, revoked or expired; nothing was changed."""

    kind = "not_usable"


class UpstreamKeyError(TicketServerError):
    """The key of a tenant's ticket API cannot be decrypted or read; only an operator can fix that."""

    kind = "upstream_key_unreadable"


class StoreUnavailableError(TicketServerError):
    """The identity store did not respond in time; the lookup may be retried."""

    kind = "identity_unavailable"

    def __init__(self) -> None:
        super().__init__("The identity store is not answering. Nothing was changed; try again in a moment.")
