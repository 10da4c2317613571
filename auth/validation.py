"""Validates and normalises operators' input before it is stored. Pure.

Every function returns the value to store, or raises InvalidInputError, with a message that says what is valid.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.errors import InvalidInputError
from shared.http.hosts import is_link_local, is_private
from shared.identity import SCOPES_OF, Role, Scope

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_LONGEST_EMAIL: Final = 254
_DOMAIN: Final = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:xn--[a-z0-9-]+|[a-z]{2,63})", re.ASCII
)
LONGEST_INVITATION: Final = timedelta(days=90)
_LONGEST_ADDRESS: Final = 2000
_ISSUER: Final = re.compile(r"https?://[^\s?#]+")
_LONGEST_ISSUER: Final = 300
_LONGEST_SUBJECT: Final = 255
"""OpenID Connect Core 1.0, section 2."""
_REDIRECT_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:/[!\"$-~]+", re.ASCII)
_ENVIRONMENT: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,199}", re.ASCII)
_FILE: Final = re.compile(r"file:/[^\0]{1,490}")
LONGEST_LIFE: Final = timedelta(days=366)


def slug(text: str) -> str:
    """Return the id of a tenant."""
    if not _SLUG.fullmatch(text):
        raise InvalidInputError(
            f"{text!r} is not a valid tenant id: use 1 to 40 of a-z, 0-9 and '-', not starting with '-'. Example: acme",
            field="tenant",
        )
    return text


def email(text: str) -> str:
    """Return an e-mail address, casefolded for storage, so that each is stored once."""
    folded = text.strip().casefold()
    if not _EMAIL.fullmatch(folded) or len(folded) > _LONGEST_EMAIL or not folded.isprintable():
        raise InvalidInputError(f"{text!r} is not an e-mail address. Example: mika@example.com", field="email")
    return folded


def sign_in_email(text: str) -> str:
    """Return an e-mail address by which a person who signs in is found, casefolded."""
    if not text.strip().isascii():
        raise InvalidInputError(
            f"{text!r} is not an address of ASCII characters. Others look or compare like these, so people are not "
            "found by such an address at sign-in. Add the user, then link their account with `identity add`.",
            field="email",
        )
    return email(text)


def is_sign_in_email(text: str) -> bool:
    """Return whether a person who signs in is found by this address."""
    return text.isascii() and text.isprintable() and len(text) <= _LONGEST_EMAIL and bool(_EMAIL.fullmatch(text))


def domain(text: str) -> str:
    """Return the domain of an organisation, in lower case."""
    if not is_domain(text.strip()):
        raise InvalidInputError(
            f"{text!r} is not a domain. Write it as the claim `hd` does, without `@` and in ASCII (xn--… for an "
            "internationalised one). Example: acme.example",
            field="domain",
        )
    return text.strip().lower()


def is_domain(text: str) -> bool:
    """Return whether `text` is a domain of ASCII characters, in any case."""
    return text.isascii() and bool(_DOMAIN.fullmatch(text.lower()))


def label(text: str, field: str = "name", longest: int = 200) -> str:
    """Return a display name or another short text on one line."""
    stripped = text.strip()
    if not stripped or len(stripped) > longest or not stripped.isprintable():
        raise InvalidInputError(f"{field} must be 1 to {longest} visible characters on one line.", field=field)
    return stripped


def issuer(text: str) -> str:
    """Return the address of an identity provider, unchanged: tokens name it byte for byte."""
    if not _ISSUER.fullmatch(text) or len(text) > _LONGEST_ISSUER or not text.isprintable():
        raise InvalidInputError(
            f"{text!r} is not the address of an identity provider. Write it as MCP_OAUTH_ISSUER does. "
            "Example: https://login.acme.example",
            field="issuer",
        )
    return text


def subject(text: str) -> str:
    """Return the subject of an identity provider, unchanged."""
    if not is_subject(text):
        raise InvalidInputError(
            f"subject must be 1 to {_LONGEST_SUBJECT} visible characters, as in the claim `sub` of a token.",
            field="subject",
        )
    return text


def is_subject(text: str) -> bool:
    """Return whether a subject can be stored."""
    return 0 < len(text) <= _LONGEST_SUBJECT and text.isprintable() and text == text.strip()


def redirect_uri(text: str) -> str:
    """Return a redirect URI of a client, unchanged: requests name it character by character."""
    if not _REDIRECT_URI.fullmatch(text) or len(text) > _LONGEST_ADDRESS:
        raise InvalidInputError(
            f"{text!r} is not a redirect URI: it must be absolute, without a fragment, in ASCII without blanks. "
            "Example: https://assistant.example/callback",
            field="redirect_uri",
        )
    return text


def ticket_user(text: str) -> str | None:
    """Return the id of a user of the ticket system; None for an empty text, which means no user."""
    return label(text, "ticket_user", 50) if text else None


def role(text: str) -> Role:
    """Return the role with that name."""
    try:
        return Role(text)
    except ValueError:
        allowed = tuple(role.value for role in Role)
        raise InvalidInputError(
            f"{text!r} is not a role. Allowed: {', '.join(allowed)}.", field="role", allowed=allowed
        ) from None


def scopes(names: Iterable[str] | None, of: Role) -> frozenset[Scope] | None:
    """Return the scopes of a key, a subset of its role's; None means all of them, now and after a change of role."""
    if names is None:
        return None
    wanted = frozenset(names)
    allowed = tuple(sorted(scope.value for scope in SCOPES_OF[of]))
    if not wanted or not wanted <= set(allowed):
        raise InvalidInputError(
            f"The scopes of this key must be among those of the role {of.value}: {', '.join(allowed)}.",
            field="scopes",
            allowed=allowed,
        )
    return frozenset(Scope(name) for name in wanted)


