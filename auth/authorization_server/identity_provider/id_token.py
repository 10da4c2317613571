"""What an ID token says about the person who signed in, checked. Pure; the signature is checked elsewhere.

Source: OpenID Connect Core 1.0, sections 2 and 3.1.3.7. Google's own claims: `hd`, the domain of an organisation that
has its accounts there, which is no part of an address; and `iss`, which Google documents without its scheme as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from auth import validation
from auth.oauth.claims import check_times, text_of, texts_of
from shared.errors import TicketServerError
from shared.identity import GOOGLE

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({GOOGLE: ("accounts.google.com",)})
"""Other names of an issuer in its ID tokens. Source: Google, "OpenID Connect", claims of an ID token."""


@dataclass(frozen=True, slots=True)
class SignedInPerson:
    """A person who has just signed in at the identity provider."""

    issuer: str
    """As it is in the settings, never an alias."""
    subject: str
    """Stable and unique at the issuer."""
    email: str | None
    """Only if the provider says that it verified the address."""
    name: str | None
    """As the person chose it, so it proves nothing; it becomes the name of a new user."""
    hosted_domain: str | None
    """The claim `hd`: the domain of the organisation that manages the account; None for a personal one."""


class IdTokenError(TicketServerError):
    """An ID token is refused; the text says why, for the log of the operator."""


def person_in(
    header: Mapping[str, Any], claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: float
) -> SignedInPerson:
    """Return the person that an ID token names.

    Args:
        header: of a token that `issuer` has signed.
        claims: of the same token.
        issuer: the identity provider that was asked.
        client_id: the id of this server there.
        nonce: what was sent with this very sign-in.
        now: Unix time.

    Raises:
        IdTokenError: the token is of another issuer, kind or sign-in, or for another client.
        InvalidTokenError: it is not valid at `now`.
    """
    if claims.get("iss") not in (issuer, *_ALIASES.get(issuer, ())):
        raise IdTokenError("its issuer is another one")
    if not _is_for(claims, client_id):
        raise IdTokenError("it was issued for another client")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise IdTokenError("it is a token of another kind")
    if "iat" not in claims:
        raise IdTokenError("it does not say when it was issued")
    check_times(claims, now)
    if claims.get("nonce") != nonce:
        raise IdTokenError("it belongs to another sign-in (nonce)")
    subject = text_of(claims.get("sub"))
    if subject is None or not validation.is_subject(subject):
        raise IdTokenError("it names no subject that can be stored")
    return SignedInPerson(
        issuer=issuer,
        subject=subject,
        email=text_of(claims.get("email")) if claims.get("email_verified") is True else None,
        name=text_of(claims.get("name")),
        hosted_domain=text_of(claims.get("hd")),
    )


def _is_for(claims: Mapping[str, Any], client_id: str) -> bool:
    """Return whether `client_id` is the audience; one of several is it only if the token was issued to it."""
    audiences = texts_of(claims.get("aud"))
    party = claims.get("azp", client_id if len(audiences) == 1 else None)
    return client_id in audiences and party == client_id
