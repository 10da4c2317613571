"""Why the subject of a valid access token is not admitted; the sentences say what an administrator can do."""

import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from auth import validation
from auth.oauth.tokens import VerifiedToken
from shared.command_lines import command_line
from shared.identity import AuthenticationError


class AdmissionFault(StrEnum):
    """Why a subject is not admitted; stable words for the audit trail."""

    UNKNOWN = "unknown_subject"
    DISABLED = "disabled"
    """The identity was removed, or its owner disabled."""
    NO_TENANT = "no_tenant"
    SEVERAL_TENANTS = "several_tenants"
    OTHER_TENANT = "other_tenant"
    """The token is for a tenant in which its owner cannot act."""
    PROGRAM = "program"
    """A program signed in as itself, but its subject belongs to a user."""


_SENTENCES: Final[Mapping[AdmissionFault, str]] = MappingProxyType({
    AdmissionFault.UNKNOWN: "You are signed in, but this server does not know your account.",
    AdmissionFault.DISABLED: "Your access to this server was ended. Ask an administrator of your organisation.",
    AdmissionFault.NO_TENANT: "You are signed in, but are not a member of an organisation that signs in here. Ask an "
    "administrator of your organisation.",
    AdmissionFault.SEVERAL_TENANTS: "You are a member of several organisations, and your access token does not say in "
    "which you act.",
    AdmissionFault.OTHER_TENANT: "Your access token is for an organisation in which you cannot act here.",
    AdmissionFault.PROGRAM: "This is the access token of a program, but the account belongs to a person. An "
    "administrator can link it to a service account instead.",
})  # fmt: skip


class NotAdmittedError(AuthenticationError):
    """The token is valid, but its subject is not admitted (403): signing in again would not help."""

    kind = "not_admitted"

    def __init__(self, reason: AdmissionFault, token: VerifiedToken, identity: str = "", *, advice: str = "") -> None:
        super().__init__(" ".join(filter(None, (_SENTENCES[reason], advice))), status=403)
        self.reason = reason
        self.issuer = token.issuer
        """One of those in the settings."""
        self.subject = token.subject
        """As the issuer names it."""
        self.identity = identity
        """Id of the identity, if there is one."""


def unknown_subject(token: VerifiedToken) -> NotAdmittedError:
    """Return the refusal of a subject that belongs to no user and no service account."""
    owner = "--tenant TENANT --service NAME" if token.is_program else "--user EMAIL"
    # What a provider says may end up in a shell.
    subject = shlex.quote(token.subject) if validation.is_subject(token.subject) else "SUBJECT"
    command = f"{command_line('auth')} identity add --issuer {shlex.quote(token.issuer)} --subject {subject} {owner}"
    return NotAdmittedError(AdmissionFault.UNKNOWN, token, advice=f"An administrator can add it: `{command}`.")


def tenant_not_chosen(token: VerifiedToken, identity: str, tenants: Sequence[str]) -> NotAdmittedError:
    """Return the refusal of a member of `tenants` whose token names none of them, or another one."""
    advice = f"Its claim `tenant` must name one of: {', '.join(tenants)}."
    if token.tenant is None:
        return NotAdmittedError(AdmissionFault.SEVERAL_TENANTS, token, identity, advice=advice)
    named = repr(token.tenant) if token.tenant else "nothing that can be read"
    advice += (
        f" It names {named}. If your identity provider means something else by this claim, an administrator can leave "
        "it out of the access tokens for this server."
    )
    return NotAdmittedError(AdmissionFault.OTHER_TENANT, token, identity, advice=advice)
