"""Why a person who signed in is not admitted, and the command with which an administrator can change it."""

import shlex
from collections.abc import Collection
from enum import StrEnum

from auth.store.authorization.records import Account
from shared.command_lines import command_line
from shared.errors import TicketServerError


class RefusalReason(StrEnum):
    """Why an account is not admitted; stable words for the audit trail and the pages."""

    UNKNOWN = "unknown_account"
    EXPIRED = "invitation_expired"
    NO_ADDRESS = "no_verified_address"
    UNUSABLE_ADDRESS = "unusable_address"
    OTHER_ACCOUNT = "other_account"
    """The user with the address is linked to another account of the provider, or was."""
    UNUSABLE_ACCOUNT = "unusable_account"
    """Its subject (`sub`) cannot be stored."""
    REMOVED = "identity_removed"
    DISABLED = "user_disabled"
    NO_TENANT = "no_tenant"
    TENANT_DISABLED = "tenant_disabled"
    PROGRAM = "program"
    """The account belongs to a service account."""


class SignInRefusedError(TicketServerError):
    """The account is who it says, but is not admitted: signing in again would not help.

    What the person reads is on the page for `reason`, in their language.
    """

    kind = "sign_in_refused"

    def __init__(self, reason: RefusalReason, account: Account, command: str, *, identity: str = "") -> None:
        super().__init__(f"The account is not admitted: {reason}. An administrator can run `{command}`.")
        self.reason = reason
        self.command = command
        """What an administrator can run, quoted for a shell; TENANT and EMAIL stand for what is not known."""
        self.issuer = account.issuer
        self.subject = account.subject
        self.identity = identity
        """Id of the identity, if there is one."""


def invite(email: str, tenants: Collection[str]) -> str:
    """Return the command that invites the address, into the only one of `tenants` if there is one."""
    who, options = shlex.quote(email), f"--tenant {_one_of(tenants)} --role agent"
    if email.startswith("-"):
        return f"{command_line('auth')} invite {options} -- {who}"
    return f"{command_line('auth')} invite {who} {options}"


def add_member(user: str, tenants: Collection[str]) -> str:
    """Return the command that makes the user with that id a member."""
    return f"{command_line('auth')} membership set {user} --tenant {_one_of(tenants)} --role agent"


def add_key() -> str:
    """Return the command that adds a key for a user."""
    return f"{command_line('auth')} key add --tenant TENANT --user EMAIL"


def add_identity(account: Account, user: str = "EMAIL") -> str:
    """Return the command that links the account to a user."""
    options = f"--issuer {shlex.quote(account.issuer)} --subject {shlex.quote(account.subject)}"
    return f"{command_line('auth')} identity add {options} --user {user}"


def remove_identity(identity: str) -> str:
    """Return the command that removes an identity."""
    return f"{command_line('auth')} identity remove {identity}"


def enable_user(user: str) -> str:
    """Return the command that enables the user with that id."""
    return f"{command_line('auth')} user enable {user}"


def enable_tenant(tenant: str) -> str:
    """Return the command that enables a tenant."""
    return f"{command_line('auth')} tenant enable {tenant}"


def _one_of(tenants: Collection[str]) -> str:
    return next(iter(tenants)) if len(tenants) == 1 else "TENANT"
