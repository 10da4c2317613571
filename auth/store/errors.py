"""What can go wrong between an operator and the identity store, as part of the one tree of `shared.errors`.

    NotFoundError
    └── UnknownError               a tenant, user, service account, membership or key that is not there
        └── UnknownTenantError, UnknownUserError, UnknownServiceAccountError, UnknownMembershipError, UnknownKeyError
    TicketServerError
    ├── AlreadyExistsError         the name, address or identity is taken
    ├── NotUsableError             it is there, but disabled, revoked or expired
    ├── UpstreamKeyError           a tenant's upstream key cannot be read
    └── StoreUnavailableError      the identity store does not answer

Wrong input is `InvalidInputError`. Every sentence says what would be right and may be shown: none holds a secret.
"""

from shared.errors import NotFoundError, TicketServerError


class UnknownError(NotFoundError):
    """What an operator named is not in the identity store."""


class UnknownTenantError(UnknownError):
    """There is no such tenant."""

    kind = "unknown_tenant"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"There is no tenant {tenant!r}. Add it first, or name one of the list of tenants.")


class UnknownUserError(UnknownError):
    """There is no such user."""

    kind = "unknown_user"

    def __init__(self, who: str) -> None:
        super().__init__(f"There is no user {who!r}. Name an e-mail address or an id (usr_…) of the list of users.")


class UnknownServiceAccountError(UnknownError):
    """There is no such service account."""

    kind = "unknown_service_account"

    def __init__(self, tenant: str, name: str) -> None:
        super().__init__(
            f"Tenant {tenant!r} has no service account {name!r}. Name one of its list of service accounts, by name or "
            "id (svc_…)."
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
            f"There is no key with the public id {public_id!r}. It is the eight characters after tkt_live_, as the "
            "list of keys shows them."
        )


class AlreadyExistsError(TicketServerError):
    """The name is taken; nothing was changed."""

    kind = "already_exists"


class NotUsableError(TicketServerError):
    """It is known, but disabled, revoked or expired; nothing was changed."""

    kind = "not_usable"


class UpstreamKeyError(TicketServerError):
    """The key of a tenant's ticket API cannot be opened or read; only an operator can mend that."""

    kind = "upstream_key_unreadable"


class StoreUnavailableError(TicketServerError):
    """The identity store did not answer in time; the same question may be asked again."""

    kind = "identity_unavailable"

    def __init__(self) -> None:
        super().__init__("The identity store is not answering. Nothing was done; try again in a moment.")