def life(time: timedelta) -> timedelta:
    """Return the lifetime of a key."""
    if not timedelta(0) < time <= LONGEST_LIFE:
        raise InvalidInputError(
            f"The lifetime of a key must be above 0 and at most {LONGEST_LIFE.days} days; rotate it before then.",
            field="life",
        )
    return time


def invitation_life(time: timedelta) -> timedelta:
    """Return how long an invitation can be accepted."""
    if not timedelta(0) < time <= LONGEST_INVITATION:
        raise InvalidInputError(
            f"An invitation can be accepted for more than 0 and at most {LONGEST_INVITATION.days} days.", field="life"
        )
    return time


def overlap(time: timedelta) -> timedelta:
    """Return how long a rotated key stays valid beside its successor."""
    if not timedelta(0) <= time <= LONGEST_LIFE:
        raise InvalidInputError(f"The overlap must be 0 to {LONGEST_LIFE.days} days.", field="overlap")
    return time


def upstream_address(text: str, *, allow_private: bool = False) -> str:
    """Return the address of a tenant's ticket API, without trailing slashes.

    `https://`, or with `allow_private` also `http://` to this machine or a private address.
    """
    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or not host.isascii() or len(address) > _LONGEST_ADDRESS or not address.isprintable() or " " in address:
        raise _not_an_address("it cannot be parsed as a URL")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise _not_an_address("it must not contain a user, password, query or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_private and is_private(host)):
        raise _not_an_address(
            "it must begin with https:// (http:// only for a loopback or private address, if an operator explicitly "
            "allows it)"
        )
    if is_link_local(host):
        raise _not_an_address("it is a link-local address, where clouds serve the credentials of their machines")
    if is_private(host) and not allow_private:
        raise _not_an_address("it is a loopback or private address, which an operator must explicitly allow")
    return address


def _not_an_address(why: str) -> InvalidInputError:
    """Return the error without repeating the address, which may contain a password."""
    return InvalidInputError(
        f"The address of the ticket API is not valid: {why}. Example: https://tickets.acme.example",
        field="upstream_address",
    )


def upstream_reference(text: str) -> str:
    """Return where the server finds an upstream key: `env:NAME` or `file:/path`."""
    if not (_ENVIRONMENT.fullmatch(text) or _FILE.fullmatch(text)):
        raise InvalidInputError(
            "The reference of an upstream key must be env:NAME (an environment variable of the server) or file:/path "
            "(a file on the server).",
            field="upstream_key_ref",
        )
    return text
