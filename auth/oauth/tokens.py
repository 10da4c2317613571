"""What is known about an access token: who it is for and what it permits, or why it is refused."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.identity import AuthenticationError, Scope

RETRY_AFTER_S: Final = 5


class TokenFault(StrEnum):
    """Why a token is refused; stable words for the audit trail."""

    MALFORMED = "malformed"
    TYPE = "type"
    """It is a token of another kind, for example an ID token."""
    ISSUER = "issuer"
    AUDIENCE = "audience"
    SIGNATURE = "signature"
    """The algorithm, the key or the signature itself."""
    CLAIMS = "claims"
    """A required claim is missing or of the wrong type, or a claim asks for what this server does not check."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    GRANT = "grant"
    """It is a token of this server, but what its owner allowed was revoked, or its owner lost access."""


# RFC 6750, section 3: these characters may stand in `error_description`, so no quotation marks and ASCII alone.
_SENTENCES: Final[Mapping[TokenFault, str]] = MappingProxyType({
    TokenFault.MALFORMED: "This is not a readable access token. Sign in again.",
    TokenFault.TYPE: "This is not an access token. Send the access token, not the ID token or the refresh token.",
    TokenFault.ISSUER: "This server does not accept access tokens of this issuer. Sign in where this server says.",
    TokenFault.AUDIENCE: "The access token was issued for another server or another address. Sign in for this one.",
    TokenFault.SIGNATURE: "The signature of the access token is not valid. Sign in again.",
    TokenFault.CLAIMS: "A claim of the access token is missing or not accepted. An administrator has to look at it.",
    TokenFault.EXPIRED: "The access token has expired. Refresh it, or sign in again.",
    TokenFault.NOT_YET_VALID: "The access token is not valid yet. Check the clocks, then try again.",
    TokenFault.GRANT: "The access behind this token was revoked, or has ended. Sign in again.",
})  # fmt: skip


class InvalidTokenError(AuthenticationError):
    """The access token is refused (401); `reason` says why, the text what its owner can do."""

    def __init__(self, reason: TokenFault) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason = reason


class IssuerUnavailableError(AuthenticationError):
    """The token cannot be checked, because the keys of its issuer cannot be fetched (503)."""

    def __init__(self) -> None:
        super().__init__(
            "The identity provider does not answer, so the access token cannot be checked. Try again in a moment.",
            status=503,
            retry_after_s=RETRY_AFTER_S,
        )


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a valid access token of a configured issuer says. Its audience is not checked yet: see `check_audience`."""

    issuer: str
    subject: str
    """Stable and unique at the issuer: a person, or with `is_program` a program."""
    client_id: str | None
    scopes: frozenset[Scope]
    audiences: frozenset[str]
    email: str | None
    """Only if the issuer says that it verified the address."""
    tenant: str | None
    """The claim `tenant`: in which one its owner acts. Empty if it is no text that can be read, None without it."""
    expires_at: float
    """Unix time."""
    is_program: bool
    """Whether a program signed in as itself (client credentials)."""
    grant: str | None = None
    """The claim `grant`, which has a meaning in tokens of this server alone."""

    def check_audience(self, accepted: Collection[str]) -> None:
        """Raise InvalidTokenError unless the token is for one of the `accepted` names of this server."""
        if self.audiences.isdisjoint(accepted):
            raise InvalidTokenError(TokenFault.AUDIENCE)
