"""What the header and the claims of an access token say, checked. Pure; the signature is checked elsewhere.

Sources: RFC 7519, section 4.1; RFC 9068, sections 2 and 4; RFC 8725, section 3. Providers differ in what they leave to
each other: those whose habits are known here are Entra, Okta, Auth0, Keycloak, Amazon Cognito and oidc-provider.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from auth.oauth.tokens import InvalidTokenError, TokenFault, VerifiedToken
from shared.identity import Scope

LEEWAY_S: Final = 60.0
"""How far the clocks of an issuer and of this server may differ, in seconds."""
MAX_TEXT: Final = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2), a client id, an address or a tenant."""
_LAST_TIME: Final = 253_402_300_799  # the end of the year 9999
_CLIENT: Final = ("client_id", "azp", "cid", "appid")
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash", "events")
"""Claims of ID tokens and logout tokens; an access token that says what it is may have them."""
_OF_ACCESS_TOKENS: Final = ("scope", "scp", "idtyp")
"""Claims that no ID token has. The smallest one has `iss`, `sub`, `aud`, `exp` and `iat`, and nothing that marks it."""
_KINDS: Final[Mapping[str, Collection[str]]] = MappingProxyType({
    "typ": ("bearer", "at+jwt"),  # Keycloak: Bearer, ID, Refresh, Offline, Logout
    "token_use": ("access",),  # Cognito: access, id
})  # fmt: skip
"""Claims by which providers tell their tokens apart, and their values in access tokens."""


def check_type(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Raise InvalidTokenError if a token is not an access token: an ID token may have an audience that is accepted."""
    kind = _kind(header["typ"]) if "typ" in header else "jwt"
    if kind == "at+jwt":
        return
    said = [name for name in _KINDS if name in claims]
    if said:
        is_access = all(_kind(claims[name]) in _KINDS[name] for name in said)
    else:
        is_access = _has_any(claims, _OF_ACCESS_TOKENS) and not _has_any(claims, _OF_ID_TOKENS)
    if kind != "jwt" or not is_access:
        raise InvalidTokenError(TokenFault.TYPE)


def issuer_of(claims: Mapping[str, Any], issuers: Collection[str]) -> str:
    """Return the one of `issuers` that the token names, byte for byte. Raises: InvalidTokenError."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in issuers:
        raise InvalidTokenError(TokenFault.ISSUER)
    return issuer


def check_times(claims: Mapping[str, Any], now: float) -> float:
    """Return when the token expires. Raises: InvalidTokenError: it is not valid at `now`, both in Unix time."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise InvalidTokenError(TokenFault.CLAIMS)
    if expires_at + LEEWAY_S <= now:
        raise InvalidTokenError(TokenFault.EXPIRED)
    for name in ("nbf", "iat"):
        since = _time(claims, name)
        if since is not None and since - LEEWAY_S > now:
            raise InvalidTokenError(TokenFault.NOT_YET_VALID)
    return expires_at


def read_claims(
    header: Mapping[str, Any], claims: Mapping[str, Any], issuers: Collection[str], now: float
) -> VerifiedToken:
    """Return what a token says that its issuer has signed.

    Raises:
        InvalidTokenError: the token is of another kind or issuer, is not valid at `now`, or a claim is not accepted.
    """
    check_type(header, claims)
    issuer = issuer_of(claims, issuers)
    expires_at = check_times(claims, now)
    subject, audiences = text_of(claims.get("sub")), texts_of(claims.get("aud"))
    # A token that is bound to a key (`cnf`, RFC 9449 and RFC 8705) is worth nothing without a proof, which is not read.
    if subject is None or not audiences or "cnf" in claims:
        raise InvalidTokenError(TokenFault.CLAIMS)
    client_id = next((text for name in _CLIENT if (text := text_of(claims.get(name)))), None)
    is_program = _is_program(claims, subject, client_id)
    return VerifiedToken(
        issuer=issuer,
        subject=subject,
        client_id=client_id,
        scopes=_scopes(claims, is_program=is_program),
        audiences=frozenset(audiences),
        email=text_of(claims.get("email")) if claims.get("email_verified") is True else None,
        tenant=None if claims.get("tenant") is None else text_of(claims["tenant"]) or "",
        expires_at=expires_at,
        is_program=is_program,
        grant=text_of(claims.get("grant")),
    )


def _has_any(claims: Mapping[str, Any], names: Collection[str]) -> bool:
    return any(name in claims for name in names)


def _kind(value: object) -> str:
    """Return a type as it is compared: media types have any case and may lack their `application/`."""
    return value.lower().removeprefix("application/") if isinstance(value, str) else ""


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate, or None if there is no such claim."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_TIME:
        raise InvalidTokenError(TokenFault.CLAIMS)
    return float(value)


def text_of(value: object) -> str | None:
    """Return a text that can be stored and shown, or None."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable() else None


def texts_of(value: object) -> list[str]:
    """Return the texts of a claim that is one text or a list of them; nothing if any of them is something else."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        return []
    return [each for each in values if each]


def _scopes(claims: Mapping[str, Any], *, is_program: bool) -> frozenset[Scope]:
    """Return the scopes of this server that a token has.

    `scope` is one text (RFC 9068) or, of some providers, a list; Okta and Entra call it `scp`. Entra gives programs
    their permissions in `roles` alone. Some providers put the name of the resource in front: `api://tickets/tickets:read`.
    """
    named = texts_of(claims.get("scope", claims.get("scp")))
    words = [word for text in named for word in text.split()]
    if is_program:
        words += texts_of(claims.get("roles"))
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for word in words if (name := word.rpartition("/")[2]) in known)


def _is_program(claims: Mapping[str, Any], subject: str, client_id: str | None) -> bool:
    """Return whether a program signed in as itself, as far as its provider says it."""
    if claims.get("idtyp") == "app" or claims.get("gty") == "client-credentials":  # Entra; Auth0
        return True
    if client_id is None:
        return False
    username = text_of(claims.get("preferred_username")) or ""
    is_account = username.casefold() == f"service-account-{client_id}".casefold()  # Keycloak has it in lower case
    return is_account or subject in (client_id, f"{client_id}@clients")  # the latter: Auth0
