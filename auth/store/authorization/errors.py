"""Errors of invitations and domains; see `auth.store.errors` for the tree."""

from auth.store.errors import UnknownError


class UnknownInvitationError(UnknownError):
    """There is no such invitation."""

    kind = "unknown_invitation"

    def __init__(self, invitation: str) -> None:
        super().__init__(f"There is no invitation {invitation!r}. Use an id (inv_…) from the list of invitations.")


class UnknownDomainError(UnknownError):
    """The domain belongs to no tenant."""

    kind = "unknown_domain"

    def __init__(self, domain: str) -> None:
        super().__init__(f"No organisation has the domain {domain!r}. Use one from the list of domains.")
